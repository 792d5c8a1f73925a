"""Records and run directories: what was measured is read back, and nothing broken passes for a number."""

from __future__ import annotations

import errno
import json
import math
import os
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchsuite import store
from benchsuite.errors import DataError, MeasureError, UsageError
from benchsuite.model import Benchmark, Case, Failed, Record, Rejected, Samples, Skipped, Status
from benchsuite.record import SCHEMA, from_line, json_schema, to_line
from benchsuite.suite import parse
from tests.builders import plan_of, record
from tests.conftest import toy

CASE = Case.of("toy", n=64, kind="a")
DOCS = Path(__file__).parent.parent / "docs"


def campaign(**changes: object) -> store.Campaign:
    suite = parse('[[bench]]\nselect = ["toy"]\n', "toys", {"toy": toy()})
    made = store.Campaign(
        SCHEMA, "20260102-030405-toys-beef", store.now(), "0", "benchsuite run", "fake", suite, plan_of((CASE, "good"))
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def run_directory(tmp_path: Path) -> store.RunDirectory:
    return store.RunDirectory(tmp_path / "20260102-030405-toys-beef", campaign())


def test_a_record_survives_the_round_trip() -> None:
    made = record(toy(), CASE)
    assert from_line(to_line(made)) == made


@given(st.lists(st.floats(1e-9, 10.0), min_size=1, max_size=20))
def test_samples_are_stored_to_the_last_bit(seconds: list[float]) -> None:
    stored = from_line(to_line(record(toy(), CASE, seconds=seconds))).samples
    assert stored is not None
    assert stored.seconds == tuple(seconds)


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (Rejected("wrong", where="y[3]"), Status.REJECTED),
        (Failed("died", phase="measure"), Status.FAILED),
        (Skipped("no"), Status.SKIPPED),
        (Samples((0.0, 1.0), 1), Status.FAILED),
        (Samples((math.nan,), 1), Status.FAILED),
        (Samples((), 1), Status.FAILED),
    ],
)
def test_only_positive_finite_samples_make_a_number(outcome: Samples | Rejected, status: Status) -> None:
    made = record(toy(), CASE, outcome=outcome)
    assert made.status is status
    assert made.summary is None
    assert made.reason


def test_the_published_schema_is_the_code_s_and_accepts_its_records() -> None:
    published = json.loads((DOCS / "record.schema.json").read_text())
    assert published == json.loads(json.dumps(json_schema())), "run: benchsuite schema > docs/record.schema.json"
    for outcome in (None, Rejected("wrong"), Failed("died")):
        jsonschema.validate(json.loads(to_line(record(toy(), CASE, outcome=outcome))), published)
    broken = json.loads(to_line(record(toy(), CASE)))
    broken["record"]["status"] = "fine"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, published)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b"not json",
        b"\xff\xfe",
        b'{"schema": "1"}',
        b"[" * 100_000,
        b'{"schema": 1, "record": {}}',
    ],
)
def test_a_broken_line_is_a_data_error(line: bytes) -> None:
    with pytest.raises(DataError):
        from_line(line)


@pytest.mark.parametrize("bad", ["0", "-1.0", "1e999", "NaN", "null", '"1"'])
def test_an_edited_duration_is_refused(bad: str) -> None:
    line = to_line(record(toy(), CASE, seconds=[0.123456789])).replace(
        b'"seconds":[0.123456789]', b'"seconds":[%s]' % bad.encode()
    )
    with pytest.raises(DataError):
        from_line(line)


def test_a_newer_schema_names_the_remedy() -> None:
    line = to_line(record(toy(), CASE)).replace(b'"schema":1', b'"schema":99')
    with pytest.raises(DataError, match=r"schema 99.*newer benchsuite"):
        from_line(line)


def test_a_run_is_read_back(tmp_path: Path) -> None:
    directory = run_directory(tmp_path)
    directory.append(record(toy(), CASE))
    loaded = store.load(directory.path)
    assert loaded.records == tuple(directory.records)
    assert loaded.campaign == directory.campaign
    assert loaded.problems == ()


def test_truncation_at_every_byte_keeps_the_whole_lines(tmp_path: Path) -> None:
    directory = run_directory(tmp_path)
    for run in range(2):
        directory.append(record(toy(), CASE, run=run))
    path = directory.path / store.RECORDS
    whole = path.read_bytes()
    for length in range(0, len(whole), 41):
        path.write_bytes(whole[:length])
        loaded = store.load(directory.path)
        assert len(loaded.records) == whole[:length].count(b"\n")
        assert loaded.damaged, "the journal knows of records that are no longer there"
        assert any("torn" in problem for problem in loaded.problems) == (whole[:length][-1:] not in {b"", b"\n"})


def test_a_changed_record_is_left_out_and_named(tmp_path: Path) -> None:
    directory = run_directory(tmp_path)
    for run in range(3):
        directory.append(record(toy(), CASE, run=run))
    path = directory.path / store.RECORDS
    path.write_bytes(path.read_bytes().replace(b'"run":1', b'"run":7'))
    loaded = store.load(directory.path)
    assert [one.run for one in loaded.records] == [0, 2]
    assert loaded.damaged
    assert loaded.problems == ("Line 2 of records.jsonl was changed after it was measured; it was left out.",)
    with pytest.raises(DataError, match="start a new run"):
        store.RunDirectory.reopen(directory.path)


