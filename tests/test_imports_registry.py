"""Which formats there are, and that every file is told by one of them or by none."""

from __future__ import annotations

import pkgutil
from pathlib import Path

import pytest

from benchsuite import imports
from benchsuite import publication as public
from benchsuite.errors import DataError, UsageError
from benchsuite.imports import google_benchmark
from benchsuite.imports.base import Format, Imported
from benchsuite.imports.publication import machines, publication
from tests.imported import SAMPLES, read_or_refused, sample

TABLE = 'name,iterations,real_time,cpu_time,time_unit\n"A",5,1,1,ns\n'
FOLDERS = {
    "google-benchmark": ("google-benchmark",),
    "nvbench": ("nvbench",),
    "pytest-benchmark": ("pytest-benchmark",),
    "superbench": ("superbench", ""),
    "nccl-tests": ("nccl-tests", "nccl-tests-json"),
    "nvbandwidth": ("nvbandwidth", "nvbandwidth-json"),
    "mamf-finder": ("mamf",),
    "all_reduce_bench": ("all-reduce-bench",),
    "osu": ("osu", ""),
    "stream": ("stream",),
    "babelstream": ("babelstream",),
    "gpu-burn": ("gpu-burn",),
    "gpu-fryer": ("gpu-fryer", "gpu-fryer-json"),
    "gpu-benches": ("gpu-stream",),
    "asv": ("",),
    "dcgmi-diag": ("",),
    "mixbench": ("",),
    "nvidia-smi": ("",),
}
"""Folder of the samples and the formats of its files; ``""``: none, what is in it is of a tool that is not read."""
FILES = sorted(str(path.relative_to(SAMPLES)) for path in SAMPLES.glob("*/*")) if SAMPLES.is_dir() else []


def names() -> set[str]:
    return {one.name for one in imports.formats()}


def test_formats_have_names_and_titles_of_their_own() -> None:
    assert len(names()) == len(imports.formats()) == len({one.title for one in imports.formats()})
    assert [one.name for one in imports.formats()] == sorted(names())
    assert {"superbench", "pytest-benchmark", "google-benchmark", "nvbench"} <= names()


def test_every_module_with_formats_is_in_the_list() -> None:
    folder = Path(imports.__file__).parent
    with_formats = {
        info.name
        for info in pkgutil.iter_modules([str(folder)])
        if "\nFORMATS" in (folder / f"{info.name}.py").read_text(encoding="utf-8")
    }
    assert with_formats == {module.__name__.rpartition(".")[2] for module in imports.MODULES}


@pytest.mark.parametrize("name", FILES)
def test_a_sample_is_told_by_one_format_or_by_none(name: str) -> None:
    text = sample(name)
    told = [one.name for one in imports.formats() if one.tells(text)]
    assert len(told) <= 1
    assert (told or [""])[0] in FOLDERS[name.split("/", maxsplit=1)[0]]
    if name.startswith("osu/"):
        assert bool(told) == name.endswith(".txt")  # the others are figures that somebody took out of the tables


@pytest.mark.parametrize("name", FILES)
def test_a_sample_is_read_or_refused_with_a_sentence(name: str) -> None:
    read_or_refused(lambda: imports.read(SAMPLES / name))


@pytest.mark.parametrize("name", FILES)
def test_nothing_of_a_sample_is_left_out_when_its_publication_is_read(name: str) -> None:
    found = read_or_refused(lambda: imports.read(SAMPLES / name))
    for part in machines(found) if isinstance(found, Imported) else ():
        made = publication(part, Path(name).name, "ab" * 32)
        vetted = public.vet(public.decode(public.encode(made)))
        assert vetted.problems == ()
        assert vetted.publication == made


def test_text_that_nobody_knows_is_refused_with_what_is_known() -> None:
    with pytest.raises(DataError, match="No known tool") as caught:
        imports.detect("hello")
    assert "superbench" in caught.value.remedy
    with pytest.raises(DataError, match="empty"):
        imports.detect(" \n")


def test_text_that_two_know_needs_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    other = Format("other", "another", lambda text: True, google_benchmark.read)
    monkeypatch.setattr(imports, "formats", lambda: (*google_benchmark.FORMATS, other))
    with pytest.raises(DataError, match="google-benchmark, other") as caught:
        imports.detect(TABLE)
    assert "--format" in caught.value.remedy
    assert len(imports.parse(TABLE, "other").rows) == 2


def test_a_file_is_read_by_what_it_holds_or_by_the_name_given(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text(TABLE)
    assert imports.read(path).tool == "google-benchmark"
    assert imports.read(path, "google-benchmark").tool == "google-benchmark"
    with pytest.raises(UsageError, match="no format 'excel'"):
        imports.read(path, "excel")
    with pytest.raises(DataError):
        imports.read(path, "nvbench")


def test_a_file_without_a_result_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    empty = Format("none", "Nothing", lambda text: True, lambda text: Imported("none", (), problems=("It is cut.",)))
    monkeypatch.setattr(imports, "formats", lambda: (empty,))
    with pytest.raises(DataError, match="no result of Nothing") as caught:
        imports.parse("x")
    assert caught.value.remedy == "It is cut."


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a\x00b", "\u202ename".encode(), b""])
def test_a_file_that_is_no_text_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)
    with pytest.raises(DataError):
        imports.read(path)


def test_a_folder_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(DataError):
            imports.read(path)


def test_what_a_terminal_recorded_is_read_without_what_steered_it(tmp_path: Path) -> None:
    """Colours, cleared lines and window titles; whatever else is hidden is refused."""
    plain, coloured, hidden = (tmp_path / f"{name}.csv" for name in ("plain", "coloured", "hidden"))
    plain.write_text(TABLE)
    coloured.write_bytes(b"\x1b]0;title\x07\x1b[2K\x1b[1;32m" + TABLE.replace('"A"', '\x1b[1m"A"\x1b[0m').encode())
    assert imports.read(coloured) == imports.read(plain)
    hidden.write_text(TABLE.replace("A", "A\u202e"))
    with pytest.raises(DataError, match="hidden character"):
        imports.read(hidden)
