"""Every rule has a set that breaks it and one that does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from benchsuite import lint
from benchsuite.commands import evidence
from benchsuite.errors import Exit
from benchsuite.lint import BLOCKS, NOTE, Aggregate, Mean, Severity, Shown
from benchsuite.model import (
    Case,
    Caveat,
    Exhibit,
    Machine,
    Metric,
    Offer,
    Origin,
    Publication,
    Quantiles,
    Score,
    Status,
    Work,
)
from tests.public_data import published

SPREAD = Quantiles(120, 1e-3, 1e-3, 1e-3, 1e-3, 1e-3)
FACTS = {"gpu": {"name": "NVIDIA H200", "driver": "580.65.06 (CUDA 13.0)"}}
NAMELESS = Machine("m", "H200", facts={"gpu": {"name": "H200"}})
CONDITIONS = {"sm_clock": 1.7e9, "power_limit": 700.0}


def score(metric: Metric = Metric.FLOPS, name: str = "gemm", ranks: int = 1) -> Score:
    """A result that breaks no rule."""
    return Score(
        Case.of(name, ranks, m=4), "cublas", "", metric, Status.OK, Work(flops=1e9), 5, 1e12, 0.99e12, 1.01e12,
        "5 runs", (1e12,) * 5, ceiling=2e12, of_ceiling=0.5, conditions=CONDITIONS, backend="cuda", sync="none",
        samples=(SPREAD,) * 5,
    )  # fmt: skip


def exhibit(*scores: Score, label: str = "A") -> Exhibit:
    """An exhibit that breaks no rule."""
    told = Publication(
        1, f"20260102-030405-gpu-{label.lower()}", Origin.MEASURED, Machine(f"m-{label.lower()}", "H200", facts=FACTS),
        "2026-01-02T03:04:05+00:00", "gpu", scores or (score(),), "0.2.0", "c0de" * 4, "cuda", 5,
        offer=Offer("Alpha", usd_per_hour=3.0, as_of="2026-01-01", source="alpha.example"),
        digest=f"{ord(label[0]):064x}", planned=len(scores) or 1,
    )  # fmt: skip
    return Exhibit(told, label)


A, B = exhibit(label="A"), exhibit(label="B")


def told(one: Exhibit, **changes: object) -> Exhibit:
    return replace(one, publication=replace(one.publication, **changes))  # type: ignore[arg-type]


def scored(*scores: Score) -> list[Exhibit]:
    return [exhibit(*scores)]


def failed(one: Score) -> Score:
    nothing = {"value": None, "low": None, "high": None, "run_values": (), "samples": ()}
    return replace(one, status=Status.FAILED, reason="It could not be measured.", **nothing)  # type: ignore[arg-type]


def mean(kind: Mean, metric: Metric, *, parts: bool = True) -> Shown:
    return Shown(aggregates=(Aggregate(kind, metric, parts),))


def foreign(one: Exhibit, *scores: Score) -> Exhibit:
    """As somebody published it."""
    results = scores or one.publication.results
    return told(one, origin=Origin.PUBLISHED, source="a datasheet", results=results)


Breaks = tuple[int, Severity, str, Callable[[], tuple[list[Exhibit], Shown]]]
LATENCY = replace(score(Metric.LATENCY, "latency"), samples=(replace(SPREAD, n=90),) * 5)
ENOUGH = score(Metric.LATENCY, "latency")
FIRST = {
    "base": Shown(base="A"),
    "mean of latencies": mean(Mean.ARITHMETIC, Metric.LATENCY),
    "mean of rates": mean(Mean.HARMONIC, Metric.BANDWIDTH),
    "mean of ratios": mean(Mean.GEOMETRIC, Metric.RATIO),
    "tail of enough samples": Shown(quantiles=(0.5, 0.99)),
    "as our pages do": Shown(),
}

BROKEN: tuple[Breaks, ...] = (
    (1, BLOCKS, "is not among them", lambda: ([A, B], Shown(base="C"))),
    (1, BLOCKS, "no number itself", lambda: ([exhibit(failed(score())), B], Shown(base="A"))),
    (1, BLOCKS, "without the values", lambda: ([A, B], Shown(absolute=False))),
    (2, BLOCKS, "1 of the 3 tasks", lambda: ([told(A, planned=3)], Shown())),
    (2, NOTE, "1 failed", lambda: (scored(score(), failed(score(name="triad"))), Shown())),
    (2, NOTE, "wrong with its file. x is", lambda: ([replace(A, problems=("x is there twice.",))], Shown())),
    (2, NOTE, "does not mention 1 of 2", lambda: ([A, exhibit(score(), score(name="triad"), label="B")], Shown())),
    (3, BLOCKS, "arithmetic mean of B/s", lambda: ([A], mean(Mean.ARITHMETIC, Metric.BANDWIDTH))),
    (3, BLOCKS, "harmonic mean of s", lambda: ([A], mean(Mean.HARMONIC, Metric.LATENCY))),
    (3, BLOCKS, "without its parts", lambda: ([A], mean(Mean.HARMONIC, Metric.FLOPS, parts=False))),
    (4, BLOCKS, "depends on which", lambda: ([A], mean(Mean.ARITHMETIC, Metric.RATIO))),
    (4, BLOCKS, "without its parts", lambda: ([A], mean(Mean.GEOMETRIC, Metric.RATIO, parts=False))),
    (5, BLOCKS, "single run", lambda: (scored(replace(score(), runs=1, run_values=(1e12,))), Shown())),
    (5, BLOCKS, "no interval", lambda: (scored(replace(score(), low=None)), Shown())),
    (5, NOTE, "single run", lambda: ([foreign(A, replace(score(), runs=0))], Shown())),
    (7, BLOCKS, "nothing corrects", lambda: ([A, B], Shown(correction=""))),
    (7, NOTE, "fewer than 3 runs", lambda: ([A, exhibit(replace(score(), runs=2), label="B")], Shown())),
    (8, BLOCKS, "fewer than 500 samples", lambda: (scored(LATENCY), Shown(quantiles=(0.5, 0.99)))),
    (8, NOTE, "medians", lambda: (scored(LATENCY), Shown())),
    (9, BLOCKS, "no date or no source", lambda: ([told(A, offer=Offer("Alpha", usd_per_hour=3.0))], Shown())),
    (9, BLOCKS, "version", lambda: ([told(A, version="")], Shown())),
    (9, BLOCKS, "gpu's driver", lambda: ([told(A, machine=NAMELESS)], Shown())),
    (9, BLOCKS, "processor's model", lambda: ([told(A, backend="host")], Shown())),
    (9, BLOCKS, "where it stands", lambda: ([told(A, origin=Origin.PUBLISHED)], Shown())),
    (9, NOTE, "clock or its power limit", lambda: (scored(replace(score(), conditions={"sm_clock": 1e9})), Shown())),
    (10, BLOCKS, "began together", lambda: (scored(score(Metric.BUSBW, "allreduce", 8)), Shown())),
    (10, BLOCKS, "how many ranks", lambda: (scored(replace(score(Metric.BUSBW, "allreduce"), sync="window")), Shown())),
    (11, NOTE, "neither a measured ceiling", lambda: (scored(replace(score(), ceiling=None)), Shown())),
    (12, BLOCKS, "leave out the intervals", lambda: ([A], Shown(intervals=False))),
    (12, BLOCKS, "nothing between", lambda: ([A], Shown(joined=True))),
    (13, BLOCKS, "measured and published", lambda: ([A, foreign(B)], Shown())),
    (14, BLOCKS, "shown as clean", lambda: (scored(replace(score(), caveats=(Caveat("CONTENDED", ""),))), Shown())),
    (14, NOTE, "a mark", lambda: (scored(replace(score(), unreportable=("It was not steady.",))), Shown())),
    (15, BLOCKS, "scripted", lambda: ([told(A, backend="fake")], Shown())),
    (15, BLOCKS, "scripted", lambda: (scored(replace(score(), backend="fake")), Shown())),
    (16, BLOCKS, "different machines", lambda: ([A, told(B, digest=A.publication.digest)], Shown())),
)  # fmt: skip


@pytest.mark.parametrize(("rule", "severity", "words", "made"), BROKEN, ids=lambda one: str(one)[:30])
def test_a_set_that_breaks_the_rule(
    rule: int, severity: Severity, words: str, made: Callable[[], tuple[list[Exhibit], Shown]]
) -> None:
    exhibits, shown = made()
    found = [one for one in lint.lint(exhibits, shown) if one.rule == rule and words in one.text]
    assert len(found) == 1, lint.lint(exhibits, shown)
    assert found[0].severity is severity
    assert found[0].subject
    assert found[0].text.endswith(".")
    assert f"rule {rule} (" in found[0].title


@pytest.mark.parametrize("how", FIRST)
def test_a_set_that_breaks_none(how: str) -> None:
    latency = replace(ENOUGH, case=Case.of("latency", m=4))
    together = replace(score(Metric.BUSBW, "allreduce", 8), sync="window")
    scores = (score(), latency, together)
    exhibits = [exhibit(*scores, label="A"), exhibit(*scores, label="B")]
    found = lint.lint(exhibits, FIRST[how])
    assert [one for one in found if one.severity is BLOCKS] == []
    assert {one.rule for one in found} == {6, 8}, "what is assumed, and that latencies are medians, is always said"


def test_every_rule_is_tried() -> None:
    assert {rule for rule, *_ in BROKEN} | {6} == set(lint.TITLES)


def test_normality_is_only_mentioned_where_an_interval_rests_on_it() -> None:
    single = replace(score(), runs=1, run_values=(1e12,))
    assert not [one for one in lint.lint(scored(single)) if one.rule == 6]
    assert [one for one in lint.lint([A]) if one.rule == 6]


def test_what_blocks_comes_first_and_the_rest_in_the_order_of_the_rules() -> None:
    found = lint.lint([told(A, backend="fake", planned=9), B], Shown(correction=""))
    order = [(one.severity is NOTE, one.rule) for one in found]
    assert order == sorted(order)
    assert order[0][0] is False


def test_of_scripted_time_nothing_else_is_asked() -> None:
    simulated = told(A, backend="fake", version="", machine=Machine("m", "scripted clock"))
    assert {one.rule for one in lint.lint([simulated]) if one.severity is BLOCKS} == {15}


def test_no_exhibits_no_findings() -> None:
    assert lint.lint([]) == []


def test_kinds_set_apart_may_stand_on_one_page() -> None:
    assert not [one for one in lint.lint([A, foreign(B)], Shown(ranked=False)) if one.rule == 13]


def test_the_command_fails_when_something_blocks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, _ = published(tmp_path, backend="cuda")
    assert evidence.lint([str(path)], tmp_path, as_json=False) == Exit.DONE
    assert "0 to mend before publishing" in capsys.readouterr().out
    path, _ = published(tmp_path / "fake", backend="fake")
    assert evidence.lint([str(path)], tmp_path, as_json=True) == Exit.REJECTED
    assert '"severity":"blocks"' in capsys.readouterr().out