def test_a_changed_campaign_is_shown_as_changed(tmp_path: Path) -> None:
    """The name of a GPU stands there, and the plan."""
    directory = run_directory(tmp_path)
    directory.write_campaign(campaign(command="benchsuite run x"))
    path = directory.path / store.CAMPAIGN
    assert not store.load(directory.path).damaged
    path.write_bytes(path.read_bytes().replace(b"benchsuite run x", b"benchsuite run y"))
    loaded = store.load(directory.path)
    assert loaded.damaged
    assert loaded.problems == ("campaign.json was changed after the run had begun.",)


def test_a_run_whose_writer_was_killed_is_reopened_where_it_stopped(tmp_path: Path) -> None:
    """The journal's word for the last record is lost, and each file ends in a torn line."""
    directory = run_directory(tmp_path)
    for run in range(2):
        directory.append(record(toy(), CASE, run=run))
    journal = directory.path / store.JOURNAL
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:-1]) + b'{"number":1,"ti')
    with (directory.path / store.RECORDS).open("ab") as stream:
        stream.write(b'{"record":{')
    again = store.RunDirectory.reopen(directory.path)
    again.append(record(toy(), CASE, run=2))
    loaded = store.load(directory.path)
    assert [one.run for one in loaded.records] == [0, 1, 2]
    assert (loaded.problems, loaded.damaged) == ((), False)


def test_a_campaign_of_a_newer_schema_is_refused(tmp_path: Path) -> None:
    directory = run_directory(tmp_path)
    directory.write_campaign(campaign(schema=SCHEMA + 1))
    with pytest.raises(DataError, match="newer benchsuite"):
        store.load(directory.path)


def test_a_full_disk_keeps_everything_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = run_directory(tmp_path)
    directory.append(record(toy(), CASE))

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(MeasureError, match="No space left"):
        directory.append(record(toy(), CASE, run=1))
    monkeypatch.undo()
    assert len(directory.records) == 2
    assert len(store.load(directory.path).records) == 1


def test_an_output_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="--out"):
        store.prepare_folder(tmp_path / "file" / "runs")


def test_runs_are_found_by_path_prefix_and_latest(tmp_path: Path, toys: dict[str, Benchmark]) -> None:
    directory = run_directory(tmp_path)
    for name in (str(directory.path), "20260102", "latest", directory.path.name):
        assert store.find(name, tmp_path) == directory.path
    store.RunDirectory(tmp_path / "20260102-030406-toys-cafe", campaign())
    with pytest.raises(UsageError, match="could be 2 runs"):
        store.find("20260102", tmp_path)
    with pytest.raises(UsageError, match="no run 'x'"):
        store.find("x", tmp_path)
    with pytest.raises(UsageError, match="benchsuite run"):
        store.find("latest", tmp_path / "empty")


TIMED = Samples((1e-3, 1.1e-3, 0.9e-3), 4, starts=(0.1, 0.105, 0.11), warmup=(1e-3, 1e-3), warmup_starts=(0.0, 0.05))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"iterations": 0}, "numbers of iterations"),
        ({"steady_from": 4}, "numbers of iterations"),
        ({"steady_from": -1}, "numbers of iterations"),
        ({"starts": (0.1, 0.105)}, "no beginning"),
        ({"warmup_starts": (0.0, 0.05, 0.06)}, "no beginning"),
        ({"starts": (0.1, 0.11, 0.105)}, "ahead of it"),
        ({"warmup_starts": (0.05, 0.05)}, "ahead of it"),
        ({"iterations": 6}, "longer than the time"),
        ({"warmup": (1e-3, -1e-3)}, "zero, negative"),
    ],
)
def test_what_cannot_have_been_measured_is_left_out(changes: dict[str, object], problem: str) -> None:
    good = record(toy(), CASE, outcome=TIMED)
    assert from_line(to_line(good)) == good
    with pytest.raises(DataError, match=problem):
        from_line(to_line(replace(good, samples=replace(TIMED, **changes))))  # type: ignore[arg-type]


def test_a_summary_must_follow_from_its_samples() -> None:
    good = record(toy(), CASE)
    assert good.summary is not None
    with pytest.raises(DataError, match="does not follow"):
        from_line(to_line(replace(good, summary=replace(good.summary, median=good.summary.median / 2))))


@pytest.mark.parametrize(
    "edited",
    [
        replace(record(toy(), CASE), status=Status.REJECTED),
        replace(record(toy(), CASE), samples=None),
        replace(record(toy(), CASE), summary=None),
        replace(record(toy(), CASE, outcome=Failed("died")), status=Status.OK),
    ],
)
def test_a_status_must_agree_with_what_there_is(edited: Record) -> None:
    with pytest.raises(DataError, match="cannot be true"):
        from_line(to_line(edited))


def test_a_changed_last_record_is_not_taken_for_one_whose_word_was_lost(tmp_path: Path) -> None:
    directory = run_directory(tmp_path)
    for run in range(2):
        directory.append(record(toy(), CASE, run=run))
    path = directory.path / store.RECORDS
    path.write_bytes(path.read_bytes().replace(b'"run":1', b'"run":7'))
    loaded = store.load(directory.path)
    assert [one.run for one in loaded.records] == [0]
    assert loaded.damaged
