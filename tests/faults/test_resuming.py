"""Rows about going on after a kill: every state that the files can be left in, torn lines, other code or machine."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from benchsuite import backends, campaign, discovery, identity, journal, store
from benchsuite.attempt import End, no_poll
from benchsuite.backends.base import Description
from benchsuite.errors import Exit, UsageError
from benchsuite.execute import Execution, Place, Watcher
from benchsuite.model import Benchmark, Case, Device, Plan, Policy, Samples, Task
from benchsuite.protocol import Job, Kind, Message, encode, result
from benchsuite.record import SCHEMA
from benchsuite.suite import parse
from tests.conftest import toy
from tests.faults.injection import (
    assert_contained,
    assert_once_each,
    begin,
    mounted,
    resume,
    run_campaign,
    run_command,
    start,
)
from tests.inline import InlineRunner, Notes

NAME = "20260102-030405-toys-beef"
POLICY = Policy(seconds=0.01, warmup=0.001, min_samples=2, max_samples=4)


@dataclass
class Quick:
    """Serves a job without measuring: every task takes a millisecond. Remembers what it was given."""

    given: list[tuple[int, int]] = field(default_factory=list)

    def __call__(
        self, job: Job, folder: Path, listen: Callable[[Message], None], poll: Callable[[], None] = no_poll
    ) -> End:
        listen(Message(job.nonce, Kind.HELLO))
        for item in job.tasks:
            self.given.append((job.run, item.index))
            listen(result(job.nonce, item.index, Samples((1e-3, 1.1e-3), 1), "2026-01-02T03:04:05", "scripted"))
        return End()


@dataclass(frozen=True)
class Write:
    """One thing that a campaign did to its files: bytes appended, a file (``whole``) or folder made, one put in place.

    moved: the file that takes this place at once; nothing of it can be torn.
    """

    path: str
    content: bytes = b""
    whole: bool = False
    moved: str = ""

    def redo(self, root: Path, size: int | None = None) -> None:
        """Do it again below ``root``; only the first ``size`` bytes where that is given."""
        file = root / self.path
        if self.moved:
            os.replace(root / self.moved, file)
        elif self.path.endswith("/"):
            file.mkdir(parents=True)
        else:
            with file.open("wb" if self.whole else "ab") as stream:
                stream.write(self.content[:size])


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> dict[str, Benchmark]:
    """Toys only, and no waiting for the disk: a kill loses nothing that was handed to the kernel."""
    toys = {"toy": toy()}
    monkeypatch.setattr(discovery, "discover", lambda: toys)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    return toys


def prepared(toys: dict[str, Benchmark], runs: int, tasks: int) -> store.Campaign:
    """A campaign of ``runs`` runs of as many tasks, each in an order of its own."""
    suite = parse('[[bench]]\nselect = ["toy"]\n', "toys", toys)
    made = tuple(Task(Case.of("toy", n=64 * (1 + number), kind="a"), "good") for number in range(tasks))
    order = tuple(tuple(random.Random(run).sample(range(tasks), tasks)) for run in range(runs))
    plan = Plan("toys", replace(POLICY, runs=runs), 1, made, (), order)
    found = backends.describe("fake")
    return store.Campaign(
        SCHEMA,
        NAME,
        store.now(),
        "0",
        "benchsuite run toys.toml",
        "fake",
        suite,
        plan,
        code=identity.code(),
        machine=identity.machine(campaign._devices("fake", found)),
    )


def written(
    tmp_path: Path, toys: dict[str, Benchmark], monkeypatch: pytest.MonkeyPatch, runs: int, tasks: int
) -> list[Write]:
    """Everything that a whole campaign wrote, in order."""
    root, writes, inline = tmp_path / "whole", list[Write](), InlineRunner(toys)
    append, put = journal.sync_append, os.replace

    def noted(path: Path, line: bytes) -> None:
        writes.append(Write(path.name, line + b"\n"))
        append(path, line)

    def moved(source: Path, target: Path) -> None:
        writes.append(Write(source.name, source.read_bytes(), whole=True))
        writes.append(Write(target.name, moved=source.name))
        put(source, target)

    def runner(job: Job, folder: Path, listen: Callable[[Message], None], poll: Callable[[], None] = no_poll) -> End:
        name = f"attempts/{folder.name}"
        writes.insert(-1, Write(f"{name}/"))  # made before the journal's word for the attempt
        writes.append(Write(f"{name}/job.json", encode(job), whole=True))

        def heard(message: Message) -> None:
            writes.append(Write(f"{name}/results.jsonl", encode(message) + b"\n"))
            listen(message)

        return inline(job, folder, heard, poll)

    with monkeypatch.context() as patch:
        patch.setattr(journal, "sync_append", noted)
        patch.setattr(store, "sync_append", noted)
        patch.setattr(os, "replace", moved)
        directory = store.RunDirectory(root, prepared(toys, runs, tasks))
        execution = Execution(
            plan=directory.campaign.plan,
            benchmarks=toys,
            directory=directory,
            places=lambda ranks: Place(runner, "threads", 1),
            backend="fake",
            watcher=Notes(),
            learn=lambda facts: campaign._learn(directory, facts),
        )
        with directory.journal:
            execution.run()
    lay(writes, len(writes), None, tmp_path / "replayed")
    assert_same_files(root, tmp_path / "replayed")
    return writes


def assert_same_files(one: Path, other: Path) -> None:
    """What was noted is all there is: the sweep leaves no file out."""
    files = sorted(path.relative_to(one) for path in one.rglob("*"))
    assert files == sorted(path.relative_to(other) for path in other.rglob("*"))
    assert all((one / name).read_bytes() == (other / name).read_bytes() for name in files if (one / name).is_file())


def lay(writes: list[Write], count: int, torn: int | None, target: Path) -> None:
    """The files as a kill leaves them after ``count`` writes and, if any, ``torn`` bytes of the next."""
    (target / "attempts").mkdir(parents=True)
    for write in writes[:count]:
        write.redo(target)
    if torn is not None:
        writes[count].redo(target, torn)


def finished(path: Path, plan: Plan) -> set[tuple[int, int]]:
    """The tasks that a worker or the controller had finished: run and place in the plan."""
    records = [json.loads(line)["record"] for line in whole_lines(path / store.RECORDS)]
    done = {(record["run"], plan.order[record["run"]][record["position"]]) for record in records}
    for file in path.glob("attempts/*/results.jsonl"):
        run = json.loads((file.parent / "job.json").read_bytes())["run"]
        told = [json.loads(line) for line in whole_lines(file)]
        done |= {(run, line["index"]) for line in told if line["kind"] == "result"}
    return done


def whole_lines(file: Path) -> list[bytes]:
    """The lines of a file without a torn last one."""
    return file.read_bytes().split(b"\n")[:-1] if file.exists() else []


def gone_on_with(path: Path, monkeypatch: pytest.MonkeyPatch) -> Quick:
    """Resume, with a runner that only notes what it was asked to measure."""
    runner = Quick()
    monkeypatch.setattr(campaign, "place", lambda ranks, made, found: Place(runner, "threads", 1))

    def watcher(plan: Plan) -> AbstractContextManager[Watcher]:
        return nullcontext(Notes())

    campaign.resume(path, watcher)
    return runner


@dataclass(frozen=True)
class Sweep:
    """A campaign's writes, and what is needed to go on from any of them."""

    folder: Path
    plan: Plan
    writes: list[Write]

    def states(self) -> range:
        """The writes that a run to go on with can end before: all but those that make it one."""
        return range(next(n for n, write in enumerate(self.writes) if write.moved) + 1, len(self.writes))

    def resumed(self, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
        """Go on after a kill before write ``number``, every other time in the middle of it, and judge the end."""
        target, content = self.folder / "state" / NAME, self.writes[number].content
        torn = random.Random(number).randrange(len(content)) if content and number % 2 else None
        lay(self.writes, number, torn, target)
        done, before = finished(target, self.plan), whole_lines(target / store.RECORDS)
        runner = gone_on_with(target, monkeypatch)
        assert_once_each(target)
        assert not set(runner.given) & done, f"measured again after write {number}"
        everything = len(self.plan.order) * len(self.plan.tasks)
        assert len(runner.given) == len(set(runner.given)) == everything - len(done)
        assert whole_lines(target / store.RECORDS)[: len(before)] == before
        shutil.rmtree(target)


def sweep(
    tmp_path: Path, toys: dict[str, Benchmark], monkeypatch: pytest.MonkeyPatch, runs: int, tasks: int = 10
) -> Sweep:
    """A whole campaign, ready to be cut short."""
    writes = written(tmp_path, toys, monkeypatch, runs, tasks)
    return Sweep(tmp_path, store.load(tmp_path / "whole").campaign.plan, writes)


@pytest.mark.fault(19)
def test_from_every_write_of_a_short_run_nothing_is_lost_or_measured_twice(
    tmp_path: Path, quiet: dict[str, Benchmark], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = sweep(tmp_path, quiet, monkeypatch, runs=3, tasks=4)
    assert len(made.writes) > 12 * 8
    for number in made.states():
        made.resumed(number, monkeypatch)


@pytest.mark.fault(19)
def test_from_lines_of_the_journal_of_200_records_nothing_is_lost_or_measured_twice(
    tmp_path: Path, quiet: dict[str, Benchmark], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = sweep(tmp_path, quiet, monkeypatch, runs=20)
    lines = [number for number in made.states() if made.writes[number].path == store.JOURNAL]
    assert len(lines) > 200
    for number in lines[::20]:
        made.resumed(number, monkeypatch)


@pytest.mark.long
@pytest.mark.fault(19)
def test_from_every_write_of_200_records_nothing_is_lost_or_measured_twice(
    tmp_path: Path, quiet: dict[str, Benchmark], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = sweep(tmp_path, quiet, monkeypatch, runs=20)
    for number in made.states():
        made.resumed(number, monkeypatch)


BURSTS = """
def faulty(buffers, case):
    double(buffers, case)
    time.sleep(0.0005)
"""


def killed_at_random(tmp_path: Path, times: int, seed: int) -> None:
    """Kill the controller of a real campaign, and of each that goes on with it, at random moments."""
    dice = random.Random(seed)
    kills = 0
    running = begin(tmp_path, BURSTS, cases=4, policy={"runs": 2 + 3 * times // 4, "seconds": 0.01})
    lines: list[bytes] = []
    while True:
        with running:
            until = running.lines() + dice.randrange(1, 3)
            while running.process.poll() is None and running.lines() < until and kills < times:
                time.sleep(0.002)
            if kills < times and running.process.poll() is None:
                time.sleep(dice.random() * 0.1)
                running.send(signal.SIGKILL)
                kills += 1
            ended = running.wait(patience=10)
            assert not ended.alive
        run = ended.folder
        kept = whole_lines(run / store.RECORDS)
        assert kept[: len(lines)] == lines, "a record that was kept has changed"
        lines = kept
        if ended.exit_code == Exit.DONE:
            break
        assert ended.exit_code == -signal.SIGKILL, ended.stderr
        running = start(tmp_path, "resume", "latest", "--no-report")
    assert kills == times
    assert_contained(ended)
    assert_once_each(run)


@pytest.mark.fault(19)
def test_real_kills_lose_nothing(tmp_path: Path) -> None:
    killed_at_random(tmp_path, times=4, seed=random.SystemRandom().randrange(1 << 30))


@pytest.mark.long
@pytest.mark.fault(19)
def test_fifty_real_kills_lose_nothing(tmp_path: Path) -> None:
    killed_at_random(tmp_path, times=50, seed=random.SystemRandom().randrange(1 << 30))


# -- torn lines ---------------------------------------------------------------------------------------------------


@pytest.mark.fault(20)
@pytest.mark.parametrize("name", [store.JOURNAL, store.RECORDS, "results.jsonl"])
def test_a_line_torn_at_any_byte_is_left_out_and_measured_again(
    tmp_path: Path, quiet: dict[str, Benchmark], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The last line of each file that grows, cut at every byte (every fifth of a long one)."""
    made = sweep(tmp_path, quiet, monkeypatch, runs=1, tasks=2)
    last = max(n for n, write in enumerate(made.writes) if write.path.endswith(name) and write.content)
    size = len(made.writes[last].content)
    for torn in {*range(0, size, max(1, size // 40)), size - 1}:
        target = tmp_path / "state" / NAME
        lay(made.writes, last, torn, target)
        loaded = store.load(target)
        assert not loaded.damaged
        assert any("torn" in problem for problem in loaded.problems) == (name == store.RECORDS and torn > 0)
        gone_on_with(target, monkeypatch)
        assert_once_each(target)
        shutil.rmtree(target)


@pytest.mark.fault(20)
def test_a_torn_line_is_told_to_who_looks_and_mended_by_who_goes_on(tmp_path: Path) -> None:
    ended = run_campaign(tmp_path, cases=1)
    records = ended.folder / store.RECORDS
    whole = records.read_bytes()
    for file in (records, ended.folder / store.JOURNAL):
        with file.open("ab") as stream:
            stream.write(whole[:77])
    shown = run_command(tmp_path, "show", "latest")
    assert "The last line of records.jsonl was torn when its writer ended; it was left out." in shown.stdout
    resumed = resume(tmp_path)
    assert_contained(resumed)
    assert resumed.exit_code == Exit.DONE
    assert records.read_bytes() == whole


# -- other code, plan, host, device -------------------------------------------------------------------------------


def begun(folder: Path) -> Path:
    """A run that was killed in the middle; its directory."""
    with begin(folder, BURSTS, cases=2) as running:
        running.until(lambda: running.lines() >= 1)
        running.send(signal.SIGKILL)
        return running.wait(patience=10).folder


def assert_refused(folder: Path, *words: str, **more: Any) -> None:
    """Going on is refused with these words and changes no file; where it began, it can still be gone on with."""
    run = next((folder / "runs").glob(f"*/{store.CAMPAIGN}")).parent
    files = {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path.name != store.LOCK}
    ended = resume(folder, **more)
    assert ended.exit_code == Exit.USAGE
    assert not ended.alive
    assert "Traceback" not in ended.stderr
    for word in words:
        assert word in ended.stderr
    assert files == {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path.name != store.LOCK}


@pytest.mark.fault(22)
def test_a_run_is_gone_on_with_by_the_same_code_on_the_same_machine_only(tmp_path: Path) -> None:
    """The code is changed by one comment; the machine is another for who does not have its key."""
    begun(tmp_path)
    package = Path(campaign.__file__).parent
    copy = tmp_path / "other"
    copy.mkdir()
    shutil.copytree(package, copy / "benchsuite", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("kernels", "suites", "reports"):
        (copy / name).symlink_to(package.parent / name)
    with (copy / "benchsuite" / "units.py").open("a") as stream:
        stream.write("# another version\n")
    assert_refused(tmp_path, "with another benchsuite", "Begin a new one", environment={"PYTHONPATH": str(copy)})
    assert_refused(tmp_path, "on another machine", environment={"XDG_CACHE_HOME": str(tmp_path / "elsewhere")})
    resumed = resume(tmp_path)
    assert resumed.exit_code == Exit.DONE
    assert_once_each(resumed.folder)


@pytest.mark.fault(22)
def test_a_run_is_not_gone_on_with_on_a_host_of_another_identity(tmp_path: Path) -> None:
    if not identity.MACHINE_ID.exists():
        pytest.skip(f"this host has no {identity.MACHINE_ID}")
    (tmp_path / "machine-id").write_text("0" * 32 + "\n")
    words = mounted(f"mount --bind {tmp_path / 'machine-id'} {identity.MACHINE_ID}")
    begun(tmp_path)
    assert_refused(tmp_path, "on another machine", wrapper=words)


@pytest.mark.fault(22)
def test_a_run_with_another_plan_is_not_gone_on_with(tmp_path: Path) -> None:
    run = begun(tmp_path)
    file = run / store.CAMPAIGN
    content = json.loads(file.read_bytes())
    content["plan"]["order"] = [order[::-1] for order in content["plan"]["order"]]
    file.write_text(json.dumps(content))
    assert_refused(tmp_path, f"{store.CAMPAIGN} was changed")


@pytest.mark.fault(22)
def test_a_run_with_another_benchmark_is_not_gone_on_with(tmp_path: Path) -> None:
    """A file of BENCHSUITE_BENCHMARKS is code too."""
    begun(tmp_path)
    file = tmp_path / "benchmarks" / "faulted.py"
    file.write_text(file.read_text().replace("time.sleep(0.0005)", "time.sleep(0.0007)"))
    assert_refused(tmp_path, "with another benchsuite")


@pytest.mark.fault(22)
def test_a_run_is_not_gone_on_with_on_another_gpu(tmp_path: Path, quiet: dict[str, Benchmark]) -> None:
    """Two cards of one model differ in what makes them visible: the UUID in ``CUDA_VISIBLE_DEVICES``."""
    card = Device("NVIDIA H100 80GB HBM3", "sm_90a", 132, 232448, 50 << 20, 80 << 30, (9, 0), 1)
    one, other = (
        Description(frozenset({"cuda"}), 1, 1, card, environment={"CUDA_VISIBLE_DEVICES": f"GPU-{n}"}) for n in (1, 2)
    )
    made = replace(prepared(quiet, 1, 1), backend="cuda", machine=identity.machine(campaign._devices("cuda", one)))
    campaign._same(made, one)
    with pytest.raises(UsageError, match="another machine or device"):
        campaign._same(made, other)
