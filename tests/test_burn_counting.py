"""From raw events to what is said of a device: counts, drift, notes, verdict, and files that somebody edited."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchsuite.accept import rule
from benchsuite.burn import events
from benchsuite.burn.counting import OUTSIDE, Seen, Shown, burned, turn_length, window
from benchsuite.burn.verdict import Come, come, exit_code, reasons
from benchsuite.errors import DataError, Exit
from benchsuite.journal import Journal
from benchsuite.protocol import Ready, encode
from benchsuite.telemetry.health import Health
from tests.burn_data import HOST, history, turn

LOADS = ("gemm", "power", "memory")


def cycle(speeds: list[float], spent: float = 10.0) -> list:  # type: ignore[type-arg]
    """Turns of the three loads, all at the speed of their round."""
    return [turn(name, 3 * i + j, speed, spent) for i, speed in enumerate(speeds) for j, name in enumerate(LOADS)]


def test_a_device_that_was_well_is_clean() -> None:
    one = burned(history(*cycle([100.0] * 60)))
    assert (one.wrong, one.failures, one.reason, one.worst) == (0, 0, "", 0.0)
    assert one.seconds == pytest.approx(1800.0)
    assert one.checks == 180 * 1000
    assert come(one) is Come.CLEAN
    assert exit_code([one]) is Exit.DONE


def test_drift_is_from_the_first_minute_to_the_last_by_load() -> None:
    made = cycle([100.0] * 2 + [99.0] * 56 + [90.0] * 2)
    made = [replace(one, speed=100.0) if one.load == "memory" else one for one in made]
    one = burned(history(*made))
    assert one.first == {"gemm": 100.0, "power": 100.0, "memory": 100.0}
    assert one.sustained == {"gemm": 90.0, "power": 90.0, "memory": 100.0}
    assert one.worst == pytest.approx(0.1)


@given(st.floats(1.0, 1e5), st.integers(1, 3))
def test_every_load_has_a_turn_at_either_end(seconds: float, loads: int) -> None:
    length = turn_length(seconds, loads)
    assert length * loads <= window(seconds) * 1.0001
    assert length <= 10.0


def test_with_one_turn_of_a_load_nothing_is_known_of_its_drift() -> None:
    one = burned(history(turn("gemm"), turn("power")))
    assert (one.sustained, one.worst) == ({}, None)
    assert one.first == {"gemm": 100.0, "power": 100.0}


def test_a_short_burn_compares_thirds() -> None:
    one = burned(history(*cycle([100.0, 95.0, 80.0], spent=1.0)))
    assert one.worst == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("changes", "word", "said"),
    [
        ({"asked": 100.0}, Come.UNKNOWN, "under load for 30 s of 100 s"),
        ({"done": False}, Come.UNKNOWN, "did not end as it should"),
        ({"failures": ("it died",)}, Come.FAULTY, "died, hung or was lost once"),
        ({"failures": ("it died", "it hung"), "asked": 100.0}, Come.FAULTY, "30 s of 100 s: it hung"),
        ({"turns": (), "failures": ()}, Come.UNKNOWN, "never came under load"),
        ({"turns": (), "ready": (Ready("gemm", problem="numpy: broken"),)}, Come.UNKNOWN, "gemm: numpy: broken"),
        ({"ready": (Ready("power", problem="needs numba"),)}, Come.UNKNOWN, "power could not be put on: needs numba"),
        ({"ready": (Ready("power", wrong=3, checks=3, where="c[1]"),)}, Come.FAULTY, "3 wrong elements"),
        ({"health": Health(faults=("New errors of the GPU (XID): 1.",))}, Come.FAULTY, "New errors of the GPU"),
    ],
)
def test_whatever_is_missing_or_wrong_is_never_clean(changes: dict[str, object], word: Come, said: str) -> None:
    one = burned(replace(history(*cycle([100.0])), **changes))  # type: ignore[arg-type]
    assert come(one) is word
    assert said in "; ".join(reasons(one))
    assert exit_code([one, burned(history(turn()))]) is (Exit.REJECTED if word is Come.FAULTY else Exit.FAILED)


def test_nothing_compared_is_not_clean_and_no_device_is_no_success() -> None:
    one = burned(history(turn(checks=0)))
    assert come(one) is Come.UNKNOWN
    assert reasons(one) == ("no result was compared",)
    assert exit_code([]) is Exit.FAILED


def test_one_wrong_element_among_all_is_enough() -> None:
    made = cycle([100.0] * 60)
    made[77] = replace(made[77], wrong=1, where="c[4711]")
    one = burned(history(*made))
    assert (one.wrong, come(one)) == (1, Come.FAULTY)
    assert "Wrong under memory: 1 elements, the first at c[4711]." in one.notes


def test_what_the_sensors_said_is_told() -> None:
    seen = Seen({"temperature": 88.4, "power": 698.0, "sm_clock": 1.41e9}, ("THERMAL", "NOT_STEADY"))
    hot = replace(history(turn(), turn(), seen=seen), ready=(Ready("memory", bytes=1 << 34),))
    notes = " ".join(burned(hot).notes)
    assert "In 2 of 2 turns the GPU lowered its clock because of heat." in notes
    assert "Hottest 88 °C, most 698 W, clock 1410 MHz in the first turn and 1410 MHz in the last." in notes
    assert "16\u00a0GiB of memory were written and read back." in notes
    assert "NOT_STEADY" not in notes
    assert come(burned(hot)) is Come.CLEAN, "heat alone is told, and judged by the drift that a contract allows"


# -- the file ---------------------------------------------------------------------------------


def written(folder: Path, *told: tuple[str, dict[str, object]], asked: str = "20.0") -> Path:
    path = folder / events.FILE
    with Journal(path) as journal:
        journal.note("burn", asked=asked, backend="host", command="c", version="1")
        journal.note("subject", number=0, subject=encode(HOST).decode())
        for event, data in told:
            journal.note(event, **data)
    return path


def one_turn(**changes: object) -> tuple[str, dict[str, object]]:
    return "turn", {"number": 0, "turn": encode(turn(**changes)).decode(), "seen": encode(Seen()).decode()}


def test_a_file_is_read_back_as_what_was_written(tmp_path: Path) -> None:
    prepared = "ready", {"number": 0, "ready": encode(Ready("gemm", checks=5)).decode()}
    path = written(tmp_path, prepared, one_turn(), one_turn(number=1), ("done", {"number": 0}), ("later", {"a": 1}))
    found = events.load(path)
    assert list(found) == [HOST]
    assert found[HOST] == burned(replace(history(turn(), turn(number=1)), ready=(Ready("gemm", checks=5),)))
    assert events.told(path).command == "c"


def test_one_that_ended_early_says_so(tmp_path: Path) -> None:
    assert events.load(written(tmp_path, one_turn()))[HOST].reason == "it was under load for 10 s of 20 s"


def test_every_changed_byte_of_the_file_is_found(tmp_path: Path) -> None:
    path = written(tmp_path, one_turn(), ("done", {"number": 0}))
    whole = path.read_bytes()
    for place in range(0, len(whole) - 1, 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(DataError):
            events.load(path)


@pytest.mark.parametrize(
    "told",
    [
        one_turn(wrong=-5),
        one_turn(checks=-1),
        one_turn(speed=0.0),
        one_turn(seconds=(0.1, -0.1)),
        one_turn(iterations=0),
        ("turn", {"number": 0, "turn": "{}", "seen": "{}"}),
        ("turn", {"number": 7, "turn": "{}", "seen": "{}"}),
        ("turn", {"number": -1, **one_turn()[1], "seen": "{}"} | {"number": -1}),
        ("failed", {"number": 0}),
        ("ready", {"number": 0, "ready": json.dumps({"load": "gemm", "wrong": -1})}),
        ("subject", {"number": 5, "subject": encode(HOST).decode()}),
    ],
)
def test_a_chain_that_somebody_made_anew_with_what_cannot_be_is_refused(
    tmp_path: Path, told: tuple[str, dict[str, object]]
) -> None:
    with pytest.raises(DataError):
        events.load(written(tmp_path, told))


def test_turns_that_others_disturbed_are_counted() -> None:
    shown = [Shown(turn(), Seen(codes=codes)) for codes in (("CONTENDED", "HOST_STEAL"), ("THERMAL",), (), ())]
    assert burned(replace(history(asked=40.0), turns=tuple(shown))).disturbed == 0.25
    assert burned(history(asked=40.0)).disturbed == 0.0
    assert OUTSIDE == rule.OUTSIDE


@pytest.mark.parametrize("asked", ["0", "nan", "inf", "-1", "soon"])
def test_a_time_that_cannot_be_is_refused(tmp_path: Path, asked: str) -> None:
    with pytest.raises(DataError):
        events.load(written(tmp_path, one_turn(), asked=asked))


def test_another_journal_is_none_of_ours(tmp_path: Path) -> None:
    Journal(tmp_path / "journal.jsonl").note("campaign", id="x")
    with pytest.raises(DataError, match="no burn-in"):
        events.load(tmp_path / "journal.jsonl")
