"""What heats a device: a matrix product, a power virus, memory traffic; each as benchmarks that check themselves.

A load names several tasks, the one that heats most first: the worker takes the first that can run and repeats its
result bit by bit. The sizes follow from what the backend says of itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchsuite import units
from benchsuite.backends.base import Description
from benchsuite.errors import UsageError
from benchsuite.model import Benchmark, Case, Task
from benchsuite.protocol import Load

NAMES = ("gemm", "power", "memory")
"""A verified matrix product; arithmetic on registers alone; writing and reading memory, on a GPU nearly all of it."""
SMALL = 4 * units.GIB
"""Bytes of a GPU's memory below which its loads are small ones: a slice of a card, or none."""
SPARED, SPARED_PART = 1.5 * units.GIB, 0.05
"""Of a GPU's free memory that the memory load leaves: for the other loads, contexts and libraries."""
CACHES = 8
"""Last-level caches that a host's memory load is as large as, within an eighth of the free memory and ``MOST``."""
MOST = 2 * units.GIB


def parsed(words: str) -> tuple[str, ...]:
    """Names of loads from ``"memory,gemm"``, in the order of ``NAMES``: memory takes what the others leave.

    Raises ``UsageError``.
    """
    names = [word.strip() for word in words.split(",") if word.strip()]
    unknown = [name for name in names if name not in NAMES]
    if unknown or not names:
        problem = f"There is no load called {unknown[0]!r}." if unknown else "No load is named."
        raise UsageError(problem, f"Choose among {', '.join(NAMES)}.")
    return tuple(name for name in NAMES if name in names)


def chosen(names: Sequence[str], found: Description, benchmarks: Mapping[str, Benchmark]) -> tuple[Load, ...]:
    """The loads of these names for the device that was found; one without tasks cannot be put on it."""
    kinds = {"gemm": _gemm(found), "power": _power(found), "memory": _memory(found)}
    return tuple(Load(name, tuple(task for task in kinds[name] if _runs(task, found, benchmarks))) for name in names)


def _runs(task: Task, found: Description, benchmarks: Mapping[str, Benchmark]) -> bool:
    """Whether the backend offers what the implementation requires, and it supports the case."""
    benchmark = benchmarks.get(task.case.benchmark)
    if benchmark is None or benchmark.invalid(task.case):
        return False
    item = next((one for one in benchmark.implementations if one.name == task.implementation), None)
    return item is not None and item.requires <= found.capabilities and item.supports(task.case)


def _tasks(case: Case, *implementations: str) -> tuple[Task, ...]:
    return tuple(Task(case, name) for name in implementations)


def _large(found: Description) -> bool:
    return found.device is not None and found.device.memory >= SMALL


def _gemm(found: Description) -> tuple[Task, ...]:
    """N(0, 1) data, which toggles most wires: 8192³ in bf16 on a GPU, 2048³ in fp32 on a processor."""
    if found.device is not None:
        side, dtype = (8192 if _large(found) else 256), "bf16"
    else:
        side, dtype = (2048 if found.cache >= units.MIB else 64), "fp32"
    case = Case.of("gemm", m=side, n=side, k=side, dtype=dtype, layout="nt", data="normal")
    return _tasks(case, "cublaslt", "mma", "numpy")


def _power(found: Description) -> tuple[Task, ...]:
    """Multiply-adds on registers: of tensor cores (some 1 ms of them), of a processor's vector units."""
    flops = 2**39 if _large(found) else 2**22
    tensor = Case.of("peak", flops=flops, dtype="bf16")
    return (
        *_tasks(tensor, "mma.sync"),
        *_tasks(Case.of("fma", dtype="fp32"), "registers"),
        *_tasks(Case.of("peak", flops=2**20, dtype="fp64"), "numpy"),
    )


def _memory(found: Description) -> tuple[Task, ...]:
    """A GPU's whole free memory, each line of it checked where it is; a processor's far beyond its caches.

    Of a scripted processor, whose cache is none, a little: there is nothing to be heated.
    """
    if found.device is not None:
        spared = max(SPARED, SPARED_PART * found.memory)
        room = found.memory - spared if _large(found) and found.memory > 2 * spared else found.memory / 8
        return _tasks(Case.of("fill", bytes=int(room) // units.MIB * units.MIB), "hash")
    if found.cache < units.MIB:
        return _tasks(Case.of("fill", bytes=64 * units.KIB), "numpy")
    size = min(CACHES * found.cache, found.memory // 8, MOST)
    case = Case.of("memory", op="triad", bytes=size // units.KIB * units.KIB)
    return _tasks(case, "stream-nt", "stream", "numpy")
