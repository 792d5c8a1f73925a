"""nccl-tests: every layout of its table and its JSON; wrong values are rejected, zero is no bandwidth."""

from __future__ import annotations

import json
import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchsuite import imports
from benchsuite.errors import DataError
from benchsuite.imports import nccl_tests
from benchsuite.imports.base import Imported
from benchsuite.imports.nccl_tests_table import PERF, implied
from benchsuite.model import Metric, Status
from tests.imported import never_breaks, row, sample, samples, sound, statuses

TEXT, JSON = nccl_tests.FORMATS

RANKS = "".join(
    f"#  Rank {at:2} Group  0 Pid {7000 + at:6} on secret-host-{at} device  {at % 8} [0x1{at % 8}] NVIDIA H200\n"
    for at in range(8)
)
OPTIONS = (
    "# nThread 1 nGpus 1 minBytes 8 maxBytes 1024 step: 2(factor) warmup iters: 5 iters: 20 agg iters: 3 validation: 1"
)
COLUMNS = "   time   algbw   busbw #wrong"
NEW = (
    "#                                                              out-of-place                       in-place\n"
    f"#       size         count      type   redop    root  {COLUMNS}  {COLUMNS}\n"
    "#        (B)    (elements)                               (us)  (GB/s)  (GB/s)            (us)  (GB/s)  (GB/s)\n"
)
FOOTER = "# Out of bounds values : 0 OK\n# Avg bus bandwidth    : 123.45 \n#\n"


def table(*rows: str, head: str = NEW, footer: str = FOOTER, start: str = "all_reduce_perf") -> str:
    begin = f"# Collective test starting: {start}\n" if start else ""
    return f"{begin}{OPTIONS}\n#\n# Using devices\n{RANKS}#\n{head}" + "".join(f"{one}\n" for one in rows) + footer


FIRST, SECOND = "27.76   37.78   66.11      0", "27.49   38.15   66.76      0"


def line(
    first: str = FIRST, second: str = SECOND, size: int = 1048576, count: int = 262144, which: str = "float sum -1"
) -> str:
    """A row of the table as the tool prints it."""
    dtype, *rest = which.split()
    return f"{size:12}  {count:12}  {dtype:>8}" + "".join(f"  {one:>6}" for one in rest) + f"    {first}    {second}"


ROW = line()


def values(found: Imported) -> list[tuple[object, object, float | None]]:
    return [(one.params.get("in_place"), one.params.get("quantity"), one.value) for one in found.rows]


def test_a_line_gives_time_and_both_bandwidths_of_both_placements() -> None:
    found = TEXT.read(table(ROW))
    sound(found)
    assert values(found)[:6] == [
        (False, "time", 27.76e-6),
        (False, "algbw", 37.78e9),
        (False, "busbw", 66.11e9),
        (True, "time", 27.49e-6),
        (True, "algbw", 38.15e9),
        (True, "busbw", 66.76e9),
    ]
    busbw = row(found, in_place=True, quantity="busbw")
    assert busbw.benchmark == "nccl-tests/all_reduce_perf"
    assert (busbw.metric, busbw.text, busbw.ranks, busbw.line) == (Metric.BUSBW, "66.76 GB/s", 8, 17)
    assert dict(busbw.params) == {
        "size": 1048576,
        "count": 262144,
        "dtype": "float",
        "redop": "sum",
        "in_place": True,
        "quantity": "busbw",
    }
    assert row(found, in_place=False, quantity="algbw").metric is Metric.ALGBW
    assert not found.problems


def test_the_head_gives_options_and_devices_and_nothing_of_hosts() -> None:
    found = TEXT.read("# nccl-tests version 2.19.6 nccl-headers=23007 nccl-library=23007\n" + table(ROW))
    assert found.version == "2.19.6"
    assert found.devices == ("NVIDIA H200",) * 8
    assert found.facts["iterations"] == "20"
    assert found.facts["warm-up iterations"] == "5"
    assert found.facts["aggregated iterations"] == "3"
    assert found.facts["step"] == "2 (factor)"
    assert "secret" not in repr(found)
    assert "7003" not in repr(found)
    assert "0x1" not in repr(found)


def test_the_average_is_a_row_of_its_own_that_says_it_is_no_headline() -> None:
    average = TEXT.read(table(ROW)).rows[-1]
    assert (average.metric, average.value, average.text) == (Metric.BUSBW, 123.45e9, "123.45 GB/s")
    assert average.params["statistic"] == "mean over all sizes"
    assert "no headline" in average.meaning
    assert "size" not in average.params


