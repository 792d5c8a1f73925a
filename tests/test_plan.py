"""Plans: combinations, skips with reasons, budgets, and an order that is random, seeded and fair."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from benchsuite import discovery, units
from benchsuite.errors import UsageError
from benchsuite.model import (
    TYPICAL,
    ArraySpec,
    Benchmark,
    CacheMode,
    Case,
    CudaKernel,
    Device,
    Implementation,
    Launch,
    Plan,
    Source,
    Work,
)
from benchsuite.plan import Capacity, Options, build, estimate
from benchsuite.suite import load, parse
from tests.conftest import toy

HOST = Capacity(frozenset({"host", "numba", "scipy", "ranks"}), cores=2, cache=32 << 20, memory=8 << 30)
TOYS = '[policy]\nruns = 3\n[[bench]]\nselect = ["toy"]\nimplementations = ["good", "wrong"]\n'


def plan(toys: dict[str, Benchmark], text: str = TOYS, capacity: Capacity = HOST, **options: object) -> Plan:
    return build(parse(text, "toys", toys), toys, capacity, Options(**options))  # type: ignore[arg-type]


def test_axes_multiply_and_points_join(toys: dict[str, Benchmark]) -> None:
    assert len(plan(toys).tasks) == 2 * 2 * 2
    joined = plan(toys, TOYS + 'kind = ["a"]\npoints = [{n = 8}, {n = 16}, {n = 32}]\n')
    assert {task.case.key for task in joined.tasks} == {f"toy kind=a n={n}" for n in (8, 16, 32)}


def test_a_case_named_twice_is_measured_once(toys: dict[str, Benchmark]) -> None:
    assert len(plan(toys, TOYS + TOYS.split("\n", 2)[2]).tasks) == 8


def test_every_run_holds_every_task_in_its_own_order(toys: dict[str, Benchmark]) -> None:
    made = plan(toys)
    assert all(sorted(order) == list(range(8)) for order in made.order)
    assert len({*made.order}) > 1
    assert plan(toys).order == made.order
    assert plan(toys, seed=9).order != made.order


def test_implementations_of_a_case_are_neighbours(toys: dict[str, Benchmark]) -> None:
    made = plan(toys)
    for order in made.order:
        cases = [made.tasks[i].case.key for i in order]
        assert sum(a != b for a, b in itertools.pairwise(cases)) == len(set(cases)) - 1


def test_what_cannot_run_is_skipped_with_a_reason(toys: dict[str, Benchmark]) -> None:
    made = plan(toys, capacity=replace(HOST, capabilities=frozenset()))
    assert made.tasks == ()
    assert {skip.reason for skip in made.skips} == {"needs host, which this machine does not offer"}


def test_results_larger_than_memory_are_skipped(toys: dict[str, Benchmark]) -> None:
    made = plan(toys, capacity=replace(HOST, memory=1000))
    assert any("free memory" in skip.reason for skip in made.skips)


def test_of_collectives_the_messages_count_too() -> None:
    """1 GiB each of message and result, on two ranks of a host, and the host keeps both once more."""
    benchmarks = discovery.discover()
    entry = 'title = "x"\n[[bench]]\nselect = ["alltoall"]\nimplementations = ["mpi"]\nbytes = ["1 GiB"]\n'
    suite = parse(entry, "x", benchmarks)
    options = Options(ranks=2)
    assert not build(suite, benchmarks, replace(HOST, memory=11 * units.GIB), options).skips
    reasons = [skip.reason for skip in build(suite, benchmarks, replace(HOST, memory=9 * units.GIB), options).skips]
    assert reasons == [
        f"its messages and results alone need {units.size(4 * units.GIB)} of {units.size(9 * units.GIB)} free memory"
    ]


def test_a_missing_mpi_skips_collectives_only() -> None:
    benchmarks = discovery.discover()
    made = build(load("quick", benchmarks), benchmarks, replace(HOST, ranks_missing="no mpiexec here"), Options())
    reasons = {skip.reason for skip in made.skips if skip.case.benchmark == "allreduce"}
    assert reasons == {"no mpiexec here"}
    assert {task.case.benchmark for task in made.tasks} >= {"gemm", "attention", "memory"}


def test_ranks_follow_cores_and_the_option() -> None:
    benchmarks = discovery.discover()

    def ranks(capacity: Capacity, **options: int) -> set[int]:
        made = build(load("allreduce", benchmarks), benchmarks, capacity, Options(**options))  # type: ignore[arg-type]
        return {task.case.ranks for task in made.tasks}

    assert ranks(replace(HOST, cores=1)) == {2}
    assert ranks(replace(HOST, cores=64)) == {8}
    assert ranks(HOST, ranks=3) == {3}
    with pytest.raises(UsageError, match="two ranks"):
        ranks(HOST, ranks=1)


def test_only_narrows_by_name_case_and_tag(toys: dict[str, Benchmark]) -> None:
    assert len(plan(toys, only=("toy",)).tasks) == 8
    assert len(plan(toys, only=("tag:toys",)).tasks) == 8
    assert len(plan(toys, only=("toy kind=a",)).tasks) == 4
    assert len(plan(toys, only=("toy n=64 kind=*",)).tasks) == 4
    assert len(plan(toys, only=("toy kind=b n=64",)).tasks) == 2
    for nothing in ("tuy", "toy kind=c", "kind=a", ""):
        with pytest.raises(UsageError, match="Nothing of this suite"):
            plan(toys, only=(nothing,))
    with pytest.raises(UsageError, match="Did you mean 'toy'"):
        plan(toys, only=("tuy",))


def test_a_budget_scales_the_measured_time(toys: dict[str, Benchmark]) -> None:
    free = plan(toys)
    long, short = plan(toys, budget=200.0), plan(toys, budget=20.0)
    assert long.policy.seconds > free.policy.seconds > short.policy.seconds
    assert estimate(long.policy, long.tasks) == pytest.approx(200.0)
    with pytest.raises(UsageError, match="need about"):
        plan(toys, budget=1.0)


def test_zero_runs_are_refused(toys: dict[str, Benchmark]) -> None:
    with pytest.raises(UsageError, match="1 or more"):
        plan(toys, runs=0)


def test_a_multiple_of_the_cache_is_a_power_of_two_of_at_least_128_mib() -> None:
    benchmarks = discovery.discover()
    text = '[[bench]]\nselect = ["memory"]\nop = ["read"]\nbytes = ["8xLLC"]\n'

    def size(cache: int) -> int:
        made = build(parse(text, "s", benchmarks), benchmarks, replace(HOST, cache=cache, memory=1 << 40), Options())
        return made.tasks[0].case.integer("bytes")

    assert size(1 << 20) == 128 << 20
    assert size(33 << 20) == 512 << 20


# -- a GPU ------------------------------------------------------------------------------------

GPU = Capacity(frozenset({"cuda", "sm_90a"}), cores=2, cache=50 << 20, memory=80 << 30, device=TYPICAL["sm_90a"])


def with_gpu(**changes: object) -> dict[str, Benchmark]:
    """The toy with a kernel of a GPU beside its host implementations."""
    kernel = replace(
        CudaKernel(
            lambda case, device: Source.of("toy.cu"), lambda case, device: (Launch("t", (1,) * 3, (1,) * 3, ()),)
        ),
        **changes,  # type: ignore[arg-type]
    )
    made = Implementation("raw", kernel, frozenset({"cuda"}))
    return {"toy": replace(toy(), implementations=(*toy().implementations, made))}


def reasons(toys: dict[str, Benchmark], capacity: Capacity = GPU) -> set[str]:
    made = plan(toys, '[[bench]]\nselect = ["toy"]\nimplementations = ["raw"]\n', capacity)
    return {skip.reason for skip in made.skips}


def test_implementations_of_another_kind_are_left_out_where_this_kind_has_one() -> None:
    text = '[[bench]]\nselect = ["toy"]\nimplementations = ["good", "raw"]\n'
    on_gpu, on_host = plan(with_gpu(), text, GPU), plan(with_gpu(), text, HOST)
    assert {task.implementation for task in on_gpu.tasks} == {"raw"}
    assert {task.implementation for task in on_host.tasks} == {"good"}
    assert on_gpu.skips == on_host.skips == ()


def test_where_this_kind_has_none_the_skip_says_what_is_missing(toys: dict[str, Benchmark]) -> None:
    made = plan(toys, capacity=GPU)
    assert made.tasks == ()
    assert {skip.reason for skip in made.skips} == {"needs host, which this machine does not offer"}
    assert reasons(with_gpu(), HOST) == {"needs cuda, which this machine does not offer"}


def test_what_the_gpu_lacks_is_a_skip_before_anything_starts() -> None:
    assert reasons(with_gpu()) == set()
    assert "sm_80" in reasons(with_gpu(archs=frozenset({"sm_80"}))).pop()
    assert "needs 2 GPUs, and 1 can be seen" in reasons(with_gpu(devices=lambda case: 2)).pop()


def test_too_little_device_memory_is_a_skip_with_both_numbers() -> None:
    def scratch(case: Case, device: Device) -> dict[str, ArraySpec]:
        return {"partial": ArraySpec((1 << 20,), "fp32")}

    toys = with_gpu(scratch=scratch)
    hot = {"toy": replace(toys["toy"], cache=CacheMode.HOT)}
    tight = replace(GPU, memory=10 << 20)
    assert reasons(hot, replace(GPU, memory=11 << 20)) == set()  # 4 MiB of 40 % of 11 MiB
    told = reasons(hot, tight).pop().replace("\u00a0", " ")
    assert "10 MiB free memory" in told
    assert "4 MiB" in told or "4.0" in told
    assert reasons(toys, replace(GPU, memory=300 << 20))  # cold: three caches of 50 MiB lie between
    elsewhere = {"toy": replace(hot["toy"], places=lambda case: {"partial": "pinned", "y": "pinned", "x": "pinned"})}
    assert reasons(elsewhere, tight) == set()


def test_bytes_that_a_cache_serves_again_and_again_are_no_need_of_memory() -> None:
    """A cache benchmark reads its small set many times; a memory benchmark's bytes each lie somewhere."""
    work = Work(read=float(1 << 40))
    hot = replace(with_gpu()["toy"], cache=CacheMode.HOT, work=lambda case: work)
    assert reasons({"toy": replace(hot, tags=frozenset({"cache"}))}) == set()
    assert "1024 GiB" in reasons({"toy": replace(hot, tags=frozenset({"dram"}))}).pop().replace("\u00a0", " ")
