"""Collectives on device buffers: what moves the data, the local sums in between, and the step that enqueues one."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from benchsuite.backends.cuda import devices
from benchsuite.backends.cuda.mpi_world import DeviceMpiWorld
from benchsuite.backends.cuda.nccl import Nccl
from benchsuite.backends.cuda.nccl_log import Choice, Log, choice, settings
from benchsuite.backends.cuda.nccl_world import NcclWorld
from benchsuite.backends.cuda.runtime import Runtime
from benchsuite.backends.cuda.view import view
from benchsuite.errors import MeasureError
from benchsuite.model import Array, Buffers, Case, Caveat, Collective, Launch, Source, Step, World

NVLS = Caveat(
    "NVLS",
    "The NVLink switches added (NVLink SHARP): each GPU sends its message once, not 2(n-1)/n times, so that busbw, "
    "which assumes the latter, may exceed what the link can carry. Compare algbw.",
)
VECTOR = 16  # bytes
THREADS, DEPTH = 256, 4
"""Of ``kernels/collective/add.cu``: threads of a block, vectors of a thread."""
SUMMED = ("fp32", "fp16", "bf16")
"""Element types that the kernel adds."""


class DeviceWorld(World, Protocol):
    """A world over device buffers, as a benchmark's collective is given it."""

    def of(self, dtype: str) -> World:
        """The same ranks, for arrays of this element type."""

    def check(self) -> None:
        """Raise what went wrong in the meantime."""

    def close(self) -> None:
        """Give back what it holds; all ranks call it."""

    def give_up(self) -> None:
        """Give back what it holds although others may not come."""


class DeviceOps:
    """The local steps of a collective, on the current stream. ``dtype``: what the arrays hold."""

    segment = 1 << 40
    """All at once: memory is nearly as fast as the cache, and every further message costs a launch."""

    def __init__(self, runtime: Runtime, dtype: str) -> None:
        self._runtime, self._dtype = runtime, dtype
        self._steps: dict[tuple[int, int, int], Step] = {}

    def add_into(self, destination: Array, source: Array) -> None:
        """``destination += source``; prepared when first asked for, so that later calls only enqueue it."""
        key = self._runtime.address(destination), self._runtime.address(source), destination.nbytes
        if key[2]:
            step = self._steps.get(key)
            if step is None:
                step = self._steps[key] = self._prepare(destination, source)
            step()

    def _prepare(self, destination: Array, source: Array) -> Step:
        if self._dtype not in SUMMED:
            raise MeasureError(f"Our kernel adds no {self._dtype}.", f"It adds {', '.join(SUMMED)}.")
        code = Source.of("collective/add.cu", **{name.upper(): int(name == self._dtype) for name in SUMMED})
        addresses = self._runtime.address(destination), self._runtime.address(source)
        return self._runtime.prepare(code, launch(*addresses, destination.nbytes, destination.itemsize), {
            "destination": destination, "source": source,
        })  # fmt: skip


def launch(destination: int, source: int, nbytes: int, itemsize: int) -> Launch:
    """The launch of ``add_from`` on parts that begin anywhere.

    Elements before the first whole vector are added one by one; all of them, where the two do not lie alike.
    """
    head = min(-destination % VECTOR, nbytes) if destination % VECTOR == source % VECTOR else nbytes
    rest = nbytes - head
    blocks = max(1, -(-(rest // VECTOR or head // itemsize) // (THREADS * DEPTH)))
    numbers = np.uint64(head // itemsize), np.uint64(rest // 4), np.uint32(rest % 4 != 0)
    return Launch("add_from", (blocks, 1, 1), (THREADS, 1, 1), ("destination", "destination", "source", *numbers))


@dataclass
class Link:
    """What moves data between the GPUs of the ranks, opened.

    facts: for the record; chosen: algorithm and protocol by case, where the library told them.
    """

    runtime: Runtime
    world: DeviceWorld
    library: str
    facts: Mapping[str, str]
    log: Log | None = None
    chosen: dict[Case, Choice] = field(default_factory=dict)

    def provider(self, case: Case) -> str:
        """The library's version, with algorithm and protocol where it told them."""
        return f"{self.library} ({self.chosen[case]})" if case in self.chosen else self.library

    def caveats(self, case: Case) -> tuple[Caveat, ...]:
        """What a result must carry."""
        return (NVLS,) if case in self.chosen and self.chosen[case].algorithm.startswith("NVLS") else ()

    def step(self, function: Collective, buffers: Buffers, case: Case, control: World) -> Step:
        """What enqueues one iteration among the ranks of ``control``, which are those that were joined.

        On its first call, which is never timed, NCCL is listened to for what it chose.
        """
        if control.size != self.world.size:
            raise MeasureError(f"{self.world.size} ranks were joined, not {control.size}.")
        dtype = str(dict(case.params).get("dtype", ""))
        world = self.world.of(dtype)
        ops = DeviceOps(self.runtime, dtype)
        views = {name: view(self.runtime, array) for name, array in buffers.items()}
        logs = [self.log] if self.log and world.size > 1 else []

        def enqueue() -> None:
            if not logs:
                function(world, views, case, ops)
                return
            with logs.pop().listening() as heard:
                function(world, views, case, ops)
            if (found := choice("".join(heard))).algorithm:
                self.chosen[case] = found

        return enqueue


def open_link(name: str, runtime: Runtime, control: World) -> Link:
    """What is called ``name`` ("nccl" or "mpi-cuda"), opened by every rank of ``control``."""
    if name == "mpi-cuda":
        library = control.facts().get("library", "")
        return Link(runtime, DeviceMpiWorld(runtime, control), library, {"device memory": "exchanged correctly"})
    module = runtime.nccl()  # loaded before the log looks for what is loaded
    log = Log()
    nccl = Nccl(module, log)
    world = NcclWorld(nccl, runtime, control)
    return Link(
        runtime, world, nccl.version, {"version": nccl.version, **settings(os.environ), **world.connections}, log
    )


@contextmanager
def joined(runtime: Runtime, control: World, names: Iterable[str]) -> Iterator[dict[str, Link]]:
    """Every link that is named, open within; each rank must have a GPU of its own, else ``MeasureError``."""
    links: dict[str, Link] = {}
    if control.size > 1 and (problem := devices.shared(control.share((control.host, runtime.bus())))):
        raise MeasureError(f"{problem[0].upper()}{problem[1:]}.", devices.REMEDY)
    try:
        for name in sorted(names):
            links[name] = open_link(name, runtime, control)
        yield links
    except BaseException:
        for link in links.values():
            link.world.give_up()
        raise
    for link in links.values():
        link.world.close()
