"""``compare``: campaigns against one of them, leader boards and matrices, as text, JSON, CSV or Markdown."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import msgspec
from rich.console import Console

from benchsuite import compare as comparing
from benchsuite import exhibits, keys, outcome, ranking
from benchsuite.aggregate import Aggregate
from benchsuite.compare import Comparison, Correction, Rule
from benchsuite.errors import Exit, UsageError
from benchsuite.model import Exhibit, Status
from benchsuite.render import markdown, sheet, terminal_comparison, versus

Shown = TypeVar("Shown", ranking.Board, ranking.Matrix)
DETAILED = 8
"""Campaigns up to which each pair is told the runs it needs: more are shown as strips, which have no room for it."""


@dataclass(frozen=True, slots=True)
class Printers(Generic[Shown]):
    """How a board, or a matrix, becomes text."""

    markdown: Callable[[Shown], str]
    text: Callable[[Shown, Console], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line asks.

    trusted: public keys by which signatures are verified; baseline: empty for the first; only: patterns of tasks;
    form: ``text``, ``json``, ``csv`` or ``markdown``; mean: whether the ratios are to be one number, too.
    """

    names: tuple[str, ...]
    out: Path
    trusted: tuple[Path, ...] = ()
    baseline: str = ""
    margin: float = comparing.MARGIN
    only: tuple[str, ...] = ()
    form: str = "text"
    fail_on: str = ""
    explore: bool = False
    mean: bool = False


def compare(asked: Asked) -> int:
    """Print a comparison; the exit code is that of ``outcome.outcome``."""
    baseline, others = comparing.divided(_gathered(asked), asked.baseline)
    correction = Correction.BENJAMINI_HOCHBERG if asked.explore else Correction.HOLM
    result = comparing.against(baseline, others, Rule(asked.margin, correction, detailed=len(others) < DETAILED))
    ended = outcome.outcome(result, asked.fail_on)
    if not result.rows:
        choose = "Choose other cases with --only, or compare" if asked.only else "Compare"
        raise UsageError("No other campaign shares a case with the baseline.", f"{choose} runs of one suite.")
    means = _means(result, baseline) if asked.mean else []
    match asked.form:
        case "json":
            told = {"outcome": ended, "means": [{"label": label, "mean": mean} for label, mean in means]}
            print(msgspec.json.encode(msgspec.to_builtins(result) | told).decode())
        case "csv":
            print(sheet.comparison(result), end="")
        case "markdown":
            print(markdown.comparison(result, [baseline, *others], means), end="")
        case _:
            terminal_comparison.comparison(result, [baseline, *others], means, Console(highlight=False))
    met = outcome.watched(result, asked.fail_on)
    if met and not ended.clean:
        print(f"benchsuite: {versus.not_clean(met)}", file=sys.stderr)
    elif asked.fail_on and not outcome.decided(result):
        print("benchsuite: Not one case was decided, so nothing was passed. Measure more runs.", file=sys.stderr)
    return int(ended.code)


def boards(asked: Asked, pattern: str, implementation: str, by: str) -> int:
    """Print a leader board of each case that fits; 3 if nobody on any of them can be ranked."""
    found = ranking.boards(_gathered(asked), [pattern], _question(asked, implementation, by))
    return _printed(asked, found, found, Printers(markdown.board, terminal_comparison.board))


def matrices(asked: Asked, pattern: str, implementation: str, by: str) -> int:
    """The same with the verdict on every pair."""
    found = ranking.matrices(_gathered(asked), [pattern], _question(asked, implementation, by))
    return _printed(asked, found, [one.board for one in found], Printers(markdown.matrix, terminal_comparison.matrix))


def _question(asked: Asked, implementation: str, by: str) -> ranking.Question:
    if by not in set(ranking.By):
        raise UsageError(f"--by {by} is unknown.", f"Choose one of {', '.join(ranking.By)}.")
    return ranking.Question(implementation, ranking.By(by), asked.margin)


def _printed(asked: Asked, found: Sequence[Shown], boards: Sequence[ranking.Board], printers: Printers[Shown]) -> int:
    if not found:
        raise UsageError("No case fits that.", "Give a pattern such as 'gemm dtype=bf16 m=8192'.")
    match asked.form:
        case "json":
            print(msgspec.json.encode({"boards": found}).decode())
        case "csv":
            print(sheet.boards(boards), end="")
        case "markdown":
            print("\n".join(map(printers.markdown, found)), end="")
        case _:
            console = Console(highlight=False)
            for one in found:
                printers.text(one, console)
    return int(Exit.DONE if any(one.ranked for one in boards) else Exit.INCONCLUSIVE)


def _gathered(asked: Asked) -> list[Exhibit]:
    """What was named, with the tasks that were asked for."""
    found = exhibits.gather(asked.names, asked.out, whole=True, trust=keys.trust(asked.trusted))
    return [comparing.chosen(one, asked.only) for one in found]


def _means(result: Comparison, baseline: Exhibit) -> list[tuple[str, Aggregate]]:
    """Of each campaign the mean over all tasks that the baseline was asked for and could run."""
    tasks = [comparing.task(one) for one in baseline.publication.results if one.status is not Status.SKIPPED]
    return [(label, ranking.composite(result, label, tasks)) for label in result.others]
