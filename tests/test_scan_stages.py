"""The controller of a scan: every round kept once, failures told, decisions that do not change when gone on with."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from benchsuite import beat
from benchsuite.attempt import End, no_poll
from benchsuite.backends.fake import FakeBackend
from benchsuite.errors import DataError, Exit, MeasureError, UsageError
from benchsuite.interrupt import InterruptedRunError
from benchsuite.model import (
    Array,
    Culprit,
    Decision,
    Diagnosis,
    Finding,
    Local,
    Round,
    Scan,
    Stage,
    Transfer,
    World,
)
from benchsuite.protocol import Job, Message, ScanJob, encode
from benchsuite.scan import ledger, scan, scanning, stages
from benchsuite.scan.ledger import Made, Plan, ScanDirectory
from benchsuite.scan.stages import Place, Scanning, Silent
from benchsuite.world.threads import ThreadWorld, run
from tests import scan_data

PLAN = Plan(rounds=6, nbytes=64, sweeps=2, warm=1, repeats=3, margin=0.5, confirm_rounds=12)
HANG = "nothing was heard for 60 s, so it was ended"


class Hosts(ThreadWorld):
    """Threads that say they run on hosts of their own; one sends slowly."""

    slow = -1

    def send(self, buffer: Array, to: int) -> None:
        """Where one is slow, it takes 16 ms for anything large, and the others 2 ms."""
        if self.slow >= 0 and buffer.nbytes > 8:
            time.sleep(0.016 if self.rank == self.slow else 0.002)
        super().send(buffer, to)


@dataclass
class Runner:
    """Serves scans in this process. hangs: what happens to an attempt when it comes to a round of these."""

    slow: int = -1
    hangs: Callable[[int, Round], str] = lambda attempt, one: ""
    silent: bool = False
    jobs: list[ScanJob] = field(default_factory=list)

    def __call__(
        self, job: Job, folder: Path, listen: Callable[[Message], None], poll: Callable[[], None] = no_poll
    ) -> End:
        """Run the rounds before the first that hangs."""
        assert job.scan is not None
        self.jobs.append(job.scan)
        if self.silent:
            return End("mpiexec could not start anything")
        number, doomed = len(self.jobs), None
        if number > 1:  # the first is the contact
            doomed = next((one for one in job.scan.rounds if self.hangs(number, one)), None)
        rounds = job.scan.rounds[: job.scan.rounds.index(doomed)] if doomed else job.scan.rounds
        work = replace(
            job.scan, rounds=(*rounds, doomed) if doomed else rounds, groups=() if doomed else job.scan.groups
        )

        def rank(world: World) -> None:
            assert isinstance(world, ThreadWorld)
            world.__class__ = type("Own", (Hosts,), {"slow": self.slow})
            world.host, world.local_rank, world.local_size = f"node{world.rank}", 0, 1
            scanning.serve(replace(job, scan=work), FakeBackend(), world, until(doomed, listen))

        try:
            run(job.ranks, rank, timeout=30.0)
        except _HungError:
            assert doomed is not None
            for who in map(int, self.hangs(number, doomed).split()):
                words = f"round {doomed.number}: exchanges with rank x"
                beat.path(folder, who).write_bytes(encode(beat.Sign(who, 10**9, 1, words)))
            return End(HANG)
        return End()


class _HungError(BaseException):
    """Ends the threads where real ranks would hang."""


def until(doomed: Round | None, listen: Callable[[Message], None]) -> Callable[[Message], None]:
    """Hands messages on up to the phase of the doomed round."""

    def send(message: Message) -> None:
        if message.scan is not None and doomed in message.scan.rounds:
            raise _HungError
        listen(message)

    return send


@dataclass
class Notes(Silent):
    """A watcher that remembers."""

    rounds: list[Round] = field(default_factory=list)
    waits: list[tuple[str, float]] = field(default_factory=list)
    foretold: list[tuple[int, float]] = field(default_factory=list)

    def forecast(self, rounds: int, seconds: float) -> None:
        """Remember it."""
        self.foretold.append((rounds, seconds))

    def round(self, one: Round, piece: Scan) -> None:
        """Remember it."""
        self.rounds.append(one)

    def waiting(self, why: str, seconds: float) -> None:
        """Remember it."""
        self.waits.append((why, seconds))


def made(plan: Plan = PLAN, ranks: int = 4) -> Made:
    """What a scan of so many hosts sets out to do."""
    return Made(ledger.SCHEMA, "20261130-120000-scan-0000", "", "0", "benchsuite scan", "fake", 5, plan, ranks)


def scanned(
    folder: Path, runner: Runner, plan: Plan = PLAN, ranks: int = 4, **more: object
) -> tuple[ScanDirectory, Diagnosis]:
    """A whole scan into ``folder``."""
    directory = ScanDirectory(folder / "scan", made(plan, ranks))
    return directory, Scanning(directory, Place(runner, "threads"), **more).run()  # type: ignore[arg-type]


def test_every_round_is_kept_once_and_read_back(tmp_path: Path) -> None:
    notes = Notes()
    directory, diagnosis = scanned(tmp_path, Runner(), watcher=notes)
    found, settings, read = scan.load(directory.path)
    assert found == directory.scan
    assert read == directory.made
    assert settings.margin == 0.5
    screened = [one for one in found.rounds if one.stage is Stage.SCREEN]
    assert sorted(one.number for one in screened) == list(range(6))
    assert len(notes.rounds) == len(found.rounds)
    assert [unit.node for unit in found.units] == ["node0", "node1", "node2", "node3"]
    assert len([one for one in found.transfers if one.stage is Stage.SCREEN]) == 6 * 4
    assert {one.left_out for one in found.groups} == {"", "node0", "node1", "node2", "node3"}
    assert notes.foretold[0][0] == 6
    assert all(one.decision is not Decision.ACCUSED for one in diagnosis.findings)


def test_a_pair_that_hangs_costs_its_round_and_is_told(tmp_path: Path) -> None:
    runner = Runner(hangs=lambda attempt, one: "1 2" if (1, 2) in one.pairs or (2, 1) in one.pairs else "")
    directory, diagnosis = scanned(tmp_path, runner)
    found = directory.scan
    failed = [one for one in found.transfers if one.seconds is None]
    assert {frozenset((one.sender, one.receiver)) for one in failed} == {frozenset((1, 2))}
    assert len(failed) == 2 * len({one.round for one in failed})
    assert all(one.reason == HANG for one in failed)
    screened = {one.number for one in found.rounds if one.stage is Stage.SCREEN}
    assert screened == set(range(6)), "the other rounds went on"
    measured = {one.round for one in found.transfers if one.seconds is not None and one.stage is Stage.SCREEN}
    assert measured == screened - {one.round for one in failed}
    assert any(one.culprit is Culprit.FAILED and set(one.ranks) == {1, 2} for one in diagnosis.findings)
    assert not any(one.decision is Decision.ACCUSED and set(one.ranks) & {0, 3} for one in diagnosis.findings)


def test_a_rank_that_fails_again_and_again_is_left_out_and_said_to_be(tmp_path: Path) -> None:
    runner = Runner(hangs=lambda attempt, one: "3" if any(3 in pair for pair in one.pairs) else "")
    directory, diagnosis = scanned(tmp_path, runner, replace(PLAN, rounds=9))
    found = directory.scan
    tried = [one for one in found.transfers if one.reason == HANG]
    left = [one for one in found.transfers if one.reason == stages.HOPELESS_REASON]
    assert len({one.round for one in tried}) == stages.HOPELESS
    assert all(3 in (one.sender, one.receiver) for one in (*tried, *left))
    screened = [one for one in found.rounds if one.stage is Stage.SCREEN]
    assert len({one.round for one in (*tried, *left) if one.stage is Stage.SCREEN}) == len(screened) == 9
    assert all(len(one.pairs) == 2 for one in screened), "a round is kept as it was planned"
    assert any(one.culprit is Culprit.FAILED and one.ranks == (3,) for one in diagnosis.findings)


def test_ranks_that_cannot_be_started_are_an_error_and_no_verdict(tmp_path: Path) -> None:
    with pytest.raises(MeasureError, match="could not be started: mpiexec could not start anything"):
        scanned(tmp_path, Runner(silent=True))


def test_an_attempt_that_measures_nothing_is_not_repeated_for_ever(tmp_path: Path) -> None:
    """Its ranks say who they are, and end without a word."""
    runner = Runner()

    def mute(job: Job, folder: Path, listen: Callable[[Message], None], poll: Callable[[], None] = no_poll) -> End:
        rounds_come = not runner.jobs

        def some(message: Message) -> None:
            if rounds_come or message.index < 0:
                listen(message)

        return runner(job, folder, some, poll)

    directory = ScanDirectory(tmp_path / "scan", made())
    with pytest.raises(MeasureError, match="before their first round"):
        Scanning(directory, Place(mute, "threads")).run()


class Impatient(Silent):
    """Stops a scan after some rounds, as Ctrl-C does."""

    def __init__(self, after: int) -> None:
        self.left = after

    def round(self, one: Round, piece: Scan) -> None:
        """Count."""
        self.left -= 1

    def check(self, *, measuring: bool) -> None:
        """Raise when the time has come."""
        if self.left <= 0 and not measuring:
            raise InterruptedRunError("The run was interrupted.")


@pytest.mark.parametrize("after", [1, 3, 5, 6])
def test_a_scan_goes_on_where_it_ended(tmp_path: Path, after: int) -> None:
    stopping = Impatient(after)
    directory = ScanDirectory(tmp_path / "scan", made())
    with pytest.raises(InterruptedRunError):
        Scanning(directory, Place(Runner(), "threads"), stopping, stopping).run()
    kept = list(directory.pieces)
    assert len([one for piece in kept for one in piece.rounds]) == after
    with (directory.path / ledger.PIECES).open("ab") as stream:
        stream.write(b'{"torn')
    again = ScanDirectory.reopen(directory.path)
    assert again.pieces == kept
    Scanning(again, Place(Runner(), "threads")).run()
    whole = scan.load(directory.path)[0]
    keys = [(one.stage, one.number) for one in whole.rounds]
    assert len(keys) == len(set(keys))
    assert {number for stage, number in keys if stage is Stage.SCREEN} == set(range(6))


def test_a_changed_round_is_not_believed(tmp_path: Path) -> None:
    directory, _ = scanned(tmp_path, Runner())
    file = directory.path / ledger.PIECES
    whole = file.read_bytes()
    lines = whole.splitlines(keepends=True)
    for number in (0, len(lines) - 1):
        changed = lines.copy()
        changed[number] = changed[number].replace(b'"wrong":0', b'"wrong":1').replace(b'"left_out":"', b'"left_out":"x')
        assert changed != lines
        file.write_bytes(b"".join(changed))
        with pytest.raises(DataError, match="changed after it was measured"):
            scan.load(directory.path)
    file.write_bytes(b"".join(lines[:-1]))
    with pytest.raises(DataError, match="missing"):
        scan.load(directory.path)
    file.write_bytes(whole)
    told = directory.path / ledger.SCAN
    told.write_bytes(told.read_bytes().replace(b'"node1"', b'"node7"'))
    with pytest.raises(DataError, match="was changed after the scan had begun"):
        scan.load(directory.path)


def test_hosts_that_change_between_attempts_are_refused(tmp_path: Path) -> None:
    directory = ScanDirectory(tmp_path / "scan", made())
    scanning_ = Scanning(directory, Place(Runner(), "threads"))
    scanning_.run()
    moved = replace(directory.made, units=tuple(replace(unit, node="elsewhere") for unit in directory.made.units))
    directory.write(moved)
    with pytest.raises(MeasureError, match="other hosts"):
        Scanning(directory, Place(Runner(), "threads")).run()


def test_a_slow_sender_is_looked_at_again_after_the_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight hosts, where the rank rule can name one."""
    monkeypatch.setattr(stages, "LINKS", 1)
    notes, naps = Notes(), []
    plan = replace(PLAN, rounds=15, sweeps=3, apart=0.02, confirm_after=0.03, margin=1.1)

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        time.sleep(seconds)

    directory, diagnosis = scanned(tmp_path, Runner(slow=4), plan, 8, watcher=notes, sleep=sleep)
    assert [why for why, _ in notes.waits] == ["sweep 2 of 3", "sweep 3 of 3", "the second look"]
    assert sum(naps) >= 0.05
    assert Stage.CONFIRM in {one.stage for one in directory.scan.rounds}
    accused = [one for one in diagnosis.findings if one.decision is Decision.ACCUSED]
    assert [one.ranks for one in accused] == [(4,)]
    assert accused[0].culprit in {Culprit.SENDS, Culprit.NODE}
    assert scan.exit_code(diagnosis) is Exit.REJECTED


