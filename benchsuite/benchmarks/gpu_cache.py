"""How fast do a GPU's processors read their caches and their shared memory?

The set is read whole ``passes`` times. From the second-level cache (``l2``) every processor reads
every part of it in turn, past the first; from the first (``l1``) and from shared memory (``shared``) each
processor reads its own share again and again: ``bytes`` is the whole set, of which a processor
has ``bytes / processors``. Where a share outgrows its level, the rate falls to that of the next.

The result is the sum of all 32-bit words over all passes modulo 2**32: a word left out or read twice in
any pass changes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from benchsuite import units
from benchsuite.model import (
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

VECTOR_BYTES = 16
PASSES = 509
"""So many that the first one, which has to fetch the set, is 0.2 % of the iteration; odd, so that it hides no word."""
THREADS = {"l2": 256, "l1": 1024, "shared": 1024}
BLOCKS = {"l2": 3, "l1": 1, "shared": 1}
"""Of ``kernels/memory/cache.cu``: threads of a block, blocks of a processor."""
LOADS_UNDER_WAY = 8


def vectors(case: Case) -> int:
    """Whole 16-byte vectors of the set."""
    return case.integer("bytes") // VECTOR_BYTES


def inputs(case: Case, rng: np.random.Generator) -> Arrays:
    """Random words."""
    return {"x": rng.integers(0, 2**32, vectors(case) * 4, dtype=np.uint32)}


def outputs(case: Case) -> Mapping[str, ArraySpec]:
    """The sum of all words over all passes."""
    return {"total": ArraySpec((1,), "uint32")}


def work(case: Case) -> Work:
    """The set once per pass."""
    return Work(read=float(VECTOR_BYTES * vectors(case) * case.integer("passes")))


def reference(case: Case, ranks: Sequence[Arrays], rng: np.random.Generator) -> Mapping[str, Expected]:
    """One sum in 64-bit integers, times the passes."""
    total = int(ranks[0]["x"].sum(dtype=np.uint64)) * case.integer("passes")
    return {"total": Expected(np.array([total % 2**32], np.uint32))}


def by_numpy(buffers: Buffers, case: Case) -> None:
    """One thread of the host, whatever cache the set fits."""
    total = 0
    for _ in range(case.integer("passes")):
        total += int(np.add.reduce(buffers["x"], dtype=np.uint32))
    buffers["total"][0] = total % 2**32


def share(case: Case, device: Device) -> tuple[int, int]:
    """Blocks, and the vectors of each one's tile (whole 64-byte lines): equal tiles, equally many for each block."""
    level = case.text("level")
    resident = device.processors * BLOCKS[level]
    turns = -(-vectors(case) // (resident * THREADS[level] * LOADS_UNDER_WAY)) if level == "l2" else 1
    tile = -(-vectors(case) // (4 * resident * turns)) * 4
    return min(resident, -(-vectors(case) // tile)), tile


def launches(case: Case, device: Device) -> tuple[Launch, ...]:
    """One launch: all passes."""
    level, (blocks, tile) = case.text("level"), share(case, device)
    sizes = (np.uint32(vectors(case)), np.uint32(tile), np.uint32(case.integer("passes")))
    dynamic = tile * VECTOR_BYTES if level == "shared" else 0
    args = ("x", *sizes, "running", "arrived", "total")
    return (Launch(f"cache_{level}", (blocks, 1, 1), (THREADS[level], 1, 1), args, shared=dynamic),)


def scratch(case: Case, device: Device) -> Mapping[str, ArraySpec]:
    """The sum so far, and how many blocks have added to it; the last leaves both zero again."""
    return {"running": ArraySpec((1,), "uint32"), "arrived": ArraySpec((1,), "uint32")}


def invalid(case: Case) -> str:
    """A set of at least one vector, read at least once, numbered in 32 bits."""
    if not VECTOR_BYTES <= case.integer("bytes") < 2**32:
        return "the set must be of 16 bytes at least and less than 4 GiB"
    return "" if case.integer("passes") > 0 else "the set must be read once at least"


KERNEL = CudaKernel(
    source=lambda case, device: Source.of("memory/cache.cu"),
    launches=launches,
    scratch=scratch,
    zeroed=frozenset({"running", "arrived"}),
)

BENCHMARK = Benchmark(
    name="cache",
    question="How fast do a GPU's processors read their caches and their shared memory?",
    metric=Metric.BANDWIDTH,
    axes=(
        Axis("level", ("l2",), "cache or memory that is read", choices=("l2", "l1", "shared")),
        Axis("bytes", (64 * units.KIB, 8 * units.MIB), "the whole set, of all processors", unit="bytes"),
        Axis("passes", (PASSES,), "times the set is read in one iteration"),
    ),
    inputs=inputs,
    outputs=outputs,
    work=work,
    reference=reference,
    implementations=(
        Implementation("passes", KERNEL, frozenset({"cuda"})),
        Implementation("numpy", HostCall(by_numpy), provider="numpy"),
    ),
    tags=frozenset({"memory", "cache", "gpu"}),
    cache=CacheMode.HOT,
    invalid=invalid,
)
