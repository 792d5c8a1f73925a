"""How cases, values, statuses and notes are put into words, the same on the page and on a terminal."""

from __future__ import annotations

from collections.abc import Iterable

from benchsuite import bandwidths, units
from benchsuite.model import Case, Caveat, Metric, Score, Status
from benchsuite.reading import printable
from benchsuite.render.phrases import FAMILIES, PHRASES, plain

STATUSES = {
    Status.OK: ("✓", "verified", "good"),
    Status.REJECTED: ("✖", "wrong result", "bad"),
    Status.FAILED: ("✖", "failed", "bad"),
    Status.SKIPPED: (units.DASH, "skipped", "unknown"),
}
"""Glyph, word and tone of each status; the first two must do without the third."""

CAVEATS = {
    "CALL": ("f", "a part of the time that counts is the call itself; the record says how much"),
    "CGROUP_THROTTLED": ("q", "a CPU quota stopped our processes meanwhile"),
    "CLOCK_DISAGREE": ("a", "two clocks disagree: the device's and the host's, or those of two ranks"),
    "CLOCK_LOCKED": ("k", "the GPU's clock was locked below its maximum"),
    "CONTENDED": ("c", "other processes used the processor or the GPU meanwhile"),
    "GPU_SHARED": ("g", "another process used this GPU when the run began"),
    "GPU_TELEMETRY_MISSING": ("n", "the GPU's sensors could not be read meanwhile"),
    "HOST_STEAL": ("s", "the hypervisor took more than 1 % of a core away"),
    "HW_SLOWDOWN": ("w", "the GPU's hardware lowered its clock: heat, or trouble with its power"),
    "IMPRECISE": ("i", "a run's interval of the median stayed wider than the suite asks for"),
    "LINK_NARROW": ("e", "the GPU's PCIe link was narrower or slower than it can be"),
    "MIG_SLICE": ("m", "a slice of a GPU (MIG): its neighbours share memory and power"),
    "MIXED_GPUS": ("d", "the GPUs of this machine differ"),
    "NOT_STEADY": ("u", "the first and the last third of a run's samples differ: unsteady"),
    "OVERSUBSCRIBED": ("o", "more ranks than cores"),
    "POWER_CAP": ("p", "the power limit held the GPU's clock down"),
    "POWER_LIMIT_LOWERED": ("l", "the GPU's power limit was set below its default"),
    "RANKS_APART": ("b", "the ranks did not begin together"),
    "RESTORED": ("v", "in place: the time includes putting the message back; the record says what that takes"),
    "STRAGGLER": ("r", "one rank was slower than the others"),
    "TELEMETRY_MISSING": ("t", "how busy others were is not known"),
    "THERMAL": ("h", "the GPU lowered its clock because of heat"),
}
"""Letter and meaning of each note that may stand beside a number."""


WILD = 10
"""An interval that reaches farther than this factor says only that the runs disagree; so its ends are not printed."""


def clean(text: str) -> str:
    """``text`` without control and direction characters, so that no record can steer a terminal or a page."""
    return printable(text)


def family(benchmark: str) -> str:
    """A benchmark's name for people."""
    return FAMILIES.get(benchmark, clean(benchmark))


def parameters(case: Case) -> str:
    """A case's parameters as a person would say them: ``fp32 1024³``, ``triad 256 MiB``."""
    params = dict(case.params)
    phrase = PHRASES.get(case.benchmark)
    try:
        words = phrase(params) if phrase else plain(params)
    except (KeyError, TypeError, ValueError):  # a record of another version may name its parameters otherwise
        words = plain(params)
    return clean(", ".join(filter(None, (words, f"{case.ranks} ranks" if case.ranks > 1 else ""))))


def value(score: Score) -> str:
    """The number with its interval and unit, or a dash."""
    if score.value is None:
        return units.DASH
    if score.low is None or score.high is None:
        return units.quantity(score.value, score.metric)
    return between(score.value, score.low, score.high, score.metric)


def between(number: float, low: float, high: float, metric: str) -> str:
    """A positive number with its interval and unit; of one that is too wide to read only that it is."""
    if low * WILD < number or high > number * WILD:
        return f"{units.quantity(number, metric)} (beyond{units.NO_BREAK_SPACE}×{WILD})"
    return units.ranged(number, low, high, metric)


def bandwidth(score: Score) -> str:
    """``busbw; algbw 3.1 GB/s × 2(n−1)/n``: the other bandwidth of a collective, or nothing."""
    found = bandwidths.algbw(score)
    told = units.quantity(found.value, Metric.ALGBW) if found else ""
    return f"busbw; algbw{units.NO_BREAK_SPACE}{told} × {found.formula}" if found else ""


def mark(caveat: Caveat) -> str:
    """The letter that stands for a caveat."""
    return CAVEATS.get(caveat.code, ("x", ""))[0]


def meaning(caveat: Caveat) -> str:
    """What a caveat says, without the numbers of one task."""
    return CAVEATS.get(caveat.code, ("", clean(caveat.text)))[1]


def marks(score: Score) -> str:
    """The letters of a score's caveats."""
    return "".join(sorted({mark(caveat) for caveat in score.caveats}))


def withheld(scores: Iterable[Score]) -> tuple[str, dict[str, int]]:
    """How many verified results may not be published as clean, as a sentence or nothing; and why, with how many."""
    good = [score for score in scores if score.status is Status.OK]
    bad = [score for score in good if score.unreportable]
    reasons = tally(clean(reason) for score in bad for reason in score.unreportable)
    if not bad:
        return "", reasons
    if len(bad) == len(good):
        return (
            f"{f'None of the {len(good)} numbers' if len(good) > 1 else 'No number'} may be published as clean.",
            reasons,
        )
    return f"{len(bad)} of {len(good)} numbers may not be published as clean.", reasons


def counted(number: int, one: str, many: str = "") -> str:
    """``1 result``, ``2 results``."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def tally(items: Iterable[str]) -> dict[str, int]:
    """How often each item occurs, in order of appearance."""
    counts: dict[str, int] = {}
    for item in items:
        counts[item] = counts.get(item, 0) + 1
    return counts


def sentence(text: str) -> str:
    """``text`` ending in a full stop."""
    return text if text.endswith((".", "!", "?")) else f"{text}."
