"""gpu-stream of gpu-benches: bandwidth of streaming kernels by block size, two blocks on each multiprocessor.

GB/s are 1e9 B/s of double precision elements. Heads of some published tables name the two stencils 1pt and 3pt, where
the program measures 3pt and 5pt: the columns keep the names that are printed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from benchsuite.errors import DataError
from benchsuite.imports.base import Format, Imported, Row
from benchsuite.imports.lines import clipped, integer, measured, numbered, unfinished, unit
from benchsuite.model import Metric, Scalar

TOOL = "gpu-stream"
REMEDY = "Save all that gpu-stream prints, with the head of its table."
GBPS = unit(Metric.BANDWIDTH, "GB/s", "1e9")
KERNELS = {
    "init": "one store stream",
    "read": "one load stream",
    "scale": "one load and one store stream",
    "triad": "two load streams and one store stream",
}
COLUMN = re.compile(r"[a-z0-9]{2,12}")
MORE_BLOCKS = re.compile(r"! \d{1,4} blocks per SM ")
"""What the program says between two cells where more blocks than two fit on a multiprocessor (HIP)."""


def tells(text: str) -> bool:
    """The head of its table."""
    return any(_head(line) for _, line in numbered(text))


def read(text: str) -> Imported:
    """Every cell of the table. Raises ``DataError`` when there is none."""
    rows: list[Row] = []
    problems: list[str] = []
    columns: list[str] = []
    above: list[str] = []
    last = unfinished(text)
    for place, line in numbered(text):
        if head := _head(line):
            columns = head
        elif columns and "GB/s:" in line and (params := _case(line)):
            cells = MORE_BLOCKS.sub(" ", line.partition("GB/s:")[2]).split()
            cut = (
                not cells
                or len(cells) < len(columns)
                or (place == last and clipped(cells[-1], above[-1] if above else ""))
            )
            rows += _cells(columns, cells, params, place, cut)
            problems += [f"Line {place} is cut."] if cut else []
            above = cells
        elif columns and line.strip():
            problems.append(f"Line {place} is no line of the table.")
    if not rows:
        raise DataError("There is no result in it: it ends before the first line of its table.", REMEDY)
    problems.append("It does not name the GPU.")
    return Imported(TOOL, tuple(rows), problems=tuple(problems))


FORMATS = (Format("gpu-stream", "the table of gpu-stream (gpu-benches)", tells, read),)


def _head(line: str) -> list[str]:
    """The names of the kernels, if the line is the head of the table."""
    if "blockSize" not in line or "%occ" not in line:
        return []
    columns = line.partition("|")[2].split()
    return columns if columns and all(COLUMN.fullmatch(one) for one in columns) else []


def _case(line: str) -> dict[str, Scalar]:
    """Block size, threads and occupancy in front of the bandwidths; empty when they are not there."""
    tokens = line.partition("|")[0].split()
    block, threads = (integer(tokens[0]), integer(tokens[1])) if len(tokens) >= 3 else (None, None)
    if block is None or threads is None or min(block, threads) <= 0:
        return {}
    return {"block": block, "threads": threads, "occupancy": f"{tokens[2].rstrip('%')[:8]} %", "dtype": "float64"}


def _cells(columns: list[str], cells: list[str], params: dict[str, Scalar], place: int, cut: bool) -> Iterator[Row]:
    for at, (kernel, printed) in enumerate(zip(columns, cells, strict=False)):
        said = f"bandwidth of {kernel}: {KERNELS.get(kernel, 'a stencil; one load and one store stream')}"
        failed = "The line is cut: the number may be too." if cut and at == len(cells) - 1 else ""
        yield measured(f"{TOOL}/{kernel}", GBPS, printed, said, params=params, line=place, failed=failed)
