"""OSU micro-benchmarks: columns by the words of the header, whatever options and versions print."""

from __future__ import annotations

import json
import re

import pytest

from benchsuite.errors import DataError
from benchsuite.imports import osu
from benchsuite.imports.osu_tests import called
from benchsuite.model import Metric, Status
from tests.imported import never_breaks, row, sample, samples, sound, statuses

FORMAT = osu.FORMATS[0]

BW = "# OSU MPI-CUDA Bandwidth Test v7.4\n# Datatype: MPI_CHAR.\n# Size      Bandwidth (MB/s)\n"
FULL = (
    "\n# OSU MPI Allreduce Latency Test v7.4\n# Datatype: MPI_INT.\n"
    "# Size       Avg Latency(us)   Min Latency(us)   Max Latency(us)  Iterations\n"
    "4                       5.10              4.90              5.40        1000\n"
    "1048576              1012.25           1001.50           1020.75         100\n"
)


def test_bandwidths_are_in_units_of_a_million() -> None:
    found = FORMAT.read(BW + "1                       2.32\n4194304             27161.33\n")
    sound(found)
    large = row(found, size=4194304)
    assert (large.metric, large.value, large.text) == (Metric.BANDWIDTH, 27161.33e6, "27161.33 MB/s")
    assert (large.benchmark, large.ranks, large.line) == ("osu/bw", 2, 5)
    assert dict(large.params) == {"accelerator": "CUDA", "datatype": "MPI_CHAR", "size": 4194304}
    assert found.version == "7.4"
    assert not found.problems


def test_the_full_table_gives_average_least_most_and_iterations() -> None:
    found = FORMAT.read(FULL)
    assert len(found.rows) == 6
    assert row(found, size=4, statistic=None).value == 5.10e-6
    assert row(found, size=1048576, statistic="min").value == pytest.approx(1001.5e-6, rel=1e-15)
    assert row(found, size=1048576, statistic="max").params["iterations"] == 100
    assert found.rows[0].params["ranks"] == "unknown"
    assert "It does not say how many ranks took part in allreduce." in found.problems


def test_a_barrier_has_no_size() -> None:
    head = "# OSU MPI Barrier Latency Test v5.7.1\n# Avg Latency(us)\n            41.14\n"
    found = FORMAT.read(head)
    assert (found.rows[0].benchmark, found.rows[0].value) == ("osu/barrier", 41.14e-6)
    assert "size" not in found.rows[0].params


def test_pairs_have_a_bandwidth_and_a_rate_and_twice_as_many_ranks() -> None:
    found = FORMAT.read(
        "# OSU MPI Multiple Bandwidth / Message Rate Test v7.1\n\n# [ pairs: 4 ] [ window size: 64 ]\n"
        "# Size                  MB/s        Messages/s\n# Datatype: MPI_CHAR.\n"
        "1                       8.36        8361985.11\n"
    )
    assert [(one.metric, one.value, one.ranks) for one in found.rows] == [
        (Metric.BANDWIDTH, 8.36e6, 8),
        (Metric.RATE, 8361985.11, 8),
    ]
    assert [one.params.get("statistic") for one in found.rows] == [None, "message rate"]
    assert found.rows[0].params["window"] == 64
    assert found.rows[0].params["datatype"] == "MPI_CHAR"  # it may stand below the header
    assert not found.problems


def test_the_spelling_of_early_versions() -> None:
    found = FORMAT.read("# OSU MPI Bandwidth Test (Version 2.1)\n# Size\t\tBandwidth (MB/s)\n1\t\t0.425076\n")
    assert (found.version, found.rows[0].value) == ("2.1", 425076.0)
    head = "# OSU MPI Multiple Bandwidth / Message Rate Test v3.1\n# [ pairs: 1 ]\n# Size    MB/sec    Messages/sec\n"
    assert [one.metric for one in FORMAT.read(f"{head}1  2.50  2500000.00\n").rows] == [Metric.BANDWIDTH, Metric.RATE]


