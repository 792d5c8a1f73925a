"""mamf-finder and all_reduce_bench.py: their output in all wordings, and the tables published from it."""

from __future__ import annotations

import re

import pytest

from benchsuite.errors import DataError
from benchsuite.imports import all_reduce_bench, mamf
from benchsuite.model import Metric, Status
from tests.imported import never_breaks, row, sample, samples, sound, statuses

MAMF, BENCH = mamf.FORMATS[0], all_reduce_bench.FORMATS[0]

HEAD = """
Benchmark started on 2025-10-01 10:00:00

** Command line:
/home/canary/bin/python mamf-finder.py --m_range 0 20480 256 --n 4096 --k 4096

** Dtype: torch.bfloat16

** Platform/Device info:
- Linux canary-host 5.15.0-1 x86_64
- _CudaDeviceProperties(name='NVIDIA H200', major=9, minor=0, total_memory=143771MB, multi_processor_count=132)

** Critical software versions:
- torch=2.7.1+cu128
- cuda=12.8

** Additional notes:
- benchmark version: 2
--------------------------------------------------------------------------------

Warming up the accelerator for 30 secs ... accelerator warmup finished
"""
BEST = " | best:  794.5(mean)  796.0(median)  810.2(max) TFLOPS"
PROGRESS = (
    f"     1 |  700.1(mean)  701.2(median)  712.3(max) @ 256x4096x4096        {BEST}\n"
    f"     2 |  794.5(mean)  796.0(median)  810.2(max) @ 2048x4096x8192       {BEST}\n"
)
LAST = """
Tried 2 shapes => the best outcomes were:
mean:   794.5 TFLOPS @ 2048x4096x8192 (MxNxK)
median: 796.0 TFLOPS @ 2048x4096x8192 (MxNxK)
max:    810.2 TFLOPS @ 2048x4096x8192 (MxNxK)

Across 2 shapes in range: m=[0, 20480, 256] | n=[4096] | k=[4096] in this run:
arithmetic mean: 747.3 TFLOPS
geometric mean:  745.8 TFLOPS

Legend: TFLOPS = 10**12 FLOPS
Elapsed time: 0:01:02
"""


def test_every_shape_and_the_best_of_them() -> None:
    found = MAMF.read(HEAD + PROGRESS + LAST)
    sound(found)
    best = row(found, scope="best of all shapes", statistic="mean")
    assert (best.metric, best.value, best.text) == (Metric.FLOPS, 794.5e12, "794.5 TFLOPS")
    assert dict(best.params) == {
        "dtype": "bfloat16",
        "m": 2048,
        "n": 4096,
        "k": 8192,
        "statistic": "mean",
        "scope": "best of all shapes",
    }
    assert row(found, scope="shape", m=256, statistic="median").value == 701.2e12
    assert row(found, scope="all shapes", statistic="geometric mean").value == 745.8e12
    assert "no headline" in row(found, scope="all shapes", statistic="arithmetic mean").meaning
    assert len(found.rows) == 6 + 3 + 2
    assert not found.problems


def test_the_head_gives_device_and_versions_and_no_host_or_path() -> None:
    found = MAMF.read(HEAD + PROGRESS + LAST)
    assert found.devices == ("NVIDIA H200",)
    assert found.facts == {"torch": "2.7.1+cu128", "cuda": "12.8"}
    assert found.version == "2"
    assert "canary" not in repr(found)


def test_progress_that_a_terminal_overwrote_is_read_as_well() -> None:
    for end in ("\r", "\r\x1b[K"):
        assert len(MAMF.read(HEAD + PROGRESS.replace("\n", end) + LAST).rows) == 11


def test_a_run_that_was_cut_has_a_best_so_far_and_says_so() -> None:
    found = MAMF.read(HEAD + PROGRESS)
    best = row(found, scope="best so far", statistic="max")
    assert best.value == 810.2e12
    assert "was cut" in best.meaning
    assert any("best so far" in problem for problem in found.problems)


