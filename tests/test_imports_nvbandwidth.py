"""nvbandwidth: matrices as text and JSON; corrupted data are rejected, N/A is no value, sum and min are made anew."""

from __future__ import annotations

import json
import re

import pytest

from benchsuite import imports
from benchsuite.errors import DataError
from benchsuite.imports import nvbandwidth
from benchsuite.model import Metric, Status
from tests.imported import never_breaks, row, sample, samples, sound, statuses

TEXT, JSON = nvbandwidth.FORMATS

HEAD = """nvbandwidth Version: v0.8
Built from Git version: v0.8

CUDA Runtime Version: 12090
CUDA Driver Version: 12090
Driver Version: 575.51.03

secret-host
Device 0: NVIDIA H200 (00000000:19:00)
Device 1: NVIDIA H200 (00000000:3b:00)

"""
ONE_WAY = """Running host_to_device_memcpy_ce.
memcpy CE CPU(row) -> GPU(column) bandwidth (GB/s)
           0         1
 0     55.63     55.64

SUM host_to_device_memcpy_ce 111.27

"""
PEERS = """Running device_to_device_memcpy_read_ce.
memcpy CE GPU(row) <- GPU(column) bandwidth (GB/s)
           0         1
 0       N/A    395.83
 1    396.01       N/A

SUM device_to_device_memcpy_read_ce 791.84

"""
BOTH_WAYS = """Running device_to_device_bidirectional_memcpy_write_sm.
memcpy SM GPU(row) <-> GPU(column) Write1 bandwidth (GB/s)
           0         1
 0       N/A    360.01
 1    361.01       N/A

memcpy SM GPU(row) <-> GPU(column) Total bandwidth (GB/s)
           0         1
 0       N/A    720.02
 1    722.02       N/A

"""
LATENCY = """Running host_device_latency_sm.
memory latency SM CPU(row) <-> GPU(column) (ns)
           0
 0    772.58

SUM host_device_latency_sm 772.58
"""
CORRUPT = """ Invalid value when checking the pattern at 0x70a640000000
 Current offset : 11136
ASSERT in expression h_errorFlag == 0 in void memcmpPatternHelper() : /home/canary/memcpy.cpp:165
"""


def test_each_cell_is_a_row_that_says_where_data_come_from_and_go_to() -> None:
    found = TEXT.read(HEAD + ONE_WAY + PEERS)
    sound(found)
    cell = row(found, source="CPU 0", target="GPU 1")
    assert (cell.benchmark, cell.metric) == ("nvbandwidth/host_to_device_memcpy_ce", Metric.BANDWIDTH)
    assert (cell.value, cell.text, cell.line) == (55.64e9, "55.64 GB/s", 15)
    read = row(found, source="GPU 1", target="GPU 0")  # an arrow to the left: from the column to the row
    assert read.value == 395.83e9
    assert row(found, source="GPU 0", target="GPU 1").value == 396.01e9
    assert not found.problems


def test_cells_without_a_value_are_none() -> None:
    found = TEXT.read(HEAD + PEERS)
    assert statuses(found) == {"ok": 4}
    assert row(found, statistic="min").value == 395.83e9


def test_sum_and_least_are_made_from_the_cells() -> None:
    found = TEXT.read(
        HEAD + ONE_WAY.replace("SUM host_to_device_memcpy_ce 111.27", "SUM host_to_device_memcpy_ce 999.99")
    )
    total = row(found, statistic="sum")
    assert total.value == pytest.approx(111.27e9)
    assert "999.99" in total.meaning
    assert "no throughput" in total.meaning
    assert row(found, statistic="min").value == 55.63e9


def test_what_stands_below_a_matrix_is_no_row_of_it() -> None:
    below = "COEFFICIENT_OF_VARIATION host_device_latency_sm 0.01\nMIN host_device_latency_sm 772.58\n"
    for text in (LATENCY + below, LATENCY.replace("\n\nSUM", "\nSUM") + below):
        found = TEXT.read(text)
        assert [one.params.get("statistic") for one in found.rows] == [None, "min", "cv"]
        spread = found.rows[-1]
        assert (spread.metric, spread.value, spread.text) == (Metric.RATIO, 0.01, "0.01")


