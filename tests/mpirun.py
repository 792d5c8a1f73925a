"""Starts a script of the tests on real MPI ranks; ``needs_mpi`` marks a test and skips it where there is none."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from benchsuite.launchers.mpi import MpiLauncher

MISSING = MpiLauncher().unavailable()


def needs_mpi(test: Callable[..., Any]) -> Callable[..., Any]:
    """Mark ``test`` as one that starts MPI ranks."""
    return pytest.mark.mpi(pytest.mark.skipif(bool(MISSING), reason=MISSING or "MPI is here")(test))


def mpirun(ranks: int, *arguments: str, timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
    """``python ARGUMENTS`` on every rank; ends with ``TimeoutExpired`` rather than never."""
    launcher = MpiLauncher()
    return python(*arguments, prefix=launcher.tokens(ranks), timeout=timeout, **launcher.environment(ranks))


def python(
    *arguments: str, prefix: tuple[str, ...] = (), timeout: float = 60.0, **environment: str
) -> subprocess.CompletedProcess[str]:
    """``PREFIX python ARGUMENTS`` with further variables of the environment."""
    return subprocess.run(
        [*prefix, sys.executable, *arguments],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
