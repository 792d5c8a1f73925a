"""gpu-burn, gpu-fryer and gpu-stream: faulty, dead and sick GPUs are kept as such, and what a GPU did has its unit."""

from __future__ import annotations

import json
import re

import pytest

from benchsuite.errors import DataError
from benchsuite.imports import gpu_burn, gpu_fryer, gpu_stream
from benchsuite.model import Metric, Status
from tests.imported import never_breaks, row, sample, samples, sound, statuses

BURN, STREAM = gpu_burn.FORMATS[0], gpu_stream.FORMATS[0]
FRYER, FRYER_JSON = gpu_fryer.FORMATS

# --- gpu-burn

LIST = "".join(f"GPU {at}: NVIDIA H200 (UUID: GPU-canary-{at})\n" for at in range(2))
BEGIN = "Burning for 60 seconds.\nInitialized device 0 with 143771 MB of memory, using FLOATS, using Tensor Cores\n"


def progress(percent: str, *gpus: tuple[str, str, str, str]) -> str:
    """A line of progress: work done, speed, errors with their note, temperature, of each GPU."""
    done = "- ".join(f"{work} ({speed} Gflop/s) " for work, speed, _, _ in gpus)
    errors = "- ".join(f"{count} " for _, _, count, _ in gpus)
    warm = "- ".join(f"{degrees} C " for *_, degrees in gpus)
    return f"\r{percent}%  proc'd: {done}  errors: {errors}  temps: {warm}"


SUMMARY = "\n\tSummary at:   Thu Mar 10 19:21:17 UTC 2022\n\n"
FIRST = progress("50.0", ("100", "51000", "0", "60"), ("0", "0", "0", "61"))
LAST = progress("100.0", ("300", "50000", "0", "70"), ("200", "49000", "0", "72"))
VERDICT = "\nKilling processes with SIGTERM (soft kill)\ndone\n\nTested 2 GPUs:\n\tGPU 0: OK\n\tGPU 1: OK\n"


def test_each_gpu_has_speed_errors_temperature_and_verdict() -> None:
    found = BURN.read(LIST + BEGIN + FIRST + SUMMARY + LAST + VERDICT)
    sound(found)
    assert statuses(found) == {"ok": len(found.rows)}
    speed = row(found, benchmark="gpu-burn/burn", gpu=0, statistic=None)
    assert (speed.metric, speed.value, speed.text, speed.line) == (Metric.FLOPS, 50000e9, "50000 Gflop/s", 8)
    assert (speed.params["precision"], speed.params["tensor_cores"]) == ("float", True)
    assert row(found, benchmark="gpu-burn/burn", gpu=0, statistic="max").value == 51000e9
    assert row(found, benchmark="gpu-burn/burn", gpu=1, statistic=None).value == 49000e9
    warm = row(found, benchmark="gpu-burn/temperature", gpu=1)
    assert (warm.metric, warm.value) == (Metric.TEMPERATURE, 72.0)
    assert row(found, benchmark="gpu-burn/errors", gpu=1).value == 0.0
    assert row(found, benchmark="gpu-burn/verdict", gpu=1).value == 1.0
    assert found.devices == ("NVIDIA H200",) * 2
    assert "canary" not in repr(found)
    assert not found.problems


def test_a_faulty_gpu_is_rejected_and_the_other_is_not() -> None:
    found = BURN.read(LAST + VERDICT.replace("GPU 1: OK", "GPU 1: FAULTY"))
    for test in ("burn", "errors", "verdict"):
        assert row(found, benchmark=f"gpu-burn/{test}", gpu=0, statistic=None).status is Status.OK
        assert row(found, benchmark=f"gpu-burn/{test}", gpu=1, statistic=None).status is Status.REJECTED
    assert "These GPUs computed wrong results: 1." in found.problems