def test_parts_of_a_non_blocking_operation() -> None:
    found = FORMAT.read(
        "# OSU MPI Non-blocking Allreduce Latency Test v5.7.1\n"
        "# Overall = Coll. Init + Compute + MPI_Test + MPI_Wait\n\n"
        "# Size           Overall(us)       Compute(us)    Coll. Init(us)      MPI_Test(us)      MPI_Wait(us)"
        "    Pure Comm.(us)     Min Comm.(us)     Max Comm.(us)        Overlap(%)\n"
        "4  70.27  54.17  4.93  0.00  11.03  50.52  26.21  74.36  0.00\n"
    )
    assert found.rows[0].benchmark == "osu/iallreduce"
    assert row(found, statistic="pure comm").value == pytest.approx(50.52e-6)
    assert row(found, statistic="mpi_test").status is Status.SKIPPED
    overlap = row(found, statistic="overlap")
    assert (overlap.metric, overlap.value, overlap.status) == (Metric.RATIO, 0.0, Status.OK)


@pytest.mark.parametrize(("verdict", "status"), [("Pass", Status.OK), ("Fail", Status.REJECTED)])
def test_validation_decides(verdict: str, status: Status) -> None:
    head = "# OSU MPI Bandwidth Test v7.5\n# Size      Bandwidth (MB/s)        Validation\n"
    found = FORMAT.read(f"{head}1                       1.05              {verdict}\n")
    assert found.rows[0].status is status
    assert ("checked" in found.rows[0].meaning) == (verdict == "Pass")


def test_tails_are_statistics() -> None:
    head = "# OSU MPI Latency Test v7.4\n# Size       Avg Latency(us)  P50 Tail Lat(us)  P99 Tail Lat(us)\n"
    found = FORMAT.read(f"{head}8                       1.50              1.40              9.75\n")
    assert row(found, statistic="p99").value == 9.75e-6
    assert row(found, statistic=None).value == 1.5e-6


@pytest.mark.parametrize("printed", ["0.00", "nan", "-nan", "inf", "-2.00"])
def test_nothing_that_is_no_positive_number_counts(printed: str) -> None:
    found = FORMAT.read(f"{BW}1  {printed}\n2  3.00\n")
    assert statuses(found) == {"failed": 1, "ok": 1}


def test_a_size_of_zero_has_a_latency_and_no_bandwidth() -> None:
    assert len(FORMAT.read("# OSU MPI Latency Test v5.9\n# Size          Latency (us)\n0  0.95\n1  1.00\n").rows) == 2
    assert [one.params["size"] for one in FORMAT.read(f"{BW}0  0.00\n1  2.00\n").rows] == [1]


@pytest.mark.parametrize("tag", ["[1,0]<stdout>:", "[0] ", "0: ", "[0]<stderr>: ", "node-7: "])
def test_labels_of_launchers_do_not_matter(tag: str) -> None:
    found = FORMAT.read("".join(f"{tag}{line}\n" for line in (BW + "1  2.32\n4194304  27161.33").splitlines()))
    assert [one.value for one in found.rows] == [2.32e6, 27161.33e6]


def test_ranks_are_counted_where_the_mpi_lists_them_and_hosts_stay_out() -> None:
    listed = "".join(f"[0] MPI startup(): {rank}       {31000 + rank}    canary-{rank}  {{0,4}}\n" for rank in range(6))
    found = FORMAT.read(listed + "[0] MPI startup(): I_MPI_HYDRA_UUID=canary\n" + FULL)
    assert {one.ranks for one in found.rows} == {6}
    assert "canary" not in repr(found)
    assert "31000" not in repr(found)


