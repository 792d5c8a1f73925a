"""Text for a terminal: forecasts beside what was measured, of a run's steps and of a table of published results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchsuite import units
from benchsuite.model import Scalar
from benchsuite.predict.check import Checked
from benchsuite.render.phrases import PHRASES
from benchsuite.render.terminal import columned
from benchsuite.render.words import clean, counted, sentence


def steps(checked: Sequence[Checked], console: Console) -> None:
    """Each measured step beside its forecast, then how far off they are."""
    grid = columned("step", ("measured", "right"), ("forecast", "right"), ("error", "right"), "by", "")
    for one in checked:
        told = units.quantity(one.predicted, "s") if one.predicted is not None else "✖ refused"
        error = signed(one.error) if one.error is not None else units.DASH
        grid.add_row(
            Text(clean(_step(one.case))),
            units.quantity(one.measured, "s"),
            told,
            error,
            clean(one.implementation),
            one.footing,
        )
    console.print(grid)
    for reason in dict.fromkeys(one.refused for one in checked if one.refused):
        console.print(f"✖ {sentence(clean(reason))}", markup=False, soft_wrap=True)
    errors = [abs(one.error) for one in checked if one.error is not None]
    done = f"{len(errors)} of {counted(len(checked), 'step')} could be forecast from the other records of the run"
    off = f": {units.percent(median(errors))} off in the middle, {units.percent(max(errors))} at most" if errors else ""
    console.print(f"{done}{off}.", markup=False, soft_wrap=True)
    if moved := max((one.unsteady for one in checked), default=0):
        told = (
            f"{counted(moved, 'case')} behind them moved while measured (NOT_STEADY): measure again on an idle machine."
        )
        console.print(told, markup=False, soft_wrap=True)


def _step(key: str) -> str:
    """A case of ``transformer`` in words; its key where it is another's."""
    name, *pairs = key.split(" ")
    params: dict[str, Scalar] = {name: value for name, _, value in (pair.partition("=") for pair in pairs)}
    phrase = PHRASES.get(name)
    try:
        return phrase(params) if phrase else key
    except KeyError:
        return key


WORST = 10
"""Rows with the largest errors that are told."""


def table(document: Mapping[str, Any], console: Console) -> None:
    """A scored table of published results (``predict.score.answer``): in all, by what they are of, the worst rows."""
    grid = columned(
        "", ("rows", "right"), ("median", "right"), ("90 %", "right"), ("bias", "right"), ("inside", "right")
    )
    _summary(grid, "all that count", document["overall"])
    _summary(grid, "latency-limited, apart", document["latency_limited"])
    for by, groups in document["by"].items():
        _group(grid, f"by {by}", groups)
    _group(grid, "left out", {f"{rule}: {found['rule']}": found for rule, found in document["exclusions"].items()})
    console.print(grid)
    for line in _sentences(document):
        console.print(clean(line), markup=False, soft_wrap=True)


def _group(grid: Table, title: str, groups: Mapping[str, Any]) -> None:
    if any(found and found["count"] for found in groups.values()):
        grid.add_row(Text(title, style="bold"))
    for name, found in groups.items():
        _summary(grid, f"  {name}", found)


def _summary(grid: Table, name: str, found: Mapping[str, Any] | None) -> None:
    if found is None or not found["count"]:
        return
    shares = (units.percent(found["median"]), units.percent(found["p90"]), signed(found["bias"]))
    grid.add_row(Text(clean(name)), str(found["count"]), *shares, units.percent(found["coverage"]))


def _sentences(document: Mapping[str, Any]) -> Iterator[str]:
    yield (
        "Absolute errors of the forecast: median and 90th percentile; bias: positive where it was too high; inside: "
        "share of the results that lie in their intervals."
    )
    if ranks := document["rank_correlation"]:
        over = counted(ranks["settings"], "setting")
        yield f"Order of GPUs, forecast against measured: rank correlation {ranks['mean']:.2f}, the mean of {over}."
    refused = [row for row in document["rows"] if row["refused"]]
    if refused:
        yield f"{counted(len(refused), 'row')} refused; --json says why of each."
    if unread := document["unread"]:
        yield f"{counted(len(unread), 'row')} could not be read. Line {unread[0]['line']}: {unread[0]['reason']}"
    counting = [row for row in document["rows"] if row["error"] is not None and not (row["excluded"] or row["refused"])]
    worst = sorted((row for row in counting if not row["latency_limited"]), key=lambda row: -abs(row["error"]))[:WORST]
    if worst:
        yield "The largest errors:"
    for row in worst:
        what = f"{row['model']} {row['precision']} on {row['gpu']}, {row['isl']:.0f}/{row['osl']:.0f} tokens"
        yield f"  {signed(row['error'])}  line {row['line']}: {what}, {row['engine']}; bound by {row['bound']}"


def signed(error: float) -> str:
    """``+12 %``: the forecast was too high by so much."""
    return f"{error * 100:+.1f}{units.NO_BREAK_SPACE}%".replace("-", units.MINUS)