def test_versions_of_cuda_as_version_0_10_prints_them() -> None:
    head = HEAD.replace("CUDA Runtime Version: 12090", "CUDA Runtime Version: 13.2 (13020)")
    found = TEXT.read(head.replace("CUDA Driver Version: 12090", "CUDA Driver Version (API): 13.2 (13020)") + ONE_WAY)
    assert (found.facts["CUDA runtime"], found.facts["CUDA driver"]) == ("13.2 (13020)", "13.2 (13020)")


def test_directions_stay_apart() -> None:
    found = TEXT.read(HEAD + BOTH_WAYS)
    one = row(found, direction="Write1", source="GPU 1", target="GPU 0", bidirectional=True)
    assert one.value == 361.01e9
    assert row(found, direction="Total", statistic="sum").value == pytest.approx(1442.04e9)


def test_latencies_are_seconds_and_have_no_sum() -> None:
    found = TEXT.read(HEAD + LATENCY)
    assert (found.rows[0].metric, found.rows[0].value) == (Metric.LATENCY, 772.58e-9)
    assert [one.params.get("statistic") for one in found.rows] == [None, "min"]


def test_the_head_gives_versions_and_devices_without_addresses() -> None:
    found = TEXT.read(HEAD + ONE_WAY)
    assert found.version == "v0.8"
    assert found.devices == ("NVIDIA H200",) * 2
    assert found.facts == {"CUDA runtime": "12090", "CUDA driver": "12090", "driver": "575.51.03"}
    assert "secret" not in repr(found)
    assert "19:00" not in repr(found)


def test_several_nodes_give_names_of_devices_only() -> None:
    processes = (
        "Process 0 (canary-1): device 0: NVIDIA GB200 (00000008:01:00)\nProcess 1 (canary-2): device 0: NVIDIA GB200\n"
    )
    found = TEXT.read(
        processes + "[1,0]<stdout>:Running multinode_device_to_device_memcpy_read_ce.\n" + PEERS.split("\n", 1)[1]
    )
    assert found.devices == ("NVIDIA GB200",) * 2
    assert found.rows[0].benchmark == "nvbandwidth/multinode_device_to_device_memcpy_read_ce"
    assert "canary" not in repr(found)


def test_early_versions_print_zero_for_a_device_to_itself() -> None:
    found = TEXT.read(PEERS.replace("      N/A", "     0.00"))
    assert statuses(found) == {"ok": 4, "skipped": 2}
    assert row(found, source="GPU 0", target="GPU 0").status is Status.SKIPPED
    assert row(found, statistic="min").value == 395.83e9


def test_any_other_zero_fails_and_takes_the_sum_with_it() -> None:
    found = TEXT.read(ONE_WAY.replace("55.64", " 0.00"))
    assert row(found, source="CPU 0", target="GPU 1").status is Status.FAILED
    assert row(found, statistic="sum").status is Status.FAILED
    assert row(found, source="CPU 0", target="GPU 0").value == 55.63e9


def test_corrupted_data_are_rejected_first_of_all() -> None:
    found = TEXT.read(HEAD + ONE_WAY + "Running device_to_device_memcpy_read_ce.\n" + CORRUPT)
    bad = row(found, benchmark="nvbandwidth/device_to_device_memcpy_read_ce")
    assert bad.status is Status.REJECTED
    assert "corrupts data" in bad.reason
    assert any("corrupts data" in problem for problem in found.problems)
    assert "canary" not in repr(found)
    assert "70a64" not in repr(found)


def test_corrupted_data_without_a_test_are_a_row_of_their_own() -> None:
    for found in (TEXT.read(HEAD + CORRUPT), JSON.read(document(error=CORRUPT))):
        assert statuses(found) == {"rejected": 1}
        assert "corrupts data" in found.rows[0].reason


