"""A matrix of nvbandwidth, from its text or its JSON, as rows: one a cell, and the sum and the least made from them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from benchsuite.imports.base import Row
from benchsuite.imports.lines import Unit, measured, name, number, rejected, unit
from benchsuite.model import Metric, Scalar, Status

TOOL = "nvbandwidth"
BANDWIDTH = unit(Metric.BANDWIDTH, "GB/s", "1e9")
LATENCY = unit(Metric.LATENCY, "ns", "1e-9")
VARIATION = unit(Metric.RATIO, "", 1)
ARROW = re.compile(r"(CPU|GPU)\(row\) (<->|<-|->) (CPU|GPU)\(column\)")
TO_ITSELF = "A device's copy to itself was not made; early versions print 0.00 where later ones print N/A."
APART = "pairs may have run one after the other, so that it is no throughput"
PART = re.compile(r"\b(Read1|Read2|Write1|Write2|Total)\b")

NO_MATRIX = "a matrix that is not there"

TROUBLES = {
    "Invalid value when checking the pattern": (
        Status.REJECTED,
        "The copied data were wrong (pattern check): memory or link corrupts data.",
    ),
    "h_errorFlag": (Status.REJECTED, "The copied data were wrong (pattern check): memory or link corrupts data."),
    "ASSERT in expression": (Status.FAILED, "nvbandwidth stopped at an assertion."),
    "[CUDA_ERROR": (Status.FAILED, "A CUDA call failed."),
    "[cudaError": (Status.FAILED, "A CUDA call failed."),
    "NVML_ERROR": (Status.FAILED, "An NVML call failed."),
    "ERROR: Invalid Arguments": (Status.FAILED, "It was given arguments it does not know."),
    "Error:": (Status.FAILED, "nvbandwidth reports an error."),
    "ERROR:": (Status.FAILED, "nvbandwidth reports an error."),
    "smaller than the default buffer size": (Status.OK, "The buffer is smaller than the default of 64 MiB."),
    "there are more processes than GPUs": (Status.FAILED, "There are more processes than GPUs on a host."),
}
"""Signs of trouble in what nvbandwidth prints, the worst first; its own words may hold paths and addresses."""


@dataclass(slots=True)
class Matrix:
    """A matrix as it is printed: its description, the labels of the columns, and the tokens of each row.

    decimals: how many each cell has; a cell with fewer is cut. 0: any number.
    """

    description: str
    line: int
    columns: list[str] = field(default_factory=list)
    rows: list[tuple[int, list[str]]] = field(default_factory=list)
    decimals: int = 0
    sum: str = ""
    variation: tuple[str, int] = ("", 0)
    problem: str = ""


def trouble(line: str) -> tuple[Status, str] | None:
    """What kind of trouble a line reports, if it does."""
    return next((found for sign, found in TROUBLES.items() if sign in line), None)


def metric(test: str) -> Metric:
    """What a test measures."""
    return Metric.LATENCY if "latency" in test else Metric.BANDWIDTH


def suspects(found: list[Row], reason: str) -> list[Row]:
    """The rows when data were wrong in a test that is not named: those that failed, else every one is suspect."""
    worst = Status.FAILED if any(row.status is Status.FAILED for row in found) else Status.OK
    return [rejected(row, reason) if row.status is worst else row for row in found]


def rows_of(matrix: Matrix, benchmark: str) -> Iterator[Row]:
    """The cells that hold a value, their sum and the least of them."""
    kind = LATENCY if "(ns)" in matrix.description else BANDWIDTH
    part = PART.search(matrix.description)
    common: dict[str, Scalar] = {"direction": part[1]} if part else {}
    ends = ARROW.search(matrix.description)
    square = ends is not None and ends[1] == ends[3]
    found, cut = [], square and bool(matrix.rows) and len(matrix.rows) < len(matrix.columns)
    for place, tokens in matrix.rows:
        label, *cells = tokens
        cut = cut or len(cells) < len(matrix.columns)
        for column, printed in zip(matrix.columns, cells, strict=False):
            if printed == "N/A":
                continue
            params = common | _ends(matrix.description, label, column)
            short = matrix.decimals > 0 and len(printed.partition(".")[2]) != matrix.decimals
            cut = cut or short
            failed = "The number is cut." if short else ""
            one = measured(benchmark, kind, printed, matrix.description, params=params, line=place, failed=failed)
            found.append(
                replace(one, status=Status.SKIPPED, reason=TO_ITSELF) if _to_itself(one, label, column) else one
            )
    yield from found
    measurements = [row for row in found if row.status is not Status.SKIPPED]
    if not measurements:
        matrix.problem = "Every cell is N/A." if matrix.rows else "The matrix has no value: the output is cut."
        reason = matrix.problem
        yield Row(benchmark, kind.metric, None, "", matrix.description, common, 1, Status.FAILED, reason, matrix.line)
        return
    matrix.problem = "A row of the matrix is cut or missing." if cut else ""
    yield from _made(matrix, benchmark, kind, measurements, common)
    if matrix.variation[0]:
        printed, place = matrix.variation
        said = f"coefficient of variation, as nvbandwidth prints it: {matrix.description}"
        params = common | {"statistic": "cv"}
        yield measured(benchmark, VARIATION, printed, said, params=params, line=place, zero=True)


def _to_itself(row: Row, label: str, column: str) -> bool:
    """Whether it is a device's copy to itself that was not made."""
    ends = ARROW.search(row.meaning)
    return bool(ends and ends[1] == ends[3] == "GPU" and label == column and number(row.text.split()[0]) == 0.0)


def _ends(description: str, row: str, column: str) -> dict[str, Scalar]:
    """Where data come from and go to; for both directions, and latencies, the two ends."""
    ends = ARROW.search(description)
    if ends is None:
        return {"row": row, "column": column}
    left, right = f"{ends[1]} {row}", f"{ends[3]} {column}"
    if ends[2] == "->":
        return {"source": left, "target": right}
    return (
        {"source": right, "target": left}
        if ends[2] == "<-"
        else {"source": left, "target": right, "bidirectional": True}
    )


def _made(matrix: Matrix, benchmark: str, kind: Unit, found: list[Row], common: dict[str, Scalar]) -> Iterator[Row]:
    """Sum and least of the cells. A failed cell fails the sum: it would look smaller, not wrong."""
    values = [row.value for row in found if row.value is not None]
    bad = "" if len(values) == len(found) else f"{len(found) - len(values)} cells have no value."
    bad = matrix.problem or bad
    shown = f"; nvbandwidth prints SUM {name(matrix.sum)}" if matrix.sum else ""
    total, least = sum(values), min(values, default=0.0)
    for statistic, value, said in (
        ("sum", total, f"sum of the cells ({len(values)}), made from them{shown}; {APART}"),
        ("min", least, f"least of the cells ({len(values)}), made from them; N/A left out"),
    ):
        if kind is LATENCY and statistic == "sum":
            continue
        status, reason = (Status.FAILED, bad) if bad else (Status.OK, "")
        printed = "" if bad else f"{value / float(kind.scale):.2f} {kind.name}"
        params = common | {"statistic": statistic}
        meaning = f"{said}: {matrix.description}"
        yield Row(
            benchmark, kind.metric, None if bad else value, printed, meaning, params, 1, status, reason, matrix.line
        )
