"""The collectives suite as the cluster tests measure it: every collective, in few bytes and little time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchsuite import discovery, store, suite
from benchsuite.model import Record, Status

PYTHON = sys.executable
BENCHSUITE = (PYTHON, "-m", "benchsuite")
SHORT = ("--backend", "host", "--no-report", "--runs", "1", "--budget", "8", "--seed", "1")


def only(nbytes: int) -> tuple[str, ...]:
    """Words that choose one size of every collective; of 8 B most ranks have no element."""
    return ("--only", "barrier", "--only", f"tag:collective bytes={nbytes}")


COLLECTIVES = ("collectives", *SHORT, *only(65536))
"""What stands behind ``benchsuite run``."""
SMALLEST = ("collectives", *SHORT, *only(8), "--only", "alltoallv bytes=65536")
"""The same with the smallest message, which ``alltoallv`` has not in this suite."""
SCRIPT = """
import sys
from benchsuite.errors import BenchsuiteError
from benchsuite.world import open_world
try:
    world = open_world("mpi", int(sys.argv[1]))
except BenchsuiteError as error:
    print(error, flush=True)
    sys.exit(int(error.exit_code))
print("a world of", world.size, flush=True)
"""
"""A rank that opens its world as the worker does, and says what comes of it."""


def run_of(out: Path) -> Path:
    """The only run directory below ``out``."""
    (campaign,) = out.glob(f"**/{store.CAMPAIGN}")
    return campaign.parent


def assert_exact(run: Path, ranks: int, hosts: int, library: str) -> tuple[Record, ...]:
    """Every collective was measured by every implementation planned, on that world, and not one value was wrong."""
    loaded = store.load(run)
    assert not loaded.problems
    wrong = [(one.case.key, one.implementation, one.status, one.reason) for one in loaded.records if not _exact(one)]
    assert not wrong
    plan = loaded.campaign.plan
    assert len(loaded.records) == len(plan.tasks) == sum(map(len, plan.order))
    assert {record.case.ranks for record in loaded.records} == {ranks}
    assert {record.case.benchmark for record in loaded.records} == collectives()
    world = loaded.campaign.facts["world"]
    assert (world["ranks"], world["hosts"]) == (str(ranks), str(hosts))
    assert world["library"].startswith(library)
    return loaded.records


def collectives() -> set[str]:
    """The benchmarks that the suite has entries of."""
    found = discovery.discover()
    names = {pattern for entry in suite.load("collectives", found).entries for pattern in entry.select}
    assert len(names) == 9, "the suite has grown: name what it has now"
    return names


def _exact(record: Record) -> bool:
    return record.status is Status.OK and record.samples is not None and record.samples.max_error == 0.0


def words(done: subprocess.CompletedProcess[str]) -> str:
    """Everything that a command said, for a failure's message and to look for words in."""
    return f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
