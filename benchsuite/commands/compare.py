"""``compare``: campaigns against one of them, leader boards and matrices, as text, JSON, CSV or Markdown."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

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
        raise UsageError("No other campaign shares a case with the baseline.", "Compare runs of one suite.")
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
    return int(ended.code)


def boards(asked: Asked, pattern: str, implementation: str, by: str) -> int:
    """Print a leader board of each case that fits; 3 if nobody on any of them can be ranked."""
    found = ranking.boards(_gathered(asked), [pattern], _question(asked, implementation, by))
    shown = {"csv": sheet.boards(found), "markdown": "\n".join(map(markdown.board, found))}
    return _ranked(asked, found, found, shown, terminal_comparison.board)


def matrices(asked: Asked, pattern: str, implementation: str, by: str) -> int:
    """The same with the verdict on every pair."""
    found = ranking.matrices(_gathered(asked), [pattern], _question(asked, implementation, by))
    boards = [one.board for one in found]
    shown = {"csv": sheet.boards(boards), "markdown": "\n".join(map(markdown.matrix, found))}
    return _ranked(asked, found, boards, shown, terminal_comparison.matrix)


def _question(asked: Asked, implementation: str, by: str) -> ranking.Question:
    if by not in set(ranking.By):
        raise UsageError(f"--by {by} is unknown.", f"Choose one of {', '.join(ranking.By)}.")
    return ranking.Question(implementation, ranking.By(by), asked.margin)


def _ranked(
    asked: Asked,
    found: Sequence[Shown],
    boards: Sequence[ranking.Board],
    texts: Mapping[str, str],
    show: Callable[[Shown, Console], None],
) -> int:
    if not found:
        raise UsageError("No case fits that.", "Give a pattern such as 'gemm dtype=bf16 m=8192'.")
    if asked.form == "json":
        print(msgspec.json.encode({"boards": found}).decode())
    elif asked.form in texts:
        print(texts[asked.form], end="")
    else:
        console = Console(highlight=False)
        for one in found:
            show(one, console)
    return int(Exit.DONE if any(one.ranked for one in boards) else Exit.INCONCLUSIVE)


def _gathered(asked: Asked) -> list[Exhibit]:
    """What was named, with the tasks that were asked for."""
    found = exhibits.gather(asked.names, asked.out, whole=True, trust=keys.trust(asked.trusted))
    return [comparing.chosen(one, asked.only) for one in found]


def _means(result: Comparison, baseline: Exhibit) -> list[tuple[str, Aggregate]]:
    """Of each campaign the mean over all tasks that the baseline was asked for and could run."""
    tasks = [comparing.task(one) for one in baseline.publication.results if one.status is not Status.SKIPPED]
    return [(label, ranking.composite(result, label, tasks)) for label in result.others]
