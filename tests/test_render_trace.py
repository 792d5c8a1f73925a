"""What the sensors said: no peak is lost, no gap is drawn across, every condition has its strip, no text is markup."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
import sensor_data
from hypothesis import given, settings
from hypothesis import strategies as st

from benchsuite.render import html, sensors, trace, view
from benchsuite.render.sensors import During, Panel
from benchsuite.render.words import CAVEATS
from benchsuite.telemetry import archive
from benchsuite.telemetry.conditions import TEXTS
from benchsuite.telemetry.reading import Reading, Writer

EVIL = """</svg><script>alert(1)</script>"><img src=x onerror=alert(2)>\u202e"""
BUDGET = 60_000
MOVES = re.compile(r"([MmlvhH])(-?[\d.]+)(?:[ ]?(-?[\d.]+))?")


@pytest.fixture(scope="module")
def gpu() -> During:
    found = sensors.during(sensor_data.gpu(), gpu=True)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def host() -> During:
    found = sensors.during(sensor_data.host(), gpu=False)
    assert found is not None
    return found


def path(svg: str, kind: str) -> str:
    """The ``d`` of the first path of a class."""
    found = re.search(rf'<path class="{kind}" d="([^"]*)"', svg)
    assert found is not None
    return found[1]


def pieces(d: str) -> list[list[tuple[float, float]]]:
    """The corners of each piece of a line that is drawn in one go."""
    found: list[list[tuple[float, float]]] = []
    x = y = 0.0
    for command, one, other in MOVES.findall(d):
        if command in "Mm":
            x, y = (float(one), float(other)) if command == "M" else (x + float(one), y + float(other))
            found.append([])
        elif command == "l":
            x, y = x + float(one), y + float(other)
        elif command == "h":
            x += float(one)
        elif command == "v":
            y += float(one)
        found[-1].append((x, y))
    return found


def panel(panels: tuple[Panel, ...], title: str) -> Panel:
    return next(one for one in panels if one.title == title)


def letters(svg: str) -> list[str]:
    return re.findall(r'class="letter"[^>]*>(\w)<', svg)


VALUES = st.floats(-1e6, 1e6, allow_nan=False)
RUNS = st.lists(st.lists(VALUES, min_size=1, max_size=60), min_size=1, max_size=5)


@given(RUNS)
@settings(max_examples=60, deadline=None)
def test_no_peak_is_lost_and_nothing_leaves_the_plot(values: list[list[float]]) -> None:
    """However many points fall into a column, the line reaches the least and the greatest value of each run."""
    runs: list[list[trace.Point]] = []
    at = 0
    for row in values:
        runs.append([(0.01 * (at + number), value) for number, value in enumerate(row)])
        at += len(row) + 200
    flat = [value for row in values for value in row]
    ends = min(flat) - 1.0, max(flat) + 1.0
    drawn = pieces(path(trace.draw(runs, ends, 0.01 * at, "x"), "line"))
    y = trace.Scale(*ends, trace.PLOT - trace.FOOT, trace.TOP)
    assert len(drawn) == len(runs)
    for corners, row in zip(drawn, values, strict=True):
        heights = [height for _, height in corners]
        assert min(heights) == round(y.at(max(row)))
        assert max(heights) == round(y.at(min(row)))
        assert all(0 <= x <= trace.COLUMNS and trace.TOP <= height <= trace.PLOT for x, height in corners)


def test_a_lonely_reading_is_a_dot() -> None:
    assert path(trace.draw([[(1.0, 5.0)]], (0.0, 10.0), 2.0, "x"), "line").endswith("v0")


def test_nothing_is_drawn_across_a_gap(gpu: During) -> None:
    """The GPU's sensors were silent from 0.30 to 0.33 of the time, everything from 0.50 to 0.55."""
    for shown, gaps in ((panel(gpu.gpu, "SM clock"), ((0.30, 0.33), (0.50, 0.55))),
                        (panel(gpu.host, "Our processes"), ((0.50, 0.55),))):  # fmt: skip
        corners = pieces(path(shown.svg, "line"))
        assert len(corners) == len(gaps) + 1
        for begin, end in gaps:
            inside = [x for piece in corners for x, _ in piece if begin + 0.005 < x / trace.COLUMNS < end - 0.005]
            assert inside == []
            ends = [(piece[0][0] / trace.COLUMNS, piece[-1][0] / trace.COLUMNS) for piece in corners]
            assert not [one for one in ends if one[0] < begin and one[1] > end]


