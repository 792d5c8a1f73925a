"""Hooks: who was not accepted is drained, a strange name reaches no command, and nothing is done unless asked."""

from __future__ import annotations

import json
import math
import os
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import acceptance_data as data
import certificate_data as made
import pytest
from typer.testing import CliRunner, Result

from benchsuite import hooks
from benchsuite.accept import bundle, deriving, layout
from benchsuite.cli import app
from benchsuite.cli import hooks as _registered  # noqa: F401
from benchsuite.commands import accept
from benchsuite.commands import bundle as verifying
from benchsuite.commands.bundle import Found, State
from benchsuite.errors import DataError
from benchsuite.model import Culprit, FleetVerdict, Subject, Unit, Word
from tests.accept_double import Machine, begun, host, measured, unsynced  # noqa: F401  a fixture

STARTED = "2026-11-30T12:00:00+00:00"


@pytest.fixture(scope="module")
def fleet() -> FleetVerdict:
    return made.fleet(6, 8)[0]


def renamed(fleet: FleetVerdict, name: str) -> FleetVerdict:
    part = replace(fleet.parts[0], subject=Subject(name, 0), word=Word.REJECT, reason="slow")
    return replace(fleet, parts=(part,))


def test_slurm_drains_exactly_the_nodes_that_were_not_accepted(fleet: FleetVerdict) -> None:
    commands = hooks.slurm(fleet)
    assert [one.node for one in commands] == ["node1", "node2", "node3"]
    for one in commands:
        assert one.words[:4] == ("scontrol", "update", f"NodeName={one.node}", "State=DRAIN")
        assert one.words[4].startswith("Reason=benchsuite: ")
        assert len(one.words[4]) < 200
    assert "GPU 7" not in commands[0].words[4]
    assert "memory-read" in commands[0].words[4]


@pytest.mark.parametrize("word", list(Word))
def test_only_the_good_word_spares_a_node(fleet: FleetVerdict, word: Word) -> None:
    parts = tuple(replace(one, word=Word.ACCEPT) for one in fleet.parts[:3])
    whole = replace(fleet, parts=(*parts, replace(fleet.parts[3], word=word)))
    spared = word is Word.ACCEPT
    assert (not hooks.slurm(whole)) is spared
    assert (not hooks.health_check(whole)) is spared
    assert (not [one for one in hooks.kubernetes(whole, STARTED) if "taint" in one.words]) is spared


