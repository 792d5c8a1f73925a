"""Texts that are made to break a reader: long lines of what it looks for, brackets that never close, any characters."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchsuite.imports import (
    all_reduce_bench,
    gpu_burn,
    gpu_fryer,
    gpu_stream,
    mamf,
    nccl_tests,
    nvbandwidth,
    osu,
    stream,
)
from benchsuite.imports.base import Format
from benchsuite.imports.fragments import ATTEMPTS, whole
from benchsuite.imports.lines import clipped, integer, number, untagged
from tests.imported import read_or_refused

MODULES = (all_reduce_bench, gpu_burn, gpu_fryer, gpu_stream, mamf, nccl_tests, nvbandwidth, osu, stream)
FORMATS = [one for module in MODULES for one in module.FORMATS]
LENGTH = 40_000
"""Characters: what takes time with the square of the length would take minutes."""

PIECES = [
    "9 9 float ",
    "[0] ",
    "[1,0]<stdout>:",
    '{"',
    '\\"',
    "[{",
    '"nvbandwidth" : {"testcases": [{"name": "a", ',
    '{"nccl_version": 1, "alg_bw": "bus_bw", ',
    '{"type": "progress", ',
    "| payload | busbw | algbw | ",
    "proc'd: 1 (1 Gflop/s) errors: 0 ",
    "1 | 1.0 TFLOPS @ 1x1x1 | best: ",
    "OSU MPI Test v",
    "# Size Latency (us) ",
    "Copy: 1 ",
    "memcpy (GB/s) row ",
    "Rank 0 on device 0 [x ",
    "size busbw algbw time #wrong ",
    ":inf ",
    "\r",
]


@pytest.mark.parametrize("piece", PIECES)
def test_long_lines_take_no_longer_than_their_length(piece: str) -> None:
    text = piece * (LENGTH // len(piece))
    for kind in FORMATS:
        kind.tells(text)
        read_or_refused(lambda: kind.read(text))  # noqa: B023 - called at once


WORDS = sorted(
    {word for piece in PIECES for word in piece.split(" ")} | {"N/A", "nan", "-1", "0.00", "1e999", "É", "\n"}
)


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(FORMATS),
    words=st.lists(st.one_of(st.sampled_from(WORDS), st.text(max_size=8)), max_size=60),
    between=st.sampled_from([" ", "\n", "  \n# ", ""]),
)
def test_any_words_are_read_or_refused_with_a_sentence(kind: Format, words: list[str], between: str) -> None:
    text = between.join(words)
    kind.tells(text)
    read_or_refused(lambda: kind.read(text))


@given(st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_numbers_are_what_tools_print_and_nothing_else(text: str) -> None:
    found = number(text)
    if found is not None:
        assert text.isascii()
        assert "_" not in text
    if (counted := integer(text)) is not None:
        assert counted == int(text)
        assert len(text) <= 21


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1.0), ("1.", 1.0), (".5", 0.5), ("-2.5e-03", -0.0025), ("1.5D+02", 150.0), ("1e+06", 1e6)],
)
def test_numbers_of_c_and_fortran(text: str, value: float) -> None:
    assert number(text) == value


@pytest.mark.parametrize("text", ["", "1_0", "0x1f", "١٢", "1e99999", "--1", "1e", "infinite", "9" * 41, "1,5"])
def test_what_is_no_number(text: str) -> None:
    assert number(text) is None


def test_labels_of_launchers_are_taken_off_and_nothing_else() -> None:
    assert untagged("[1,0]<stdout>:# a").strip() == "# a"
    assert untagged("12: 5 6").strip() == "5 6"
    assert untagged("node-7: # a").strip() == "# a"
    for line in ("Version: 3.3", "Copy: 1.0", "device 0 [0x18] NVIDIA", "device 0 [0000:1b:00] NVIDIA", "Driver: 9010"):
        assert untagged(line) == line


def test_the_last_number_is_compared_with_the_one_above_it() -> None:
    assert clipped("1.2", "3.45")
    assert not clipped("1.23", "3.45")
    assert clipped("12", "345")
    assert not clipped("1234", "345")
    assert clipped("1", "")


def test_objects_are_found_among_anything() -> None:
    assert list(whole('x {"a": 1} y {"b": {"c": 2}} {"d": ')) == [{"a": 1}, {"b": {"c": 2}}]
    assert list(whole('{"damaged": oops, "in": [{"a": 1}, {"b": "}"}], "end": {"c"')) == [{"a": 1}, {"b": "}"}]
    assert list(whole("{" * (ATTEMPTS + 10) + '{"a": 1}')) == []  # it is not tried for ever
    assert list(whole("")) == []
