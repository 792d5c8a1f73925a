"""Suites: shipped ones load, and every mistake is named with its line and the nearest name."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchsuite import discovery, suite
from benchsuite.errors import UsageError
from benchsuite.model import Benchmark
from benchsuite.suite import available, load, parse, select

GOOD = """title = "toys"
[policy]
runs = 2
seconds = 0.5

[[bench]]
select = ["toy"]
kind = ["a", "b"]
points = [{n = 64}, {n = 128}]
implementations = ["good"]
"""


def test_every_shipped_suite_loads() -> None:
    names = available()
    assert {"quick", "full", "gemm", "attention", "memory", "allreduce"} <= set(names)
    for name in names:
        loaded = load(name, discovery.discover())
        assert loaded.entries
        assert loaded.title != name  # each says in words what it answers


def test_a_suite_is_read_as_written(toys: dict[str, Benchmark]) -> None:
    found = parse(GOOD, "mine", toys)
    assert found.policy.runs == 2
    assert found.entries[0].axes == {"kind": ("a", "b")}
    assert found.entries[0].points == ((("n", 64),), (("n", 128),))
    assert found.source == GOOD


def test_select_by_name_pattern_and_tag(toys: dict[str, Benchmark]) -> None:
    for pattern in ("toy", "t*", "*", "tag:toys"):
        assert [item.name for item in select([pattern], toys)] == ["toy"]
    assert select(["tag:none"], toys) == []


@pytest.mark.parametrize(
    ("change", "line", "hint"),
    [
        (('select = ["toy"]', 'select = ["toi"]'), 7, "Did you mean 'toy'"),
        (('kind = ["a", "b"]', 'kimd = ["a"]'), 8, "Did you mean 'kind'"),
        (('kind = ["a", "b"]', 'kind = ["c"]'), 8, "kind is one of a, b"),
        (('kind = ["a", "b"]', "kind = [1]"), 8, "kind takes"),
        (("{n = 128}", "{m = 128}"), 9, "unknown key 'm'"),
        (("{n = 128}", "{n = -1}"), 9, "n takes a positive int"),
        (("runs = 2", "runs = 0"), 3, "runs must be a positive int"),
        (("runs = 2", "run = 2"), 3, "Did you mean 'runs'"),
        (("seconds = 0.5", "seconds = true"), 4, "seconds must be a positive float"),
        (('title = "toys"', 'titel = "toys"'), 1, "Did you mean 'title'"),
    ],
)
def test_a_mistake_is_named_with_its_line(
    toys: dict[str, Benchmark], change: tuple[str, str], line: int, hint: str
) -> None:
    assert change[0] in GOOD
    with pytest.raises(UsageError) as caught:
        parse(GOOD.replace(*change), "mine", toys)
    assert f"line {line}:" in str(caught.value)
    assert hint in str(caught.value)


@pytest.mark.parametrize(
    "text", ["title = ", "", "bench = 3", "[[bench]]\nshare = 1.0", "policy = 3\n[[bench]]\nselect=['toy']"]
)
def test_malformed_suites_are_sentences(toys: dict[str, Benchmark], text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text, "mine", toys)
    assert str(caught.value).endswith(".")


def test_an_unknown_suite_suggests_the_nearest(toys: dict[str, Benchmark]) -> None:
    with pytest.raises(UsageError, match="Did you mean 'quick'"):
        load("quik", toys)
    with pytest.raises(UsageError, match="cannot be read"):
        load("nowhere/mine.toml", toys)


def test_a_suite_file_that_is_not_text(tmp_path: Path, toys: dict[str, Benchmark]) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="cannot be read"):
        load(str(path), toys)


def test_sizes_are_read_and_cache_multiples_kept() -> None:
    text = '[[bench]]\nselect = ["memory"]\nbytes = ["32 KiB", 4096, "8xLLC"]\n'
    assert parse(text, "s", discovery.discover()).entries[0].axes["bytes"] == (32768, 4096, "8xLLC")
    with pytest.raises(UsageError, match="line 3: '32 KB' is not a size"):
        parse(text.replace("32 KiB", "32 KB"), "s", discovery.discover())


def test_nearest_is_silent_about_strangers() -> None:
    assert suite.nearest("zzz", ["gemm", "memory"]) == ""


def test_a_pattern_with_an_exclamation_mark_takes_away() -> None:
    found = discovery.discover()
    names = {benchmark.name for benchmark in select(["*", "!tag:gpu", "!gemm"], found)}
    assert "memory" in names
    assert names & {"gemm", "peak", "p2p"} == set()
