"""The pointer chase and the clock chain end where an independent walk ends."""

from __future__ import annotations

import numpy as np
import pytest
from hostcase import bind, judge, prepare, run

from benchsuite import units
from benchsuite.benchmarks import clock, latency
from benchsuite.model import Case, Rejected


@pytest.mark.parametrize("nbytes", [128, 192, 16 * units.KIB, 1000 * 64, 3 * units.MIB])
def test_chase_moves_the_right_number_of_places(nbytes: int) -> None:
    assert run(latency.BENCHMARK, "chase", Case.of("latency", bytes=nbytes)) == 0.0


def test_ring_is_one_cycle_through_every_line() -> None:
    """A ring that fell into parts would hold its steps in a part that fits a nearer cache."""
    lines = 1000
    ring = latency.inputs(Case.of("latency", bytes=lines * 64), np.random.default_rng(3))["next"]
    seen, here = [], 0
    for _ in range(lines):
        seen.append(here)
        here = int(ring[here])
    assert here == 0
    assert sorted(seen) == list(range(0, lines * latency.WORDS, latency.WORDS))


def test_each_iteration_goes_on_from_the_last() -> None:
    """Else a large ring would be measured on the lines of its first steps only, now cached."""
    case = Case.of("latency", bytes=100 * 64)
    inputs, buffers = prepare(latency.BENCHMARK, case)
    buffers["steps"][0] = 1
    step = bind(latency.BENCHMARK, "chase", buffers, case)
    for _ in range(40):
        step()
    buffers["next"][int(_walk(inputs["next"], 40))] = _walk(inputs["next"], 40)  # a loop at the 40th line holds it
    step()
    assert buffers["advance"][0] == 0


def _walk(ring: np.ndarray, steps: int) -> int:
    here = 0
    for _ in range(steps):
        here = int(ring[here])
    return here


def test_wrong_advance_is_caught() -> None:
    case = Case.of("latency", bytes=16 * units.KIB)
    inputs, buffers = prepare(latency.BENCHMARK, case)
    bind(latency.BENCHMARK, "chase", buffers, case)()
    for wrong in (0, int(buffers["advance"][0]) - 1):
        buffers["advance"][0] = wrong
        assert isinstance(judge(latency.BENCHMARK, case, inputs, buffers), Rejected)


def test_clock_chain_is_walked_to_its_end() -> None:
    case = Case.of("clock", steps=10_001)
    assert run(clock.BENCHMARK, "chain", case) == 0.0
    assert clock.work(case).steps == 20_002
