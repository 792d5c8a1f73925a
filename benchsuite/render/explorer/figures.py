"""Numbers of the page as text, to the digit as ``reports/explorer.numbers.js`` prints them."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from benchsuite import units


def fixed(number: float, places: int) -> str:
    """A number with so many digits after the point; of two equally near ones the larger, as a browser has it."""
    return f"{Decimal(number).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP):f}"


def significant(number: float) -> str:
    """Three significant digits and no exponent."""
    text = units.significant(number)
    return fixed(number, len(text.partition(".")[2]))


def shown(value: float | None, low: float | None, high: float | None, scale: float) -> str:
    """``612 ± 3`` in units of ``scale``: the interval decides the digits; wide ones are told by their ends."""
    if value is None:
        return units.DASH
    value /= scale
    if low is None or high is None or not high > low:
        return significant(value)
    low, high = low / scale, high / scale
    half = (high - low) / 2
    if half > units.WIDE * value:
        return f"{significant(value)} ({significant(low)}{units.DASH}{significant(high)})"
    places = units.decimals(half)
    return units.NO_BREAK_SPACE.join((fixed(value, places), "±", fixed(half, places)))


def _places(low: float, high: float) -> int:
    return min(3, max(2, units.decimals((high - low) / 2)))


def times(ratio: float, low: float | None, high: float | None) -> str:
    """``×1.43``: two or three digits after the point, as the interval decides."""
    places = _places(low, high) if low is not None and high is not None else 3
    return f"×{fixed(ratio, places)}"


def span(low: float, high: float) -> str:
    """``1.42–1.44``."""
    return f"{fixed(low, _places(low, high))}{units.DASH}{fixed(high, _places(low, high))}"
