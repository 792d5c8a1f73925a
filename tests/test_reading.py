"""Strict reading: every limit refuses with a sentence that names the place, and what is real passes."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchsuite import reading
from benchsuite.errors import DataError
from benchsuite.reading import Limits


@dataclass(frozen=True)
class Thing:
    name: str = ""
    count: int = 0
    rate: float = 0.0
    parts: tuple[float, ...] = ()
    inner: dict[str, str] = field(default_factory=dict)


def test_a_document_becomes_a_typed_value() -> None:
    data = b'{"name": "H100 \\u00b5s\\n", "count": 3, "rate": 1.5e-3, "parts": [1, 2.5], "inner": {"a": "b"}}'
    assert reading.value(data, Thing) == Thing("H100 µs\n", 3, 1.5e-3, (1.0, 2.5), {"a": "b"})


SMALL = Limits(line=2000, text=50, depth=4, values=20, digits=30)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"{} {}", "not JSON"),
        (b"[1]", "not a Thing"),
        (b'{"count": true}', "not a Thing"),
        (b'{"count": 1.5}', "not a Thing"),
        (b'{"name": 3}', "not a Thing"),
        (b'{"rate": NaN}', "NaN is not a number"),
        (b'{"rate": -Infinity}', "Infinity is not a number"),
        (b'{"rate": 1e999}', "out of range"),
        (b'{"count": 1, "count": 2}', "'count' stands twice"),
        (b'{"inner": {"a": "x", "\\u0061": "y"}}', "'a' stands twice"),
        (b'{"name": "\xff"}', "Byte 11 is not UTF-8"),
        (b"\xef\xbb\xbf{}", "JSON"),
        (b'{"name": "\x00"}', "not JSON"),
        (b'{"name": "\\u0000"}', r"byte 10 .* U\+0000"),
        (b'{"name": "\\u001b[2J"}', r"U\+001B"),
        (b'{"name": "\xc2\x9b"}', r"U\+009B"),
        ('{"name": "abc\u202edef"}'.encode(), r"U\+202E"),
        (b'{"name": "\\u2066"}', r"U\+2066"),
        (b'{"\\u202e": 1}', r"U\+202E"),
        (b'{"name": "\\ud800"}', r"U\+D800"),
        (b'{"name": "%s"}' % (b"x" * 51), "longer than"),
        (b'{"count": %s}' % (b"1" * 31), "more than 30 digits"),
        (b'{"rate": 0.%s}' % (b"1" * 31), "more than 30 digits"),
        (b'{"parts": [%s1]}' % (b"1," * 20), "more than 20 values"),
        (b'{"x": [[[[1]]]]}', "nested more than 4"),
        (b'{"parts": []}' + b" " * 2000, "longer than"),
    ],
)
def test_what_is_refused_and_why(data: bytes, problem: str) -> None:
    with pytest.raises(DataError, match=problem) as caught:
        reading.value(data, Thing, SMALL)
    assert caught.value.remedy


@pytest.mark.parametrize(
    "limits",
    [Limits(text=50), Limits(digits=30), Limits(values=20), Limits(depth=4)],
    ids=["text", "digits", "values", "depth"],
)
def test_each_limit_is_its_own(limits: Limits) -> None:
    """With the others as they are, exactly its own documents are refused."""
    documents = {
        "text": b'{"name": "%s"}' % (b"x" * 51),
        "digits": b'{"rate": 0.%s}' % (b"1" * 31),
        "values": b'{"parts": [%s1]}' % (b"1," * 20),
        "depth": b'{"x": [[[[1]]]]}',
    }
    refused = set()
    for name, data in documents.items():
        try:
            reading.value(data, Thing, limits)
        except DataError:
            refused.add(name)
    (own,) = (name for name in documents if getattr(limits, name) != getattr(Limits(), name))
    assert refused == {own}


def test_brackets_and_digits_in_a_text_are_text() -> None:
    name = "[[[[[[[[" + "7" * 45 + '\\"{{{'
    assert reading.value(json.dumps({"name": name}).encode(), Thing, Limits(depth=2)).name == name


SCALARS = st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53)
DOCUMENTS = st.recursive(
    SCALARS | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
)


@given(DOCUMENTS)
def test_json_without_hidden_characters_reads_as_what_was_written(document: object) -> None:
    data = json.dumps(document).encode()
    if reading.FORBIDDEN.search("".join(_texts(document))):
        with pytest.raises(DataError, match="hidden"):
            reading.value(data, object)
    else:
        assert reading.value(data, object) == document


def _texts(document: object) -> list[str]:
    if isinstance(document, str):
        return [document]
    if isinstance(document, list):
        return [text for item in document for text in _texts(item)]
    if isinstance(document, dict):
        return [text for name, item in document.items() for text in [name, *_texts(item)]]
    return []


@pytest.mark.parametrize("text", ["gpu-gate", "20260102-030405-toys-beef", "a", "0"])
def test_names_that_are_names(text: str) -> None:
    assert reading.identifier(text) == text


@pytest.mark.parametrize("text", ["", "..", "../x", "a/b", "A", "-rf", "a" * 81, "a\n", "é", "a b", "nul\x00"])
def test_names_that_are_not(text: str) -> None:
    with pytest.raises(DataError, match="is not a name"):
        reading.identifier(text)


def test_lines_come_one_by_one_and_a_torn_one_is_marked(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"one\n\ntwo\nthr")
    assert list(reading.lines(path)) == [(b"one", True), (b"", True), (b"two", True), (b"thr", False)]


def test_a_line_and_a_file_have_a_longest(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"short\n" + b"x" * 101 + b"\n")
    with pytest.raises(DataError, match=r"Line 2 .* longer"):
        list(reading.lines(path, Limits(line=100)))
    with pytest.raises(DataError, match="more than 1 lines"):
        list(reading.lines(path, Limits(lines=1)))
    with pytest.raises(DataError, match="larger than"):
        list(reading.lines(path, Limits(size=100)))


def test_only_regular_files_are_read_and_links_are_not_followed(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "real").write_text("{}")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    for name, problem in {"fifo": "not a regular file", "link": "links", "none": "No such file"}.items():
        with pytest.raises(DataError, match=problem):
            reading.content(tmp_path / name)
    with pytest.raises(DataError, match="not a regular file"):
        reading.content(tmp_path)
    with pytest.raises(DataError, match="not a regular file"):
        reading.content(Path("/dev/zero"))


def test_texts_say_the_line_of_what_is_hidden(tmp_path: Path) -> None:
    path = tmp_path / "suite.toml"
    path.write_text("# one\n# two \u202e\n")
    with pytest.raises(DataError, match=r"Line 2 .* U\+202E"):
        reading.text(path)
    path.write_bytes(b"caf\xe9")
    with pytest.raises(DataError, match="Byte 4 is not UTF-8"):
        reading.text(path)
