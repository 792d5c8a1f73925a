"""One rank as a process: open a backend and a world, serve a job, end with the others.

Started by a launcher as ``python -m benchsuite.worker WORLD RANKS NODES JOB``; the only place that opens a backend
and a world. The file of the job need be seen by rank 0 only, which hands it to the others.
"""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from benchsuite import backends, beat, discovery, units
from benchsuite.burn import worker as burn
from benchsuite.errors import BenchsuiteError, MeasureError
from benchsuite.machine import cpu
from benchsuite.model import World
from benchsuite.protocol import Job, Kind, Message, decode, encode
from benchsuite.scan import scanning
from benchsuite.serving import serve


def _show_stacks(folder: Path, rank: int) -> None:
    """Have this rank write its threads' stacks when it is asked (SIGUSR1), and when it crashes."""
    with suppress(OSError):  # another host does not see the folder
        stacks = os.open(beat.stack_path(folder, rank), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        faulthandler.register(signal.SIGUSR1, file=stacks, all_threads=True)
        faulthandler.enable()


def _die_with_parent() -> None:
    """Ask Linux to end this process when its parent ends, so that no rank outlives its controller."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None, use_errno=True).prctl(pr_set_pdeathsig, signal.SIGKILL)


def main(arguments: Sequence[str]) -> int:
    """Run the job in the file that the last of the arguments names; 0 when every task was reported."""
    from benchsuite.world import launched_rank, open_world

    name, ranks, nodes, path = arguments
    _die_with_parent()
    faulthandler.enable()
    told = _read(Path(path))
    sign = beat.Beat(Path(path).parent, launched_rank(os.environ), _controller(told))
    _show_stacks(Path(path).parent, sign.rank)
    sign.say("open the world")
    backends.claim()  # an MPI that knows CUDA looks at the GPUs when it is opened
    try:
        world = open_world(name, int(ranks), int(nodes))
        job = _shared(world, told, path)
    except BenchsuiteError as error:
        print(error, file=sys.stderr)
        return int(error.exit_code)
    try:
        backends.claim(world.local_rank, job.backend)
        backend = backends.open_backend(job.backend, job.threads)
        if job.scan is not None:
            scanning.serve(job, backend, world, _sender(world, job), sign.say)
        elif job.burn is not None:
            burn.serve(job, backend, world, discovery.discover(), _sender(world, job), sign.say)
        else:
            serve(job, backend, world, discovery.discover(), _sender(world, job), sign.say)
    except BenchsuiteError as error:
        print(error, file=sys.stderr)
        world.abort(int(error.exit_code))
        return int(error.exit_code)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        world.abort(1)
        raise
    return 0


def _read(path: Path) -> Job | None:
    """The job, where its file can be seen."""
    try:
        return decode(path.read_bytes(), Job)
    except OSError:
        return None


def _controller(job: Job | None) -> int:
    """The process to end with, where it is one of this host."""
    return job.controller if job is not None and job.host == socket.gethostname() else 0


def _shared(world: World, told: Job | None, path: str) -> Job:
    """The job as rank 0 read it. Raises ``MeasureError`` when rank 0 runs where it cannot be read."""
    job, host = world.share((told if world.rank == 0 else None, world.host))[0]
    if not isinstance(job, Job):
        raise MeasureError(
            f"Rank 0 runs on {host}, where {Path(path).name} cannot be read: it was written on another host.",
            "Start benchsuite on the first host of its layout, or with --out in a folder that both see.",
        )
    return job


def _sender(world: World, job: Job) -> Callable[[Message], None]:
    """Writes what rank 0 has to say; its greeting tells of the hosts, which were asked all together."""
    told = _hosts(world)
    stream = os.open(job.results, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600) if world.rank == 0 else -1

    def send(message: Message) -> None:
        if message.kind is Kind.HELLO:
            message = replace(message, facts=_with_hosts(message.facts, told))
        line = encode(message) + b"\n"
        while line:
            line = line[os.write(stream, line) :]

    return send


def _hosts(world: World) -> dict[str, str]:
    """Name of each host, with its ranks, cores and memory."""
    told = world.share((world.host, world.local_size, cpu.available_cores(), cpu.memory_limit()))
    return {host: f"{ranks} ranks, {cores} cores, {units.size(memory)} free" for host, ranks, cores, memory in told}


def _with_hosts(facts: Mapping[str, Mapping[str, str]], hosts: Mapping[str, str]) -> dict[str, Mapping[str, str]]:
    """The facts with how many hosts there are, and which where there is more than one."""
    counted = {"world": {**facts.get("world", {}), "hosts": str(len(hosts))}}
    return {**facts, **counted, **({"hosts": hosts} if len(hosts) > 1 else {})}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