@pytest.mark.parametrize("count", ["17  (WARNING!)", "-524288000  (WARNING!)"])
def test_errors_reject_whatever_the_verdict_says(count: str) -> None:
    found = BURN.read(
        progress("50.0", ("9", "50000", count, "60"), ("9", "49000", "0", "61")) + SUMMARY + LAST + VERDICT
    )
    bad = row(found, benchmark="gpu-burn/burn", gpu=0, statistic=None)
    assert (bad.status, bad.value, bad.text) == (Status.REJECTED, None, "50000 Gflop/s")
    assert ("overflowed" in bad.reason) == count.startswith("-")
    assert row(found, benchmark="gpu-burn/errors", gpu=0).text == count.split(maxsplit=1)[0]
    assert row(found, benchmark="gpu-burn/verdict", gpu=0).status is Status.REJECTED
    assert row(found, benchmark="gpu-burn/burn", gpu=1, statistic=None).status is Status.OK


def test_a_dead_gpu_failed() -> None:
    dead = progress("60.0", ("-1", "0", "-533715488  (DIED!)", "30"), ("200", "49000", "0", "72"))
    found = BURN.read(FIRST + SUMMARY + dead)
    gone = row(found, benchmark="gpu-burn/burn", gpu=0, statistic=None)
    assert (gone.status, gone.value) == (Status.FAILED, None)
    assert "died" in gone.reason
    assert "These GPUs died: 0." in found.problems
    assert row(found, benchmark="gpu-burn/burn", gpu=1, statistic=None).value == 49000e9
    assert any("There is no verdict" in problem for problem in found.problems)


def test_a_gpu_that_never_moved_failed() -> None:
    found = BURN.read(progress("50.0", ("0", "0", "0", "60")))
    assert row(found, benchmark="gpu-burn/burn").status is Status.FAILED


def test_progress_without_errors_claims_none() -> None:
    found = BURN.read(LAST[: LAST.index("  errors:")])
    assert row(found, benchmark="gpu-burn/errors", gpu=0).status is Status.FAILED
    assert any("errors of these GPUs are not there: 0, 1" in problem for problem in found.problems)


@pytest.mark.parametrize(("end", "said"), [("GPU 1: FAU", Status.REJECTED), ("GPU 1: O", Status.FAILED)])
def test_a_verdict_that_is_cut_is_never_ok(end: str, said: Status) -> None:
    found = BURN.read(LAST + VERDICT[: VERDICT.index("GPU 1")] + end)
    assert row(found, benchmark="gpu-burn/verdict", gpu=1).status is said


def test_missing_verdicts_are_counted() -> None:
    found = BURN.read(LAST + VERDICT[: VERDICT.index("\tGPU 1")])
    assert "There are verdicts on 1 of 2 GPUs: the output is cut." in found.problems


def test_no_progress_gives_one_sentence() -> None:
    with pytest.raises(DataError, match="before the first line of progress"):
        BURN.read(LIST + BEGIN)
    with pytest.raises(DataError, match="could not be initialised"):
        BURN.read(BEGIN + "Couldn't init a GPU test: Error (x.cpp:1): no memory\n")


def test_real_burns() -> None:
    found = BURN.read(sample("gpu-burn/superbench-8gpu.txt"))
    sound(found)
    text = sample("gpu-burn/superbench-8gpu.txt")
    last = re.split(r"proc'd:", text)[-1].partition("errors:")[0]
    speeds = [float(one) for one in re.findall(r"\((\d+) Gflop/s\)", last)]
    assert [row(found, benchmark="gpu-burn/burn", gpu=at, statistic=None).value for at in range(8)] == [
        one * 1e9 for one in speeds
    ]
    assert statuses(found) == {"ok": len(found.rows)}
    faulty = BURN.read(sample("gpu-burn/issue12-16gpu-faulty.txt"))
    assert [one.status for one in faulty.rows if one.benchmark == "gpu-burn/burn"] == [Status.REJECTED] * 16
    overflowed = [one.params["gpu"] for one in faulty.rows if "errors -524288000, overflowed" in one.reason]
    assert sorted(set(overflowed)) == [1, 2, 3, 4, 9, 11, 14]
    died = BURN.read(sample("gpu-burn/issue69-8gpu-died.txt"))
    assert [one.status for one in died.rows if one.benchmark == "gpu-burn/burn"] == [Status.FAILED] * 8
    thermal = BURN.read(sample("gpu-burn/issue48-2xgtx1080-thermal.txt"))
    assert row(thermal, benchmark="gpu-burn/burn", gpu=1, statistic="max").value == 6963e9
    assert row(thermal, benchmark="gpu-burn/burn", gpu=1, statistic="min").value == 6485e9
    assert row(thermal, benchmark="gpu-burn/temperature", gpu=1).value == 83.0
    assert "70f352d1" not in repr(thermal)


