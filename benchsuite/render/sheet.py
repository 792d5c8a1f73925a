"""Comparisons and leader boards as CSV, for a spreadsheet: one line a pair or a place, values in SI units."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchsuite.compare import Comparison
from benchsuite.frame import harmless
from benchsuite.ranking import Board


def comparison(result: Comparison) -> str:
    """A line for each case, implementation and campaign: both values, ratio, interval, verdict, what to know of it."""
    return _written(
        [
            {
                "baseline": result.baseline,
                "campaign": row.label,
                "benchmark": row.case.benchmark,
                "case": row.case.key,
                "ranks": row.case.ranks,
                "implementation": row.implementation,
                "verdict": row.verdict.value,
                "a": row.a,
                "b": row.b,
                "unit": row.metric.value if row.metric else "",
                "ratio": row.ratio,
                "low": row.low,
                "high": row.high,
                "needed": row.needed,
                "clean": row.clean,
                "unclean": "; ".join(row.unclean),
                "differs": "; ".join(row.differs),
                "reason": row.reason,
            }
            for row in result.rows
        ]
    )


def boards(found: Sequence[Board]) -> str:
    """A line for each place of each board, those without a rank too."""
    return _written([line for one in found for line in _places(one)])


def _places(board: Board) -> Iterator[Mapping[str, Any]]:
    for place in (*board.ranked, *board.unranked, *board.missing):
        yield {
            "case": board.case.key,
            "first": place.first,
            "last": place.last,
            "campaign": place.label,
            "implementation": place.implementation,
            "origin": place.origin.value,
            "runs": place.runs,
            "value": place.value,
            "low": place.low,
            "high": place.high,
            "unit": board.unit,
            "reason": place.reason,
        }


def _written(rows: Sequence[Mapping[str, Any]]) -> str:
    """No text is a formula for a spreadsheet (``frame.harmless``)."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: harmless(value) for name, value in row.items()} for row in rows)
    return stream.getvalue()