def test_wrong_values_are_rejected_and_keep_their_text() -> None:
    found = TEXT.read(table(ROW.replace("66.11      0", "66.11      7"), footer=FOOTER.replace("0 OK", "7 FAILED")))
    assert statuses(found) == {"rejected": 4, "ok": 3}
    bad = row(found, in_place=False, quantity="busbw")
    assert (bad.status, bad.value, bad.text) == (Status.REJECTED, None, "66.11 GB/s")
    assert "#wrong is 7" in bad.reason
    assert row(found, in_place=True, quantity="busbw").value == 66.76e9
    assert any("7 values out of bounds" in problem for problem in found.problems)
    assert found.rows[-1].status is Status.REJECTED  # the average over wrong values is none


def test_wrong_values_that_no_line_owns_up_to_make_all_suspect() -> None:
    found = TEXT.read(table(ROW, footer=FOOTER.replace("0 OK", "3 FAILED")))
    assert statuses(found) == {"rejected": 7}
    assert "no row says where" in found.rows[0].reason


@pytest.mark.parametrize("wrong", ["1e+06", "nan", "inf", "-1"])
def test_any_count_but_zero_is_wrong(wrong: str) -> None:
    found = TEXT.read(table(ROW.replace("66.11      0", f"66.11  {wrong}")))
    assert row(found, in_place=False, quantity="time").status is Status.REJECTED


def test_unchecked_values_say_so() -> None:
    found = TEXT.read(table(ROW.replace("66.11      0", "66.11    N/A").replace("66.76      0", "66.76    N/A")))
    time = row(found, in_place=False, quantity="time")
    assert time.status is Status.OK
    assert time.params["checked"] is False
    assert "not checked" in time.meaning
    assert "checked" not in row(TEXT.read(table(ROW)), in_place=False, quantity="time").params


def test_zero_is_no_bandwidth_but_a_size_of_zero_has_a_latency() -> None:
    small = line("34.73    0.00    0.00      0", "35.30    0.00    0.01      0", 4, 1)
    empty = line("34.18    0.00    0.00      0", "33.50    0.00    0.00      0", 0, 0)
    found = TEXT.read(table(empty, small))
    of_empty = [one for one in found.rows if one.params.get("size") == 0]
    assert [(one.metric, one.value) for one in of_empty] == [(Metric.LATENCY, 34.18e-6), (Metric.LATENCY, 33.5e-6)]
    assert row(found, size=4, in_place=False, quantity="busbw").status is Status.SKIPPED
    assert row(found, size=4, in_place=True, quantity="busbw").value == 1e7
    assert not any("bandwidths have no value" in problem for problem in found.problems)


def test_a_bandwidth_of_zero_that_is_not_rounded_failed() -> None:
    """1 GiB in 34.73 us would be 30 TB/s: whoever prints 0.00 beside it is broken."""
    found = TEXT.read(table(line("34.73    0.00    0.00      0", "35.30    0.00    0.01      0", 1 << 30, 1 << 28)))
    broken = row(found, size=1 << 30, in_place=False, quantity="busbw")
    assert (broken.status, broken.value) == (Status.FAILED, None)
    assert any(problem.startswith("3 bandwidths have no value") for problem in found.problems)


@pytest.mark.parametrize("printed", ["nan", "-nan", "inf", "-3.00"])
def test_nothing_that_is_no_positive_number_counts(printed: str) -> None:
    found = TEXT.read(table(ROW.replace("66.11", printed)))
    failed = row(found, in_place=False, quantity="busbw")
    assert (failed.status, failed.value) == (Status.FAILED, None)
    assert ("finite" in failed.reason) == (printed != "-3.00")


def test_per_iteration_columns_are_read_by_their_names() -> None:
    columns = "time algbw busbw #wrong i_min i_max i_p99 i_cv%"
    head = f"#  size  count  type  redop  root  {columns}  {columns}\n"
    text = line("10.00 1.00 1.75 0 9.00 12.00 11.50 0.00", "11.00 0.93 1.63 0 9.50 13.00 12345.6 6.00", 1024, 256)
    found = TEXT.read(table(text, head=head))
    assert row(found, in_place=False, statistic="min").value == 9e-6
    assert row(found, in_place=True, statistic="p99").value == pytest.approx(12345.6e-6, rel=1e-15)
    spread = row(found, in_place=True, statistic="cv")
    assert (spread.metric, spread.value, spread.text) == (Metric.RATIO, 0.06, "6.00 %")
    assert row(found, in_place=False, statistic="cv").value == 0.0
    assert len(found.rows) == 2 * 7 + 1
    cut = TEXT.read(table(text, head=head, footer="")[:-2])  # the last figure may have had more digits
    assert {one.params["in_place"] for one in cut.rows} == {False}
    assert any("ends before its last column" in problem for problem in cut.problems)


