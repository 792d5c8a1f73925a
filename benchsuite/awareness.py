"""Whether the MPI library takes addresses of device memory ("CUDA-aware"): what it says, and whether that is true.

A library without it that is given such an address ends the process. So two ranks of a group of their own try it, with a
deadline, and only what arrived as it was sent counts. Queries: MPIX_Query_cuda_support (Open MPI and MPICH).
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from benchsuite import backends
from benchsuite import suite as suites
from benchsuite.backends.base import Description
from benchsuite.errors import BenchsuiteError
from benchsuite.launchers.mpi import MpiLauncher
from benchsuite.model import Benchmark, Suite, World

CAPABILITY = "mpi-cuda"
DEADLINE = 60.0
ELEMENTS = 50_000
"""Of a message: beyond what is copied into a packet together with its header."""
ANSWER = "mpi-cuda: "


@dataclass(frozen=True, slots=True)
class Awareness:
    """works: device memory was exchanged correctly. detail: how it went, as a phrase."""

    works: bool
    detail: str


def offered(
    found: Description, suite: Suite, benchmarks: Mapping[str, Benchmark]
) -> tuple[Description, dict[str, dict[str, str]]]:
    """What is found with the capability ``CAPABILITY``, if it was asked for and works here; and how that went."""
    chosen = (benchmark for entry in suite.entries for benchmark in suites.select(entry.select, benchmarks))
    wanted = any(CAPABILITY in item.requires for benchmark in chosen for item in benchmark.implementations)
    if not wanted or found.device is None or found.device.count < 2:
        return found, {}
    answer = ask(found.environment)
    capabilities = found.capabilities | ({CAPABILITY} if answer.works else set())
    return replace(found, capabilities=capabilities), {CAPABILITY: {"device memory": answer.detail}}


def ask(environment: Mapping[str, str], deadline: float = DEADLINE) -> Awareness:
    """What two ranks on this host found; ``environment``: further variables that let them see the GPUs."""
    launcher = MpiLauncher()
    if launcher.unavailable():
        return Awareness(False, "not tried: there is no mpiexec")
    command = [*launcher.tokens(2), sys.executable, "-m", __spec__.name]
    surroundings = {**os.environ, **launcher.environment(2), **environment}
    try:
        group = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace", env=surroundings,
            start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        return Awareness(False, f"not tried: {error.strerror}")
    try:
        said, _ = group.communicate(timeout=deadline)
    except subprocess.TimeoutExpired:
        os.killpg(group.pid, signal.SIGKILL)
        group.communicate()
        return Awareness(False, f"an exchange of device memory did not end within {deadline:.0f} s")
    for line in said.splitlines():
        if line.startswith(ANSWER):
            try:
                return msgspec.json.decode(line.removeprefix(ANSWER), type=Awareness)
            except msgspec.MsgspecError:
                continue
    return Awareness(False, f"an exchange of device memory ended with exit code {group.returncode}")


def claim(library: ctypes.CDLL | None) -> bool | None:
    """What the library says of itself; ``None`` where it offers nobody to ask."""
    try:
        return bool(library.MPIX_Query_cuda_support()) if library else None
    except AttributeError:
        return None


def loaded() -> ctypes.CDLL | None:
    """The MPI library that was opened, through the binding that needs it."""
    binding = getattr(sys.modules.get("mpi4py.MPI"), "__file__", "")
    return ctypes.CDLL(binding) if binding else None


def exchanged(world: World) -> bool:
    """Whether a message between the first two ranks' device memory arrives, and a sum of all is right."""
    backend = backends.open_backend("cuda")
    mine = np.arange(ELEMENTS, dtype=np.float32) + world.rank
    buffers = {**backend.upload({"x": mine}), **backend.upload({"y": np.zeros_like(mine), "z": np.zeros_like(mine)})}
    other = (world.rank + 1) % world.size
    backend.timer()()
    world.sendrecv(buffers["x"], other, buffers["y"], other)
    world.allreduce(buffers["x"], buffers["z"])
    got = backend.download(buffers)
    arrived = np.array_equal(got["y"], np.arange(ELEMENTS, dtype=np.float32) + other)
    total = world.size * np.arange(ELEMENTS, dtype=np.float32) + sum(range(world.size))
    return bool(arrived and np.array_equal(got["z"], total))


def main() -> int:
    """One of two ranks: try it, and have rank 0 print the answer."""
    from benchsuite.world import open_world

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    backends.claim()
    try:
        world = open_world("mpi", 2)
        backends.claim(world.local_rank)
        if claim(loaded()) is False:
            answer = Awareness(False, "the library says that it takes no device memory")
        elif all(world.share(exchanged(world))):
            answer = Awareness(True, "exchanged correctly")
        else:
            answer = Awareness(False, "device memory arrived wrong")
    except BenchsuiteError as error:
        print(error, file=sys.stderr)
        return int(error.exit_code)
    if world.rank == 0:
        print(f"{ANSWER}{msgspec.json.encode(answer).decode()}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