@pytest.mark.parametrize(
    ("text", "statistic", "value", "k"),
    [
        ("The best outcome was 271.2TFLOPS @ 1024x10240x5120 (MxNxK) (tried 79 shapes)\n", "mean", 271.2e12, 5120),
        ("The best outcome was 271.2TFLOPS @ 1024x5120x10240 (MxKxN) (tried 79 shapes)\n", "mean", 271.2e12, 5120),
        (
            "The best outcome was 271.2(max)/270.1(median) TFLOPS @ 1024x10240x5120 (MxNxK) (tried 79 shapes)\n",
            "median",
            270.1e12,
            5120,
        ),
    ],
)
def test_wordings_before_2025(text: str, statistic: str, value: float, k: int) -> None:
    best = row(MAMF.read(text), scope="best of all shapes", statistic=statistic)
    assert (best.value, best.params["n"], best.params["k"]) == (value, 10240, k)


def test_the_achievable_and_the_sustainable_best() -> None:
    found = MAMF.read(
        "Tried 24 shapes => the best outcomes were:\n"
        "MAMF (max achievable,  boost burst): 842 TFLOPS @ 3072x2816x20480 (MxNxK)  172W 1980MHz\n"
        "MSMF (max sustainable, saturated):   722 TFLOPS @ 3072x2816x8192 (MxNxK)  681W 1612MHz\n"
    )
    assert (row(found, statistic="mamf").value, row(found, statistic="msmf").value) == (842e12, 722e12)
    assert row(found, statistic="msmf").params["k"] == 8192
    assert "max sustainable, saturated" in row(found, statistic="msmf").meaning


def test_progress_of_2024() -> None:
    line = "    12 |  250.5 TFLOPS @ 1024x10240x5120      | best:  271.2 TFLOPS @ 2048x10240x5120 (MxNxK)\n"
    found = MAMF.read(line)
    assert row(found, scope="shape").value == 250.5e12
    assert row(found, scope="best so far").params["m"] == 2048


@pytest.mark.parametrize("printed", ["0.0", "nan", "inf"])
def test_nothing_that_is_no_positive_number_counts(printed: str) -> None:
    found = MAMF.read(HEAD + LAST.replace("mean:   794.5", f"mean:   {printed}"))
    assert row(found, scope="best of all shapes", statistic="mean").status is Status.FAILED


def test_a_shape_that_is_cut_is_no_shape() -> None:
    found = MAMF.read(HEAD + LAST[: LAST.index("x8192") + 3])
    cut = row(found, scope="best of all shapes", statistic="mean")
    assert (cut.status, cut.reason) == (Status.FAILED, "It has no shape.")


TABLE = """**FP8 (`float8_e4m3fn`)**:

| Accelerator      |   MAMF | Theory | Efficiency | Best Shape MxNxK | torch version | Notes  |
| :--------------- | -----: | -----: | ---------: | :--------------- | :------------ | :----- |
| NVIDIA H200 SXM  | 1453.4 |   1979 |      73.4% | 1280x4096x12032  | 2.7.1+cu128   | a note |
| AMD MI300X       |        |   2600 |            |                  |               |        |
|                  |        |        |            |                  |               |        |
"""


def test_a_published_table() -> None:
    found = MAMF.read(TABLE)
    sound(found)
    reached = row(found, accelerator="NVIDIA H200 SXM", statistic=None)
    assert (reached.metric, reached.value, reached.line) == (Metric.FLOPS, 1453.4e12, 5)
    assert (reached.params["k"], reached.params["dtype"], reached.params["torch"]) == (12032, "float8", "2.7.1+cu128")
    assert "1979" in reached.meaning
    share = row(found, accelerator="NVIDIA H200 SXM", statistic="efficiency")
    assert (share.metric, share.value) == (Metric.RATIO, 0.734)
    assert row(found, accelerator="AMD MI300X").status is Status.SKIPPED
    assert found.devices == ("NVIDIA H200 SXM",)
    assert not found.problems


