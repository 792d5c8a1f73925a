"""Attempts with real processes: crashes, hangs, forged and flooded output, orphans."""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from benchsuite import ending
from benchsuite.attempt import CAPTURE, End, ProcessRunner, allowed
from benchsuite.errors import MeasureError
from benchsuite.model import Case, Failed, Policy, Task
from benchsuite.protocol import Assigned, Job, Kind, Message, encode, result

TASK = Task(Case.of("toy", n=1), "good")


@dataclass(frozen=True)
class ScriptLauncher:
    """Starts a Python text instead of the worker; it finds the job's path as its last argument."""

    text: str
    name: str = "script"
    world: str = "solo"

    def unavailable(self) -> str:
        return ""

    def tokens(self, ranks: int) -> tuple[str, ...]:
        return (sys.executable, "-c", PRELUDE + self.text)

    def environment(self, ranks: int) -> dict[str, str]:
        return {}


PRELUDE = """
import json, os, signal, subprocess, sys, time
job = json.load(open(sys.argv[-1]))
def say(kind, nonce=job["nonce"], **more):
    with open(job["results"], "ab") as stream:
        stream.write(json.dumps({"nonce": nonce, "kind": kind, **more}).encode() + b"\\n")
"""


@dataclass
class Outcome:
    end: End
    messages: list[Message] = field(default_factory=list)
    seconds: float = 0.0


def attempt(text: str, tmp_path: Path, deadline: float = 30.0) -> Outcome:
    folder = tmp_path / "0001"
    folder.mkdir()
    policy = Policy(deadline=deadline, setup_deadline=deadline, compile_deadline=deadline)
    results = str(folder / "results.jsonl")
    job = Job(1, 0, "fake", "solo", 1, 1, 0, policy, (Assigned(0, TASK, 0.1),), results, "secret")
    heard: list[Message] = []
    started = time.monotonic()
    end = ProcessRunner(ScriptLauncher(text), {})(job, folder, heard.append)
    return Outcome(end, heard, time.monotonic() - started)


def test_a_worker_that_says_goodbye_is_done(tmp_path: Path) -> None:
    done = attempt('say("hello"); say("bye")', tmp_path)
    assert done.end == End()
    assert [message.kind for message in done.messages] == [Kind.HELLO, Kind.BYE]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
        ("os.abort()", "SIGABRT"),
        ("sys.exit(3)", "exit code 3"),
        ("sys.exit(0)", "before it was done"),
        ('raise RuntimeError("the driver is gone")', "RuntimeError: the driver is gone"),
    ],
)
def test_how_a_worker_died_is_told(tmp_path: Path, text: str, reason: str) -> None:
    assert reason in attempt(f'say("hello"); {text}' if "raise" not in text else text, tmp_path).end.reason


def test_a_hang_is_ended_at_the_deadline(tmp_path: Path) -> None:
    done = attempt(
        'say("hello")\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(600)', tmp_path, deadline=0.5
    )
    assert "nothing was heard" in done.end.reason
    assert done.seconds < 15


def test_signs_of_life_keep_an_attempt_going(tmp_path: Path) -> None:
    text = 'say("hello")\nfor i in range(8):\n    time.sleep(0.2); say("phase", index=0)\nsay("bye")'
    assert attempt(text, tmp_path, deadline=0.8).end == End()


def test_children_are_ended_with_their_group(tmp_path: Path) -> None:
    text = 'child = subprocess.Popen(["sleep", "600"]); say("hello", pids=[child.pid]); time.sleep(600)'
    done = attempt(text, tmp_path, deadline=0.5)
    child = done.messages[0].pids[0]
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and psutil.pid_exists(child):
        if psutil.Process(child).status() == psutil.STATUS_ZOMBIE:
            break
        time.sleep(0.05)
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE


def test_a_flood_is_bounded_and_does_not_block(tmp_path: Path) -> None:
    text = 'say("hello")\nfor _ in range(64):\n    sys.stdout.buffer.write(b"\\xff" * (1 << 20))\nsay("bye")'
    assert attempt(text, tmp_path).end == End()
    assert (tmp_path / "0001" / "stdout.log").stat().st_size == CAPTURE


def test_forged_results_are_ignored(tmp_path: Path) -> None:
    forged = result("guess", 0, Failed("forged"), "", "")
    text = (
        f"print({encode(forged).decode()!r})\n"
        'say("hello"); say("result", nonce="guess", index=0); open(job["results"], "ab").write(b"garbage\\n\\xff\\n")\n'
        'say("bye")'
    )
    done = attempt(text, tmp_path)
    assert [message.kind for message in done.messages] == [Kind.HELLO, Kind.BYE]


