"""What one copy of a model serves within limits of latency on one kind of device: simulated once, with its band."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache

from benchsuite.catalog import ModelShape
from benchsuite.errors import RefusedError, UsageError
from benchsuite.model.forecast import Band, Caution, Ceilings, Footing, Forecast, Mesh, Precision, Traffic
from benchsuite.predict import latency, step
from benchsuite.predict import precision as precisions
from benchsuite.predict.engine import FITTED, Engine
from benchsuite.predict.forecast import forecast, short_enough
from benchsuite.predict.latency import Copy, Latency, Limits

SCORE = 0.42
"""The 90 % conformal quantile of ``|ln(published / simulated)|`` over the 22 published cells under a limit of latency
(``scripts/score-latency``, docs/advise.md): how far off a rate under limits may be, whatever the throughput's band."""
DEGREES = (1, 2, 4, 8)
"""Degrees of tensor parallelism that are tried."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be served. rate: requests per second; batch: sequences at once in a copy at most, 0: as many as keep
    the limits; seed: of the arrivals.
    """

    shape: ModelShape
    rate: float
    isl: int
    osl: int
    limits: Limits
    precisions: tuple[str, ...] = ("bf16", "fp8", "w4a16")
    degrees: tuple[int, ...] = DEGREES
    batch: int = 0
    chunk: int = latency.CHUNK
    seed: int = 0
    engine: Engine = FITTED


@dataclass(frozen=True, slots=True)
class Sketch:
    """One copy with its throughput forecast. most: requests per second that it serves at best, before simulation."""

    made: Forecast
    copy: Copy
    most: float
    footing: Footing


@dataclass(frozen=True, slots=True)
class Capacity:
    """What one copy on ``tensor`` devices of a kind serves within the limits.

    rate: requests per second, looked for up to ``e^SCORE`` times what is wanted; its low end is 0 where the slow end of
    the forecast keeps the limits at no rate.
    """

    precision: Precision
    tensor: int
    batch: int
    rate: Band
    copy: Copy
    footing: Footing
    cautions: tuple[Caution, ...]
    confidence: float


def check(wanted: Wanted) -> None:
    """Raises ``UsageError`` for a rate, limit or precision that cannot be, ``RefusedError`` for too long requests."""
    short_enough(wanted.shape, wanted.isl, wanted.osl)
    if not (math.isfinite(wanted.rate) and wanted.rate > 0):
        raise UsageError(f"--rate {wanted.rate:g} is no rate.", "Give requests per second, for example --rate 5.")
    for name, value in (("ttft", wanted.limits.ttft), ("tpot", wanted.limits.tpot)):
        if not value > 0:
            raise UsageError(
                f"--slo {name}={value:g} s can never be kept.", "Give for example --slo ttft=2s,tpot=50ms."
            )
    for name in wanted.precisions:
        precisions.precision(name)


class Capacities:
    """What copies serve, each kind simulated once: it depends on devices and mesh, not on who rents them out."""

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self.known: dict[tuple[str, str, int], Sketch | RefusedError] = {}
        self.simulated: dict[tuple[str, str, int], Capacity | RefusedError] = {}
        self.latencies: dict[tuple[Capacity, float], Latency] = {}

    def sketch(self, ceilings: Ceilings, name: str, tensor: int) -> Sketch:
        """Raises ``RefusedError`` where the model does not fit, or one request alone is too slow."""
        key = (ceilings.name, name, tensor)
        if key not in self.known:
            try:
                self.known[key] = sketch(self.wanted, ceilings, name, tensor)
            except RefusedError as error:
                self.known[key] = error
        found = self.known[key]
        if isinstance(found, RefusedError):
            raise found
        return found

    def of(self, ceilings: Ceilings, name: str, tensor: int) -> Capacity:
        """Raises ``RefusedError`` with why there is none."""
        key = (ceilings.name, name, tensor)
        if key not in self.simulated:
            try:
                self.simulated[key] = capacity(self.wanted, self.sketch(ceilings, name, tensor), tensor)
            except RefusedError as error:
                self.simulated[key] = error
        found = self.simulated[key]
        if isinstance(found, RefusedError):
            raise found
        return found

    def at(self, found: Capacity, rate: float) -> Latency:
        """The latency of one copy at this rate: the same whoever rents it out."""
        key = (found, rate)
        if key not in self.latencies:
            self.latencies[key] = latency.at(found.copy, rate, self.wanted.limits, self.wanted.seed)
        return self.latencies[key]