def test_one_column_of_iterations_at_the_end_disturbs_nothing() -> None:
    head = "#  size  count  type  redop  root  time  algbw  busbw  #wrong  time  algbw  busbw  #wrong  #iters\n"
    found = TEXT.read(table(ROW + "      20", head=head))
    assert row(found, in_place=True, quantity="busbw").value == 66.76e9
    assert not found.problems


def test_a_time_stamp_at_the_end_disturbs_nothing() -> None:
    head = NEW.replace("#wrong\n", "#wrong           timestamp\n")
    found = TEXT.read(table(ROW + "  2026-01-02 03:04:05", head=head))
    assert len(found.rows) == 7
    assert not found.problems


def test_without_root_and_operation_the_numbers_still_find_their_columns() -> None:
    head = "#  size  count  type  time  algbw  busbw  error  time  algbw  busbw  error\n"
    text = line("33508 256.36 224.31 0e+00", "33234 258.47 226.16 0e+00", 8589934592, 268435456, "float")
    found = TEXT.read(table(text, head=head, start=""))
    assert row(found, in_place=False, quantity="time").value == 33508e-6
    assert found.rows[0].benchmark == "nccl-tests/all_gather_perf"
    assert any("does not name the test" in problem for problem in found.problems)


def test_an_operation_that_is_left_blank_shifts_no_column() -> None:
    head = "#  size  count  type  redop  time  algbw  busbw  error  time  algbw  busbw  error\n"
    text = line("       34.94 0.12 0.10 N/A", "34.70 0.12 0.10 N/A", 4096, 128, "float")
    found = TEXT.read(table(text, head=head, start=""))
    assert found.rows[0].benchmark == "nccl-tests/alltoall_perf"
    assert row(found, in_place=True, quantity="time").value == 34.7e-6


def test_errors_of_early_versions_are_held_against_what_they_allowed() -> None:
    head = "#  size  count  type  redop  time  algbw  busbw  error  time  algbw  busbw  error\n"
    text = line("27.76 37.78 66.11 2e-05", "27.49 38.15 66.76 8e-05", which="float sum")
    found = TEXT.read(table(text, head=head))
    assert row(found, in_place=False, quantity="busbw").status is Status.OK  # below 1e-5 times seven
    assert row(found, in_place=True, quantity="busbw").status is Status.REJECTED


def test_an_asterisk_marks_an_error_in_rccl_tests() -> None:
    head = "#  size  count  type  redop  time  algbw  busbw  error  time  algbw  busbw  error\n"
    text = line("27.76 37.78 66.11 5e-07", "27.49 38.15 66.76 1e-07*", which="float sum")
    found = TEXT.read(table(text, head=head))
    assert row(found, in_place=False, quantity="busbw").status is Status.OK
    bad = row(found, in_place=True, quantity="busbw")
    assert bad.status is Status.REJECTED
    assert "asterisk" in bad.reason


def test_a_table_of_one_placement() -> None:
    head = "#       size    count   type  redop  root   time   algbw   busbw  #wrong\n"
    found = TEXT.read(table(line(FIRST, ""), head=head))
    assert [value for _, _, value in values(found)][:-1] == [27.76e-6, 37.78e9, 66.11e9]
    assert not found.problems


def test_the_layout_of_2017_is_in_milliseconds() -> None:
    columns = "time  algbw  busbw      res"
    head = f"#      bytes             N    type      op     {columns}     {columns}\n"
    text = line("0.120   8.74   15.29    0e+00", "0.118   8.89   15.55    0e+00", which="float sum")
    found = TEXT.read(table(text, head=head))
    assert row(found, in_place=False, quantity="time").value == 0.120e-3
    assert row(found, in_place=False, quantity="time").text == "0.120 ms"


