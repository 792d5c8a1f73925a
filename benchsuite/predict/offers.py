"""Offers: prices of the catalogue or of a file, and why one is left out."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchsuite import reading
from benchsuite.catalog.dates import wrong
from benchsuite.catalog.prices import KINDS, Market, Price
from benchsuite.catalog.rows import read
from benchsuite.errors import DataError

LIMITS = reading.Limits(size=4 << 20, lines=20_000)
MOST_MONTHS = 18
"""Months after which a price is called old."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """An offer that is not advised. code: in capitals, as a machine reads it; words: a sentence."""

    price: Price | None
    hardware: str
    code: str
    words: str
    precision: str = ""


def from_file(path: Path) -> tuple[Price, ...]:
    """The rows of a CSV file with the columns of the shipped ``prices.csv``.

    Raises ``DataError`` naming the line of what is unknown, missing, no number or no date.
    """
    text = reading.text(path, LIMITS)
    try:
        table = csv.DictReader(text.splitlines(), restkey="more columns than the header", restval="", strict=True)
        found = [_price(row, f"{path.name}, line {table.line_num}") for row in table]
    except csv.Error as error:
        raise DataError(f"{path.name} is no CSV file: {error}.", "Save it as comma-separated values.") from error
    if not found:
        raise DataError(f"{path.name} holds no offer.", "Give a header and a row for each offer.")
    return tuple(found)


def _price(row: dict[str, str], where: str) -> Price:
    made = read(Price, row, where, text=True)
    if problem := wrong(made.as_of):
        raise DataError(f"{where}: {problem}", "Say when the price was so.")
    if made.kind not in KINDS:
        raise DataError(f"{where}: {made.kind[:40]!r} is no kind of price.", f"Use {', '.join(KINDS)}.")
    return made


def usable(
    prices: Iterable[Price], market: Market, today: str, months: int = MOST_MONTHS
) -> tuple[list[Price], list[Rejected]]:
    """The prices of a market that are no older than so many months on ``today`` (ISO 8601), and the others with why.

    Prices of other markets are neither: a spot price is no price of the same thing.
    """
    kept, left = [], []
    for price in prices:
        if price.market is not market:
            continue
        if not (math.isfinite(price.usd_per_hour) and price.usd_per_hour > 0 and price.devices > 0):
            words = f"{price.usd_per_hour:g} dollars an hour for {price.devices} devices is no price."
            left.append(Rejected(price, price.hardware, "NO_PRICE", words))
        elif (age := _age(price.as_of, today)) > months:
            words = f"Its price is {age} months old, of {price.as_of}."
            left.append(Rejected(price, price.hardware, "OLD_PRICE", words))
        else:
            kept.append(price)
    return kept, left


def _age(as_of: str, today: str) -> int:
    """Whole months from the last month in which a price was so."""
    last = as_of.rsplit("..", maxsplit=1)[-1]
    found = re.fullmatch(r"(\d{4})(?:-(\d\d))?.*", last)
    if found is None:
        return 10_000
    year, month = int(found[1]), int(found[2] or 12)
    return max(0, (int(today[:4]) - year) * 12 + int(today[5:7]) - month)
