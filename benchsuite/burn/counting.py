"""History of one device -> how it came through: pure functions.

The speed at the beginning is compared with that at the end, load by load: medians over the turns that began in the
first and in the last minute under load (of less than three minutes: in the first and last third).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from statistics import median

from benchsuite import units
from benchsuite.model.acceptance import Burned, Subject
from benchsuite.protocol import Ready, Turn
from benchsuite.telemetry.health import Health

WINDOW = 60.0
"""Seconds of the beginning and of the end whose speeds are compared."""
TURN = 10.0
"""Seconds of a turn, at most."""
WHOLE = 0.98
"""The part of the time asked for that must have been under load."""
SLOWED = {
    "THERMAL": "the GPU lowered its clock because of heat",
    "HW_SLOWDOWN": "the GPU's hardware lowered its clock: heat, or trouble with its power",
    "POWER_CAP": "the power limit held the clock down",
    "POWER_LIMIT_LOWERED": "the power limit was set below its default",
    "CLOCK_LOCKED": "the clock was locked below its maximum",
    "LINK_NARROW": "the PCIe link was narrower or slower than it can be",
    "CONTENDED": "other processes used the device",
    "HOST_STEAL": "the hypervisor took processor time away",
    "CGROUP_THROTTLED": "a CPU quota stopped the process",
    "TELEMETRY_MISSING": "the host's sensors could not be read",
    "GPU_TELEMETRY_MISSING": "the GPU's sensors could not be read, so heat and clocks are not known",
}
"""What the sensors say of a turn, by code."""
OUTSIDE = frozenset({"CONTENDED", "HOST_STEAL", "CGROUP_THROTTLED", "GPU_SHARED"})
"""Codes of turns that were disturbed by others; those that ``accept.rule`` sets runs aside for."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the sensors said during a turn: ``Samples.conditions``, and codes of its caveats."""

    conditions: Mapping[str, float] = field(default_factory=dict)
    codes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Shown:
    """A turn with what the sensors said."""

    turn: Turn
    seen: Seen


@dataclass(frozen=True, slots=True)
class History:
    """All events of one subject. asked: seconds under load; done: its process said goodbye."""

    subject: Subject
    asked: float
    ready: tuple[Ready, ...] = ()
    turns: tuple[Shown, ...] = ()
    failures: tuple[str, ...] = ()
    health: Health | None = None
    done: bool = False


def window(seconds: float) -> float:
    """Seconds of the beginning and of the end that are compared, when ``seconds`` are asked for."""
    return min(WINDOW, seconds / 3.0)


def turn_length(seconds: float, loads: int) -> float:
    """Seconds of a turn: every load has one at least in the window at either end."""
    return min(TURN, window(seconds) / max(1, loads))


def burned(history: History) -> Burned:
    """How the device came through."""
    turns = [shown.turn for shown in history.turns]
    told: list[Ready | Turn] = [*history.ready, *turns]
    spent = math.fsum(turn.spent for turn in turns)
    first, sustained = _ends(turns, window(history.asked))
    parts = [1.0 - sustained[name] / first[name] for name in sustained]
    return Burned(
        seconds=spent,
        checks=sum(one.checks for one in told),
        wrong=sum(one.wrong for one in told),
        failures=len(history.failures),
        first=first,
        sustained=sustained,
        worst=max(parts, default=None),
        notes=tuple(_notes(history)),
        reason=_reason(history, spent),
        faults=history.health.faults if history.health else (),
        disturbed=sum(not OUTSIDE.isdisjoint(shown.seen.codes) for shown in history.turns) / max(1, len(turns)),
    )


def _ends(turns: Sequence[Turn], length: float) -> tuple[dict[str, float], dict[str, float]]:
    """Speeds at the beginning, and at the end where there are other turns there than at the beginning."""
    ends = list(accumulate(turn.spent for turn in turns))
    total = ends[-1] if ends else 0.0
    began = [end - turn.spent for end, turn in zip(ends, turns, strict=True)]
    first, sustained = {}, {}
    for name in dict.fromkeys(turn.load for turn in turns):
        own = [(at, end, turn.speed) for at, end, turn in zip(began, ends, turns, strict=True) if turn.load == name]
        early = [speed for at, _, speed in own if at < length] or [own[0][2]]
        late = [speed for at, _, speed in own[len(early) :] if at >= total - length] or [
            speed for _, _, speed in own[len(early) :]
        ][-1:]
        first[name] = median(early)
        if late:
            sustained[name] = median(late)
    return first, sustained


def _reason(history: History, spent: float) -> str:
    """Why there is no result, or only a part of one; nothing when all that was asked for was done."""
    last = history.failures[-1] if history.failures else ""
    if not history.turns:
        missing = "; ".join(f"{one.load}: {one.problem}" for one in history.ready if one.problem)
        return last or missing or "it never came under load"
    if spent < WHOLE * history.asked:
        early = f"it was under load for {spent:.0f} s of {history.asked:.0f} s"
        return f"{early}: {last}" if last else early
    skipped = [f"{one.load} could not be put on: {one.problem}" for one in history.ready if one.problem]
    if skipped:
        return "; ".join(dict.fromkeys(skipped))
    return "" if history.done else "its process did not end as it should"


def _notes(history: History) -> list[str]:
    """What a person should know beside the numbers."""
    notes = [f"It failed: {reason}." for reason in map(_bare, history.failures)]
    notes += [f"Wrong under {one.load} before any heat: {one.where}." for one in history.ready if one.wrong]
    wrong = [shown.turn for shown in history.turns if shown.turn.wrong]
    notes += [f"Wrong under {one.load}: {one.wrong} elements, the first at {one.where}." for one in wrong[:3]]
    notes += [f"Wrong in {len(wrong) - 3} further turns."] if len(wrong) > 3 else []
    filled = max((one.bytes for one in history.ready if one.load == "memory" and not one.problem), default=0)
    notes += [f"{units.size(filled)} of memory were written and read back."] if filled else []
    codes = [code for shown in history.turns for code in shown.seen.codes if code in SLOWED]
    for code in dict.fromkeys(codes):
        notes.append(f"In {codes.count(code)} of {len(history.turns)} turns {SLOWED[code]}.")
    notes += _gauges([shown.seen.conditions for shown in history.turns])
    return [*notes, *(history.health.notes if history.health else ())]


def _gauges(told: Sequence[Mapping[str, float]]) -> list[str]:
    """How hot it became, what it took, and its clock at the beginning and at the end."""

    def of(name: str, pick: Callable[[list[float]], float]) -> float | None:
        found = [one[name] for one in told if name in one]
        return pick(found) if found else None

    hottest, power = of("temperature", max), of("power", max)
    begun, ended = of("sm_clock", lambda clocks: clocks[0]), of("sm_clock", lambda clocks: clocks[-1])
    words = [f"hottest {hottest:.0f} °C" if hottest is not None else "", f"most {power:.0f} W" if power else ""]
    if begun and ended:
        words.append(f"clock {begun / 1e6:.0f} MHz in the first turn and {ended / 1e6:.0f} MHz in the last")
    text = ", ".join(filter(None, words))
    return [f"{text[0].upper()}{text[1:]}."] if text else []


def _bare(sentence: str) -> str:
    return sentence.rstrip(". ")