def test_in_place_only_is_not_taken_for_out_of_place() -> None:
    found = TEXT.read(table(line(" " * 28, SECOND)))
    assert {one.params.get("in_place") for one in found.rows[:-1]} == {True}
    assert row(found, quantity="time").value == 27.49e-6
    assert not found.problems


@pytest.mark.parametrize(
    "text",
    [
        "[0] " + ROW,
        "[1,0]<stdout>:" + ROW,
        "[prterun-node7-123@1,0]<stdout>: " + ROW,
        "0: " + ROW,
        "worker-3: " + ROW,
        "2026-01-02T03:04:05.678Z " + ROW,
        ROW.replace("37.78", "[0] 37.78"),
        ROW.replace("     sum", "[1,3]<stdout>: sum"),
        "node7:3442:3442 [0] NCCL INFO Launch mode Parallel" + ROW,
        ROW.replace("   66.11      0", "   66.11      0 node7:1:2 [0] NCCL INFO Launch mode Parallel\n"),
        ROW.replace("   66.11      0", "   66.11      0\nnode7:1:2 [0] NCCL INFO Channel 00\n"),
        ROW + "\r",
    ],
)
def test_what_launchers_and_nccl_print_into_a_row_does_not_matter(text: str) -> None:
    found = TEXT.read(table(text))
    assert [value for _, _, value in values(found)][:6] == [27.76e-6, 37.78e9, 66.11e9, 27.49e-6, 38.15e9, 66.76e9]
    assert not found.problems
    assert "node7" not in repr(found)


def test_rows_without_a_header_say_what_is_taken_for_granted() -> None:
    found = TEXT.read(f"{ROW}\n")
    assert [value for _, _, value in values(found)] == [27.76e-6, 37.78e9, 66.11e9, 27.49e-6, 38.15e9, 66.76e9]
    assert found.rows[0].params["ranks"] == "unknown"
    said = " ".join(found.problems)
    assert "There is no header" in said
    assert "does not name the test" in said
    assert "busbw over algbw is 1.75 in the last row, as all_reduce_perf has with 8 ranks." in said
    assert "Out of bounds values" in said


def test_a_collective_that_several_tests_could_be_stays_without_a_name() -> None:
    text = line("27.76 37.78 28.33 0", "27.49 38.15 28.60 0", count=65536, which="float none -1")
    found = TEXT.read(table(text, start=""))
    assert found.rows[0].benchmark == "nccl-tests/unnamed"
    assert any("all_gather or alltoall" in problem for problem in found.problems)


@pytest.mark.parametrize("name", PERF)
def test_a_test_that_is_named_keeps_its_name(name: str) -> None:
    assert TEXT.read(table(ROW, start=name)).rows[0].benchmark == f"nccl-tests/{name}"
    launched = table(ROW, start="").replace(OPTIONS, f"$ mpirun -np 8 ./build/{name}_mpi -b 8\n{OPTIONS}")
    assert TEXT.read(launched).rows[0].benchmark == f"nccl-tests/{name}"


@pytest.mark.parametrize(
    ("perf", "algbw", "busbw", "end"),
    [
        ("all_reduce_perf", "37.78", "66.11", ", as all_reduce_perf has with 8 ranks."),
        ("all_reduce_perf", "18.53", "18.53", ", as all_reduce_perf has with 2 ranks."),
        ("all_gather_perf", "256.36", "224.31", ", as all_gather_perf has with 8 ranks."),
        ("all_reduce_perf", "0.01", "0.02", "is 2 in the last row."),
        ("all_reduce_perf", "100.00", "199.90", "in the last row."),
        ("broadcast_perf", "10.00", "10.00", "is 1 in the last row."),
        ("all_reduce_perf", "0.00", "1.00", ""),
        ("all_reduce_perf", "nan", "1.00", ""),
    ],
)
def test_ranks_are_told_of_only_where_the_digits_leave_no_other_number(
    perf: str, algbw: str, busbw: str, end: str
) -> None:
    said = implied(perf, algbw, busbw)
    assert said.endswith(end)
    assert bool(said) == bool(end)
    assert ("ranks" in said) == ("ranks" in end)


@pytest.mark.parametrize("ranks", [2, 3, 4, 8, 16, 24, 64, 72])
def test_the_ranks_behind_two_exact_bandwidths(ranks: int) -> None:
    busbw = 2 * (ranks - 1) / ranks * 400.0
    assert implied("all_reduce_perf", "400.0000", f"{busbw:.4f}").endswith(f"with {ranks} ranks.")


