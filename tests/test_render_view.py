"""What the page says: verdicts, counts, words and rows, without HTML."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import render_data as data

from benchsuite import units
from benchsuite.model import Caveat, Record, Score, Skip, Status
from benchsuite.render import below, strip, view, words
from benchsuite.render.rows import MOST_CARDS
from benchsuite.render.view import ReportView
from benchsuite.render.words import counted

BANNED = ("significant", "insignificant", "beats", "crushes", "up to", "best-in-class", "equivalent", "proven")


@pytest.fixture(scope="module")
def report() -> ReportView:
    return view.build(data.campaign())


def small(*made: Record, runs: int = 3) -> ReportView:
    return view.build(data.view_of(made, runs))


def good(runs: int = 3) -> list[Record]:
    return data.records([data.gemm(256, 256, 256, "fp32", "numpy", 1e11), *data.probes()], runs)


def test_one_wrong_result_makes_the_campaign_invalid_and_names_itself(report: ReportView) -> None:
    assert report.verdict.code == "invalid"
    assert report.verdict.headline == "Not valid: 1 of 194 results is wrong."
    wrong, failed = report.troubles
    assert (wrong.glyph, wrong.status, wrong.value, wrong.sort) == ("✖", "wrong result", units.DASH, None)
    assert "c[17, 3]" in wrong.reason
    assert failed.code == Status.FAILED


def test_counts_cover_every_task(report: ReportView) -> None:
    assert dict(report.verdict.counts) == {"verified": 192, "wrong": 1, "failed": 1, "skipped": 2}
    assert len(report.rows) == 194


def test_a_failure_without_a_wrong_result_is_incomplete() -> None:
    assert small(*good(), data.TROUBLE[1]).verdict.headline == "Incomplete: 3 of 4 tasks measured, 1 failed."


def test_all_good_is_verified() -> None:
    assert small(*good()).verdict.headline == "All 3 results were measured and verified."


def test_nothing_measured_says_so() -> None:
    found = small()
    assert found.verdict.headline == "Nothing was measured."
    assert (found.rows, found.cards, found.figures) == ((), (), ())


def test_all_failed_gives_no_number() -> None:
    found = small(*data.TROUBLE)
    assert found.verdict.sentences == ("No number can be given.",)
    assert found.cards == ()
    assert all(row.value == units.DASH for row in found.rows)


def test_a_single_run_is_called_one_run() -> None:
    found = small(*good(1), runs=1)
    assert "One run only" in " ".join(found.verdict.sentences)
    assert {row.interval for row in found.rows} == {"this run only"}


def test_nothing_is_called_normal_or_slow_without_a_reference(report: ReportView) -> None:
    said = " ".join(report.verdict.sentences)
    assert "No reference" in said
    assert "normal for" not in said.lower()
    notes = " ".join(figure.note for figure in report.figures)
    assert not [word for word in BANNED if word in f"{report.copy} {said} {notes}".lower()]


def test_a_number_never_comes_without_its_unit(report: ReportView) -> None:
    for row in report.rows:
        assert row.value == units.DASH or row.value.endswith(("FLOP/s", "B/s", "s")), row.value


def test_an_interval_that_says_nothing_is_not_printed_as_numbers() -> None:
    score = replace(data.scores_of(good())[0], value=84e9, low=5e5, high=1e16)
    assert words.value(score).replace(units.NO_BREAK_SPACE, " ") == "84.0 GFLOP/s (beyond ×10)"


def test_notes_are_announced(report: ReportView) -> None:
    assert any(text.endswith("of 194 results have a note (†).") for text in report.verdict.sentences)


def test_hardware_is_told_first(report: ReportView) -> None:
    assert [name for name, _ in report.facts] == ["processor", "memory", "system", "packages"]


def test_cards_are_few_and_verified(report: ReportView) -> None:
    assert 0 < len(report.cards) <= MOST_CARDS
    assert report.cards[0].label == "GEMM, fp32"
    assert report.cards[0].share == "94\u00a0% of ceiling"


def test_shares_name_their_ceiling(report: ReportView) -> None:
    shares = {row.share_of for row in report.rows if row.share}
    assert "of what the measured fp32 arithmetic allows" in shares
    assert "of what the measured memory bandwidth allows" in shares


def test_notes_explain_every_mark(report: ReportView) -> None:
    letters = {letter for row in report.rows for letter in row.marks}
    assert letters == {note.letter for note in report.notes} == {"c"}


def test_an_unknown_note_is_shown_with_its_own_words() -> None:
    odd = [replace(record, caveats=(Caveat("NEW", "The moon was full."),)) for record in good()]
    found = small(*odd)
    assert [(note.letter, note.meaning) for note in found.notes] == [("x", "The moon was full. (3 of 3 runs)")]


def test_a_skip_told_twice_is_listed_once() -> None:
    skip = data.SKIPS[0]
    scores = [replace(data.scores_of(good())[0], case=skip.case, implementation=skip.implementation,
                      status=Status.SKIPPED, reason=skip.reason)]  # fmt: skip
    campaign = replace(data.view_of(good()), scores=scores, skips=(skip, Skip(skip.case, "mpi", skip.reason)))
    gaps = view.build(campaign).gaps
    assert [(gap.reason, len(gap.tasks)) for gap in gaps] == [("no CUDA device", 2)]


def test_parameters_read_like_words(report: ReportView) -> None:
    cases = {row.case for row in report.rows}
    for told in (
        "fp32 2048³",
        "fp32 causal, 1024 tokens, 8 heads × 64",
        "triad 16\u00a0KiB",
        "fp32 512 × 4096 × 1024",
    ):
        assert told in cases


def test_the_summary_is_plain_text(report: ReportView) -> None:
    assert report.copy.startswith("✖ Not valid")
    assert units.NO_BREAK_SPACE not in report.copy
    assert "run 20260102-030405-example-beef" in report.copy


def test_dates_are_utc() -> None:
    assert view._when("2026-11-24T11:01:26.638+00:00") == "2026-11-24 11:01 UTC"
    assert view._when("yesterday") == "yesterday"


def test_a_strip_holds_every_sample_and_stays_small() -> None:
    timed = data.gemm(256, 256, 256, "fp32", "numpy", 1e11)
    for samples in (1, 24, 400):
        drawn = strip.samples(data.records([timed], 3, samples=samples))
        assert drawn is not None
        assert f"{samples * 3} samples in 3 runs" in drawn.caption
        assert drawn.svg.count("<path") == 6
        assert len(drawn.svg) < 2000


def touched(count: int, *, clean: float = 1.0) -> list[Record]:
    """Three runs, of whose 24 samples the first ``count`` were touched; the others' median is ``clean`` of all's."""
    made = data.records([data.gemm(256, 256, 256, "fp32", "numpy", 1e11)], 3)
    return [
        replace(
            record,
            samples=replace(record.samples, annotations={"POWER_CAP": tuple(range(count)), "THERMAL": (0, 1)}),
            summary=replace(record.summary, clean=24 - count, clean_median=record.summary.median * clean),
        )
        for record in made
        if record.samples is not None and record.summary is not None
    ]


def corners(svg: str, kind: str) -> int:
    """How many strokes the paths of a class have."""
    return sum(len(re.findall("[Mm]", d)) for d in re.findall(rf'<path class="{kind}" d="([^"]*)"', svg))


def test_samples_that_a_condition_touched_are_marked_and_counted() -> None:
    drawn = strip.samples(touched(6))
    assert drawn is not None
    assert (corners(drawn.svg, "touched"), corners(drawn.svg, "dots")) == (18, 54)
    assert drawn.touched.startswith(
        "18 of 72 marked: the power limit held the GPU's clock down (p); "
        "the GPU lowered its clock because of heat (h, 6). "
    )
    whole = strip.samples(touched(24))
    assert whole is not None
    assert whole.touched.startswith("All marked: ")
    assert corners(whole.svg, "dots") == 0


@pytest.mark.parametrize(
    ("clean", "said"),
    [
        (1.0, "The other 54 change the median by less than 0.1\u00a0%."),
        (0.96, ", 4.0\u00a0% less."),
        (1.25, ", 25\u00a0% more."),
    ],
)
def test_what_the_undisturbed_samples_alone_would_give_is_said(clean: float, said: str) -> None:
    drawn = strip.samples(touched(6, clean=clean))
    assert drawn is not None
    assert drawn.touched.endswith(said)


def test_a_run_without_an_undisturbed_sample_gives_no_sensitivity() -> None:
    made = touched(6)
    made[1] = replace(made[1], summary=replace(made[1].summary, clean_median=None))
    drawn = strip.samples(made)
    assert drawn is not None
    assert drawn.touched.endswith("Not every run has samples without a mark.")


def test_undisturbed_samples_are_not_spoken_of() -> None:
    drawn = strip.samples(data.records([data.gemm(256, 256, 256, "fp32", "numpy", 1e11)], 3))
    assert drawn is not None
    assert drawn.touched == ""


def test_an_annotation_beyond_the_samples_marks_nothing() -> None:
    made = touched(0)
    assert made[0].samples is not None
    odd = [replace(r, samples=replace(r.samples, annotations={"NEW": (24, 99, -1)})) for r in made if r.samples]
    drawn = strip.samples(odd)
    assert drawn is not None
    assert (drawn.touched, corners(drawn.svg, "touched")) == ("", 0)


def on_gpu(joules: float | None = 2.0, **params: int) -> Score:
    score = data.scores_of(good())[0]
    conditions = {"power": 496.4, "sm_clock": 1.665e9, "temperature": 71.0}
    case = replace(score.case, params=(*score.case.params, *params.items()))
    return replace(score, backend="cuda", joules=joules, conditions=conditions, case=case)


def test_power_clock_and_energy_stand_below_a_number_of_a_gpu() -> None:
    told = [text.replace(units.NO_BREAK_SPACE, " ") for text in below.details(on_gpu(), ())]
    assert told == ["496 W, 1665 MHz, 71 °C", "2.00 J an iteration, 16.8 MFLOP/J"]


def test_energy_of_one_device_is_not_told_for_the_work_of_two() -> None:
    assert len(list(below.details(on_gpu(gpus=2), ()))) == 1


@pytest.mark.parametrize("joules", [None, 0.0, float("nan")])
def test_no_energy_is_told_without_a_counter(joules: float | None) -> None:
    assert len(list(below.details(on_gpu(joules), ()))) == 1


def test_a_host_has_no_clock_of_a_gpu_below() -> None:
    assert list(below.details(replace(on_gpu(None), backend="host"), ())) == []


@pytest.mark.parametrize(
    ("runs", "samples", "told"), [(1, 59, ()), (1, 60, ("p95",)), (3, 99, ("p95",)), (2, 299, ("p95", "p99"))]
)
def test_percentiles_of_a_latency_are_withheld_below_their_number_of_samples(
    runs: int, samples: int, told: tuple[str, ...]
) -> None:
    made = data.records(list(data.latencies())[:1], runs, samples=samples)
    (row,) = view.build(data.view_of(made, runs)).rows
    assert tuple(re.findall(r"p9\d", " ".join(row.details))) == told
    if told:
        assert row.details[0].endswith(f" of {samples * runs} samples in {counted(runs, 'run')}")


def test_a_percentile_is_one_of_the_samples_in_the_unit_of_the_value() -> None:
    (record,) = data.records(list(data.latencies())[:1], 1, samples=100)
    assert record.samples is not None
    steps = record.work.steps
    seconds = tuple(1e-9 * steps * (number + 1) for number in range(100))
    (score,) = data.scores_of([record])
    made = replace(record, samples=replace(record.samples, seconds=seconds))
    (told,) = below.details(score, [made])
    assert told.replace(units.NO_BREAK_SPACE, " ") == "p95 95.0 ns of 100 samples in 1 run"


def test_a_rate_has_no_percentiles() -> None:
    made = data.records([data.gemm(256, 256, 256, "fp32", "numpy", 1e11)], 3, samples=400)
    assert view.build(data.view_of(made)).rows[0].details == ()


def test_a_strip_of_equal_samples_has_no_height_to_divide_by() -> None:
    record = data.records([data.gemm(256, 256, 256, "fp32", "numpy", 1e11)], 1)[0]
    assert record.samples is not None
    level = replace(record, samples=replace(record.samples, seconds=(1e-3,) * 8))
    assert strip.samples([level]) is not None
    assert strip.samples([data.TROUBLE[0]]) is None


def test_a_gpu_that_was_measured_is_the_machine() -> None:
    gpu = {"name": "NVIDIA H200", "processors": "132", "memory": "140 GiB", "driver": "580.1 (CUDA 13.0)"}
    told = view.build(
        replace(data.campaign(data.everything()), facts={"gpu": gpu, "processor": {"model": "EPYC"}})
    ).machine
    assert told == "NVIDIA H200 · 132 processors · 140 GiB · 580.1 (CUDA 13.0)"
