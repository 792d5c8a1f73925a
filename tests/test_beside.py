"""Tests that are run beside the others are the same tests: passed, failed, skipped or missing, it is said."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import beside
from tests.beside import Beside

ROOT = Path(__file__).parents[1]
FILE = """
import pytest

def test_passes(): pass
def test_fails(): assert 1 == 2
def test_skips(): pytest.skip("there is no GPU")
@pytest.fixture
def broken(): raise RuntimeError("a fixture broke")
def test_errs(broken): pass
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beside]:
    """Four tests run beside, as the whole suite does it."""
    root = tmp_path_factory.mktemp("root")
    (root / "tests").mkdir()
    (root / "tests" / "test_four.py").write_text(FILE)
    (root / "pytest.ini").write_text("[pytest]\n")
    folder = tmp_path_factory.mktemp("beside")
    running = beside.begin(root, folder, ("tests/test_four.py",))
    yield running
    running.end()


def test_one_that_passed_passes(ran: Beside) -> None:
    ran("tests/test_four.py::test_passes")


@pytest.mark.parametrize(
    ("name", "why"), [("fails", "assert 1 == 2"), ("errs", "a fixture broke"), ("gone", "not run")]
)
def test_one_that_failed_or_is_missing_fails(ran: Beside, name: str, why: str) -> None:
    with pytest.raises(pytest.fail.Exception, match=why):
        ran(f"tests/test_four.py::test_{name}")


def test_one_that_was_skipped_is_skipped_with_its_reason(ran: Beside) -> None:
    with pytest.raises(pytest.skip.Exception, match="there is no GPU"):
        ran("tests/test_four.py::test_skips")


def test_they_come_last_and_the_others_keep_their_order(ran: Beside, request: pytest.FixtureRequest) -> None:
    items = [item for item in request.session.items if item.path == request.path]
    order = [item.nodeid for item in items]
    first = items[0]
    kept = first.obj  # type: ignore[attr-defined]
    beside.take_over(ran, items, (first.nodeid,))
    assert [item.nodeid for item in items] == [*order[1:], order[0]]
    assert first.obj is not kept  # type: ignore[attr-defined]
    first.obj = kept  # type: ignore[attr-defined]


def test_those_chosen_are_there() -> None:
    """A renamed test would be run twice, and slowly."""
    for node in beside.CHOSEN:
        path, _, name = node.partition("::")
        assert f"def {name}(" in (ROOT / path).read_text()