def sketch(wanted: Wanted, ceilings: Ceilings, name: str, tensor: int) -> Sketch:
    """One copy before it is simulated. Raises ``RefusedError`` where it does not fit or is too slow at any rate."""
    precision = precisions.check(precisions.precision(name), ceilings)
    mesh = Mesh(tensor=tensor)
    traffic = Traffic(wanted.isl, wanted.osl, batch=wanted.batch)
    made = forecast(wanted.shape, ceilings, precision, mesh, traffic, wanted.engine)
    copy = _copy(wanted, ceilings, precision, mesh, min(int(made.batch), made.max_batch))
    fitting = latency.fitted(copy, wanted.limits)
    if fitting is None or copy.prompt > wanted.limits.ttft:
        raise RefusedError(_slow(copy, wanted.limits))
    return Sketch(made, copy, latency.MOST * fitting.saturation, ceilings.bandwidth.footing)


def capacity(wanted: Wanted, drawn: Sketch, tensor: int) -> Capacity:
    """What one copy serves within the limits. Raises ``RefusedError`` where it keeps them at no rate."""
    middle = _served(drawn.copy, wanted)
    if middle is None:
        raise RefusedError(_slow(drawn.copy, wanted.limits))
    fitting, found = middle
    made = drawn.made
    band = made.throughput
    least, most = found.rate / math.exp(SCORE), found.rate * math.exp(SCORE)
    low = _scaled(drawn.copy, wanted, band.low / band.value, enough=least)
    if most < wanted.rate * math.exp(SCORE) and _keeps(drawn.copy, wanted, band.high / band.value, most):
        most = max(most, _scaled(drawn.copy, wanted, band.high / band.value))
    return Capacity(
        precision=made.precision,
        tensor=tensor,
        batch=fitting.batch,
        rate=Band(found.rate, min(low, least), most),
        copy=fitting,
        footing=drawn.footing,
        cautions=made.cautions,
        confidence=made.confidence,
    )


def _copy(wanted: Wanted, ceilings: Ceilings, precision: Precision, mesh: Mesh, batch: int) -> Copy:
    shape, engine = wanted.shape, wanted.engine
    context = wanted.isl + wanted.osl / 2

    @cache
    def seconds(sequences: int) -> float:
        return step.decode(shape, precision, ceilings, mesh, engine, sequences, context).seconds

    prompt = step.prefill(shape, precision, ceilings, mesh, engine, wanted.isl).seconds
    return Copy(seconds, prompt, wanted.isl, wanted.osl, batch, wanted.chunk)


def _served(copy: Copy, wanted: Wanted, enough: float = math.inf) -> tuple[Copy, Latency] | None:
    """The copy with the batch that keeps the limits, and its latency at the highest rate up to ``enough``."""
    fitting = latency.fitted(copy, wanted.limits)
    if fitting is None:
        return None
    found = latency.highest(fitting, wanted.limits, wanted.seed, min(enough, wanted.rate * math.exp(SCORE)))
    return (fitting, found) if found else None


def _scaled(copy: Copy, wanted: Wanted, faster: float, enough: float = math.inf) -> float:
    """The highest rate up to ``enough`` when everything is so many times as fast; 0 where none keeps the limits."""
    found = _served(_sped(copy, faster), wanted, enough)
    return found[1].rate if found else 0.0


def _keeps(copy: Copy, wanted: Wanted, faster: float, rate: float) -> bool:
    """Whether the limits are kept at this rate when everything is so many times as fast: one simulation, no search."""
    fitting = latency.fitted(_sped(copy, faster), wanted.limits)
    if fitting is None or rate > latency.MOST * fitting.saturation:
        return False
    return latency.at(fitting, rate, wanted.limits, wanted.seed).kept


def _sped(copy: Copy, faster: float) -> Copy:
    return replace(copy, step=lambda sequences: copy.step(sequences) / faster, prompt=copy.prompt / faster)


def _slow(copy: Copy, limits: Limits) -> str:
    """What a single request would take, beside the limit that it breaks."""
    if copy.tpot(1) > limits.tpot:
        return f"Too slow: {copy.tpot(1) * 1e3:.3g} ms a token with one sequence, allowed {limits.tpot * 1e3:.3g} ms."
    if copy.prompt > limits.ttft:
        return f"Too slow: {copy.prompt:.3g} s to the first token with nobody else, allowed {limits.ttft:.3g} s."
    return "Too slow: at no rate do enough requests keep the limits."