def test_an_interrupt_ends_the_worker(tmp_path: Path) -> None:
    """Ctrl-C reaches the controller only; the worker must not survive it."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 1.0)
    try:
        with pytest.raises(KeyboardInterrupt):
            attempt(
                'open(job["results"] + ".pid", "w").write(str(os.getpid())); say("hello"); time.sleep(600)', tmp_path
            )
    finally:
        signal.signal(signal.SIGALRM, before)
    pid = int((tmp_path / "0001" / "results.jsonl.pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_each_phase_has_its_own_deadline() -> None:
    policy = Policy(deadline=1.0, setup_deadline=2.0, compile_deadline=3.0)
    phases = ("start", "prepare", "compile", "verify", "measure", "next")
    assert [allowed(phase, policy) for phase in phases] == [2.0, 2.0, 3.0, 2.0, 1.0, 2.0]


def test_a_phase_that_may_last_longer_does(tmp_path: Path) -> None:
    """Compiling takes longer than measuring may."""
    folder = tmp_path / "0001"
    folder.mkdir()
    policy = Policy(deadline=0.3, setup_deadline=30.0, compile_deadline=30.0)
    job = Job(1, 0, "fake", "solo", 1, 1, 0, policy, (Assigned(0, TASK, 0.1),), str(folder / "results.jsonl"), "secret")
    text = (
        'say("phase", index=0, phase="compile"); time.sleep(1); say("phase", index=0, phase="measure"); time.sleep(60)'
    )
    heard: list[Message] = []
    end = ProcessRunner(ScriptLauncher(text), {})(job, folder, heard.append)
    assert [message.phase for message in heard] == ["compile", "measure"]
    assert "nothing was heard for 0 s" in end.reason


HUNG = """
from pathlib import Path
from benchsuite import beat
from benchsuite.worker import _show_stacks
sign = beat.Beat(Path(sys.argv[-1]).parent, 0)
_show_stacks(Path(sys.argv[-1]).parent, 0)
sign.say("measure: toy n=1 [good]")
say("hello")
def stuck():
    while True:
        time.sleep(1)
stuck()
"""


def test_a_hung_rank_is_named_and_leaves_its_stacks(tmp_path: Path) -> None:
    done = attempt(HUNG, tmp_path, deadline=4.0)
    assert done.end.reason == (
        "nothing was heard for 4 s, so it was ended: rank 0 is waiting (measure: toy n=1 [good])"
    )
    assert "stuck" in (tmp_path / "0001" / "rank-0.stack").read_text()


def test_what_moved_to_another_session_is_ended_too(tmp_path: Path) -> None:
    text = (
        'child = subprocess.Popen(["sleep", "600"], start_new_session=True)\n'
        'open(job["results"] + ".pid", "w").write(str(child.pid)); say("hello"); say("bye")'
    )
    assert attempt(text, tmp_path).end == End()
    assert not psutil.pid_exists(int((tmp_path / "0001" / "results.jsonl.pid").read_text()))


def test_what_poll_raises_ends_the_attempt_and_is_raised_on(tmp_path: Path) -> None:
    folder = tmp_path / "0001"
    folder.mkdir()
    job = Job(1, 0, "fake", "solo", 1, 1, 0, Policy(), (), str(folder / "results.jsonl"), "secret")
    calls = 0

    def poll() -> None:
        nonlocal calls
        calls += 1
        if calls == 5:
            raise MeasureError("enough")

    started = time.monotonic()
    with pytest.raises(MeasureError, match="enough"):
        ProcessRunner(ScriptLauncher("time.sleep(600)"), {})(job, folder, lambda message: None, poll)
    assert time.monotonic() - started < 20


HOPPING = """
say("hello")
if os.fork() == 0:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        time.sleep(0.03)
        if os.fork():
            os._exit(0)
        os.setsid()
    os._exit(0)
say("bye")
"""


def test_what_hops_from_session_to_session_is_ended_all_the_same(tmp_path: Path) -> None:
    """Thirty times a second it is another process of another session."""
    done = attempt(HOPPING, tmp_path)
    assert done.end == End()
    tag = hashlib.sha256(b"secret").hexdigest()[:16]
    time.sleep(0.2)
    assert ending.tagged(tag) == []
