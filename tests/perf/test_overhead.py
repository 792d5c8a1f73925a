"""What benchsuite itself costs: start-up of the help page, and the loop around a timed step."""

from __future__ import annotations

import subprocess
import sys
from math import ceil
from statistics import median
from time import perf_counter
from typing import Any

from paired import lasting, paired_ratio

from benchsuite.backends.host.backend import HostBackend
from benchsuite.measure.clock import calibrate
from benchsuite.measure.collect import Sampler
from benchsuite.world.solo import SoloWorld

KERNEL = 100e-6


def start(*words: str) -> None:
    subprocess.run([sys.executable, *words], stdout=subprocess.DEVNULL, check=True)


def test_help_starts_quickly(benchmark: Any) -> None:
    """Time of ``benchsuite --help`` over that of an empty Python, start for start."""
    arms = {"python -c pass": lambda: start("-c", "pass"), "--help": lambda: start("-m", "benchsuite", "--help")}
    ratio = paired_ratio(arms, "--help", 21 if benchmark.enabled else 2)["python -c pass"]
    benchmark.extra_info["--help / python -c pass, time"] = str(ratio)
    print(f"\nbenchsuite --help takes {ratio} times an empty Python")
    benchmark.pedantic(arms["--help"], rounds=5 if benchmark.enabled else 1)


def spin() -> None:
    """A kernel of 100 µs by the clock itself, so that neighbours and frequencies change nothing about it."""
    end = perf_counter() + KERNEL
    while perf_counter() < end:
        pass


def test_measuring_costs_little_more_than_a_bare_timing_loop(benchmark: Any) -> None:
    """Batches of 100 µs kernels: all the time that a sample takes, and the time it reports, over a bare loop's."""
    backend = HostBackend(threads=1)
    iterations = ceil(calibrate(backend.timer()).shortest_batch / KERNEL)
    sampler = Sampler([spin] * 3, backend.elapsed, backend.timer(), SoloWorld())
    reported: list[float] = []

    def bare() -> None:
        start = perf_counter()
        for _ in range(iterations):
            spin()
        bare_seconds.append((perf_counter() - start) / iterations)

    bare_seconds: list[float] = []
    arms = {"bare": bare, "harness": lambda: reported.append(sampler.batch(iterations).seconds)}
    speed = paired_ratio(arms, "bare", 1001 if benchmark.enabled else 41, lasting(0.0))["harness"]
    whole = f"{1.0 / speed.median - 1.0:+.3%} [{1.0 / speed.high - 1.0:+.3%}, {1.0 / speed.low - 1.0:+.3%}]"
    told = f"{median(reported) / median(bare_seconds) - 1.0:+.3%}"
    benchmark.extra_info["harness over bare loop, all its time"] = whole
    benchmark.extra_info["harness over bare loop, the time it reports"] = told
    print(
        f"\nbatches of {iterations} x 100 µs: the harness takes {whole} more than a bare loop and reports {told} more"
    )
    assert speed.median > 0.5, "no more than twice a bare loop"
    benchmark.pedantic(arms["harness"], rounds=5 if benchmark.enabled else 1)


def test_a_record_is_written_quickly(benchmark: Any) -> None:
    """Encoding a record of 400 samples."""
    from benchsuite.benchmarks.memory import BENCHMARK
    from benchsuite.model import Case
    from benchsuite.record import from_line, to_line
    from tests.builders import record

    made = record(BENCHMARK, Case.of("memory", op="read", bytes=1 << 20), seconds=[1e-3] * 400)
    line = benchmark(to_line, made)
    assert from_line(line) == made