def test_a_missing_sensor_alone_breaks_only_its_own_curve() -> None:
    readings = sensor_data.host(10.0)
    for number in range(30, 60):
        kept = {name: value for name, value in readings[number].values.items() if name != "load"}
        readings[number] = replace(readings[number], values=kept, missing={"load": "it cannot be read"})
    readings[80] = replace(readings[80], values={**readings[80].values, "load": 9.0})
    found = sensors.during(readings, gpu=False)
    assert found is not None
    assert len(pieces(path(panel(found.host, "Load").svg, "line"))) == 2
    assert len(pieces(path(panel(found.host, "Our processes").svg, "line"))) == 1
    assert "load (part of the time): it cannot be read" in found.silent


def test_every_condition_has_its_letter_its_words_and_its_time(gpu: During) -> None:
    told = {one.letter: one for one in gpu.held}
    assert sorted(told) == ["c", "h", "l", "n", "p", "s", "t"]
    for code in ("POWER_CAP", "THERMAL", "CONTENDED", "HOST_STEAL", "GPU_TELEMETRY_MISSING"):
        letter, meaning = CAVEATS[code]
        assert told[letter].meaning == meaning
    assert told["h"].told == "24\u00a0% of the time"
    assert told["n"].told.startswith("for ")
    clock = panel(gpu.gpu, "SM clock").svg
    assert letters(clock) == ["h", "p", "c", "n"]
    assert clock.count('class="held blind"') == 1
    assert letters(panel(gpu.gpu, "Power").svg) == ["p", "l"]


def test_the_strip_of_heat_lies_where_it_was_hot(gpu: During) -> None:
    strokes = pieces(path(panel(gpu.gpu, "Temperature").svg, "held"))
    assert strokes[0][0][0] / trace.COLUMNS == pytest.approx(0.76, abs=0.02)
    assert strokes[-1][-1][0] == trace.COLUMNS


def test_whatever_can_hold_can_be_drawn_somewhere() -> None:
    drawn = {code for sensor in (*sensors.GPU, *sensors.HOST) for code in sensor.codes}
    assert drawn == {*TEXTS, "TELEMETRY_MISSING", "GPU_TELEMETRY_MISSING"}
    assert drawn <= set(CAVEATS)


def test_the_power_limit_is_a_line(gpu: During) -> None:
    power = panel(gpu.gpu, "Power")
    assert power.told.endswith("dashed: limit 500")
    heights = {y for piece in pieces(path(power.svg, "limit")) for _, y in piece}
    assert len(heights) == 1
    assert 'class="limit"' not in panel(gpu.gpu, "Temperature").svg


def test_what_never_changed_is_told_and_not_drawn(gpu: During, host: During) -> None:
    assert gpu.quiet.startswith("Unchanged: memory clock, 2619\u00a0MHz. Never: stopped by a CPU quota")
    assert "Stopped by a CPU quota" not in {one.title for one in host.host}
    assert host.gpu == ()


def test_a_host_alone_says_nothing_of_a_gpu(host: During) -> None:
    assert [one.letter for one in host.held] == ["c", "s"]
    assert host.silent == f"Not told by a sensor: the energy of the processor: {sensor_data.NO_RAPL['package_energy']}."
    assert host.seen == "300 readings in 29.9\u00a0s"


def test_a_neighbour_is_seen_as_cores(host: During) -> None:
    assert panel(host.host, "Other processes").told.startswith("0.02–0.60\u00a0cores, median 0.02")


def test_a_run_gone_on_with_after_a_restart_is_one_line_with_a_short_pause() -> None:
    """The clock began anew: time goes backwards between the two sensor processes."""
    readings = [*sensor_data.host(10.0, begin=9e5), *sensor_data.host(10.0, begin=50.0)]
    found = sensors.during(readings, gpu=False)
    assert found is not None
    assert found.seen == "200 readings in 19.8\u00a0s; 1 long pause without readings drawn short"
    assert len(pieces(path(panel(found.host, "Our processes").svg, "line"))) == 2
    assert [one.told for one in found.held if one.letter == "t"] == ["for 10.0\u00a0s"]


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_readings_are_no_section(count: int) -> None:
    assert sensors.during(sensor_data.host()[:count], gpu=False) is None


def test_it_is_the_same_twice(gpu: During) -> None:
    assert sensors.during(sensor_data.gpu(), gpu=True) == gpu


def noise(count: int) -> list[Reading]:
    """Every sensor as wild as it can be, with every throttle reason coming and going."""
    random_ = random.Random(5)
    names = {sensor.name for sensor in (*sensors.GPU, *sensors.HOST) if sensor.told is None}
    counters = {"own": 0.0, "busy": 0.0, "steal": 0.0, "throttled": 0.0, "cpu_pressure": 0.0, "memory_pressure": 0.0}
    made = []
    for number in range(count):
        counters = {name: value + 10 * random_.random() * (random_.random() > 0.5) for name, value in counters.items()}
        values = {name: random_.uniform(0, 1e9) for name in (*names, "power_limit", "sm_clock_max")}
        values |= {"power_limit_default": 2e9, "throttle": float(random_.choice([0, 1, 4, 8, 0x20, 0x6E]))}
        made.append(Reading(0.6 * number, {**values, **counters}, {}, foreign=(), first=number == 0))
    return made