def test_corrupted_data_before_any_test_make_all_suspect() -> None:
    found = TEXT.read(CORRUPT + ONE_WAY)
    assert statuses(found) == {"rejected": 4}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (
            "[CUDA_ERROR_ECC_UNCORRECTABLE] uncorrectable in expression cuX in f() : /home/canary/a.cpp:1",
            "A CUDA call failed.",
        ),
        ("NVML_ERROR: [Not Supported] in expression nvmlX in f() : /home/canary/a.cpp:1", "An NVML call failed."),
        ("", "There is no matrix: the output is cut, or the test did not end."),
    ],
)
def test_a_test_without_a_matrix_failed_and_says_why(line: str, reason: str) -> None:
    found = TEXT.read(ONE_WAY + f"Running device_to_host_memcpy_ce.\n{line}\n")
    failed = row(found, benchmark="nvbandwidth/device_to_host_memcpy_ce")
    assert (failed.status, failed.reason) == (Status.FAILED, reason)
    assert "canary" not in repr(found)


def test_waived_tests_are_kept_as_skipped() -> None:
    found = TEXT.read(ONE_WAY + "Waived: \nWaived: \n")
    assert statuses(found) == {"ok": 4, "skipped": 2}
    named = TEXT.read(ONE_WAY + "Running device_to_device_memcpy_read_ce.\nWaived: \n")
    assert row(named, benchmark="nvbandwidth/device_to_device_memcpy_read_ce").status is Status.SKIPPED


@pytest.mark.parametrize("end", ["55.6", "55.", "55", "5"])
def test_a_number_that_is_cut_is_no_value(end: str) -> None:
    text = ONE_WAY[: ONE_WAY.index("55.64")] + end
    found = TEXT.read(text)
    assert row(found, source="CPU 0", target="GPU 1").status is Status.FAILED
    assert row(found, statistic="sum").status is Status.FAILED
    assert "A row of the matrix is cut or missing." in " ".join(found.problems)


def test_a_row_that_is_cut_between_two_cells_has_no_sum() -> None:
    found = TEXT.read(ONE_WAY[: ONE_WAY.index("55.64")])
    assert row(found, source="CPU 0", target="GPU 0").value == 55.63e9
    assert row(found, statistic="sum").status is Status.FAILED


@pytest.mark.parametrize(
    "message", ["[CUDA_ERROR_UNKNOWN] bad in f()", " Current offset : 11136", "Warning about something", "node 3: up"]
)
def test_a_message_between_two_rows_costs_no_row(message: str) -> None:
    rows = PEERS.splitlines()
    for at in range(2, 6):
        found = TEXT.read("\n".join([*rows[:at], message, *rows[at:]]))
        values = [one.value for one in found.rows if "statistic" not in one.params]
        assert values == [395.83e9, 396.01e9], at


def test_a_description_without_its_matrix_fails() -> None:
    found = TEXT.read(HEAD + ONE_WAY[: ONE_WAY.index("           0")])
    assert statuses(found) == {"failed": 1}
    with pytest.raises(DataError, match=re.escape("It ends before the first test.")):
        TEXT.read(HEAD)


# --- JSON


def test_case(name: str, *cells: list[str], **extra: object) -> dict[str, object]:
    arrow = "memcpy CE GPU(row) <- GPU(column) bandwidth (GB/s)"
    whole = {"name": name, "status": "Passed", "bandwidth_description": arrow, "sum": 1.0, "min": 0.0}
    return whole | ({"bandwidth_matrix": list(cells)} if cells else {}) | extra


test_case.__test__ = False  # type: ignore[attr-defined]


def document(*cases: dict[str, object], **extra: object) -> str:
    devices = ["0: NVIDIA H200 (00000000:19:00): (secret-host)", "1: NVIDIA H200 (00000000:3b:00): (secret-host)"]
    inner = {
        "version": "v0.8",
        "CUDA Runtime Version": 12090,
        "Driver Version": "575.51.03",
        "GPU Device list": devices,
    }
    return json.dumps({"nvbandwidth": {**inner, "testcases": list(cases), **extra}}, indent=1)


MATRIX = (["N/A", "395.83"], ["396.01", "N/A"])