@pytest.mark.parametrize(
    ("decisions", "conclusive", "code"),
    [
        ((), True, Exit.DONE),
        ((), False, Exit.INCONCLUSIVE),
        ((Decision.NOT_REPRODUCED,), True, Exit.INCONCLUSIVE),
        ((Decision.CANNOT_TELL,), True, Exit.INCONCLUSIVE),
        ((Decision.CANNOT_TELL, Decision.ACCUSED), False, Exit.REJECTED),
    ],
)
def test_only_a_conclusive_scan_without_a_suspicion_ends_with_0(
    decisions: Sequence[Decision], conclusive: bool, code: Exit
) -> None:
    found = tuple(Finding(Culprit.NODE, one, (1,), "node 1") for one in decisions)
    assert scan.exit_code(Diagnosis(found, 0.01, 0.02, 0.1, 1.0, conclusive)) is code


def good() -> Scan:
    """A clean scan of four units, each pair measured twice."""
    rounds = [((0, 1), (2, 3)), ((0, 2), (1, 3)), ((0, 3), (1, 2))] * 2
    transfers = [
        Transfer(Stage.SCREEN, number, *way, 0.01)
        for number, pairs in enumerate(rounds)
        for pair in pairs
        for way in (pair, pair[::-1])
    ]
    units = tuple(ledger.Unit(rank, f"n{rank}") for rank in range(4))
    return Scan(units, 1, 64, tuple(Round(Stage.SCREEN, n, pairs) for n, pairs in enumerate(rounds)), tuple(transfers))


