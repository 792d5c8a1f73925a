"""Names become exhibits: runs, publications and folders of them, each with its label and who vouches for it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchsuite import exhibits, keys, provenance, publication, store
from benchsuite.errors import DataError, UsageError
from benchsuite.keys import Role
from benchsuite.model import Level, Machine, Publication
from tests import public_data
from tests.exhibit_data import exhibit, runs, score


def written(path: Path, label: str = "A") -> Publication:
    """A publication's file."""
    made = exhibit(label, score(runs(1e12, 0.01, 1))).publication
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(publication.encode(made))
    return made


def run_directory(folder: Path, name: str = "quick") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return public_data.measured(folder, suite=name).path


def ids(names: list[str | Path], out: Path) -> list[str]:
    return [one.publication.id for one in exhibits.gather([str(name) for name in names], out)]


def test_a_run_is_named_by_id_by_its_beginning_by_path_or_as_the_latest(tmp_path: Path) -> None:
    path = run_directory(tmp_path)
    for name in (path.name, path.name[:12], str(path), "latest"):
        found = exhibits.gather([name], tmp_path)
        assert [one.publication.id for one in found] == [path.name]
        assert found[0].level is Level.SELF_REPORTED
    assert found[0].publication.results


def test_an_unknown_name_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no run 'nobody'"):
        exhibits.gather(["nobody"], tmp_path)


def test_files_and_runs_stay_in_the_order_of_their_names(tmp_path: Path) -> None:
    run = run_directory(tmp_path / "runs")
    made = written(tmp_path / "a.json")
    assert ids([tmp_path / "a.json", run, tmp_path / "a.json"], tmp_path) == [made.id, run.name, made.id]


def test_labels_are_unique(tmp_path: Path) -> None:
    written(tmp_path / "a.json")
    found = exhibits.gather([str(tmp_path / "a.json")] * 3, tmp_path)
    assert len({one.label for one in found}) == 3


def test_a_label_that_looks_like_a_number_of_another_stays_unique() -> None:
    names = ["Card", "Card #1", "Card", "Card #1", "Card #2", "Card"]
    made = [replace(exhibit("A", score([1.0])).publication, machine=Machine("m", name)) for name in names]
    labels = [one.label for one in publication.exhibits(made)]
    assert len(set(labels)) == len(names)
    assert labels[4] == "Card #2"


def test_a_folder_is_looked_through_in_the_order_of_its_paths(tmp_path: Path) -> None:
    root = tmp_path / "results"
    for path, label in (("b.json", "BB"), ("a.json", "A"), ("sub/z.json", "ZZZ")):
        written(root / path, label)
    run = run_directory(root / "runs")
    assert ids([root], tmp_path) == ["20260101-a", "20260102-bb", run.name, "20260103-zzz"]
    assert exhibits.gather([str(root)], tmp_path) == exhibits.gather([str(root)], tmp_path)


def test_the_order_does_not_depend_on_the_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path, label in (("a.json", "A"), ("b.json", "BB"), ("c/z.json", "ZZZ"), ("d/z.json", "YYYY")):
        written(tmp_path / path, label)
    walk = os.walk

    def backwards(folder: Path, **options: Any) -> Iterator[tuple[str, list[str], list[str]]]:
        for place, folders, files in walk(folder, **options):
            folders.reverse()
            yield place, folders, files[::-1]

    usual = ids([tmp_path], tmp_path)
    monkeypatch.setattr(os, "walk", backwards)
    assert ids([tmp_path], tmp_path) == usual == ["20260101-a", "20260102-bb", "20260103-zzz", "20260104-yyyy"]


def test_what_lies_in_a_run_directory_or_beside_a_file_is_no_publication(tmp_path: Path) -> None:
    run = run_directory(tmp_path)
    (run / "attempts" / "job.json").write_text("{}")
    (tmp_path / "public").mkdir()
    public_data.published(tmp_path / "public")
    (tmp_path / "public" / "x.json.dsse.json").write_text("{}")
    assert len(ids([tmp_path], tmp_path)) == 3  # the run, the run that was published, and its publication


@pytest.mark.parametrize("tells", ["burn.jsonl", "scan.jsonl"])
def test_what_a_burn_in_or_a_scan_left_beside_runs_is_passed_over(tmp_path: Path, tells: str) -> None:
    run_directory(tmp_path)
    left = tmp_path / "20260101-burn" / "host"
    left.mkdir(parents=True)
    (left / "job.json").write_text("{}")
    with pytest.raises(DataError):
        ids([tmp_path], tmp_path)
    (left.parent / tells).write_text("")
    assert len(ids([tmp_path], tmp_path)) == 1


