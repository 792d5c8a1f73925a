"""Every world keeps the same contract: one rank, threads, and real MPI ranks."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from mpirun import mpirun, needs_mpi
from world_contract import CHECKS

from benchsuite.model import World
from benchsuite.world import open_world
from benchsuite.world.threads import run as run_threads

SCRIPT = Path(__file__).with_name("world_contract.py")
every_check = pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)


@cache
def under_mpi(ranks: int) -> dict[str, str]:
    """Each check's failure under one mpiexec."""
    done = mpirun(ranks, "-W", "error", str(SCRIPT), str(ranks))
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, str] = json.loads(done.stdout)
    return found


@every_check
def test_solo(check: Callable[[World], None]) -> None:
    check(open_world("solo", 1))


@every_check
@pytest.mark.parametrize("ranks", [1, 2, 3, 4])
def test_threads(check: Callable[[World], None], ranks: int) -> None:
    run_threads(ranks, check)


@needs_mpi
@every_check
@pytest.mark.parametrize("ranks", [1, 2, 3, 4])
def test_mpi(check: Callable[[World], None], ranks: int) -> None:
    assert under_mpi(ranks)[check.__name__] == ""
