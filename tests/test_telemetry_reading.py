"""Readings as lines: only changes travel, nothing is lost, and a broken line does no harm."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchsuite.telemetry import archive
from benchsuite.telemetry.archive import FULL, Archive
from benchsuite.telemetry.reading import Reader, Reading, Writer, boot

NAMES = st.sampled_from(["busy", "power", "sm_clock", "throttle"])
READINGS = st.builds(
    lambda at, values, missing, foreign: Reading(
        at, {name: value for name, value in values.items() if name not in missing}, missing, foreign
    ),
    st.integers(0, 10**9).map(float),
    st.dictionaries(NAMES, st.floats(0, 1e12)),
    st.dictionaries(NAMES, st.text(max_size=5)),
    st.none() | st.lists(st.integers(1, 9), max_size=3).map(tuple),
)


def steady(readings: list[Reading]) -> list[Reading]:
    """A sensor that is neither told nor missing says what it said before."""
    known: dict[str, float] = {}
    made = []
    for one in readings:
        known = {name: value for name, value in known.items() if name not in one.missing} | dict(one.values)
        made.append(Reading(one.at, dict(known), one.missing, one.foreign, first=not made))
    return made


@given(st.lists(READINGS, max_size=12))
def test_what_was_read_is_what_arrives(readings: list[Reading]) -> None:
    writer, reader = Writer("boot"), Reader()
    sent = steady(readings)
    assert list(reader.readings([writer.line(one) for one in sent])) == sent


def test_only_what_changed_is_written() -> None:
    writer = Writer("b")
    lines = [writer.line(Reading(at, {"busy": 1.0, "power": power})) for at, power in ((1.0, 2.0), (2.0, 3.0))]
    assert json.loads(lines[0]) == {"at": 1.0, "boot": "b", "values": {"busy": 1.0, "power": 2.0}}
    assert json.loads(lines[1]) == {"at": 2.0, "values": {"power": 3.0}}


def test_a_new_process_knows_nothing_of_the_one_before() -> None:
    first, second, reader = Writer("b"), Writer("b"), Reader()
    lines = [first.line(Reading(1.0, {"power": 5.0}, {"x": "y"})), second.line(Reading(2.0, {"busy": 1.0}))]
    assert list(reader.readings(lines))[1] == Reading(2.0, {"busy": 1.0}, first=True)


@pytest.mark.parametrize(
    "line", [b"", b"\xff", b"[]", b"3", b'{"at": "x"}', b'{"at": 1, "values": [2]}', b"{" * 9999, FULL]
)
def test_a_line_that_is_none_is_left_out(line: bytes) -> None:
    reader = Reader()
    good = Writer("b").line(Reading(1.0, {"busy": 2.0}))
    assert [one.at for one in reader.readings([good, line, b'{"at": 3.0}'])] == [1.0, 3.0]


def test_the_file_stops_at_its_cap_and_says_so_once(tmp_path: Path) -> None:
    path, line = tmp_path / "telemetry.jsonl", b'{"at":1.0}\n'
    kept = Archive(path, cap=100)
    for _ in range(50):
        kept.append(line)
    assert path.read_bytes() == line * (100 // len(line)) + FULL
    again = Archive(path, cap=10_000)
    again.append(line)
    assert path.read_bytes().endswith(FULL)


def test_readings_of_this_boot_are_read_back_past_a_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.jsonl"
    other = Writer("another boot").line(Reading(1.0, {"busy": 9.0}))
    mine = Writer(boot()).line(Reading(2.0, {"busy": 1.0}))
    path.write_bytes(other + mine + mine[:20])
    kept = Archive(path)
    kept.append(Writer(boot()).line(Reading(3.0, {"steal": 2.0})))
    assert kept.readings() == [Reading(2.0, {"busy": 1.0}, first=True), Reading(3.0, {"steal": 2.0}, first=True)]


def test_readings_of_an_unknown_boot_are_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "boot", lambda: "")
    kept = Archive(tmp_path / "telemetry.jsonl")
    kept.append(Writer("").line(Reading(1.0, {"busy": 1.0})))
    assert kept.readings() == []


def test_a_disk_that_is_full_costs_the_file_only(tmp_path: Path) -> None:
    Archive(tmp_path / "none" / "telemetry.jsonl").append(b"x\n")
    assert not (tmp_path / "none").exists()