# --- gpu-fryer

RESULTS = """GPU #0:  51494 Gflops/s (min: 50577.53, max: 51677.05, dev: 123.45)
         Temperature: 48.83°C (min: 47.00, max: 50.00)
         Throttling HW: false, Thermal SW: true, Thermal HW: false
GPU #1:  51200 Gflops/s (min: 50000.00, max: 51300.00, dev: 51199.00)
         Temperature: 49.00°C (min: 48.00, max: 51.00)
         Throttling HW: false, Thermal SW: false, Thermal HW: false
"""
FRYER_HEAD = (
    'Detected GPU #0: "NVIDIA H100 80GB HBM3" (canary-uuid)\nDetected GPU #1: "NVIDIA H100 80GB HBM3" (canary-uuid)\n'
    "Using precision(s):  BF16 \nGPU #0: Using 70000 MB\n"
    "12 (51400 Gflops/s) - 12 (51200 Gflops/s) | Temperatures: 48°C - 49°C | Throttling: None - None\n"
    "12 (51500 Gflops/s) - 12 (51100 Gflops/s) | Temperatures: 49°C - 49°C | Throttling: None - Thermal SW\n"
)
HEALTHY = "All GPUs seem healthy\n"


def test_a_gpu_has_speeds_temperatures_and_throttling() -> None:
    found = FRYER.read(FRYER_HEAD + RESULTS + HEALTHY)
    sound(found)
    mean = row(found, benchmark="gpu-fryer/burn", gpu=0, statistic="mean")
    assert (mean.metric, mean.value, mean.text, mean.line) == (Metric.FLOPS, 51494e9, "51494 Gflops/s", 7)
    assert mean.params["precision"] == "bf16"
    assert row(found, benchmark="gpu-fryer/burn", gpu=1, statistic="min").value == 50000e9
    assert row(found, benchmark="gpu-fryer/temperature", gpu=0, statistic="mean").value == 48.83
    assert row(found, benchmark="gpu-fryer/throttling", gpu=0, reason="thermal SW").value == 1.0
    assert row(found, benchmark="gpu-fryer/verdict", gpu=0).value == 1.0
    assert found.devices == ("NVIDIA H100 80GB HBM3",) * 2
    assert "canary" not in repr(found)
    assert not found.problems


def test_the_mean_under_the_name_dev_is_no_deviation() -> None:
    found = FRYER.read(RESULTS + HEALTHY)
    assert row(found, benchmark="gpu-fryer/burn", gpu=0, statistic="stdev").value == 123.45e9
    assert row(found, benchmark="gpu-fryer/burn", gpu=1, statistic="mean again").value == 51199e9


def test_runs_at_several_precisions_keep_apart() -> None:
    found = FRYER.read(FRYER_HEAD + RESULTS + HEALTHY + FRYER_HEAD.replace("BF16", "FP8") + RESULTS + HEALTHY)
    assert {one.params["precision"] for one in found.rows if one.benchmark == "gpu-fryer/burn"} == {"bf16", "fp8"}
    verdicts = [one for one in found.rows if one.benchmark == "gpu-fryer/verdict"]
    assert [(one.params["gpu"], one.params["precision"]) for one in verdicts] == [
        (0, "bf16"),
        (1, "bf16"),
        (0, "fp8"),
        (1, "fp8"),
    ]
    short = RESULTS.replace(", dev: 123.45", "")
    assert row(FRYER.read(short), benchmark="gpu-fryer/burn", gpu=0, statistic="max").value == 51677.05e9


