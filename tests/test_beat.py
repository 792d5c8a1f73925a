"""Signs of life: what a rank does is known from outside, also when it can say no more."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from benchsuite import beat, ending
from benchsuite.model import Policy
from benchsuite.protocol import Job, encode


def job(folder: Path, controller: int = 0, host: str = "") -> Job:
    return Job(1, 0, "fake", "solo", 1, 1, 0, Policy(), (), str(folder / "results.jsonl"), "n", controller, host)


RANK = """
import sys, time
from pathlib import Path
from benchsuite import beat
from benchsuite.protocol import Job, decode
from benchsuite.worker import _show_stacks
folder = Path(sys.argv[1])
beat.PATIENCE = float(sys.argv[3])
told = decode((folder / "job.json").read_bytes(), Job)
sign = beat.Beat(folder, int(sys.argv[2]), told.controller)
_show_stacks(folder, sign.rank)
sign.say("measure: gemm m=1 [blas]")
print("ready", flush=True)
def stuck_in_a_collective():
    time.sleep(60)
stuck_in_a_collective()
"""


def command(folder: Path, number: int = 0, patience: float = beat.PATIENCE) -> list[str]:
    return [sys.executable, "-c", RANK, str(folder), str(number), str(patience)]


@contextmanager
def rank(
    folder: Path, number: int = 0, controller: int = 0, patience: float = beat.PATIENCE
) -> Iterator[subprocess.Popen[str]]:
    (folder / "job.json").write_bytes(encode(job(folder, controller, socket.gethostname())))
    process = subprocess.Popen(command(folder, number, patience), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_rank_tells_what_it_does_and_a_stopped_one_is_named_first(tmp_path: Path) -> None:
    with rank(tmp_path, 0), rank(tmp_path, 1) as second:
        assert [sign.rank for sign in beat.signs(tmp_path)] == [0, 1]
        os.kill(second.pid, signal.SIGSTOP)
        told = wait_for(lambda: beat.diagnosis(tmp_path), "stopped")
    assert told.startswith("rank 1 is stopped (measure: gemm m=1 [blas]); rank 0 is waiting (")


def test_a_rank_that_is_gone_is_named(tmp_path: Path) -> None:
    with rank(tmp_path, 3):
        pass
    assert beat.diagnosis(tmp_path) == "rank 3 is gone (measure: gemm m=1 [blas])"


def test_a_reused_pid_is_not_the_rank(tmp_path: Path) -> None:
    mine = beat.Sign(0, os.getpid(), beat.began(os.getpid()) - 100, "x")
    assert beat.process(mine) is None
    beat.path(tmp_path, 0).write_bytes(encode(mine))
    assert ending.kill_ranks(tmp_path) == []


def test_a_sign_half_written_is_left_out(tmp_path: Path) -> None:
    beat.path(tmp_path, 0).write_bytes(b'{"rank":0,')
    assert beat.signs(tmp_path) == []


def test_a_rank_ends_when_its_controller_is_gone(tmp_path: Path) -> None:
    controller = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with rank(tmp_path, 0, controller.pid) as process:
        assert process.poll() is None
        controller.communicate(b"\n")
        assert process.wait(10) == 1


def test_a_controller_that_has_ended_is_gone_though_nobody_asks_how_it_ended(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as controller:
        with rank(tmp_path, 0, controller.pid) as process:
            assert controller.stdin is not None
            controller.stdin.close()
            assert process.wait(10) == 1
        assert psutil.Process(controller.pid).status() == psutil.STATUS_ZOMBIE


def test_a_rank_ends_when_a_controller_on_another_host_gives_no_sign_any_more(tmp_path: Path) -> None:
    beat.keep(tmp_path)
    with rank(tmp_path, 0, patience=2.0) as process:
        for _ in range(8):
            time.sleep(0.5)
            beat.keep(tmp_path)
        assert process.poll() is None, "it was kept for twice its patience"
        assert process.wait(10) == 1


def test_where_no_controller_ever_gave_a_sign_none_is_missed(tmp_path: Path) -> None:
    with rank(tmp_path, 0, patience=0.5) as process:
        time.sleep(2.0)
        assert process.poll() is None


def test_of_another_host_s_rank_only_its_freshness_is_known(tmp_path: Path) -> None:
    """Its pid means nothing here, and whatever has it here is not ended."""
    there = beat.Sign(1, os.getpid(), beat.began(os.getpid()), "measure: x", host="elsewhere", node="node2")
    here = beat.Sign(0, os.getpid(), beat.began(os.getpid()), "measure: x", host=socket.gethostname(), node="node1")
    for sign in (here, there):
        beat.path(tmp_path, sign.rank).write_bytes(encode(sign))
    assert beat.process(there) is None
    assert beat.process(here) is not None
    assert "rank 1 on node2 is alive (measure: x)" in beat.diagnosis(tmp_path)
    long_ago = time.time() - 60
    os.utime(beat.path(tmp_path, 1), (long_ago, long_ago))
    assert beat.diagnosis(tmp_path).startswith(
        "rank 1 on node2 is alive, silent for 60 s (measure: x); rank 0 on node1"
    )


def test_ranks_that_left_no_sign_are_named(tmp_path: Path) -> None:
    beat.path(tmp_path, 1).write_bytes(encode(beat.Sign(1, os.getpid(), beat.began(os.getpid()), "x")))
    assert beat.diagnosis(tmp_path, 4).endswith("no sign is seen here of rank 0, 2, 3")
    assert beat.diagnosis(tmp_path, 40).endswith("14, 15, 16 …")
    assert "no sign" not in beat.diagnosis(tmp_path)


def test_a_rank_asked_for_its_stacks_writes_where_it_hangs(tmp_path: Path) -> None:
    with rank(tmp_path):

        def asked() -> str:
            ending.dump_stacks(tmp_path)
            return beat.stack_path(tmp_path, 0).read_text()

        assert "stuck_in_a_collective" in wait_for(asked, "stuck_in_a_collective")


def test_stacks_are_not_asked_of_a_rank_that_is_not_ready_for_it(tmp_path: Path) -> None:
    """SIGUSR1 ends a process that has no handler for it yet."""
    with rank(tmp_path) as process:
        beat.stack_path(tmp_path, 0).unlink()
        ending.dump_stacks(tmp_path)
        assert process.poll() is None


def test_what_a_dead_controller_left_is_ended(tmp_path: Path) -> None:
    with rank(tmp_path, 0) as process:
        os.kill(process.pid, signal.SIGSTOP)  # it cannot notice anything itself
        ending.clean([tmp_path, tmp_path / "missing"])
        assert process.wait(ending.GRACE) == -signal.SIGKILL


UNCARING = "import subprocess, sys\nchild = subprocess.Popen(sys.argv[1:])\nsys.stdin.read()\n"


def test_what_was_ended_is_not_waited_for_where_nobody_asks_how_it_ended(tmp_path: Path) -> None:
    """A container whose first process asks nobody: what is ended below it is seen for ever."""
    (tmp_path / "job.json").write_bytes(encode(job(tmp_path, os.getpid(), socket.gethostname())))
    words = [sys.executable, "-c", UNCARING, *command(tmp_path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "ready\n"
        (sign,) = beat.signs(tmp_path)
        began = time.monotonic()
        ending.clean([tmp_path])
        assert time.monotonic() - began < ending.GRACE / 3
        assert psutil.Process(sign.pid).status() == psutil.STATUS_ZOMBIE
        parent.communicate("")


def wait_for(read: object, word: str) -> str:
    assert callable(read)
    deadline = time.monotonic() + 10
    while word not in (text := read()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert isinstance(text, str)
    return text


def test_descendants_in_sessions_of_their_own_are_found_by_their_tag() -> None:
    ending.adopt_orphans()
    script = "import subprocess; subprocess.Popen(['sleep', '60'], start_new_session=True)"
    subprocess.run([sys.executable, "-c", script], env={**os.environ, ending.TAG: "t1"}, check=True)
    found = ending.tagged("t1")
    assert [process.name() for process in found] == ["sleep"]
    assert ending.tagged("t2") == []
    for process in found:
        process.kill()
        process.wait()