def test_kubernetes_gets_a_condition_of_every_node_and_a_taint_of_the_bad(fleet: FleetVerdict) -> None:
    commands = hooks.kubernetes(fleet, STARTED)
    patches = [one for one in commands if one.words[1] == "patch"]
    taints = [one for one in commands if one.words[1] == "taint"]
    assert [one.node for one in patches] == [f"node{n}" for n in range(6)]
    assert [one.words[4] for one in taints] == ["benchsuite-not-accepted=reject:NoSchedule"] * 3
    statuses = {}
    for one in patches:
        (condition,) = json.loads(one.words[-1].removeprefix("--patch="))["status"]["conditions"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", condition["lastHeartbeatTime"])
        assert re.fullmatch(r"[A-Z][A-Za-z]*", condition["reason"])
        statuses[one.node] = condition["status"]
    assert statuses == {
        "node0": "True",
        "node1": "False",
        "node2": "False",
        "node3": "False",
        "node4": "True",
        "node5": "True",
    }


def test_what_is_not_known_is_neither_true_nor_false(fleet: FleetVerdict) -> None:
    parts = tuple(replace(one, word=Word.INVALID) for one in fleet.parts[:1])
    patch = hooks.kubernetes(replace(fleet, parts=parts), STARTED)[0].words[-1]
    assert '"status": "Unknown"' in patch


def test_kubectl_takes_the_patch_and_the_taint(fleet: FleetVerdict) -> None:
    """The shape is that of Kubernetes' own schema of a node."""
    validate = pytest.importorskip("kubernetes_validate")
    commands = [one for one in hooks.kubernetes(fleet, STARTED) if one.node == "node1"]
    status = json.loads(commands[0].words[-1].removeprefix("--patch="))["status"]
    key, _, rest = commands[1].words[4].partition("=")
    value, _, effect = rest.partition(":")
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node1"}, "status": status}
    node["spec"] = {"taints": [{"key": key, "value": value, "effect": effect}]}
    validate.validate(node, "1.30", strict=True)


def test_an_accused_node_is_drained_though_its_devices_are_well(fleet: FleetVerdict) -> None:
    units = [Unit(rank, f"node{rank // 8}.cluster.example", rank % 8) for rank in range(48)]
    accused = hooks.accused_nodes((data.finding(),), units)
    assert list(accused) == ["node3"]
    well = replace(fleet, parts=tuple(replace(one, word=Word.ACCEPT) for one in fleet.parts))
    assert [one.node for one in hooks.slurm(well, accused)] == ["node3"]
    assert "receives at 61 %" in hooks.slurm(well, accused)[0].words[4]
    for culprit in (Culprit.PATH, Culprit.LEAF, Culprit.UPLINK, Culprit.FLEET):
        assert not hooks.accused_nodes((data.finding(culprit=culprit),), units)


def test_a_host_that_could_not_be_tested_is_drained_and_a_mere_count_is_nobody(fleet: FleetVerdict) -> None:
    well = tuple(replace(one, word=Word.ACCEPT) for one in fleet.parts)
    lost = replace(fleet, parts=well, missing=("node9", "node0", "2 of 8 nodes", "node8, GPU 3", "all"))
    assert [one.node for one in hooks.slurm(lost)] == ["node9"]
    assert hooks.health_check(lost).startswith("node9 || die 1 'benchsuite: invalid: it is claimed")
    patches = [one.words[-1] for one in hooks.kubernetes(lost, STARTED) if one.node == "node9"]
    assert '"status": "Unknown"' in patches[0]


def test_a_monitor_sees_neither_the_accused_nor_the_whole_as_accepted(fleet: FleetVerdict) -> None:
    well = replace(fleet, parts=tuple(replace(one, word=Word.ACCEPT) for one in fleet.parts), word=Word.REJECT)
    lines = hooks.prometheus(well, STARTED, {"node3": "receives at 61 %"}).splitlines()
    assert [line[-1] for line in lines if line.startswith("benchsuite_acceptance_accepted") and "node3" in line] == [
        "0"
    ] * 8
    assert 'benchsuite_acceptance_accepted{node="node0",device="0"} 1' in lines
    assert [line[-1] for line in lines if line.startswith("benchsuite_acceptance_whole{")] == ["0"]
    whole = hooks.prometheus(replace(well, word=Word.ACCEPT), STARTED)
    assert f'benchsuite_acceptance_whole{{contract="{fleet.digest}"}} 1' in whole.splitlines()


@pytest.mark.parametrize(
    "name",
    [
        "",
        "-x",
        "node1,node2",
        "node[1-9]",
        "ALL",
        "all",
        "a b",
        "a;b",
        "$(id)",
        "a\nb",
        "../x",
        "node_1",
        "a" * 300,
        "ä",
        "a\u202eb",
    ],
)
def test_a_strange_name_reaches_no_command(fleet: FleetVerdict, name: str) -> None:
    strange = renamed(fleet, name)
    for make in (
        lambda: hooks.slurm(strange),
        lambda: hooks.kubernetes(strange, STARTED),
        lambda: hooks.health_check(strange),
        lambda: hooks.prometheus(strange, STARTED),
    ):
        with pytest.raises(DataError, match="no name of a host"):
            make()


def test_kubernetes_has_no_capitals_and_slurm_may(fleet: FleetVerdict) -> None:
    assert hooks.slurm(renamed(fleet, "Node1"))
    with pytest.raises(DataError, match="capital"):
        hooks.kubernetes(renamed(fleet, "Node1"), STARTED)


def test_a_reason_means_nothing_to_a_shell(fleet: FleetVerdict) -> None:
    part = replace(fleet.parts[0], word=Word.REJECT, reason="x'; rm -rf / #\n`id` $(id) \x1b[31m\"\\ −6 %")
    evil = replace(fleet, parts=(part,))
    (line,) = hooks.health_check(evil).splitlines()
    assert re.fullmatch(r"node0 \|\| die 1 '[A-Za-z0-9 .,:;%()+/=-]+'", line)
    assert "-6 %" in line
    assert shlex.split(shlex.join(hooks.slurm(evil)[0].words)) == list(hooks.slurm(evil)[0].words)


def test_a_health_check_line_fails_in_a_shell(fleet: FleetVerdict) -> None:
    line = hooks.health_check(fleet).splitlines()[0]
    script = f'die() {{ echo "$2"; exit $1; }}\n{line.partition("|| ")[2]}\n'
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False, timeout=10)
    assert done.returncode == 1
    assert done.stdout.startswith("benchsuite: reject: ")


