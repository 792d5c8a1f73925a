"""The table of nccl-tests: its header by words, a row by its tokens, and what a row tells of an unnamed collective.

Formats of the header and the row: nccl-tests ``src/common.cu`` and ``src/util.cu`` from 2017 to 2.19.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from benchsuite.imports.lines import integer, number, untagged

GROUP = ("time", "algbw", "busbw", "wrong")
CHECKS = {"wrong", "error", "res"}
PLACES = ("out-of-place", "in-place")
NULL_BODY = " " * 32
"""What stands in place of the out-of-place values where only in-place was run (``writeBenchMarkLineNullBody``)."""

DTYPE = re.compile(r"u?int(?:8|32|64)?|u?char|half|double|float(?:16|32|64)?|b(?:float|f)16|fp?8_?e\dm\d|fp8_e\dm\d")
BYTES = {"half": 2, "bfloat16": 2, "bf16": 2, "float16": 2, "float": 4, "float32": 4, "int": 4, "int32": 4, "uint32": 4}
BYTES |= {"uint": 4, "double": 8, "float64": 8, "int64": 8, "uint64": 8, "int8": 1, "uint8": 1, "char": 1, "uchar": 1}
LARGEST_ERROR = {"half": 1e-2, "bfloat16": 1e-2, "float": 1e-5, "double": 1e-12}
"""What the versions with a column ``error`` allow per rank beyond the first (``DeltaMaxValue``; integers: nothing)."""

PERF = (
    "all_reduce_perf",
    "all_gather_perf",
    "alltoall_perf",
    "alltoallv_perf",
    "broadcast_perf",
    "gather_perf",
    "hypercube_perf",
    "reduce_perf",
    "reduce_scatter_perf",
    "scatter_perf",
    "sendrecv_perf",
)


SCATTERED = {"all_gather_perf", "alltoall_perf", "gather_perf", "reduce_scatter_perf", "scatter_perf"}


@dataclass(frozen=True, slots=True)
class Header:
    """Columns behind the type, as the header names them. ``told``: whether there was a header at all."""

    root: bool = False
    redop: bool = False
    group: tuple[str, ...] = GROUP
    places: int = 2
    trailing: tuple[str, ...] = ()
    milliseconds: bool = False
    told: bool = False


@dataclass(slots=True)
class Line:
    """A row of the table while its tokens are collected: another rank's message may break it in two."""

    number: int
    size: int
    count: int
    dtype: str
    redop: str = ""
    root: int | None = None
    values: list[str] = field(default_factory=list)
    in_place_only: bool = False


def header(line: str) -> Header | None:
    """The header in the line, if it is one: the words from ``size`` (``bytes`` until 2018) to the last column."""
    if "algbw" not in line or "busbw" not in line:
        return None
    words = untagged(line).replace("#wrong", " wrong ").replace("#iters", " iters ").replace("#", " ").split()
    first = next((index for index, word in enumerate(words) if word in {"size", "bytes"}), None)
    if first is None:
        return None
    old, words = words[first] == "bytes", ["time" if word == "cputime" else word for word in words[first:]]
    times = [index for index, word in enumerate(words) if word == "time"]
    if not times:
        return None
    end = times[1] if len(times) > 1 else len(words)
    group = tuple(words[times[0] : end])
    redop = "redop" in words or "op" in words
    return Header("root" in words, redop, group, min(len(times), 2), tuple(words[end + len(group) :]), old, True)


def begun(number_of_line: int, line: str, columns: Header | None) -> Line | None:
    """The row that begins in this line, wherever in it: ``size count type``, then what follows."""
    tokens = untagged(line).split()
    for index in range(2, len(tokens)):
        size, count = integer(tokens[index - 2]), integer(tokens[index - 1])
        if size is None or count is None or min(size, count) < 0 or not DTYPE.fullmatch(tokens[index]):
            continue
        found = Line(number_of_line, size, count, tokens[index])
        rest = tokens[index + 1 :]
        if rest and rest[0].isalpha() and rest[0].isascii() and number(rest[0]) is None:
            found.redop, rest = rest[0][:20], rest[1:]
        found.values = leading(rest)
        if _has_root(found.values, columns):
            found.root = integer(found.values.pop(0))
        found.in_place_only = NULL_BODY in line.partition(tokens[index])[2]
        return found
    return None


def leading(tokens: Iterable[str]) -> list[str]:
    """The tokens up to the first that is no value."""
    found: list[str] = []
    for one in tokens:
        if one != "N/A" and number(one.rstrip("*")) is None:
            break
        found.append(one)
    return found


def after(tokens: list[str], word: str) -> str:
    """The token behind a word; empty when there is none."""
    at = tokens.index(word) + 1 if word in tokens else len(tokens)
    return tokens[at] if at < len(tokens) else ""


def verdict(line: str) -> tuple[str, str]:
    """The value behind the colon, and OK or FAILED behind it."""
    words = untagged(line).partition(":")[2].split()
    return (words[0] if words else ""), (words[1] if len(words) > 1 and words[1] in {"OK", "FAILED"} else "")


