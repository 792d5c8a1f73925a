"""A whole run on two cores: a second process runs some files, and this one reports them as if it had run them itself.

Both go through the files of ``SHARED``: the second process from the front at once, the first from the back when it has
run all others. Each claims a file before its first test, so that none is run twice and both are done at about the same
time. The files of ``QUIET`` come last, when the second process has ended.

The first process alone reports: of a test that the second ran, pytest's own reports, which the second writes down as
JSON. A test whose reports do not come has failed. Nothing is shared but the claims and these reports. Only a whole run
has a second process (``whole``); a file that is named nowhere here is run by the first.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

SHARED = (
    # whole commands one after another, on the scripted clock or as small as can be
    "tests/test_docs.py",
    # right or wrong, not how fast
    "tests/conformance/test_*.py",
    "tests/test_host_*.py",
    "tests/test_benchmarks_*.py",
    # one Chromium for all of them
    "tests/browser/test_*.py",
    "tests/test_published_results.py",
    "tests/scale/test_*.py",
    # arithmetic
    "tests/simulation/test_*.py",
    "tests/hostile/test_*.py",
    # compilers
    "tests/test_kernels.py",
    "tests/test_gate.py",
    "tests/test_cuda_[a-q]*.py",
    "tests/test_cuda_ring.py",
    "tests/test_cuda_runtime.py",
    "tests/test_tuning.py",
    "tests/test_cuda_simulator.py",
    "tests/test_cuda_t*.py",
    "tests/test_cuda_wgmma.py",
    # campaigns on the scripted clock; what they wait for has deadlines of 20 s and more
    "tests/test_cli.py",
    "tests/faults/test_disk.py",
    "tests/faults/test_files.py",
    "tests/faults/test_resuming.py",
    "tests/faults/test_results.py",
    # texts in, texts out
    "tests/test_render_*.py",
    "tests/test_predict_*.py",
    "tests/test_advise_command.py",
    "tests/test_cli_*.py",
    "tests/test_launchers_[a-gi-z]*.py",
    "tests/test_publication.py",
    "tests/test_provenance.py",
    "tests/test_normal*.py",
    "tests/test_compare_many.py",
    "tests/test_ranking.py",
    "tests/test_localise_*.py",
    "tests/test_statistics*.py",
    "tests/test_accept_[!dfi]*.py",
    "tests/test_burn_co[mu]*.py",
    "tests/test_layering.py",
    "tests/test_imports_*.py",
    "tests/test_catalog_*.py",
)
"""Patterns of files, those that take long first: they need no quiet machine, judge nothing by a clock, and disturb
others by the use of one core only."""
QUIET = (
    "tests/test_measure*.py",
    "tests/perf/test_overhead.py",
    "tests/faults/test_ranks.py",
    "tests/faults/test_acceptance.py",
    "tests/faults/test_planted.py",
)
"""Patterns of files whose tests judge by times that they measure, or plant a fault that a busy core hides."""
NICE = 10
"""Whatever the first process does goes before the second."""
PATIENCE = 600.0
"""Seconds in which a second process that does not report a test is taken to hang."""
REPORTS = "reports.jsonl"


def whole(config: pytest.Config) -> bool:
    """Whether all tests are to be run, and there is a core for a second process."""
    some = any(config.getoption(name, None) for name in ("keyword", "lf", "failedfirst", "usepdb", "collectonly"))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return config.args == config.getini("testpaths") and not some and cores > 1


def files(root: Path, patterns: Iterable[str]) -> list[str]:
    """The files of these patterns in their order, as pytest calls them."""
    found = [path.relative_to(root).as_posix() for pattern in patterns for path in sorted(root.glob(pattern))]
    return list(dict.fromkeys(found))


@dataclass
class Claims:
    """Which files are for this process: the first that asks gets a file."""

    folder: Path
    mine: dict[str, bool] = field(default_factory=dict)

    def __call__(self, item: pytest.Item) -> bool:
        """Whether the file of this test is."""
        file = _file(item)
        if file not in self.mine:
            try:
                (self.folder / file.replace("/", ":")).mkdir()
                self.mine[file] = True
            except FileExistsError:
                self.mine[file] = False
        return self.mine[file]


class Second:
    """Plugin of the second process: it stops where the first has begun, and writes every report down."""

    def __init__(self, folder: Path) -> None:
        self._claims, self._parent = Claims(folder / "claims"), os.getppid()
        self._reports = open(folder / REPORTS, "w")  # noqa: SIM115  as long as the process

    def pytest_configure(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_unconfigure(self) -> None:
        self._reports.close()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> bool | None:
        if os.getppid() == self._parent and self._claims(item):
            return None
        item.session.shouldstop = "the first process has the rest"
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._write(self._config.hook.pytest_report_to_serializable(config=self._config, report=report))

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self._write({"finished": nodeid})

    def _write(self, what: Mapping[str, Any]) -> None:
        self._reports.write(json.dumps(what) + "\n")
        self._reports.flush()


class Beside:
    """The second process, seen from the first, and what it has written down so far."""

    def __init__(self, root: Path, chosen: Sequence[str]) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="beside-"))
        (self.folder / "claims").mkdir()
        (self.folder / REPORTS).touch()
        self._stream = open(self.folder / REPORTS)  # noqa: SIM115  closed by ``end``
        self._part = ""
        self._told: dict[str, list[dict[str, Any]]] = {}
        self._finished: set[str] = set()
        environment = {name: value for name, value in os.environ.items() if name != "BENCHSUITE_LOCKS"}
        with open(self.folder / "output.txt", "wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.beside", str(self.folder), *chosen],
                cwd=root,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def reports(self, node: str) -> list[dict[str, Any]] | None:
        """What was reported of a test, when it is finished; ``None`` when that will not come."""
        deadline = time.monotonic() + PATIENCE
        while True:
            ended = self._process.poll() is not None
            self._read()
            if node in self._finished:
                return self._told[node]
            if ended:
                return None
            if time.monotonic() > deadline:
                self._kill()
            time.sleep(0.02)

    def wait(self) -> None:
        """Until it has ended."""
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._kill()

    def said(self) -> str:
        """The end of what it wrote."""
        return (self.folder / "output.txt").read_text(errors="replace")[-4000:]

    def end(self) -> None:
        """Leave no process and no file behind."""
        self._kill()
        self._stream.close()
        shutil.rmtree(self.folder)

    def _read(self) -> None:
        *lines, self._part = (self._part + self._stream.read()).split("\n")
        for told in map(json.loads, lines):
            if "finished" in told:
                self._finished.add(told["finished"])
            else:
                self._told.setdefault(told["nodeid"], []).append(told)

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


class First:
    """Plugin of the run itself: begins the second process, and replays what that reports."""

    def __init__(self, root: Path, shared: Sequence[str] = SHARED, quiet: Sequence[str] = QUIET) -> None:
        self._root = root
        self._quiet = files(root, quiet)
        self._shared = [file for file in files(root, shared) if file not in self._quiet]
        self._waited, self._replayed = 0.0, 0

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        self._beside = Beside(self._root, ("-q", "-m", session.config.option.markexpr, *self._shared))
        self._claims = Claims(self._beside.folder / "claims")

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        turn = {file: (1, -place) for place, file in enumerate(self._shared)} | dict.fromkeys(self._quiet, (2, 0))
        items.sort(key=lambda item: turn.get(_file(item), (0, 0)))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
        began = time.monotonic()
        if _file(item) in self._quiet:
            self._beside.wait()
        elif _file(item) in self._shared and not self._claims(item):
            self._replay(item)
            item.session._setupstate.teardown_exact(nextitem)  # what only the test before it and this one share
            self._replayed += 1
            self._waited += time.monotonic() - began
            return True
        return None

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        line = f"{self._replayed} tests were run by a second process; the first waited {self._waited:.0f} s for it"
        terminalreporter.write_line(line)

    def pytest_sessionfinish(self) -> None:
        self._beside.end()

    def _replay(self, item: pytest.Item) -> None:
        hook = item.ihook
        hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for report in self._reports(item):
            hook.pytest_runtest_logreport(report=report)
        hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)

    def _reports(self, item: pytest.Item) -> Iterator[pytest.TestReport]:
        told = self._beside.reports(item.nodeid)
        if told is None:
            why = f"the second process did not report it; it ended with:\n{self._beside.said()}"
            yield pytest.TestReport(item.nodeid, item.location, {}, "failed", why, "call")
        for one in told or ():
            if isinstance(one["longrepr"], list):  # where and why it was skipped: JSON knows no tuples
                one["longrepr"] = tuple(one["longrepr"])
            yield item.config.hook.pytest_report_from_serializable(config=item.config, data=one)


def _file(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]


if __name__ == "__main__":
    os.nice(NICE)
    sys.exit(pytest.main(["-p", "no:cacheprovider", *sys.argv[2:]], plugins=[Second(Path(sys.argv[1]))]))