SAMPLE = re.compile(r'[a-z_]+(\{[a-z]+="(\\.|[^"\\\n])*"(,[a-z]+="(\\.|[^"\\\n])*")*\})? -?[0-9.e+-]+')


def test_prometheus_text_is_of_its_format(fleet: FleetVerdict) -> None:
    lines = hooks.prometheus(fleet, STARTED).splitlines()
    samples = [line for line in lines if not line.startswith("#")]
    assert all(SAMPLE.fullmatch(line) for line in samples)
    names = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(names) == len(set(names))
    assert 'benchsuite_acceptance_accepted{node="node1",device="3"} 0' in lines
    assert 'benchsuite_acceptance_accepted{node="node0",device="0"} 1' in lines
    assert 'benchsuite_acceptance_verdict{node="node1",device="3",verdict="reject"} 1' in lines
    assert "benchsuite_acceptance_missing 1" in lines
    (slow,) = [line for line in lines if 'node="node1",device="3",requirement="memory-read"' in line]
    mean = next(one.mean for part in fleet.parts if part.subject == Subject("node1", 3) for one in part.decided)
    assert float(slow.split()[-1]) == pytest.approx(math.expm1(mean))


@dataclass(frozen=True)
class Bundle:
    """A bundle that says what ``fleet`` says; programs on PATH that write down how they were called."""

    path: Path
    calls: Path

    def said(self, *words: str) -> Result:
        return CliRunner().invoke(app, ["hooks", str(self.path), *words])

    def called(self) -> list[str]:
        return self.calls.read_text().splitlines() if self.calls.exists() else []


@pytest.fixture
def told(fleet: FleetVerdict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    path, calls, programs = tmp_path / "bundle", tmp_path / "calls", tmp_path / "bin"
    path.mkdir()
    (path / layout.VERDICT).touch()
    programs.mkdir()
    for name in ("scontrol", "kubectl"):
        noted = f'echo "{name} $*" >> {shlex.quote(str(calls))}'
        script = f'#!/bin/sh\n{noted}\ncase "$*" in *node2*) echo no >&2; exit 5;; esac\n'
        (programs / name).write_text(script)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    judged = SimpleNamespace(verdict=fleet, made=SimpleNamespace(started=STARTED))
    monkeypatch.setattr(layout, "find", lambda name, out: path)
    monkeypatch.setattr(deriving, "judged", lambda found: judged)
    monkeypatch.setattr(deriving, "newest_scan", lambda found: None)
    monkeypatch.setattr(verifying, "check", lambda found, trust: Found(State.UNSIGNED))
    return Bundle(path, calls)


@pytest.mark.parametrize(("option", "program"), [("--slurm", "scontrol"), ("--kubernetes", "kubectl")])
def test_without_apply_commands_are_only_printed(told: Bundle, option: str, program: str) -> None:
    result = told.said(option)
    assert result.exit_code == 0
    assert all(line.startswith(program) for line in result.stdout.splitlines())
    assert not told.called()
    as_json = json.loads(told.said(option, "--json").stdout)
    assert not as_json["applied"]
    assert [shlex.join(one["words"]) for one in as_json["commands"]] == result.stdout.splitlines()


def test_with_apply_all_are_run_and_a_failure_is_told(told: Bundle) -> None:
    result = told.said("--slurm", "--apply")
    assert [line.split()[2] for line in told.called()] == ["NodeName=node1", "NodeName=node2", "NodeName=node3"]
    assert "2 of 3 commands done." in result.stdout
    assert "1 of 3 commands failed" in str(result.exception)
    assert result.exception is not None
    assert result.exception.exit_code == 4  # type: ignore[attr-defined]


def test_an_acceptance_that_has_not_ended_blames_nobody(told: Bundle) -> None:
    (told.path / layout.VERDICT).unlink()
    result = told.said("--slurm", "--apply")
    assert (result.exit_code, result.stdout, told.called()) == (1, "", [])
    assert f"benchsuite accept --resume {told.path}" in str(result.exception)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory, unsynced: None) -> Path:  # noqa: F811
    """A sealed acceptance of a host whose memory is slow."""
    path = begun(tmp_path_factory.mktemp("real"), host())
    accept.close(path, measured(path, Machine(speed=lambda part, benchmark, run: 0.9 + 0.001 * (run % 2))), None)
    return path


