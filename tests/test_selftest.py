"""The selftest: it trusts what behaves as claimed, and finds what does not, on scripted clocks and campaigns."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchsuite import campaign, discovery, units
from benchsuite.compare import Comparison, Row
from benchsuite.errors import MeasureError
from benchsuite.model import Case, Caveat, Metric, Score, Status, Work
from benchsuite.selftest import command, pairs, timing, watching
from benchsuite.selftest.finding import Finding
from benchsuite.statistics.runs import Verdict
from tests.builders import record
from tests.conftest import toy
from tests.inline import InlineRunner

CASE = Case.of("toy", n=64, kind="a")
FAST = campaign.Request(suite="quick", only=("gemm dtype=fp32 m=256",), backend="fake")


def ticking(step: float, cost: float = 0.0) -> Callable[[], float]:
    """A clock that advances by ``cost`` a reading and shows multiples of ``step``."""
    readings = itertools.count()
    return lambda: int(next(readings) * cost / step + 1e-9) * step


def test_a_fine_clock_is_trusted_and_described() -> None:
    found = timing.clock(ticking(1e-8, 4e-8), 1000)
    assert found.trusted
    assert found.figures["tick"] == pytest.approx(4e-8)
    assert "40.0" in found.told[0].replace(units.NO_BREAK_SPACE, " ")


@pytest.mark.parametrize(
    "timer",
    [
        ticking(0.0156, 1e-3),
        lambda: 1.0,
        iter(np.r_[np.arange(600.0), 5.0, np.arange(601.0, 1500.0)].tolist()).__next__,
    ],
    ids=["coarse", "standing", "backwards"],
)
def test_a_clock_that_cannot_time_is_not_trusted(timer: Callable[[], float]) -> None:
    found = timing.clock(timer, 1000)
    assert not found.trusted
    assert found.told


class Adding:
    """A sampler whose loop adds a fraction to every time, with noise of a hundredth."""

    def __init__(self, more: float, noise: float = 0.01) -> None:
        self.more, self.rng, self.noise = more, np.random.default_rng(1), noise

    def batch(self, iterations: int) -> Any:
        """What a sampler would say."""
        return SimpleNamespace(
            seconds=1e-4 * (1.0 + self.more) * float(np.exp(self.noise * self.rng.standard_normal()))
        )


def arms(more: float, noise: float = 0.01) -> timing.Arms:
    """A suite that adds ``more`` to steps of 100 µs; the bare loop is exact."""
    now = [0.0]

    def step() -> None:
        now[0] += 1e-4

    return timing.Arms(Adding(more, noise), step, lambda: now[0])  # type: ignore[arg-type]


def test_a_loop_that_adds_little_is_trusted_and_one_that_adds_much_is_not() -> None:
    little, much = timing.overhead(arms(0.002)), timing.overhead(arms(0.03))
    assert little.trusted
    assert little.figures["overhead"] == pytest.approx(0.002, abs=2e-3)
    assert not much.trusted
    assert "more than 1 %" in much.told[1]


def test_a_restless_machine_tells_nothing_of_overhead_and_says_so() -> None:
    found = timing.overhead(arms(0.01, noise=0.3))
    assert not found.trusted
    assert "restless" in found.told[1]
    assert found.figures["rounds"] == timing.MOST_ROUNDS


def test_the_real_loops_are_timed() -> None:
    made = timing.Arms.of(2e-6)
    assert all(seconds > 0.0 for seconds in timing.record(made, 20))
    assert timing._once(made, "bare") > 0.0


def test_intervals_are_trusted_where_they_cover() -> None:
    rng = np.random.default_rng(2)
    found = timing.coverage(np.exp(0.01 * rng.standard_normal(1200)).tolist())
    assert found.trusted
    assert 0.93 < float(str(found.figures["coverage"])) < 0.99


def test_intervals_are_not_trusted_where_the_noise_comes_in_long_bursts() -> None:
    rng = np.random.default_rng(3)
    bursts = np.repeat(rng.random(12) < 0.4, 100) * 0.05
    found = timing.coverage(np.exp(0.01 * rng.standard_normal(1200) + bursts).tolist())
    assert not found.trusted
    assert "too few" in found.told[1]


# -- pairs ------------------------------------------------------------------------------------


@pytest.mark.parametrize("runs", [6, 8, 10])
def test_runs_are_dealt_evenly_and_a_drift_meets_both_sides(runs: int) -> None:
    records = [record(toy(), CASE, run=run) for run in range(runs)]
    interleaved, in_turn = pairs.deal(records, runs)
    for a, b in (interleaved, in_turn):
        assert len(a) == len(b) == runs // 2
        assert sorted(one.run for one in (*a, *b)) == list(range(runs))
    middles = [float(np.mean([one.run for one in side])) for side in interleaved]
    assert abs(middles[0] - middles[1]) < 0.5
    assert {one.run for one in in_turn[0]} == set(range(runs // 2))


def row(verdict: Verdict, *, clean: bool = True) -> Row:
    return Row(CASE, "good", verdict, 1.0, 1.0, 1.1, clean=clean, unclean=() if clean else ("others ran (CONTENDED)",))


def pair(interleaved: Sequence[Row] = (), in_turn: Sequence[Row] = ()) -> pairs.Pair:
    """A pair of ten tests, all undecided but these."""
    sides = [Comparison((*rows, *[row(Verdict.UNDECIDED)] * (10 - len(rows))), 10) for rows in (interleaved, in_turn)]
    return pairs.Pair(Path("runs/a"), (), *sides)


FALSE = row(Verdict.SLOWER)
NOTED = row(Verdict.FASTER, clean=False)


@pytest.mark.parametrize(
    ("made", "trusted"),
    [
        ([pair()] * 20, True),
        ([pair([FALSE])] * 2 + [pair()] * 18, True),
        ([pair([FALSE])] * 5 + [pair()] * 15, False),
        ([pair([NOTED])] * 5 + [pair()] * 15, False),
        ([pair([], [FALSE])] * 5 + [pair()] * 15, False),
        ([pair([], [NOTED])] * 20, True),
        ([pairs.Pair(Path("a"), (), Comparison((), 0), Comparison((), 0))] * 20, False),
    ],
    ids=["none", "two", "five", "five noted", "five in turn", "in turn, all noted", "nothing compared"],
)
def test_verdicts_are_trusted_unless_too_many_pairs_are_wrong(made: list[pairs.Pair], trusted: bool) -> None:
    assert pairs.finding(made).trusted is trusted


def test_false_differences_are_counted_and_named() -> None:
    found = pairs.finding([pair([FALSE, NOTED]), pair([], [NOTED])])
    told = " ".join(found.told)
    assert (
        "Interleaved: of 20 comparisons of this machine with itself 2 were called different (1 faster, 1 slower)"
        in told
    )
    assert "1 of them clean. 1 of 2 pairs had one; up to 10 tests of a pair share 5 %" in told
    assert "was called faster, ×1.100, not clean: others ran (CONTENDED)" in told
    assert found.figures["in turn: false faster"] == 1
    assert found.figures["in turn: false and clean"] == 0
    assert found.figures["interleaved: tests"] == 20


def test_the_time_left_is_told_after_each_pair() -> None:
    now = iter((0.0, 60.0, 120.0))
    forecast = pairs.Forecast(2, lambda: next(now))
    lines = [forecast.line(one).replace(units.NO_BREAK_SPACE, " ") for one in (pair([FALSE]), pair())]
    assert lines == [
        "pair 1 of 2: 1 of 10 called different, about 1 min 0 s left",
        "pair 2 of 2: 0 of 10 called different",
    ]


# -- telemetry --------------------------------------------------------------------------------


def score(*codes: str, **changed: Any) -> Score:
    made = Score(
        CASE, "good", "", Metric.BANDWIDTH, Status.OK, Work(), value=1.0, backend="host", conditions={"load": 1.0}
    )
    return replace(made, caveats=tuple(Caveat(code, "Told.") for code in codes), **changed)


def test_sensors_that_told_are_trusted_and_silence_is_not() -> None:
    assert watching.telemetry([score(), score("CONTENDED")]).trusted
    assert not watching.telemetry([score(), score("GPU_TELEMETRY_MISSING")]).trusted
    assert not watching.telemetry([score(), score(conditions={})]).trusted
    assert not watching.telemetry([score(conditions={}, backend="fake")]).trusted
    assert not watching.telemetry([score(status=Status.FAILED, value=None)]).trusted


def test_a_machine_that_does_something_else_is_not_quiet() -> None:
    assert watching.quiet([score(), score("TELEMETRY_MISSING")]).trusted
    found = watching.quiet([score(), score("CONTENDED", "HOST_STEAL")])
    assert not found.trusted
    assert found.figures["disturbed"] == 1
    assert "1 of 2 measurements: other processes were at work" in found.told[0]


# -- the command ------------------------------------------------------------------------------


@pytest.fixture
def inline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Campaigns in this process, on the scripted clock; the clock of this machine is left alone."""
    runner = InlineRunner(discovery.discover())
    monkeypatch.setattr(campaign, "place", lambda ranks, made, found: runner.place(ranks))
    monkeypatch.setattr(command, "_timing", lambda: [Finding("clock", True, ("It ticks.",))])


