"""All-reduce: every algorithm is exact on any number of ranks and any length, and the factors are nccl-tests'."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchsuite.backends.host.backend import HostBackend
from benchsuite.benchmarks import allreduce
from benchsuite.measure.task import RankInputs, generator
from benchsuite.measure.verify import check
from benchsuite.model import Case, CollectiveCall, Rejected, World
from benchsuite.world.threads import run as run_threads

BENCHMARK = allreduce.BENCHMARK
CALLS = {item.name: item.op for item in BENCHMARK.implementations}


def results(name: str, case: Case) -> list[dict[str, np.ndarray]]:
    call = CALLS[name]
    assert isinstance(call, CollectiveCall)

    def rank(world: World) -> dict[str, np.ndarray]:
        backend = HostBackend(threads=1)
        item = next(each for each in BENCHMARK.implementations if each.name == name)
        made = backend.allocate(BENCHMARK.outputs(case))
        buffers = {**backend.upload(RankInputs(BENCHMARK, case, 5)[world.rank]), **made}
        backend.bind(item, buffers, case, world)()
        return dict(made)

    return run_threads(case.ranks, rank)


def verdict(case: Case, outputs: dict[str, np.ndarray]) -> float | Rejected:
    want = BENCHMARK.reference(case, RankInputs(BENCHMARK, case, 5), generator(case, 5, 99))
    return check(outputs, want, BENCHMARK.outputs(case), BENCHMARK.tolerance(case))


@pytest.mark.parametrize("name", sorted(CALLS))
@pytest.mark.parametrize("ranks", [2, 3, 4, 5, 7, 8])
@settings(deadline=None, max_examples=6)
@given(count=st.integers(1, 40), dtype=st.sampled_from(["fp32", "fp64"]))
def test_every_rank_gets_the_exact_sum(name: str, ranks: int, count: int, dtype: str) -> None:
    size = 4 if dtype == "fp32" else 8
    case = Case.of("allreduce", ranks, bytes=count * size, dtype=dtype)
    for outputs in results(name, case):
        assert verdict(case, outputs) == 0.0


@pytest.mark.parametrize("name", ["ring", "doubling"])
def test_messages_of_several_segments_are_exact(name: str) -> None:
    case = Case.of("allreduce", 3, bytes=2 * allreduce.SEGMENT + 4 * 17, dtype="fp32")
    for outputs in results(name, case):
        assert verdict(case, outputs) == 0.0


def test_a_wrong_element_on_one_rank_is_rejected() -> None:
    case = Case.of("allreduce", 2, bytes=4000, dtype="fp32")
    outputs = results("ring", case)[1]
    outputs["y"][777] += 1.0
    found = verdict(case, outputs)
    assert isinstance(found, Rejected)
    assert found.where == "y[777]"


@pytest.mark.parametrize(("ranks", "factor"), [(2, 1.0), (4, 1.5), (8, 1.75)])
def test_busbw_factor(ranks: int, factor: float) -> None:
    work = BENCHMARK.work(Case.of("allreduce", ranks, bytes=1 << 20, dtype="fp32"))
    assert work.payload == 1 << 20
    assert work.wire / work.payload == factor
    assert BENCHMARK.metric.quantity(work, 1e-3) == pytest.approx(factor * (1 << 20) / 1e-3)


def test_eight_bytes_are_two_elements() -> None:
    assert allreduce.elements(Case.of("allreduce", 2, bytes=8, dtype="fp32")) == 2
