"""One rank as a process: open a backend and a world, serve a job, end with the others.

Started by a launcher as ``python -m benchsuite.worker JOB``; the only place that opens a backend
and a world.
"""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from benchsuite import backends, beat, discovery
from benchsuite.errors import BenchsuiteError
from benchsuite.protocol import Job, Message, decode, encode
from benchsuite.serving import serve


def _show_stacks(folder: Path, rank: int) -> None:
    """Have this rank write its threads' stacks when it is asked (SIGUSR1), and when it crashes."""
    stacks = os.open(beat.stack_path(folder, rank), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    faulthandler.register(signal.SIGUSR1, file=stacks, all_threads=True)
    faulthandler.enable()


def _die_with_parent() -> None:
    """Ask Linux to end this process when its parent ends, so that no rank outlives its controller."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None, use_errno=True).prctl(pr_set_pdeathsig, signal.SIGKILL)


def main(path: str) -> int:
    """Run the job in the file ``path``; 0 when every task was reported."""
    from benchsuite.world import launched_rank, open_world

    _die_with_parent()
    faulthandler.enable()
    job = decode(Path(path).read_bytes(), Job)
    sign = beat.Beat(job, launched_rank(os.environ))
    _show_stacks(Path(path).parent, sign.rank)
    sign.say("open the world")
    try:
        world = open_world(job.world, job.ranks)
    except BenchsuiteError as error:
        print(error, file=sys.stderr)
        return int(error.exit_code)
    with open(job.results, "ab", buffering=0) as stream:
        try:
            backend = backends.open_backend(job.backend, job.threads)
            serve(job, backend, world, discovery.discover(), lambda message: _write(stream.write, message), sign.say)
        except BenchsuiteError as error:
            print(error, file=sys.stderr)
            world.abort(int(error.exit_code))
            return int(error.exit_code)
        except BaseException:
            sys.excepthook(*sys.exc_info())
            world.abort(1)
            raise
    return 0


def _write(write: Callable[[bytes], object], message: Message) -> None:
    write(encode(message) + b"\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
