"""Which numbers may be published as clean, and which verdicts are: one table for pages, terminals and exit codes.

A condition that slows or blinds the measurement itself compromises a number as soon as it touches one run of it. What
belongs to the machine as it is (heat, a power limit, a narrow link, a slow rank) is told beside the number and
compromises nothing: a capped card is slower.
"""

from __future__ import annotations

from benchsuite.model import Score, Status

PUBLISHED_RUNS = 5
"""Runs below which an interval over runs is too coarse to publish."""

COMPROMISING = {
    "CONTENDED": "other processes were at work meanwhile",
    "HOST_STEAL": "the hypervisor took processor time away",
    "CGROUP_THROTTLED": "a quota kept the processor from it",
    "OVERSUBSCRIBED": "it had more ranks than cores",
    "GPU_SHARED": "another process used the GPU",
    "NOT_STEADY": "it was not steady",
    "CLOCK_DISAGREE": "two clocks disagree on it",
    "TELEMETRY_MISSING": "nobody knows what else the processor did",
    "GPU_TELEMETRY_MISSING": "nobody knows what the GPU's sensors said",
    "UNKNOWN_NOTE": "something was noted that nobody here knows",
}
"""Conditions under which neither a number nor a verdict is clean, by the code of the caveat."""


def compromised(score: Score) -> tuple[str, ...]:
    """Why nothing clean can be concluded from this number; empty when it can. What nobody watched is never clean."""
    codes = {caveat.code for caveat in score.caveats}
    if score.backend not in {"", "fake"} and not score.conditions and "TELEMETRY_MISSING" not in codes:
        codes.add("TELEMETRY_MISSING")
    return tuple(f"{text} ({code})" for code, text in COMPROMISING.items() if code in codes)


def unreportable(score: Score) -> tuple[str, ...]:
    """Why this number must not be published as clean, each reason as a sentence; empty when it may."""
    if score.status is not Status.OK or score.value is None:
        return ("There is no verified number.",)
    reasons = list(compromised(score))
    if score.backend == "fake":
        reasons.insert(0, "its time is scripted")
    if any(caveat.code == "IMPRECISE" for caveat in score.caveats):
        reasons.append("it is less precise than the suite asks for (IMPRECISE)")
    if score.runs < PUBLISHED_RUNS:
        reasons.append(f"it comes from fewer than {PUBLISHED_RUNS} runs")
    return tuple(f"{reason[0].upper()}{reason[1:]}." for reason in reasons)
