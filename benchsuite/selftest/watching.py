"""Whether anybody watched what else the machine did while it was measured, and what was seen."""

from __future__ import annotations

from collections.abc import Sequence

from benchsuite.model import Score, Status
from benchsuite.render.words import tally
from benchsuite.reportable import compromised
from benchsuite.selftest.finding import Finding

BLIND = ("TELEMETRY_MISSING", "GPU_TELEMETRY_MISSING")


def telemetry(scores: Sequence[Score]) -> Finding:
    """Whether the sensors of host and GPU were there for all of the measured scores. Silence is never health."""
    good = [score for score in scores if score.status is Status.OK]
    reasons = tally(reason for score in good for reason in compromised(score) if _code(reason) in BLIND)
    told = [f"{count} of {len(good)} measurements were not watched: {reason}." for reason, count in reasons.items()]
    names = sorted({name for score in good for name in score.conditions})
    if not names:
        told.append("No sensor told anything, so nothing is known of what else the machine did.")
    elif not told:
        told.append(f"Sensors told of all {len(good)} measurements: {', '.join(names)}.")
    return Finding("sensors", bool(names) and not reasons, tuple(told), {"measurements": len(good), **reasons})


def quiet(scores: Sequence[Score]) -> Finding:
    """Whether the machine did nothing else meanwhile, as far as the sensors say."""
    good = [score for score in scores if score.status is Status.OK]
    disturbed = [[one for one in compromised(score) if _code(one) not in BLIND] for score in good]
    reasons = tally(reason for each in disturbed for reason in each)
    told = [f"{count} of {len(good)} measurements: {reason}." for reason, count in reasons.items()]
    if reasons:
        told.append("Numbers with such a note may not be published as clean, and verdicts on them decide nothing.")
    told = told or ["Nothing disturbed the measurements, as far as was seen."]
    count = sum(bool(each) for each in disturbed)
    return Finding(
        "quiet of the machine", bool(good) and not count, tuple(told), {"measurements": len(good), "disturbed": count}
    )


def _code(reason: str) -> str:
    return reason.rpartition("(")[2].rstrip(")")