def test_sick_gpus_are_kept_as_such() -> None:
    end = (
        "Some GPUs are not healthy. Reasons:\n"
        "  - GPU 1 - GPU is throttled. Check the throttling reasons and temperatures\n"
        "  - GPU 1 - GPU is not performing as expected. Check the flops values and temperatures\n"
    )
    found = FRYER.read(RESULTS + end)
    sick = row(found, benchmark="gpu-fryer/verdict", gpu=1)
    assert sick.status is Status.REJECTED
    assert "it was throttled and it is slower" in sick.reason
    assert row(found, benchmark="gpu-fryer/verdict", gpu=0).status is Status.OK
    assert any(problem.startswith("GPU 1 is not healthy") for problem in found.problems)


def test_a_verdict_of_some_that_does_not_say_which_calls_none_healthy() -> None:
    found = FRYER.read(RESULTS + "Some GPUs are not healthy. Reasons:\n")
    assert [one.status for one in found.rows if one.benchmark == "gpu-fryer/verdict"] == [Status.FAILED] * 2


def test_a_gpu_that_did_nothing_has_no_numbers() -> None:
    dead = "GPU #0:      0 Gflops/s (min: 18446744073.71, max: 0.00, dev: 0.00)\n"
    dead += "         Temperature: 0.00°C (min: 18446744073709551616.00, max: 4294967295.00)\n"
    found = FRYER.read(dead + HEALTHY)
    numbers = [one for one in found.rows if one.metric in {Metric.FLOPS, Metric.TEMPERATURE}]
    assert [one.status for one in numbers if one.params["statistic"] != "stdev"] == [Status.FAILED] * 6


def test_without_its_end_nothing_is_called_healthy() -> None:
    found = FRYER.read(RESULTS)
    assert not [one for one in found.rows if one.benchmark == "gpu-fryer/verdict"]
    assert any("does not say whether" in problem for problem in found.problems)
    with pytest.raises(DataError, match="before its results"):
        FRYER.read(FRYER_HEAD)


def burned(**extra: object) -> dict[str, object]:
    result = {"gpu_idx": 3, "flops_max": 52 * 10**12, "flops_min": 50 * 10**12, "temp_max": 50, "temp_min": 47}
    throttling = {"throttling_hw": 0, "throttling_thermal_sw": 2, "throttling_thermal_hw": 0}
    return {"burn_result": result | throttling | extra, "flops_avg": 51.494e12}


def lines(*results: dict[str, object], problems: tuple[dict[str, object], ...] = ()) -> str:
    messages = [
        {"type": "detected_gpus", "detected_gpus": [{"index": 3, "name": "NVIDIA H100", "uuid": "canary"}]},
        {"type": "feature_detection", "bf16": True, "fp8": False, "fp32": False, "gpu_memory_used": []},
        {"type": "progress", "gpus": [{"gpu_idx": 3, "nops": 46, "flops": 51 * 10**12, "temp_celsius": 48}]},
        {"type": "results", "gpus": list(results)},
        {"type": "problems", "problems": list(problems)},
    ]
    return "".join(f"{json.dumps(one)}\n" for one in messages)


def test_json_lines_are_in_operations_a_second() -> None:
    found = FRYER_JSON.read("Creating random matrices\n" + lines(burned()))
    sound(found)
    mean = row(found, benchmark="gpu-fryer/burn", gpu=3, statistic="mean")
    assert (mean.value, mean.line) == (51.494e12, 5)
    assert row(found, benchmark="gpu-fryer/burn", statistic="max").value == 52e12
    assert row(found, benchmark="gpu-fryer/throttling", reason="thermal SW").value == 2.0
    assert row(found, benchmark="gpu-fryer/verdict").value == 1.0
    assert "canary" not in repr(found)
    assert not found.problems


def test_dead_and_sick_gpus_of_json_lines() -> None:
    none = burned(flops_min=2**64 - 1, flops_max=0, temp_min=2**64 - 1, temp_max=0) | {"flops_avg": 0.0}
    found = FRYER_JSON.read(lines(none, problems=({"gpu_idx": 3, "reason": "ZeroFlops"},)))
    assert {one.status for one in found.rows if one.metric in {Metric.FLOPS, Metric.TEMPERATURE}} == {Status.FAILED}
    assert "it did no work" in row(found, benchmark="gpu-fryer/verdict").reason


