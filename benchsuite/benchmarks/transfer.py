"""How fast does data move between host memory and a GPU?

To the GPU (``h2d``), from it (``d2h``), and both at once, between device memory and host memory that is
page-locked (``pinned``: the GPU reaches it by itself) or ordinary (``pageable``: the driver copies
through a pinned buffer of its own, in which the host's processor takes part).

``memcpy`` is the driver's copy engine, ``kernel`` our processors reading and writing the host's memory over
the link. Bytes are what crosses the link, both directions added.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from benchsuite import units
from benchsuite.model import (
    PAGEABLE,
    PINNED,
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

WAYS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "h2d": (("on_device", "from_host"),),
    "d2h": (("on_host", "from_device"),),
    "both": (("on_device", "from_host"), ("on_host", "from_device")),
}
"""Destination and source of each copy."""
ON_HOST = frozenset({"from_host", "on_host"})
THREADS, RESIDENT = 256, 2
TILE_BYTES = THREADS * 8 * 16
"""Of ``kernels/memory/transfer.cu``: threads of a block, blocks of a processor, bytes a block has under way."""


def ways(case: Case) -> tuple[tuple[str, str], ...]:
    """The case's copies."""
    return WAYS[case.text("direction")]


def inputs(case: Case, rng: np.random.Generator) -> Arrays:
    """Random bytes: ``from_host``, ``from_device`` or both."""
    return {source: np.frombuffer(rng.bytes(case.integer("bytes")), np.uint8) for _, source in ways(case)}


def outputs(case: Case) -> Mapping[str, ArraySpec]:
    """The copies: ``on_device``, ``on_host`` or both."""
    return {destination: ArraySpec((case.integer("bytes"),), "uint8") for destination, _ in ways(case)}


def places(case: Case) -> Mapping[str, str]:
    """The host's ends of the copies."""
    return dict.fromkeys(ON_HOST, case.text("host"))


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


def launches(case: Case, device: Device) -> tuple[Launch, ...]:
    """One launch; both directions share it, block by block."""
    count, both = case.integer("bytes"), len(ways(case)) == 2
    blocks = max(1, min(RESIDENT * device.processors // len(ways(case)), -(-count // TILE_BYTES)))
    names = [name for way in ways(case) for name in way]
    grid = (blocks * len(ways(case)), 1, 1)
    return (Launch("transfer_both" if both else "transfer_one", grid, (THREADS, 1, 1), (*names, np.uint64(count))),)


def invalid(case: Case) -> str:
    """Something must be copied."""
    return "" if case.integer("bytes") > 0 else "there is nothing to copy"


def pinned(case: Case) -> bool:
    """Memory that the GPU reaches by itself."""
    return case.text("host") == PINNED


KERNEL = CudaKernel(source=lambda case, device: Source.of("memory/transfer.cu"), launches=launches)

BENCHMARK = Benchmark(
    name="transfer",
    question="How fast does data move between host memory and a GPU?",
    metric=Metric.BUSBW,
    axes=(
        Axis("direction", ("h2d",), "to the device, from it, or both at once", choices=tuple(WAYS)),
        Axis("host", (PINNED,), "the host's memory", choices=(PINNED, PAGEABLE)),
        Axis("bytes", (4 * units.KIB, 256 * units.MIB), "in each direction", unit="bytes"),
    ),
    inputs=inputs,
    outputs=outputs,
    work=work,
    reference=reference,
    implementations=(
        Implementation("kernel", KERNEL, frozenset({"cuda"}), supports=pinned),
        Implementation(
            "memcpy", CudaLibrary("memcpy:transfer"), frozenset({"cuda"}), provider="driver", supports=pinned
        ),
        # A copy of pageable memory may keep the host until the device has done it: behind a gate, for ever.
        Implementation(
            "memcpy-pageable",
            CudaLibrary("memcpy:transfer", gated=False),
            frozenset({"cuda"}),
            provider="driver",
            supports=lambda case: not pinned(case),
        ),
        Implementation("numpy", HostCall(by_numpy), provider="numpy", supports=tiny),
    ),
    tags=frozenset({"transfer", "gpu"}),
    cache=CacheMode.HOT,
    invalid=invalid,
    places=places,
)
