"""What the benchmarks of collectives share: messages, exact numbers, and who computes.

Sizes and rates are those of nccl-tests (doc/PERFORMANCE.md), so that numbers can stand side by side. ``bytes`` is S,
the whole buffer that is summed, gathered, scattered or exchanged on one rank; algbw = S / time; busbw = algbw times
what each rank must at least send or receive of S, and can be held against a link whatever the number n of ranks:

    allreduce                               2 (n-1)/n
    allgather, reduce_scatter, alltoall       (n-1)/n
    broadcast, shift, exchange                1

S is rounded down to whole elements, of which each rank's n-th part has the same number, one at least.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from benchsuite import units
from benchsuite.model import (
    Array,
    Arrays,
    ArraySpec,
    Axis,
    Buffers,
    Case,
    Collective,
    CollectiveCall,
    Expected,
    Implementation,
    LocalOps,
    Ranks,
    Work,
    World,
)

LARGEST = 2**10
"""Messages are whole numbers below."""
DIGITS = {"fp64": 53, "fp32": 24, "fp16": 11, "bf16": 8, "int8": 7, "uint8": 7}
"""Bits of the largest whole number up to which a type holds all."""
SUMMED = ("fp32", "fp64", "fp16", "bf16")
MOVED = ("fp32", "fp64", "fp16", "bf16", "int8", "uint8")
SEGMENT = units.MIB
"""Bytes of the largest message our algorithms of sums send. What was just received is added, and sent on, while it
is in the cache; smaller messages lose more to the ranks' waiting for each other than they gain."""

X, ORIGIN, Y = "x", "origin", "y"
"""Buffers: the message; where the result takes its place, the copy from which it is put back; the result. An
implementation knows by the name of its input, for nothing in a timed call, whether it works in place."""

RANKS = frozenset({"host", "ranks"})
NCCL, MPI_CUDA = frozenset({"cuda", "nccl"}), frozenset({"cuda", "mpi-cuda"})
DEVICE_SUMS = frozenset({"fp32", "fp16", "bf16"})
"""Element types that our kernel adds (``kernels/collective/add.cu``)."""
BYTES = Axis("bytes", (8, units.MIB), "the whole buffer of a rank", unit="bytes")
PLACE = Axis("place", ("out",), "whether the result takes the message's place", choices=("out", "in"))


def dtypes(names: tuple[str, ...]) -> Axis:
    """The axis of element types, of which the first is the default."""
    return Axis("dtype", names[:1], choices=names)


def itemsize(case: Case) -> int:
    """Bytes of an element."""
    return units.dtype(case.text("dtype")).bytes


