"""STREAM and BabelStream: rates in the unit above the column, wrong arrays reject everything."""

from __future__ import annotations

import re

import pytest

from benchsuite.errors import DataError
from benchsuite.imports import stream
from benchsuite.model import Metric, Status
from tests.imported import never_breaks, row, sample, samples, sound, statuses

STREAM, BABEL = stream.FORMATS

HEAD = """STREAM version $Revision: 5.10 $
This system uses 8 bytes per array element.
Array size = 80000000 (elements), Offset = 0 (elements)
Each kernel will be executed 10 times.
Number of Threads requested = 16
Number of Threads counted = 12
"""
RATES = """Function    Best Rate MB/s  Avg time     Min time     Max time
Copy:          161745.3     0.007950     0.007914     0.007991
Scale:         148132.4     0.008690     0.008641     0.008752
Add:           155301.7     0.012414     0.012363     0.012466
Triad:         155520.5     0.012393     0.012346     0.012450
"""
VALID = "Solution Validates: avg error less than 1.000000e-13 on all three arrays\n"
FAILED = (
    "Failed Validation on array b[], AvgRelAbsErr > epsilon (1.000000e-13)\n     For array b[], 7 errors were found.\n"
)


def test_a_kernel_has_a_rate_and_three_times() -> None:
    found = STREAM.read(HEAD + RATES + VALID)
    sound(found)
    assert len(found.rows) == 16
    triad = row(found, benchmark="stream/triad", statistic=None)
    assert (triad.metric, triad.value, triad.text, triad.line) == (Metric.BANDWIDTH, 155520.5e6, "155520.5 MB/s", 11)
    assert dict(triad.params) == {"elements": 80000000, "bytes": 8, "threads": 12}
    assert [row(found, benchmark="stream/copy", statistic=one).value for one in ("avg", "min", "max")] == [
        0.007950,
        0.007914,
        0.007991,
    ]
    assert (found.version, found.facts["repetitions"]) == ("5.10", "10")
    assert not found.problems


@pytest.mark.parametrize(
    "head",
    [
        "Function      Rate (MB/s)   Avg time     Min time     Max time",
        "Function     Rate (MB/s)  Avg time   Min time  Max time",
        "Function    Best Rate MB/s  Avg time     Min time     Max time",
    ],
)
def test_heads_of_all_versions(head: str) -> None:
    found = STREAM.read(RATES.replace(RATES.splitlines()[0], head) + VALID)
    assert not found.problems
    assert len(found.rows) == 16


def test_a_head_in_gigabytes_counts_in_gigabytes() -> None:
    found = STREAM.read(RATES.replace("MB/s", "GB/s").replace("161745.3", "   161.7") + VALID)
    assert row(found, benchmark="stream/copy", statistic=None).value == 161.7e9


def test_a_version_without_its_dollars() -> None:
    assert STREAM.read(HEAD.replace("$Revision: 5.10 $", "Revision: 5.6") + RATES + VALID).version == "5.6"


def test_wrong_arrays_reject_every_rate() -> None:
    found = STREAM.read(HEAD + RATES + FAILED)
    assert statuses(found) == {"rejected": 16}
    assert "array b" in found.rows[0].reason
    assert row(found, benchmark="stream/triad", statistic=None).text == "155520.5 MB/s"
    assert statuses(STREAM.read(HEAD + FAILED)) == {"rejected": 1}


def test_without_a_verdict_the_values_are_not_checked() -> None:
    found = STREAM.read(HEAD + RATES)
    assert found.rows[0].params["checked"] is False
    assert "not checked" in found.rows[0].meaning
    assert any("validation is missing" in problem for problem in found.problems)


@pytest.mark.parametrize("printed", ["0.0", "nan", "inf", "-1.0"])
def test_nothing_that_is_no_positive_number_counts(printed: str) -> None:
    found = STREAM.read(RATES.replace("161745.3", printed) + VALID)
    assert row(found, benchmark="stream/copy", statistic=None).status is Status.FAILED


def test_a_number_that_may_be_cut_is_no_value() -> None:
    found = STREAM.read(HEAD + RATES[: RATES.index("0.012450") + 5])
    assert row(found, benchmark="stream/triad", statistic="max").status is Status.FAILED
    shorter = STREAM.read(HEAD + RATES[: RATES.index("155301.7") + 5])
    assert row(shorter, benchmark="stream/add", statistic=None).status is Status.FAILED
    assert "There is no line for Triad." in shorter.problems


def test_lines_without_a_head_say_what_is_taken_for_granted() -> None:
    found = STREAM.read("".join(RATES.splitlines(keepends=True)[1:]) + VALID)
    assert len(found.rows) == 16
    assert any("no head of the table" in problem for problem in found.problems)


