"""The table of `benchsuite list --kernels`: what every kernel needs and holds, by architecture."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchsuite import units
from benchsuite.inspection import Inspection, Kernel
from benchsuite.render.words import clean, counted

LEGEND = (
    "registers: of a thread. shared: static and dynamic, of a block. spills: bytes stored and loaded again. "
    "blocks: of the largest launch, that fit on one multiprocessor at a time."
)


COLUMNS = {"": 9, "registers": 9, "threads": 7, "shared": 9, "spills": 6, "blocks": 6, "compiled": 8}
"""Titles and the least width of each, so that the tables of all kernels stand below one head."""


def table(found: Sequence[Inspection], console: Console) -> None:
    """Kernels with their architectures below them, then what is wrong, then a count."""
    kernels = [kernel for one in found for kernel in one.kernels]
    kernels.sort(key=lambda kernel: (kernel.source, kernel.entry))  # stable: architectures stay in order
    if kernels:
        console.print(_grid(head=True))
    for (source, entry), group in groupby(kernels, lambda kernel: (kernel.source, kernel.entry)):
        console.print(Text.assemble((clean(entry), "bold"), "  ", clean(source)), soft_wrap=True)
        grid = _grid(head=False)
        for kernel in group:
            grid.add_row(*_cells(kernel))
        console.print(grid)
    if kernels:
        console.print(LEGEND, style="dim", markup=False)
    for one in found:
        for fault in one.faults:
            console.print(Text(f"✗ {clean(one.variant.label)}: {_lines(fault)}", style="red"), soft_wrap=True)
    faulty = sum(bool(one.faults) for one in found)
    console.print(f"{counted(len(found), 'compilation')}, {faulty or 'none'} with faults.", markup=False)


def _grid(*, head: bool) -> Table:
    style = {"box": None, "pad_edge": False, "padding": (0, 2, 0, 0), "header_style": "dim"}
    grid = Table(show_header=head, **style)  # type: ignore[arg-type]
    for title, width in COLUMNS.items():
        grid.add_column(title, justify="right" if title else "left", min_width=width, no_wrap=True)
    grid.add_column("tensor instructions")
    return grid


def _lines(text: str) -> str:
    """A compiler's log keeps its lines."""
    return "\n".join(map(clean, text.splitlines()))


def _cells(kernel: Kernel) -> tuple[Text, ...]:
    instructions = {**kernel.tensor, **kernel.feeding}
    return (
        Text(f"  {kernel.arch}"),
        Text(str(kernel.registers)),
        Text(str(kernel.threads)),
        Text(units.size(kernel.static + kernel.dynamic) if kernel.static + kernel.dynamic else units.DASH),
        Text(str(kernel.spills), style="red" if kernel.spills else ""),
        Text(str(kernel.blocks)),
        Text(units.seconds(kernel.seconds)),
        Text(", ".join(f"{name} ×{count}" for name, count in instructions.items()) or units.DASH),
    )
