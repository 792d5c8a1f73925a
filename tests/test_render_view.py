"""What the page says: verdicts, counts, words and rows, without HTML."""

from __future__ import annotations

from dataclasses import replace

import pytest
import render_data as data

from benchsuite import units
from benchsuite.model import Caveat, Record, Skip, Status
from benchsuite.render import strip, view, words
from benchsuite.render.rows import MOST_CARDS
from benchsuite.render.view import ReportView

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
