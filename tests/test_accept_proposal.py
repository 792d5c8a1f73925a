"""New contracts: from a run of the very machine, with terms, with names that are unique."""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from benchsuite import store
from benchsuite.accept import contract, contract_text, gates, proposal
from benchsuite.benchmarks.memory import BENCHMARK
from benchsuite.catalog.shipped import shipped
from benchsuite.cli import app
from benchsuite.errors import BenchsuiteError, DataError, UsageError
from benchsuite.model import Case, Caveat, Grounds, Kind, Metric, Samples, Score, Suite, Weight
from benchsuite.record import SCHEMA
from tests.builders import plan_of, record
from tests.exhibit_data import score

TRIAD = Case.of("memory", op="triad", bytes=1 << 28)
CHASE = Case.of("latency", bytes=1 << 20)
HOST = {"processor": {"model": "AMD EPYC [9R14] 96-Core*", "cores usable": "2", "cache L3": "32\u00a0MiB"}}
CARD = {"gpu": {"name": "NVIDIA GeForce RTX 4090", "memory bytes": str(24564 << 20), "processors": "128"}}


def ran(*scores: Score, backend: str = "host", facts: dict[str, dict[str, str]] | None = None) -> proposal.Ran:
    return proposal.Ran(
        "20261130-100000-quick-beef", "2026-11-30T10:00:00+00:00", backend, facts or HOST, scores,
    )  # fmt: skip


def triad(value: float = 2e10, implementation: str = "stream", **more: object) -> Score:
    return score([value] * 5, TRIAD, Metric.BANDWIDTH, implementation, **more)


def chase(value: float = 5e-9, implementation: str = "chase", **more: object) -> Score:
    return score([value] * 5, CHASE, Metric.LATENCY, implementation, **more)


def test_a_run_becomes_a_contract_about_the_same_machine() -> None:
    made = proposal.from_run(ran(triad(), chase()))
    found = contract.loads(contract_text.text(made).encode())
    assert {one.name: one.reference for one in found.requirements} == {
        "memory-256mib-triad": pytest.approx(2e10),
        "latency-1mib": pytest.approx(5e-9),
    }
    assert all(one.grounds is Grounds.OWN and "2026-11-30" in one.source for one in found.requirements)
    assert (found.claim.kind, found.claim.processors) == (Kind.HOST, 2)
    assert fnmatchcase(HOST["processor"]["model"], found.claim.model)
    assert not fnmatchcase("AMD EPYC 9 96-Core", found.claim.model)
    assert {one.check for one in found.gates} == {
        name for name, check in gates.GATES.items() if Kind.HOST in check.kinds
    }
    assert {one.probe: one.low <= 32 << 20 <= one.high for one in found.identity if one.probe == "llc"} == {"llc": True}
    assert "cores" in {one.probe for one in found.identity}


def test_the_fastest_implementation_is_required() -> None:
    made = proposal.from_run(ran(triad(2e10, "stream"), triad(3e10, "stream-nt"), chase(5e-9), chase(4e-9, "other")))
    assert {one.benchmark: one.implementation for one in made.requirements} == {
        "memory": "stream-nt",
        "latency": "other",
    }


@pytest.mark.parametrize(
    "one",
    [
        triad(runs=2),
        triad(caveats=(Caveat("CONTENDED", "x"),)),
        triad(caveats=(Caveat("NOT_STEADY", "x"),)),
        triad(conditions={}),
        replace(triad(), value=None),
        replace(triad(), case=replace(TRIAD, ranks=2)),
    ],
)
def test_what_is_not_clean_is_not_required(one: Score) -> None:
    made = proposal.from_run(ran(one, chase()))
    assert [each.benchmark for each in made.requirements] == ["latency"]
    with pytest.raises(DataError, match=r"No number of 20261130-100000-quick-beef is clean: (it |oth|nob|noth)"):
        proposal.from_run(ran(one))


def test_only_what_is_asked_for_is_required() -> None:
    made = proposal.from_run(ran(triad(), chase()), only=["[stream]"])
    assert [one.benchmark for one in made.requirements] == ["memory"]
    with pytest.raises(UsageError, match="matches --only"):
        proposal.from_run(ran(triad(), chase()), only=["gemm"])


def test_a_scripted_run_is_no_reference() -> None:
    with pytest.raises(DataError, match="backend fake"):
        proposal.from_run(ran(triad(), backend="fake"))


def test_a_card_is_claimed_by_its_key() -> None:
    wide = triad(9e11, "wide", backend="cuda")
    made = proposal.from_run(ran(wide, backend="cuda", facts=CARD))
    assert (made.claim.kind, made.claim.model, made.claim.processors) == (Kind.GPU, "rtx_4090", 128)
    assert contract.loads(contract_text.text(made).encode()).requirements[0].implementation == "wide"
    weights = {one.check: one.weight for one in made.gates}
    assert weights["ecc-mode"] is Weight.NOTE  # a GeForce has none
    with pytest.raises(DataError, match="does not know"):
        proposal.from_run(ran(wide, backend="cuda", facts={"gpu": {"name": "NVIDIA Q1"}}))


