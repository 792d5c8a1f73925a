"""Compile every kernel and look into the machine code: what each needs, what it holds, what is wrong with it."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchsuite.backends.cuda import compiler, cubin, occupancy
from benchsuite.backends.cuda.compiler import Compiled
from benchsuite.errors import MeasureError
from benchsuite.kernels import Use, Variant
from benchsuite.machine import cpu
from benchsuite.model import TYPICAL
from benchsuite.units import size

MOST_THREADS = 1024
MOST_ROWS = 65_535
"""Blocks of a grid in its second and third dimension."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """One entry of one source for one architecture. Memory in bytes.

    threads, dynamic: of the largest launch. static: shared memory beside it. stack: local memory of a thread.
    tensor: instructions of the tensor cores, and others that must do the work, by name with how often they are there.
    feeding: those that bring operands: LDSM, LDGSTS, UTMALDG, UTMASTG, and USETMAXREG.
    blocks: that fit on one multiprocessor at a time. seconds: what compiling the source took.
    """

    benchmarks: tuple[str, ...]
    implementations: tuple[str, ...]
    source: str
    arch: str
    entry: str
    registers: int
    threads: int
    static: int
    dynamic: int
    stack: int
    spills: int
    barriers: int
    tensor: Mapping[str, int]
    feeding: Mapping[str, int]
    blocks: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found of one variant. ``faults`` are sentences; without any the kernel is as it must be."""

    variant: Variant
    kernels: tuple[Kernel, ...] = ()
    faults: tuple[str, ...] = ()


def inspect(variants: Sequence[Variant], watch: Callable[[], None] = lambda: None) -> list[Inspection]:
    """Every variant compiled (or taken from the cache) and examined, as many at a time as there are cores.

    ``watch`` is called after each compilation. Raises ``UnavailableError`` without compiler or disassembler.
    """
    compiler.version()
    cubin.nvdisasm()
    found: list[Compiled | MeasureError] = []
    with ThreadPoolExecutor(cpu.available_cores()) as pool:
        for one in pool.map(_compiled, variants):
            found.append(one)
            watch()
        paths: dict[str, list[Path]] = {}
        for one in found:
            if isinstance(one, Compiled):
                paths.setdefault(one.arch, []).append(one.path)
        counts = ChainMap(*pool.map(cubin.instructions, paths.values(), paths))
    return [
        _examined(variant, one, counts[one.path])
        if isinstance(one, Compiled)
        else Inspection(variant, faults=(f"{one}",))
        for variant, one in zip(variants, found, strict=True)
    ]


def _compiled(variant: Variant) -> Compiled | MeasureError:
    """A source that does not compile is a fault of that variant: the others are looked at too."""
    try:
        return compiler.compile(variant.source, variant.arch)
    except MeasureError as error:
        return error


def _examined(variant: Variant, compiled: Compiled, counts: cubin.Counts) -> Inspection:
    entries = {entry.name: entry for entry in cubin.entries(compiled.path.read_bytes(), compiled.log)}
    kernels, faults = [], list(compiler.warnings(compiled.log))
    for use in variant.uses:
        if use.entry not in entries:
            faults.append(f"There is no kernel {use.entry}; the source has {', '.join(entries) or 'none'}.")
            continue
        kernel = _kernel(variant, use, entries[use.entry], counts.get(use.entry, {}), compiled.seconds)
        kernels.append(kernel)
        faults += _faults(variant, use, entries[use.entry], kernel)
    faults += _tensor_faults(variant, kernels) if kernels else []
    return Inspection(variant, tuple(kernels), tuple(faults))


def _kernel(variant: Variant, use: Use, entry: cubin.Entry, counts: Mapping[str, int], seconds: float) -> Kernel:
    return Kernel(
        benchmarks=variant.benchmarks,
        implementations=variant.implementations,
        source=variant.source.label,
        arch=variant.arch,
        entry=use.entry,
        registers=entry.registers,
        threads=use.threads,
        static=entry.shared,
        dynamic=use.shared,
        stack=entry.stack,
        spills=entry.spills,
        barriers=entry.barriers,
        tensor={name: count for name, count in sorted(counts.items()) if _worth(name, variant)},
        feeding=_summed(counts),
        blocks=occupancy.blocks(variant.arch, use.threads, entry.registers, entry.shared + use.shared),
        seconds=seconds,
    )


def _worth(name: str, variant: Variant) -> bool:
    return cubin.TENSOR.match(name) is not None or any(_is(name, wanted) for wanted in variant.tensor)


def _summed(counts: Mapping[str, int]) -> dict[str, int]:
    """``{"LDSM": 12, "LDGSTS": 4}``: their variants together."""
    found: dict[str, int] = {}
    for name, count in sorted(counts.items()):
        if match := cubin.FEEDING.match(name):
            found[match[1]] = found.get(match[1], 0) + count
    return found


def _faults(variant: Variant, use: Use, entry: cubin.Entry, kernel: Kernel) -> Iterator[str]:
    """What keeps the kernel from being launched, or slows it without anybody having asked for it."""
    for sizes in use.arguments:
        if sizes != entry.parameters:
            yield f"{use.entry} takes parameters of {_list(entry.parameters)} B and is given {_list(sizes)} B."
    if entry.spills > variant.spills:
        yield f"{use.entry} spills {entry.spills} B of registers; {variant.spills} B are accepted."
    elif entry.stack > 0 == variant.spills:
        yield f"{use.entry} keeps {entry.stack} B a thread in local memory: an index the compiler does not know."
    most = entry.threads or MOST_THREADS
    if use.threads > most:
        yield f"{use.entry} is launched with {use.threads} threads and compiled for {most}."
    needed = entry.shared + use.shared
    if needed > TYPICAL[variant.arch].shared:
        yield f"{use.entry} needs {size(needed)} of shared memory; a block has {size(TYPICAL[variant.arch].shared)}."
    elif kernel.blocks == 0:
        yield f"{use.entry} cannot be launched: {use.threads} threads with {entry.registers} registers each."
    if max(use.grid[1:]) > MOST_ROWS:
        yield f"{use.entry} is launched over {use.grid} blocks; the second and third number end at {MOST_ROWS}."


def _tensor_faults(variant: Variant, kernels: Sequence[Kernel]) -> Iterator[str]:
    """The instruction meant must be there, and no other: one that the chip lacks is made of others without a word."""
    present = dict.fromkeys(name for kernel in kernels for name in kernel.tensor)
    told = f"there is {', '.join(present) or 'no tensor instruction'}"
    for wanted in variant.tensor:
        if not any(_is(name, wanted) for name in present):
            yield f"{wanted} is missing: {told}."
    for name in present:
        if not any(_is(name, wanted) for wanted in variant.tensor):
            yield f"{name} was not asked for: {' and '.join(variant.tensor) or 'no tensor instruction'} was."


def _is(name: str, wanted: str) -> bool:
    """``DMMA`` is any instruction of that name, ``FFMA`` also FFMA2 (two at once); with a shape or type it is exact."""
    return name == wanted or name.partition(".")[0] in {wanted, f"{wanted}2"}


def _list(sizes: Sequence[int]) -> str:
    return ", ".join(map(str, sizes)) or "no"
