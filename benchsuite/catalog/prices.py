"""Prices: who asks how much for which instance, and when that was so.

Kinds of price do not mix: a spot price is no price of the same thing. Whoever asks for offers gets on-demand prices
unless another market is named.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from benchsuite.catalog.rows import Basis, Confidence
from benchsuite.model import Offer


class Market(StrEnum):
    """What a price buys. ``UNCLEAR``: the source does not say, or contradicts itself."""

    ON_DEMAND = "on-demand"
    SPOT = "spot"
    MARKETPLACE = "marketplace"
    RESERVED = "reserved"
    UNCLEAR = "unclear"


KINDS = {
    "on-demand": Market.ON_DEMAND,
    "on-demand secure": Market.ON_DEMAND,
    "spot": Market.SPOT,
    "preemptible": Market.SPOT,
    "marketplace": Market.MARKETPLACE,
    "capacity block": Market.RESERVED,
    "reserved": Market.RESERVED,
    "community/secure list": Market.UNCLEAR,
}
"""The kinds as providers and sources call them."""


@dataclass(frozen=True, slots=True)
class Price:
    """One row of ``prices.csv``: what an instance of ``devices`` accelerators costs for an hour, in US dollars.

    hardware: a key of the catalogue; kind: a key of ``KINDS``; interconnect_gbps: of the whole node, Gb/s; as_of: a
    date, a month or a span ``2025-09..2026-06`` in which it was so; precision: how the date is known.
    """

    provider: str
    instance: str
    hardware: str
    devices: int
    usd_per_hour: float
    kind: str
    as_of: str
    source: str
    confidence: Confidence
    basis: Basis = Basis.FOUND
    usd_per_device_hour: float | None = None
    interconnect: str = ""
    interconnect_gbps: float | None = None
    region: str = ""
    precision: str = ""
    notes: str = ""

    @property
    def market(self) -> Market:
        """What the price buys."""
        return KINDS.get(self.kind, Market.UNCLEAR)

    @property
    def identity(self) -> tuple[str | int, ...]:
        """What it is the price of: two rows that agree in this are about one thing, at different times."""
        return (self.provider, self.instance, self.hardware, self.devices, self.kind, self.region)

    @property
    def per_device(self) -> float:
        """US dollars for one accelerator for an hour."""
        return self.usd_per_hour / self.devices

    @property
    def offer(self) -> Offer:
        """The same as an offer that a publication can carry."""
        return Offer(
            provider=self.provider,
            instance=self.instance,
            region=self.region,
            devices=self.devices,
            usd_per_hour=self.usd_per_hour,
            kind=self.kind,
            as_of=self.as_of,
            source=self.source,
        )


def offers(
    prices: Iterable[Price],
    *,
    hardware: str = "",
    provider: str = "",
    instance: str = "",
    market: Market | None = Market.ON_DEMAND,
) -> tuple[Price, ...]:
    """The prices that fit, cheapest per device first. ``market=None``: of every kind, which the caller must then show.

    ``provider`` and ``instance`` fit in either case of letters; empty ones fit all.
    """
    found = [
        price
        for price in prices
        if hardware in {"", price.hardware}
        and provider.casefold() in {"", price.provider.casefold()}
        and instance.casefold() in {"", price.instance.casefold()}
        and market in {None, price.market}
    ]
    return tuple(sorted(found, key=lambda price: (price.per_device, price.provider, price.instance)))
