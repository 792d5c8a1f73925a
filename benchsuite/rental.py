"""What the machine is rented for: where it stands, and its price with its date, from the user or the catalogue.

The result is a section of a campaign's facts, since a price is part of what was measured: it has a date.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchsuite import reading
from benchsuite.catalog import load
from benchsuite.catalog.prices import KINDS, Price
from benchsuite.errors import UsageError
from benchsuite.machine import metadata, place
from benchsuite.machine.place import Place


@dataclass(frozen=True, slots=True)
class Rental:
    """What the user says of it. ``price``: US dollars an hour for one GPU, or for the machine where it has none.

    metadata: a file with the cloud's metadata document; ask: ask the metadata address. catalog: the user's own files.
    """

    provider: str = ""
    instance: str = ""
    region: str = ""
    kind: str = ""
    price: float | None = None
    metadata: Path | None = None
    ask: bool = False
    catalog: tuple[Path, ...] = ()


def facts(rental: Rental, hardware: str, today: str, root: Path = Path("/")) -> dict[str, str]:
    """The section "offer" of a campaign's facts; empty where nothing is known. today: ISO 8601.

    Raises ``UsageError`` and ``DataError`` for what the user gave, ``UnavailableError`` when no cloud answers.
    """
    stands = where(rental, root)
    told = {
        "provider": stands.provider,
        "instance": stands.instance,
        "region": stands.region,
        "kind": stands.kind,
        "place from": stands.source,
        **_price(rental, stands, hardware, today),
    }
    return {name: text for name, text in told.items() if text}


def where(rental: Rental, root: Path = Path("/")) -> Place:
    """The place: what the user says, then the document or the address, then firmware and environment."""
    found = place.here(root)
    if rental.metadata is not None:
        found = place.from_document(reading.content(rental.metadata, LIMITS)).over(found)
    if rental.ask:
        found = metadata.ask(found)
    said = Place(rental.provider, rental.instance, rental.region, rental.kind)
    for text in (said.provider, said.instance, said.region, said.kind):
        if text != reading.printable(text).strip() or len(text) > LONGEST:
            raise UsageError(f"{reading.printable(text)[:LONGEST]!r} is no name of a place.", "Give plain words.")
    source = "the user" if any((said.provider, said.instance, said.region)) else found.source
    merged = said.over(found) if said.provider else Place(**_merged(said, found))
    return Place(merged.provider, merged.instance, merged.region, merged.kind, source if merged.provider else "")


LIMITS = reading.Limits(size=1 << 20)
LONGEST = 80


def _merged(said: Place, found: Place) -> Mapping[str, str]:
    names = ("provider", "instance", "region", "kind", "source")
    return {name: getattr(said, name) or getattr(found, name) for name in names}


def _price(rental: Rental, stands: Place, hardware: str, today: str) -> dict[str, str]:
    if rental.price is not None:
        if not 0.0 < rental.price < DEAREST:
            raise UsageError(f"--price {rental.price:g} is no price.", "Give US dollars an hour for one GPU: 2.10.")
        return {"devices": "1", "usd per hour": f"{rental.price:g}", "as of": today, "source": "entered by the user"}
    if not stands.provider or not stands.instance:
        return {}
    found = listed(load(rental.catalog).prices, stands, hardware)
    if found is None:
        return {}
    return {
        "instance": found.instance,
        "devices": str(found.devices),
        "usd per hour": f"{found.usd_per_hour:g}",
        "kind": found.kind,
        "as of": found.as_of,
        "source": found.source,
    }


DEAREST = 10_000.0
"""Dollars an hour beyond which a price is a slip of the pen."""


def listed(prices: Iterable[Price], stands: Place, hardware: str) -> Price | None:
    """The price of this instance; ``None`` unless there is exactly one.

    Without a word about the kind, on-demand is meant: a spot price is never assumed. Prices of other regions are
    taken only where all regions agree.
    """
    market = KINDS.get(stands.kind.lower() or "on-demand")
    rows = [
        row
        for row in prices
        if _plain(row.provider) == _plain(stands.provider)
        and _plain(row.instance) == _plain(stands.instance)
        and row.market is market
        and (not hardware or row.hardware == hardware)
    ]
    near = [row for row in rows if stands.region and row.region == stands.region] or rows
    return near[0] if len({row.usd_per_hour for row in near}) == 1 else None


def _plain(text: str) -> str:
    """Names of providers and instances as people write them: ``Verda (DataCrunch)`` is ``verda``."""
    return text.partition("(")[0].strip().lower()
