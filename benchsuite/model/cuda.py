"""How a case runs on a GPU, as data: the source it is compiled from and the launches of one iteration.

A benchmark file states this with pure functions of the case and the device; ``backends/cuda``
compiles, launches and times. The same launches run on the CPU in the tests (``tests/cuda_host``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from benchsuite.model.benchmark import ArraySpec, Case

ARCHITECTURES = ("sm_80", "sm_86", "sm_89", "sm_90a", "sm_100a", "sm_120a")
"""What every kernel is compiled for; ``a`` opens the instructions of exactly that chip."""


def generation(arch: str) -> int:
    """An architecture's number: 80 for ``sm_80``, 120 for ``sm_120a`` and ``compute_120``."""
    return int(arch.rpartition("_")[2].rstrip("af"))


def family(target: str) -> str:
    """The one of ``ARCHITECTURES`` whose choices (tiles, stages, instructions) fit what is compiled for ``target``.

    A chip's own cubin takes the nearest older one of its major number: ``sm_87`` computes as ``sm_86``,
    ``sm_103a`` as ``sm_100a``. PTX for a chip that came later, and a major number not listed here, take the
    oldest: what Ampere has, every later chip has.
    """
    wanted = generation(target)
    alike = [arch for arch in ARCHITECTURES if generation(arch) // 10 == wanted // 10 and generation(arch) <= wanted]
    return alike[-1] if alike and target.startswith("sm_") else ARCHITECTURES[0]


DEVICE, PINNED, PAGEABLE = "device", "pinned", "pageable"
"""Where a buffer lies: this device's memory, page-locked or ordinary host memory; ``"device:1"`` is a peer's."""


Cut = tuple[tuple[str, int], ...]
"""How a kernel is cut for a case: names and numbers (``(("columns", 256), ("stages", 4))``), sorted by name."""


def cut(**numbers: int) -> Cut:
    """The cut of these numbers, in canonical order."""
    return tuple(sorted(numbers.items()))


@dataclass(frozen=True, slots=True)
class Choice:
    """What measuring chose (``scripts/tune``): ``cut`` for the cases of one ``kind`` on one device.

    kernel, kind: as ``Tunable`` names them. origin: when and with what it was measured, for a person.
    """

    kernel: str
    kind: str
    cut: Cut
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Device:
    """What a launch is sized by. Memory sizes in bytes.

    arch: whose choices fit it, one of ``ARCHITECTURES`` (see ``family``); what is compiled follows from
    ``capability``, which is exact.
    processors: streaming multiprocessors. shared: shared memory that one block may opt in to.
    l2: second-level cache. index: its place among the visible devices; count: how many there are.
    choices: cuts that were measured on this model and are still valid (``benchsuite.tuned``).
    """

    name: str
    arch: str
    processors: int
    shared: int
    l2: int
    memory: int
    capability: tuple[int, int] = (0, 0)
    index: int = 0
    count: int = 1
    choices: tuple[Choice, ...] = ()

    def chosen(self, kernel: str, kind: str, cuts: Iterable[Cut]) -> Cut | None:
        """The measured cut of this kernel and kind of cases; ``None`` without one, or where it is none of ``cuts``."""
        known = next((one.cut for one in self.choices if (one.kernel, one.kind) == (kernel, kind)), None)
        return known if known in tuple(cuts) else None

    @property
    def generation(self) -> int:
        """The architecture's number: 80 for ``sm_80``, 120 for ``sm_120a``."""
        return generation(self.arch)


_KIB, _MIB, _GIB = 1024, 1024**2, 1024**3
TYPICAL: Mapping[str, Device] = {
    device.arch: device
    for device in (
        Device("A100 SXM 80GB", "sm_80", 108, 163 * _KIB, 40 * _MIB, 80 * _GIB, (8, 0)),
        Device("RTX A6000", "sm_86", 84, 99 * _KIB, 6 * _MIB, 48 * _GIB, (8, 6)),
        Device("RTX 4090", "sm_89", 128, 99 * _KIB, 72 * _MIB, 24 * _GIB, (8, 9)),
        Device("H200 SXM", "sm_90a", 132, 227 * _KIB, 50 * _MIB, 141 * _GIB, (9, 0)),
        Device("B200", "sm_100a", 148, 227 * _KIB, 126 * _MIB, 180 * _GIB, (10, 0)),
        Device("RTX 5090", "sm_120a", 170, 99 * _KIB, 96 * _MIB, 32 * _GIB, (12, 0)),
    )
}
"""One card of each architecture: what kernels are compiled and listed for where there is no GPU."""


@dataclass(frozen=True, slots=True)
class Source:
    """One compilation: a file below ``kernels/`` (or an absolute path) and the macros that make it this variant."""

    path: str
    defines: tuple[tuple[str, int | str], ...] = ()

    @classmethod
    def of(cls, path: str, **defines: int | str) -> Source:
        """The source with these macros, in canonical order."""
        return cls(path, tuple(sorted(defines.items())))

    @property
    def label(self) -> str:
        """``"gemm/mma.cu BM=128 DTYPE=bf16"``; of an absolute path only the name, so that it may be published."""
        path = PurePath(self.path)
        shown = path.name if path.is_absolute() else self.path
        return " ".join([shown, *(f"{name}={value}" for name, value in self.defines)])


@dataclass(frozen=True, slots=True)
class TensorMap:
    """A by-value 128-byte tensor map over a buffer, for the copy engine of sm_90 and later.

    Sizes in elements, innermost dimension first; ``swizzle`` in bytes (0, 32, 64 or 128).
    """

    buffer: str
    dtype: str
    shape: tuple[int, ...]
    box: tuple[int, ...]
    swizzle: int = 128


Arg = str | np.generic | TensorMap
"""A kernel's argument: a buffer by name (its address), a NumPy scalar of the parameter's exact type, a tensor map."""


@dataclass(frozen=True, slots=True)
class Launch:
    """One launch of ``entry``. ``shared``: bytes of dynamic shared memory; ``device``: which device launches."""

    entry: str
    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    args: tuple[Arg, ...]
    shared: int = 0
    device: int = 0


@dataclass(frozen=True, slots=True)
class Tunable:
    """What of a kernel may be chosen by measuring.

    kernel: the file that is cut, below ``kernels/``, or ``"module:function"`` of the host backend.
    kind(case): the class of cases that share a choice ("bf16 nt m=8192 n=8192 k=8192").
    cuts(case, device): the candidates; the first is what arithmetic chooses.
    """

    kernel: str
    kind: Callable[[Case], str]
    cuts: Callable[[Case, Device], tuple[Cut, ...]]


def _no_scratch(case: Case, device: Device) -> Mapping[str, ArraySpec]:
    return {}


@dataclass(frozen=True, slots=True)
class CudaKernel:
    """One of our kernels.

    source(case, device)    what is compiled
    launches(case, device)  one iteration: launches in stream order
    scratch(case, device)   further buffers, allocated once and poisoned, addressed by name in ``args``
    zeroed                  names of scratch buffers that start as zeros (flags, counters)
    archs                   architectures it may run on
    refuses(case, device)   why a chip of these cannot run the case all the same ("has no ..."), or ""
    tensor(case)            the SASS instruction that must do the work ("HMMA.16816.F32.BF16"), or ""
    devices(case)           how many GPUs it needs
    graph                   one iteration is a captured graph of all launches, replayed
    gated                   the batch waits on the device until it is enqueued, so launch cost stays outside
    spills                  bytes of register spills that are accepted, with the reason beside it
    tunable                 what of its cut may be chosen by measuring
    """

    source: Callable[[Case, Device], Source]
    launches: Callable[[Case, Device], tuple[Launch, ...]]
    scratch: Callable[[Case, Device], Mapping[str, ArraySpec]] = _no_scratch
    zeroed: frozenset[str] = frozenset()
    archs: frozenset[str] = frozenset(ARCHITECTURES)
    tensor: Callable[[Case], str] = lambda case: ""
    devices: Callable[[Case], int] = lambda case: 1
    graph: bool = False
    gated: bool = True
    spills: int = 0
    tunable: Tunable | None = None
    refuses: Callable[[Case, Device], str] = lambda case, device: ""

    def lacks(self, case: Case, device: Device) -> str:
        """Why this kernel cannot run the case on this device, as a phrase, or nothing."""
        if device.arch not in self.archs:
            return f"is written for {' or '.join(sorted(self.archs))}, and {device.name} computes as {device.arch}"
        if reason := self.refuses(case, device):
            return reason
        if device.count < self.devices(case):
            return f"needs {self.devices(case)} GPUs, and {device.count} can be seen"
        wanted = max((launch.shared for launch in self.launches(case, device)), default=0)
        if wanted > device.shared:
            return f"needs {wanted} B of shared memory a block, and {device.name} has {device.shared} B"
        return ""


@dataclass(frozen=True, slots=True)
class CudaLibrary:
    """A vendor's implementation: ``"module:function"`` below ``backends/cuda``.

    The function is called once, untimed: ``function(buffers, case, runtime) -> step``; the step
    enqueues one iteration on the current stream.
    """

    entry: str
    gated: bool = True
