"""Whether a result is, bit by bit, the one known to be right: compared where it was computed, every element.

Bits, not numbers: a NaN differs from every number, and no error is too small to be seen. What was compared is
overwritten with ones at once (a NaN in every floating format), so a result that is not written anew is wrong next time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from benchsuite.backends.base import Backend
from benchsuite.errors import MeasureError
from benchsuite.model import (
    Array,
    Arrays,
    Buffers,
    Case,
    CudaKernel,
    Device,
    HostCall,
    Implementation,
    Launch,
    Source,
    Step,
    World,
)

THREADS, BLOCKS = 256, 4
"""Of ``kernels/burn/compare.cu``: threads of a block, blocks of a processor."""
NONE = 2**64 - 1
"""Number of the first wrong element where there is none; also what an element of 8 bytes is overwritten with."""
CHUNK = 1 << 16
"""Elements that a host compares at a time: they stay in a cache."""


class Count(NamedTuple):
    """Elements that were wrong, the first of them, elements compared."""

    wrong: int = 0
    first: int = NONE
    compared: int = 0


def on_host(buffers: Buffers, case: Case) -> None:
    """Compare ``got`` with ``want``, add to ``found``, overwrite ``got``."""
    kind = f"u{case.integer('bytes')}"
    got, want, found = (buffers[name].reshape(-1) for name in ("got", "want", "found"))
    got, want = got.view(kind), want.view(kind)
    for start in range(0, got.size, CHUNK):
        part = got[start : start + CHUNK]
        wrong = part != want[start : start + CHUNK]
        if count := np.count_nonzero(wrong):
            found[0] += np.uint64(count)
            found[1] = min(found[1], np.uint64(start + int(np.argmax(wrong))))
        part.fill(np.iinfo(kind).max)
    found[2] += np.uint64(got.size)


def _launches(case: Case, device: Device) -> tuple[Launch, ...]:
    elements, size = case.integer("elements"), case.integer("bytes")
    blocks = max(1, min(BLOCKS * device.processors, elements * size // (16 * THREADS)))
    return (Launch("compare", (blocks, 1, 1), (THREADS, 1, 1), ("got", "want", np.uint64(elements), "found")),)


KERNEL = CudaKernel(lambda case, device: Source.of("burn/compare.cu", BYTES=case.integer("bytes")), _launches)
IMPLEMENTATIONS = (
    Implementation("compare", KERNEL, frozenset({"cuda"})),
    Implementation("compare", HostCall(on_host), frozenset({"host"})),
)


def difference(got: Array, want: Array) -> Count:
    """The same comparison of two arrays on the host; neither is changed."""
    found = np.array([0, NONE, 0], np.uint64)
    held = np.array(got, order="C", copy=True)
    case = Case.of("compare", bytes=held.itemsize)
    on_host({"got": held, "want": np.ascontiguousarray(want), "found": found}, case)
    return Count(*(int(number) for number in found))


class Comparison:
    """Compares the outputs of one load with ``golden``, what they must be.

    ``steps``: one an output, each compares and overwrites it; ``spare``: the same, whose counts nobody
    reads. ``fresh``: what was found since it was last asked.
    Raises ``MeasureError`` when the comparison does not see outputs that are wrong in every element.
    """

    def __init__(self, backend: Backend, world: World, outputs: Buffers, golden: Arrays) -> None:
        self._backend, self._world, self._outputs = backend, world, outputs
        self._want = backend.upload(golden)
        self.spare = self._proved(golden)
        self.steps, self._found = self._bound(golden)
        self._last = dict.fromkeys(golden, Count())

    def fresh(self) -> Mapping[str, Count]:
        """What each output's comparisons found since the last call; ``first`` is that of all so far."""
        found = {}
        for name, before in self._last.items():
            now = self._last[name] = self._count(self._found[name])
            found[name] = Count(now.wrong - before.wrong, now.first, now.compared - before.compared)
        return found

    def _bound(self, golden: Arrays) -> tuple[tuple[Step, ...], Mapping[str, Array]]:
        """Steps that compare, and where each counts, from zero."""
        item = next(one for one in IMPLEMENTATIONS if one.requires <= self._backend.capabilities())
        steps, counters = [], {}
        for name, want in golden.items():
            counters[name] = self._backend.upload({"found": np.array([0, NONE, 0], np.uint64)})["found"]
            buffers = {"got": self._outputs[name], "want": self._want[name], "found": counters[name]}
            case = Case.of("compare", elements=int(want.size), bytes=int(want.itemsize))
            steps.append(self._backend.bind(item, buffers, case, self._world))
        return tuple(steps), counters

    def _count(self, counter: Array) -> Count:
        return Count(*(int(number) for number in self._backend.download({"found": counter})["found"]))

    def _proved(self, golden: Arrays) -> tuple[Step, ...]:
        """Steps that were tried on what they had overwritten themselves, and saw every element to be wrong."""
        steps, _ = self._bound(golden)
        for step in steps:
            step()
        steps, counters = self._bound(golden)
        for step in steps:
            step()
        for name, array in golden.items():
            want = array.reshape(-1).view(f"u{array.itemsize}")
            wrong, count = int(np.count_nonzero(want != np.iinfo(want.dtype).max)), self._count(counters[name])
            if count.wrong != wrong or count.compared != want.size:
                raise MeasureError(
                    f"The comparison of {name} saw {count.wrong} of {wrong} wrong elements of {count.compared}.",
                    "Nothing that it says can be trusted: the device computes wrongly, or its compiler does.",
                )
        return steps
