"""Is this number normal? When the words may be used, what counts as reference, and the laws that hold throughout."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchsuite import normal
from benchsuite.bands import Position, quantile
from benchsuite.catalog.published import Figure, Role
from benchsuite.catalog.rows import Basis, Confidence
from benchsuite.model import (
    Case,
    Caveat,
    Exhibit,
    Machine,
    Metric,
    Offer,
    Origin,
    Publication,
    Score,
    Status,
    Work,
)
from benchsuite.normal import Code, Hardware, Reference, Standing
from benchsuite.references import publisher
from benchsuite.verdicts import lies, more_runs, ordinal

few = settings(max_examples=60, deadline=None)
H100 = Hardware("h100_sxm_80", "NVIDIA H100 SXM 80GB", 1.98e9, 700.0, id="m-own")
GEMM = Case.of("gemm", m=8192, n=8192, k=8192, dtype="bf16", layout="nt", data="normal")
SCORE = Score(
    GEMM,
    "mma",
    "NVRTC 12.8",
    Metric.FLOPS,
    Status.OK,
    Work(flops=2.0 * 8192**3),
    runs=5,
    value=612e12,
    low=609e12,
    high=615e12,
    backend="cuda",
    cache="cold",
    sync="none",
    conditions={"readings": 10.0},
)


def at(value: float, width: float = 0.005, **more: object) -> Score:
    return replace(SCORE, value=value, low=value * math.exp(-width), high=value * math.exp(width), **more)  # type: ignore[arg-type]


def publication(number: int, *results: Score, provider: str = "", **more: object) -> Publication:
    machine = Machine(f"m-{number:04d}", "NVIDIA H100 80GB HBM3", "h100_sxm_80")
    made = Publication(
        1, f"run-{number:04d}", Origin.MEASURED, machine, f"2026-09-{1 + number % 28:02d}", "gpu", results
    )
    offer = Offer(provider) if provider else None
    return replace(made, backend="cuda", offer=offer, **more)  # type: ignore[arg-type]


PROVIDERS = ("Nebius", "RunPod", "Verda")


def fleet(values: Sequence[float], like: Score = SCORE, sources: int = 3) -> list[Publication]:
    return [
        publication(number, replace(like, value=value, low=value, high=value), provider=PROVIDERS[number % sources])
        for number, value in enumerate(values)
    ]


def stands(score: Score, *publications: Publication | Exhibit, hardware: Hardware = H100) -> Standing:
    return normal.standing(score, hardware, normal.reference((), publications, hardware))


USUAL = [700e12 + step * 1e12 for step in range(-19, 20, 2)]
"""Twenty machines, 681 to 719 TFLOP/s."""


def test_within_what_most_give_is_normal() -> None:
    one = stands(at(700e12), *fleet(USUAL))
    assert one.code is Code.NORMAL
    assert one.measured is not None
    assert (one.measured.n, one.measured.sources) == (20, 3)
    assert one.middle == pytest.approx(700e12, rel=1e-3)
    assert one.sentence == (
        "Normal for NVIDIA H100 SXM 80GB: 700 ± 4 TFLOP/s, within what 90 of 100 give (681–719 TFLOP/s)."
    ).replace("700 ± 4 TFLOP/s", "700\u00a0±\u00a04\u00a0TFLOP/s").replace("719 T", "719\u00a0T")


def test_wholly_below_the_5th_percentile_is_slow_and_the_distance_is_told() -> None:
    one = stands(at(612e12), *fleet(USUAL))
    assert one.code is Code.SLOW
    assert one.measured is not None
    assert one.measured.position is Position.BELOW
    assert one.measured.distance == pytest.approx(612 / 700, rel=1e-3)
    assert one.sentence.startswith("Slow for NVIDIA H100 SXM 80GB: 612")
    assert "12.6 % worse than the middle of 20 machines of 3 sources" in one.sentence
    assert "Cause not recorded." in one.sentence


def test_wholly_above_the_95th_percentile_asks_for_a_check() -> None:
    one = stands(at(760e12), *fleet(USUAL))
    assert one.code is Code.FAST
    assert "check clocks, power limit and test version" in one.sentence


def test_across_a_limit_nobody_can_tell_and_more_runs_would() -> None:
    one = stands(at(685e12, width=0.02), *fleet(USUAL))
    assert one.code is Code.UNCLEAR
    assert "crosses the limit" in one.sentence
    assert "more runs would decide" in one.sentence
    assert stands(at(722e12, width=0.02), *fleet(USUAL)).code is Code.UNCLEAR
    assert stands(at(700e12, width=0.2), *fleet(USUAL)).code is Code.UNCLEAR


def test_without_an_interval_nobody_can_tell() -> None:
    assert stands(replace(SCORE, value=700e12, low=None, high=None), *fleet(USUAL)).code is Code.UNCLEAR
    assert stands(replace(SCORE, value=500e12, low=None, high=None), *fleet(USUAL)).code is Code.UNCLEAR


def test_close_to_the_middle_is_never_slow_however_alike_the_others_are() -> None:
    alike = [700e12 * (1 + step * 1e-5) for step in range(30)]
    one = stands(at(690e12, width=0.001), *fleet(alike))
    assert one.code is Code.NORMAL
    assert "within 2 % of the middle" in one.sentence
    assert stands(at(684e12, width=0.001), *fleet(alike)).code is Code.SLOW


@pytest.mark.parametrize(("machines", "sources"), [(19, 3), (20, 2), (100, 1), (3, 3), (1, 1)])
def test_the_words_need_20_machines_of_3_sources(machines: int, sources: int) -> None:
    values = [700e12 + step * 1e12 for step in range(machines)]
    for value in (300e12, 705e12, 2000e12):
        one = stands(at(value), *fleet(values, sources=sources))
        assert one.code is Code.NO_REF
        assert not one.sentence.startswith(("Slow", "Normal", "Above"))
        assert one.measured is not None
        assert one.measured.n == machines
    assert stands(at(300e12), *fleet(values, sources=sources)).measured.position is Position.BELOW  # type: ignore[union-attr]


def test_records_whose_source_nobody_names_are_of_one_source() -> None:
    nameless = [replace(one, offer=None) for one in fleet(USUAL)]
    assert stands(at(612e12), *nameless).code is Code.NO_REF
    signed = [Exhibit(one, "", signer=f"key {number % 3}") for number, one in enumerate(nameless)]
    assert stands(at(612e12), *signed).code is Code.SLOW


def test_one_source_written_in_several_ways_is_one() -> None:
    names = ("RunPod", "runpod", " RunPod  ")
    alike = [replace(one, offer=Offer(names[number % 3])) for number, one in enumerate(fleet(USUAL))]
    band = stands(at(612e12), *alike).measured
    assert band is not None
    assert band.sources == 1
    assert not band.population


def test_a_capped_card_is_slow_at_its_cap_not_by_itself() -> None:
    capped = {"power_limit": 500.0, "power_limit_default": 700.0, "sm_clock": 1.44e9, "readings": 9.0}
    one = stands(at(612e12, conditions=capped, of_clock=0.97), *fleet(USUAL))
    assert one.code is Code.SLOW
    assert one.conditions == (
        "at a power limit of 500\u00a0W instead of 700\u00a0W",
        "at a clock of 1440\u00a0MHz (boost 1980\u00a0MHz)",
    )
    assert one.sentence.startswith(
        "Slow for NVIDIA H100 SXM 80GB, at a power limit of 500\u00a0W instead of 700\u00a0W, at a"
    )
    assert "97\u00a0% of the peak at the clock it held" in one.sentence
    assert "Cause not recorded" not in one.sentence


def test_conditions_are_told_from_the_datasheet_too_and_usual_ones_are_not() -> None:
    assert normal.standing(at(1.0, conditions={"power_limit": 699.5}), H100, Reference(H100)).conditions == ()
    lowered = normal.standing(at(1.0, conditions={"power_limit": 350.0}), H100, Reference(H100))
    assert lowered.conditions == ("at a power limit of 350\u00a0W instead of 700\u00a0W",)
    locked = at(1.0, conditions={"sm_clock": 1.2e9}, caveats=(Caveat("CLOCK_LOCKED", ""), Caveat("THERMAL", "")))
    told = normal.standing(locked, H100, Reference(H100)).conditions
    assert told == ("at a clock locked to 1200\u00a0MHz (boost 1980\u00a0MHz)", "with heat holding the clock down")
    boost = at(1.0, conditions={"sm_clock": 1.95e9, "power_limit": 700.0})
    assert normal.standing(boost, H100, Reference(H100)).conditions == ()


@pytest.mark.parametrize(
    "bad",
    [
        {"caveats": (Caveat("CONTENDED", ""),)},
        {"caveats": (Caveat("GPU_SHARED", ""),)},
        {"conditions": {}},
        {"status": Status.REJECTED, "value": None},
    ],
)
def test_a_number_that_is_not_sound_is_neither_slow_nor_normal(bad: dict[str, object]) -> None:
    for value in (612e12, 700e12):
        one = stands(replace(at(value), **bad), *fleet(USUAL))  # type: ignore[arg-type]
        assert one.code is Code.INVALID
        assert one.sentence.startswith("Not valid")


def measured_n(*publications: Publication | Exhibit, score: Score = SCORE, hardware: Hardware = H100) -> int:
    band = stands(score, *publications, hardware=hardware).measured
    return band.n if band else 0


def test_only_other_sound_numbers_of_the_same_task_and_model_count() -> None:
    good = fleet(USUAL[:2])
    for changed in (
        {"backend": "host"},
        {"cache": "hot"},
        {"sync": "barrier"},
        {"implementation": "cublaslt"},
        {"case": Case.of("gemm", **{**dict(GEMM.params), "m": 4096})},
        {"case": Case("gemm", GEMM.params, 2)},
        {"status": Status.REJECTED, "value": None},
        {"value": 0.0},
        {"value": math.nan},
        {"value": math.inf},
        {"caveats": (Caveat("CONTENDED", ""),)},
        {"caveats": (Caveat("CLOCK_LOCKED", ""),)},
    ):
        assert measured_n(*good, publication(50, replace(SCORE, **changed))) == 2, changed  # type: ignore[arg-type]
    assert measured_n(*good, publication(50, SCORE)) == 3
    other = replace(publication(50, SCORE), machine=Machine("m-50", "NVIDIA H100 PCIe", "h100_pcie_80"))
    assert measured_n(*good, other) == 2
    assert measured_n(*good, publication(50, SCORE, origin=Origin.PUBLISHED)) == 2
    (reason,) = normal.reference((), [publication(50, SCORE, origin=Origin.PUBLISHED)], H100).left_out
    assert "published figures" in reason
    assert measured_n(*good, publication(50, SCORE, origin=Origin.IMPORTED)) == 2


def test_the_machine_that_is_judged_is_never_its_own_reference() -> None:
    own = replace(publication(50, SCORE), machine=Machine("m-own", "NVIDIA H100 80GB HBM3", "h100_sxm_80"))
    found = normal.reference((), [*fleet(USUAL[:2]), own], H100)
    assert normal.standing(SCORE, H100, found).measured.n == 2  # type: ignore[union-attr]
    (reason,) = found.left_out
    assert "this very machine" in reason
    assert found.left_out[reason] == 1


def test_of_each_machine_only_the_latest_number_counts() -> None:
    first, second = publication(1, at(500e12)), replace(publication(1, at(700e12)), id="later", started="2026-10-01")
    for order in ([first, second], [second, first]):
        band = stands(SCORE, *order).measured
        assert band is not None
        assert [one.value for one in band.values] == [700e12]


def test_processors_are_told_by_name_and_by_the_cores_that_could_be_used() -> None:
    facts = {"processor": {"model": "Example CPU  9000", "cores usable": "4"}}
    judged = normal.hardware(facts, "m-own")
    assert (judged.key, judged.name, judged.cores) == ("", "Example CPU  9000", "4")
    host = replace(SCORE, backend="host", implementation="numpy")

    def on(name: str, cores: str, key: str = "") -> int:
        machine = Machine("m-x", name, key, 1, {"processor": {"model": name, "cores usable": cores}})
        return measured_n(replace(publication(1, host), machine=machine), score=host, hardware=judged)

    assert on("example cpu 9000", "4") == 1
    assert on("Example CPU 9000", "8") == 0
    assert on("Example CPU 9001", "4") == 0
    assert on("Example CPU 9000", "4", "h100_sxm_80") == 0


def test_a_name_alone_is_enough_for_hardware() -> None:
    found = normal.reference((), fleet(USUAL[:2]), "NVIDIA H100 80GB HBM3")
    assert found.left_out == {"of another model": 2}  # they have a key of the catalogue, and a name has none
    keyless = [replace(one, machine=replace(one.machine, hardware="")) for one in fleet(USUAL[:2])]
    assert len(normal.reference((), keyless, "nvidia H100 80GB  HBM3").measured) == 1


FIGURE = Figure(
    hardware="h100_sxm_80",
    quantity="gemm bf16",
    role=Role.MEASURED,
    metric=Metric.FLOPS,
    value=795e12,
    text="795 TFLOP/s",
    benchmark="gemm cuBLAS",
    as_of="2025-09-18",
    source="github:owner/one@38eb642 README.md",
    confidence=Confidence.HIGH,
    basis=Basis.FOUND,
    shape="8192^3",
    software="CUDA 12",
)
FIGURES = (
    FIGURE,
    replace(FIGURE, value=716e12, shape="4096^3"),
    replace(FIGURE, value=720e12, source="Some article (2024-12), from memory", basis=Basis.MEMORY),
)


def beside(score: Score, *figures: Figure, hardware: Hardware = H100) -> Standing:
    return normal.standing(score, hardware, normal.reference(figures, (), hardware))


def test_published_figures_give_a_band_and_never_a_verdict() -> None:
    one = beside(replace(SCORE, of_datasheet=0.62), *FIGURES)
    assert one.code is Code.NO_REF
    assert one.published is not None
    assert (one.published.n, one.published.sources) == (3, 2)
    assert (one.published.low, one.published.high) == (pytest.approx(716e12), pytest.approx(795e12))
    assert one.published.position is Position.BELOW
    assert one.sentence.replace("\u00a0", " ") == (
        "Published for NVIDIA H100 SXM 80GB: 716–795 TFLOP/s in 3 figures of 2 sources; "
        "here 612 ± 3 TFLOP/s: below all 3. 62 % of the datasheet."
    )
    many = [replace(FIGURE, value=700e12 + n * 1e12, source=f"github:owner/n{n}@1 x") for n in range(40)]
    among = beside(SCORE, *many)
    assert among.code is Code.NO_REF
    assert among.published is not None
    assert not among.published.population


def test_what_differs_from_the_published_figures_is_told() -> None:
    told = " | ".join(beside(SCORE, *FIGURES).differs)
    assert "tool: gemm cuBLAS; here benchsuite mma" in told
    assert "8192^3; 4096^3" in told or "4096^3; 8192^3" in told
    assert "software: CUDA 12; here NVRTC 12.8" in told


@pytest.mark.parametrize("role", [Role.THRESHOLD, Role.EXPECTED, Role.DEGRADED])
def test_thresholds_and_sick_machines_are_no_reference(role: Role) -> None:
    assert beside(SCORE, replace(FIGURE, role=role)).published is None


def test_figures_of_other_hardware_other_quantities_or_none_are_no_reference() -> None:
    assert beside(SCORE, replace(FIGURE, hardware="h100_pcie_80")).published is None
    assert beside(SCORE, replace(FIGURE, quantity="gemm e4m3")).published is None
    assert beside(SCORE, replace(FIGURE, quantity="")).published is None
    small = replace(SCORE, case=Case.of("gemm", **{**dict(GEMM.params), "m": 64}))
    assert beside(small, *FIGURES).published is None
    assert beside(replace(SCORE, backend="host"), *FIGURES).published is None
    assert beside(SCORE, *FIGURES, hardware=Hardware("", "NVIDIA H100 SXM 80GB")).published is None


def test_memory_is_compared_only_far_beyond_the_caches() -> None:
    read = replace(FIGURE, quantity="hbm read", metric=Metric.BANDWIDTH, value=3.2e12)
    score = replace(SCORE, case=Case.of("memory", op="read", bytes=1 << 32), metric=Metric.BANDWIDTH, value=3.0e12)
    assert beside(replace(score, ceiling=3.1e12), read).published is not None
    assert beside(score, read).published is None


@pytest.mark.parametrize(
    ("value", "position", "words"),
    [
        (612e12, Position.BELOW, "below all 3"),
        (701e12, Position.EDGE, "at the low end of 3"),
        (708e12, Position.INSIDE, "at the low end of 3"),
        (718e12, Position.INSIDE, "above 1 of 3"),
        (750e12, Position.INSIDE, "above 2 of 3"),
        (800e12, Position.INSIDE, "at the high end of 3"),
        (900e12, Position.ABOVE, "above all 3"),
    ],
)
def test_the_place_among_a_few_has_a_tolerance_of_2_percent(value: float, position: Position, words: str) -> None:
    one = beside(at(value, width=0.002), *FIGURES).published
    assert one is not None
    assert one.position is position
    assert lies(Metric.FLOPS, one) == words


def test_a_latency_that_is_longer_is_the_worse_one() -> None:
    like = replace(SCORE, metric=Metric.LATENCY, case=Case.of("latency", bytes=1 << 30), implementation="chase")
    others = fleet([500e-9 + step * 1e-9 for step in range(20)], like)
    slow, fast = (
        stands(replace(like, value=value, low=value * 0.99, high=value * 1.01), *others) for value in (700e-9, 400e-9)
    )
    assert (slow.code, fast.code) == (Code.SLOW, Code.FAST)
    assert slow.measured is not None
    assert fast.measured is not None
    assert slow.measured.distance < 1.0 < fast.measured.distance
    assert slow.measured.low < slow.measured.high
    assert lies(Metric.LATENCY, slow.measured) == "longer than all 20"
    assert lies(Metric.LATENCY, fast.measured) == "shorter than all 20"


def test_a_percentile_is_a_range_that_is_true_of_a_further_machine() -> None:
    """With n values a new one falls into each of n + 1 gaps alike: below the least of 20, the lowest 4.8 %."""
    one = stands(at(699e12, width=0.0), *fleet(USUAL)).measured
    assert one is not None
    assert one.outdone == (9, 10)  # 699 itself is one of them
    assert one.percentiles == (9 / 21, 11 / 21)
    assert lies(Metric.FLOPS, one) == "42nd–53rd percentile"
    least = stands(at(600e12, width=0.0), *fleet(USUAL)).measured
    assert least is not None
    assert least.percentiles == (0.0, 1 / 21)


def test_a_new_machine_of_the_population_lies_below_the_5th_percentile_once_in_20_times() -> None:
    """Type 6: over many populations of 39, the part of further machines below it is 5 % (standard error 0.3 %)."""
    import numpy as np

    random = np.random.default_rng(5)
    drawn = np.sort(random.normal(size=(6000, 39)), axis=1)
    limits = np.array([quantile(row, 0.05) for row in drawn])
    assert np.mean(random.normal(size=6000) < limits) == pytest.approx(0.05, abs=0.012)


values = st.lists(st.floats(1e11, 1e13), min_size=20, max_size=30)
widths = st.floats(0.0, 0.3)
METRICS = st.sampled_from([Metric.FLOPS, Metric.LATENCY])


@few
@given(values, st.floats(1e10, 1e14), st.floats(1.0, 10.0), widths, METRICS)
def test_faster_never_stands_worse(
    usual: list[float], value: float, factor: float, width: float, metric: Metric
) -> None:
    like = replace(SCORE, metric=metric)
    others = fleet(usual, like)
    better = value * factor if metric.higher_is_better else value / factor
    slow, fast = (stands(replace(at(one, width), metric=metric), *others) for one in (value, better))
    assert slow.measured is not None
    assert fast.measured is not None
    assert fast.measured.distance >= slow.measured.distance
    assert fast.measured.percentiles >= slow.measured.percentiles
    assert fast.code is not Code.SLOW or slow.code is Code.SLOW
    assert slow.code is not Code.FAST or fast.code is Code.FAST
    assert slow.code is not Code.NORMAL or fast.code in {Code.NORMAL, Code.UNCLEAR, Code.FAST}


@few
@given(values, st.floats(1e10, 1e14), widths, st.sampled_from([1e-9, 1e-3, 1.024, 1e6]), METRICS)
def test_the_unit_does_not_matter(usual: list[float], value: float, width: float, scale: float, metric: Metric) -> None:
    like = replace(SCORE, metric=metric)
    one = stands(replace(at(value, width), metric=metric), *fleet(usual, like))
    two = stands(replace(at(value * scale, width), metric=metric), *fleet([each * scale for each in usual], like))
    assert one.measured is not None
    assert two.measured is not None
    assert two.measured.distance == pytest.approx(one.measured.distance)
    assert two.measured.middle == pytest.approx(one.measured.middle * scale)
    assert two.measured.lower == pytest.approx(one.measured.lower * scale)
    near = min(abs(math.log(end / limit)) for end in (at(value, width).low or 0, at(value, width).high or 0)
               for limit in (one.measured.lower, one.measured.upper))  # fmt: skip
    assert near < 1e-9 or two.code is one.code


@few
@given(values, st.floats(1e10, 1e14), widths, st.data())
def test_the_order_of_the_reference_does_not_matter(
    usual: list[float], value: float, width: float, data: st.DataObject
) -> None:
    others = fleet(usual)
    assert stands(at(value, width), *data.draw(st.permutations(others))) == stands(at(value, width), *others)


@few
@given(st.lists(st.floats(1.0, 100.0), min_size=1, max_size=40).map(sorted), st.floats(0.0, 1.0))
def test_a_quantile_lies_among_the_values_and_grows(ordered: list[float], part: float) -> None:
    found = quantile(ordered, part)
    assert ordered[0] <= found <= ordered[-1]
    assert quantile(ordered, min(1.0, part + 0.1)) >= found


def test_more_runs_are_told_only_where_they_would_help() -> None:
    score = at(100.0, width=0.02, runs=5)
    assert more_runs(score, 99.0) == math.ceil(5 * (0.02 / math.log(100 / 99)) ** 2) - 5
    assert more_runs(score, 100.0) is None
    assert more_runs(score, 99.99) is None
    assert more_runs(replace(score, runs=1), 99.0) is None


def test_imported_output_of_other_machines_is_a_figure_of_its_tool() -> None:
    other = replace(SCORE, implementation="gemm", provider="cuBLAS", value=650e12, low=None, high=None, backend="")
    found = stands(SCORE, publication(7, other, origin=Origin.IMPORTED, tool="mamf"))
    assert found.measured is None
    assert found.published is not None
    assert found.published.values[0].tool == "mamf"


@pytest.mark.parametrize(
    ("source", "who"),
    [
        ("github:owner/name@1c36d50 folder/a100_40.txt", "owner/name"),
        ("github:owner/name@2222222 README.md", "owner/name"),
        ("https://github.com/NVIDIA/nccl-tests/issues/100", "NVIDIA/nccl-tests/issues/100"),
        ("https://example.org/blog/x (maintainer)", "example.org"),
        ("FlashAttention-2 paper arXiv 2307.08691, from memory", "FlashAttention-2 paper arXiv 2307.08691"),
        ("", ""),
    ],
)
def test_files_of_one_repository_are_one_source(source: str, who: str) -> None:
    assert publisher(source) == who


def test_ordinals() -> None:
    assert [ordinal(count) for count in (0, 1, 2, 3, 4, 11, 12, 13, 21, 42, 100)] == [
        "0th", "1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "42nd", "100th",
    ]  # fmt: skip
