"""The scan: what is in the folder is found, what is broken is a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchsuite import discovery
from benchsuite.errors import UsageError

COPY = "from benchsuite.benchmarks.memory import BENCHMARK as M\nfrom dataclasses import replace\n"

pytestmark = pytest.mark.usefixtures("fresh_discovery")


def scan(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    (folder / "mine.py").write_text(text)
    monkeypatch.setenv(discovery.EXTRA, str(folder))
    return set(discovery.discover())


def test_the_shipped_benchmarks_are_found_in_name_order() -> None:
    names = list(discovery.discover())
    assert names == sorted(names)
    assert {"allreduce", "attention", "decode", "fma", "gemm", "latency", "memory"} <= set(names)


def test_a_file_elsewhere_adds_one_or_several(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = COPY + "BENCHMARKS = (replace(M, name='one'), replace(M, name='two'))\n"
    assert {"one", "two", "memory"} <= scan(tmp_path, text, monkeypatch)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (COPY + "BENCHMARK = M\n", "Two files declare the benchmark 'memory'"),
        ("import nothing_of_that_name\n", "cannot be imported: ModuleNotFoundError"),
        ("BENCHMARK = (\n", "cannot be imported: SyntaxError"),
    ],
)
def test_a_broken_file_is_a_sentence(text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=said):
        scan(tmp_path, text, monkeypatch)


def test_a_folder_that_is_not_there_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(discovery.EXTRA, str(tmp_path / "none"))
    with pytest.raises(UsageError, match="not a folder"):
        discovery.discover()
