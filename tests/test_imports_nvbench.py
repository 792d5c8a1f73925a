"""nvbench: every summary by its hint, axes as parameters, skips with their reason, the older layouts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from benchsuite.errors import DataError
from benchsuite.imports import nvbench
from benchsuite.model import Metric, Status
from tests.imported import never_breaks, row, sample, samples, sound, statuses

FORMAT = nvbench.FORMATS[0]


def value(number: object, kind: str = "float64") -> list[dict[str, object]]:
    return [{"name": "value", "type": kind, "value": str(number)}]


def summary(tag: str, hint: str, number: object) -> dict[str, object]:
    return {"tag": tag, "name": tag, "hint": hint, "description": f"What {tag} is", "data": value(number)}


def state(*summaries: dict[str, object], **extra: object) -> dict[str, object]:
    axes = [
        {"name": "N", "type": "int64", "value": "4096"},
        {"name": "R", "type": "float64", "value": "0.5"},
        {"name": "T", "type": "string", "value": "U8"},
    ]
    return {
        "name": "Device=0",
        "device": 0,
        "axis_values": axes,
        "summaries": list(summaries),
        "is_skipped": False,
    } | extra


def document(*states: dict[str, object], devices: int = 1, **extra: object) -> str:
    cards = [
        {"id": i, "name": "NVIDIA H200", "number_of_sms": 132, "global_memory_size": 150110011392, "ecc_state": True}
        for i in range(devices)
    ]
    meta = {"argv": ["/home/alice/bench"], "version": {"nvbench": {"string": "0.2.0"}}}
    return json.dumps(
        {"meta": meta, "devices": cards, "benchmarks": [{"name": "copy", "states": list(states)}], **extra}
    )


def read(*states: dict[str, object], **extra: Any) -> nvbench.Imported:
    found = nvbench.read(document(*states, **extra))
    sound(found)
    return found


@pytest.mark.parametrize(
    ("tag", "hint", "number", "metric"),
    [
        ("nv/cold/time/gpu/mean", "duration", 0.001, Metric.LATENCY),
        ("nv/cold/bw/global/bytes_per_second", "byte_rate", 4.1e12, Metric.BANDWIDTH),
        ("nv/cold/bw/item_rate", "item_rate", 1e9, Metric.RATE),
        ("nv/cold/bw/global/utilization", "percentage", 0.85, Metric.RATIO),
        ("nv/cold/sm_clock_rate/mean", "frequency", 1.98e9, Metric.CLOCK),
        ("nv/cold/sample_size", "sample_size", 499.0, Metric.COUNT),
        ("nv/gmem/reads/In", "bytes", 4096.0, Metric.COUNT),
        ("nv/element_count/Items", "", 4096.0, Metric.COUNT),
    ],
)
def test_the_hint_is_the_unit(tag: str, hint: str, number: float, metric: Metric) -> None:
    found = row(read(state(summary(tag, hint, number))), summary=tag)
    assert (found.benchmark, found.metric, found.value) == ("nvbench/copy", metric, number)
    assert found.meaning == f"What {tag} is"
    assert {name: found.params[name] for name in "NRT"} == {"N": 4096, "R": 0.5, "T": "U8"}
    assert "device" not in found.params


def test_an_axis_that_names_a_file_does_not_tell_its_folder() -> None:
    axes = [{"name": "In", "type": "string", "value": "/home/alice/in.bin"}]
    assert row(read(state(summary("a", "duration", 1.0), axis_values=axes))).params["In"] == "in.bin"


def test_a_hint_that_is_not_known_is_reported() -> None:
    found = read(state(summary("mine", "furlongs", 1.0), summary("a", "duration", 1.0)))
    assert [one.params["summary"] for one in found.rows] == ["a"]
    assert found.problems[0].startswith("1 summaries")
    assert "mine" in found.problems[0]


def test_files_of_samples_are_no_result_and_no_problem() -> None:
    found = read(state(summary("nv/json/bin:x", "file/sample_times", "/home/alice/x.bin"), summary("a", "duration", 1)))
    assert len(found.rows) == 1
    assert found.problems == ()
    assert "alice" not in repr(found)


def test_a_state_that_was_skipped_says_why() -> None:
    found = read(state(is_skipped=True, skip_reason="Deliberately skipped."), state(summary("a", "duration", 1.0)))
    skipped = next(one for one in found.rows if one.status is Status.SKIPPED)
    assert skipped.reason == "nvbench skipped it: Deliberately skipped."
    assert statuses(found) == {"skipped": 1, "ok": 1}


def test_a_state_without_any_summary_failed() -> None:
    assert statuses(read(state())) == {"failed": 1}


@pytest.mark.parametrize(
    ("hint", "number", "status"),
    [
        ("duration", 0.0, Status.FAILED),
        ("duration", "nan", Status.FAILED),
        ("duration", "fast", Status.FAILED),
        ("byte_rate", -1.0, Status.FAILED),
        ("percentage", "inf", Status.SKIPPED),
        ("percentage", 0.0, Status.OK),
    ],
)
def test_what_cannot_be_a_measurement_has_no_value(hint: str, number: object, status: Status) -> None:
    assert row(read(state(summary("a", hint, number))), summary="a").status is status


def test_several_devices_stay_apart() -> None:
    found = read(state(summary("a", "duration", 1.0)), state(summary("a", "duration", 2.0), device=1), devices=2)
    assert row(found, device=0).value == 1.0
    assert row(found, device=1).value == 2.0
    assert found.devices == ("NVIDIA H200", "NVIDIA H200")
    assert found.facts["processors"] == "132"
    assert found.version == "0.2.0"
    assert "alice" not in repr(found)


def test_devices_that_differ_have_no_facts_in_common() -> None:
    text = document(state(summary("a", "duration", 1.0)), state(summary("a", "duration", 1.0), device=1), devices=2)
    assert "processors" not in nvbench.read(text.replace("132", "114", 1)).facts


def old(name: str) -> str:
    """Before the file had a version: states, summaries and values by name, tags or sentences for summaries."""
    told = {"hint": {"type": "string", "value": "duration"}, "value": {"type": "float64", "value": "0.25"}}
    told |= {"short_name": {"type": "string", "value": "GPU Time"}, "name": {"type": "string", "value": "GPU"}}
    one = {"device": 0, "axis_values": {"N": {"type": "int64", "value": "64"}}, "summaries": {name: told}}
    return json.dumps(
        {
            "devices": [{"id": 0, "name": "Quadro GV100", "number_of_sms": 80}],
            "benchmarks": [{"index": 0, "name": "copy", "states": {"Device=0 N=64": one | {"is_skipped": False}}}],
        }
    )


@pytest.mark.parametrize("name", ["nv/cold/time/gpu/mean", "Average GPU Time (Cold)"])
def test_older_layouts_say_the_same(name: str) -> None:
    assert FORMAT.tells(old(name))
    found = nvbench.read(old(name))
    sound(found)
    time = row(found, summary=name)
    assert (time.metric, time.value, time.params["N"]) == (Metric.LATENCY, 0.25, 64)
    assert found.devices == ("Quadro GV100",)


def test_damage_never_breaks_it() -> None:
    text = document(state(summary("a", "duration", 1.0), summary("b", "percentage", "inf")), state(is_skipped=True))
    assert FORMAT.tells(text)
    never_breaks(FORMAT, text)
    never_breaks(FORMAT, old("x"))
    with pytest.raises(DataError):
        nvbench.read(text[:-3])


@pytest.mark.parametrize("name", samples("nvbench", ".json"))
def test_real_samples_are_read_whole(name: str) -> None:
    text = sample(name)
    assert FORMAT.tells(text)
    found = nvbench.read(text)
    sound(found)
    states = [one for benchmark in json.loads(text)["benchmarks"] for one in benchmark["states"]]
    told = [float(one["data"][0]["value"]) for each in states for one in each["summaries"]]
    assert [one.value for one in found.rows] == told
    assert set(found.devices) == {"Quadro GV100", "Quadro GP100"}
    assert "/home/" not in repr(found)


def test_a_real_value_lands() -> None:
    found = nvbench.read(sample("nvbench/test_ref-trimmed.json"))
    read_ = row(found, T="U8", summary="nv/cold/bw/global/bytes_per_second")
    assert (read_.metric, read_.value, read_.text) == (Metric.BANDWIDTH, 234134872289.91367, "234134872289.91367 B/s")


@pytest.mark.parametrize("name", samples("nvbench", ".json"))
def test_damaged_samples_never_break_it(name: str) -> None:
    never_breaks(FORMAT, json.dumps(json.loads(sample(name)))[:5000])
