"""What a number is worth: per watt, per joule, per dollar, and the price at which it would be worth its money.

Every result carries what it was made from (the offer with its date and source, power, energy, the middle of the
reference); what cannot be known is ``None`` with the reason. Intervals are those of the rate: a price has none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from benchsuite.model import Metric, Offer, Score, Status

SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Amount:
    """A quantity with its interval in ``unit`` (SI, no prefix); ``reason`` says why there is none."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    unit: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Worth:
    """What a score gives for what it costs, and every input.

    per_watt: value / mean power. per_joule: work / energy. per_dollar: work that a dollar buys, value x 3600 / price
    per hour of the ``devices`` that took part (1 TFLOP/s at $1 an hour is 3.6 PFLOP/$). effective: dollars per hour
    divided by the fraction of the reference's middle that was reached: what the same speed costs on a usual machine's
    terms. break_even: the price per hour at which a dollar would buy what it buys on a usual machine at the list
    price. watts, joules: mean power while it was measured, and the energy of one iteration; middle: the reference's.
    """

    per_watt: Amount
    per_joule: Amount
    per_dollar: Amount
    effective: Amount
    break_even: Amount
    offer: Offer | None = None
    devices: int | None = None
    usd_per_hour: float | None = None
    watts: float | None = None
    joules: float | None = None
    middle: float | None = None


@dataclass(frozen=True, slots=True)
class _Cost:
    """What an hour of the devices that took part costs, or why that is not known."""

    devices: int | None = None
    usd_per_hour: float | None = None
    reason: str = ""


WORK: Mapping[Metric, str] = {
    Metric.FLOPS: "FLOP",
    Metric.BANDWIDTH: "B",
    Metric.BUSBW: "B",
    Metric.ALGBW: "B",
    Metric.RATE: "",
}
"""Metrics that are work over time, and the unit of that work. Of no other is there a rate to buy."""


def of(score: Score, offer: Offer | None = None, middle: float | None = None) -> Worth:
    """What a score is worth. ``middle``: of the reference for the same quantity (``normal.Standing.middle``)."""
    watts = _watts(score)
    cost = _cost(score, offer)
    effective, break_even = _priced(score, cost, middle)
    return Worth(
        per_watt=_scaled(score, "s/W", 1.0 / watts if watts else None, _no_power(score)),
        per_joule=_per_joule(score),
        per_dollar=_scaled(
            score, "$", SECONDS_PER_HOUR / cost.usd_per_hour if cost.usd_per_hour else None, cost.reason
        ),
        effective=effective,
        break_even=break_even,
        offer=offer,
        devices=cost.devices,
        usd_per_hour=cost.usd_per_hour,
        watts=watts,
        joules=score.joules,
        middle=middle,
    )


def offer_of(facts: Mapping[str, Mapping[str, str]]) -> Offer | None:
    """The offer that a campaign's facts tell; without a price, where that is no positive number of dollars.

    A price whose count of devices cannot be read is no price: nobody knows what it buys.
    """
    told = facts.get("offer", {})
    if not any(told.values()):
        return None
    devices, price = told.get("devices", "1") or "1", _positive(told.get("usd per hour", ""))
    counted = devices.isascii() and devices.isdecimal() and int(devices) > 0
    return Offer(
        provider=told.get("provider", ""),
        instance=told.get("instance", ""),
        region=told.get("region", ""),
        devices=int(devices) if counted else 1,
        usd_per_hour=price if counted else None,
        kind=told.get("kind", ""),
        as_of=told.get("as of", ""),
        source=told.get("source", ""),
    )


