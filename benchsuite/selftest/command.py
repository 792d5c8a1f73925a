"""The command `benchsuite selftest`: runs the parts, prints what can be trusted here and what cannot."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, replace

import msgspec
from rich.console import Console

from benchsuite import campaign, store
from benchsuite.errors import BenchsuiteError, Exit
from benchsuite.execute import Watcher
from benchsuite.model import Plan, Record, Task
from benchsuite.render import progress
from benchsuite.render.words import clean
from benchsuite.selftest import pairs, timing, watching
from benchsuite.selftest.finding import Finding


class Quiet:
    """Says nothing: a pipe gets a line a pair."""

    def task(self, run: int, task: Task, phase: str) -> None:
        """Nothing."""

    def record(self, record: Record) -> None:
        """A wrong or failed result is told all the same."""
        if line := progress.trouble(record):
            print(line, file=sys.stderr, flush=True)


@contextmanager
def _quiet() -> Iterator[Watcher]:
    yield Quiet()


def watcher(plan: Plan) -> AbstractContextManager[Watcher]:
    """A bar with the time left on a terminal, nothing in a pipe."""
    return progress.watcher(plan, sys.stderr) if sys.stderr.isatty() else _quiet()


SMALL = ("fma", "peak")
"""What pairs measure when no suite is named: arithmetic in registers, small and quick on any device."""


def run(request: campaign.Request, count: int, *, as_json: bool) -> int:
    """Test the machine, with ``count`` pairs of the campaign asked for among it.

    3 when something cannot be trusted here, else 0. What was found is printed even when it ends early.
    """
    store.prepare_folder(request.out)
    request = request if request.suite else replace(request, only=SMALL)
    found = _timing()
    done, stopped = _pairs(request, count)
    if done:
        scores = [score for pair in done for score in pair.scores]
        found += [pairs.finding(done), watching.telemetry(scores), watching.quiet(scores)]
    _print(found, as_json=as_json)
    if stopped is not None:
        raise stopped
    return int(Exit.DONE if all(one.trusted for one in found) else Exit.INCONCLUSIVE)


def _timing() -> list[Finding]:
    """What needs no campaign. A clock that runs backwards leaves nothing else to say."""
    found = [timing.clock()]
    if found[0].trusted:
        arms = timing.Arms.of()
        found += [timing.overhead(arms), timing.coverage(timing.record(arms))]
    return found


def _pairs(request: campaign.Request, count: int) -> tuple[list[pairs.Pair], BenchsuiteError | None]:
    """The pairs that were measured, and what ended them early, if anything did."""
    done: list[pairs.Pair] = []
    forecast = pairs.Forecast(count)
    try:
        for pair in pairs.measure(request, count, watcher):
            done.append(pair)
            print(forecast.line(pair), file=sys.stderr, flush=True)
    except BenchsuiteError as error:
        return done, error
    return done, None


def _print(found: Sequence[Finding], *, as_json: bool) -> None:
    if as_json:
        print(msgspec.json.encode([asdict(one) for one in found]).decode())
        return
    console = Console(highlight=False)
    for line in _lines(found):
        console.print(clean(line), markup=False, soft_wrap=True)


def _lines(found: Iterable[Finding]) -> Iterator[str]:
    for one in found:
        yield f"{'✓ can be trusted here' if one.trusted else '✖ cannot be trusted here'}: {one.subject}"
        yield from (f"    {sentence}" for sentence in one.told)