def test_a_run_without_its_campaign_is_named_not_searched(tmp_path: Path) -> None:
    run = run_directory(tmp_path)
    (run / "campaign.json").unlink()
    with pytest.raises(DataError, match=r"lost its campaign\.json"):
        exhibits.gather([str(tmp_path)], tmp_path)


def test_a_folder_without_anything_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(UsageError, match="holds no run"):
        exhibits.gather([str(tmp_path)], tmp_path)


def test_a_folder_with_too_much_or_too_deep_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "abc":
        written(tmp_path / "many" / f"{name}.json")
    monkeypatch.setattr(exhibits, "MOST", 2)
    with pytest.raises(UsageError, match="more than 2"):
        exhibits.gather([str(tmp_path / "many")], tmp_path)
    monkeypatch.setattr(exhibits, "DEEPEST", 1)
    written(tmp_path / "deep" / "one" / "a.json")
    written(tmp_path / "deep" / "one" / "two" / "b.json")
    assert len(ids([tmp_path / "deep"], tmp_path)) == 1


def test_a_link_to_a_folder_is_not_followed(tmp_path: Path) -> None:
    written(tmp_path / "elsewhere" / "a.json")
    written(tmp_path / "here" / "b.json", "BB")
    (tmp_path / "here" / "loop").symlink_to(tmp_path / "here")
    (tmp_path / "here" / "away").symlink_to(tmp_path / "elsewhere")
    assert ids([tmp_path / "here"], tmp_path) == ["20260102-bb"]


@pytest.mark.parametrize("text", ["{}", "[", '{"schema": 99}'])
def test_a_file_in_a_folder_that_is_no_publication_is_named(tmp_path: Path, text: str) -> None:
    written(tmp_path / "a.json")
    (tmp_path / "bad.json").write_text(text)
    with pytest.raises(DataError, match=r"bad\.json"):
        exhibits.gather([str(tmp_path)], tmp_path)


def test_a_damaged_run_is_shown_with_its_problem_but_refused_for_a_comparison(tmp_path: Path) -> None:
    path = run_directory(tmp_path)
    records = path / store.RECORDS
    lines = records.read_bytes().splitlines(keepends=True)
    records.write_bytes(lines[0].replace(b'"run":0', b'"run":1') + b"".join(lines[1:]))
    found = exhibits.gather([str(path)], tmp_path)
    assert found[0].problems
    with pytest.raises(DataError) as refused:
        exhibits.gather([str(path)], tmp_path, whole=True)
    assert refused.value.message == found[0].problems[0]
    assert "not compared" in str(refused.value)


def test_a_run_whose_last_line_was_torn_is_still_compared(tmp_path: Path) -> None:
    path = run_directory(tmp_path)
    with (path / store.RECORDS).open("ab") as stream:
        stream.write(b'{"torn')
    assert exhibits.gather([str(path)], tmp_path, whole=True)[0].problems


# -- who vouches for it -----------------------------------------------------------------------


def signed(folder: Path) -> tuple[Path, Path]:
    """A signed publication, and the public key."""
    path, _ = public_data.published(folder)
    private, public, _ = keys.new(folder / "keys")
    envelope = provenance.sign(path, keys.private(private), Role.PROVIDER)
    path.with_name(path.name + provenance.SUFFIX).write_bytes(envelope)
    return path, public


def test_a_signature_by_a_trusted_key_gives_level_and_signer(tmp_path: Path) -> None:
    path, public = signed(tmp_path)
    found = exhibits.gather([str(path)], tmp_path, trust=keys.trust([public]))[0]
    assert found.level is Level.SIGNED
    assert found.signer
    assert exhibits.gather([str(path)], tmp_path)[0].level is Level.SELF_REPORTED


def test_what_is_not_what_was_signed_is_shown_with_its_problem_and_not_compared(tmp_path: Path) -> None:
    path, public = signed(tmp_path)
    path.write_bytes(path.read_bytes().replace(b'"suite":"quick"', b'"suite":"full"'))
    trust = keys.trust([public])
    found = exhibits.gather([str(path)], tmp_path, trust=trust)[0]
    assert found.level is Level.SELF_REPORTED
    assert found.problems
    with pytest.raises(DataError, match="not compared"):
        exhibits.gather([str(path)], tmp_path, whole=True, trust=trust)