def _positive(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and number > 0.0 else None


def devices(score: Score, offer: Offer) -> int:
    """How many devices of the offer took part: of a processor the whole instance, of GPUs those of the case."""
    if score.backend == "host":
        return offer.devices
    params = dict(score.case.params)
    if {"source", "target"} <= params.keys():
        return 2
    gpus = params.get("gpus")
    if isinstance(gpus, int) and gpus > 0:
        return gpus if params.get("spread", True) else 1
    return score.case.ranks


def _cost(score: Score, offer: Offer | None) -> _Cost:
    if offer is None:
        return _Cost(reason="no price was given")
    count, price = devices(score, offer), offer.usd_per_device_hour
    if price is None or not math.isfinite(price) or not price > 0.0:
        return _Cost(count, reason="the offer has no price")
    if count > offer.devices:
        counted = "device" if offer.devices == 1 else "devices"
        return _Cost(count, reason=f"{count} devices took part, and the price buys {offer.devices} {counted}")
    return _Cost(count, price * count)


def _unrated(score: Score) -> str:
    """Why there is no rate to divide, or nothing."""
    if score.status is not Status.OK or score.value is None or not score.value > 0.0:
        return "there is no verified number"
    if score.metric is Metric.LATENCY:
        return "a latency is no work: waiting longer buys nothing"
    return "" if score.metric in WORK else f"a value in {score.metric.value} is no work over time"


def _scaled(score: Score, per: str, factor: float | None, missing: str) -> Amount:
    """The score's rate times a factor, with its interval; ``per`` names the unit that the factor divides by."""
    reason = _unrated(score) or ("" if factor else missing)
    if reason or factor is None or score.value is None:
        return Amount(reason=reason)
    low, high = (end * factor if end is not None else None for end in (score.low, score.high))
    return Amount(score.value * factor, low, high, f"{WORK[score.metric] or '1'}/{per}")


def _alone(score: Score) -> bool:
    """Whether the sensors saw all that took part: they watch one GPU, or all of the processor."""
    whole = Offer(devices=1)
    return devices(score, whole) == 1


def _watts(score: Score) -> float | None:
    """Mean power while it was measured: of a GPU by its sensor, of a processor energy over time."""
    if not _alone(score):
        return None
    told = score.conditions.get("power") if score.backend != "host" else _drawn(score)
    return told if told is not None and math.isfinite(told) and told > 0.0 else None


def _drawn(score: Score) -> float | None:
    """Energy of one iteration over its time."""
    seconds = _seconds(score)
    return score.joules / seconds if score.joules and seconds else None


def _seconds(score: Score) -> float | None:
    """Seconds of one iteration, from the rate and its work."""
    amount = _amount(score)
    return amount / score.value if amount and score.value else None


def _amount(score: Score) -> float:
    """The work of one iteration in the metric's unit; 0 where it is not known, as of other tools' numbers."""
    amounts = {Metric.FLOPS: score.work.flops, Metric.BANDWIDTH: score.work.bytes, Metric.BUSBW: score.work.wire}
    return amounts.get(score.metric, 0.0)


def _no_power(score: Score) -> str:
    return "no sensor told its power" if _alone(score) else "the power of one device only is known, and more took part"


def _per_joule(score: Score) -> Amount:
    """Work per joule. The energy is a median of its own, so its interval is not that of the rate: there is none."""
    amount = _amount(score)
    missing = "no sensor told its energy" if _alone(score) else _no_power(score)
    reason = _unrated(score) or ("" if score.joules and _alone(score) else missing)
    if not reason and not amount:
        reason = "how much work one iteration is, is not known"
    if reason or not score.joules:
        return Amount(reason=reason)
    return Amount(amount / score.joules, unit=f"{WORK[score.metric]}/J")


def _fractions(score: Score, middle: float) -> tuple[float, float | None, float | None]:
    """Value, low and high end as fractions of the middle, better is up: of a latency turned round."""
    value, low, high = score.value or 0.0, score.low, score.high
    if score.metric.higher_is_better:
        return value / middle, low / middle if low else None, high / middle if high else None
    return middle / value, middle / high if high else None, middle / low if low else None


def _unpriced(score: Score, cost: _Cost, middle: float | None) -> str:
    """Why the price cannot be set against the reference, or nothing."""
    if score.status is not Status.OK or score.value is None or not score.value > 0.0:
        return "there is no verified number"
    if score.metric not in {*WORK, Metric.LATENCY}:
        return _unrated(score)
    if cost.usd_per_hour is None:
        return cost.reason
    return "" if middle is not None and middle > 0.0 else "there is no reference to set it against"


def _priced(score: Score, cost: _Cost, middle: float | None) -> tuple[Amount, Amount]:
    """The effective price and the price of breaking even: dearer and cheaper by the same fraction."""
    reason = _unpriced(score, cost, middle)
    if reason or middle is None or cost.usd_per_hour is None:
        return Amount(reason=reason), Amount(reason=reason)
    price = cost.usd_per_hour
    value, low, high = _fractions(score, middle)
    effective = Amount(price / value, price / high if high else None, price / low if low else None, "$/h")
    return effective, Amount(price * value, price * low if low else None, price * high if high else None, "$/h")