def test_runs_of_one_file_are_judged_apart() -> None:
    found = STREAM.read(HEAD + RATES + FAILED + HEAD.replace("counted = 12", "counted = 24") + RATES + VALID)
    assert statuses(found) == {"rejected": 16, "ok": 16}
    assert {one.params["threads"] for one in found.rows if one.status is Status.OK} == {24}


def test_a_head_without_rates_gives_one_sentence() -> None:
    with pytest.raises(DataError, match=re.escape("it ends before the table of rates.")):
        STREAM.read(HEAD)


# --- BabelStream

BABEL_HEAD = """BabelStream
Version: 5.0
Implementation: CUDA
Running kernels 100 times
Precision: double
Array size: 268.4 MB (=0.3 GB)
Total size: 805.3 MB (=0.8 GB)
Using CUDA device NVIDIA H200
Driver: 12090
Memory: DEFAULT
"""
BABEL_TABLE = """Function    MBytes/sec  Min (sec)   Max         Average
Copy        3955013.104 0.00014     0.00015     0.00014
Dot         4012345.678 0.00013     0.00014     0.00013
"""


def test_a_kernel_of_babelstream_has_a_bandwidth_and_three_times() -> None:
    found = BABEL.read(BABEL_HEAD + BABEL_TABLE)
    sound(found)
    copy = row(found, benchmark="babelstream/copy", statistic=None)
    assert (copy.metric, copy.value, copy.line) == (Metric.BANDWIDTH, 3955013.104e6, 12)
    assert copy.params["implementation"] == "CUDA"
    assert row(found, benchmark="babelstream/dot", statistic="min").value == 0.00013
    assert row(found, benchmark="babelstream/dot", statistic="max").value == 0.00014
    assert found.devices == ("NVIDIA H200",)
    assert found.version == "5.0"
    assert not found.problems


@pytest.mark.parametrize(
    ("unit", "scale", "shown"),
    [
        ("MBytes/sec", 10**6, "MB/s"),
        ("MiBytes/sec", 2**20, "MiB/s"),
        ("MB/s", 10**6, "MB/s"),
        ("GiB/s", 2**30, "GiB/s"),
        ("GB/s", 10**9, "GB/s"),
        ("TiB/s", 2**40, "TiB/s"),
    ],
)
def test_the_unit_stands_above_the_column(unit: str, scale: int, shown: str) -> None:
    found = BABEL.read(BABEL_TABLE.replace("MBytes/sec", unit).replace("3955013.104", "2.500"))
    copy = row(found, benchmark="babelstream/copy", statistic=None)
    assert (copy.value, copy.text) == (2.5 * scale, f"2.500 {shown}")


@pytest.mark.parametrize(
    ("column", "scale"),
    [("max_mbytes_per_sec", 10**6), ("max_mibytes_per_sec", 2**20), ("max_MB_per_sec", 10**6)],
)
def test_csv_of_all_versions(column: str, scale: int) -> None:
    head = f"function,num_times,n_elements,sizeof,{column},min_runtime,max_runtime,avg_runtime"
    found = BABEL.read(f"{head}\nCopy,100,33554432,8,4000.5,0.000134,0.000141,0.000137\n")
    copy = row(found, benchmark="babelstream/copy", statistic=None)
    assert copy.value == 4000.5 * scale
    assert copy.params == {"elements": "33554432", "precision": "double"}
    assert row(found, statistic="avg").value == 0.000137


def test_csv_of_the_phases_around_the_kernels() -> None:
    head = "phase,n_elements,sizeof,max_mbytes_per_sec,runtime"
    found = BABEL.read(f"{head}\nInit,33554432,8,4026.5,0.2\nRead,33554432,8,2000.5,0.4\n")
    assert row(found, benchmark="babelstream/init", statistic=None).value == 4026.5e6
    assert row(found, benchmark="babelstream/read", statistic="once").value == 0.4


def test_units_of_csv_in_the_spelling_of_version_six() -> None:
    head = "function,num_times,n_elements,sizeof,max_GiB_per_sec,min_runtime,max_runtime,avg_runtime"
    found = BABEL.read(f"{head}\nTriad,100,33554432,4,3.5,0.000134,0.000141,0.000137\n")
    assert row(found, statistic=None).value == 3.5 * 2**30
    assert found.rows[0].params["precision"] == "float"