def wanted(row: Line, columns: Header) -> int:
    """How many values the row must have."""
    return len(columns.group) * (1 if row.in_place_only else columns.places)


def cells(row: Line, columns: Header) -> list[tuple[bool, dict[str, str]]]:
    """Whether in place, and the values by column: for each placement whose values are all there."""
    width, values = len(columns.group), row.values
    if row.in_place_only:
        return [(True, dict(zip(columns.group, values[:width], strict=False)))] if len(values) >= width else []
    parts = [values[start : start + width] for start in range(0, width * columns.places, width)]
    whole = [(bool(place), part) for place, part in enumerate(parts) if len(part) == width]
    return [(place, dict(zip(columns.group, part, strict=True))) for place, part in whole]


def wrong(check: str, printed: str, dtype: str, ranks: int) -> str:
    """Why the values are wrong, from ``#wrong`` (how many are) or ``error`` (the largest error); empty when not.

    ranks: 0 where unknown; then an ``error`` is left to the line ``Out of bounds values``.
    """
    found = number(printed.rstrip("*"))
    if printed.endswith("*"):
        return f"The largest error is {printed}: the asterisk says that it is above what rccl-tests allows."
    if found is None or found == 0.0:
        return ""
    count = check == "wrong" or (check == "told by value" and found >= 1.0)
    if count or not math.isfinite(found):
        return f"#wrong is {printed}: that many values are wrong."
    if ranks and found > LARGEST_ERROR.get(dtype, 1e-200) * max(ranks - 1, 1):
        return f"The largest error is {printed}, above what nccl-tests allows for {dtype} and {ranks} ranks."
    return ""


def collectives(rows: Sequence[Line], columns: Header, ranks: int) -> tuple[str, ...]:
    """Which collectives can have printed these rows: by operation and root, by size against count, by bandwidths.

    Size is count times element size where each rank holds the whole (all-reduce, reduce, broadcast, send-receive),
    and that times the ranks where it is scattered or gathered: ``GetCollByteCount`` of each test.
    """
    fit = set(PERF)
    for row in rows:
        operation, rooted = row.redop not in {"", "none"}, row.root is not None and row.root >= 0
        fit &= _by_arguments(operation, rooted)
        if columns.told and not columns.root and not operation:
            fit &= {"alltoall_perf"} if columns.redop else set(PERF) - {"alltoall_perf", "alltoallv_perf"}
        fit &= _by_size(row, columns, ranks)
    return tuple(sorted(fit))


def implied(perf: str, algbw: str, busbw: str) -> str:
    """What the two printed bandwidths of a row say of the ranks, as a sentence; empty when nothing.

    busbw over algbw is 2(n-1)/n for all-reduce and (n-1)/n where data are scattered or gathered (nccl-tests
    doc/PERFORMANCE.md). A number of ranks is named only if the digits that are printed leave no other.
    """
    low, high = number(algbw), number(busbw)
    if low is None or high is None or not (0.0 < low < math.inf and 0.0 < high < math.inf):
        return ""
    ratio = f"busbw over algbw is {high / low:.3g} in the last row"
    limit = {"all_reduce_perf": 2.0}.get(perf, 1.0 if perf in SCATTERED else 0.0)
    half = [0.5 * 10.0 ** -len(one.partition(".")[2]) for one in (algbw, busbw)]
    least, most = (high - half[1]) / (low + half[0]), (high + half[1]) / max(low - half[0], 1e-9)
    if not limit or most >= limit:
        return f"{ratio}."
    first, last = math.ceil(limit / (limit - least) - 1e-9), math.floor(limit / (limit - most) + 1e-9)
    return f"{ratio}, as {perf} has with {first} ranks." if first == last >= 2 else f"{ratio}."


def _by_arguments(operation: bool, rooted: bool) -> set[str]:
    if operation:
        return {"reduce_perf"} if rooted else {"all_reduce_perf", "reduce_scatter_perf"}
    if rooted:
        return {"broadcast_perf", "gather_perf", "scatter_perf"}
    return {"all_gather_perf", "alltoall_perf", "alltoallv_perf", "hypercube_perf", "sendrecv_perf"}


def _by_size(row: Line, columns: Header, ranks: int) -> set[str]:
    whole = {"all_reduce_perf", "reduce_perf", "broadcast_perf", "sendrecv_perf"}
    one = row.count * BYTES.get(row.dtype, 1 if "8" in row.dtype else 0)
    values = dict(zip(columns.group, row.values, strict=False))
    algbw, busbw = number(values.get("algbw", "")) or 0.0, number(values.get("busbw", "")) or 0.0
    if not one or ranks == 1 or (not ranks and busbw == 0.0):
        return set(PERF)
    if row.size == one:
        return whole
    fit = set(PERF) - whole
    return fit - {"hypercube_perf"} if algbw >= 10.0 and busbw < 0.99 * algbw else fit


def _has_root(values: Sequence[str], columns: Header | None) -> bool:
    """Whether the first value is the root. Without a header, from how many there are: a root and twice four."""
    if not values or integer(values[0]) is None:
        return False
    if columns is not None:
        return columns.root
    return len(values) in {9, 10} or integer(values[0]) == -1
