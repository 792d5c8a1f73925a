"""Which offer serves a model at a wanted rate and latency, ranked by dollars.

    copies    = ceil(wanted rate / highest rate of one copy that keeps the limits)        (``latency.highest``)
    instances = ceil(copies / (devices of an instance // devices of a copy)), rented whole
    $/month   = instances x price x 730 h;   $/Mtok = that / tokens written in a month

The band of the dollars is the wider of two: the simulation repeated with every time shorter and longer by the ends of
the throughput forecast's band, and how far simulated rates were from published ones (``capacity.SCORE``). Where the
slow end of the former keeps the limits at no rate, the band has no upper end and the offer is never called sure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

from benchsuite.catalog.prices import Price
from benchsuite.errors import RefusedError, UsageError
from benchsuite.model.forecast import Band, Ceilings
from benchsuite.predict.capacity import Capacities, Capacity, Wanted, check
from benchsuite.predict.latency import Latency
from benchsuite.predict.offers import Rejected

MONTH = 730.0
"""Hours of a month."""


@dataclass(frozen=True, slots=True)
class Plan:
    """An offer that keeps the limits. at: its latency when the rate is shared among the copies.

    usd_per_month, usd_per_mtok: of all instances, and of a million tokens written; their high end is infinite where it
    is open. undecided: its band overlaps with that of the cheapest.
    """

    price: Price
    capacity: Capacity
    copies: int
    instances: int
    usd_per_month: Band
    usd_per_mtok: Band
    at: Latency
    undecided: bool = False

    @property
    def devices(self) -> int:
        """Devices that are paid for."""
        return self.instances * self.price.devices

    @property
    def sure(self) -> bool:
        """Whether the slow end of the forecast keeps the limits too."""
        return math.isfinite(self.usd_per_month.high)


@dataclass(frozen=True, slots=True)
class Advice:
    """Plans from the cheapest, offers that were left out, and what is to be said of smaller devices."""

    wanted: Wanted
    plans: tuple[Plan, ...]
    rejected: tuple[Rejected, ...]
    sentences: tuple[str, ...] = ()
    machines: Mapping[str, Ceilings] = field(default_factory=dict)


def advise(
    wanted: Wanted, prices: Sequence[Price], machine: Callable[[str, int], Ceilings], left: Iterable[Rejected] = ()
) -> Advice:
    """The plans of all offers, from the cheapest. machine: ceilings of so many devices of a key of the catalogue.

    left: offers that were left out before. Raises ``UsageError`` for a rate or limits that cannot be.
    """
    check(wanted)
    known = cache(machine)
    plans: list[Plan] = []
    rejected = list(left)
    capacities = Capacities(wanted)
    for price in prices:
        try:
            ceilings = known(price.hardware, price.devices)
        except (RefusedError, UsageError) as error:
            rejected.append(Rejected(price, price.hardware, "UNKNOWN", str(error)))
            continue
        for name in wanted.precisions:
            found = _best(wanted, price, ceilings, name, capacities)
            if isinstance(found, Plan):
                plans.append(found)
            else:
                rejected.append(found)
    ranked = _ranked(plans)
    machines = {plan.price.hardware: known(plan.price.hardware, plan.price.devices) for plan in ranked}
    return Advice(wanted, ranked, tuple(rejected), tuple(sentences(ranked, machines)), machines)


def _best(wanted: Wanted, price: Price, ceilings: Ceilings, name: str, capacities: Capacities) -> Plan | Rejected:
    """The cheapest tensor-parallel degree on this offer; with equal dollars the one with fewer devices a copy."""
    found: list[Plan] = []
    reasons: list[RefusedError] = []
    for degree in wanted.degrees:
        if degree > price.devices:
            continue
        try:
            least = _instances(wanted, price, degree, capacities.sketch(ceilings, name, degree).most) * _month(price)
            if found and least >= min(one.usd_per_month.value for one in found):
                continue  # even if it kept the limits up to saturation
            found.append(_plan(wanted, price, capacities.of(ceilings, name, degree)))
        except RefusedError as error:
            reasons.append(error)
    if found:
        best = min(found, key=lambda one: (one.usd_per_month.value, one.usd_per_month.high, one.capacity.tensor))
        return replace(best, at=_at(wanted, best, capacities))
    if not reasons:
        words = f"An instance has {price.devices} devices, fewer than any degree asked for."
        return Rejected(price, price.hardware, "DEGREE", words, name)
    last = reasons[-1]
    return Rejected(price, price.hardware, _code(last.message), last.message, name)


def _code(message: str) -> str:
    """In one word why an offer is rejected."""
    for words, code in (
        ("Too slow", "TOO_SLOW"),
        ("not known to multiply", "NO_TYPE"),
        ("fit", "DOES_NOT_FIT"),
        ("memory", "DOES_NOT_FIT"),
    ):
        if words in message:
            return code
    return "REFUSED"


def _plan(wanted: Wanted, price: Price, found: Capacity) -> Plan:
    count, fewest, most = (
        _instances(wanted, price, found.tensor, rate) for rate in (found.rate.value, found.rate.high, found.rate.low)
    )
    dollars = Band(count, fewest, most).times(_month(price))
    tokens = wanted.rate * wanted.osl * MONTH * 3600
    copies = _copies(wanted, found.rate.value)
    idle = Latency(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, kept=True)
    return Plan(price, found, int(copies), int(count), dollars, dollars.times(1e6 / tokens), idle)


def _copies(wanted: Wanted, rate: float) -> float:
    """Copies that serve the wanted rate. Rounding of a rate that is just enough makes none more."""
    return math.ceil(wanted.rate / rate * (1 - 1e-9)) if rate > 0 else math.inf


def _instances(wanted: Wanted, price: Price, tensor: int, rate: float) -> float:
    copies = _copies(wanted, rate)
    return math.ceil(copies / (price.devices // tensor)) if math.isfinite(copies) else math.inf


def _month(price: Price) -> float:
    """Dollars of one instance for a month."""
    return price.usd_per_hour * MONTH


def _at(wanted: Wanted, plan: Plan, capacities: Capacities) -> Latency:
    """The latency when all copies that are paid for share the rate."""
    copies = plan.instances * (plan.price.devices // plan.capacity.tensor)
    return capacities.at(plan.capacity, wanted.rate / copies)


def _ranked(plans: Iterable[Plan]) -> tuple[Plan, ...]:
    """By dollars; with equal dollars who is sure first, then by names. Marks those that overlap with the cheapest."""
    order = sorted(
        plans,
        key=lambda one: (one.usd_per_month.value, one.usd_per_month.high, one.price.provider, one.price.instance),
    )
    if not order:
        return ()
    best = order[0].usd_per_month
    others = [replace(one, undecided=one.usd_per_month.low <= best.high) for one in order[1:]]
    return (order[0], *others)


def sentences(plans: Sequence[Plan], machines: Mapping[str, Ceilings]) -> Iterable[str]:
    """What is to be said of smaller devices: that one suffices, where it does and larger ones do too."""
    cheapest: dict[str, Plan] = {}
    for plan in plans:
        cheapest.setdefault(plan.price.hardware, plan)
    if not cheapest:
        return
    best = plans[0]
    own = machines[best.price.hardware]
    larger = [one for key, one in cheapest.items() if smaller(own, machines[key])]
    if larger and best.sure:
        other = larger[0]
        name = machines[other.price.hardware].name
        sure = other.usd_per_month.low > best.usd_per_month.high
        factor = other.usd_per_month.value / best.usd_per_month.value
        told = f"costs {factor:.2g} times as much" if sure else "cannot be told apart from it by price"
        yield f"The smaller {own.name} suffices: the cheapest larger device that keeps the limits, {name}, {told}."
    single = [one for one in plans if one.devices == 1 and one.sure]
    if single and best.devices > 1:
        one = single[0]
        yield f"One {machines[one.price.hardware].name} alone suffices too, at ${one.usd_per_month.value:,.0f} a month."


def smaller(one: Ceilings, other: Ceilings) -> bool:
    """Whether a device has less memory than another and reads it no faster."""
    return one.memory < other.memory and one.bandwidth.value <= other.bandwidth.value
