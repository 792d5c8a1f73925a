"""All-reduce: every algorithm is exact on any number of ranks and any length, and the factors are nccl-tests'."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpirun import mpirun, needs_mpi

from benchsuite import units
from benchsuite.backends.host.backend import HostBackend
from benchsuite.benchmarks import _collective as common
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
    case = Case.of("allreduce", ranks, bytes=count * size, dtype=dtype, place="out")
    for outputs in results(name, case):
        assert verdict(case, outputs) == 0.0


@pytest.mark.parametrize("name", ["ring", "doubling"])
def test_messages_of_several_segments_are_exact(name: str) -> None:
    case = Case.of("allreduce", 3, bytes=4 * allreduce.SEGMENT + 4 * 17, dtype="fp32", place="out")
    for outputs in results(name, case):
        assert verdict(case, outputs) == 0.0


def test_a_wrong_element_on_one_rank_is_rejected() -> None:
    case = Case.of("allreduce", 2, bytes=4000, dtype="fp32", place="out")
    outputs = results("ring", case)[1]
    outputs["y"][777] += 1.0
    found = verdict(case, outputs)
    assert isinstance(found, Rejected)
    assert found.where == "y[777]"


@pytest.mark.parametrize(("ranks", "factor"), [(2, 1.0), (4, 1.5), (8, 1.75)])
def test_busbw_factor(ranks: int, factor: float) -> None:
    work = BENCHMARK.work(Case.of("allreduce", ranks, bytes=1 << 20, dtype="fp32", place="out"))
    assert work.payload == 1 << 20
    assert work.wire / work.payload == factor
    assert BENCHMARK.metric.quantity(work, 1e-3) == pytest.approx(factor * (1 << 20) / 1e-3)


def test_eight_bytes_are_two_elements() -> None:
    assert allreduce.elements(Case.of("allreduce", 2, bytes=8, dtype="fp32", place="out")) == 2


@pytest.mark.parametrize("size", range(1, 18))
def test_partners_are_mutual_and_join_everyone(size: int) -> None:
    power = 1 << (size.bit_length() - 1)
    extra = size - power
    active = [rank for rank in range(size) if rank >= 2 * extra or rank % 2]
    assert len(active) == power
    known = {rank: {rank} for rank in active}
    for step in range(power.bit_length() - 1):
        meets = {rank: allreduce.partners(rank, size)[step] for rank in active}
        assert all(meets[meets[rank]] == rank != meets[rank] for rank in active)
        known = {rank: known[rank] | known[meets[rank]] for rank in active}
    assert all(known[rank] == set(active) for rank in active)


def test_scratch_is_one_segment_however_long_the_message() -> None:
    small, large = (Case.of("allreduce", 2, bytes=size, dtype="fp64", place="out") for size in (64, 256 * units.MIB))
    assert BENCHMARK.outputs(small)["scratch"].nbytes == 64
    assert BENCHMARK.outputs(large)["scratch"].nbytes == allreduce.SEGMENT


@pytest.mark.parametrize("dtype", ["fp32", "fp64"])
def test_inputs_are_whole_small_and_different_on_every_rank(dtype: str) -> None:
    case = Case.of("allreduce", 3, bytes=80_000, dtype=dtype, place="out")
    arrays = [one["x"] for one in RankInputs(BENCHMARK, case, 5)]
    for x in arrays:
        assert np.array_equal(x, np.rint(x))
        assert np.max(np.abs(x)) <= common.LARGEST
    assert not np.array_equal(arrays[0], arrays[1])


@needs_mpi
def test_every_algorithm_is_exact_on_three_real_ranks() -> None:
    worker = Path(__file__).parent / "perf" / "allreduce_worker.py"
    sizes = [4, 8, 20_004, 4 * allreduce.SEGMENT + 4]
    done = mpirun(3, str(worker), "3", "1", "0", "-", *map(str, sizes))
    assert done.returncode == 0, done.stderr[-2000:]
    assert [result["bytes"] for result in json.loads(done.stdout)["results"]] == sizes
