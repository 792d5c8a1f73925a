"""Suites: shipped ones load, and every mistake is named with its line and the nearest name."""

from __future__ import annotations

from dataclasses import replace
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


STEPS = """title = "steps"
[[pattern]]
kind = "fsdp"
model = "smollm2-135m"
tokens = 4096
sent = "fp32"
implementations = ["mpi"]
share = 0.5

[[pattern]]
kind = "dp"
model = "smollm2-135m"
tokens = 4096
bucket = "100 MiB"
"""


def test_a_pattern_becomes_a_table_for_each_of_its_collectives() -> None:
    found = parse(STEPS, "mine", discovery.discover())
    assert [entry.select for entry in found.entries] == [("allgather",), ("reduce_scatter",), ("allreduce",)]
    gather = found.entries[0]
    assert gather.axes == {"bytes": (56623104, 7077888), "dtype": ("fp32",), "place": ("out",)}
    assert (gather.implementations, gather.share) == (("mpi",), 0.5)
    first, second = found.patterns
    assert (first.kind, first.model, first.tokens, first.sent) == ("fsdp", "smollm2-135m", 4096, "fp32")
    assert {one.bytes for one in first.messages} == set(gather.axes["bytes"])
    assert sum(one.total for one in second.messages) == 2 * 134_479_872
    assert len(second.messages) < 4  # 100 MiB at a time


def test_a_pattern_asks_for_one_case_of_each_message() -> None:
    """Axes that it does not name keep their first value: no message is measured in and out of place."""
    from benchsuite import plan

    suite_, known = parse(STEPS, "mine", discovery.discover()), discovery.discover()
    made = [case for entry in suite_.entries for _, case in plan.cases(entry, known, 1 << 20, 4)]
    assert len(made) == len({(one.benchmark, one.bytes) for step in suite_.patterns for one in step.messages})
    assert {case.ranks for case in made} == {4}


def test_an_axis_with_several_defaults_keeps_the_first() -> None:
    known = dict(discovery.discover())
    axes = [replace(axis, values=axis.choices or axis.values) for axis in known["allgather"].axes]
    found = parse(STEPS, "mine", {**known, "allgather": replace(known["allgather"], axes=tuple(axes))})
    assert found.entries[0].axes["place"] == ("out",)


@pytest.mark.parametrize(
    ("change", "line", "hint"),
    [
        (('kind = "fsdp"', 'kind = "fsdb"'), 3, "Did you mean 'fsdp'"),
        (('kind = "fsdp"', 'kind = "ep"'), 3, "smollm2-135m has no experts"),
        (('kind = "fsdp"', 'kind = "pp"\nmicro_batches = 3'), 3, "4096 tokens do not make 3 equal micro-batches"),
        (('model = "smollm2-135m"', 'model = "smollm-135m"'), 4, "Did you mean 'smollm2-135m'"),
        (("tokens = 4096", "tokens = 0"), 5, "tokens must be a whole number"),
        (("tokens = 4096", 'tokens = "many"'), 5, "tokens must be a whole number"),
        (("tokens = 4096\nsent", "sent"), 2, "needs tokens"),
        (('sent = "fp32"', 'sent = "tf32"'), 6, "sent is one of fp32"),
        (('sent = "fp32"', 'dtype = "fp23"'), 6, "Did you mean 'fp32'"),
        (('implementations = ["mpi"]', "implementations = 3"), 7, "implementations is a list"),
        (("share = 0.5", "share = 0"), 8, "share must be a positive number"),
        (("share = 0.5", "shore = 0.5"), 8, "Did you mean 'share'"),
        (('bucket = "100 MiB"', 'bucket = "100 MB"'), 14, "is not a size"),
        (('bucket = "100 MiB"', 'bucket = "8xLLC"'), 14, "bucket is a size"),
        (('bucket = "100 MiB"', "bucket = -1"), 14, "bucket takes a positive int"),
        (('[[pattern]]\nkind = "dp"', "[[pattern]]"), 10, "needs kind"),
    ],
)
def test_a_mistake_in_a_pattern_is_named_with_its_line(change: tuple[str, str], line: int, hint: str) -> None:
    assert change[0] in STEPS
    with pytest.raises(UsageError) as caught:
        parse(STEPS.replace(*change), "mine", discovery.discover())
    assert f"line {line}:" in str(caught.value)
    assert hint in str(caught.value)


@pytest.mark.parametrize("text", ["pattern = 3", "[pattern]\nkind = 'dp'", "pattern = [3]"])
def test_a_malformed_pattern_is_a_sentence(text: str) -> None:
    with pytest.raises(UsageError):
        parse(text, "mine", discovery.discover())


def test_a_pattern_needs_its_collectives(toys: dict[str, Benchmark]) -> None:
    with pytest.raises(UsageError, match="needs the benchmark 'allgather'"):
        parse(STEPS, "mine", toys)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("train-dp", "dp"), ("train-fsdp", "fsdp"), ("train-tp", "tp"), ("train-pp", "pp"), ("train-ep", "ep")],
)
def test_the_suites_of_training_have_a_model_for_a_laptop_and_a_real_one(name: str, kind: str) -> None:
    small, real = load(name, discovery.discover()).patterns
    assert small.kind == real.kind == kind
    largest = max(one.bytes for one in small.messages)
    assert largest <= 96 << 20
    assert max(one.bytes for one in real.messages) > largest


def test_messages_too_large_for_the_memory_are_skipped_with_that_reason() -> None:
    from benchsuite import plan

    known = discovery.discover()
    capacity = plan.Capacity(frozenset({"host", "ranks", "mpi"}), 2, 1 << 25, 2 << 30)
    made = plan.build(load("train-dp", known), known, capacity, plan.Options(ranks=2))
    left_out = {skip.case["bytes"]: skip.reason for skip in made.skips if skip.case.benchmark == "allreduce"}
    assert set(left_out) == {2 * 128256 * 4096}
    assert "free memory" in left_out[2 * 128256 * 4096]
    small, _ = load("train-dp", known).patterns
    assert {one.bytes for one in small.messages} <= {task.case["bytes"] for task in made.tasks}