def test_triad_only_and_phases_and_geometric_mean() -> None:
    only = BABEL.read("BabelStream\nVersion: 4.0\n-----\nRuntime (seconds): 0.01234\nBandwidth (GB/s):  1543.210\n")
    assert [one.value for one in only.rows] == [0.01234, 1543.210e9]
    phases = BABEL.read(
        BABEL_HEAD + "Init: 0.20000 s (=4026.532 MBytes/sec)\n" + BABEL_TABLE + "GEOMEAN     265847.929\n"
    )
    assert row(phases, benchmark="babelstream/init").value == 4026.532e6
    assert row(phases, benchmark="babelstream/geomean").value == 265847.929e6
    assert "no headline" in row(phases, benchmark="babelstream/geomean").meaning


@pytest.mark.parametrize(
    "line",
    [
        "Validation failed on a[]. Average error 0.5\n",
        "FAILED validation of a[3]: 1 (is) != 2 (should), diff=1 > 0 (largest=2, max_rel=1e-14)\n",
        "Validation failed on A. Average error   0.500000000000E+00\n",
    ],
)
def test_wrong_arrays_reject_every_bandwidth(line: str) -> None:
    assert statuses(BABEL.read(BABEL_HEAD + line + BABEL_TABLE)) == {"rejected": 8}
    assert statuses(BABEL.read(BABEL_HEAD + line)) == {"rejected": 1}


def test_a_line_that_is_cut_gives_what_is_whole() -> None:
    found = BABEL.read(BABEL_HEAD + BABEL_TABLE[: BABEL_TABLE.rindex("0.00014") + 5])
    assert row(found, benchmark="babelstream/dot", statistic="max").status is Status.FAILED
    assert row(found, benchmark="babelstream/dot", statistic="min").value == 0.00013
    assert "Line 13 is cut." in found.problems
    with pytest.raises(DataError, match="it ends before the table"):
        BABEL.read(BABEL_HEAD)


# --- real files


@pytest.mark.parametrize("name", samples("stream", ".txt"))
def test_every_rate_of_a_real_stream(name: str) -> None:
    text = sample(name)
    found = STREAM.read(text)
    sound(found)
    lines = re.findall(r"^(Copy|Scale|Add|Triad): +([\d.]+) +([\d.]+) +([\d.]+) +([\d.]+)", text, re.MULTILINE)
    assert len(found.rows) == 4 * len(lines) == 16
    for kernel, rate, _, least, _ in lines:
        assert row(found, benchmark=f"stream/{kernel.lower()}", statistic=None).value == float(rate) * 1e6
        assert row(found, benchmark=f"stream/{kernel.lower()}", statistic="min").value == float(least)
    assert statuses(found) == {"ok": 16}
    assert not found.problems


@pytest.mark.parametrize("name", samples("babelstream", ".txt"))
def test_every_bandwidth_of_a_real_babelstream(name: str) -> None:
    text = sample(name)
    found = BABEL.read(text)
    sound(found)
    lines = re.findall(r"^(Copy|Mul|Add|Triad|Dot) +([\d.]+) ", text, re.MULTILINE)
    assert len(found.rows) == 4 * len(lines) + text.count("GEOMEAN")
    for kernel, rate in lines:
        ours = row(found, benchmark=f"babelstream/{kernel.lower()}", statistic=None)
        assert ours.value == pytest.approx(float(rate) * 1e6, rel=1e-15)
    assert statuses(found) == {"ok": len(found.rows)}
    assert len(found.devices) == 1
    assert "0x13" not in repr(found)


@pytest.mark.parametrize("text", [HEAD + RATES + VALID, BABEL_HEAD + BABEL_TABLE])
def test_damage_of_every_kind_is_read_or_refused_with_a_sentence(text: str) -> None:
    assert never_breaks(STREAM if "STREAM version" in text else BABEL, text) > 10


@pytest.mark.parametrize("name", samples("stream", ".txt")[:2] + samples("babelstream", ".txt"))
def test_damage_of_real_files_is_read_or_refused_with_a_sentence(name: str) -> None:
    never_breaks(BABEL if name.startswith("babel") else STREAM, sample(name))


def test_the_array_that_is_wrong_is_named_where_validation_failed_on_it() -> None:
    """The word before the array ends as ``validation`` does."""
    found = BABEL.read(BABEL_HEAD + "Validation failed on sum. Error 2.9e-08\n" + BABEL_TABLE)
    assert found.problems[0].startswith("The values of sum are wrong.")


def test_several_runs_of_babelstream_are_on_one_device() -> None:
    found = BABEL.read((BABEL_HEAD + BABEL_TABLE) * 3)
    assert found.devices == BABEL.read(BABEL_HEAD + BABEL_TABLE).devices
    assert len(found.devices) == 1