def test_a_real_bundle_drains_its_node_whatever_somebody_writes_into_the_verdict(real: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(real, tmp_path / real.name))
    (path / layout.VERDICT).write_text((path / layout.VERDICT).read_text().replace("reject", "accept"))
    line = CliRunner().invoke(app, ["hooks", str(path), "--slurm"]).stdout
    assert line.startswith("scontrol update NodeName=node0 State=DRAIN 'Reason=benchsuite: reject: ")


@pytest.mark.parametrize("again", [False, True], ids=["edited", "sealed again"])
def test_a_changed_bundle_does_nothing(
    real: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, again: bool
) -> None:
    path = Path(shutil.copytree(real, tmp_path / real.name))
    (path / layout.VERDICT).write_text((path / layout.VERDICT).read_text().replace("reject", "accept"))
    if again:
        bundle.seal(path, layout.read(path))
    calls = tmp_path / "calls"
    (tmp_path / "scontrol").write_text(f"#!/bin/sh\necho called >> {shlex.quote(str(calls))}\n")
    (tmp_path / "scontrol").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    result = CliRunner().invoke(app, ["hooks", str(path), "--slurm", "--apply"])
    assert "cannot be relied on" in str(result.exception)
    assert not calls.exists()
    if not again:
        assert CliRunner().invoke(app, ["hooks", str(real), "--slurm", "--apply"]).exit_code == 0
        assert calls.read_text() == "called\n"


def test_a_program_that_is_not_there_is_named(told: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(told.path))
    result = told.said("--kubernetes", "--apply")
    assert "no kubectl on PATH" in str(result.exception)
    assert result.exception.exit_code == 4  # type: ignore[union-attr]


def test_metrics_are_printed_or_written(told: Bundle, tmp_path: Path) -> None:
    target = tmp_path / "benchsuite.prom"
    printed = told.said("--prometheus", str(target))
    assert printed.stdout.startswith("# HELP benchsuite_acceptance_whole")
    assert not target.exists()
    assert told.said("--prometheus", str(target), "--apply").exit_code == 0
    assert target.read_text() == printed.stdout
    assert [path.name for path in tmp_path.glob(".*")] == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "Asked for: nothing"),
        (("--slurm", "--kubernetes"), "Asked for: slurm, kubernetes"),
        (("--nhc", "--apply"), "nhc.conf"),
        (("--prometheus", "x.txt", "--apply"), "does not end in .prom"),
    ],
)
def test_what_makes_no_sense_is_a_question_of_usage(told: Bundle, words: tuple[str, ...], says: str) -> None:
    result = told.said(*words)
    assert says in str(result.exception)
    assert result.exception.exit_code == 2  # type: ignore[union-attr]
