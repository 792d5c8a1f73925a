"""How fast do the GPUs of one process sum a message by reading each other's memory?

No library between: each GPU's kernel loads from its peers' memory. ``oneshot`` reads every message and adds;
``twoshot`` adds one share of all messages, then reads the other shares of the sum. The rates are those of
``allreduce`` (nccl-tests, doc/PERFORMANCE.md): what each GPU must at least take in is 2(n-1)/n of the message. With
``spread`` off all messages lie on one GPU, which plays every part in turn: that proves the kernels, and its rate
says nothing of links.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from benchsuite import units
from benchsuite.model import (
    Arg,
    Array,
    Arrays,
    ArraySpec,
    Axis,
    Benchmark,
    Buffers,
    CacheMode,
    Case,
    CudaKernel,
    Device,
    Expected,
    HostCall,
    Implementation,
    Launch,
    Metric,
    Source,
    Work,
)

MOST = 8
LARGEST = {"fp32": 2**10, "fp16": 2**7, "bf16": 2**4}
"""Inputs are whole numbers below: sums of 8 are below 2**13, 2**10 and 2**7, and exact in 24, 11 and 8 bits."""
VECTOR = 16  # bytes
THREADS, BLOCKS = 256, 3  # of a block; blocks of a processor


def gpus(case: Case) -> range:
    """The GPUs that take part."""
    return range(case.integer("gpus"))


def elements(case: Case) -> int:
    """Elements of the message."""
    return max(1, case.integer("bytes") // units.dtype(case.text("dtype")).bytes)


def _stored(values: Array, dtype: str) -> Array:
    return units.to_bf16(values.astype(np.float32)) if dtype == "bf16" else values.astype(units.dtype(dtype).storage)


def inputs(case: Case, rng: np.random.Generator) -> Arrays:
    """``x0``, ``x1`` … one message a GPU."""
    dtype = case.text("dtype")
    top = LARGEST[dtype]
    return {f"x{g}": _stored(rng.integers(-top, top, elements(case)), dtype) for g in gpus(case)}


def outputs(case: Case) -> Mapping[str, ArraySpec]:
    """``y0``, ``y1`` … the sum, on every GPU."""
    return {f"y{g}": ArraySpec((elements(case),), case.text("dtype")) for g in gpus(case)}


def places(case: Case) -> Mapping[str, str]:
    """With ``spread``, each GPU's buffers on it."""
    names = [f"{kind}{g}" for kind in "xy" for g in gpus(case)]
    return {name: f"device:{name[1:]}" for name in names} if case.flag("spread") else {}


def work(case: Case) -> Work:
    """Per GPU: 2(n-1)/n of the message over the wire, its share of the additions, one message read, the sum written."""
    count, n = elements(case), case.integer("gpus")
    size = float(count * units.dtype(case.text("dtype")).bytes)
    share = (n - 1) / n
    return Work(flops=count * share, read=size, written=size, payload=size, wire=2 * share * size)


def total(case: Case, arrays: Arrays) -> Array:
    """The exact sum, as it is stored."""
    dtype = case.text("dtype")
    terms = [units.as_float(arrays[f"x{g}"], dtype).astype(np.int64) for g in gpus(case)]
    return _stored(np.sum(terms, axis=0), dtype)


def reference(case: Case, ranks: Sequence[Arrays], rng: np.random.Generator) -> Mapping[str, Expected]:
    """The exact sum on every GPU."""
    values = units.as_float(total(case, ranks[0]), case.text("dtype"))
    return {f"y{g}": Expected(values) for g in gpus(case)}


def numpy_sum(buffers: Buffers, case: Case) -> None:
    """The same on the host."""
    value = total(case, buffers)
    for g in gpus(case):
        buffers[f"y{g}"][...] = value


def _around(case: Case, kind: str, first: int) -> tuple[str, ...]:
    """Names of all GPUs' buffers around the ring from ``first``; the kernel takes ``MOST`` and uses the first n."""
    n = case.integer("gpus")
    return tuple(f"{kind}{(first + i) % n}" for i in range(MOST))


def _launch(
    case: Case, device: Device, entry: str, g: int, count: int, rows: int, numbers: tuple[np.generic, ...]
) -> Launch:
    """A launch of GPU ``g`` over ``count`` elements: its own buffers first, the sum into its own."""
    vectors = -(-count * units.dtype(case.text("dtype")).bytes // VECTOR)
    blocks = max(1, min(BLOCKS * device.processors // rows, -(-vectors // THREADS)))
    messages = _around(case, "x" if entry == "reduce" else "y", g)
    args: tuple[Arg, ...] = (*messages, f"y{g}", *numbers, np.int32(case.integer("gpus")))
    return Launch(entry, (blocks, rows, 1), (THREADS, 1, 1), args, device=g if case.flag("spread") else 0)


def oneshot(case: Case, device: Device) -> tuple[Launch, ...]:
    """Every GPU adds everything."""
    whole = (np.int64(0), np.int64(elements(case)))
    return tuple(_launch(case, device, "reduce", g, elements(case), 1, whole) for g in gpus(case))


def twoshot(case: Case, device: Device) -> tuple[Launch, ...]:
    """All GPUs add their shares; then all copy the others'. Shares are whole vectors; the last ones may be empty."""
    length, n = elements(case), case.integer("gpus")
    per_vector = VECTOR // units.dtype(case.text("dtype")).bytes
    share = -(-length // (n * per_vector)) * per_vector
    ends = [(min(g * share, length), min((g + 1) * share, length)) for g in gpus(case)]
    adds = [
        _launch(case, device, "reduce", g, share, 1, (np.int64(first), np.int64(last)))
        for g, (first, last) in enumerate(ends)
    ]
    copies = [
        _launch(case, device, "gather", g, share, n - 1, (np.int64(share), np.int64(length), np.int32(g)))
        for g in gpus(case)
    ]
    return (*adds, *copies)


def source(case: Case, device: Device) -> Source:
    """One compilation an element type."""
    return Source.of("collective/peer.cu", **{f"DTYPE_{case.text('dtype').upper()}": 1})


def devices(case: Case) -> int:
    """GPUs that must be there."""
    return case.integer("gpus") if case.flag("spread") else 1


CUDA = frozenset({"cuda"})
BENCHMARK = Benchmark(
    name="peer-allreduce",
    question="How fast do the GPUs of one process sum a message by reading each other's memory?",
    metric=Metric.BUSBW,
    axes=(
        Axis("bytes", (8, units.MIB), "message each GPU contributes", unit="bytes"),
        Axis("dtype", ("fp32",), choices=("fp32", "bf16", "fp16")),
        Axis("gpus", (2,), "GPUs that take part", choices=(2, 3, 4, 5, 6, 7, 8)),
        Axis("spread", (False,), "each message on a GPU of its own, or all on one", choices=(False, True)),
    ),
    inputs=inputs,
    outputs=outputs,
    work=work,
    reference=reference,
    implementations=(
        Implementation("oneshot", CudaKernel(source, oneshot, devices=devices), CUDA),
        Implementation("twoshot", CudaKernel(source, twoshot, devices=devices), CUDA),
        Implementation("numpy", HostCall(numpy_sum), supports=lambda case: not case.flag("spread")),
    ),
    tags=frozenset({"collective", "gpu"}),
    cache=CacheMode.HOT,
    places=places,
)
