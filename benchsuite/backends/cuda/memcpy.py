"""The driver's own copies: ``cudaMemcpyAsync``, as an implementation of ``memory``, ``transfer`` and ``p2p``."""

from __future__ import annotations

from benchsuite.backends.cuda.runtime import Runtime
from benchsuite.errors import UnavailableError
from benchsuite.model import Buffers, Case, Step


def within(buffers: Buffers, case: Case, runtime: Runtime) -> Step:
    """In the device's memory."""
    return runtime.copy(buffers["a"], buffers["b"])


def transfer(buffers: Buffers, case: Case, runtime: Runtime) -> Step:
    """Between host and device, one way or both at the same time."""
    copies = [
        runtime.copy(buffers[to], buffers[start])
        for to, start in (("on_device", "from_host"), ("on_host", "from_device"))
        if start in buffers
    ]
    return copies[0] if len(copies) == 1 else runtime.together(copies)


def p2p(buffers: Buffers, case: Case, runtime: Runtime) -> Step:
    """Between two devices, one way or both at the same time."""
    needed, seen = 1 + max(case.integer("source"), case.integer("target")), runtime.device().count
    if seen < needed:
        raise UnavailableError(f"It needs {needed} GPUs, and {seen} can be seen.")
    copies = [
        runtime.copy(buffers[to], buffers[start])
        for to, start in (("at_target", "from_source"), ("at_source", "from_target"))
        if start in buffers
    ]
    return copies[0] if len(copies) == 1 else runtime.together(copies)
