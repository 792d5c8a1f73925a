"""Runs one implementation of a benchmark on host buffers and judges the result by its reference."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

import numpy as np

from benchsuite import units
from benchsuite.measure.verify import check
from benchsuite.model import Array, Arrays, Benchmark, Buffers, Case, HostCall, HostKernel, Rejected, Step


def aligned(shape: tuple[int, ...], storage: str) -> Array:
    """An array that starts on a 64-byte line, as the host backend makes them, and holds garbage."""
    dtype = np.dtype(storage)
    raw = np.full(int(np.prod(shape)) * dtype.itemsize + 64, 0xA5, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : raw.size - 64 + start].view(dtype).reshape(shape)


def prepare(benchmark: Benchmark, case: Case, seed: int = 0) -> tuple[Arrays, Buffers]:
    """The case's inputs, and aligned buffers that hold copies of them and poisoned outputs."""
    inputs = benchmark.inputs(case, np.random.default_rng(seed))
    buffers = {name: aligned(array.shape, str(array.dtype)) for name, array in inputs.items()}
    for name, array in inputs.items():
        buffers[name][...] = array
    for name, spec in benchmark.outputs(case).items():
        buffers[name] = aligned(spec.shape, units.dtype(spec.dtype).storage)
        if buffers[name].dtype.kind == "f":
            buffers[name].fill(np.nan)
    return inputs, buffers


def bind(benchmark: Benchmark, name: str, buffers: Buffers, case: Case, threads: int = 2) -> Step:
    """The step of the implementation called ``name``."""
    op = next(item.op for item in benchmark.implementations if item.name == name)
    if isinstance(op, HostCall):
        return lambda: op.function(buffers, case)
    assert isinstance(op, HostKernel)
    module, function = op.entry.split(":")
    kernel: Callable[[Buffers, Case, int], Step] = getattr(
        import_module(f"benchsuite.backends.host.{module}"), function
    )
    return kernel(buffers, case, threads)


def judge(benchmark: Benchmark, case: Case, inputs: Arrays, buffers: Buffers) -> float | Rejected:
    """The largest error of the outputs, or why they are wrong."""
    expected = benchmark.reference(case, [inputs], np.random.default_rng(99))
    return check(buffers, expected, benchmark.outputs(case), benchmark.tolerance(case))


def run(benchmark: Benchmark, name: str, case: Case, threads: int = 2) -> float | Rejected:
    """Two iterations of an implementation, then the verdict."""
    inputs, buffers = prepare(benchmark, case)
    step = bind(benchmark, name, buffers, case, threads)
    step()
    step()
    return judge(benchmark, case, inputs, buffers)