def test_a_table_whose_element_type_nobody_names_says_so() -> None:
    found = MAMF.read(TABLE[TABLE.index("| Accel") :])
    assert "dtype" not in found.rows[0].params
    assert any("element type" in problem for problem in found.problems)


def test_a_head_without_lines_gives_one_sentence() -> None:
    with pytest.raises(DataError, match="no line with a result"):
        MAMF.read(TABLE[: TABLE.index("| NVIDIA")])
    with pytest.raises(DataError, match=re.escape("It ends before the first shape was measured.")):
        MAMF.read(HEAD)


@pytest.mark.parametrize("name", samples("mamf-finder", ".md"))
def test_every_line_of_a_real_table(name: str) -> None:
    text = sample(name)
    found = MAMF.read(text)
    sound(found)
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()[2:]]
    full = [cells for cells in lines if cells[1]]
    assert statuses(found)["ok"] == 2 * len(full)
    assert statuses(found).get("skipped", 0) == sum(bool(cells[0]) for cells in lines) - len(full)
    for cells in full:
        ours = row(found, accelerator=cells[0], statistic=None)
        assert ours.value == pytest.approx(float(cells[1]) * 1e12, rel=1e-15)
        assert [ours.params[one] for one in "mnk"] == [int(one) for one in cells[4].split("x")]


# --- all_reduce_bench.py

BENCH_HEAD = """
Environment:
- software: torch=2.7.0+cu126, cuda=12.6, nccl=(2, 26, 2)
- hardware: _CudaDeviceProperties(name='NVIDIA H200', major=9, minor=0)

The average bandwidth of all_reduce over 32 ranks (5 warmups / 20 trials):

"""
PAYLOADS = """| payload |    busbw   |    algbw   |
| ------: | ---------: | ---------: |
|   32KiB |   0.92GBps |   0.48GBps |
|   16GiB |  91.69GBps |  47.32GBps |
"""


def test_a_payload_has_both_bandwidths() -> None:
    found = BENCH.read(BENCH_HEAD + PAYLOADS)
    sound(found)
    large = row(found, size=16 << 30, quantity="busbw")
    assert (large.metric, large.value, large.text, large.ranks) == (Metric.BUSBW, 91.69e9, "91.69 GBps", 32)
    assert row(found, size=32 << 10, quantity="algbw").value == 0.48e9
    assert found.facts == {
        "torch": "2.7.0+cu126",
        "CUDA": "12.6",
        "NCCL": "2.26.2",
        "warm-up iterations": "5",
        "iterations": "20",
    }
    assert found.devices == ("NVIDIA H200",)
    assert not found.problems


def test_ranks_are_not_guessed_from_the_bandwidths() -> None:
    found = BENCH.read(PAYLOADS)
    assert (found.rows[0].ranks, found.rows[0].params["ranks"]) == (1, "unknown")
    assert any("busbw over algbw is 1.94" in problem for problem in found.problems)


def test_iterations_of_one_payload() -> None:
    head = "The 0.5GiB payload bandwidth of all_reduce over 8 ranks (5 warmups / 2 trials):\n\n"
    table = "|    busbw   |    algbw   |\n| ---------: | ---------: |\n"
    table += "|  88.00GBps |  50.28GBps |\n|  89.00GBps |  50.85GBps |\n"
    found = BENCH.read(head + table)
    second = row(found, iteration=2, quantity="busbw")
    assert (second.value, second.params["size"], second.ranks) == (89e9, 1 << 29, 8)


