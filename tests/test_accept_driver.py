"""The driver of an acceptance: in stages until all is decided, all devices at once, gone on with, tested again."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchsuite import store
from benchsuite.accept import acceptance, deriving, layout, processes, retracing, stages
from benchsuite.accept.processes import Command
from benchsuite.commands import accept as command
from benchsuite.errors import DataError, Exit, MeasureError, UsageError
from benchsuite.interrupt import Stop, TerminatedError
from benchsuite.model import Failed, Kind, Rejected, State, Subject, Word
from benchsuite.placing import Placing
from tests import accept_double as double
from tests.accept_double import (
    Machine,
    Silent,
    begun,
    gpus,
    host,
    measured,
    steady,
    unsynced,  # noqa: F401  a fixture
)

NONCE = "3f1c9a7e5b2d4f60"
pytestmark = pytest.mark.usefixtures("unsynced")


def runs_of(machine: Machine) -> list[tuple[str, str]]:
    """Each command: its suite, and how many runs it asked for."""
    told = []
    for words in machine.words:
        count = words[words.index("--runs") + 1] if "--runs" in words else ""
        told.append((Path(words[1]).stem if words[0] == "run" else words[0], count))
    return told


def slower(by: float, noise: float = 0.001) -> double.Speed:
    """Less than agreed by so much (a part), up and down by ``noise``."""
    return lambda part, benchmark, run: (1.0 - by) * (1.0 + (noise if run % 2 else -noise))


# -- deciding ------------------------------------------------------------------------------------------------------


def test_what_is_as_agreed_is_accepted_after_four_runs(tmp_path: Path) -> None:
    machine, watcher = Machine(), Silent()
    path = begun(tmp_path, host())
    found = measured(path, machine, watcher)
    assert found.verdict.word is Word.ACCEPT, found.verdict.reason
    assert acceptance.exit_code(found) is Exit.DONE
    assert runs_of(machine) == [("stage-1", "4")]
    assert not found.problems
    assert [one.requirement for one in found.evidences[0].measured] == ["read", "latency"]
    assert {len(one.runs) for one in found.evidences[0].measured} == {4}
    assert watcher.heard
    names = {one.name for one in layout.attempt_folder(path, "node0", 1).iterdir()}
    assert names == {"inspection-before.json", "inspection-after.json", "journal.jsonl", "host"}
    assert (path / layout.VERDICT).is_file()


def test_what_is_eight_percent_slow_is_rejected_and_named(tmp_path: Path) -> None:
    machine = Machine(lambda part, benchmark, run: slower(0.08)("", "", run) if benchmark == "memory" else 1.0)
    found = measured(begun(tmp_path, host()), machine)
    assert found.verdict.word is Word.REJECT
    assert acceptance.exit_code(found) is Exit.REJECTED
    assert "read" in found.verdict.reason
    assert {one.requirement: one.word for one in found.verdict.parts[0].decided}["latency"] is Word.ACCEPT
    assert runs_of(machine) == [("stage-1", "4")], "a rejection needs no further runs"


def test_more_runs_are_made_of_what_is_undecided_and_of_nothing_else(tmp_path: Path) -> None:
    noisy = slower(0.0, 0.04)
    machine = Machine(lambda part, benchmark, run: noisy("", "", run) if benchmark == "latency" else 1.0)
    found = measured(begun(tmp_path, host()), machine)
    stages_made = runs_of(machine)
    assert stages_made[:3] == [("stage-1", "4"), ("stage-2", "2"), ("stage-3", "3")]
    assert machine.counts["node0", "memory"] == 4
    assert machine.counts["node0", "latency"] == sum(int(count) for _, count in stages_made)
    assert found.verdict.word in {Word.ACCEPT, Word.INCONCLUSIVE}


def test_when_all_runs_are_spent_it_ends_inconclusive(tmp_path: Path) -> None:
    machine = Machine(slower(0.035, 0.06))
    found = measured(begun(tmp_path, host()), machine)
    assert [count for _, count in runs_of(machine)] == ["4", "2", "3", "5", "6"]
    assert found.verdict.word is Word.INCONCLUSIVE
    assert acceptance.exit_code(found) is Exit.INCONCLUSIVE


def test_a_disturbed_run_is_set_aside_and_made_again(tmp_path: Path) -> None:
    machine = Machine(codes=lambda part, benchmark, run: ("CONTENDED",) if run == 1 and benchmark == "memory" else ())
    found = measured(begun(tmp_path, host()), machine)
    assert runs_of(machine) == [("stage-1", "4"), ("stage-2", "1")]
    assert found.verdict.word is Word.ACCEPT
    (read,) = [one for one in found.verdict.parts[0].decided if one.requirement == "read"]
    assert (read.runs, read.aside) == (4, 1)
    assert [bool(one.codes) for one in found.evidences[0].measured[0].runs] == [False, True, False, False, False]


def test_what_is_always_disturbed_ends_invalid(tmp_path: Path) -> None:
    machine = Machine(codes=lambda part, benchmark, run: ("HOST_STEAL",))
    found = measured(begun(tmp_path, host()), machine)
    assert found.verdict.word is Word.INVALID
    assert "HOST_STEAL" in found.verdict.reason
    assert len(machine.words) < 8


def test_a_wrong_result_ends_it_at_once_and_for_good(tmp_path: Path) -> None:
    wrong = Rejected("element 17 is wrong")
    noisy = slower(0.0, 0.04)
    machine = Machine(lambda part, benchmark, run: wrong if (benchmark, run) == ("memory", 2) else noisy("", "", run))
    watcher = Silent()
    path = begun(tmp_path, host())
    found = measured(path, machine, watcher)
    assert found.verdict.word is Word.REJECT
    assert found.verdict.parts[0].hard
    assert runs_of(machine) == [("stage-1", "4")], "others were undecided, and it was still left alone"
    assert any("is not measured any further" in text and "wrong" in text for text in watcher.heard)
    acceptance.again(path)
    healthy = Machine()
    found = measured(path, healthy, watcher)
    assert healthy.words == [], "the same host was measured again"
    assert found.verdict.word is Word.REJECT
    assert "no other test can undo" in found.verdict.reason
    assert any("nothing shows that it was exchanged" in text for text in watcher.heard)


def test_a_host_of_another_name_may_have_lost_its_key_only(tmp_path: Path) -> None:
    path = begun(tmp_path, host())
    found = measured(path, Machine(lambda part, benchmark, run: Rejected("element 17 is wrong")))
    assert found.verdict.parts[0].hard
    assert Machine().identity in found.evidences[0].machines, "by this an exchanged card is told from a lost key"
    acceptance.again(path)
    found = measured(path, Machine(identity="99aa88bb77cc66dd"))
    assert found.verdict.word is Word.REJECT
    assert not retracing.problems(path, found)


def test_a_run_that_failed_never_accepts(tmp_path: Path) -> None:
    machine = Machine(lambda part, benchmark, run: Failed("out of memory") if run == 3 else 1.0)
    found = measured(begun(tmp_path, host()), machine)
    assert found.verdict.word is Word.INVALID
    assert "out of memory" in found.verdict.reason
    assert acceptance.exit_code(found) is Exit.INCONCLUSIVE


def test_nothing_measured_is_not_measured(tmp_path: Path) -> None:
    found = measured(begun(tmp_path, host()), Machine(lost=frozenset({"host"})))
    assert found.verdict.word is Word.INVALID
    assert "nothing could be measured" in " ".join(found.verdict.parts[0].reasons)
    assert acceptance.exit_code(found) is Exit.FAILED


@settings(max_examples=10)
@given(st.floats(0.02, 0.2), st.floats(0.0, 0.03))
def test_what_is_bad_is_never_accepted(tmp_path_factory: pytest.TempPathFactory, by: float, noise: float) -> None:
    found = measured(begun(tmp_path_factory.mktemp("bad"), host()), Machine(slower(0.05 + by, noise)))
    assert found.verdict.word is not Word.ACCEPT


# -- devices -------------------------------------------------------------------------------------------------------


def test_all_devices_are_measured_at_the_same_time_with_data_of_their_own(tmp_path: Path) -> None:
    machine = Machine()
    batches: list[list[str]] = []
    execute = machine.execute

    def batch(commands: dict[str, Command], *more: object) -> dict[str, int]:
        batches.append(sorted(commands))
        return execute(commands, *more)  # type: ignore[arg-type]

    machine.execute = batch  # type: ignore[method-assign, assignment]
    found = measured(begun(tmp_path, gpus(3)), machine)
    assert batches == [["gpu0", "gpu1", "gpu2"]]
    assert [words[words.index("--device") + 1] for words in machine.words] == ["0", "1", "2"]
    assert len({words[words.index("--seed") + 1] for words in machine.words}) == 3
    assert {words[words.index("--backend") + 1] for words in machine.words} == {"cuda"}
    assert [one.subject for one in found.evidences] == [Subject("node0", n, f"{n:016x}") for n in range(3)]
    assert {decided.word for one in found.verdict.parts for decided in one.decided} == {Word.ACCEPT}
    assert found.verdict.word is Word.INVALID, "no sensor was read"


def test_a_device_of_which_nothing_can_be_measured_is_left_alone_and_the_others_go_on(tmp_path: Path) -> None:
    noisy = Machine(slower(0.0, 0.04), lost=frozenset({"gpu1"}))
    found = measured(begun(tmp_path, gpus(3)), noisy)
    tried = [words[words.index("--device") + 1] for words in noisy.words]
    assert tried.count("1") == 1
    assert tried.count("0") == tried.count("2") > 1
    counts = {one.subject.device: sum(run.value is not None for run in one.measured[0].runs) for one in found.evidences}
    assert counts[1] == 0


def test_a_device_that_the_driver_does_not_list_is_not_even_tried(tmp_path: Path) -> None:
    machine = Machine(cards=2)
    found = measured(begun(tmp_path, gpus(3)), machine)
    assert all("2" not in words[words.index("--device") + 1] for words in machine.words)
    assert found.verdict.word is Word.REJECT
    count = [one for part in found.verdict.parts for one in part.observations if one.check == "count"]
    assert {one.state for one in count} == {State.FAILED}


# -- ending early --------------------------------------------------------------------------------------------------


def test_it_is_gone_on_with_wherever_it_was_stopped(tmp_path: Path) -> None:
    whole = Machine(slower(0.0, 0.03))
    expected = measured(begun(tmp_path / "whole", gpus(2)), whole).verdict
    commands = len(whole.words)
    assert commands > 4
    for at in range(1, commands + 1):
        machine = Machine(slower(0.0, 0.03), stop=lambda words, at=at: len(words) == at)  # type: ignore[misc]
        path = begun(tmp_path / str(at), gpus(2))
        with pytest.raises(TerminatedError):
            measured(path, machine)
        assert not (path / layout.VERDICT).exists()
        found = measured(path, machine)
        assert len(machine.words) == commands + 1, "what was finished was measured again"
        assert found.verdict.word is expected.word
        assert [one.decided for one in found.verdict.parts] == [one.decided for one in expected.parts]
        assert not found.problems


def test_a_step_that_was_begun_is_ended_as_it_was_planned(tmp_path: Path) -> None:
    """Whose controller was killed has a run directory that no journal knows."""
    machine = Machine(slower(0.0, 0.03))
    path = begun(tmp_path, host())
    measured(path, machine)
    folder = layout.attempt_folder(path, "node0", 1)
    lines = (folder / layout.JOURNAL).read_bytes().splitlines(keepends=True)
    cut = next(at for at, line in enumerate(lines) if b'"run"' in line and b"stage-2" in line)
    (folder / layout.JOURNAL).write_bytes(b"".join(lines[:cut]))
    layout.unseal(path)
    again = Machine(slower(0.0, 0.03), counts=dict(machine.counts))
    measured(path, again)
    assert again.words[0][:2] == ["resume", str(next((folder / "host" / "stage-2").glob("*/campaign.json")).parent)]


def test_the_journal_is_chained_and_knows_every_run(tmp_path: Path) -> None:
    path = begun(tmp_path, host())
    measured(path, Machine())
    folder = layout.attempt_folder(path, "node0", 1)
    events, broken = store.journal_of(folder)
    assert not broken
    assert [one.event for one in events] == ["looked", "begin", "run", "looked", "finished", "end"]
    (run,) = [one.data for one in events if one.event == "run"]
    assert deriving.told_by_run(folder / "host" / "stage-1" / run["run"]) == run["sha"]
    assert stages.finished(folder)


def test_another_program_does_not_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = begun(tmp_path, host())
    monkeypatch.setattr("benchsuite.accept.node.identity.code", lambda: "another")
    with pytest.raises(UsageError, match="another benchsuite"):
        measured(path, Machine())


def test_what_was_set_out_to_do_cannot_be_changed_meanwhile(tmp_path: Path) -> None:
    path = begun(tmp_path, host())
    text = (path / layout.ACCEPTANCE).read_text()
    (path / layout.ACCEPTANCE).write_text(text.replace('"challenged":false', '"challenged":true'))
    with pytest.raises(DataError, match="was changed after the acceptance had begun"):
        layout.read(path)
    (path / layout.ACCEPTANCE).write_text(text)
    (path / layout.CONTRACT).write_bytes(host(top="challenge = true").source.encode())
    with pytest.raises(DataError, match="is not the contract"):
        measured(path, Machine())


# -- again ---------------------------------------------------------------------------------------------------------


def test_a_re_test_is_for_those_who_were_not_accepted_and_the_last_one_counts(tmp_path: Path) -> None:
    path = begun(tmp_path, host())
    machine = Machine(codes=lambda part, benchmark, run: ("CONTENDED",) if run < 4 else ())
    assert measured(path, machine).verdict.word is Word.INVALID
    acceptance.again(path)
    assert not (path / layout.VERDICT).exists()
    found = measured(path, machine)
    assert found.verdict.word is Word.ACCEPT, found.verdict.reason
    assert [one.attempt for one in found.evidences] == [1, 2]
    assert [one.word for one in found.verdict.earlier] == [Word.INVALID]
    assert layout.attempt_folder(path, "node0", 1).is_dir(), "the first attempt stays"
    with pytest.raises(UsageError, match="is accepted"):
        acceptance.again(path)


def test_no_more_re_tests_than_the_contract_allows(tmp_path: Path) -> None:
    path = begun(tmp_path, host(rule="retests = 1"))
    machine = Machine(slower(0.035, 0.06))
    measured(path, machine)
    acceptance.again(path)
    measured(path, machine)
    with pytest.raises(UsageError, match="allows 2 tests of each"):
        acceptance.again(path)
    other = begun(tmp_path / "none", host(rule="retests = 0"))
    measured(other, machine)
    with pytest.raises(UsageError, match="allows 1 test of each"):
        acceptance.again(other)


def test_nobody_is_tested_again_before_the_test_has_ended(tmp_path: Path) -> None:
    path = begun(tmp_path, host())
    with pytest.raises(UsageError, match="has not ended"):
        acceptance.again(path)


def test_of_several_devices_only_those_not_accepted_are_tested_again(tmp_path: Path) -> None:
    slow = lambda part, benchmark, run: slower(0.08)("", "", run) if part == "node1" else 1.0  # noqa: E731
    machine = Machine(slow)
    path = fleet_of(tmp_path, machine, ("node0", "node1"))
    found = judged(path)
    assert [one.word for one in found.verdict.parts] == [Word.ACCEPT, Word.REJECT]
    acceptance.again(path)
    assert [one.node for one in layout.read(path).attempt.subjects] == ["node1"]
    assert deriving.tested(found.contract, "node0", layout.read(path).attempt) == ()


# -- several nodes -------------------------------------------------------------------------------------------------


def fleet_of(tmp_path: Path, machine: Machine, nodes: tuple[str, ...], claimed: int = 0) -> Path:
    """An acceptance of so many hosts, measured on these."""
    count = claimed or len(nodes)
    top = "[between]\nscan = false\n"
    source = host(nodes=count).source + top
    path = begun(tmp_path, double.contracts.loads(source.encode()), placing=Placing("mpiexec", ",".join(nodes)))
    for node in nodes:
        double.on(machine, node)(path, Silent(), Stop())
    return path


def judged(path: Path) -> deriving.Judged:
    found = deriving.judged(path)
    layout.replace_file(path / layout.VERDICT, b"{}")
    return found


def test_every_node_is_judged_and_the_bad_ones_are_named(tmp_path: Path) -> None:
    bad: dict[str, Callable[[str, int], double.Answer]] = {
        "node1": lambda benchmark, run: 0.9 if benchmark == "memory" else 1.0,
        "node2": lambda benchmark, run: Rejected("element 3 is wrong") if run == 1 else 1.0,
    }

    def speed(part: str, benchmark: str, run: int) -> double.Answer:
        return bad[part](benchmark, run) if part in bad else steady(part, benchmark, run)

    found = judged(fleet_of(tmp_path, Machine(speed), ("node0", "node1", "node2", "node3")))
    assert found.verdict.word is Word.REJECT
    words = {one.subject.node: one.word for one in found.verdict.parts}
    accept, reject = Word.ACCEPT, Word.REJECT
    assert words == {"node0": accept, "node1": reject, "node2": reject, "node3": accept}
    assert "node1" in found.verdict.reason
    assert "node2" in found.verdict.reason


def test_a_node_that_is_missing_is_named_and_never_accepted(tmp_path: Path) -> None:
    path = fleet_of(tmp_path, Machine(), ("node0", "node1"), claimed=3)
    found = judged(path)
    assert found.missing == ("1 of 3 nodes",)
    assert found.verdict.word is Word.INVALID
    hosts = begun(tmp_path / "named", host(nodes=2), placing=Placing("mpiexec", "node0,node7"))
    double.on(Machine(), "node0")(hosts, Silent(), Stop())
    assert judged(hosts).missing == ("node7",)


def test_a_fleet_without_the_scan_that_was_agreed_is_not_accepted(tmp_path: Path) -> None:
    path = begun(tmp_path, host(nodes=2), placing=Placing("mpiexec", "node0,node1"))
    for node in ("node0", "node1"):
        double.on(Machine(), node)(path, Silent(), Stop())
    found = judged(path)
    assert {one.word for one in found.verdict.parts} == {Word.ACCEPT}
    assert found.verdict.word is Word.INVALID
    assert "scan" in found.verdict.reason


# -- asking --------------------------------------------------------------------------------------------------------


def test_a_challenge_wants_a_nonce_and_makes_the_data_from_it(tmp_path: Path) -> None:
    contract = host(top="challenge = true")
    with pytest.raises(UsageError, match="--nonce"):
        begun(tmp_path, contract)
    with pytest.raises(UsageError, match="is no nonce"):
        begun(tmp_path, contract, nonce="short")
    first, second = (Machine(), Machine())
    for number, machine in enumerate((first, second)):
        measured(begun(tmp_path / str(number), contract, nonce=NONCE), machine)
    seeds = [machine.words[0][machine.words[0].index("--seed") + 1] for machine in (first, second)]
    assert seeds[0] == seeds[1], "the seed follows from the nonce"
    other = Machine()
    measured(begun(tmp_path / "other", contract, nonce=NONCE[::-1]), other)
    assert other.words[0][other.words[0].index("--seed") + 1] != seeds[0]


def test_without_a_challenge_the_nonce_is_a_fresh_one(tmp_path: Path) -> None:
    made = [layout.read(begun(tmp_path / str(number), host())) for number in range(2)]
    assert made[0].nonce != made[1].nonce
    assert not made[0].challenged


def test_more_nodes_than_claimed_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="claims 1 nodes, and here are 2"):
        begun(tmp_path, host(), placing=Placing("mpiexec", "a,b"))


def test_an_acceptance_is_found_by_path_id_and_latest(tmp_path: Path) -> None:
    path = begun(tmp_path, host())
    assert layout.find(str(path), tmp_path) == layout.find("latest", tmp_path) == path
    assert layout.find(path.name[:15], tmp_path) == path
    with pytest.raises(UsageError, match="no acceptance"):
        layout.find("nothing", tmp_path)


def test_the_forecast_grows_with_what_is_asked() -> None:
    early, late = stages.forecast(host())
    assert 0.0 < early < late
    assert late / early == pytest.approx(5.0)
    assert stages.forecast(host(top="[burn]\nminutes = 10"))[0] == pytest.approx(early + 600.0)


# -- processes -----------------------------------------------------------------------------------------------------


def python(text: str, log: Path) -> Command:
    return Command((sys.executable, "-c", text), log)


def test_commands_run_at_the_same_time_and_their_words_are_kept(tmp_path: Path) -> None:
    waits = "import os, time\nopen('{0}', 'w').close()\nwhile not os.path.exists('{1}'): time.sleep(0.01)\nprint('met')"
    fails = "\nimport sys\nprint('x', file=sys.stderr)\nsys.exit(7)"
    one, other = tmp_path / "one", tmp_path / "other"
    commands = {
        "one": python(waits.format(one, other), tmp_path / "a" / "said"),
        "other": python(waits.format(other, one) + fails, tmp_path / "b"),
    }
    assert processes.run(commands, Stop(), limit=20.0) == {"one": 0, "other": 7}
    assert (tmp_path / "a" / "said.json").read_text() == "met\n"
    assert (tmp_path / "b.log").read_text() == "x\n"


def test_what_takes_too_long_is_ended(tmp_path: Path) -> None:
    began = time.monotonic()
    codes = processes.run({"slow": python("import time; time.sleep(60)", tmp_path / "said")}, Stop(), limit=0.3)
    assert codes["slow"] == -signal.SIGTERM
    assert time.monotonic() - began < 15


def test_what_is_asked_of_us_is_asked_of_each(tmp_path: Path) -> None:
    text = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGINT, lambda *a: sys.exit(5))\n"
        "open('{0}', 'w').close()\n"
        "time.sleep(60)"
    )
    stop = Stop()
    files = [tmp_path / "ready0", tmp_path / "ready1"]

    def interrupt() -> None:
        while not all(file.exists() for file in files):
            time.sleep(0.01)
        stop.interrupts = 1

    threading.Thread(target=interrupt, daemon=True).start()
    commands = {str(n): python(text.format(files[n]), tmp_path / str(n)) for n in range(2)}
    assert processes.run(commands, stop, limit=20.0) == {"0": 5, "1": 5}


def test_a_program_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(MeasureError, match="could not be started"):
        processes.run({"x": Command((str(tmp_path / "nothing"),), tmp_path / "said")}, Stop())


# -- the command ---------------------------------------------------------------------------------------------------


def test_it_says_now_and_then_how_far_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, 1.0, 31.0, 32.0])
    monkeypatch.setattr(command.time, "monotonic", lambda: next(clock))
    plain = command.Plain()
    for part in (0.0, 0.1, 0.5, 0.6):
        plain.went("stage-1", part, 60.0)
    told = capsys.readouterr().err.replace("\xa0", " ")
    assert told.count("\n") == 1
    assert "stage-1: 50 %, about 1 min 0 s left" in told


def test_a_run_that_was_changed_meanwhile_is_none(tmp_path: Path) -> None:
    path = begun(tmp_path, host())
    measured(path, Machine())
    folder = layout.attempt_folder(path, "node0", 1)
    (records,) = folder.glob(f"host/stage-1/*/{store.RECORDS}")
    records.write_bytes(records.read_bytes().replace(b'"iterations":4', b'"iterations":5', 1))
    found = deriving.judged(path)
    assert found.verdict.word is Word.INVALID
    assert "was changed after it was measured" in " ".join(found.verdict.parts[0].reasons)
    assert found.problems


def test_the_burn_in_is_for_those_who_are_left_and_never_forgotten(tmp_path: Path) -> None:
    """A real one, of a second; then one that was interrupted, whose error counts although the next one is clean."""
    machine = Machine()
    path = begun(tmp_path, host(top="[burn]\nminutes = 0.02"))
    found = measured(path, machine)
    (burned,) = [one.burned for one in found.evidences]
    assert burned is not None
    assert burned.checks > 0
    assert (burned.wrong, burned.failures) == (0, 0)
    assert not retracing.problems(path, found)
    folder = layout.attempt_folder(path, "node0", 1)
    with (folder / "burn" / "burn.jsonl").open("ab") as stream:
        stream.write(b"\n")
    assert any("burn: its journal" in one for one in retracing.problems(path, deriving.judged(path)))
    slow = begun(tmp_path / "wrong", host(top="[burn]\nminutes = 0.02"))
    wrong = Rejected("element 3 is wrong")
    measured(slow, Machine(lambda part, benchmark, run: wrong))
    assert not (layout.attempt_folder(slow, "node0", 1) / "burn").exists(), "nobody was left to be burnt in"


def test_gpus_whose_sensors_cannot_be_read_are_not_measured(tmp_path: Path) -> None:
    machine = Machine()
    blind = replace(machine.look(Kind.GPU), cards=(), reason="NVML says: NVML Shared Library Not Found.")
    machine.look = lambda kind: blind  # type: ignore[method-assign]
    watcher = Silent()
    found = measured(begun(tmp_path, gpus(2)), machine, watcher)
    assert machine.words == []
    assert found.verdict.word is Word.INVALID
    assert acceptance.exit_code(found) is Exit.FAILED
    assert any("Shared Library Not Found" in text for text in watcher.heard)
