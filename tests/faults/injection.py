"""Real campaigns with a fault in them: started as a person starts them, watched, hurt, judged when they have ended."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType

import psutil
import pytest

from benchsuite import beat, discovery, store
from benchsuite.journal import Event, read
from benchsuite.model import Record, Status
from benchsuite.protocol import decode

TAG = "BENCHSUITE_FAULT"
"""Every process of a campaign carries it: how a test finds those that should be gone."""
CGROUPS = Path("/sys/fs/cgroup")

BENCHMARK = '''
"""A benchmark that doubles a vector; ``faulty`` does what the test wrote."""
import ctypes, os, resource, signal, subprocess, sys, threading, time

import numpy as np

from benchsuite.model import (
    ArraySpec, Axis, Benchmark, CacheMode, Expected, HostCall, Implementation, Metric, Tolerance, Work,
)

FOLDER = os.environ.get("FAULT_FOLDER", "")


def first(name):
    """Whether this is the first call with this name in any process of the campaign."""
    try:
        os.close(os.open(os.path.join(FOLDER, name), os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def doing():
    """What the worker last said that it does."""
    with open(os.path.join(os.path.dirname(sys.argv[-1]), "rank-0.beat")) as file:
        return file.read()


def in_worker():
    return sys.argv[0].endswith("worker.py")


def double(buffers, case):
    np.multiply(buffers["x"], 2.0, out=buffers["y"])


def inputs(case, rng):
    return {"x": rng.standard_normal(case.integer("n"))}


def faulty(buffers, case):
    double(buffers, case)

#FAULT

BENCHMARK = Benchmark(
    name="faulted",
    question="How fast can a vector be doubled?",
    metric=Metric.BANDWIDTH,
    axes=(Axis("n", (64,), "elements"),),
    inputs=inputs,
    outputs=lambda case: {"y": ArraySpec((case.integer("n"),), "fp64")},
    work=lambda case: Work(flops=case.integer("n"), read=8.0 * case.integer("n"), written=8.0 * case.integer("n")),
    reference=lambda case, ranks, rng: {"y": Expected(2.0 * ranks[0]["x"])},
    tolerance=lambda case: Tolerance(relative=1e-12),
    cache=CacheMode.HOT,
    implementations=(Implementation("good", HostCall(double)), Implementation("faulty", HostCall(faulty))),
)
'''

POLICY = {
    "runs": 1,
    "seconds": 0.02,
    "warmup": 0.004,
    "min_samples": 5,
    "deadline": 20.0,
    "setup_deadline": 20.0,
    "compile_deadline": 20.0,
}


@dataclass(frozen=True)
class Ended:
    """A campaign that has ended. ``alive``: its processes that were still there afterwards."""

    exit_code: int
    seconds: float
    stdout: str
    stderr: str
    run: Path | None
    alive: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """The run directory; fails where there is none."""
        assert self.run is not None, f"no run directory: {self.stderr}"
        return self.run

    @property
    def records(self) -> tuple[Record, ...]:
        """What a reader finds in the run directory."""
        return store.load(self.folder).records

    @property
    def events(self) -> list[Event]:
        """The journal, which must be intact up to a torn last line."""
        events, problem = read(self.folder / store.JOURNAL)
        assert not problem, problem
        return events

    def told(self, event: str) -> list[Mapping[str, str]]:
        """What the journal says of each event of this name."""
        return [one.data for one in self.events if one.event == event]

    def of(self, implementation: str) -> list[Record]:
        """The records of one implementation."""
        return [record for record in self.records if record.implementation == implementation]


class Running:
    """A campaign under way."""

    def __init__(self, process: subprocess.Popen[bytes], tag: str, out: Path, work: Path) -> None:
        self.process, self.out = process, out
        self._tag, self._work, self._started = tag, work, time.monotonic()

    def __enter__(self) -> Running:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for one in tagged(self._tag):
            with suppress(psutil.Error):
                one.kill()
        self.process.kill()
        self.process.wait()

    @property
    def run(self) -> Path | None:
        """The newest run directory."""
        return max((file.parent for file in self.out.glob(f"*/{store.CAMPAIGN}")), default=None)

    def until(self, reached: Callable[[], object], within: float = 20.0) -> None:
        """Wait until ``reached`` is true; fails when the campaign ends before."""
        deadline = time.monotonic() + within
        while not reached():
            assert self.process.poll() is None, f"ended with {self.process.returncode}: {self._text('stderr')}"
            assert time.monotonic() < deadline, "the moment to act at never came"
            time.sleep(0.005)

    def lines(self, name: str = store.RECORDS) -> int:
        """Whole lines of a file of the run directory so far."""
        file = None if self.run is None else self.run / name
        return file.read_bytes().count(b"\n") if file is not None and file.exists() else 0

    def signs(self) -> list[beat.Sign]:
        """What the ranks of the newest attempt last said."""
        folders = sorted((self.run / "attempts").glob("[0-9]*")) if self.run is not None else []
        return beat.signs(folders[-1]) if folders else []

    def doing(self, words: str) -> bool:
        """Whether a rank says that it does this."""
        return any(words in sign.doing for sign in self.signs())

    def said(self) -> str:
        """What it has written to standard error so far."""
        return self._text("stderr")

    def send(self, number: signal.Signals) -> float:
        """Signal the controller, and when (monotonic)."""
        self.process.send_signal(number)
        return time.monotonic()

    def wait(self, timeout: float = 60.0, patience: float = 2.0) -> Ended:
        """Until it has ended. ``patience``: seconds that processes get to disappear in afterwards."""
        self.process.wait(timeout)
        seconds = time.monotonic() - self._started
        alive = gone_within(self._tag, patience)
        return Ended(self.process.returncode, seconds, self._text("stdout"), self._text("stderr"), self.run, alive)

    def _text(self, stream: str) -> str:
        return (self._work / f"{stream}.txt").read_text(errors="replace")


def write(folder: Path, fault: str = "", *, cases: int = 2, policy: Mapping[str, object] | None = None) -> Path:
    """The benchmark with its fault, and a suite of ``cases`` cases with both implementations; the suite's path."""
    (folder / "benchmarks").mkdir(parents=True, exist_ok=True)
    (folder / "benchmarks" / "faulted.py").write_text(BENCHMARK.replace("#FAULT", fault))
    sizes = [64 * (1 + number) for number in range(cases)]
    settings = "\n".join(f"{key} = {value!r}" for key, value in {**POLICY, **(policy or {})}.items())
    suite = folder / "faults.toml"
    suite.write_text(f'[policy]\n{settings}\n\n[[bench]]\nselect = ["faulted"]\nn = {sizes}\n'.replace("'", '"'))
    return suite