def test_pairs_are_measured_kept_and_judged(inline: None, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = command.run(replace(FAST, out=out), 2, as_json=True)
    printed, progress = capsys.readouterr()
    found = {one["subject"]: one for one in json.loads(printed)}
    assert code == 3  # nothing watches a scripted clock
    assert list(found) == ["clock", "verdicts", "sensors", "quiet of the machine"]
    assert found["verdicts"]["trusted"]
    assert found["verdicts"]["figures"]["pairs"] == 2
    assert found["verdicts"]["figures"]["interleaved: tests"] > 0
    assert not found["sensors"]["trusted"]
    assert len(list(out.glob("*/records.jsonl"))) == 2
    assert [line.split(":")[0] for line in progress.splitlines()] == ["pair 1 of 2", "pair 2 of 2"]


def test_six_runs_a_pair_at_least_and_the_budget_is_for_all(
    inline: None, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[campaign.Request] = []
    make = campaign.make_plan

    def remember(request: campaign.Request, found: Any) -> Any:
        asked.append(request)
        return make(request, found)

    def stop(*anything: object) -> None:
        raise MeasureError("Enough.")

    monkeypatch.setattr(campaign, "make_plan", remember)
    monkeypatch.setattr(campaign, "run", stop)
    for runs, doubled in ((1, 6), (5, 10), (None, 6)):  # quick has three
        with pytest.raises(MeasureError, match="Enough"):
            list(pairs.measure(replace(FAST, runs=runs, budget=120.0, out=out), 2, command.watcher))
        assert (asked[-1].runs, asked[-1].budget) == (doubled, 60.0)


def test_what_was_found_is_printed_when_it_ends_early(
    inline: None, out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measure(*anything: object) -> Iterator[pairs.Pair]:
        yield pair()
        raise MeasureError("The disk is full.")

    monkeypatch.setattr(pairs, "measure", measure)
    with pytest.raises(MeasureError, match="disk is full"):
        command.run(replace(FAST, out=out), 5, as_json=False)
    assert "of 10 comparisons" in capsys.readouterr().out


@pytest.mark.parametrize(("trusted", "code"), [(True, 0), (False, 3)])
def test_the_exit_code_says_whether_all_can_be_trusted(
    trusted: bool, code: int, out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "_timing", lambda: [Finding("clock", trusted, ("Told.",))])
    monkeypatch.setattr(command, "_pairs", lambda request, count: ([], None))
    assert command.run(replace(FAST, out=out), 1, as_json=False) == code
    assert ("cannot be trusted here: clock" in capsys.readouterr().out) is not trusted


def test_without_a_suite_something_small_is_measured(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[campaign.Request] = []
    monkeypatch.setattr(command, "_timing", list)

    def pairs_of(request: campaign.Request, count: int) -> tuple[list[pairs.Pair], None]:
        asked.append(request)
        return [], None

    monkeypatch.setattr(command, "_pairs", pairs_of)
    command.run(campaign.Request(out=out), 4, as_json=False)
    command.run(replace(FAST, out=out), 4, as_json=False)
    assert [one.only for one in asked] == [command.SMALL, FAST.only]


def test_a_backward_clock_leaves_nothing_else_to_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "clock", lambda: Finding("clock", False, ("It ran backwards.",)))
    assert [one.subject for one in command._timing()] == ["clock"]
