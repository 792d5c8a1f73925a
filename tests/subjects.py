"""What conformance tests run: each benchmark's smallest cases, and what their outputs must be."""

from __future__ import annotations

import zlib

from benchsuite import discovery
from benchsuite.measure.task import RankInputs, generator
from benchsuite.model import ARCHITECTURES, TYPICAL, Benchmark, Case, CudaKernel, Expected, Implementation, Source

RANKS = 3
BENCHMARKS = discovery.discover()


def smallest(subject: Benchmark, **changes: object) -> Case:
    """The first value of every axis."""
    params = {axis.name: axis.values[0] for axis in subject.axes}
    return Case.of(subject.name, RANKS if subject.collective else 1, **{**params, **changes})  # type: ignore[arg-type]


def cases(subject: Benchmark) -> list[Case]:
    """The smallest case, and it again with each choice of each closed axis."""
    choices = [(axis, value) for axis in subject.axes for value in axis.choices]
    found = [smallest(subject), *(smallest(subject, **{axis.name: value}) for axis, value in choices)]
    return [case for case in dict.fromkeys(found) if not subject.invalid(case)]


def expected(subject: Benchmark, case: Case, seed: int = 1, rank: int = 0) -> dict[str, Expected]:
    """What the outputs of this case must be on a rank."""
    ranks = RankInputs(subject, case, seed, rank=rank)
    return dict(subject.reference(case, ranks, generator(case, seed, case.ranks)))


def on_gpu(implementation: Implementation) -> bool:
    """Whether the implementation belongs to the CUDA backend."""
    return "cuda" in implementation.requires


def kernels() -> list[tuple[Benchmark, Implementation, Case]]:
    """Every one of our CUDA kernels on every smallest case that it supports; at least one case each.

    A kernel that supports none of the smallest cases gets the first combination of two choices that it does.
    """
    found = []
    for subject in BENCHMARKS.values():
        for item in subject.implementations:
            if isinstance(item.op, CudaKernel):
                found += [(subject, item, case) for case in _supported(subject, item)]
    return found


def arch_for(item: Implementation, case: Case) -> str:
    """The architecture on which a case is tried: one of those that the kernel claims, another for another case."""
    assert isinstance(item.op, CudaKernel)
    claimed = [arch for arch in ARCHITECTURES if arch in item.op.archs]
    return claimed[zlib.crc32(f"{case.key} {item.name}".encode()) % len(claimed)]


def one_of_each_source() -> list[tuple[Benchmark, Implementation, Case]]:
    """Of all kernels and cases, the first that each compilation serves."""
    first: dict[Source, tuple[Benchmark, Implementation, Case]] = {}
    for one in kernels():
        op = one[1].op
        assert isinstance(op, CudaKernel)
        first.setdefault(op.source(one[2], TYPICAL[arch_for(*one[1:])]), one)
    return list(first.values())


def _supported(subject: Benchmark, item: Implementation) -> list[Case]:
    some = [case for case in cases(subject) if item.supports(case)]
    if some:
        return some
    choices = [(axis.name, value) for axis in subject.axes for value in axis.choices]
    pairs = (smallest(subject, **{one[0]: one[1], two[0]: two[1]}) for one in choices for two in choices)
    return [case for case in dict.fromkeys(pairs) if not subject.invalid(case) and item.supports(case)][:4]
