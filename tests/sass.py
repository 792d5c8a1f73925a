"""A cubin's machine code as nvdisasm prints it, with its sections and labels."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from pathlib import Path

from benchsuite.backends.cuda import cubin


def disassembly(path: Path) -> str:
    """The whole listing. Raises ``UnavailableError`` where nvdisasm is not installed."""
    return subprocess.run([cubin.nvdisasm(), str(path)], check=True, capture_output=True, text=True).stdout


def loop(listing: str, holds: str) -> Counter[str]:
    """The instructions of the innermost loop that holds every ``holds`` of the kernel."""
    places: dict[str, int] = {}
    code: list[tuple[str, str]] = []
    for line in listing.splitlines():
        if label := re.match(r"(\.L_x_\d+):", line):
            places[label[1]] = len(code)
        elif found := re.search(r"/\*[0-9a-f]{4,}\*/\s+(?:@\S+ +)?([^ ;]+)(.*)", line):
            code.append((found[1].split(".")[0], found[2]))
    all_of_them = sum(name == holds for name, _ in code)
    bodies = []
    for i, (name, operands) in enumerate(code):
        target = re.search(r"(\.L_x_\d+)", operands) if name == "BRA" else None
        if target and places[target[1]] < i:
            body = Counter(name for name, _ in code[places[target[1]] : i + 1])
            bodies += [body] if body[holds] == all_of_them else []
    return min(bodies, key=lambda body: body.total())
