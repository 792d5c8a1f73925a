"""A run with a second process reports what a run without one reports: each test once, as it ended."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests import beside

ROOT = Path(__file__).parents[1]
CONFTEST = """
from tests import beside
SHARED = ("tests/test_long.py", "tests/test_middle.py", "tests/test_short.py")

def pytest_configure(config):
    if beside.whole(config):
        config.pluginmanager.register(beside.First(config.rootpath, SHARED, ("tests/test_calm.py",)))
"""
BEGIN = """
import os, time
from pathlib import Path
import pytest

def told(name):
    Path(name).write_text(str(os.getpid()))

def until(name):
    end = time.monotonic() + 20
    while not Path(name).exists():
        assert time.monotonic() < end, name
        time.sleep(0.01)
"""
OWN = """
def test_own():
    until("long")  # the second process has begun
    told("own")
"""
LONG = """
@pytest.fixture
def broken(): raise RuntimeError("a fixture broke")
@pytest.fixture
def untidy():
    yield
    raise RuntimeError("an end broke")

def test_passes():
    told("long")
    until("short")  # and so it is the first that runs the last file
def test_fails():
    print("printed before")
    assert 1 == 2
def test_skips(): pytest.skip("there is no GPU")
def test_errs(broken): pass
def test_ends_badly(untidy): pass
@pytest.mark.xfail(reason="known")
def test_is_known(): assert False
@pytest.mark.long
def test_takes_minutes(): told("minutes")
"""
MIDDLE = """
def test_middle(): told("middle")
"""
SHORT = """
def test_short(): told("short")
"""
CALM = """
def test_calm():
    told("calm")
    with pytest.raises(ProcessLookupError):
        os.kill(int(Path("long").read_text()), 0)
"""
FILES = {"own": OWN, "long": LONG, "middle": MIDDLE, "short": SHORT, "calm": CALM}
CASES = ["passes", "fails", "skips", "errs", "ends_badly", "is_known"]


@dataclass
class Ran:
    """A whole run that has ended: what it said, and the outcomes of each test in the order of its report."""

    folder: Path
    code: int
    said: str
    outcomes: dict[str, list[str]] = field(default_factory=dict)

    def process(self, name: str) -> int:
        """Which process a test that told it was run by."""
        return int((self.folder / name).read_text())

    def told(self) -> set[str]:
        """The tests that were really run, of those that tell it."""
        return {name for name in (*FILES, "minutes") if (self.folder / name).exists()}


def pytest_in(folder: Path, *words: str, **changed: str) -> Ran:
    """Run pytest on the five files in ``folder``, some of them changed."""
    (folder / "tests").mkdir()
    shutil.copy(beside.__file__, folder / "tests")
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "pytest.ini").write_text("[pytest]\ntestpaths = tests\naddopts = -m 'not long'\nmarkers = long\n")
    for name, text in {**FILES, **changed}.items():
        (folder / "tests" / f"test_{name}.py").write_text(BEGIN + text)
    command = [sys.executable, "-m", "pytest", "-q", "-ra", "-p", "no:cacheprovider", "--junitxml=report.xml", *words]
    environment = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=60)
    ran = Ran(folder, done.returncode, done.stdout + done.stderr)
    for case in ElementTree.parse(folder / "report.xml").iter("testcase"):
        ran.outcomes.setdefault(str(case.get("name")).removeprefix("test_"), []).extend(
            [one.tag for one in case if one.tag != "system-out"] or ["passed"]
        )
    return ran


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("there is no second core")
    return pytest_in(tmp_path_factory.mktemp("whole"))


def test_each_test_is_reported_once_as_it_ended(ran: Ran) -> None:
    assert ran.outcomes == {
        "own": ["passed"],
        "short": ["passed"],
        "middle": ["passed"],
        "passes": ["passed"],
        "fails": ["failure"],
        "skips": ["skipped"],
        "errs": ["error"],
        "ends_badly": ["error"],
        "is_known": ["skipped"],
        "calm": ["passed"],
    }
    assert ran.code == pytest.ExitCode.TESTS_FAILED
    assert "1 failed, 6 passed, 1 skipped, 1 deselected, 1 xfailed, 2 errors" in ran.said


def test_what_a_failure_or_a_skip_says_is_said(ran: Ran) -> None:
    assert "SKIPPED [1] tests/test_long.py" in ran.said
    for words in ("assert 1 == 2", "printed before", "a fixture broke", "an end broke", "there is no GPU"):
        assert words in ran.said


def test_both_processes_run_some_files_and_each_test_is_run_once(ran: Ran) -> None:
    assert ran.told() == set(FILES)
    assert ran.process("own") == ran.process("short") == ran.process("calm") != ran.process("long")


def test_quiet_tests_come_last_with_no_second_process(ran: Ran) -> None:
    assert next(iter(ran.outcomes)) == "own"
    assert list(ran.outcomes)[-1] == "calm"


def test_what_a_dead_process_did_not_report_fails_and_the_rest_is_run(tmp_path: Path, ran: Ran) -> None:
    deadly = LONG.replace("assert 1 == 2", "os._exit(7)")
    died = pytest_in(tmp_path, long=deadly)
    assert died.outcomes["passes"] == ["passed"]
    assert [died.outcomes[name] for name in CASES[1:]] == [["failure"]] * 5
    assert all(died.outcomes[name] == ["passed"] for name in ("own", "short", "middle", "calm"))
    assert "the second process did not report it" in died.said


@pytest.mark.parametrize("words", [("tests/test_short.py",), ("-k", "short")])
def test_a_part_of_the_tests_is_run_by_one_process(tmp_path: Path, words: tuple[str, ...]) -> None:
    ran = pytest_in(tmp_path, *words)
    assert ran.outcomes == {"short": ["passed"]}
    assert ran.told() == {"short"}
    assert "second process" not in ran.said


def test_the_first_failure_can_end_it(tmp_path: Path, ran: Ran) -> None:
    stopped = pytest_in(tmp_path, "-x", own=OWN + "    assert False\n")
    assert list(stopped.outcomes) == ["own"]
    with pytest.raises(ProcessLookupError):
        os.kill(stopped.process("long"), 0)


def test_every_pattern_names_a_file_and_none_is_in_both_lists() -> None:
    """A renamed file would be run by the first process, and slowly."""
    for pattern in (*beside.SHARED, *beside.QUIET):
        assert beside.files(ROOT, [pattern]), pattern
    assert not set(beside.files(ROOT, beside.SHARED)) & set(beside.files(ROOT, beside.QUIET))