def test_a_json_line_that_is_cut_gives_one_sentence() -> None:
    whole = lines(burned())
    found = FRYER_JSON.read(whole[: whole.index('{"type": "problems"') + 20])
    assert row(found, benchmark="gpu-fryer/burn", statistic="mean").value == 51.494e12
    assert any(problem.startswith("Line 5 cannot be read") for problem in found.problems)
    with pytest.raises(DataError, match="no result"):
        FRYER_JSON.read(whole[: whole.index('{"type": "results"') + 30])


def test_real_fryers() -> None:
    found = FRYER.read(sample("gpu-fryer/readme-1.txt"))
    assert row(found, benchmark="gpu-fryer/burn", gpu=7, statistic="max").value == 51677.05e9
    derived = FRYER_JSON.read(sample("gpu-fryer/json-DERIVED.jsonl"))
    assert row(derived, benchmark="gpu-fryer/burn", gpu=0, statistic="max").value == 51677.05e9


# --- gpu-stream

TABLE = """blockSize   threads       %occ  |                init       read       scale     triad       3pt        5pt
       32        4224      3 %  |  GB/s:         297        123        240        334        222        218
     1024      135168  100.0 %  |  GB/s:        3884       2756       3165       3534       3128       3110
"""


def test_a_cell_of_the_table_is_a_row() -> None:
    found = STREAM.read(TABLE)
    sound(found)
    assert len(found.rows) == 12
    triad = row(found, benchmark="gpu-stream/triad", block=1024)
    assert (triad.metric, triad.value, triad.text, triad.line) == (Metric.BANDWIDTH, 3534e9, "3534 GB/s", 3)
    assert dict(triad.params) == {"block": 1024, "threads": 135168, "occupancy": "100.0 %", "dtype": "float64"}


def test_the_columns_keep_the_names_that_are_printed() -> None:
    found = STREAM.read(TABLE.replace("3pt        5pt", "1pt        3pt"))
    assert row(found, benchmark="gpu-stream/1pt", block=32).value == 222e9


def test_what_hip_says_between_two_cells_does_not_matter() -> None:
    found = STREAM.read(
        TABLE.replace("       297", "! 4 blocks per SM    297").replace("       123", "! 4 blocks per SM 123")
    )
    assert row(found, benchmark="gpu-stream/read", block=32).value == 123e9


@pytest.mark.parametrize("printed", ["   0", " nan", " inf", "-123"])
def test_no_bandwidth_that_is_no_positive_number(printed: str) -> None:
    found = STREAM.read(TABLE.replace("3884", printed))
    assert row(found, benchmark="gpu-stream/init", block=1024).status is Status.FAILED


@pytest.mark.parametrize("end", ["3128", "312", "31"])
def test_a_line_that_is_cut_says_so(end: str) -> None:
    found = STREAM.read(TABLE[: TABLE.index("3128")] + end)
    assert row(found, benchmark="gpu-stream/3pt", block=1024).status is Status.FAILED
    assert row(found, benchmark="gpu-stream/triad", block=1024).value == 3534e9
    assert "Line 3 is cut." in found.problems
    with pytest.raises(DataError, match="before the first line"):
        STREAM.read(TABLE[: TABLE.index("\n")])


@pytest.mark.parametrize("name", samples("gpu-benches", ".txt"))
def test_every_cell_of_a_real_table(name: str) -> None:
    text = sample(name)
    found = STREAM.read(text)
    sound(found)
    table = [line.split() for line in text.splitlines()]
    names = table[0][-6:]
    assert len(found.rows) == 6 * (len(table) - 1)
    for at, line in enumerate(table[1:], 2):
        for kernel, printed in zip(names, line[-6:], strict=True):
            ours = row(found, benchmark=f"gpu-stream/{kernel}", block=int(line[0]))
            assert (ours.value, ours.line) == (float(printed) * 1e9, at)


