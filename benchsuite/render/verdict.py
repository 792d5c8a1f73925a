"""What the page says first: what came of the campaign, and what may and may not be concluded from it.

A machine is called normal or slow only against a population of such machines; where none is on record, the page says
so and numbers stand beside the machine's own measured ceilings and what others published.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchsuite import units
from benchsuite.model import Score, Status
from benchsuite.render.appraised import Answer
from benchsuite.render.words import counted, parameters, value, withheld
from benchsuite.verdicts import Code


@dataclass(frozen=True, slots=True)
class Verdict:
    """``code``: ``slow`` or ``normal`` where a population decides, else ``verified``; ``incomplete``, ``invalid`` or
    ``empty`` where there is less to say. The tone colours it, the glyph says it."""

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


def of(scores: Sequence[Score], skipped: int, runs: int, told: Answer | None = None) -> Verdict:
    """The verdict of the attempted ``scores``; ``told``: how they stand among what is on record."""
    wrong = sum(score.status is Status.REJECTED for score in scores)
    failed = sum(score.status is Status.FAILED for score in scores)
    good = len(scores) - wrong - failed
    counts = (("verified", good), ("wrong", wrong), ("failed", failed), ("skipped", skipped))
    code, glyph, headline, tone = _headline(good, wrong, failed)
    if code == "verified" and told is not None:
        code, glyph, headline, tone = _stands(told) or (code, glyph, headline, tone)
    return Verdict(code, glyph, headline, tone, _sentences(scores, runs, told), counts)


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


def _stands(told: Answer) -> tuple[str, str, str, str] | None:
    """The headline where a population of such machines decides; ``None`` where none does."""
    counts = dict(told.counts)
    slow, normal = counts[Code.SLOW], counts[Code.NORMAL]
    decided = slow + normal + counts[Code.FAST]
    if slow:
        return "slow", "▼", f"Slow for {told.model} in {slow} of {counted(decided, 'test')} that can be judged.", "bad"
    if decided and normal == decided:
        return "normal", "=", f"Normal for {told.model} in {normal} of {counted(decided, 'test')} on record.", "good"
    return None


def _sentences(scores: Sequence[Score], runs: int, told: Answer | None) -> tuple[str, ...]:
    if not any(score.value is not None for score in scores):
        return ("No number can be given.",) if scores else ("No task ran. The reasons are listed below.",)
    said = [_reached(name, [s for s in scores if s.case.benchmark == key]) for key, name in SUBJECTS]
    said.append(_memory(scores))
    said.append(_noted(scores))
    said.append(withheld(scores)[0])
    if runs < ENOUGH_RUNS:
        said.append(f"{_count(runs)} only: numbers can be given, but not compared with those of another machine.")
    said.append(_normality(told))
    return tuple(sentence for sentence in said if sentence)


UNREFERRED = "No reference: no other such machine is on record, so nothing here is called normal or slow."


def _normality(told: Answer | None) -> str:
    """How the numbers stand among their like; a verdict only where a population decides."""
    if told is None or not told.rows:
        return UNREFERRED
    counts = dict(told.counts)
    slow, normal, fast, unclear = (counts[code] for code in (Code.SLOW, Code.NORMAL, Code.FAST, Code.UNCLEAR))
    words = [(slow, "▼ slow"), (normal, "= normal"), (fast, "▲ above usual"), (unclear, "? not to be told")]
    if slow + normal + fast + unclear:
        listed = ", ".join(f"{count} {word}" for count, word in words if count)
        return f"Among machines of its model ({told.model}): {listed}."
    below = sum("below" in row.word for row in told.rows)
    where = f"{below} of {counted(len(told.rows), 'number')} below all that was published" if below else "none below"
    return f"Beside what others published for {told.model}: {where}; too few to call it normal or slow."


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