def test_several_tests_in_one_file_keep_apart() -> None:
    second = table(ROW.replace("27.76", "99.99"), start="all_gather_perf").replace("H200", "B200")
    found = TEXT.read(table(ROW) + second)
    assert row(found, benchmark="nccl-tests/all_gather_perf", in_place=False, quantity="time").value == 99.99e-6
    assert row(found, benchmark="nccl-tests/all_reduce_perf", in_place=False, quantity="time").value == 27.76e-6
    assert found.devices == ("NVIDIA H200",) * 8 + ("NVIDIA B200",) * 8


def test_a_cut_list_of_devices_counts_the_highest_rank() -> None:
    found = TEXT.read(table(ROW).replace(RANKS, RANKS.splitlines(keepends=True)[-1]))
    assert found.rows[0].ranks == 8
    assert any("1 of at least 8 ranks" in problem for problem in found.problems)


def test_a_row_that_is_cut_gives_what_is_whole() -> None:
    whole = table(ROW, footer="")
    found = TEXT.read(whole[: whole.rindex("38.15") + 3])
    assert [value for _, _, value in values(found)] == [27.76e-6, 37.78e9, 66.11e9]
    assert any("ends before its last column" in problem for problem in found.problems)


def test_an_average_that_may_be_cut_is_no_value() -> None:
    whole = table(ROW)
    found = TEXT.read(whole[: whole.rindex("123.45") + 5])
    assert (found.rows[-1].status, found.rows[-1].reason) == (Status.FAILED, "The line is cut: the number may be too.")
    shorter = TEXT.read(whole[: whole.index("values :") + 8])
    assert statuses(shorter) == {"ok": 6}
    assert any("'Out of bounds values' is missing" in problem for problem in shorter.problems)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (table(footer="", head=""), "It ends before the first row of results."),
        (f"{OPTIONS}\nnode: Test NCCL failure common.cu:958\n", "an NCCL call failed"),
        ("There are not enough slots available\n  /home/someone/build/all_reduce_perf\n", "not enough slots"),
    ],
)
def test_a_file_without_a_result_gives_one_sentence(text: str, sentence: str) -> None:
    assert TEXT.tells(text)
    with pytest.raises(DataError, match=re.escape(sentence)) as refused:
        TEXT.read(text)
    assert "someone" not in str(refused.value)


def test_the_variant_of_another_maker_is_told() -> None:
    found = TEXT.read(table(ROW).replace("# Using devices", "rccl-tests: Version develop:9e4b4f3\n# Using devices"))
    assert found.facts["variant"] == "rccl-tests"


def test_failures_beside_results_are_told() -> None:
    found = TEXT.read(table(ROW) + "# error: unhandled system error\nnode7: Test timeout (300s) common.cu:523\n")
    assert "It says that the test ran out of time." in found.problems
    assert "It says that NCCL reported an error." in found.problems
    assert "node7" not in repr(found)


# --- a law: what the tool prints, in any of its layouts, is what is read


def shown(value: float, width: int) -> str:
    """As nccl-tests fits a number into a column (``getFloatStr``)."""
    forms = (f"{value:{width}.2f}", f"{value:{width}.1f}", f"{value:{width}.0f}")
    return next((form for form in forms if len(form) <= width), f"{value:{width}.1e}")


LAYOUTS = {
    "redop root": ("time algbw busbw #wrong", ""),
    "redop": ("time algbw busbw error", ""),
    "root": ("time algbw busbw error", ""),
    "": ("time algbw busbw error", ""),
    "redop root ": ("cputime algbw busbw  #wrong", "#iters"),
    "redop  root": ("time algbw busbw #wrong i_min i_max i_p99 i_cv%", "timestamp"),
}
figures = st.tuples(
    st.floats(0.01, 9e8),
    st.floats(0.01, 9e5),
    st.floats(0.01, 9e5),
    st.sampled_from(["0", "N/A", "0e+00"]),
    st.floats(0.01, 9e8),
    st.floats(0.01, 9e8),
    st.floats(0.01, 9e8),
    st.floats(0.0, 99.0),
)


