"""Advice as JSON. Dollars, seconds and requests per second; an end of a band that is open is ``null``."""

from __future__ import annotations

import math
from typing import Any

from benchsuite.model import Band
from benchsuite.predict.advise import MONTH, Advice, Plan
from benchsuite.predict.offers import Rejected
from benchsuite.predict.ownership import Verdict
from benchsuite.render.words import clean


def document(advice: Advice, own: Verdict | None, market: str, today: str) -> dict[str, Any]:
    """All plans from the cheapest, all that was left out with its reason, and every input."""
    wanted = advice.wanted
    return {
        "model": clean(wanted.shape.key or wanted.shape.hf_id),
        "rate": wanted.rate,
        "isl": wanted.isl,
        "osl": wanted.osl,
        "limits": {
            "ttft": finite(wanted.limits.ttft),
            "tpot": finite(wanted.limits.tpot),
            "share": wanted.limits.share,
        },
        "market": market,
        "as_of": today,
        "seed": wanted.seed,
        "chunk": wanted.chunk,
        "engine": wanted.engine.name,
        "hours_a_month": MONTH,
        "sentences": [clean(text) for text in advice.sentences],
        "plans": [_plan(one) for one in advice.plans],
        "rejected": [_rejected(one) for one in advice.rejected],
        "own": _own(own) if own else None,
    }


def finite(value: float | None) -> float | None:
    """The number, or nothing where there is no end."""
    return value if value is not None and math.isfinite(value) else None


def _band(band: Band) -> dict[str, float | None]:
    return {"value": finite(band.value), "low": finite(band.low), "high": finite(band.high)}


def _plan(plan: Plan) -> dict[str, Any]:
    price, capacity, at = plan.price, plan.capacity, plan.at
    return {
        "provider": clean(price.provider),
        "instance": clean(price.instance),
        "region": clean(price.region),
        "hardware": clean(price.hardware),
        "devices_per_instance": price.devices,
        "usd_per_hour": price.usd_per_hour,
        "kind": clean(price.kind),
        "price_as_of": clean(price.as_of),
        "price_source": clean(price.source),
        "precision": capacity.precision.name,
        "tensor": capacity.tensor,
        "batch": capacity.batch,
        "copies": plan.copies,
        "instances": plan.instances,
        "devices": plan.devices,
        "usd_per_month": _band(plan.usd_per_month),
        "usd_per_mtok": _band(plan.usd_per_mtok),
        "rate_per_copy": _band(capacity.rate),
        "ttft": {"p50": at.ttft_p50, "p99": at.ttft_p99},
        "tpot": {"p50": at.tpot_p50, "p99": at.tpot_p99},
        "load": at.load,
        "undecided": plan.undecided,
        "sure": plan.sure,
        "footing": capacity.footing.value,
        "confidence": capacity.confidence,
        "cautions": [{"code": one.code, "words": one.words} for one in capacity.cautions],
    }


def _rejected(one: Rejected) -> dict[str, Any]:
    price = one.price
    return {
        "hardware": clean(one.hardware),
        "provider": clean(price.provider) if price else "",
        "instance": clean(price.instance) if price else "",
        "price_as_of": clean(price.as_of) if price else "",
        "precision": clean(one.precision),
        "code": one.code,
        "reason": clean(one.words),
    }


def _own(verdict: Verdict) -> dict[str, Any]:
    return {
        "cheaper": verdict.cheaper,
        "owned_usd_per_hour": verdict.owned,
        "rented_usd_per_hour": verdict.rented,
        "break_even_months": verdict.months,
        "break_even_hours": verdict.hours,
        "break_even_utilisation": verdict.even,
        "usd_per_year": {
            "depreciation": verdict.depreciation,
            "interest": verdict.interest,
            "energy": verdict.energy,
            "failures": verdict.failures,
            "hosting": verdict.hosting,
        },
        "inputs": [{"name": name, "value": value, "source": source} for name, value, source in verdict.assumptions],
    }