def test_a_reference_is_learned_from_a_scan_in_which_nothing_went_wrong(tmp_path: Path) -> None:
    scan.learn(good(), scan_data.diagnosis(), tmp_path / "reference.json")
    assert (tmp_path / "reference.json").exists()
    for bad in (
        replace(good(), transfers=(*good().transfers, Transfer(Stage.SCREEN, 0, 0, 1, None))),
        replace(good(), transfers=(*good().transfers, Transfer(Stage.SCREEN, 0, 0, 1, 0.1, wrong=1))),
        replace(good(), locals=(Local(Stage.SCREEN, 0, 1, "gemm", None),)),
        replace(good(), pauses=(scanning.Pause(1, 0.0, 3.0),)),
    ):
        with pytest.raises(UsageError, match="No reference was written"):
            scan.learn(bad, scan_data.diagnosis(), tmp_path / "other.json")
    assert not (tmp_path / "other.json").exists()


def test_many_hosts_wait_before_the_second_look_unless_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for asked, hosts, expected in ((None, 16, 600.0), (None, 15, 0.0), (0.0, 16, 0.0), (5.0, 2, 5.0)):
        names = ",".join(f"h{number}" for number in range(hosts))
        request = scan.Request(confirm_after=asked, backend="fake", seed=1)
        request = replace(request, placing=replace(request.placing, hosts=names))
        planned, _ = scan.prepare(request)
        assert planned.plan.confirm_after == expected
        assert planned.ranks == hosts
        assert "--hosts" not in planned.command


def test_one_rank_is_no_scan() -> None:
    request = scan.Request(backend="fake")
    with pytest.raises(UsageError, match="two ranks"):
        scan.prepare(replace(request, placing=replace(request.placing, hosts="here", per_node=1)))


def test_scans_are_found_by_name(tmp_path: Path) -> None:
    directory, _ = scanned(tmp_path, Runner())
    assert ledger.find("sca", tmp_path) == directory.path
    assert ledger.find(str(directory.path), tmp_path) == directory.path
    assert ledger.named("latest", tmp_path) == directory.path
    assert ledger.find("other", tmp_path) is None
    with pytest.raises(UsageError, match="no scan"):
        ledger.named("other", tmp_path)
