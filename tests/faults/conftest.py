"""The fault matrix as tests: each carries the number of its row, and the end says which rows ran and passed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.faults.table import ROWS

HERE = Path(__file__).parent
OWN_TESTS = "test_matrix.py"
"""Tests of the matrix and its harness themselves: they belong to no row."""


class Matrix:
    """Plugin that notes what became of each row, whichever process ran its tests, and says it at the end.

    of: the rows of each test that was collected. whole: every file of this folder was.
    """

    def __init__(self, of: dict[str, list[int]], whole: bool) -> None:
        self._of, self._whole = of, whole
        self._collected = {number for numbers in of.values() for number in numbers}
        self._passed: set[int] = set()
        self._problems: defaultdict[int, list[str]] = defaultdict(list)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note how a test of a row ended."""
        for number in self._of.get(report.nodeid, ()):
            if report.failed:
                name = report.nodeid.partition("::")[2]
                self._problems[number].append(f"failed ({name}, {report.when})")
            elif report.skipped:
                self._problems[number].append(f"skipped: {_reason(report)}")
            elif report.when == "call":
                self._passed.add(number)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """The last word, also with ``-q``."""
        if self._collected:
            for line in self.lines():
                terminalreporter.write_line(line)

    def ran(self) -> list[int]:
        """Rows of which every chosen test ran and passed."""
        return [number for number in ROWS if number in self._passed and not self._problems[number]]

    def lines(self) -> list[str]:
        """How many ran, and each row that is missing from them with the reason."""
        ran = self.ran()
        lines = [f"fault matrix: {len(ran)} of {len(ROWS)} rows ran and passed"]
        for number, row in ROWS.items():
            if number in self._collected and number not in ran:
                why = "; ".join(dict.fromkeys(self._problems[number])) or "not chosen"
                lines.append(f"  {number}. {row.fault}: {why}")
            elif number not in self._collected and self._whole:
                lines.append(f"  {number}. {row.fault}: no test")
        return lines


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
    partial = any("::" in argument for argument in config.args)
    whole = not partial and {item.path for item in own} >= set(HERE.glob("test_*.py"))
    config.pluginmanager.register(Matrix({item.nodeid: rows(item) for item in own}, whole))


def _reason(report: pytest.TestReport) -> str:
    told = report.longrepr[2] if isinstance(report.longrepr, tuple) else getattr(report, "wasxfail", "")
    return str(told).removeprefix("Skipped: ") or "no reason given"
