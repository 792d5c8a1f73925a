"""mamf-finder (Maximum Achievable Matmul FLOPS): what it prints, in its four wordings, and the published tables.

TFLOPS are 1e12 flop/s of a matrix product of 2·m·n·k operations. Each shape has a mean (until the end of 2024: only
that), a median and a max over its iterations; the best of all shapes follows at the end, or after Ctrl-C.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from benchsuite.errors import DataError
from benchsuite.imports.base import Format, Imported, Row
from benchsuite.imports.lines import integer, measured, name, number, numbered, unit
from benchsuite.model import Metric, Scalar, Status

TOOL = "mamf-finder"
MATMUL, PUBLISHED = f"{TOOL}/matmul", f"{TOOL}/published"
REMEDY = "Save what mamf-finder prints, or its --output_file."
TFLOPS = unit(Metric.FLOPS, "TFLOPS", "1e12")
PERCENT = unit(Metric.RATIO, "%", "1e-2")

SHAPE = re.compile(r"@ (\d{1,9})x(\d{1,9})x(\d{1,9}) (?:\((M\w\w\w\w)\))?")
VALUE = re.compile(r"(\d{1,9}\.\d{1,9}|nan|inf)(?: ?\((mean|median|max)\)| ?TFLOPS)")
FINAL = re.compile(r"(mean|median|max): +(\d{1,9}\.\d{1,9}|nan|inf) TFLOPS @")
LATER = re.compile(r"(MAMF|MSMF) \(([^()]{1,60})\): +(\d{1,9}(?:\.\d{1,9})?|nan|inf) TFLOPS @")
OVERALL = re.compile(r"(arithmetic mean|geometric mean|geomean): +(\d{1,9}\.\d{1,9}|nan|inf) TFLOPS")
PROGRESS = re.compile(r"^ *(\d{1,9}) \| ")
PRODUCT = re.compile(r"(\d{1,9})x(\d{1,9})x(\d{1,9})")
DEVICE = re.compile(r"\bname='([^']{1,100})'")
VERSION = re.compile(r"\b(torch|cuda|hip|xpu|mps)=([0-9][0-9A-Za-z.+-]{0,40})")
DTYPES = {"BF16": "bfloat16", "FP16": "float16", "FP8": "float8", "FLOAT8": "float8", "FP4": "float4", "TF32": "tf32"}
DTYPES |= {"FP32": "float32", "INT8": "int8", "FP64": "float64"}
MEANING = {
    "mean": "mean of the iterations of this shape (mean)",
    "median": "median of the iterations of this shape (median)",
    "max": "fastest iteration of this shape (max)",
}


@dataclass(slots=True)
class Log:
    """The output while it is read."""

    dtype: str = ""
    rows: list[Row] = field(default_factory=list)
    last: tuple[int, str] | None = None
    finished: bool = False
    device: str = ""
    facts: dict[str, str] = field(default_factory=dict)


def tells(text: str) -> bool:
    """A line of its progress, its last words, its head, or a table with its columns."""
    words = ("=> the best outcomes were", "| best:", "The best outcome was")
    if "TFLOPS" in text and any(word in text for word in words):
        return True
    return ("** Dtype:" in text and "** Critical software versions" in text) or _table_head(text) > 0


def read(text: str) -> Imported:
    """Every shape, the best of them, and every line of a table. Raises ``DataError`` when there is none."""
    if place := _table_head(text):
        return _table(text, place)
    log = Log()
    for place, line in numbered(text.replace("\x1b[K", "\n") if "\x1b" in text else text):
        _line(log, place, line)
    if log.last and not log.finished:
        log.rows += list(_best_so_far(log, *log.last))
    if not log.rows:
        raise DataError("It ends before the first shape was measured.", REMEDY)
    problems = [] if log.finished else ["It ends before its last words: the best of the shapes is the best so far."]
    problems += [] if log.dtype else ["It does not name the element type."]
    devices = (log.device,) if log.device else ()
    return Imported(TOOL, tuple(log.rows), log.facts.pop("version", ""), "", devices, log.facts, tuple(problems))


FORMATS = (Format("mamf", "what mamf-finder prints, or its published table", tells, read),)


def _line(log: Log, place: int, line: str) -> None:
    """One line of the output: progress, last words, or the head (of which no path, host name or command is kept)."""
    if begun := PROGRESS.match(line):
        own, _, _ = line[begun.end() :].partition("| best:")
        log.rows += list(_shape(log, place, own, "shape"))
        log.last, log.finished = (place, line), False
    elif found := FINAL.match(line.strip()):
        log.finished = True
        log.rows += list(_values(log, place, [(found[2], found[1])], line, "best of all shapes"))
    elif found := LATER.match(line.strip()):
        log.finished = True
        log.rows += list(_later(log, place, found, line))
    elif "The best outcome was" in line and "TFLOPS @" in line:
        log.finished = True
        log.rows += list(_shape(log, place, line, "best of all shapes"))
    elif found := OVERALL.match(line.strip()):
        statistic = found[1].replace("geomean", "geometric mean")
        meaning = f"{statistic} of the means of all shapes tried; it depends on the shapes, no headline"
        params = _dtype(log) | {"statistic": statistic, "scope": "all shapes"}
        log.rows.append(measured(MATMUL, TFLOPS, found[2], meaning, params=params, line=place))
    elif line.lstrip().startswith("** Dtype:"):
        log.dtype = name(line.partition(":")[2]).removeprefix("torch.")[:30]
    elif device := DEVICE.search(line):
        log.device = log.device or name(device[1])
    elif "benchmark version:" in line and (version := name(line.partition("version:")[2])).isalnum():
        log.facts["version"] = version
    elif line.lstrip("- ").startswith(("torch=", "cuda=", "hip=", "xpu=", "mps=")):
        log.facts |= {found[1]: found[2] for found in VERSION.finditer(line)}


def _shape(log: Log, place: int, line: str, scope: str) -> Iterator[Row]:
    """The values before the ``@`` of a line, of the shape behind it."""
    values = [(found[1], found[2] or "mean") for found in VALUE.finditer(line.partition("@")[0])]
    yield from _values(log, place, values, line, scope)


def _values(log: Log, place: int, values: list[tuple[str, str]], line: str, scope: str) -> Iterator[Row]:
    shape = SHAPE.search(line)
    params: dict[str, Scalar] = _dtype(log)
    params |= _dimensions(shape[1], shape[2], shape[3], shape[4] or "") if shape else {}
    for printed, statistic in values:
        meaning = f"matrix product, {MEANING[statistic]}, {scope}"
        here = params | {"statistic": statistic, "scope": scope}
        yield measured(
            MATMUL, TFLOPS, printed, meaning, params=here, line=place, failed="" if shape else "It has no shape."
        )


def _later(log: Log, place: int, found: re.Match[str], line: str) -> Iterator[Row]:
    """What later versions call the achievable (MAMF) and the sustainable (MSMF) best, in their own words."""
    shape = SHAPE.search(line)
    params = _dtype(log) | {"statistic": found[1].lower(), "scope": "best of all shapes"}
    params |= _dimensions(shape[1], shape[2], shape[3], shape[4] or "") if shape else {}
    said = f"matrix product, {found[1]}: {' '.join(found[2].split())}"
    yield measured(
        MATMUL, TFLOPS, found[3], said, params=params, line=place, failed="" if shape else "It has no shape."
    )


def _best_so_far(log: Log, place: int, line: str) -> Iterator[Row]:
    """The best that the last line of the progress names: the run was cut, so it is not the best of all."""
    best = line.partition("| best:")[2]
    shape = SHAPE.search(best)
    params = _dtype(log) | (_dimensions(shape[1], shape[2], shape[3], shape[4] or "") if shape else {})
    for found in VALUE.finditer(best.partition("@")[0]):
        statistic = found[2] or "mean"
        here = params | {"statistic": statistic, "scope": "best so far"}
        meaning = f"matrix product, best {statistic} of the shapes so far: the run was cut"
        yield measured(MATMUL, TFLOPS, found[1], meaning, params=here, line=place)


def _dtype(log: Log) -> dict[str, Scalar]:
    return {"dtype": log.dtype} if log.dtype else {}


def _dimensions(first: str, second: str, third: str, order: str) -> dict[str, Scalar]:
    """m, n and k; until January 2025 shapes were printed as ``(MxKxN)`` in places."""
    if order == "MxKxN":
        second, third = third, second
    return {"m": int(first), "n": int(second), "k": int(third)}


def _table_head(text: str) -> int:
    """The line of the table's head; 0 when there is none."""
    if "MAMF" not in text or "Best Shape" not in text:
        return 0
    heads = (place for place, line in numbered(text) if {"MAMF", "Accelerator"} <= set(_columns(line)))
    return next(heads, 0)