def elements(case: Case) -> int:
    """Elements of a message that is not divided."""
    return max(1, case.integer("bytes") // itemsize(case))


def block(case: Case) -> int:
    """Elements of each of the n parts of a buffer that is divided among the ranks."""
    return max(1, elements(case) // case.ranks)


def in_place(case: Case) -> bool:
    """Whether the result takes the message's place."""
    return case.text("place") == "in"


def numbers(case: Case, rng: np.random.Generator, count: int) -> Array:
    """Whole numbers that the type holds exactly, to be moved."""
    return _stored(case, rng, count, min(LARGEST, 1 << DIGITS[case.text("dtype")]))


def summands(case: Case, rng: np.random.Generator, count: int) -> Array:
    """Whole numbers whose sum over all ranks the type holds exactly, whatever the order of the additions."""
    return _stored(case, rng, count, max(1, _largest_summand(case)))


def inexact(case: Case) -> str:
    """Why sums cannot be verified exactly, or nothing."""
    if _largest_summand(case) >= 1:
        return ""
    return f"sums of {case.ranks} numbers are not exact in {case.text('dtype')}"


def _largest_summand(case: Case) -> int:
    return min(LARGEST, (1 << DIGITS[case.text("dtype")]) // case.ranks)


def _stored(case: Case, rng: np.random.Generator, count: int, top: int) -> Array:
    whole = rng.integers(-top, top, count, dtype=np.int16)
    kind = units.dtype(case.text("dtype"))
    return units.to_bf16(whole.astype(np.float32)) if kind.name == "bf16" else whole.astype(kind.storage)


def message(arrays: Arrays) -> Array:
    """What a rank contributes, whichever its name."""
    return arrays[X] if X in arrays else arrays[ORIGIN]


def exactly(case: Case, values: Array) -> Mapping[str, Expected]:
    """The result must be ``values``, which are as they are stored."""
    return {Y: Expected(units.as_float(values, case.text("dtype")))}


def total(case: Case, ranks: Ranks, part: slice = slice(None)) -> Array:
    """The exact sum of a part of every rank's message, in numbers that compare with the result's."""
    dtype = case.text("dtype")
    found: Array = np.zeros(message(ranks[ranks.rank])[part].size, np.int32)
    for arrays in ranks:
        found += units.as_float(message(arrays)[part], dtype).astype(np.int32)
    return found.astype(np.float32 if dtype == "bf16" else units.dtype(dtype).storage)


def sent(case: Case, rng: np.random.Generator) -> Arrays:
    """A whole message, to be moved."""
    return {X: numbers(case, rng, elements(case))}


def received(case: Case) -> Mapping[str, ArraySpec]:
    """A whole message, as it arrives."""
    return result(case, elements(case))


def once(case: Case) -> Work:
    """Per rank: a whole message crosses the link once."""
    size = float(elements(case) * itemsize(case))
    return Work(read=size, written=size, payload=size, wire=size)


def result(case: Case, count: int) -> dict[str, ArraySpec]:
    """An output of ``count`` elements."""
    return {Y: ArraySpec((count,), case.text("dtype"))}


def by_library(
    function: Collective, before: Collective | None = None, *, sums: bool = False, restores: bool = False
) -> tuple[Implementation, ...]:
    """The library's own algorithm, by every library: MPI on host memory, NCCL and an MPI that knows CUDA on GPUs.

    sums: MPI has no sum of 16-bit numbers. restores: ``function`` puts back what an operation in place overwrites.
    """
    call = CollectiveCall(function, before, _restoring if restores else lambda case: None)
    by_mpi = host_sums if sums else lambda case: True
    return (
        Implementation("mpi", call, RANKS, provider="mpi", supports=by_mpi),
        Implementation("nccl", replace(call, over="nccl"), NCCL, provider="nccl", supports=by_nccl),
        Implementation("mpi-cuda", replace(call, over="mpi-cuda"), MPI_CUDA, provider="mpi-cuda", supports=by_mpi),
    )


def ours(
    name: str, function: Collective, before: Collective | None = None, *, sums: bool = False, device: bool = True
) -> tuple[Implementation, ...]:
    """An algorithm of ours, written once over any world, between ``x`` and ``y``: on host memory, and over NCCL's
    messages on GPUs. device: whether it can be the latter: NCCL sends no message without content.
    """

    def supports(case: Case) -> bool:
        return not (sums and not host_sums(case)) and not (sums and in_place(case))

    def by_device(case: Case) -> bool:
        return not (sums and (case.text("dtype") not in DEVICE_SUMS or in_place(case)))

    call = CollectiveCall(function, before)
    host = Implementation(name, call, RANKS, supports=supports)
    gpu = Implementation(f"device-{name}", replace(call, over="nccl"), NCCL, supports=by_device)
    return (host, gpu) if device else (host,)


def by_nccl(case: Case) -> bool:
    """NCCL's reduce-scatter in place leaves the sum elsewhere than MPI's does; copying it would be timed too."""
    return case.benchmark != "reduce_scatter" or not in_place(case)


def host_sums(case: Case) -> bool:
    """Whether MPI and NumPy add this type."""
    return case.text("dtype") in {"fp32", "fp64"}


def pass_round(world: World, y: Array) -> None:
    """Every rank's n-th of ``y``, which it has, to all: what came last goes on to the next rank, n-1 times."""
    n, rank = world.size, world.rank
    following, before = (rank + 1) % n, (rank - 1) % n
    parts = [y[y.size * number // n : y.size * (number + 1) // n] for number in range(n)]
    for step in range(n - 1):
        world.sendrecv(parts[rank - step], following, parts[rank - step - 1], before)


def restore(buffers: Buffers) -> Array:
    """The result's buffer with the message put back, which an operation in place overwrites."""
    y = buffers[Y]
    y[...] = buffers[ORIGIN]
    return y


def _restoring(case: Case) -> Collective | None:
    return _restore if in_place(case) else None


def _restore(world: World, buffers: Buffers, case: Case, ops: LocalOps) -> None:
    restore(buffers)