def test_the_document_gives_what_the_text_gives() -> None:
    found = JSON.read(document(test_case("device_to_device_memcpy_read_ce", *MATRIX)))
    sound(found)
    lines = TEXT.read(HEAD + PEERS)
    both = [
        {(one.benchmark, str(sorted(one.params.items())), one.value) for one in each.rows} for each in (found, lines)
    ]
    assert both[0] == both[1]
    assert found.devices == lines.devices
    assert "secret" not in repr(found)
    assert "19:00" not in repr(found)


def test_every_status_of_the_document_is_kept() -> None:
    found = JSON.read(
        document(
            test_case("a_memcpy_ce", *MATRIX),
            test_case("b_memcpy_ce", status="Waived"),
            test_case("c_memcpy_ce", status="Error"),
            test_case("d_memcpy_ce", status="Running"),
            test_case("e_memcpy_ce"),
            test_case("f_memcpy_ce", *MATRIX, status="Running"),
        )
    )
    assert [row(found, benchmark=f"nvbandwidth/{name}_memcpy_ce").status.value for name in "bcde"] == [
        "skipped",
        "failed",
        "failed",
        "failed",
    ]
    assert {one.status for one in found.rows if "f_memcpy" in one.benchmark} == {Status.REJECTED}


@pytest.mark.parametrize("where", ["before", "inside", "error", "test"])
def test_corrupted_data_in_and_around_the_document_are_rejected(where: str) -> None:
    error = "Invalid value when checking the pattern at <0x70a640000000> ASSERT in expression h_errorFlag == 0"
    running = test_case("d_memcpy_ce", status="Running", **({"error": error} if where == "test" else {}))
    text = document(test_case("a_memcpy_ce", *MATRIX), running, **({"error": error} if where == "error" else {}))
    if where == "before":
        text = f"{CORRUPT}{text}"
    elif where == "inside":
        at = text.index('"name": "d_memcpy_ce"')
        text = text[:at] + f"\n{error}\n" + text[at:]
        text = text.replace('"name": "d_memcpy_ce"', '"nme": "d_memcpy_ce"')
    found = JSON.read(text)
    bad = [one for one in found.rows if one.status is Status.REJECTED]
    assert bad
    assert "corrupts data" in bad[0].reason
    if where != "inside":  # there the damaged test is lost, so every other one is suspect
        assert {one.benchmark for one in bad} == {"nvbandwidth/d_memcpy_ce"}
    assert "70a64" not in repr(found)


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        ("Invalid value when checking the pattern at <0x70a640000000>", Status.REJECTED, "corrupts data"),
        ('[CUDA_ERROR_UNKNOWN] "unknown" { error in f() : /home/canary/memcpy.cpp:1', Status.OK, "A CUDA call failed."),
    ],
)
def test_an_error_in_any_line_of_the_document_is_told(error: str, status: Status, said: str) -> None:
    whole = document(*(test_case(f"{name}_memcpy_ce", *MATRIX) for name in "abc")).split("\n")
    for at in range(len(whole) + 1):
        found = JSON.read("\n".join([*whole[:at], error, *whole[at:]]))
        assert any(said in problem for problem in found.problems), at
        assert {one.benchmark[-11:] for one in found.rows} == {f"{name}_memcpy_ce" for name in "abc"}, at
        assert len(found.problems) > 1 or "damaged" not in found.problems[0]
        assert any(one.status is status for one in found.rows), at
        assert "canary" not in repr(found)


def test_a_document_that_is_printed_twice_counts_once() -> None:
    first = document(test_case("a_memcpy_ce", status="Running"))
    found = JSON.read(first + "\n" + document(test_case("a_memcpy_ce", *MATRIX)))
    assert statuses(found) == {"ok": 4}


def test_a_cut_document_gives_its_whole_tests() -> None:
    text = document(*(test_case(f"{name}_memcpy_ce", *MATRIX) for name in "abc"))
    found = JSON.read(text[: text.index('"c_memcpy_ce"')])
    assert {one.benchmark for one in found.rows} == {"nvbandwidth/a_memcpy_ce", "nvbandwidth/b_memcpy_ce"}
    named = JSON.read(text[: text.index('"status": "Passed"', text.index('"c_memcpy_ce"'))])
    lost = row(named, benchmark="nvbandwidth/c_memcpy_ce")
    assert (lost.status, lost.reason) == (Status.FAILED, "Its status is cut or damaged.")
    assert found.version == "v0.8"
    assert any("2 whole tests" in problem for problem in found.problems)
    with pytest.raises(DataError, match="no test"):
        JSON.read(text[: text.index('"a_memcpy_ce"')])


