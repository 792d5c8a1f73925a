"""The fault matrix as tests: each carries the number of its row, and the end says which rows ran and passed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.faults.table import ROWS

HERE = Path(__file__).parent
OWN_TESTS = "test_matrix.py"
"""Tests of the matrix and its harness themselves: they belong to no row."""


@dataclass
class Matrix:
    """What became of each row. ``whole``: every file of this folder was collected."""

    whole: bool = False
    passed: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    problems: defaultdict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    collected: set[int] = field(default_factory=set)

    def ran(self) -> list[int]:
        """Rows of which every chosen test ran and passed."""
        return [number for number in ROWS if self.passed[number] and not self.problems[number]]

    def lines(self) -> list[str]:
        """The last line of a test run, and each row that is missing from it with the reason."""
        ran = self.ran()
        lines = [f"fault matrix: {len(ran)} of {len(ROWS)} rows ran and passed"]
        for number, row in ROWS.items():
            if number in self.collected and number not in ran:
                why = "; ".join(dict.fromkeys(self.problems[number])) or "not chosen"
                lines.append(f"  {number}. {row.fault}: {why}")
            elif number not in self.collected and self.whole:
                lines.append(f"  {number}. {row.fault}: no test")
        return lines


MATRIX = pytest.StashKey[Matrix]()


def rows(item: pytest.Item) -> list[int]:
    """The rows that a test belongs to."""
    return [number for mark in item.iter_markers("fault") for number in mark.args]


def unmarked(items: Iterable[pytest.Item]) -> list[str]:
    """Tests in this folder that belong to no row of the table."""
    return [item.nodeid for item in items if not rows(item) or not set(rows(item)) <= set(ROWS)]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Refuse a test that belongs to no row; note which rows have one."""
    own = [item for item in items if item.path.is_relative_to(HERE)]
    if wrong := unmarked(item for item in own if item.path.name != OWN_TESTS):
        raise pytest.UsageError(f"without a row of the fault matrix (@pytest.mark.fault(N)): {', '.join(wrong)}")
    matrix = config.stash.setdefault(MATRIX, Matrix())
    matrix.collected = {number for item in own for number in rows(item)}
    partial = any("::" in argument for argument in config.args)
    matrix.whole = not partial and {item.path for item in own} >= set(HERE.glob("test_*.py"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note how each test of a row ended."""
    report = yield
    matrix = item.config.stash[MATRIX]
    for number in rows(item):
        if report.failed:
            matrix.problems[number].append(f"failed ({item.name}, {report.when})")
        elif report.skipped:
            matrix.problems[number].append(f"skipped: {_reason(report)}")
        elif report.when == "call":
            matrix.passed[number] += 1
    return report


def _reason(report: pytest.TestReport) -> str:
    told = report.longrepr[2] if isinstance(report.longrepr, tuple) else getattr(report, "wasxfail", "")
    return str(told).removeprefix("Skipped: ") or "no reason given"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The last word, also with ``-q``."""
    matrix = config.stash.get(MATRIX, None)
    if matrix is not None and matrix.collected:
        for line in matrix.lines():
            terminalreporter.write_line(line)
