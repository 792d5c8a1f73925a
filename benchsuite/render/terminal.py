"""Text for a terminal or a pipe: results, comparisons, findings. Control characters never get through."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchsuite import units
from benchsuite.compare import Comparison
from benchsuite.doctor import Finding
from benchsuite.model import Score, Status
from benchsuite.render.words import CAVEATS, marks, parameters, value
from benchsuite.statistics.runs import Verdict

GLYPHS = {Status.OK: "", Status.REJECTED: "✖ wrong result", Status.FAILED: "✖ failed", Status.SKIPPED: "– skipped"}
STYLES = {Status.OK: "", Status.REJECTED: "bold red", Status.FAILED: "red", Status.SKIPPED: "dim"}
VERDICTS = {
    Verdict.FASTER: ("▲ faster", "cyan"),
    Verdict.SLOWER: ("▼ slower", "yellow"),
    Verdict.SAME: ("≈ same", ""),
    Verdict.UNDECIDED: ("? undecided", "dim"),
    Verdict.INCOMPARABLE: ("≠ incomparable", "dim"),
}


def clean(text: str) -> str:
    """``text`` without control characters, so that no record can steer a terminal."""
    return "".join(character if character.isprintable() else " " for character in text)


def table(scores: Sequence[Score], console: Console, *, all_implementations: bool = False) -> None:
    """The results by benchmark: the best implementation of each case, or all of them."""
    grid = _grid("case", ("value", "right"), ("of ceiling", "right"), "by", "")
    shown = [score for score in scores if all_implementations or score.best or score.status in _TROUBLE]
    family = ""
    for score in shown:
        if score.case.benchmark != family:
            family = score.case.benchmark
            grid.add_row(Text(clean(family), style="bold"), "", "", "", "")
        note = GLYPHS[score.status] or marks(score)
        share = units.percent(score.of_ceiling) if score.of_ceiling is not None else ""
        number = Text(value(score), style="bold" if score.best else "")
        cells = (Text("  " + clean(parameters(score.case))), number, share, Text(clean(score.implementation)))
        grid.add_row(*cells, Text(note, style=STYLES[score.status]))
    console.print(grid)


_TROUBLE = {Status.REJECTED, Status.FAILED}


def summary_lines(scores: Sequence[Score]) -> list[str]:
    """How many cases were measured, what went wrong, what was skipped and why, and what the marks mean."""
    cases = {score.case.key for score in scores if score.status is Status.OK}
    lines = [f"{len(cases)} cases measured and verified."]
    for status, word in ((Status.REJECTED, "Wrong result"), (Status.FAILED, "Failed")):
        bad = [score for score in scores if score.status is status]
        lines += [f"{word}: {clean(f'{one.case.key} [{one.implementation}]: {one.reason}')}" for one in bad]
    reasons: dict[str, int] = {}
    for score in scores:
        if score.status is Status.SKIPPED:
            reasons[score.reason] = reasons.get(score.reason, 0) + 1
    lines += [f"Skipped {count}: {clean(reason)}." for reason, count in reasons.items()]
    codes = sorted({caveat.code for score in scores for caveat in score.caveats if score.status is Status.OK})
    notes = [CAVEATS.get(code, ("?", code)) for code in codes]
    return lines + [f"  {letter}  {meaning}" for letter, meaning in notes]


def comparison(result: Comparison, console: Console) -> None:
    """Two runs side by side, with the verdict of each case."""
    grid = _grid("case", "by", ("B / A", "right"), ("interval", "right"), "verdict", "")
    for row in result.rows:
        words, style = VERDICTS[row.verdict]
        ratio = f"×{row.ratio:.3f}" if row.ratio is not None else ""
        interval = f"{row.low:.3f}–{row.high:.3f}" if row.low is not None and row.high is not None else ""
        more = f"about {row.needed} runs a side would decide" if row.needed else row.reason
        name = Text(clean(f"{row.case.benchmark} {parameters(row.case)}"))
        grid.add_row(
            name, Text(clean(row.implementation)), ratio, interval, Text(words, style=style), Text(clean(more))
        )
    console.print(grid)
    counts = {verdict: sum(row.verdict is verdict for row in result.rows) for verdict in Verdict}
    told = ", ".join(f"{count} {verdict.value}" for verdict, count in counts.items() if count)
    console.print(
        f"{told}. Above 1 is better. {result.family} tests share a family-wise error rate of 5 % (Holm); "
        f"differences within ±{result.margin:.0%} are not called.",
        soft_wrap=True,
    )


def findings(found: Iterable[Finding], console: Console) -> None:
    """What is here and what is missing."""
    grid = _grid("", "", "what for", "what to do")
    for one in found:
        glyph = Text("ok", style="cyan") if one.present else Text("missing", style="yellow" if one.needed else "dim")
        grid.add_row(glyph, clean(one.subject), Text(clean(one.detail)), Text(clean(one.remedy)))
    console.print(grid)


def listing(document: Mapping[str, Any], console: Console) -> None:
    """Benchmarks, suites and devices."""
    grid = _grid("benchmark", "question", "implementations")
    for item in document["benchmarks"]:
        names = Text(", ").join(
            Text(clean(name), style="" if offered else "dim strike")
            for name, offered in item["implementations"].items()
        )
        axes = ", ".join(item["axes"])
        grid.add_row(Text(clean(item["name"]), style="bold"), Text(clean(f"{item['question']} ({axes})")), names)
    console.print(grid)
    suites = _grid("suite", "what it answers")
    for item in document["suites"]:
        suites.add_row(Text(clean(item["name"]), style="bold"), Text(clean(item["title"])))
    console.print(suites)
    devices = _grid("device", "cores", "capabilities")
    for item in document["devices"]:
        devices.add_row(Text(item["name"], style="bold"), str(item["cores"]), ", ".join(item["capabilities"]))
    console.print(devices)


def _grid(*columns: str | tuple[str, str]) -> Table:
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        title, justify = column if isinstance(column, tuple) else (column, "left")
        grid.add_column(title, justify=justify)  # type: ignore[arg-type]
    return grid
