"""Who sends to whom how fast: rows send, columns receive, a cell is one direction of one pair, leaf beside leaf.

What was not measured is hatched, what failed is crossed, and whom the diagnosis names is outlined: so the picture can
be read without its colours.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from benchsuite.model import Culprit, Decision, Diagnosis, Finding
from benchsuite.render import shades
from benchsuite.render.drawing import Element, element, markup, titled
from benchsuite.render.relative import Cell, Square
from benchsuite.render.words import counted

WIDTH, LEAST, MOST = 768, 2, 44
"""Of the square in pixels, and of a cell."""
LINE = 14
"""Pixels that a label needs."""
LETTERS = 16
"""Of a label; of a longer name its end, which is what differs."""
LETTER = 7.8
"""Pixels of a letter at the label's size, generously."""
TOLD = 1500
"""Cells up to which each has words of its own; of a larger square only the slowest and the failed."""
SLOWEST = 300

ROWS = {Culprit.SENDS, Culprit.CORRUPTS}
COLUMNS = {Culprit.RECEIVES}
BOTH = {Culprit.NODE, Culprit.DEVICE, Culprit.LEAF, Culprit.UPLINK, Culprit.FAILED, Culprit.STALLED}


def heatmap(square: Square, diagnosis: Diagnosis) -> str:
    """The drawing, in its own size."""
    count = len(square.places)
    cell = max(LEAST, min(MOST, WIDTH // max(1, count)))
    named = _named(square, diagnosis.findings)
    texts = [label(place.name) for place in square.places]
    left = top = max(map(len, texts), default=0) * LETTER + 12
    side = cell * count
    right = max((len(label(leaf)) for leaf, _, _ in _leaves(square)), default=0) * LETTER + 16
    grid = element("g", transform=f"translate({left:.0f} {top:.0f})")
    grid.extend(_ground(count, cell))
    grid.extend(_cells(square, cell))
    grid.extend(_borders(square, cell))
    grid.extend(_outlines(square, diagnosis.findings, cell))
    grid.extend(_labels(texts, named, cell))
    width, height = left + side + right, top + side + 4
    words = f"{_sentence(square)} {_outlined(square, named)}"
    return markup(
        element("svg", hatch(), grid, kind="heat", viewBox=f"0 0 {width:.0f} {height:.0f}", width=width, height=height,
                role="img", aria_label=words)
    )  # fmt: skip


def label(name: str) -> str:
    """A name as short as a label may be."""
    return name if len(name) <= LETTERS else f"…{name[1 - LETTERS :]}"


def hatch(name: str = "hatch") -> Element:
    """The definition of the pattern ``name`` that stands for what was not measured."""
    line = element("path", d="M-1 5L5-1M1 7L7 1", kind="hatching")
    paper = element("rect", width=6, height=6, kind="paper")
    tile = element("pattern", paper, line, id=name, width=6, height=6, patternUnits="userSpaceOnUse")
    return element("defs", tile)


def _ground(count: int, cell: int) -> list[Element]:
    """Everything unmeasured at first, and the diagonal, which there is nothing to measure on."""
    side = cell * count
    diagonal = "".join(_box(at, at, 1, cell, 0) for at in range(count))
    return [
        element("rect", width=side, height=side, fill="url(#hatch)"),
        element("path", d=diagonal, kind="self"),
    ]


def _box(row: int, column: int, columns: int, cell: int, gap: int) -> str:
    wide = columns * cell - gap
    return f"M{column * cell} {row * cell}h{wide}v{cell - gap}h-{wide}z"


def _cells(square: Square, cell: int) -> list[Element]:
    gap = 1 if cell >= 12 else 0
    own = _told(square)
    runs: dict[int, list[str]] = defaultdict(list)
    rows: dict[int, list[int]] = defaultdict(list)
    for row, column in square.cells:
        rows[row].append(column)
    for row, columns in rows.items():
        for shade, first, length in _runs(square, row, sorted(set(columns)), own, joined=not gap):
            runs[shade].append(_box(row, first, length, cell, gap))
    made = [element("path", d="".join(boxes), kind=f"s{shade}") for shade, boxes in sorted(runs.items())]
    made += [_told_cell(square, at, cell, gap) for at in sorted(own)]
    crosses = "".join(
        f"M{column * cell + 1} {row * cell + 1}l{cell - 2} {cell - 2}m0-{cell - 2}l-{cell - 2} {cell - 2}"
        for (row, column), one in square.cells.items()
        if one.bad and cell > 2
    )
    return [*made, element("path", d=crosses, kind="cross")] if crosses else made


def _told(square: Square) -> set[tuple[int, int]]:
    """The cells that say in words what they are."""
    if len(square.cells) <= TOLD:
        return set(square.cells)
    worth = [at for at, one in square.cells.items() if one.bad or _shade(one) < shades.MIDDLE]
    worth.sort(key=lambda at: (not square.cells[at].bad, -(square.cells[at].slowdown or 0.0)))
    return set(worth[:SLOWEST])


def _runs(
    square: Square, row: int, columns: Sequence[int], own: set[tuple[int, int]], *, joined: bool
) -> Iterable[tuple[int, int, int]]:
    """Shade, first column and length of each run of equal neighbours, of the cells without words."""
    run: list[int] = []
    for column in columns:
        if (row, column) in own:
            continue
        shade = _shade(square.cells[row, column])
        if joined and run and run[0] == shade and run[1] + run[2] == column:
            run[2] += 1
        else:
            if run:
                yield run[0], run[1], run[2]
            run = [shade, column, 1]
    if run:
        yield run[0], run[1], run[2]


def _shade(one: Cell) -> int:
    """Without a time as dark as the slowest: it is never shown as well."""
    return 0 if one.slowdown is None else shades.shade(one.slowdown)


def _told_cell(square: Square, at: tuple[int, int], cell: int, gap: int) -> Element:
    one = square.cells[at]
    box: dict[str, Any] = {"x": at[1] * cell, "y": at[0] * cell, "width": cell - gap, "height": cell - gap}
    return titled(element("rect", kind=f"s{_shade(one)}", **box), cell_words(square, at))


def cell_words(square: Square, at: tuple[int, int]) -> str:
    """``node0003 to node0007: at 61 % of its peers, 4 times measured``."""
    one = square.cells[at]
    parts = [shades.words(one.slowdown), f"{counted(one.measured, 'time', 'times')} measured"]
    parts += [f"{counted(one.failed, 'transfer')} without a time"] if one.failed else []
    parts += [f"{counted(one.wrong, 'byte')} arrived changed"] if one.wrong else []
    return f"{square.places[at[0]].name} to {square.places[at[1]].name}: {', '.join(parts)}"


def _leaves(square: Square) -> list[tuple[str, int, int]]:
    """Name, first row and end of each leaf, where there are several and a row is not a leaf itself."""
    found: list[tuple[str, int, int]] = []
    for row, place in enumerate(square.places):
        if found and found[-1][0] == place.leaf:
            found[-1] = (place.leaf, found[-1][1], row + 1)
        else:
            found.append((place.leaf, row, row + 1))
    return found if len(found) > 1 and square.kind != "leaf" else []


def _borders(square: Square, cell: int) -> list[Element]:
    side = cell * len(square.places)
    made = []
    for leaf, first, end in _leaves(square):
        at = end * cell
        if at < side:
            made.append(element("path", d=f"M0 {at}H{side}M{at} 0V{side}", kind="border"))
        if (end - first) * cell >= LINE:
            made.append(element("text", text=label(leaf), x=side + 8, y=(first + end) * cell / 2 + 4, kind="leaf"))
    return made


def _outlines(square: Square, findings: Sequence[Finding], cell: int) -> list[Element]:
    """Accused solid, undecided dashed; what was not reproduced has no outline."""
    made = []
    for finding in reversed(findings):  # the gravest on top
        if finding.decision is Decision.NOT_REPRODUCED:
            continue
        boxes = _boxes(square, finding, cell)
        if boxes:
            kind = "accused" if finding.decision is Decision.ACCUSED else "doubted"
            made.append(titled(element("path", d="".join(boxes), kind=kind), finding.sentence))
    return made


def _boxes(square: Square, finding: Finding, cell: int) -> list[str]:
    of = square.of_rank
    rows = sorted({of[rank] for rank in finding.ranks if rank in of})
    side = cell * len(square.places)
    if finding.culprit is Culprit.PATH and len(rows) == 2:
        return [f"M{b * cell} {a * cell}h{cell}v{cell}h-{cell}z" for a, b in (rows, rows[::-1])]
    made = []
    for first, end in _spans(rows):
        start, long = first * cell, (end - first) * cell
        if finding.culprit in ROWS | BOTH:
            made.append(f"M0 {start}h{side}v{long}h-{side}z")
        if finding.culprit in COLUMNS | BOTH:
            made.append(f"M{start} 0v{side}h{long}v-{side}z")
    return made


def _spans(rows: Sequence[int]) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    for row in rows:
        if spans and spans[-1][1] == row:
            spans[-1] = (spans[-1][0], row + 1)
        else:
            spans.append((row, row + 1))
    return spans


def _named(square: Square, findings: Sequence[Finding]) -> dict[int, bool]:
    """The rows that a finding is about, and whether it accuses."""
    found: dict[int, bool] = {}
    of = square.of_rank
    for finding in findings:
        if finding.decision is not Decision.NOT_REPRODUCED and finding.culprit is not Culprit.FLEET:
            for rank in finding.ranks:
                row = of.get(rank)
                if row is not None:
                    found[row] = found.get(row, False) or finding.decision is Decision.ACCUSED
    return found


def _labels(texts: Sequence[str], named: dict[int, bool], cell: int) -> list[Element]:
    """The named rows first, then as many of the others as there is room for."""
    apart = -(-LINE // cell)
    placed: list[int] = []
    for row in [*sorted(named, key=lambda row: not named[row]), *range(0, len(texts), apart)]:
        if all(abs(row - other) >= apart for other in placed):
            placed.append(row)
    made = []
    for row in sorted(placed):
        at = (row + 0.5) * cell
        kind = {True: "guilty", False: "suspect", None: "name"}[named.get(row)]
        made.append(element("text", text=texts[row], x=-8, y=at + 4, text_anchor="end", kind=kind))
        turned = element("text", text=texts[row], transform=f"translate({at + 4:.1f} -8)rotate(-90)", kind=kind)
        made.append(turned)
    return made


def _sentence(square: Square) -> str:
    count = len(square.places)
    slow = sum(1 for one in square.cells.values() if _shade(one) < shades.MIDDLE)
    every = count * (count - 1)
    measured = sum(1 for a, b in square.cells if a != b)
    return (
        f"Heat map of {count} by {count}: rows send, columns receive. {measured} of {every} directions measured, "
        f"{slow} at less than {shades.EDGES[-2]:.0%} of their peers."
    )


def _outlined(square: Square, named: dict[int, bool]) -> str:
    names = [square.places[row].name for row, accused in named.items() if accused]
    return f"Outlined: {', '.join(names[:8])}{' and more' if len(names) > 8 else ''}." if names else ""
