"""A cubin's machine code as nvdisasm prints it, with its sections and labels."""

from __future__ import annotations

import subprocess
from pathlib import Path

from benchsuite.backends.cuda import cubin


def disassembly(path: Path) -> str:
    """The whole listing. Raises ``UnavailableError`` where nvdisasm is not installed."""
    return subprocess.run([cubin.nvdisasm(), str(path)], check=True, capture_output=True, text=True).stdout