def test_the_section_keeps_to_its_size(gpu: During) -> None:
    worst = sensors.during(noise(3000), gpu=True)
    assert worst is not None
    assert len(worst.gpu) + len(worst.host) == len(sensors.GPU) + len(sensors.HOST)
    for found in (gpu, worst):
        assert sum(len(one.svg) + len(one.told) for one in (*found.gpu, *found.host)) < BUDGET


def test_drawings_are_well_formed_and_hold_no_text_of_a_record() -> None:
    readings = [
        replace(one, values={**one.values, EVIL: 1.0}, missing={"gpu": EVIL, EVIL: EVIL})
        for one in sensor_data.gpu(20.0)
    ]
    campaign = sensor_data.of([], readings)
    drawn = view.build(campaign).during
    assert drawn is not None
    for one in (*drawn.gpu, *drawn.host):
        ElementTree.fromstring(one.svg)
        assert "alert" not in one.svg
    assert "alert(1)" in drawn.silent
    page = html.report(view.build(campaign))
    assert "<img" not in page
    assert page.count("<script") == 2
    assert "\u202e" not in page


def test_a_label_of_anybody_is_escaped() -> None:
    drawn = trace.draw([[(0.0, 1.0), (1.0, 2.0)]], (0.0, 3.0), 1.0, EVIL, bands=[trace.Band("<", [(0.0, 1.0)])])
    ElementTree.fromstring(drawn)
    assert "<script" not in drawn


def test_a_silent_machine_with_a_thousand_excuses_stays_short() -> None:
    readings = [replace(one, missing={f"s{n}": f"{n} {'x' * 5000}" for n in range(200)}) for one in sensor_data.host(1)]
    found = sensors.during(readings, gpu=False)
    assert found is not None
    assert len(found.silent) < 3000
    assert "192 other reasons" in found.silent


def written(folder: Path, lines: list[bytes]) -> tuple[Reading, ...]:
    (folder / archive.FILE).write_bytes(b"".join(lines))
    return archive.recorded(folder)


def test_readings_are_read_back_from_the_run_directory(tmp_path: Path) -> None:
    readings, writer = sensor_data.host(3.0), Writer("boot")
    found = written(tmp_path, [writer.line(one) for one in readings])
    assert found == tuple(readings)


def test_two_boots_are_both_read_back(tmp_path: Path) -> None:
    writers = Writer("one"), Writer("two")
    lines = [writers[0].line(one) for one in sensor_data.host(1.0, begin=900.0)]
    lines += [writers[1].line(one) for one in sensor_data.host(1.0, begin=5.0)]
    found = written(tmp_path, lines)
    assert [one.first for one in found].count(True) == 2
    assert len(found) == 20


def test_a_file_of_anybody_is_read_with_care(tmp_path: Path) -> None:
    lines = [
        b'{"at":1,"boot":"b","values":{"load":1,"own":1e999,"busy":NaN,"steal":1e300}}\n',
        b'{"at":0.5,"values":{"load":2}}\n',
        b'{"at":NaN,"values":{"load":3}}\n',
        b'{"at":1e400}\n',
        b'{"at":1' + b"0" * 400 + b"}\n",
        b'{"at":2,"foreign":[1e999]}\n',
        b"not json\n",
        b'{"at":3,"values":{"load":4}}\n',
    ]
    assert [(one.at, dict(one.values)) for one in written(tmp_path, lines)] == [
        (1.0, {"load": 1.0}),
        (3.0, {"load": 4.0}),
    ]


def test_a_file_with_endless_names_ends_there(tmp_path: Path) -> None:
    lines = [b'{"at":%d,"values":{"n%d":1}}\n' % (number, number) for number in range(1, 400)]
    assert len(written(tmp_path, lines)) == archive.NAMES


def test_no_file_a_link_or_a_folder_is_no_reading(tmp_path: Path) -> None:
    assert archive.recorded(tmp_path) == ()
    (tmp_path / "other").write_bytes(b'{"at":1}\n')
    (tmp_path / archive.FILE).symlink_to(tmp_path / "other")
    assert archive.recorded(tmp_path) == ()


def test_of_very_many_readings_every_second_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MOST", 100)
    writers = Writer("one"), Writer("two")
    lines = [writers[0].line(one) for one in sensor_data.host(5.1)]
    lines += [writers[1].line(one) for one in sensor_data.host(32.0, begin=1.0)]
    found = written(tmp_path, lines)
    assert 50 <= len(found) <= 100
    assert [one.at for one in found if one.first] == [5000.0, 1.0]
    apart = [round(after.at - before.at, 3) for before, after in pairwise(found) if not after.first]
    assert max(apart) == 0.4