def test_several_tests_of_one_file_keep_apart() -> None:
    found = FORMAT.read(BW + "1  2.32\n" + FULL)
    assert {one.benchmark for one in found.rows} == {"osu/bw", "osu/allreduce"}
    assert "accelerator" not in row(found, size=4, statistic=None).params


def test_without_a_title_the_test_is_not_named() -> None:
    found = FORMAT.read("# Size      Bandwidth (MB/s)\n1  2.32\n")
    assert found.rows[0].benchmark == "osu/unnamed"
    assert "There is no title: the test is not named." in found.problems


def test_memory_and_windows_are_part_of_the_case() -> None:
    found = FORMAT.read(
        "# OSU MPI_Put Bandwidth Test v5.9\n# Window creation: MPI_Win_allocate\n# Synchronization: MPI_Win_flush\n"
        "# Rank 0 Memory on DEVICE (D) and Rank 1 Memory on HOST (H)\n# Size      Bandwidth (MB/s)\n1  1.88\n"
    )
    assert found.rows[0].benchmark == "osu/put_bw"
    assert dict(found.rows[0].params) == {
        "window creation": "MPI_Win_allocate",
        "synchronization": "MPI_Win_flush",
        "send buffer": "DEVICE",
        "receive buffer": "HOST",
        "size": 1,
    }


def test_the_time_of_initialisation() -> None:
    found = FORMAT.read("# OSU MPI Init Test v7.4\nnprocs: 16, min: 500 ms, max: 750 ms, avg: 600 ms\n")
    assert row(found, statistic=None).value == 0.6
    assert found.rows[0].ranks == 16


def test_a_header_without_lines_gives_one_sentence() -> None:
    with pytest.raises(DataError, match=re.escape("it ends before the first line of values.")):
        FORMAT.read(BW)


@pytest.mark.parametrize("end", ["27161.3", "27161.", "27161", "2"])
def test_a_number_that_is_cut_is_no_value(end: str) -> None:
    found = FORMAT.read(f"{BW}1                       2.32\n4194304             {end}")
    assert row(found, size=4194304).status is Status.FAILED
    assert row(found, size=1).value == 2.32e6
    assert "Line 5 is cut." in found.problems


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("MPI Latency Test", "latency"),
        ("MPI-ROCM Bi-Directional Bandwidth Test", "bibw"),
        ("MPI All-to-All Personalized Exchange Latency Test", "alltoall"),
        ("MPI Broadcast Latency Test", "bcast"),
        ("MPI Non-blocking Broadcast Latency Test", "ibcast"),
        ("MPI_Get_accumulate latency Test", "get_acc_latency"),
        ("MPI_Fetch_and_op latency Test", "fop_latency"),
        ("NCCL-CUDA Allreduce Latency Test", "allreduce"),
        ("MPI Reduce_scatter Latency Test", "reduce_scatter"),
        ("MPI Neighborhood Allgather Latency Test", "neighbor_allgather"),
        ("MPI Persistent Allreduce Latency Test", "allreduce_persistent"),
        ("OpenSHMEM Put Test", "put"),
    ],
)
def test_titles_are_the_names_of_programs(title: str, name: str) -> None:
    assert called(title)[0] == name


# --- real files


def naive(text: str) -> list[list[str]]:
    """Lines of nothing but numbers, found without the parser."""
    lines = [line.split() for line in text.splitlines()]
    return [line for line in lines if line and all(re.fullmatch(r"[\d.]+", one) for one in line)]


COLUMNS = {
    "bandwidth": (None, 1e6),
    "latency": (None, 1e-6),
    "min_latency": ("min", 1e-6),
    "max_latency": ("max", 1e-6),
    "overall": ("overall", 1e-6),
    "compute": ("compute", 1e-6),
    "collection_init": ("coll. init", 1e-6),
    "mpi_wait": ("mpi_wait", 1e-6),
    "mpi_test": ("mpi_test", 1e-6),
    "overlap": ("overlap", 1e-2),
    "pure_comm": ("max comm", 1e-6),
    "min_comm": ("pure comm", 1e-6),
    "max_comm": ("min comm", 1e-6),
}
"""Where the figures beside the samples stand in ours, with their scale. They have the three times of communication in
the wrong order: their ``min_comm`` is larger than their ``max_comm``, the header of the sample says otherwise."""


