"""The launch probe: every launch is counted, none twice."""

from __future__ import annotations

import pytest

from benchsuite.benchmarks import launch
from benchsuite.model import Case, Rejected
from tests.cuda_host import simulate

pytestmark = pytest.mark.skipif(not simulate.available(), reason="g++ is not installed")
CASE = Case.of("launch", launches=17)


@pytest.mark.parametrize("name", ["stream", "queued", "graph"])
def test_every_launch_counts(name: str) -> None:
    assert simulate.run(launch.BENCHMARK, name, CASE, iterations=3) == 0.0


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("*start + 1", "*start"),
        ("atomicAdd(count, 1u)", "atomicAdd(count, index == 5 ? 0u : 1u)"),
        ("index == 0", "false"),
    ],
)
def test_a_lost_launch_is_noticed(before: str, after: str) -> None:
    assert isinstance(simulate.run(launch.BENCHMARK, "stream", CASE, edit={before: after}), Rejected)


def test_it_counts_launches_as_steps() -> None:
    assert launch.work(CASE).steps == 17
    assert launch.invalid(Case.of("launch", launches=0))
    assert not launch.invalid(CASE)