def start(
    folder: Path,
    *command: str,
    environment: Mapping[str, str] | None = None,
    wrapper: Sequence[str] = (),
    preexec: Callable[[], None] | None = None,
    out: Path | None = None,
) -> Running:
    """Start ``benchsuite`` with these words and the benchmark that ``write`` put into ``folder``.

    wrapper: words before it, such as those of ``unshare``. preexec: called in the new process before it begins.
    """
    tag = secrets.token_hex(8)
    chosen = {**faulted(folder), TAG: tag, **(environment or {})}
    out = out or folder / "runs"
    where = () if command[0] == "doctor" else ("--out", str(out))
    words = [*wrapper, sys.executable, "-m", "benchsuite", *command, *where]
    with open(folder / "stdout.txt", "wb") as stdout, open(folder / "stderr.txt", "wb") as stderr:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            cwd=folder,  # so that no folder called benchsuite here is taken for the package
            env={**os.environ, **chosen},
            start_new_session=True,
            preexec_fn=preexec,  # noqa: PLW1509  no other thread runs here
        )
    return Running(process, tag, out, folder)


def faulted(folder: Path) -> dict[str, str]:
    """The variables of a command that finds the benchmark of ``folder``, and where its ``first`` leaves marks."""
    (folder / "first").mkdir(exist_ok=True)
    return {
        discovery.EXTRA: str(folder / "benchmarks"),
        "FAULT_FOLDER": str(folder / "first"),
        "XDG_CACHE_HOME": str(folder / "cache"),
    }


def begin(
    folder: Path, fault: str = "", *, backend: str = "fake", options: Sequence[str] = (), **more: object
) -> Running:
    """Start a campaign with this fault; ``more`` goes to ``write`` (cases, policy) and ``start``."""
    suite = write(folder, fault, **{key: more.pop(key) for key in ("cases", "policy") if key in more})  # type: ignore[arg-type]
    words = ("run", str(suite), "--backend", backend, "--no-report", "--seed", "1", *options)
    return start(folder, *words, **more)  # type: ignore[arg-type]