@settings(max_examples=120, deadline=None)
@given(
    layout=st.sampled_from(sorted(LAYOUTS)),
    placements=st.tuples(figures, figures),
    tag=st.sampled_from(["", "[0] ", "[1,12]<stdout>:", "7: "]),
    inside=st.integers(0, 12),
)
def test_what_is_printed_is_what_is_read(
    layout: str, placements: tuple[tuple[object, ...], ...], tag: str, inside: int
) -> None:
    columns, trailing = LAYOUTS[layout]
    names = columns.split()
    texts = [
        one if isinstance(one, str) else shown(float(str(one)), 6 if "bw" in name else 7).strip()
        for each in placements
        for one, name in zip(each, names, strict=False)
    ]
    which = ["float", *({"redop": "sum", "root": "-1"}[word] for word in layout.split())]
    tail = {"": [], "#iters": ["20"], "timestamp": ["2026-01-02", "03:04:05"]}[trailing]
    tokens = ["4096", "1024", *which, *texts, *tail]
    tokens.insert(min(inside, len(tokens)), tag.strip() if tag.startswith("[") else "")
    head = f"# size count type {layout} {columns} {columns} {trailing}\n"
    found = TEXT.read(table(f"{tag}{'  '.join(tokens)}", head=head))
    read = [one.text.split()[0] for one in found.rows[:-1]]
    assert read == [text for text, name in zip(texts, names * 2, strict=True) if name not in {"#wrong", "error"}]
    for one in found.rows[:-1]:
        scale = {Metric.LATENCY: 1e-6, Metric.RATIO: 1e-2}.get(one.metric, 1e9)
        if float(one.text.split()[0]) > 0.0:
            assert one.value == pytest.approx(float(one.text.split()[0]) * scale, rel=1e-14)


# --- JSON


def document(**extra: object) -> dict[str, object]:
    values = {"time": 344.8, "alg_bw": 97.32, "bus_bw": 170.31, "nwrong": 0.0}
    result = {
        "size": 33554432,
        "count": 8388608,
        "type": "float",
        "redop": "sum",
        "root": "    -1",
        "out_of_place": values,
        "in_place": values | {"time": 349.5},
        "actual_iterations": 20,
        "experiment_name": "AllReduce",
    }
    whole = {
        "version": 3,
        "start_time": "2026-07-09 10:00:00",
        "args": ["/home/canary/all_reduce_perf", "-J", "/canary/out.json"],
        "env": [
            "AWS_SECRET=canary",
            "JOB_ID=987654",
            "NCCL_ALGO=Ring,Tree",
            "NCCL_PROTO=canary",
            "NCCL_MAX_NCHANNELS=32",
            "NCCL_TOPO_FILE=/canary",
        ],
        "nccl_version": 22304,
        "config": {
            "nthreads": 2,
            "ngpus": 4,
            "iterations": 20,
            "blocking_collectives": "false",
            "devices": [
                {
                    "rank": 0,
                    "pid": 4711,
                    "hostname": "canary",
                    "device_hex": "0000:07:00",
                    "device_info": "NVIDIA H100",
                },
                {
                    "rank": 8,
                    "pid": 4712,
                    "hostname": "canary",
                    "device_hex": "0000:07:00",
                    "device_info": "NVIDIA H100",
                },
            ],
        },
        "results": [result],
        "out_of_bounds": {"count": 0, "okay": "true"},
        "average_bus_bandwidth": {"bandwidth": 170.31, "okay": "unchecked"},
        "end_time": "2026-07-09 10:00:05",
    }
    return whole | extra


def changed(**placement: object) -> str:
    whole = document()
    whole["results"][0]["out_of_place"] = placement  # type: ignore[index]
    return json.dumps(whole)


def test_the_document_gives_the_same_cases_as_the_table() -> None:
    found = JSON.read(json.dumps(document()))
    sound(found)
    text = line("344.8   97.32  170.31      0", "349.5   97.32  170.31      0", 33554432, 8388608)
    lines = TEXT.read(table(text))
    both = [{(str(sorted(one.params.items())), one.value) for one in each.rows[:6]} for each in (found, lines)]
    assert both[0] == both[1]
    assert found.rows[0].ranks == 16  # two processes of two threads of four GPUs
    assert found.started == "2026-07-09 10:00:00"
    assert found.facts["NCCL"] == "2.23.4"
    assert "It names the first device of each process: 2 of 16." in found.problems


def test_of_the_environment_only_known_settings_with_known_values_stay() -> None:
    found = JSON.read(json.dumps(document()))
    assert "canary" not in repr(found)
    assert "4711" not in repr(found)
    assert "987654" not in repr(found)
    assert found.facts["NCCL_ALGO"] == "Ring,Tree"
    assert found.facts["NCCL_MAX_NCHANNELS"] == "32"
    assert "NCCL_PROTO" not in found.facts
    assert found.devices == ("NVIDIA H100",) * 2