# --- real files


def naive(text: str) -> int:
    """Numbers in lines of nothing but a label and numbers with two decimals, found without the parser."""
    lines = [line.split() for line in text.splitlines()]
    good = [
        line[1:]
        for line in lines
        if line and line[0].isdigit() and all(re.fullmatch(r"\d+\.\d\d", one) for one in line[1:])
    ]
    return sum(len(line) for line in good if line)


@pytest.mark.parametrize("name", samples("nvbandwidth", ".txt"))
def test_every_number_of_a_real_matrix_is_a_row(name: str) -> None:
    text = sample(name)
    found = TEXT.read(text)
    sound(found)
    cells = [one for one in found.rows if one.text and "statistic" not in one.params]
    assert len(cells) == naive(text)
    assert all(one.text.split()[0] in text.splitlines()[one.line - 1].split() for one in cells)
    assert sum("Waived" in one.reason for one in found.rows) == text.count("Waived:")


def test_real_figures() -> None:
    found = TEXT.read(sample("nvbandwidth/readme-1.txt"))
    assert row(found, source="GPU 1", target="GPU 0").value == 276.07e9
    assert statuses(found)["skipped"] == 8
    assert row(found, statistic="min").value == 274.89e9
    bad = TEXT.read(sample("nvbandwidth/issue34-8xA100-pattern-error.txt"))
    assert statuses(bad) == {"rejected": 1}
    assert len(bad.devices) == 8
    document = JSON.read(sample("nvbandwidth/dcgm-verboseFullOutput.json"))
    assert statuses(document)["skipped"] == sample("nvbandwidth/dcgm-verboseFullOutput.json").count('"Waived"')
    latency = row(document, benchmark="nvbandwidth/host_device_latency_sm", statistic="min")
    assert latency.value == 649.879e-9


@pytest.mark.parametrize("text", [HEAD + ONE_WAY + PEERS + BOTH_WAYS + LATENCY, document(test_case("a_ce", *MATRIX))])
def test_damage_of_every_kind_is_read_or_refused_with_a_sentence(text: str) -> None:
    assert never_breaks(JSON if text.startswith("{") else TEXT, text) > 10


@pytest.mark.parametrize("name", samples("nvbandwidth", ".txt", ".json"))
def test_damage_of_real_files_is_read_or_refused_with_a_sentence(name: str) -> None:
    never_breaks(JSON if name.endswith("json") else TEXT, sample(name))


def test_a_test_that_early_versions_waive_is_skipped_by_its_name() -> None:
    found = imports.parse("Device 0: NVIDIA H200\n\nWaiving device_to_device_memcpy_write_ce.\n")
    assert row(found, benchmark="nvbandwidth/device_to_device_memcpy_write_ce").status is Status.SKIPPED


def test_a_matrix_of_peers_without_its_last_row_has_no_sum() -> None:
    cut = PEERS.splitlines(keepends=True)
    last = max(at for at, line in enumerate(cut) if "N/A" in line)
    found = TEXT.read(HEAD + "".join(cut[:last]))
    assert row(found, statistic="sum").status is Status.FAILED
    assert "A row of the matrix is cut or missing." in " ".join(found.problems)


def test_the_host_in_front_of_a_description_is_not_kept() -> None:
    described = next(line for line in ONE_WAY.splitlines() if "bandwidth (GB/s)" in line)
    found = TEXT.read(HEAD + ONE_WAY.replace(described, f"[pod/canary-7/main] {described}"))
    assert "canary" not in repr(found)
    assert row(found, source="CPU 0", target="GPU 0").status is Status.OK


def test_two_whole_documents_in_one_file_are_told_of() -> None:
    text = document(test_case("device_to_device_memcpy_read_ce", *MATRIX))
    assert "It holds 2 documents: the last is read." in JSON.read(text + text).problems
    assert not JSON.read(text).problems