def test_a_card_with_ecc_must_have_it_on() -> None:
    for key, expected in (("h200_sxm_141", Weight.INVALID), ("rtx_5090", Weight.NOTE)):
        weights = {one.check: one.weight for one in proposal.standard_gates(Kind.GPU, shipped().accelerators[key])}
        assert weights["ecc-mode"] is expected
        assert weights["wrong-result"] is Weight.REJECT


def test_terms_change_what_they_say_and_nothing_else() -> None:
    made = proposal.from_run(ran(triad(), chase()))
    terms = proposal.Terms(name="mine", provider="us", nodes=3, minutes=0.0, good=0.1, bad=0.3, retests=0, seconds=0.5)
    found = proposal.agreed(made, terms)
    assert (found.name, found.claim.provider, found.claim.nodes) == ("mine", "us", 3)
    assert (found.heat.minutes, found.rule.retests, found.pace.seconds) == (0.0, 0, 0.5)
    assert {(one.good, one.bad) for one in found.requirements} == {(0.1, 0.3)}
    assert (found.rule.good, found.rule.bad, found.rule.alpha) == (0.1, 0.3, made.rule.alpha)
    assert proposal.agreed(made, proposal.Terms()) == made
    contract.loads(contract_text.text(found).encode())


@given(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=60))
def test_a_processors_name_is_a_pattern_of_itself_alone(name: str) -> None:
    pattern = proposal.literal(name)
    assert fnmatchcase(name, pattern)
    assert not fnmatchcase(name + "x", pattern)
    assert not fnmatchcase("x" + name, pattern)


def test_names_are_unique_and_can_be_read() -> None:
    cases = [Case.of("gemm", m=2**at, n=1, k=1, dtype="bf16", layout="nt", data="normal") for at in range(3)]
    scores = [score([1e12 + at] * 5, case, Metric.FLOPS, "numpy") for at, case in enumerate([*cases, TRIAD])]
    names = [one.name for one in proposal.from_run(ran(*scores)).requirements]
    assert len(set(names)) == 4
    assert all(len(name) <= 80 for name in names)


def kept(folder: Path, backend: str = "host") -> Path:
    """A run directory of a quiet host, as ``benchsuite run`` leaves it."""
    plan = plan_of((TRIAD, "stream"), (TRIAD, "numpy"), runs=5)
    path = folder / "20261130-100000-quick-beef"
    suite = Suite("quick", "quick", (), plan.policy)
    made = store.Campaign(
        SCHEMA, path.name, "2026-11-30T10:00:00+00:00", "0.1.0", "benchsuite run", backend, suite, plan, HOST,
        cache=32 << 20, machine="5eed" * 4,
    )  # fmt: skip
    directory = store.RunDirectory(path, made)
    for run in range(5):
        for name, seconds in (("stream", 0.02), ("numpy", 0.05)):
            starts = tuple(float(at) for at in range(9))
            samples = Samples((seconds,) * 9, 1, starts, conditions={"foreign": 0.0})
            one = record(BENCHMARK, TRIAD, name, run=run, outcome=samples)
            directory.append(replace(one, backend=backend, campaign=path.name))
    return path


def new(*words: str) -> contract.Contract:
    done = CliRunner().invoke(app, ["contract", "new", *words])
    if isinstance(done.exception, BenchsuiteError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return contract.loads(done.output.encode())


@pytest.mark.parametrize("words", [("--from", "host"), ("--from-run", "latest"), ("--from-run", "20261130")])
def test_the_newest_run_of_this_host_becomes_a_contract(words: tuple[str, ...], tmp_path: Path) -> None:
    kept(tmp_path)
    (one,) = new(*words, "--out", str(tmp_path)).requirements
    assert (one.implementation, one.grounds) == ("stream", Grounds.OWN)
    assert one.reference == pytest.approx(BENCHMARK.work(TRIAD).bytes / 0.02)


def test_a_run_that_was_edited_is_no_reference(tmp_path: Path) -> None:
    records = kept(tmp_path) / store.RECORDS
    records.write_text(records.read_text().replace("0.02", "0.01", 1))
    with pytest.raises(DataError, match="changed after it was measured"):
        new("--from-run", "latest", "--out", str(tmp_path))


def test_a_run_of_something_else_is_no_host(tmp_path: Path) -> None:
    kept(tmp_path, backend="cuda")
    with pytest.raises(UsageError, match="not of the host"):
        new("--from", "host", "--out", str(tmp_path))