def test_wrong_unchecked_and_absent_values_of_the_document() -> None:
    good = {"time": 1.0, "alg_bw": 2.0, "bus_bw": 3.0}
    assert row(JSON.read(changed(**good, nwrong=5.0)), in_place=False, quantity="time").status is Status.REJECTED
    unchecked = row(JSON.read(changed(**good, nwrong=None)), in_place=False, quantity="time")
    assert (unchecked.status, unchecked.params["checked"]) == (Status.OK, False)
    assert "not checked" in unchecked.meaning
    not_a_number = row(JSON.read(changed(**(good | {"bus_bw": "nan"}), nwrong=0.0)), in_place=False, quantity="busbw")
    assert not_a_number.status is Status.FAILED
    whole = document()
    whole["results"][0]["out_of_place"] = None  # type: ignore[index]
    assert {one.params.get("in_place") for one in JSON.read(json.dumps(whole)).rows[:-1]} == {True}


def test_a_bare_infinity_is_no_json_and_said_to_be() -> None:
    text = json.dumps(document()).replace("170.31", "inf", 1)
    found = JSON.read(text)
    assert any("bare word" in problem for problem in found.problems)
    assert row(found, in_place=False, quantity="busbw").status is Status.FAILED
    assert row(found, in_place=False, quantity="algbw").value == 97.32e9


def test_times_of_the_iterations_become_samples_in_seconds() -> None:
    whole = document()
    per_iteration = {"min_us": 1.5, "p99_us": 3.5, "stdev_us": 0.0, "times_us": [1.5, 2.0, 3.5]}
    whole["results"][0]["out_of_place_per_iter"] = per_iteration  # type: ignore[index]
    found = JSON.read(json.dumps(whole))
    assert row(found, in_place=False, quantity="time").samples == pytest.approx((1.5e-6, 2e-6, 3.5e-6))
    assert row(found, in_place=False, statistic="p99").value == 3.5e-6
    assert row(found, in_place=False, statistic="stdev").value == 0.0


def test_the_verdicts_of_the_document_count() -> None:
    found = JSON.read(json.dumps(document(out_of_bounds={"count": 2, "okay": "false"})))
    assert statuses(found) == {"rejected": 7}
    slow = JSON.read(json.dumps(document(average_bus_bandwidth={"bandwidth": 1.0, "okay": "false"})))
    assert statuses(slow) == {"ok": 6, "rejected": 1}


def test_a_cut_document_gives_its_whole_results_and_one_sentence() -> None:
    whole = document()
    whole["results"] = [whole["results"][0]] * 3  # type: ignore[index]
    text = json.dumps(whole)
    cut = text[: text.rindex('"in_place"') + 30]
    found = JSON.read(cut)
    assert len(found.rows) == 12
    assert found.rows[0].ranks == 16
    assert any("2 results in it are whole" in problem for problem in found.problems)
    with pytest.raises(DataError, match="cannot be read"):
        JSON.read(text[: text.index('"results"') + 20])


# --- real files


def naive(text: str) -> list[list[str]]:
    """Lines that begin with two whole numbers and a type, found without the parser."""
    lines = [each.split() for each in text.splitlines()]
    return [each for each in lines if len(each) > 8 and each[0].isdigit() and each[1].isdigit() and each[2] == "float"]


@pytest.mark.parametrize("name", samples("nccl-tests", ".txt"))
def test_every_line_of_a_real_table_gives_its_values(name: str) -> None:
    text = sample(name)
    lines = naive(text)
    assert TEXT.tells(text)
    assert not JSON.tells(text)
    if not lines:
        with pytest.raises(DataError):
            TEXT.read(text)
        return
    found = TEXT.read(text)
    sound(found)
    sized = [one for one in found.rows if "size" in one.params]
    assert len(sized) == sum(2 if each[0] == "0" else 6 for each in lines)
    assert len(found.rows) - len(sized) == text.count("Avg bus bandwidth")
    for one in sized:  # the printed number stands on the line that the row names
        assert one.text.split()[0] in text.splitlines()[one.line - 1].split()
        if one.status is Status.OK and one.metric is Metric.LATENCY:
            assert one.value == pytest.approx(float(one.text.split()[0]) * 1e-6, rel=1e-14)


