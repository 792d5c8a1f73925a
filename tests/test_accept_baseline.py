"""Baselines: learned from a fleet known good, refused for any other, and never used on the machines they came from."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from benchsuite import publication
from benchsuite.accept import baseline, contract, contract_text, proposal
from benchsuite.cli import app
from benchsuite.errors import BenchsuiteError, DataError
from benchsuite.model import (
    Case,
    Caveat,
    Grounds,
    Machine,
    Metric,
    Origin,
    Publication,
    Score,
    Status,
)
from benchsuite.statistics import tolerance
from tests.exhibit_data import score

READ = Case.of("memory", bytes=1 << 30, op="read")
CHASE = Case.of("latency", bytes=1 << 28)
FACTS = {"gpu": {"name": "NVIDIA H200", "driver": "580.65.06 (CUDA 13.0)"}}
SPREAD = 0.004


def machine(number: int) -> str:
    return f"{number:016x}"


def fleet(count: int = 16, seed: int = 1, facts: object = FACTS) -> list[Publication]:
    """Machines of one model, each measured once at two tasks, which differ by ``SPREAD``."""
    rng = np.random.default_rng(seed)
    reads, chases = (np.exp(SPREAD * rng.standard_normal(count)).tolist() for _ in range(2))
    made = []
    for number in range(count):
        scores = (
            score([4.2e12 * reads[number]] * 5, READ, Metric.BANDWIDTH, "wide"),
            score([7e-7 * chases[number]] * 5, CHASE, Metric.LATENCY, "lane"),
        )
        who = Machine(machine(number), "NVIDIA H200", "h200_sxm_141", facts=facts)  # type: ignore[arg-type]
        started = f"2026-11-{number % 28 + 1:02}T10:00:00+00:00"
        made.append(
            Publication(
                1,
                f"20261101-{number:06}-quick-beef",
                Origin.MEASURED,
                who,
                started,
                "quick",
                scores,
                code="c0de" * 4,
                backend="cuda",
                version="0.1.0",
                runs=5,
            )
        )
    return made


def changed(found: list[Publication], number: int, place: int, change: Callable[[Score], Score]) -> list[Publication]:
    """The fleet with one score of one machine changed."""
    one = found[number]
    results = tuple(change(each) if at == place else each for at, each in enumerate(one.results))
    return [replace(one, results=results) if at == number else each for at, each in enumerate(found)]


def slower(part: float) -> Callable[[Score], Score]:
    return lambda one: replace(one, value=(one.value or 0.0) * (1 - part))


def test_a_healthy_fleet_gives_limits() -> None:
    found = baseline.build(fleet(), "good")
    assert found.machines == tuple(machine(number) for number in range(16))
    assert (found.hardware, found.model, found.backend) == ("h200_sxm_141", "NVIDIA H200", "cuda")
    assert (found.dates, found.drivers) == (("2026-11-01", "2026-11-16"), ("580.65.06 (CUDA 13.0)",))
    chase, read = found.learnt
    assert (read.name, chase.name) == (f"{READ.key} [wide]", f"{CHASE.key} [lane]")
    assert read.centre == pytest.approx(float(np.median(read.values)), rel=1e-9)
    assert read.limit == pytest.approx(read.centre * math.exp(-read.factor * read.spread))
    assert read.limit < read.centre
    assert chase.limit > chase.centre  # less is better: a healthy machine may take longer
    assert chase.lost == pytest.approx(1 - chase.centre / chase.limit)
    assert read.factor == tolerance.robust_factor(16)


def test_ninety_nine_of_a_hundred_healthy_machines_pass_the_limit() -> None:
    found = baseline.build(fleet(20, seed=5), "good")
    fresh = 4.2e12 * np.exp(SPREAD * np.random.default_rng(9).standard_normal(10_000))
    (read,) = (one for one in found.learnt if one.case == READ)
    assert np.mean(fresh < read.limit) <= 0.01


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda found: found[:9], "runs of 9 machines"),
        (lambda found: changed(found, 3, 0, slower(0.06)), f"{machine(3)} stands apart (-6."),
        (lambda found: changed(found, 3, 0, slower(-0.06)), f"{machine(3)} stands apart (+5."),
        (lambda found: changed(found, 3, 1, slower(-0.09)), f"{machine(3)} stands apart"),
        (
            lambda found: changed(found, 3, 0, lambda one: replace(one, status=Status.REJECTED, value=None)),
            f"{machine(3)} gave a wrong result",
        ),
        (
            lambda found: changed(found, 3, 0, lambda one: replace(one, caveats=(Caveat("CONTENDED", "x"),))),
            "was disturbed",
        ),
        (lambda found: changed(found, 3, 0, lambda one: replace(one, conditions={})), "TELEMETRY_MISSING"),
        (lambda found: changed(found, 3, 0, lambda one: replace(one, runs=2)), "in 2 runs"),
        (lambda found: changed(found, 3, 0, lambda one: replace(one, of_datasheet=1.2)), "another model"),
        (lambda found: [replace(one, backend="fake") for one in found], "not measured by benchsuite"),
        (lambda found: [*found[:-1], replace(found[-1], origin=Origin.IMPORTED)], "not measured by benchsuite"),
        (lambda found: [*found[:-1], replace(found[-1], code="other")], "2 versions of benchsuite"),
        (
            lambda found: [*found[:-1], replace(found[-1], machine=replace(found[-1].machine, hardware="h100_sxm_80"))],
            "2 models: h100_sxm_80, h200_sxm_141",
        ),
        (
            lambda found: [*found[:-1], replace(found[-1], machine=replace(found[-1].machine, id="unknown-machine"))],
            "does not say on which machine",
        ),
        (lambda found: [replace(one, results=()) for one in found], "no task that every machine"),
        (
            lambda found: [changed(found, at, 0, slower(0.1 * (at % 2)))[at] for at in range(len(found))],
            "The machines differ by 7",
        ),
    ],
)
def test_a_fleet_that_is_not_known_good_is_refused(
    change: Callable[[list[Publication]], list[Publication]], words: str
) -> None:
    with pytest.raises(DataError) as caught:
        baseline.build(change(fleet()), "good")
    assert words in caught.value.message
    assert caught.value.remedy


def test_how_far_a_machine_must_stand_apart_depends_on_the_fleet() -> None:
    """The machines of this seed differ by 0.17 %: beyond 1.1 % one of a hundred such fleets has a machine."""
    baseline.build(changed(fleet(), 3, 0, slower(0.004)), "good")
    with pytest.raises(DataError, match="stands apart"):
        baseline.build(changed(fleet(), 3, 0, slower(0.007)), "good")


def test_a_machine_is_left_out_only_when_asked_and_the_file_says_so() -> None:
    found = changed(fleet(), 3, 0, slower(0.06))
    made = baseline.build(found, "good", without=[machine(3)])
    assert machine(3) not in made.machines
    assert len(made.machines) == 15
    assert any(machine(3) in one for one in made.left_out)
    by_run = baseline.build(found, "good", without=[found[3].id])
    assert by_run.learnt == made.learnt


def test_of_each_machine_the_latest_run_counts_once() -> None:
    found = fleet()
    again = [replace(one, id=f"20261201-{at:06}-quick-beef", started="2026-12-01") for at, one in enumerate(found)]
    made = baseline.build([*again, *found], "good")
    assert len(made.machines) == 16
    assert set(made.runs) == {one.id for one in again}
    with pytest.raises(DataError, match="runs of 1 machine;"):
        baseline.build([replace(found[0], id=f"run-{at}", started=f"2026-11-{at + 10}") for at in range(12)], "good")


def test_a_task_that_one_machine_lacks_is_left_out() -> None:
    found = fleet()
    found[2] = replace(found[2], results=found[2].results[:1])
    made = baseline.build(found, "good")
    assert [one.case for one in made.learnt] == [READ]
    assert made.left_out == (f"{CHASE.key} [lane] was not measured on every machine.",)


def test_hosts_must_have_as_many_cores() -> None:
    def host(one: Publication, cores: str) -> Publication:
        who = Machine(one.machine.id, "AMD EPYC 9654", facts={"processor": {"cores usable": cores}})
        return replace(one, machine=who, backend="host")

    found = [host(one, "96") for one in fleet()]
    assert baseline.build(found, "good").cores == "96"
    with pytest.raises(DataError, match="2 numbers of cores"):
        baseline.build([host(found[0], "48"), *found[1:]], "good")


def test_a_file_is_read_back_and_an_edited_one_refused(tmp_path: Path) -> None:
    path = tmp_path / "good.json"
    made = baseline.build(fleet(), "good")
    path.write_bytes(baseline.encode(made))
    found, digest = baseline.read(path)
    assert found == made
    assert len(digest) == 64
    told = json.loads(path.read_text())
    for change in (
        lambda told: told["learnt"][0].update(limit=told["learnt"][0]["limit"] * 0.9),
        lambda told: told["learnt"][0].update(factor=told["learnt"][0]["factor"] * 2),
        lambda told: told["learnt"][0]["values"].pop(),
        lambda told: told["learnt"][0]["values"].__setitem__(0, -1.0),
        lambda told: told["machines"].__setitem__(0, told["machines"][1]),
        lambda told: told.update(content=0.5),
        lambda told: told.update(learnt=[]),
        lambda told: told.update(schema=2),
        lambda told: told.update(machines=1),
    ):
        edited = json.loads(json.dumps(told))
        change(edited)
        path.write_text(json.dumps(edited))
        with pytest.raises(DataError, match=r"The baseline good\.json cannot be used"):
            baseline.read(path)


def test_the_contract_of_a_baseline_asks_for_its_median() -> None:
    learned = baseline.build(fleet(), "good")
    made = proposal.from_baseline(learned, "a" * 64, only=["memory*"])
    found = contract.loads(contract_text.text(made).encode())
    (one,) = found.requirements
    read = next(each for each in learned.learnt if each.case == READ)
    assert (one.reference, one.grounds) == (read.centre, Grounds.FLEET)
    assert one.good == max(0.02, round(read.lost, 4))
    assert one.bad == pytest.approx(one.good + 0.03)
    assert "16 machines" in one.source
    assert (found.claim.model, found.claim.processors) == ("h200_sxm_141", 132)
    assert (found.learned.digest, found.learned.machines) == ("a" * 64, learned.machines)
    wide = replace(learned, learnt=(replace(read, spread=0.02),))
    (loose,) = proposal.from_baseline(wide, "a" * 64).requirements
    assert loose.good == pytest.approx(1 - math.exp(-read.factor * 0.02), abs=1e-4)
    assert loose.bad == pytest.approx(loose.good + 0.03)


# -- the command


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "fleet").mkdir()
    for one in fleet(12):
        (tmp_path / "fleet" / f"{one.id}.json").write_bytes(publication.encode(one))
    return tmp_path


def call(*words: str) -> Result:
    found = CliRunner().invoke(app, ["baseline", *words])
    if isinstance(found.exception, BenchsuiteError):
        raise found.exception
    assert found.exit_code == 0, found.output
    return found


def test_a_folder_of_publications_becomes_a_contract(folder: Path) -> None:
    to = folder / "h200.json"
    shown = call(str(folder / "fleet"), "--to", str(to)).output
    assert "12 machines" in shown
    assert "4.2" in shown
    assert shown.startswith(call("--show", str(to)).output)
    assert f"benchsuite contract new --baseline {to}" in shown
    made = CliRunner().invoke(app, ["contract", "new", "--baseline", str(to), "--provider", "us"])
    assert made.exit_code == 0, made.output
    found = contract.loads(made.output.encode())
    assert found.learned.digest == baseline.read(to)[1]
    assert len(found.requirements) == 2
    with pytest.raises(BenchsuiteError, match="is there already"):
        call(str(folder / "fleet"), "--to", str(to))


def test_the_command_refuses_with_a_sentence(folder: Path) -> None:
    with pytest.raises(BenchsuiteError, match="no runs to learn from"):
        call()
    words = [word for at in range(3) for word in ("--without", machine(at))]
    with pytest.raises(BenchsuiteError, match="runs of 9 machines"):
        call(str(folder / "fleet"), *words, "--to", str(folder / "x.json"))
    assert not (folder / "x.json").exists()


def test_a_result_that_contradicts_itself_is_no_reference(folder: Path) -> None:
    one = changed(fleet(12), 3, 0, slower(0.06))[3]
    (folder / "fleet" / f"{one.id}.json").write_bytes(publication.encode(one))
    with pytest.raises(DataError, match=f"leave it out: --without {machine(3)}"):
        call(str(folder / "fleet"), "--to", str(folder / "x.json"))
    call(str(folder / "fleet"), "--without", machine(3), "--to", str(folder / "x.json"))


def test_json_has_the_same_numbers(folder: Path) -> None:
    told = json.loads(call(str(folder / "fleet"), "--to", str(folder / "h.json"), "--json").output)
    assert told["digest"] == baseline.read(folder / "h.json")[1]
    assert len(told["machines"]) == 12