# --- all of them


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (BURN, LIST + BEGIN + FIRST + SUMMARY + LAST + VERDICT),
        (FRYER, FRYER_HEAD + RESULTS + HEALTHY),
        (FRYER_JSON, lines(burned())),
        (STREAM, TABLE),
    ],
)
def test_damage_of_every_kind_is_read_or_refused_with_a_sentence(kind: gpu_burn.Format, text: str) -> None:
    assert never_breaks(kind, text) > 10


@pytest.mark.parametrize("name", samples("gpu-burn", ".txt") + samples("gpu-fryer", ".txt", ".jsonl"))
def test_damage_of_real_files_is_read_or_refused_with_a_sentence(name: str) -> None:
    kind = BURN if name.startswith("gpu-burn") else FRYER_JSON if name.endswith("jsonl") else FRYER
    never_breaks(kind, sample(name)[:6000])


# --- several runs in one file


def test_a_gpu_that_computed_nothing_is_not_well_whatever_gpu_burn_calls_it() -> None:
    idle = progress("100.0", ("0", "0", "0", "41"), ("200", "49000", "0", "40"))
    found = BURN.read(LIST + "Couldn't init a GPU test: Error: canary\n" + idle + VERDICT)
    assert {one.benchmark: one.status for one in found.rows if one.params["gpu"] == 0} == {
        "gpu-burn/burn": Status.FAILED,
        "gpu-burn/errors": Status.FAILED,
        "gpu-burn/temperature": Status.OK,
        "gpu-burn/verdict": Status.FAILED,
    }
    assert row(found, benchmark="gpu-burn/verdict", gpu=1).value == 1.0
    assert "These GPUs computed nothing: 0." in found.problems
    silent = BURN.read(LIST + BEGIN + VERDICT)
    assert statuses(silent) == {"failed": 2}


@pytest.mark.parametrize("again", [LIST + BEGIN, BEGIN, LIST, ""])
def test_a_later_run_makes_no_faulty_gpu_well(again: str) -> None:
    faulty = FIRST + LAST + VERDICT.replace("GPU 1: OK", "GPU 1: FAULTY")
    found = BURN.read(LIST + BEGIN + faulty + again + FIRST + LAST + VERDICT)
    verdicts = [(one.params["gpu"], one.status) for one in found.rows if one.benchmark == "gpu-burn/verdict"]
    assert verdicts == [(0, Status.OK), (1, Status.REJECTED), (0, Status.OK), (1, Status.OK)]
    assert found.devices == ("NVIDIA H200",) * 2


def test_a_run_that_is_less_far_than_the_one_before_is_another() -> None:
    found = BURN.read(FIRST + LAST + "\n" + FIRST + LAST + "\n")
    assert len([one for one in found.rows if one.benchmark == "gpu-burn/errors"]) == 4


def test_a_sick_gpu_of_one_run_is_not_sick_in_the_next() -> None:
    sick = "Some GPUs are not healthy.\n - GPU 1 - GPU is throttled\n"
    found = FRYER.read(FRYER_HEAD + RESULTS + sick + FRYER_HEAD + RESULTS + HEALTHY)
    verdicts = [(one.params["gpu"], one.status) for one in found.rows if one.benchmark == "gpu-fryer/verdict"]
    assert verdicts == [(0, Status.OK), (1, Status.REJECTED), (0, Status.OK), (1, Status.OK)]


def test_a_gpu_that_did_nothing_is_not_well_whatever_gpu_fryer_calls_it() -> None:
    idle = (
        "GPU #0:      0 Gflops/s (min: 18446744073.71, max: 0.00, dev: 0.00)\n"
        "         Temperature: 0.00°C (min: 18446744073709551616.00, max: 0.00)\n"
        "         Throttling HW: false, Thermal SW: false, Thermal HW: false\n"
    )
    found = FRYER.read(idle + HEALTHY)
    assert row(found, benchmark="gpu-fryer/verdict").status is Status.FAILED
    assert {one.status for one in found.rows if one.metric in {Metric.FLOPS, Metric.TEMPERATURE}} == {Status.FAILED}
