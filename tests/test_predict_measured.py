"""Ceilings from a run's scores: what becomes one, what never does, and what the datasheet fills in."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchsuite import discovery
from benchsuite.catalog.shipped import shipped
from benchsuite.errors import RefusedError
from benchsuite.model import Case, Caveat, Ceilings, Footing, Metric, Offer, Score, Status
from benchsuite.predict import datasheet, measured

CACHE = 32 << 20
FACTS = {"memory": {"usable": "22.5\u00a0GiB"}, "processor": {"model": "Some CPU"}}
GPU = {"gpu": {"name": "NVIDIA H200", "memory bytes": "150754820096", "processors": "132", "count": "8"}}
BENCHMARKS = discovery.discover()


def scored(name: str, value: float, implementation: str = "torch", ranks: int = 1, **params: object) -> Score:
    subject = BENCHMARKS[name]
    given = {axis.name: axis.values[0] for axis in subject.axes} | params
    case = Case.of(name, ranks, **given)  # type: ignore[arg-type]
    work = subject.work(case)
    return Score(case, implementation, "1.0", subject.metric, Status.OK, work, runs=3, value=value)


READ = scored("memory", 30e9, "stream", op="read", bytes=8 * CACHE)
GEMM = scored("gemm", 2e11, m=1024, n=1024, k=2048)


def ceilings(*scores: Score, **more: object) -> Ceilings:
    given = {"cache": CACHE, "name": "r1", **more}
    return measured.ceilings(given.pop("facts", FACTS), scores, **given)  # type: ignore[arg-type]


def test_a_processor_needs_memory_its_reading_and_a_product() -> None:
    found = ceilings(READ, GEMM)
    assert (found.name, found.devices, found.memory, found.bandwidth.value) == ("Some CPU", 1, 22.5 * 2**30, 30e9)
    assert found.gemm["fp32"].value == 2e11
    assert found.gemm["fp32"].footing is found.bandwidth.footing is Footing.MEASURED
    assert "r1" in found.bandwidth.source
    assert found.types == {"fp32"}
    assert found.link is found.watts is found.usd_per_hour is found.launch is found.decode is None


@pytest.mark.parametrize(
    ("scores", "facts", "lacks"),
    [
        ((GEMM,), FACTS, "how fast memory is read"),
        ((READ,), FACTS, "a matrix product"),
        ((READ, GEMM), {"processor": {"model": "x"}}, "how much memory there is"),
        ((READ, GEMM), {"memory": {"usable": "nonsense"}}, "how much memory there is"),
        ((), FACTS, "a matrix product or how fast memory is read"),
        ((GEMM, replace(READ, case=Case.of("memory", op="read", bytes=CACHE))), FACTS, "memory is read"),
        ((GEMM, replace(READ, case=Case.of("memory", op="triad", bytes=8 * CACHE))), FACTS, "memory is read"),
    ],
)
def test_without_them_it_is_refused_with_what_to_measure(
    scores: tuple[Score, ...], facts: dict[str, dict[str, str]], lacks: str
) -> None:
    with pytest.raises(RefusedError) as refused:
        ceilings(*scores, facts=facts)
    assert lacks in refused.value.message
    assert "benchsuite run inference" in refused.value.remedy


@pytest.mark.parametrize(
    "change",
    [
        {"status": Status.REJECTED},
        {"status": Status.FAILED},
        {"status": Status.SKIPPED},
        {"value": None},
        {"value": 0.0},
        {"value": float("nan")},
        {"value": float("inf")},
        {"caveats": (Caveat("CONTENDED", ""), Caveat("CLOCK_DISAGREE", ""))},
    ],
)
def test_what_is_not_verified_never_becomes_a_ceiling(change: dict[str, object]) -> None:
    fast = replace(GEMM, value=9e11, **change) if "value" not in change else replace(GEMM, **change)  # type: ignore[arg-type]
    assert ceilings(READ, GEMM, fast).gemm["fp32"].value == 2e11
    with pytest.raises(RefusedError):
        ceilings(READ, fast)


def test_what_was_not_steady_stands_only_where_its_case_has_nothing_better() -> None:
    moved = replace(GEMM, value=9e11, implementation="other", caveats=(Caveat("NOT_STEADY", ""),))
    found = ceilings(READ, GEMM, moved)
    assert (found.gemm["fp32"].value, found.unsteady) == (2e11, 0)
    found = ceilings(READ, moved)
    assert (found.gemm["fp32"].value, found.unsteady) == (9e11, 1)


def test_of_implementations_the_best_counts_unless_one_library_is_asked_for() -> None:
    other = replace(scored("gemm", 3e11, "numpy", m=1024, n=1024, k=2048), provider="2.0")
    assert ceilings(READ, GEMM, other).shapes["fp32"][0].rate == 3e11
    assert ceilings(READ, GEMM, other, provider="1.0").shapes["fp32"][0].rate == 2e11
    with pytest.raises(RefusedError):
        ceilings(READ, other, provider="1.0")


def test_data_that_save_power_are_no_workload() -> None:
    assert ceilings(READ, GEMM, scored("gemm", 9e11, m=1024, n=1024, k=2048, data="zeros")).gemm["fp32"].value == 2e11


def test_kernels_keep_their_shapes_and_seconds() -> None:
    prefill = scored("attention", 5e10, seq=256, heads=8, kv_heads=4, causal=True)
    whole = scored("attention", 9e10, seq=256, heads=8, kv_heads=4, causal=False)
    decode = scored("decode", 1e10, context=512, batch=4)
    paged = scored("paged-decode", 2e12, "split", context=512, batch=4, kv="e4m3")
    found = ceilings(READ, GEMM, prefill, whole, decode, paged)
    by = {(one.kernel, one.dtype): one for one in found.kernels}
    assert set(by) == {("attention", "fp32"), ("decode", "fp32"), ("decode", "e4m3")}
    assert by["attention", "fp32"].seconds == pytest.approx(prefill.work.flops / 5e10)
    assert (by["decode", "fp32"].rows, by["decode", "fp32"].width) == (4, 512)
    assert found.decode is not None
    assert found.decode.value == 2e12
    assert found.attention["fp32"].value == 9e10


def test_a_small_operation_takes_what_it_adds_to_its_product() -> None:
    alone = scored("pointwise", 3e-4, op="none", rows=16, width=512)
    norm = scored("pointwise", 3.5e-4, op="norm", rows=16, width=512)
    faster = scored("pointwise", 2e-4, op="add", rows=16, width=512)  # than its product alone: noise, not a time
    lonely = scored("pointwise", 3.5e-4, op="norm", rows=64, width=512)
    other = scored("pointwise", 9e-4, "numpy", op="norm", rows=16, width=512)
    found = ceilings(READ, GEMM, alone, norm, faster, lonely, other).kernels
    assert [(one.kernel, one.rows, one.width) for one in found] == [("norm", 16, 512), ("add", 16, 512)]
    assert [one.seconds for one in found] == pytest.approx([5e-5, 3e-6])


def test_link_messages_launch_power_and_price() -> None:
    reduced = [
        scored("allreduce", value, "mpi", ranks=4, bytes=size)
        for size, value in ((8, 1e6), (1 << 24, 40e9), (1 << 20, 50e9))
    ]
    launches = [scored("launch", 4e-6, "stream"), scored("launch", 2e-6, "graph")]
    hot = [replace(GEMM, conditions={"power": watts}) for watts in (600.0, 650.0, 700.0)]
    offer = Offer(provider="P", devices=8, usd_per_hour=16.0, as_of="2026-01-01", source="a page")
    found = ceilings(READ, *hot, *reduced, *launches, offer=offer)
    assert found.link is not None
    assert found.link.value == 40e9  # of the largest message
    message = next(one for one in found.messages["allreduce"] if one.bytes == 1 << 24)
    assert message.seconds == pytest.approx(reduced[1].work.wire / 40e9)
    assert message.ranks == 4
    assert found.launch is not None
    assert found.launch.value == 2e-6
    assert found.watts is not None
    assert found.watts.value == 650.0
    assert found.usd_per_hour is not None
    assert found.usd_per_hour.value == 2.0
    for price in (None, 0.0, -1.0, float("nan")):
        assert ceilings(READ, GEMM, offer=replace(offer, usd_per_hour=price)).usd_per_hour is None


def test_a_datasheet_fills_what_was_not_measured_and_says_so() -> None:
    card = shipped().accelerators["h200_sxm_141"]
    paper = datasheet.ceilings(card)
    large = scored("gemm", 7e14, "cublaslt", m=8192, n=8192, k=8192, dtype="bf16")
    found = ceilings(large, facts=GPU, fallback=paper)
    assert (found.hardware, found.devices, found.memory) == (card.key, 8, 150754820096.0)
    assert found.gemm["bf16"].value == 7e14
    assert found.gemm["bf16"].footing is Footing.MEASURED
    assert found.gemm["e4m3"] == paper.gemm["e4m3"]
    assert found.bandwidth == paper.bandwidth
    assert found.bandwidth.footing is not Footing.MEASURED
    assert found.link == paper.link
    assert found.types == paper.types


def test_small_products_alone_do_not_lower_the_rate_of_large_ones() -> None:
    paper = datasheet.ceilings(shipped().accelerators["h200_sxm_141"])
    small = scored("gemm", 1e13, "cublaslt", m=16, n=8192, k=8192, dtype="bf16")
    found = ceilings(small, facts=GPU, fallback=paper)
    assert found.gemm["bf16"] == paper.gemm["bf16"]
    assert found.shapes["bf16"][0].rate == 1e13


def test_seconds_of_every_metric() -> None:
    assert measured.seconds(GEMM) == pytest.approx(GEMM.work.flops / 2e11)
    assert measured.seconds(READ) == pytest.approx(READ.work.bytes / 30e9)
    assert measured.seconds(replace(GEMM, metric=Metric.LATENCY, value=2.0)) == 2.0
