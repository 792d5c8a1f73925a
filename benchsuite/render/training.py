"""A step of training and what of its communication hides, put into words: the same on the page and on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchsuite import patterns, units
from benchsuite.model import Parallelism
from benchsuite.render.words import between, clean, counted, family, sentence
from benchsuite.training import Amount, Exposure, Spent, Timed

ALONE = "Each message was measured by itself, with nothing else under way: a step that shares its links is slower."
"""What must be said of every step."""
WHOLE = {
    Parallelism.DATA: "a rank",
    Parallelism.SHARDED: "a rank",
    Parallelism.TENSOR: "all ranks together",
    Parallelism.PIPELINE: "the pipeline",
    Parallelism.EXPERT: "a rank",
}
"""Whose tokens are counted."""


APART = 1.0
"""An interval of the hidden share wider than the whole says only that the runs disagree."""


@dataclass(frozen=True, slots=True)
class MessageRow:
    """One kind of message; ``part``: its share of the measured time of a step, 0 to 1."""

    what: str
    formula: str
    benchmark: str
    size: str
    count: str
    one: str
    total: str
    part: float
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class StepView:
    """One step of training on this fabric. ``notes``: what must be said beside it; ``sources``: who sends so."""

    title: str
    rows: tuple[MessageRow, ...]
    total: str
    notes: tuple[str, ...]
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bar:
    """A time as a bar: ``width`` of 100, of which the last ``exposed`` is communication that stays exposed."""

    name: str
    value: str
    width: float
    exposed: float = 0.0


@dataclass(frozen=True, slots=True)
class OverlapView:
    """One computation and communication, each alone and both at once."""

    title: str
    sentence: str
    bars: tuple[Bar, ...]


def steps(found: Iterable[Spent]) -> tuple[StepView, ...]:
    """The steps of a run."""
    return tuple(_step(one) for one in found)


def _step(spent: Spent) -> StepView:
    pattern = spent.pattern
    whose = WHOLE[pattern.kind]
    name = patterns.NAMES[pattern.kind]
    title = f"{name[0].upper()}{name[1:]}, {clean(pattern.model)}, {spent.ranks} ranks, {pattern.tokens:,} tokens"
    notes = [patterns.CAVEATS[pattern.kind]]
    if pattern.dtype != pattern.sent:
        notes.append(f"Sizes are those of {pattern.dtype}; what was sent are as many bytes of {pattern.sent}.")
    if spent.refused:
        notes.append(f"No framework trains so: {spent.refused}.")
    return StepView(
        title=f"{title} of {whose}",
        rows=tuple(_row(one, spent.known) for one in spent.messages),
        total=_total(spent),
        notes=tuple(notes),
        sources=tuple(dict.fromkeys(one.message.source for one in spent.messages)),
    )


def _row(timed: Timed, known: float) -> MessageRow:
    message, one, total = timed.message, timed.one, timed.total
    return MessageRow(
        what=message.what,
        formula=message.formula,
        benchmark=family(message.benchmark),
        size=units.size(message.bytes),
        count=f"{message.count:,}",
        one=amount(one) if one else units.DASH,
        total=units.quantity(total, "s") if total is not None else units.DASH,
        part=total / known if total is not None and known > 0 else 0.0,
        by=clean(timed.implementation),
        reason=sentence(clean(timed.reason)) if timed.reason else "",
    )


def _total(spent: Spent) -> str:
    if spent.total is not None:
        return f"{amount(spent.total)} of communication in a step when none of it is hidden."
    missing = [one for one in spent.messages if one.one is None]
    told = f"{len(missing)} of {counted(len(spent.messages), 'kind')} of messages"
    if spent.known > 0:
        return f"{units.quantity(spent.known, 's')} at least: {told} could not be measured, so there is no sum."
    return f"There is no sum: {told} could not be measured."


def overlaps(found: Iterable[Exposure]) -> tuple[OverlapView, ...]:
    """What the overlap benchmark found."""
    return tuple(_overlap(one) for one in found)


def _overlap(one: Exposure) -> OverlapView:
    params = dict(one.case.params)
    size = units.size(float(params["bytes"]))
    title = f"{params['dtype']} multiplication of {params['n']}³ and an all-reduce of {size}, {one.case.ranks} ranks"
    longest = max(each.value for each in (one.compute, one.communicate, one.overlapped, one.serial or one.overlapped))
    parts = (
        ("multiplication alone", one.compute, 0.0),
        ("all-reduce alone", one.communicate, 0.0),
        ("one after the other", one.serial, 0.0),
        ("both at once", one.overlapped, max(0.0, one.overlapped.value - one.compute.value)),
    )
    bars = tuple(
        Bar(name, amount(time), 100 * time.value / longest, 100 * exposed / longest)
        for name, time, exposed in parts
        if time is not None
    )
    return OverlapView(clean(f"{title} [{one.implementation}]"), exposure(one), bars)


def exposure(one: Exposure) -> str:
    """What of the communication hides, in one sentence."""
    hidden, runs = one.hidden, counted(one.runs, "run")
    facts = f"alone it takes {amount(one.communicate)}, beside the multiplication it adds {amount(one.exposed)}"
    if hidden.low is None or hidden.high is None:
        if hidden.value < 0:
            return f"In one run nothing hid, and both at once took longer than one after the other: {facts}."
        return f"In one run {_percent(hidden.value)} of the all-reduce hid behind the multiplication: {facts}."
    reach = f"95 % interval {_percent(hidden.low)} to {_percent(hidden.high)}, {runs}"
    if hidden.high - hidden.low > APART:
        return f"The runs are too far apart to tell how much of the all-reduce hides ({reach}): {facts}."
    if hidden.low > 0:
        return f"{_percent(hidden.value)} of the all-reduce hides behind the multiplication ({reach}): {facts}."
    if hidden.high < 0:
        return f"Nothing hides: both at once takes longer than one after the other ({reach}): {facts}."
    return f"Nothing of the all-reduce is shown to hide behind the multiplication ({reach}): {facts}."


def _percent(share: float) -> str:
    return f"{100 * share:.0f}{units.NO_BREAK_SPACE}%".replace("-", units.MINUS)


def amount(told: Amount) -> str:
    """A time with its interval; one that may be negative keeps its sign."""
    if told.low is None or told.high is None:
        return units.quantity(told.value, "s").replace("-", units.MINUS)
    if told.low > 0:
        return between(told.value, told.low, told.high, "s")
    return units.quantity(told.value, "s", (told.high - told.low) / 2).replace("-", units.MINUS)


def sources(found: Sequence[StepView]) -> tuple[str, ...]:
    """Who says that training sends so, each once."""
    return tuple(dict.fromkeys(source for view in found for source in view.sources))
