"""Published figures: what each may be compared with, which are measurements, and how they become publications."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchsuite import discovery
from benchsuite.catalog import Basis, Confidence, Role, population, publications, quantity_of
from benchsuite.catalog.published import QUANTITIES, UNITS, Row, figure
from benchsuite.catalog.shipped import shipped
from benchsuite.errors import DataError
from benchsuite.model import Case, Metric, Origin, Scalar, Status
from benchsuite.units import GIB, MIB

KNOWN = shipped()
BENCHMARKS = discovery.discover()


def gemm(**changes: Scalar) -> Case:
    return Case.of(
        "gemm", **{"m": 8192, "n": 8192, "k": 8192, "dtype": "bf16", "layout": "nt", "data": "normal", **changes}
    )


def attention(**changes: Scalar) -> Case:
    shape: dict[str, Scalar] = {"seq": 8192, "batch": 2, "heads": 16, "kv_heads": 16, "head_dim": 128}
    return Case.of("attention", **{**shape, "causal": True, "dtype": "bf16", **changes})


def peers(**changes: Scalar) -> Case:
    return Case.of("peer-allreduce", **{"bytes": GIB, "dtype": "fp32", "gpus": 8, "spread": True, **changes})


FLOPS, RATE, BUS = Metric.FLOPS, Metric.BANDWIDTH, Metric.BUSBW

CASES: list[tuple[Case, Metric, str | None]] = [
    (gemm(), FLOPS, "gemm bf16"),
    (gemm(dtype="fp16"), FLOPS, "gemm bf16"),
    (gemm(dtype="e4m3"), FLOPS, "gemm e4m3"),
    (gemm(m=4096, n=4096, k=4096), FLOPS, "gemm bf16"),
    (gemm(m=2048, n=2048, k=2048), FLOPS, None),
    (gemm(m=512, n=32768, k=32768), FLOPS, None),
    (gemm(data="zeros"), FLOPS, None),
    (gemm(), RATE, None),
    (Case.of("memory", op="triad", bytes=GIB), RATE, "hbm triad"),
    (Case.of("memory", op="read", bytes=GIB), RATE, "hbm read"),
    (Case.of("memory", op="add", bytes=GIB), RATE, None),
    (attention(), FLOPS, "attention forward bf16 causal head_dim=128"),
    (attention(causal=False, dtype="fp16", head_dim=64), FLOPS, "attention forward bf16 full head_dim=64"),
    (attention(seq=2048), FLOPS, None),
    (Case.of("allreduce", 8, bytes=GIB, dtype="fp32"), BUS, "allreduce busbw ranks=8 nodes=1"),
    (Case.of("allreduce", 8, bytes=GIB, dtype="fp32", place="out"), BUS, "allreduce busbw ranks=8 nodes=1"),
    (Case.of("allreduce", 8, bytes=GIB, dtype="fp32", place="in"), BUS, None),
    (Case.of("allreduce", 8, bytes=MIB, dtype="fp32"), BUS, None),
    (Case.of("allreduce", 1, bytes=GIB, dtype="fp32"), BUS, None),
    (peers(), BUS, "allreduce busbw ranks=8 nodes=1"),
    (peers(spread=False), BUS, None),
    (Case.of("transfer", direction="h2d", host="pinned", bytes=256 * MIB), BUS, "link h2d"),
    (Case.of("transfer", direction="h2d", host="pageable", bytes=256 * MIB), BUS, None),
    (Case.of("transfer", direction="both", host="pinned", bytes=256 * MIB), BUS, None),
    (Case.of("transfer", direction="d2h", host="pinned", bytes=4096), BUS, None),
    (Case.of("p2p", source=0, target=1, direction="uni", bytes=256 * MIB), BUS, "link p2p"),
    (Case.of("p2p", source=0, target=1, direction="bi", bytes=256 * MIB), BUS, None),
    (Case.of("latency", bytes=4096), Metric.LATENCY, None),
    (Case.of("gemm", size=3), FLOPS, None),
    (Case.of("gemm", m="x", n=1, k=1, dtype="bf16", data="normal"), FLOPS, None),
]


@pytest.mark.parametrize(("case", "metric", "quantity"), CASES, ids=lambda value: getattr(value, "key", str(value)))
def test_what_a_case_of_ours_is_compared_at(case: Case, metric: Metric, quantity: str | None) -> None:
    assert quantity_of(case, metric) == quantity


def test_ranks_on_several_machines_are_another_quantity() -> None:
    case = Case.of("allreduce", 16, bytes=GIB, dtype="fp32")
    assert quantity_of(case, BUS, nodes=2) == "allreduce busbw ranks=16 nodes=2"


def test_the_words_of_the_rules_are_those_of_the_benchmarks() -> None:
    """A benchmark whose axes were renamed would silently be compared with nothing."""
    for case, _, quantity in CASES:
        if quantity is not None:
            benchmark = BENCHMARKS[case.benchmark]
            assert {name for name, _ in case.params} <= {axis.name for axis in benchmark.axes}, case.key


@given(
    st.sampled_from(sorted(BENCHMARKS)),
    st.dictionaries(
        st.sampled_from(["m", "n", "k", "dtype", "data", "op", "bytes", "seq", "causal", "gpus", "spread", "host"]),
        st.one_of(st.integers(-1, 2**40), st.booleans(), st.sampled_from(["bf16", "normal", "read", "x y", ""])),
    ),
    st.sampled_from(list(Metric)),
)
@settings(max_examples=150, deadline=None)
def test_any_case_has_a_quantity_of_the_vocabulary_or_none(
    name: str, params: dict[str, Scalar], metric: Metric
) -> None:
    found = quantity_of(Case.of(name, 8, **params), metric)
    assert found is None or QUANTITIES.fullmatch(found)


def test_figures_are_in_si_units_with_their_text() -> None:
    one = next(each for each in KNOWN.figures if each.hardware == "h200_sxm_141" and each.dtype == "e4m3")
    assert (one.value, one.text, one.metric) == (1453.4e12, "1453.4 TFLOP/s", Metric.FLOPS)
    assert (one.quantity, one.role, one.basis, one.confidence) == (
        "gemm e4m3",
        Role.MEASURED,
        Basis.FOUND,
        Confidence.HIGH,
    )
    assert one.of_peak == pytest.approx(0.734)
    assert (one.shape, one.software, one.as_of) == ("1280x4096x12032 MxNxK", "torch 2.7.1+cu128", "2026-08-22")
    assert "stas00/ml-engineering" in one.source


def test_a_span_has_a_middle_and_ends() -> None:
    one = next(each for each in KNOWN.figures if each.low is not None)
    assert (one.low, one.value, one.high) == (46e9, 47e9, 48e9)
    assert one.text == "46-48 GB/s"


def test_gigabits_are_eight_to_the_byte() -> None:
    row = Row("h100_sxm_80", "x", 200.0, "Gb/s", Metric.BUSBW, "2026", "s", Confidence.LOW)
    assert figure(row, "here").value == 25e9


@pytest.mark.parametrize("unit", ["furlong", "", "TFLOP/s"])
def test_a_unit_that_does_not_measure_the_metric_is_refused(unit: str) -> None:
    row = Row("h100_sxm_80", "x", 1.0, unit, Metric.BANDWIDTH, "2026", "s", Confidence.LOW)
    with pytest.raises(DataError, match=r"is no unit of B/s. Use TB/s or GB/s or MB/s or Gb/s"):
        figure(row, "here")


def test_every_metric_that_figures_use_has_a_unit() -> None:
    assert {each.metric for each in KNOWN.figures} <= {metric for _, metrics in UNITS.values() for metric in metrics}


def test_thresholds_expectations_and_sick_machines_are_in_no_population() -> None:
    roles = {each.role for each in KNOWN.figures}
    assert roles == set(Role)
    degraded = next(each for each in KNOWN.figures if each.role is Role.DEGRADED)
    assert degraded.quantity
    assert degraded not in population(KNOWN.figures, degraded.hardware, degraded.quantity)
    sick = [replace(degraded, role=role) for role in Role]
    assert population(sick, degraded.hardware, degraded.quantity) == (replace(degraded, role=Role.MEASURED),)
    told = [each.benchmark for each in KNOWN.figures if "threshold" in each.benchmark or "expected" in each.benchmark]
    assert len(told) == 6
    assert all(each.role is not Role.MEASURED for each in KNOWN.figures if each.benchmark in told)


def test_a_population_is_of_one_hardware_and_one_quantity_in_order() -> None:
    found = population(KNOWN.figures, "h100_sxm_80", "gemm bf16")
    assert len(found) == 7
    assert [each.value for each in found] == sorted(each.value for each in found)
    assert {(each.hardware, each.quantity) for each in found} == {("h100_sxm_80", "gemm bf16")}


def test_nothing_is_compared_at_no_quantity() -> None:
    assert population(KNOWN.figures, "h100_sxm_80", "") == ()


def test_figures_that_compare_with_nothing_say_so() -> None:
    """Where a quantity would be expected, a note says why there is none."""
    for each in KNOWN.figures:
        if not each.quantity and each.benchmark.startswith(("gemm", "gpu-stream", "attention fwd flash", "nccl-tests")):
            small = each.ranks and each.shape in {"1MiB", "8MiB", "64MiB", "512MiB", "<=128MiB"}
            assert small or "compared with nothing" in each.notes or "seq" in each.shape, each


PUBLICATIONS = publications(KNOWN)


def test_there_is_a_publication_for_each_hardware_and_source() -> None:
    measured = [each for each in KNOWN.figures if each.role is Role.MEASURED]
    assert len(PUBLICATIONS) == len({(each.hardware, each.source) for each in measured})
    assert len({each.id for each in PUBLICATIONS}) == len(PUBLICATIONS)
    assert sum(len(each.results) for each in PUBLICATIONS) == len(measured)
    assert sorted(score.value or 0 for each in PUBLICATIONS for score in each.results) == sorted(
        each.value for each in measured
    )


def test_they_are_told_from_measurements() -> None:
    for each in PUBLICATIONS:
        assert each.origin is Origin.PUBLISHED
        assert each.source
        assert each.machine.hardware in KNOWN.accelerators
        assert each.machine.name == KNOWN.accelerators[each.machine.hardware].name
        for score in each.results:
            assert score.case.benchmark.startswith("published ")
            assert score.source == each.source
            assert score.status is Status.OK
            assert (score.runs, score.run_values, score.samples, score.ceiling) == (0, (), (), None)


def test_no_two_scores_of_a_publication_are_one_task() -> None:
    for each in PUBLICATIONS:
        tasks = [(score.case.key, score.implementation) for score in each.results]
        assert len(set(tasks)) == len(tasks), each.id


def test_their_order_and_ids_do_not_change() -> None:
    assert publications(KNOWN) == PUBLICATIONS
    reversed_ = replace(KNOWN, figures=KNOWN.figures[::-1])
    assert {each.id for each in publications(reversed_)} == {each.id for each in PUBLICATIONS}


def test_what_is_from_memory_has_a_caveat() -> None:
    codes = {score.value: {caveat.code for caveat in score.caveats} for each in PUBLICATIONS for score in each.results}
    memory = [each for each in KNOWN.figures if each.basis is Basis.MEMORY]
    assert memory
    assert all("FROM_MEMORY" in codes[each.value] for each in memory)