def test_the_first_versions() -> None:
    old = "The average bandwidth of all_reduce with a 4.0GB payload (5 trials, 8 ranks):\n"
    old += " algbw: 46.200 GBps (369.6 Gbps)\n"
    found = BENCH.read(f"{old} busbw: 80.850 GBps (646.8 Gbps)\n")
    assert [(one.value, one.params["size"]) for one in found.rows] == [(46.2e9, 4 * 10**9), (80.85e9, 4 * 10**9)]
    legend = "Legend: 1KB = 2**10Bytes, 1MB = 2**20Bytes, 1GB = 2**30Bytes. 1Bps = 1Bytes per second\n"
    binary = BENCH.read(PAYLOADS.replace("16GiB", " 16GB") + legend)
    assert row(binary, size=16 << 30, quantity="busbw").value == pytest.approx(91.69 * 2**30)


def test_what_a_launcher_prints_before_a_line_does_not_matter() -> None:
    tagged = "".join(f"[canary0]:{line}\n" for line in (BENCH_HEAD + PAYLOADS).splitlines())
    found = BENCH.read(tagged)
    assert [one.value for one in found.rows] == [0.92e9, 0.48e9, 91.69e9, 47.32e9]
    assert "canary" not in repr(found)


@pytest.mark.parametrize("printed", [" 0.00", "nan", "-1.00"])
def test_no_bandwidth_that_is_no_positive_number(printed: str) -> None:
    found = BENCH.read(PAYLOADS.replace("91.69", printed))
    assert row(found, size=16 << 30, quantity="busbw").status is Status.FAILED


def test_a_line_that_is_cut_says_so() -> None:
    found = BENCH.read(PAYLOADS[: PAYLOADS.index("47.32") + 3])
    assert [one.value for one in found.rows] == [0.92e9, 0.48e9, 91.69e9]
    assert "Line 4 is cut." in found.problems


@pytest.mark.parametrize("name", samples("all_reduce_bench", ".txt"))
def test_every_line_of_a_real_bench(name: str) -> None:
    text = sample(name)
    found = BENCH.read(text)
    sound(found)
    lines = re.findall(r"^\| +(\d+)([KMG])iB \| +([\d.]+)GBps \| +([\d.]+)GBps \|", text, re.MULTILINE)
    assert len(found.rows) == 2 * len(lines) == 40
    for count, prefix, busbw, algbw in lines:
        size = int(count) << {"K": 10, "M": 20, "G": 30}[prefix]
        assert row(found, size=size, quantity="busbw").value == pytest.approx(float(busbw) * 1e9)
        assert row(found, size=size, quantity="algbw").value == pytest.approx(float(algbw) * 1e9)


@pytest.mark.parametrize("text", [HEAD + PROGRESS + LAST, TABLE, BENCH_HEAD + PAYLOADS])
def test_damage_of_every_kind_is_read_or_refused_with_a_sentence(text: str) -> None:
    assert never_breaks(BENCH if "payload" in text else MAMF, text) > 10


@pytest.mark.parametrize("name", samples("mamf-finder", ".md") + samples("all_reduce_bench", ".txt"))
def test_damage_of_real_files_is_read_or_refused_with_a_sentence(name: str) -> None:
    never_breaks(MAMF if name.endswith("md") else BENCH, sample(name))


def test_the_last_cell_of_a_line_that_is_cut_is_no_value() -> None:
    table = "BF16\n\n| Accelerator | MAMF | Theory | Efficiency | Best Shape MxNxK |\n|---|---|---|---|---|\n"
    whole = "| H200 | 770.1 | 989 | 77.9% | 4096x4096x4096 |\n"
    found = MAMF.read(table + whole + "| B200 | 1745.0 | 2250 | 77.")
    assert [one.params["accelerator"] for one in found.rows if one.params.get("statistic")] == ["H200"]
    assert row(found, accelerator="B200").value == 1745.0e12


def test_a_second_run_that_is_cut_is_not_finished_because_the_first_was() -> None:
    found = MAMF.read(HEAD + PROGRESS + LAST + HEAD + PROGRESS)
    assert any("the best so far" in problem for problem in found.problems)
    assert any(one.params.get("scope") == "best so far" for one in found.rows)
