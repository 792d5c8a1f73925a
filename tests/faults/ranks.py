"""Campaigns of a sum over ranks, with a fault in it that a test wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.faults.injection import Ended, Running, start

BENCHMARK = '''
"""A sum over ranks; ``faulty`` does what the test wrote."""
import os, signal, sys, time

import numpy as np

from benchsuite.model import ArraySpec, Axis, Benchmark, CacheMode, CollectiveCall, Expected, Implementation, Metric
from benchsuite.model import Tolerance, Work


def reference(case, ranks, rng):
    return {"y": Expected(sum(one["x"] for one in ranks))}


def good(world, buffers, case, ops):
    world.allreduce(buffers["x"], buffers["y"])


def faulty(world, buffers, case, ops):
    good(world, buffers, case, ops)


def measuring(world):
    """Whether the worker says that it measures."""
    with open(os.path.join(os.path.dirname(sys.argv[-1]), f"rank-{world.rank}.beat")) as file:
        return "measure: " in file.read()

#FAULT

RANKS = frozenset({"host", "ranks"})
BENCHMARK = Benchmark(
    name="summed",
    question="How fast do ranks sum a vector?",
    metric=Metric.BUSBW,
    axes=(Axis("n", (64,), "elements"),),
    inputs=lambda case, rng: {"x": rng.integers(0, 100, case.integer("n")).astype(np.float64)},
    outputs=lambda case: {"y": ArraySpec((case.integer("n"),), "fp64")},
    work=lambda case: Work(payload=8.0 * case.integer("n"), wire=8.0 * case.integer("n")),
    reference=reference,
    tolerance=lambda case: Tolerance(),
    implementations=(
        Implementation("good", CollectiveCall(good), RANKS),
        Implementation("faulty", CollectiveCall(faulty), RANKS),
    ),
    cache=CacheMode.HOT,
)
'''

POLICY: dict[str, object] = {
    "runs": 1,
    "seconds": 0.02,
    "warmup": 0.004,
    "min_samples": 5,
    "deadline": 20.0,
    "setup_deadline": 20.0,
    "compile_deadline": 20.0,
}


def write(
    folder: Path, fault: str = "", *, policy: Mapping[str, object] | None = None, only: str = "", n: int = 64
) -> Path:
    """The benchmark with its fault, and a suite of its two implementations (or ``only`` one); the suite's path."""
    (folder / "benchmarks").mkdir()
    (folder / "benchmarks" / "summed.py").write_text(BENCHMARK.replace("#FAULT", fault))
    settings = "".join(f"{key} = {value!r}\n" for key, value in {**POLICY, **(policy or {})}.items()).replace("'", '"')
    chosen = f'implementations = ["{only}"]\n' if only else ""
    suite = folder / "ranks.toml"
    suite.write_text(f'[policy]\n{settings}\n[[bench]]\nselect = ["summed"]\nn = [{n}]\n{chosen}')
    return suite


def begin(
    folder: Path,
    fault: str = "",
    *,
    backend: str = "fake",
    environment: Mapping[str, str] | None = None,
    wrapper: tuple[str, ...] = (),
    options: Sequence[str] = ("--ranks", "2"),
    **more: object,
) -> Running:
    """Start a campaign of the sum, on two ranks unless ``options`` say otherwise; ``more`` goes to ``write``."""
    suite = write(folder, fault, **more)  # type: ignore[arg-type]
    words = ("run", str(suite), "--backend", backend, "--no-report", "--seed", "1", *options)
    return start(folder, *words, environment=environment, wrapper=wrapper)


def run_ranks(folder: Path, fault: str = "", **more: object) -> Ended:
    """Such a campaign from beginning to end."""
    with begin(folder, fault, **more) as running:  # type: ignore[arg-type]
        return running.wait()