def _columns(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")] if "|" in line else []


def _table(text: str, first: int) -> Imported:
    """The tables in the text: an accelerator a line. What is above a table may name its element type."""
    rows: list[Row] = []
    head: list[str] = []
    dtype, problems = "", []
    for place, line in numbered(text):
        cells = _columns(line)
        if {"MAMF", "Accelerator"} <= set(cells):
            head = cells
            if not dtype:
                problems.append(f"What is above the table in line {place} does not name its element type.")
        elif head and len(cells) >= 2 and not set("".join(cells)) <= set(":-"):
            whole = cells if len(cells) >= len(head) else cells[:-1]  # what is cut may be a number
            found = list(_accelerator(dict(zip(head, whole, strict=False)), dtype, place))
            rows += found
            if found and whole is not cells:
                problems.append(f"Line {place} has {len(cells)} of {len(head)} columns: it is cut.")
        elif not cells and line.strip():
            head, words = [], re.split(r"[^A-Z0-9]+", line.upper())
            dtype = next((DTYPES[word] for word in words if word in DTYPES), dtype)
    if not rows:
        raise DataError(f"The table in line {first} has no line with a result.", REMEDY)
    devices = tuple(dict.fromkeys(str(row.params["accelerator"]) for row in rows if row.status is Status.OK))
    return Imported(TOOL, tuple(rows), "", "", devices, {}, tuple(dict.fromkeys(problems)))


def _accelerator(cells: Mapping[str, str], dtype: str, place: int) -> Iterator[Row]:
    """MAMF, and its share of the theoretical peak, of one accelerator. What a cell leaves empty was not measured."""
    accelerator, printed = name(cells.get("Accelerator", "")), cells.get("MAMF", "")
    if not accelerator:
        return
    params: dict[str, Scalar] = {"accelerator": accelerator}
    params |= {"dtype": dtype} if dtype else {}
    best = next((value for key, value in cells.items() if key.startswith("Best Shape")), "")
    if shape := PRODUCT.fullmatch(best):
        order = "MxKxN" if "MxKxN" in "".join(cells) else ""
        params |= _dimensions(shape[1], shape[2], shape[3], order)
    for key, kept in (("torch version", "torch"), ("Notes", "notes")):
        params |= {kept: name(cells[key])} if cells.get(key) else {}
    theory = cells.get("Theory", "")
    peak = f" against a theoretical {theory} TFLOPS" if integer(theory) or number(theory) else ""
    meaning = "matrix product, the best of the shapes tried, as published (MAMF)"
    if not printed:
        reason = "The table leaves it empty: not measured."
        yield Row(PUBLISHED, Metric.FLOPS, None, "", meaning, params, 1, Status.SKIPPED, reason, place)
        return
    yield measured(PUBLISHED, TFLOPS, printed, meaning + peak, params=params, line=place)
    if efficiency := cells.get("Efficiency", "").removesuffix("%").strip():
        share = "MAMF over the theoretical peak (Efficiency)"
        here = params | {"statistic": "efficiency"}
        yield measured(PUBLISHED, PERCENT, efficiency, share + peak, params=here, line=place)
