"""A run, a comparison and a leader board as Markdown tables, for an issue, a wiki or a message.

Whatever stands in a record can stand in a cell: it is escaped, so that it makes no cell, no line, no link and no HTML.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from benchsuite import units
from benchsuite.aggregate import Aggregate
from benchsuite.compare import Comparison
from benchsuite.model import Exhibit, Score
from benchsuite.ranking import Board, Matrix
from benchsuite.render import versus
from benchsuite.render.words import STATUSES, bandwidth, clean, family, marks, parameters, value
from benchsuite.statistics.runs import Verdict

SPECIAL = re.compile(r"([\\`*_\[\]#+|~@$]|:(?=\S)|(?<=www)\.)", re.IGNORECASE)
"""What Markdown, or GitHub's dialect of it, could take for something else than itself: emphasis, code, links, cells,
headings, lists, mentions, formulas, and what makes a link of a bare address."""


def escaped(text: str) -> str:
    """A text that a record or a person gave, as Markdown shows it: letter by letter."""
    entities = clean(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return SPECIAL.sub(r"\\\1", entities)


def table(head: Sequence[str], rows: Iterable[Sequence[str]], right: frozenset[int] = frozenset()) -> str:
    """A table of cells that are escaped already; ``right``: the columns whose cells end on one line."""
    rule = ["---:" if at in right else "---" for at in range(len(head))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


def run(scores: Sequence[Score], title: str, *, all_implementations: bool = False) -> str:
    """A run's results: the best implementation of each case, or all of them, and what has no number."""
    shown = [score for score in scores if all_implementations or score.best or score.value is None]
    rows = [
        (
            escaped(f"{family(score.case.benchmark)} {parameters(score.case)}"),
            escaped(score.implementation),
            escaped(_value(score)) if score.value is not None else f"{_status(score)} {escaped(score.reason)}".strip(),
            units.percent(score.of_ceiling) if score.of_ceiling is not None else "",
            str(score.runs or ""),
            marks(score),
        )
        for score in shown
    ]
    head = ("case", "by", "value", "of ceiling", "runs", "notes")
    return f"### {escaped(title)}\n\n{table(head, rows, frozenset({2, 3, 4}))}\n"


def _value(score: Score) -> str:
    """The number; of a collective with its other bandwidth."""
    other = bandwidth(score)
    return f"{value(score)} ({other})" if other else value(score)


def _status(score: Score) -> str:
    glyph, word, _ = STATUSES[score.status]
    return f"{glyph} {word}" + ("." if score.reason else "")


def comparison(result: Comparison, exhibits: Sequence[Exhibit], means: Sequence[tuple[str, Aggregate]] = ()) -> str:
    """The baseline, which comes first among the exhibits, and the others: the answer, the table, the conditions.

    means: the composite of each of the others, if that was asked for.
    """
    letters = versus.lettered([one.label for one in exhibits])
    names = [letters.get(one.label, escaped(one.label)) for one in exhibits]
    answers = [
        versus.headline([row for row in result.rows if row.label == label], names[0], name)
        for label, name in zip(result.others, names[1:], strict=True)
    ]
    rows = []
    for cells in versus.lines(result).values():
        row = next(iter(cells.values()))
        base = units.quantity(row.a, row.metric) if row.a is not None and row.metric else units.DASH
        found = [escaped(versus.cell(cells.get(label))) for label in result.others]
        rows.append((escaped(versus.name(row.case)), escaped(row.implementation), escaped(base), *found))
    parts = [
        "\n".join(f"- {escaped(line)}" for line in versus.legend(exhibits)),
        "\n".join(f"- {answer}" for answer in answers),
        table(("case", "by", f"{names[0]} (=1)", *names[1:]), rows, frozenset({2})),
    ]
    if means:
        told = [versus.mean(mean, letters.get(label, label), names[0]) for label, mean in means]
        parts.append("\n".join(f"- {escaped(line)}" for line in told))
    if result.conditions:
        rows = [(escaped(one.name), *map(escaped, one.values)) for one in result.conditions]
        parts.append(table(("conditions that differ", *names), rows))
    said = [versus.method(result), *versus.reasons(result), *versus.notes(result, letters), _key(result)]
    parts.append("\n".join(f"- {escaped(line)}" for line in said))
    return "\n\n".join(part for part in parts if part) + "\n"


def _key(result: Comparison) -> str:
    """What the signs of the table mean, those that stand there."""
    there = {row.verdict for row in result.rows}
    return ", ".join(" ".join(versus.VERDICTS[verdict]) for verdict in Verdict if verdict in there) + "."


def board(found: Board) -> str:
    """A leader board: rank, campaign, number; then what has no rank, and why."""
    rows = [
        (
            versus.rank(place),
            escaped(place.label),
            escaped(versus.amount(place, found)),
            escaped(place.implementation),
            str(place.runs or ""),
            escaped(place.reason),
        )
        for place in (*found.ranked, *found.unranked, *found.missing)
    ]
    head = ("rank", "campaign", "value", "by", "runs", "no rank because")
    grid = table(head, rows, frozenset({0, 2, 4}))
    return f"### {escaped(versus.name(found.case))}\n\n{grid}\n\n{escaped(versus.ordering(found))}\n"


def matrix(found: Matrix) -> str:
    """The board, and how each row compares with each column."""
    ranked = found.board.ranked
    rows = [
        (escaped(place.label), *(versus.VERDICTS[one][0] if one else "·" for one in row))
        for place, row in zip(ranked, found.verdicts, strict=True)
    ]
    return f"{board(found.board)}\n{table(('', *(escaped(place.label) for place in ranked)), rows)}\n"
