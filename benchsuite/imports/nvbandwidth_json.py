"""The document of ``nvbandwidth -j``. Errors may stand before it, in it, or cut it; an error prints it twice."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from benchsuite.errors import DataError
from benchsuite.imports.base import Imported, Row
from benchsuite.imports.fragments import rows, table, whole
from benchsuite.imports.lines import missing, name, numbered, rejected
from benchsuite.imports.nvbandwidth_matrix import NO_MATRIX, TOOL, Matrix, metric, rows_of, suspects, trouble
from benchsuite.model import Status

REMEDY = "Let nvbandwidth run to its end; it prints its document last."
WAIVED, PASSED, RUNNING = "Waived", "Passed", "Running"
DEVICE = re.compile(r"\d{1,4}: (.{1,200}?)(?: \([0-9A-Fa-f:.]{6,20}\))?(?:: \(.*)?")
NAME = re.compile(r'"name"\s?:\s?"([a-z0-9_]{3,80})"')
VERSION = re.compile(r"v?[0-9][0-9A-Za-z.+-]{0,30}(?: \([0-9]{1,9}\))?")


def tells(text: str) -> bool:
    """The document's outermost key, wherever it begins."""
    return (
        '"nvbandwidth"' in text and "{" in text and ('"testcases"' in text or '"error"' in text or '"version"' in text)
    )


def read(text: str) -> Imported:
    """Every cell of every matrix, and every test without one. Raises ``DataError`` when there is no test in it."""
    document, problems = _document(text)
    wrong = ""
    for words in _outside(text, document):
        if found := trouble(words):
            problems.append(found[1])
            wrong = found[1] if found[0] is Status.REJECTED else wrong
    found_rows = [row for one in rows(document.get("testcases")) for row in _test(table(one), problems)]
    if not found_rows and wrong:
        found_rows = [missing(f"{TOOL}/unnamed", metric(""), NO_MATRIX, Status.FAILED, wrong)]
    if not found_rows:
        raise DataError(f"There is no test in it. {problems[0] if problems else ''}".strip(), REMEDY)
    if wrong:
        found_rows = suspects(found_rows, wrong)
    names = [DEVICE.fullmatch(text) for text in rows(document.get("GPU Device list")) if isinstance(text, str)]
    devices = tuple(name(one[1]) for one in names if one)
    facts = {}
    for key, fact in (("CUDA Runtime Version", "CUDA runtime"), ("Driver Version", "driver"), ("bufferSize", "buffer")):
        if VERSION.fullmatch(value := str(document.get(key, ""))):
            facts[fact] = value
    version = str(document.get("version", ""))
    version = version if VERSION.fullmatch(version) else ""
    return Imported(TOOL, tuple(found_rows), version, "", devices, facts, tuple(dict.fromkeys(problems)))


def _document(text: str) -> tuple[dict[str, Any], list[str]]:
    """What is under "nvbandwidth" (of the last document, if there are several), else the tests that are whole."""
    parts = list(whole(text))
    documents = [table(one["nvbandwidth"]) for one in parts if "nvbandwidth" in one]
    if documents:
        whole_ones = sum("testcases" in one for one in documents)
        return documents[-1], [f"It holds {whole_ones} documents: the last is read."] if whole_ones > 1 else []
    if inner := [one for one in parts if "testcases" in one]:
        return inner[-1], ["It is damaged before its first test."]
    tests = [one for one in parts if "name" in one and "status" in one]
    problem = f"It is cut or damaged: {len(tests)} whole tests can be read."
    known = {str(one["name"]) for one in tests}
    lost = [name for name in dict.fromkeys(NAME.findall(text)) if name not in known]
    tests += [{"name": name, "status": "cut or damaged"} for name in lost]
    keys = ("version", "Driver Version", "CUDA Runtime Version")
    places = {key: re.search(rf'"{key}"\s?:\s?"?([0-9A-Za-z.+-]{{1,30}})', text) for key in keys}
    return {"testcases": tests} | {key: one[1] for key, one in places.items() if one}, [problem]


def _outside(text: str, document: dict[str, Any]) -> Iterator[str]:
    """Lines that are no JSON, and the texts of the document's own error and warning."""
    yield from (str(document[key]) for key in ("error", "warning") if key in document)
    yield from (line for _, line in numbered(text) if line.lstrip()[:1] not in {'"', "{", ""})


def _test(test: dict[str, Any], problems: list[str]) -> Iterator[Row]:
    test_name = test.get("name")
    known = isinstance(test_name, str) and re.fullmatch(r"[a-z0-9_]{3,80}", test_name)
    benchmark = f"{TOOL}/{test_name if known else 'unnamed'}"
    status, matrix = str(test.get("status", "")), rows(test.get("bandwidth_matrix"))
    said = trouble(str(test.get("error", ""))) if "error" in test else None
    if status == WAIVED and not matrix:
        yield missing(benchmark, metric(benchmark), NO_MATRIX, Status.SKIPPED, "Waived: this machine cannot run it.")
        return
    lines = [(0, [str(at), *(str(cell) for cell in rows(row))]) for at, row in enumerate(matrix)]
    printed = Matrix(name(str(test.get("bandwidth_description", ""))) or "a matrix without a description", 0)
    printed.columns = [str(at) for at in range(max((len(tokens) - 1 for _, tokens in lines), default=0))]
    printed.sum = name(str(test.get("sum", "")))
    printed.rows = [line for line in lines if len(line[1]) > 1]
    bad = _failure(status, said, bool(printed.rows))
    if not printed.rows:
        yield missing(benchmark, metric(benchmark), NO_MATRIX, bad[0], bad[1])
    else:
        found = list(rows_of(printed, benchmark))
        yield from (rejected(row, bad[1]) for row in found) if bad[1] else found
    if bad[1]:
        problems.append(f"{benchmark.removeprefix(TOOL + '/')}: {bad[1]}")


def _failure(status: str, said: tuple[Status, str] | None, has_matrix: bool) -> tuple[Status, str]:
    """How a test ended: what is wrong with it, and whether that makes it wrong (REJECTED) or failed."""
    if said is not None and said[0] is not Status.OK:
        return said
    if status == PASSED and has_matrix:
        return Status.OK, ""
    if status == PASSED:
        return Status.FAILED, "It is called passed, but there is no matrix."
    words = {RUNNING: "It did not end.", "": "It has no status."}.get(status, f"Its status is {name(status)}.")
    return Status.FAILED, words
