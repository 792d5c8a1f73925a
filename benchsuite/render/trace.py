"""A sensor over time as a drawing that fits any width: lines stretch with the page, texts and strokes do not.

Places across are percent, so one drawing serves a telephone, a screen and paper. Of the readings that fall into one
column only the least and the greatest are drawn: a page holds hours of them, and loses no peak.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import escape

from benchsuite.render.site.axes import Scale, px, tick

COLUMNS = 400
PLOT, TOP, FOOT, BAND, AXIS = 72, 14, 3, 14, 18
"""Heights in pixels: of the plot, free in it above the line (for a number) and below, of a strip, of the times."""
LETTER = 13
"""Pixels between the feet of two numbers."""
TIMES = ((1.0, "s", 200.0), (60.0, "min", 12_000.0), (3600.0, "h", float("inf")))
"""Units of the time below a drawing: seconds in one, its sign, and until how many seconds it is used."""

Point = tuple[float, float]
"""A moment in seconds since the drawing begins, and a value."""
Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Band:
    """When a condition held, and the letter that stands for it. blind: nobody could see whether any held."""

    letter: str
    held: Sequence[Interval]
    blind: bool = False


def draw(
    runs: Sequence[Sequence[Point]],
    ends: tuple[float, float],
    length: float,
    label: str,
    limit: Sequence[Sequence[Point]] = (),
    bands: Sequence[Band] = (),
) -> str:
    """The drawing of ``length`` seconds. runs: unbroken rows of points; between two of them nothing is drawn.

    ends: of the axis of values. limit: a line that these are held against. bands: a strip for each, drawn below.
    label: what is shown, in words of anybody's.
    """
    y, bottom = Scale(*ends, PLOT - FOOT, TOP), PLOT + BAND * len(bands)
    ticks = y.ticks(3)
    words = [_text("0", y.at(value) - 3, tick(value)) for value in _apart(ticks, y)]
    inside = [f'<path class="grid" d="{"".join(f"M0 {px(y.at(value))}H{COLUMNS}" for value in ticks)}"/>']
    if limit:
        inside.append(f'<path class="limit" d="{_line(limit, y, length)}"/>')
    inside.append(f'<path class="line" d="{_line(runs, y, length)}"/>')
    for number, band in enumerate(bands):
        middle = PLOT + BAND * number + BAND / 2
        kind = "held blind" if band.blind else "held"
        inside.append(f'<path class="{kind}" d="{_strokes(_columns(band.held, length), middle)}"/>')
        words.append(_letter(band, middle, length))
    inside.append(f'<path class="axis" d="M0 {bottom}H{COLUMNS}"/>')
    height = bottom + AXIS
    return (
        f'<svg class="trace" width="100%" height="{height}" role="img" aria-label="{escape(label)}">'
        f'<svg viewBox="0 0 {COLUMNS} {height}" width="100%" height="{height}" preserveAspectRatio="none">'
        f"{''.join(inside)}</svg>{''.join(words)}{''.join(_times(length, height))}</svg>"
    )


def _apart(ticks: Sequence[float], y: Scale) -> list[float]:
    """The values whose numbers have room, from the lowest on."""
    found: list[float] = []
    for value in ticks:
        if not found or y.at(found[-1]) - y.at(value) >= LETTER:
            found.append(value)
    return found


def _line(runs: Sequence[Sequence[Point]], y: Scale, length: float) -> str:
    """Through the least and the greatest value of each column, whichever came first; relative moves, being short."""
    parts: list[str] = []
    at_x, at_y = 0, 0
    for run in runs:
        begun = False
        for column, first, second in _extremes(run, length):
            one, other = round(y.at(first)), round(y.at(second))
            move = ("l" if begun else "m") if parts else "M"
            parts.append(f"{move}{column - at_x} {one - at_y}")
            if other != one or len(run) == 1:
                parts.append(f"v{other - one}")
            begun, at_x, at_y = True, column, other
    return "".join(parts).replace(" -", "-")


def _extremes(run: Sequence[Point], length: float) -> Iterable[tuple[int, float, float]]:
    """Each column that holds points, with its least and greatest value in the order of their moments."""
    found: dict[int, tuple[Point, Point]] = {}
    for point in run:
        column = _column(point[0], length)
        low, high = found.get(column, (point, point))
        found[column] = (point if point[1] < low[1] else low, point if point[1] > high[1] else high)
    for column, (low, high) in found.items():
        first, second = sorted((low, high))
        yield column, first[1], second[1]


def _column(moment: float, length: float) -> int:
    return min(COLUMNS, max(0, round(COLUMNS * moment / length)))


def _columns(held: Sequence[Interval], length: float) -> list[tuple[int, int]]:
    """The intervals as columns, joined where they touch; none is too short to be seen."""
    found: list[tuple[int, int]] = []
    for begin, end in held:
        left, right = _column(begin, length), _column(end, length)
        left, right = min(left, COLUMNS - 2), max(right, min(left, COLUMNS - 2) + 2)
        if found and left <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], right))
        else:
            found.append((left, right))
    return found


def _strokes(columns: Sequence[tuple[int, int]], middle: float) -> str:
    parts: list[str] = []
    at = 0
    for left, right in columns:
        parts.append(f"{'m' if parts else 'M'}{left - at} {'0' if parts else px(middle)}h{right - left}")
        at = right
    return "".join(parts)


def _letter(band: Band, middle: float, length: float) -> str:
    """The letter beside the longest stroke of its strip: before it, or after one that begins too early for that."""
    columns = _columns(band.held, length)
    if not columns:
        return ""
    left, right = max(columns, key=lambda one: (one[1] - one[0], -one[0]))
    if left > COLUMNS / 20:
        return _text(f"{px(100 * left / COLUMNS)}%", middle + 4, band.letter, "letter", "end", -4)
    if right < COLUMNS * 19 / 20:
        return _text(f"{px(100 * right / COLUMNS)}%", middle + 4, band.letter, "letter", "start", 4)
    return _text("50%", middle + 4, band.letter, "letter", "middle")


def _times(length: float, height: int) -> Iterable[str]:
    """Round times below; the unit stands at each, since none is far from the next."""
    size, name, _ = next(one for one in TIMES if length <= one[2])
    scale = Scale(0.0, length / size, 0.0, 100.0)
    ticks = scale.ticks(5)
    for value in ticks:
        place = scale.at(value)
        anchor = "start" if place < 4 else "end" if place > 92 else "middle"
        yield _text(f"{px(place)}%", height - 4, f"{tick(value)}\u00a0{name}" if value else "0", "", anchor)


def _text(x: str, y: float, words: str, kind: str = "", anchor: str = "start", aside: int = 0) -> str:
    """A text at a place in percent, moved ``aside`` by pixels."""
    told = (f' class="{kind}"' if kind else "") + (f' text-anchor="{anchor}"' if anchor != "start" else "")
    told += f' dx="{aside}"' if aside else ""
    return f'<text x="{x}" y="{px(y)}"{told}>{escape(words)}</text>'


def merged(held: Iterable[Interval]) -> list[Interval]:
    """Intervals in order of time, joined where they touch."""
    found: list[Interval] = []
    for begin, end in held:
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((begin, end))
    return found


def lasted(held: Sequence[Interval]) -> float:
    """Seconds of all intervals together."""
    return sum(end - begin for begin, end in merged(held))


def broken(points: Iterable[tuple[float, float | None]]) -> list[list[Point]]:
    """Rows of points without a gap: a moment without a value ends a row, and nothing is drawn across it."""
    found: list[list[Point]] = [[]]
    for moment, value in points:
        if value is not None:
            found[-1].append((moment, value))
        elif found[-1]:
            found.append([])
    return [run for run in found if run]
