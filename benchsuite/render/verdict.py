"""What the page says first: what came of the campaign, and what may and may not be concluded from it.

A machine is called normal or slow only against a population of such machines. None is on record, so
numbers are set against the machine's own measured ceilings and the page says that this is all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchsuite import units
from benchsuite.model import Score, Status
from benchsuite.render.words import counted, parameters, value, withheld


@dataclass(frozen=True, slots=True)
class Verdict:
    """``code``: ``verified``, ``incomplete``, ``invalid`` or ``empty``; the tone colours it, the glyph says it."""

    code: str
    glyph: str
    headline: str
    tone: str
    sentences: tuple[str, ...]
    counts: tuple[tuple[str, int], ...]


ENOUGH_RUNS = 3
SUBJECTS = (
    ("gemm", "Matrix multiplication"),
    ("attention", "Attention"),
    ("decode", "Decoding"),
    ("paged-decode", "Decoding from pages"),
)


def of(scores: Sequence[Score], skipped: int, runs: int) -> Verdict:
    """The verdict of the attempted ``scores``."""
    wrong = sum(score.status is Status.REJECTED for score in scores)
    failed = sum(score.status is Status.FAILED for score in scores)
    good = len(scores) - wrong - failed
    counts = (("verified", good), ("wrong", wrong), ("failed", failed), ("skipped", skipped))
    code, glyph, headline, tone = _headline(good, wrong, failed)
    return Verdict(code, glyph, headline, tone, _sentences(scores, runs), counts)


def _headline(good: int, wrong: int, failed: int) -> tuple[str, str, str, str]:
    total = good + wrong + failed
    if not total:
        return "empty", units.DASH, "Nothing was measured.", "unknown"
    if wrong:
        told = f"Not valid: {wrong} of {counted(total, 'result')} {'is' if wrong == 1 else 'are'} wrong."
        return "invalid", "✖", told, "bad"
    if failed:
        return (
            "incomplete",
            "…",
            f"Incomplete: {good} of {counted(total, 'task')} measured, {failed} failed.",
            "caution",
        )
    many = "The one result was" if total == 1 else f"All {total} results were"
    return "verified", "✓", f"{many} measured and verified.", "good"


def _sentences(scores: Sequence[Score], runs: int) -> tuple[str, ...]:
    if not any(score.value is not None for score in scores):
        return ("No number can be given.",) if scores else ("No task ran. The reasons are listed below.",)
    said = [_reached(name, [s for s in scores if s.case.benchmark == key]) for key, name in SUBJECTS]
    said.append(_memory(scores))
    said.append(_noted(scores))
    said.append(withheld(scores)[0])
    if runs < ENOUGH_RUNS:
        said.append(f"{_count(runs)} only: numbers can be given, but not compared with those of another machine.")
    said.append("No reference: no other such machine is on record, so nothing here is called normal or slow.")
    return tuple(sentence for sentence in said if sentence)


def _count(runs: int) -> str:
    return "One run" if runs == 1 else f"{runs} runs"


def _reached(name: str, scores: Sequence[Score]) -> str:
    usual = [score for score in scores if dict(score.case.params).get("data", "normal") == "normal"]
    known = [score for score in usual if score.of_ceiling is not None]
    best = max(known, key=lambda score: score.of_ceiling or 0.0, default=None)
    if best is None:
        return ""
    limit = f"{units.percent(best.of_ceiling)} of what this machine’s measured {best.ceiling_name} allows"
    return f"{name} reaches {limit}: {value(best)} ({parameters(best.case)})."


def _noted(scores: Sequence[Score]) -> str:
    noted = sum(bool(score.caveats) for score in scores if score.status is Status.OK)
    return f"{noted} of {counted(len(scores), 'result')} {'has' if noted == 1 else 'have'} a note (†)." if noted else ""


def _memory(scores: Sequence[Score]) -> str:
    """The machine's measured memory ceiling, in words; told by the scores that lie beyond its caches."""
    known = [s for s in scores if s.case.benchmark == "memory" and s.of_ceiling is not None and s.value is not None]
    best = max(known, key=lambda score: score.value or 0.0, default=None)
    return f"Memory delivers {value(best)} ({parameters(best.case)})." if best is not None else ""