@pytest.mark.parametrize("name", [one for one in samples("nccl-tests", ".txt") if "superbench" in one])
def test_the_names_that_rows_tell_are_those_of_the_files(name: str) -> None:
    found = TEXT.read(sample(name))
    assert found.rows[0].benchmark.replace("_perf", "").replace("_", "") == "nccl-tests/" + name[22:-4]
    assert {one.ranks for one in found.rows} == {8}
    assert len(found.devices) == 8


def test_real_figures() -> None:
    found = TEXT.read(sample("nccl-tests/gcm-single-success.txt"))
    busbw = row(found, size=1073741824, in_place=False, quantity="busbw")
    assert (busbw.value, busbw.ranks, busbw.line) == (231.72e9, 8, 22)
    assert found.rows[-1].value == 210.99e9
    assert found.facts["NCCL"] == "2.16.2+cuda11.6"
    mock = TEXT.read(sample("nccl-tests/dcgm-mock-fail_oob.txt"))
    assert statuses(mock) == {"rejected": 7}
    with pytest.raises(DataError, match="slots"):
        TEXT.read(sample("nccl-tests/gcm-failure.txt"))
    derived = JSON.read(sample("nccl-tests/json-v3-DERIVED.json"))
    assert len(derived.rows) == 13
    assert row(derived, size=1073741824, in_place=True, quantity="busbw").value == 231.7e9


@pytest.mark.parametrize("text", [table(ROW, ROW), json.dumps(document(), indent=1)])
def test_damage_of_every_kind_is_read_or_refused_with_a_sentence(text: str) -> None:
    kind = JSON if text.startswith("{") else TEXT
    assert never_breaks(kind, text) > 10


@pytest.mark.parametrize("name", [one for one in samples("nccl-tests", ".txt", ".json") if "superbench" not in one])
def test_damage_of_real_files_is_read_or_refused_with_a_sentence(name: str) -> None:
    text = sample(name)
    never_breaks(JSON if name.endswith("json") else TEXT, text)


def test_scales_are_exact() -> None:
    """9 digits after a decimal scale, not what a product of floats leaves."""
    found = TEXT.read(table(ROW.replace("27.76", " 0.07").replace("37.78", "97.32")))
    assert row(found, in_place=False, quantity="time").value == 7e-8
    assert row(found, in_place=False, quantity="algbw").value == 97_320_000_000.0
    assert math.isclose(97.32 * 1e9, 97_320_000_000.0)


@pytest.mark.parametrize("tag", ["[1,0]<stdout>:", "[0] "])
def test_a_file_that_begins_with_the_tag_of_a_launcher_is_told(tag: str) -> None:
    """It begins with a bracket, as JSON may. Another rank speaks, so the tags stay for the reader."""
    text = "".join(f"{tag}{one}\n" for one in table(ROW).splitlines()) + "[1,1]<stderr>:NCCL INFO bye\n"
    assert imports.detect(text).name == "nccl-tests"
    assert values(imports.parse(text)) == values(TEXT.read(table(ROW)))


@pytest.mark.parametrize("label", ["0: ", "[1,0]<stdout>:", " 12: "])
def test_a_colon_in_front_of_a_verdict_hides_nothing(label: str) -> None:
    """Wrong values and the average stand behind the line's own colon, not behind the label's."""
    failed = FOOTER.replace("0 OK", "7 FAILED")
    text = "".join(f"{label}{one}\n" for one in table(ROW, footer=failed).splitlines())
    assert statuses(TEXT.read(text)).keys() == {"rejected"}
    good = TEXT.read("".join(f"{label}{one}\n" for one in table(ROW).splitlines()))
    assert row(good, statistic="mean over all sizes").value == 123.45e9


def test_a_test_without_its_first_lines_is_not_judged_by_the_one_before() -> None:
    """Two tables, each with its verdict; of the second the head with the options is missing."""
    second = table(ROW.replace("27.76", "99.99"), footer=FOOTER.replace("0 OK", "3 FAILED"))
    found = TEXT.read(table(ROW) + second.partition("validation")[2].partition("\n")[2])
    assert statuses(found) == {"ok": 7, "rejected": 7}
    assert found.devices == ("NVIDIA H200",) * 8


def test_a_test_that_runs_again_does_so_on_the_same_devices() -> None:
    assert TEXT.read(table(ROW) * 3).devices == ("NVIDIA H200",) * 8