@pytest.mark.parametrize("name", samples("osu", ".json"))
def test_figures_that_others_took_from_the_samples_are_ours(name: str) -> None:
    found = FORMAT.read(sample(name.replace(".json", ".txt")))
    sound(found)
    seen = 0
    for figures in json.loads(sample(name)):
        size = figures.pop("size", None)
        iterations = figures.pop("iterations", None)
        for key, figure in figures.items():
            statistic, scale = COLUMNS[key]
            ours = row(found, size=size, statistic=statistic)
            assert ours.params.get("iterations") == iterations
            if figure == 0.0 and key == "mpi_test":
                assert ours.status is Status.SKIPPED
            else:
                assert ours.value == pytest.approx(figure * scale, rel=1e-12)
            seen += 1
    assert seen == len(found.rows)


@pytest.mark.parametrize("name", samples("osu", ".txt"))
def test_every_line_of_a_real_table_gives_its_values(name: str) -> None:
    text = sample(name)
    found = FORMAT.read(text)
    lines = naive(text)
    counts = 2 if "Iterations" in text and "barrier" not in name else 1
    assert len(found.rows) == sum(len(line) - counts for line in lines)
    assert all(one.text.split()[0] in text.splitlines()[one.line - 1].split() for one in found.rows)
    assert "pkb" not in repr(found)
    assert found.version in {"5.7.1", "7.4"}


@pytest.mark.parametrize("text", [BW + "1  2.32\n2  4.64\n", FULL])
def test_damage_of_every_kind_is_read_or_refused_with_a_sentence(text: str) -> None:
    assert never_breaks(FORMAT, text) > 10


@pytest.mark.parametrize("name", samples("osu", ".txt"))
def test_damage_of_real_files_is_read_or_refused_with_a_sentence(name: str) -> None:
    never_breaks(FORMAT, sample(name))


def test_a_barrier_that_does_not_block_has_neither_size_nor_mark() -> None:
    text = """
# OSU MPI Non-blocking Barrier Latency Test v5.7.1
# Overall = Coll. Init + Compute + MPI_Test + MPI_Wait

       Overall(us)       Compute(us)    Coll. Init(us)      MPI_Test(us)      MPI_Wait(us)    Pure Comm.(us)        Overlap(%)
             89.72             68.02              5.67              0.00             15.91             63.15             65.64
"""  # noqa: E501 - the tool's own lines are as long
    found = FORMAT.read(text)
    assert row(found, benchmark="osu/ibarrier", statistic="overall").value == pytest.approx(89.72e-6, rel=1e-12)
    assert row(found, statistic="overlap").value == pytest.approx(0.6564)
    assert statuses(found) == {"ok": 6, "skipped": 1}


def test_an_error_of_validation_that_no_line_owns_up_to_is_a_wrong_result() -> None:
    error = "DATA VALIDATION ERROR: osu_bw exited with status 1 on message size 4.\n"
    found = FORMAT.read(BW + "1                       1.01\n" + error)
    assert statuses(found) == {"ok": 1, "rejected": 1}
    head = BW.replace("(MB/s)", "(MB/s)        Validation")
    owned = FORMAT.read(head + "1          1.01     Pass\n4          1.03     Fail\n" + error)
    assert statuses(owned) == {"ok": 1, "rejected": 1}


def test_a_line_with_another_countrys_comma_is_told_of() -> None:
    found = FORMAT.read(BW + "1                       1,01\n2                       2.02\n")
    assert [one.value for one in found.rows] == [2.02e6]
    assert found.problems == ("Line 4 cannot be read.",)
