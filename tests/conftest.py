"""Fixtures shared by all tests: benchmarks, the scripted backend, campaigns made in a moment."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from benchsuite import discovery
from benchsuite.model import (
    Array,
    Arrays,
    ArraySpec,
    Axis,
    Benchmark,
    Buffers,
    Case,
    Expected,
    HostCall,
    Implementation,
    Metric,
    Tolerance,
    Work,
)
from tests import beside
from tests.browser.chromium import browser  # noqa: F401  fixture of whatever opens a page
from tests.cluster.fixtures import cluster, slurm  # noqa: F401  fixtures of tests/cluster and tests/faults

# A busy machine must not fail a property for being slow, and CI must fail for the same reason twice.
settings.register_profile("benchsuite", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("benchsuite")


os.environ.setdefault("BENCHSUITE_LOCKS", tempfile.mkdtemp(prefix="benchsuite-locks-"))
"""Campaigns of the tests exclude each other, not those of a person who measures meanwhile."""
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
"""Hundreds of processes are started: without it each would compile the package again."""


def pytest_configure(config: pytest.Config) -> None:
    """For a whole run, use a second core: for tests, and to compile the GPU kernels meanwhile.

    Nothing depends on the latter: what it has not compiled by then, or could not, the gate compiles itself.
    """
    if beside.whole(config):
        config.pluginmanager.register(beside.First(config.rootpath))
        command = ["nice", sys.executable, "-m", "benchsuite", "list", "--kernels", "--json"]
        config.stash[AHEAD] = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave no process behind."""
    if (ahead := config.stash.get(AHEAD, None)) is not None:
        ahead.kill()
        ahead.wait()


AHEAD = pytest.StashKey[subprocess.Popen[bytes]]()


def _double(buffers: Buffers, case: Case) -> None:
    np.multiply(buffers["x"], 2.0, out=buffers["y"])


def _wrong_element(buffers: Buffers, case: Case) -> None:
    _double(buffers, case)
    buffers["y"][3] += 1e-3


def _one_nan(buffers: Buffers, case: Case) -> None:
    _double(buffers, case)
    buffers["y"][-1] = np.nan


def _idle(buffers: Buffers, case: Case) -> None:
    """Writes nothing: the poison must be found."""


def _raises(buffers: Buffers, case: Case) -> None:
    raise RuntimeError("the kernel exploded")


def toy(**functions: object) -> Benchmark:
    """A benchmark that doubles a vector, with one implementation for each way to go wrong."""
    flaws = {"good": _double, "wrong": _wrong_element, "nan": _one_nan, "idle": _idle, "raises": _raises, **functions}

    def inputs(case: Case, rng: np.random.Generator) -> Arrays:
        return {"x": rng.standard_normal(case.integer("n"))}

    def outputs(case: Case) -> Mapping[str, ArraySpec]:
        return {"y": ArraySpec((case.integer("n"),), "fp64")}

    def reference(case: Case, ranks: object, rng: np.random.Generator) -> Mapping[str, Expected]:
        x: Array = ranks[0]["x"]  # type: ignore[index]
        return {"y": Expected(x + x)}

    return Benchmark(
        name="toy",
        question="How fast can a vector be doubled?",
        metric=Metric.BANDWIDTH,
        axes=(Axis("n", (64, 1024), "elements"), Axis("kind", ("a", "b"), choices=("a", "b"))),
        inputs=inputs,
        outputs=outputs,
        work=lambda case: Work(flops=case.integer("n"), read=8.0 * case.integer("n"), written=8.0 * case.integer("n")),
        reference=reference,
        tolerance=lambda case: Tolerance(relative=1e-12),
        implementations=tuple(Implementation(name, HostCall(function)) for name, function in flaws.items()),  # type: ignore[arg-type]
        tags=frozenset({"toys"}),
    )


@pytest.fixture
def toys() -> dict[str, Benchmark]:
    """A catalogue with the toy benchmark only."""
    return {"toy": toy()}


@pytest.fixture
def fresh_discovery() -> Iterator[None]:
    """Discovery that scans again, before and after the test."""
    discovery.discover.cache_clear()
    yield
    discovery.discover.cache_clear()


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A folder for run directories."""
    return tmp_path / "runs"
