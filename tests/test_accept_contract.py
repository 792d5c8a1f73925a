"""Contracts: read as written, every mistake named with its line, and nothing absurd or hidden gets through."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from benchsuite.accept import contract, contract_text, gates, proposal, regions
from benchsuite.accept.grammar import measured, told
from benchsuite.catalog import Role
from benchsuite.catalog.shipped import shipped
from benchsuite.cli import app
from benchsuite.errors import BenchsuiteError, UsageError
from benchsuite.model import Gate, Grounds, Kind, Metric, Weight

GOOD = """\
schema = 1
name = "mine"
title = "A host of ours"

[claim]
kind = "host"
model = "AMD EPYC*"
processors = 2
memory = "8 GiB"
provider = "ours"

[rule]
good = 0.03
bad = 0.08
retests = 0

[run]
seconds = 0.25
warmup = 0.1

[[require]]
name = "triad"
benchmark = "memory"
implementation = "stream"
axes = {op = "triad", bytes = "16xLLC"}
reference = "20.5 GB/s"
grounds = "negotiated"
source = "agreed on 2026-11-30"

[[require]]
name = "chase"
benchmark = "latency"
implementation = "chase"
axes = {bytes = "1 MiB"}
reference = 4e-9
grounds = "negotiated"
source = "agreed on 2026-11-30"
good = 0.1
bad = 0.2

[[identity]]
probe = "cores"
low = 1.8
high = 2.2
source = "two cores were promised"

[gates]
wrong-result = "reject"

[burn]
minutes = 1
drift = 0.1

