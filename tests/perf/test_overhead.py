"""What benchsuite itself costs: start-up of the help page, and the loop around a timed step."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from paired import paired_ratio

from benchsuite.backends.host.backend import HostBackend
from benchsuite.measure.clock import calibrate
from benchsuite.measure.collect import Sampler
from benchsuite.world.solo import SoloWorld


def start(*words: str) -> None:
    subprocess.run([sys.executable, *words], stdout=subprocess.DEVNULL, check=True)


def test_help_starts_quickly(benchmark: Any) -> None:
    """Time of ``benchsuite --help`` over that of an empty Python, start for start."""
    arms = {"python -c pass": lambda: start("-c", "pass"), "--help": lambda: start("-m", "benchsuite", "--help")}
    ratio = paired_ratio(arms, "--help", 21 if benchmark.enabled else 2)["python -c pass"]
    benchmark.extra_info["--help / python -c pass, time"] = str(ratio)
    print(f"\nbenchsuite --help takes {ratio} times an empty Python")
    benchmark.pedantic(arms["--help"], rounds=5 if benchmark.enabled else 1)


def test_the_sampling_loop_adds_little(benchmark: Any) -> None:
    """One batch of a thousand empty steps: the cost beside every timed step."""
    backend = HostBackend(threads=1)
    sampler = Sampler([lambda: None] * 3, backend.elapsed, SoloWorld())
    benchmark(sampler.batch, 1000)
    assert calibrate(backend.timer()).overhead >= 0.0


def test_a_record_is_written_quickly(benchmark: Any) -> None:
    """Encoding a record of 400 samples."""
    from benchsuite.benchmarks.memory import BENCHMARK
    from benchsuite.model import Case
    from benchsuite.record import from_line, to_line
    from tests.builders import record

    made = record(BENCHMARK, Case.of("memory", op="read", bytes=1 << 20), seconds=[1e-3] * 400)
    line = benchmark(to_line, made)
    assert from_line(line) == made
