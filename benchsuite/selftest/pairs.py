"""A/A: nothing is changed between the two sides, so every difference that is called is a false one.

A pair is one campaign of twice as many runs, each a fresh process group as always. Its runs are dealt to two sides, in
the order A B B A so that a drift meets both (interleaved), and once more as two campaigns that are measured one after
the other would have them (in turn): what a person does who measures, changes nothing, and measures again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from benchsuite import campaign, discovery, results, store, units
from benchsuite import compare as comparing
from benchsuite import suite as suites
from benchsuite.compare import Comparison, Row
from benchsuite.execute import Watcher
from benchsuite.model import Plan, Record, Score
from benchsuite.render.words import counted
from benchsuite.selftest.finding import Figure, Finding
from benchsuite.statistics.runs import MIN_RUNS, Verdict

ALPHA = 0.05
"""The rate of pairs with a false difference that the method claims not to exceed."""
SUSPICIOUS = 0.01
"""So improbable must the number of such pairs be, at that rate, for the verdicts not to be trusted."""
TELLING = 20
FALSE = (Verdict.FASTER, Verdict.SLOWER)

Watching = Callable[[Plan], AbstractContextManager[Watcher]]


@dataclass(frozen=True, slots=True)
class Pair:
    """One campaign against itself, the scores of all its runs, and where it is kept."""

    path: Path
    scores: tuple[Score, ...]
    interleaved: Comparison
    in_turn: Comparison


def deal(records: Sequence[Record], runs: int) -> tuple[tuple[list[Record], list[Record]], ...]:
    """The records of ``runs`` runs (an even number) as sides A and B: interleaved A B B A, and in turn."""
    abba = {run for run in range(runs) if run % 4 in {0, 3}}
    first = set(range(runs // 2))
    return tuple(
        ([one for one in records if one.run in side], [one for one in records if one.run not in side])
        for side in (abba, first)
    )


def judged(loaded: store.Loaded) -> Pair:
    """A kept campaign against itself."""

    def scores(records: Sequence[Record]) -> list[Score]:
        return results.scores_of(replace(loaded, records=tuple(records)))

    runs = loaded.campaign.plan.policy.runs
    interleaved, in_turn = (comparing.compare(scores(a), scores(b)) for a, b in deal(loaded.records, runs))
    return Pair(loaded.path, tuple(scores(loaded.records)), interleaved, in_turn)


def measure(request: campaign.Request, count: int, watching: Watching) -> Iterator[Pair]:
    """``count`` pairs of the campaign asked for; its budget is for all of them. Each is on disk when it is yielded."""
    settled, found, _ = campaign.settle(request)
    runs = request.runs or suites.load(settled.suite, discovery.discover()).policy.runs
    budget = request.budget / count if request.budget is not None else None
    doubled = replace(settled, runs=2 * max(runs, MIN_RUNS), budget=budget)
    for _ in range(count):
        made, plan = campaign.make_plan(doubled, found)
        with watching(plan) as watcher:
            directory = campaign.run(made, request.out, watcher, found, request.wait)
        yield judged(store.load(directory.path))


def false_differences(comparison: Comparison) -> list[Row]:
    """The rows that call a difference where there is none."""
    return [row for row in comparison.rows if row.verdict in FALSE]


class Forecast:
    """Lines that say what came of each pair and how long the rest will take."""

    def __init__(self, count: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._count, self._clock, self._started, self._done = count, clock, clock(), 0

    def line(self, pair: Pair) -> str:
        """Of the pair that has just been judged."""
        self._done += 1
        found = len(false_differences(pair.interleaved))
        left = (self._clock() - self._started) / self._done * (self._count - self._done)
        ahead = f", about {units.guessed(left)} left" if self._done < self._count else ""
        return f"pair {self._done} of {self._count}: {found} of {pair.interleaved.family} called different{ahead}"


@dataclass(frozen=True, slots=True)
class Alarms:
    """False differences of several comparisons. family: of the largest; pairs_clean: with a clean one among them."""

    rows: tuple[Row, ...]
    tests: int
    family: int
    compromised: int
    comparisons: int
    pairs: int
    pairs_clean: int

    @classmethod
    def of(cls, comparisons: Sequence[Comparison]) -> Alarms:
        """Of these."""
        found = [false_differences(one) for one in comparisons]
        return cls(
            rows=tuple(row for rows in found for row in rows),
            tests=sum(one.family for one in comparisons),
            family=max((one.family for one in comparisons), default=0),
            compromised=sum(not row.clean for one in comparisons for row in one.rows),
            comparisons=len(comparisons),
            pairs=sum(bool(rows) for rows in found),
            pairs_clean=sum(any(row.clean for row in rows) for rows in found),
        )

    def count(self, verdict: Verdict) -> int:
        """How many say so."""
        return sum(row.verdict is verdict for row in self.rows)

    def told(self, name: str) -> Iterator[str]:
        """How many false differences, of how many; and each of them."""
        each = f"{self.count(Verdict.FASTER)} faster, {self.count(Verdict.SLOWER)} slower"
        tests, pairs = counted(self.tests, "comparison"), counted(self.comparisons, "pair")
        yield (
            f"{name}: of {tests} of this machine with itself {len(self.rows)} were called different ({each}), "
            f"{sum(row.clean for row in self.rows)} of them clean. {self.pairs} of {pairs} had one; up to "
            f"{counted(self.family, 'test')} of a pair share 5 % (Holm). {self.compromised} were compromised."
        )
        for row in self.rows:
            why = f"not clean: {'; '.join(row.unclean)}" if row.unclean else "clean"
            subject = f"{row.case.key} [{row.implementation}]"
            yield f"{name}: {subject} was called {row.verdict.value}, ×{row.ratio:.3f}, {why}."

    def figures(self, name: str) -> dict[str, Figure]:
        """The same as numbers."""
        return {
            f"{name}: tests": self.tests,
            f"{name}: largest family": self.family,
            f"{name}: compromised": self.compromised,
            f"{name}: false faster": self.count(Verdict.FASTER),
            f"{name}: false slower": self.count(Verdict.SLOWER),
            f"{name}: false and clean": sum(row.clean for row in self.rows),
            f"{name}: pairs with one": self.pairs,
            f"{name}: pairs with a clean one": self.pairs_clean,
        }


def finding(pairs: Sequence[Pair]) -> Finding:
    """What the pairs say of the verdicts on this machine.

    Interleaved every false difference counts, since whatever disturbs the machine meets both sides. In turn only the
    clean ones do: the others are marked, and decide nothing.
    """
    interleaved, in_turn = Alarms.of([one.interleaved for one in pairs]), Alarms.of([one.in_turn for one in pairs])
    told = [*interleaved.told("Interleaved"), *in_turn.told("One after the other")]
    chances = _chance(interleaved.pairs, len(pairs)), _chance(in_turn.pairs_clean, len(pairs))
    if not interleaved.tests:
        told.append("Nothing could be compared, so nothing is known of false alarms here.")
    if chances[0] < SUSPICIOUS:
        told.append("More pairs than the 5 % that may be wrong: do not trust verdicts on this machine.")
    elif chances[1] < SUSPICIOUS:
        told.append("This machine changes with time: do not compare campaigns measured one after the other.")
    if len(pairs) < TELLING:
        told.append(f"So few pairs show gross trouble only; {TELLING} of a whole suite tell more (--pairs, --suite).")
    figures: dict[str, Figure] = {"pairs": len(pairs), "chance": chances[0], "chance in turn": chances[1]}
    figures |= interleaved.figures("interleaved") | in_turn.figures("in turn")
    return Finding("verdicts", interleaved.tests > 0 and min(chances) >= SUSPICIOUS, tuple(told), figures)


def _chance(alarmed: int, pairs: int) -> float:
    """How likely so many pairs or more are wrong if 5 % may be."""
    from scipy.stats import binom

    return float(binom.sf(alarmed - 1, pairs, ALPHA))