def run_campaign(folder: Path, fault: str = "", *, timeout: float = 60.0, **more: object) -> Ended:
    """A campaign with this fault from beginning to end, as ``begin``."""
    with begin(folder, fault, **more) as running:  # type: ignore[arg-type]
        return running.wait(timeout)


def run_command(folder: Path, *command: str, timeout: float = 60.0, **more: object) -> Ended:
    """Another command of ``benchsuite`` on the runs below ``folder``."""
    with start(folder, *command, **more) as running:  # type: ignore[arg-type]
        return running.wait(timeout)


def resume(folder: Path, *options: str, timeout: float = 60.0, **more: object) -> Ended:
    """Go on with the newest run below ``folder``."""
    return run_command(folder, "resume", "latest", "--no-report", *options, timeout=timeout, **more)


def assert_contained(ended: Ended, within: float = 30.0) -> None:
    """It ended in time, left no process, its journal can be read, and no file is torn."""
    assert ended.seconds < within
    assert not ended.alive, f"left behind: {', '.join(ended.alive)}"
    assert "Traceback" not in ended.stderr
    if ended.run is None:
        return
    assert ended.events[0].event == "campaign"
    for name in (store.RECORDS, store.JOURNAL):
        content = (ended.run / name).read_bytes() if (ended.run / name).exists() else b""
        assert not content or content.endswith(b"\n"), f"{name} is torn"
    decode((ended.run / store.CAMPAIGN).read_bytes(), store.Campaign)
    assert not store.load(ended.run).problems
    page = ended.run / "report.html"
    assert not page.exists() or page.read_text().rstrip().endswith("</html>")


def assert_once_each(run: Path) -> None:
    """Every task of every run has exactly one record, and a reader finds nothing wrong."""
    loaded = store.load(run)
    assert not loaded.problems
    found = sorted((record.run, record.position) for record in loaded.records)
    plan = loaded.campaign.plan
    assert found == [(number, place) for number, order in enumerate(plan.order) for place in range(len(order))]


def assert_others_measured(ended: Ended) -> None:
    """The fault cost nothing but its own task."""
    assert ended.of("good")
    assert {record.status for record in ended.of("good")} == {Status.OK}


def tagged(tag: str) -> list[psutil.Process]:
    """Every living process whose environment carries the tag, whoever its parent is now."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.environ().get(TAG) == tag and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def gone_within(tag: str, seconds: float) -> tuple[str, ...]:
    """Wait until no process carries the tag; those that still do after ``seconds``, as words."""
    deadline = time.monotonic() + seconds
    while (left := tagged(tag)) and time.monotonic() < deadline:
        time.sleep(0.02)
    words = []
    for process in left:
        with suppress(psutil.Error):
            words.append(f"{process.pid} {' '.join(process.cmdline())[:100]}")
    return tuple(words)


# -- places that a campaign can be put into; each skips, with the reason, where this machine cannot make it --------


@contextmanager
def cgroup(controller: str, limits: Mapping[str, str]) -> Iterator[Callable[[], None]]:
    """A control group of version 1 with these limits; what it gives is a ``preexec`` that moves a process into it."""
    parent = CGROUPS / controller
    if not (parent / "cgroup.procs").exists():
        pytest.skip(f"no control group of version 1 for {controller} at {parent}")
    group = parent / f"benchsuite-fault-{secrets.token_hex(4)}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made in {parent}: {error.strerror}")
    try:
        for name, value in limits.items():
            (group / name).write_text(value)
        yield partial(_enter, group)
    finally:
        _remove(group)


def _enter(group: Path) -> None:
    (group / "cgroup.procs").write_text(str(os.getpid()))


def _remove(group: Path) -> None:
    for _ in range(100):
        with suppress(ProcessLookupError, ValueError, OSError):
            for pid in (group / "cgroup.procs").read_text().split():
                os.kill(int(pid), signal.SIGKILL)
        try:
            group.rmdir()
        except OSError:
            time.sleep(0.02)
        else:
            return


def mounted(setup: str) -> tuple[str, ...]:
    """The words that run a command after ``setup`` (a shell text of mounts) in a namespace of its own."""
    probe = subprocess.run(
        ["unshare", "--mount", "--map-root-user", "sh", "-c", "mount -t tmpfs -o size=64k none /mnt"],
        capture_output=True,
        text=True,
        check=False,
    )
    if probe.returncode:
        pytest.skip(f"no mount namespace can be made here: {probe.stderr.strip()}")
    return ("unshare", "--mount", "--map-root-user", "sh", "-c", f'{setup} && exec "$@"', "sh")
