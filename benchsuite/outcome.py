"""A comparison -> an exit code: what a pipeline that waits for a regression is told, the same as the document says."""

from __future__ import annotations

from dataclasses import dataclass

from benchsuite.compare import Comparison, Correction, Row
from benchsuite.errors import Exit, UsageError
from benchsuite.statistics.runs import Verdict

WATCHED = {"slower": {Verdict.SLOWER}, "faster": {Verdict.FASTER}, "different": {Verdict.SLOWER, Verdict.FASTER}}
"""What a comparison can fail on, and the verdicts that are meant."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a comparison means for whoever waits for its exit code: the verdicts that ``fail_on`` watches for.

    met: how many there are; clean: how many of them nothing compromised, which alone fail; code: the exit code.
    """

    fail_on: str
    met: int
    clean: int
    code: Exit


def outcome(comparison: Comparison, fail_on: str = "") -> Outcome:
    """1 if ``fail_on`` was met by a clean verdict, 0 if not.

    3 if nothing could be tested, if it was met by verdicts only that something compromised, or if it watches and not
    one case was decided: a gate that learned nothing is not passed. Raises ``UsageError``.
    """
    if fail_on and fail_on not in WATCHED:
        raise UsageError(f"--fail-on {fail_on} is unknown.", f"Choose one of {', '.join(WATCHED)}.")
    if fail_on and comparison.correction is Correction.BENJAMINI_HOCHBERG:
        raise UsageError(
            "--explore finds more, false ones too: no reason to fail.", "Leave --explore or --fail-on out."
        )
    met = watched(comparison, fail_on)
    clean = sum(row.clean for row in met)
    blind = not comparison.family or (bool(fail_on) and not decided(comparison))
    code = Exit.REJECTED if clean else Exit.INCONCLUSIVE if met or blind else Exit.DONE
    return Outcome(fail_on, len(met), clean, code)


def decided(comparison: Comparison) -> int:
    """How many rows have a verdict: faster, slower or the same."""
    return sum(row.verdict not in {Verdict.UNDECIDED, Verdict.INCOMPARABLE} for row in comparison.rows)


def watched(comparison: Comparison, fail_on: str) -> list[Row]:
    """The rows with a verdict that ``fail_on`` watches for."""
    return [row for row in comparison.rows if row.verdict in WATCHED.get(fail_on, ())]
