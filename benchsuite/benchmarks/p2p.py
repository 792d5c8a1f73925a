"""How fast does data move from one GPU's memory to another's?

``source`` and ``target`` are numbers of visible devices: the pair matrix of a machine is the list of its
pairs (``suites/gpu-p2p.toml``). In one direction (``uni``) the target's processors pull (``read``), the
source's push (``write``), or a copy engine moves the data (``memcpy``); in both at once (``bi``) the source's
processors push and pull in one launch (``duplex``), or two copies run side by side. Bytes are what
crosses the link, both directions added.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from benchsuite import units
from benchsuite.model import (
    Arg,
    Arrays,
    ArraySpec,
    Axis,
    Benchmark,
    Buffers,
    CacheMode,
    Case,
    CudaKernel,
    CudaLibrary,
    Device,
    Expected,
    HostCall,
    Implementation,
    Launch,
    Metric,
    Source,
    Work,
)

FORTH, BACK = ("at_target", "from_source"), ("at_source", "from_target")
"""Destination and source of each copy."""
THREADS, RESIDENT = 256, 2
TILE_BYTES = THREADS * 8 * 16
"""Of ``kernels/memory/transfer.cu``: threads of a block, blocks of a processor, bytes a block has under way."""


def both(case: Case) -> bool:
    """Whether data moves in both directions."""
    return case.text("direction") == "bi"


def ways(case: Case) -> tuple[tuple[str, str], ...]:
    """The case's copies."""
    return (FORTH, BACK) if both(case) else (FORTH,)


def inputs(case: Case, rng: np.random.Generator) -> Arrays:
    """What is copied: random bytes."""
    return {source: np.frombuffer(rng.bytes(case.integer("bytes")), np.uint8) for _, source in ways(case)}


def outputs(case: Case) -> Mapping[str, ArraySpec]:
    """The copies."""
    return {destination: ArraySpec((case.integer("bytes"),), "uint8") for destination, _ in ways(case)}


def places(case: Case) -> Mapping[str, str]:
    """Each end in its own device's memory."""
    source, target = f"device:{case.integer('source')}", f"device:{case.integer('target')}"
    return {"from_source": source, "at_source": source, "from_target": target, "at_target": target}


def work(case: Case) -> Work:
    """Every byte once over the link."""
    return Work(payload=float(case.integer("bytes")), wire=float(case.integer("bytes") * len(ways(case))))


def reference(case: Case, ranks: Sequence[Arrays], rng: np.random.Generator) -> Mapping[str, Expected]:
    """Every byte."""
    return {destination: Expected(ranks[0][source]) for destination, source in ways(case)}


def tiny(case: Case) -> bool:
    """A copy within the host's memory says nothing of a link, so that only the smallest is offered."""
    return case.integer("bytes") <= 64 * units.KIB


def by_numpy(buffers: Buffers, case: Case) -> None:
    """Within the host's memory: the benchmark can be tried without a GPU, and no more (``tiny``)."""
    for destination, source in ways(case):
        np.copyto(buffers[destination], buffers[source])


def devices(case: Case) -> int:
    """So many GPUs that both are among them."""
    return 1 + max(case.integer("source"), case.integer("target"))


def invalid(case: Case) -> str:
    """Two different devices, and something to copy."""
    source, target = case.integer("source"), case.integer("target")
    if source == target:
        return "source and target are the same GPU; the benchmark memory measures its copies"
    return "" if case.integer("bytes") > 0 else "there is nothing to copy"


def _kernel(launcher: str) -> CudaKernel:
    """Launched on the device that the axis ``launcher`` names."""

    def launches(case: Case, device: Device) -> tuple[Launch, ...]:
        count = case.integer("bytes")
        blocks = max(1, min(RESIDENT * device.processors // len(ways(case)), -(-count // TILE_BYTES)))
        entry, grid = "transfer_both" if both(case) else "transfer_one", (blocks * len(ways(case)), 1, 1)
        args: tuple[Arg, ...] = (*(name for way in ways(case) for name in way), np.uint64(count))
        return (Launch(entry, grid, (THREADS, 1, 1), args, device=case.integer(launcher)),)

    return CudaKernel(source=lambda case, device: Source.of("memory/transfer.cu"), launches=launches, devices=devices)


NUMBERS = tuple(range(16))
PEERS = frozenset({"cuda", "peers"})

BENCHMARK = Benchmark(
    name="p2p",
    question="How fast does data move from one GPU's memory to another's?",
    metric=Metric.BUSBW,
    axes=(
        Axis("source", (0,), "number of the GPU that has the data", choices=NUMBERS),
        Axis("target", (1,), "number of the GPU that gets them", choices=NUMBERS),
        Axis("direction", ("uni",), "one way, or both ways at once", choices=("uni", "bi")),
        Axis("bytes", (4 * units.KIB, 256 * units.MIB), "in each direction", unit="bytes"),
    ),
    inputs=inputs,
    outputs=outputs,
    work=work,
    reference=reference,
    implementations=(
        Implementation("read", _kernel("target"), PEERS, supports=lambda case: not both(case)),
        Implementation("write", _kernel("source"), PEERS, supports=lambda case: not both(case)),
        Implementation("duplex", _kernel("source"), PEERS, supports=both),
        Implementation("memcpy", CudaLibrary("memcpy:p2p"), PEERS, provider="driver"),
        Implementation("numpy", HostCall(by_numpy), provider="numpy", supports=tiny),
    ),
    tags=frozenset({"transfer", "peers", "gpu"}),
    cache=CacheMode.HOT,
    invalid=invalid,
    places=places,
)