[between]
scan = false
"""
CORES = "[[identity]]\nprobe = 'cores'\nlow = 1\nhigh = 2\nsource = 's'\n"
SHIPPED = sorted(contract.shipped())


def loads(text: str) -> contract.Contract:
    return contract.loads(text.encode(), "mine.toml")


def test_a_contract_is_read_as_written() -> None:
    found = loads(GOOD)
    assert (found.name, found.title, found.challenge) == ("mine", "A host of ours", False)
    assert (found.claim.kind, found.claim.model, found.claim.memory) == (Kind.HOST, "AMD EPYC*", 8 << 30)
    assert (found.claim.devices, found.claim.nodes, found.claim.units) == (1, 1, 1)
    assert (found.rule.good, found.rule.bad, found.rule.alpha, found.rule.looks) == (
        0.03,
        0.08,
        0.01,
        (4, 6, 9, 14, 20),
    )
    assert (found.pace.seconds, found.pace.warmup) == (0.25, 0.1)
    triad, chase = found.requirements
    assert triad.axes == {"op": "triad", "bytes": "16xLLC"}
    assert (triad.reference, triad.metric, triad.good, triad.bad) == (20.5e9, Metric.BANDWIDTH, 0.03, 0.08)
    assert (chase.reference, chase.metric, chase.good, chase.bad) == (4e-9, Metric.LATENCY, 0.1, 0.2)
    assert chase.axes == {"bytes": 1 << 20}
    assert found.gates == (Gate("wrong-result", Weight.REJECT),)
    assert (found.heat.minutes, found.heat.drift, found.between.scan) == (1.0, 0.1, False)
    assert [one.probe for one in found.identity] == ["cores"]
    assert found.source == GOOD
    assert found.digest == hashlib.sha256(GOOD.encode()).hexdigest()


def test_the_digest_is_of_the_bytes() -> None:
    assert loads(GOOD).digest != loads(GOOD + "\n").digest
    assert loads(GOOD.replace("\n", "\r\n")).requirements == loads(GOOD).requirements


WRONG = [
    ("schema = 1", "schema = 2", 1, "knows up to 1"),
    ("schema = 1", "schema = true", 1, "whole number"),
    ('name = "mine"', 'name = "Mine!"', 2, "is not a name"),
    ('name = "mine"', 'nome = "mine"', 2, "Did you mean 'name'"),
    ('title = "A host of ours"', 'title = ""', 3, "title is empty"),
    ('title = "A host of ours"', 'title = "a\\u202eb"', 3, "one line of text"),
    ('title = "A host of ours"', 'title = "a\\nb"', 3, "one line of text"),
    ('title = "A host of ours"', f'title = "{"x" * 500}"', 3, "400 characters"),
    ('kind = "host"', 'kind = "tpu"', 6, "kind is one of gpu, host"),
    ('kind = "host"', 'kind = "gpu"', 7, "model"),
    ("processors = 2", "processors = -2", 8, "from 0"),
    ("processors = 2", "processors = 2.5", 8, "whole number"),
    ("processors = 2", "processors = 2\ndevices = 2", 9, "from 1 to 1"),
    ("processors = 2", "processors = 2\nnodes = 0", 9, "from 1 to 100000"),
    ("processors = 2", "procesors = 2", 8, "Did you mean 'processors'"),
    ('memory = "8 GiB"', 'memory = "8 GB"', 9, "not a size"),
    ('memory = "8 GiB"', "memory = -1", 9, "must be a size"),
    ("good = 0.03", "good = 0", 13, "from 0.001 to 0.5"),
    ("good = 0.03", "good = nan", 13, "from 0.001 to 0.5"),
    ("bad = 0.08", "bad = 0.02", 14, "must exceed good"),
    ("bad = 0.08", "bad = 0.0301", 14, "must exceed good"),
    ("bad = 0.08", "bad = inf", 14, "from 0.001 to 0.6"),
    ("retests = 0", "alpha = 0.6", 15, "alpha must be a number from 1e-06 to 0.1"),
    ("retests = 0", "beta = 0.0", 15, "beta must be a number"),
    ("retests = 0", "beta = true", 15, "beta must be a number"),
    ("retests = 0", 'beta = "0.01"', 15, "beta must be a number"),
    ("retests = 0", "looks = [4, 4, 9]", 15, "rising"),
    ("retests = 0", "looks = [9, 6, 4]", 15, "rising"),
    ("retests = 0", "looks = [2, 6]", 15, "from 3"),
    ("retests = 0", "looks = []", 15, "rising"),
    ("retests = 0", "looks = [4, 6.0]", 15, "type int"),
    ("retests = 0", "looks = [4, true]", 15, "type int"),
    ("retests = 0", "retests = 4", 15, "from 0 to 3"),
    ("retests = 0", "aside = 0.9", 15, "from 0 to 0.5"),
    ("seconds = 0.25", "seconds = 0", 18, "from 0.05"),
    ('name = "triad"', 'name = "chase"', 31, "two requirements are called 'chase'"),
    ('benchmark = "memory"', 'benchmark = "memroy"', 23, "Did you mean 'memory'"),
    ('implementation = "stream"', 'implementation = "wide"', 24, "does not run on a host"),
    ('implementation = "stream"', 'implementation = "str*"', 24, "implementation is one of"),
    ('axes = {op = "triad", bytes = "16xLLC"}', 'axes = {op = "triad"}', 25, "must give bytes too"),
    ('axes = {op = "triad", bytes = "16xLLC"}', 'axes = {op = "tried", bytes = 8192}', 25, "op is one of"),
    (
        'axes = {op = "triad", bytes = "16xLLC"}',
        'axes = {op = "triad", bytes = ["1 MiB", "2 MiB"]}',
        25,
        "positive int",
    ),
    ('axes = {op = "triad", bytes = "16xLLC"}', 'axes = {op = "triad", bytes = 8, kind = 1}', 25, "unknown key 'kind'"),
    ('axes = {op = "triad", bytes = "16xLLC"}', 'axes = {op = "triad", bytes = 8}', 24, "makes no sense"),
    ('axes = {op = "triad", bytes = "16xLLC"}', 'axes = "triad"', 25, "axes is a table"),
    ('reference = "20.5 GB/s"', 'reference = "20.5 GFLOP/s"', 26, "GB/s"),
    ('reference = "20.5 GB/s"', 'reference = "20.5"', 26, "positive number"),
    ('reference = "20.5 GB/s"', "reference = 0", 26, "positive number"),
    ('reference = "20.5 GB/s"', "reference = -1.0", 26, "positive number"),
    ('reference = "20.5 GB/s"', "reference = inf", 26, "positive number"),
    ('reference = "20.5 GB/s"', "reference = nan", 26, "positive number"),
    ('reference = "20.5 GB/s"', "reference = 1e999", 26, "positive number"),
    ('reference = "20.5 GB/s"', f"reference = 1{'0' * 400}", 26, "positive number"),
    ('grounds = "negotiated"', 'grounds = "fleet"', 27, "[baseline]"),
    ('grounds = "negotiated"', 'grounds = "hearsay"', 27, "grounds is one of"),
    ('source = "agreed on 2026-11-30"', "", 21, "needs source"),
    ("low = 1.8", "low = 3", 44, "high must be a number from 3"),
    ("low = 1.8", "low = nan", 43, "low must be a number"),
    ('probe = "cores"', 'probe = "corse"', 42, "Did you mean 'cores'"),
    ('wrong-result = "reject"', 'wrong-result = "note"', 48, "cannot be weakened"),
    ('wrong-result = "reject"', 'xid = "reject"', 48, "unknown key 'xid'"),
    ('wrong-result = "reject"', "wrong-result = true", 48, "wrong-result is one of"),
    ("minutes = 1", "minutes = -1", 51, "from 0"),
    ("drift = 0.1", "drift = 1", 52, "from 0.001"),
    ("scan = false", "scan = 0", 55, "true or false"),
    ("scan = false", "rounds = 0", 55, "from 1"),
    ("[between]", "[beetween]", 54, "Did you mean 'between'"),
]


@pytest.mark.parametrize(("before", "after", "line", "words"), WRONG)
def test_a_mistake_is_named_with_its_line(before: str, after: str, line: int, words: str) -> None:
    assert before in GOOD
    with pytest.raises(UsageError) as caught:
        loads(GOOD.replace(before, after, 1))
    assert f"mine.toml, line {line}: " in caught.value.message, caught.value.message
    assert words in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "needs schema"),
        ("schema = 1\nschema = 1\n", "not valid TOML"),
        ("schema = 1" + "0" * 5000, "not valid TOML"),
        ("a = " + "[" * 5000 + "]" * 5000, "nested too deep"),
        ("schema = 1 # \u202e\n", "hidden character U+202E"),
        ("schema = 1 # \x00\n", "hidden character U+0000"),
        ("#" * ((1 << 20) + 1), "larger than 1 MiB"),
        (GOOD.replace("[[identity]]", "[identity]"), "is written [[identity]]"),
        (GOOD.replace("[[identity]]", f"{CORES}[[identity]]"), "two regions of cores"),
        (re.sub(r"(?s)\[\[require\]\].*?\[\[identity", "[[identity", GOOD), "0 [[require]] tables"),
        (GOOD + "[baseline]\ndigest = 'x'\nmachines = []\n", "64 hexadecimal digits"),
        (GOOD + f"[baseline]\ndigest = '{'a' * 64}'\nmachines = ['node1']\n", "pseudonyms"),
        (GOOD.replace('axes = {bytes = "1 MiB"}', 'axes = {op = "triad", bytes = "16xLLC"}').replace(
            'benchmark = "latency"\nimplementation = "chase"', 'benchmark = "memory"\nimplementation = "stream"'
        ).replace("reference = 4e-9", "reference = 4e9"), "measures what another requirement does"),
    ],
)  # fmt: skip
def test_what_is_no_contract_is_refused(text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        loads(text)
    assert words in str(caught.value)


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(UsageError, match="not UTF-8"):
        contract.loads(b"\xff\xfe")


@given(st.data())
@settings(max_examples=150)
def test_a_mutilated_contract_is_refused_or_read(data: st.DataObject) -> None:
    """Whatever stands in it: a sentence, or a contract whose numbers are within bounds. Never a traceback."""
    text = bytearray(GOOD.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(text) - 1))
        piece = data.draw(
            st.sampled_from([b"", b"0", b"-", b'"', b"]", b"[", b"=", b"nan", b"1e400", b"{", b"\n", b"#"])
        )
        text[place : place + data.draw(st.integers(0, 3))] = piece
    try:
        found = contract.loads(bytes(text))
    except UsageError:
        return
    assert 0 < found.rule.good < found.rule.bad <= 0.6
    assert all(0 < one.reference < 1e30 and one.good < one.bad for one in found.requirements)


@given(
    st.floats(1e-12, 1e18),
    st.sampled_from([Metric.FLOPS, Metric.BANDWIDTH, Metric.BUSBW, Metric.LATENCY, Metric.CLOCK]),
)
def test_a_quantity_is_written_so_that_it_is_read_back(value: float, metric: Metric) -> None:
    text = told(value, metric)
    assert (measured(text, metric) if isinstance(text, str) else text) == value


def test_a_contract_survives_being_written() -> None:
    found = loads(GOOD)
    again = loads(contract_text.text(found))
    assert proposal.agreed(again, proposal.Terms()) == proposal.agreed(found, proposal.Terms())


# -- those that are shipped


def test_the_main_machines_are_there() -> None:
    assert set(SHIPPED) >= {
        "h100-sxm", "h100-pcie", "h200-sxm", "b200-sxm", "a100-sxm-80", "l40s", "rtx-4090", "rtx-5090", "epyc-9654",
    }  # fmt: skip


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_contract_is_whole(name: str) -> None:
    path = contract.shipped()[name]
    found = contract.read(path)
    assert found.name == name
    assert contract_text.text(found) == path.read_text(), "run scripts/refresh-contracts"
    applying = [gate for gate, check in gates.GATES.items() if found.claim.kind in check.kinds]
    assert [gate.check for gate in found.gates] == applying
    assert found.heat.minutes >= 30
    for one in found.requirements:
        assert one.grounds is Grounds.CATALOG
        assert re.search(r"\b20\d\d-\d\d", one.source), f"{one.name}: no date"
        assert re.search(r"github:|https://", one.source), f"{one.name}: no place"
        if one.benchmark == "gemm":
            assert (one.implementation, one.axes["data"]) == ("cublaslt", "normal")


@pytest.mark.parametrize("name", [name for name in SHIPPED if name != "epyc-9654"])
def test_a_shipped_threshold_is_below_the_datasheet(name: str) -> None:
    found = contract.read(contract.shipped()[name])
    card = shipped().accelerators[found.claim.model]
    assert found.identity == regions.of(card), "run scripts/refresh-contracts"
    assert found.claim.processors == card.processors
    paper = {
        "memory": card.bandwidth,
        "gemm": card.peaks["bf16"],
        "transfer": 64e9 if card.pcie_generation == 5 else 32e9,
    }
    for one in found.requirements:
        part = one.reference / paper[one.benchmark]
        # A GeForce exceeds its stated clock when it is cool; nothing else exceeds paper.
        assert 0.5 < part < (1.15 if card.form.value == "consumer" and one.benchmark == "gemm" else 1.0), one.name


@pytest.mark.parametrize("name", SHIPPED)
def test_what_is_said_to_be_in_the_catalogue_is_there(name: str) -> None:
    found = contract.read(contract.shipped()[name])
    for one in found.requirements:
        if one.source.startswith("figures.csv"):
            key = re.search(r"figures\.csv, (\w+)", one.source)
            assert key is not None, one.source
            values = [
                each.value
                for each in shipped().figures
                if each.hardware == key[1] and each.role is Role.MEASURED and each.metric is one.metric
            ]
            assert any(abs(value / one.reference - 1) < 1e-9 for value in values), one.source


# -- the command


def call(*words: str) -> Result:
    found = CliRunner().invoke(app, ["contract", *words])
    if isinstance(found.exception, BenchsuiteError):
        raise found.exception
    assert found.exit_code == 0, found.output
    return found


def test_a_new_contract_is_written_once(tmp_path: Path) -> None:
    to = tmp_path / "agreed.toml"
    words = (
        "new",
        "--from",
        "h200-sxm",
        "--provider",
        "Cloud & Söhne",
        "--nodes",
        "64",
        "--name",
        "big",
        "--to",
        str(to),
    )
    assert "SHA-256" in call(*words).output
    found = contract.read(to)
    assert (found.name, found.claim.provider, found.claim.units) == ("big", "Cloud & Söhne", 512)
    assert found.requirements == contract.read(contract.shipped()["h200-sxm"]).requirements
    assert to.read_text().count("#") > 20
    with pytest.raises(UsageError, match="is there already"):
        call(*words)
    assert contract.read(to) == found


def test_terms_hold_for_every_requirement() -> None:
    text = call("new", "--from", "l40s", "--good", "0.04", "--bad", "0.07", "--minutes", "5", "--challenge").output
    found = loads(text)
    assert {(one.good, one.bad) for one in found.requirements} == {(0.04, 0.07)}
    assert (found.rule.good, found.rule.bad, found.heat.minutes, found.challenge) == (0.04, 0.07, 5.0, True)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("new",), "nothing to make a contract from"),
        (("new", "--from", "h200-sxm", "--from-run", "latest"), "from one thing"),
        (("new", "--from", "h300-sxm"), "no contract called 'h300-sxm'"),
        (("new", "--from", "h200-sxm", "--alpha", "0.6"), "alpha must be a number"),
        (("new", "--from", "h200-sxm", "--bad", "0.01"), "must exceed good"),
        (("new", "--from", "h200-sxm", "--only", "triad"), "No requirement matches"),
        (("new", "--from", "host", "--out", "nowhere"), "must be measured first"),
        (("new", "--baseline", "nowhere.json"), "cannot be"),
        (("check", "nowhere.toml"), "cannot be read"),
        (("show", "h200"), "Did you mean"),
    ],
)
def test_what_makes_no_contract_is_said(words: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(BenchsuiteError) as caught:
        call(*words)
    assert sentence in str(caught.value)
    assert caught.value.exit_code == 2
    assert caught.value.remedy


def test_contracts_are_shown_checked_and_listed(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD)
    shown = call("show", str(path)).output.replace("\u00a0", " ")
    for words in (
        "A host of ours",
        "20.5 GB/s",
        "agreed on 2026-11-30",
        "AMD EPYC*",
        "8 GiB",
        "cores",
        "wrong-result",
        "−3.0 %",
        "−8.0 %",
        "+11 %",
        "+25 %",
    ):
        assert words in shown
    checked = call("check", str(path), "h200-sxm").output
    assert checked.count("nothing is wrong with it") == 2
    assert "No nonce is asked for" in checked
    assert all(name in call("list").output for name in SHIPPED)


def test_json_has_the_same() -> None:
    made = json.loads(call("new", "--from", "b200-sxm", "--json").output)
    shown = json.loads(call("show", "b200-sxm", "--json").output)
    assert made["requirements"] == shown["requirements"]
    assert shown["digest"] == contract.read(contract.shipped()["b200-sxm"]).digest
    assert {one["name"] for one in json.loads(call("list", "--json").output)} == set(SHIPPED)
    (checked,) = json.loads(call("check", "b200-sxm", "--json").output)
    assert checked["remarks"]


def test_a_contracts_texts_cannot_steer_a_terminal(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD.replace("agreed on", "[bold red]agreed[/] on"))
    assert "[bold red]agreed[/]" in call("show", str(path)).output


def test_the_page_names_every_key() -> None:
    page = (Path(__file__).parent.parent / "docs" / "contracts.md").read_text()
    rows = [row.split("|")[1:3] for row in page.splitlines() if row.startswith(("| `[", "| | `"))]
    told = {table.strip(" `[]"): set(re.findall(r"`([a-z]+)`", keys)) for table, keys in rows}
    written = tomllib.loads(contract.shipped()["h200-sxm"].read_text())
    tables = {name: one for name, one in written.items() if isinstance(one, dict | list)}
    assert set(told) - {"", "baseline"} == set(tables)
    assert told[""] == set(written) - set(tables)
    for name, one in tables.items():
        keys = one[0] if isinstance(one, list) else one
        assert name == "gates" or told[name] - {"provider"} == set(keys), name
