"""Continuous batching: how many sequences run at once, and what comes out in a second.

Whole sequences are reserved, so none is put out; prompts are read between the steps in chunks, and the time of both is
added: a chunk and a decode step that share a launch still do the work of both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from benchsuite.catalog.models import ModelShape
from benchsuite.errors import RefusedError
from benchsuite.model.forecast import Ceilings, Mesh, Phase, Precision, Term, Traffic
from benchsuite.predict.engine import Engine
from benchsuite.predict.memory import fitting
from benchsuite.predict.step import Setting, decoding, prefilling, setting

CHUNK = 8192
"""Prompt tokens that are read at once where several prompts wait (the engines' usual ``max_num_tokens``)."""


@dataclass(frozen=True, slots=True)
class Served:
    """A copy of the model at work.

    batch: sequences at once, on average over the waves; max_batch: as many as memory holds; decode: one step at the
    full batch and the average context; prefill: of one request among others, per request; throughput: output tokens
    per second of one device.
    """

    batch: float
    max_batch: int
    decode: Phase
    prefill: Phase
    throughput: float


def served(
    shape: ModelShape, precision: Precision, ceilings: Ceilings, mesh: Mesh, engine: Engine, traffic: Traffic
) -> Served:
    """What a copy of the model gives under this traffic. Raises ``RefusedError`` where it does not fit.

    With a number of requests, they wait at once and go in waves: all but the last full. Without, waves never end.
    """
    if traffic.isl < 0 or traffic.osl < 1:
        raise RefusedError("A request that writes no token has no rate.", "Ask for one token at least.")
    at = setting(shape, precision, ceilings, mesh, engine)
    most = fitting(shape, at.precision, ceilings, mesh, engine, traffic.isl + traffic.osl)
    batch = min(most, engine.cap, *(given for given in (traffic.batch, traffic.requests) if given > 0))
    reading = prompts(at, traffic.isl, batch)
    full = _wave(at, traffic, batch, reading)
    decode = decoding(at, batch, traffic.isl + traffic.osl / 2.0)
    if not traffic.requests:
        return Served(batch, most, decode, reading, batch * traffic.osl / full / mesh.devices)
    waves, rest = divmod(traffic.requests, batch)
    seconds = waves * full
    if rest:
        seconds += _wave(at, traffic, rest, prompts(at, traffic.isl, rest))
    rate = traffic.requests * traffic.osl / seconds / mesh.devices
    return Served(traffic.requests / (waves + bool(rest)), most, decode, reading, rate)


def prompts(at: Setting, tokens: float, waiting: float) -> Phase:
    """One request's prompt where ``waiting`` are read, as many at once as a chunk holds: each has its share."""
    together = max(1.0, min(waiting, CHUNK / tokens)) if tokens > 0 else 1.0
    phase = prefilling(at, tokens, together)
    shared = 1.0 / together
    return Phase("prefill", tuple(_scaled(term, shared) for term in phase.terms))


def best(
    shape: ModelShape,
    precision: Precision,
    ceilings: Ceilings,
    engine: Engine,
    traffic: Traffic,
    devices: int,
) -> tuple[Mesh, Served]:
    """The tensor degree (1, 2, 4, 8, dividing ``devices``) with the most tokens.

    ``traffic`` is that of all devices: copies share it (``copied``). Raises ``RefusedError`` where none fits.
    """
    found: list[tuple[Mesh, Served]] = []
    refused: RefusedError | None = None
    for tensor in (1, 2, 4, 8):
        if devices % tensor:
            continue
        mesh = Mesh(tensor=tensor)
        try:
            found.append((mesh, copied(shape, precision, ceilings, mesh, engine, traffic, devices // tensor)))
        except RefusedError as error:
            refused = error
    if not found:
        raise refused or RefusedError("No device is left.", "Name at least one.")
    return max(found, key=lambda one: one[1].throughput)


def copied(
    shape: ModelShape,
    precision: Precision,
    ceilings: Ceilings,
    mesh: Mesh,
    engine: Engine,
    traffic: Traffic,
    copies: int,
) -> Served:
    """The busiest of some copies that share a traffic; the rate is that of all devices, of which some may be idle."""
    batch, requests = (math.ceil(whole / copies) for whole in (traffic.batch, traffic.requests))
    one = served(shape, precision, ceilings, mesh, engine, replace(traffic, batch=batch, requests=requests))
    whole, part = (traffic.requests, requests) if requests else (traffic.batch, batch)
    return replace(one, throughput=one.throughput * whole / (part * copies)) if part else one


def _wave(at: Setting, traffic: Traffic, batch: float, reading: Phase) -> float:
    """Seconds in which ``batch`` sequences are read and written. A pipeline's stages read different prompts at once."""
    step = decoding(at, batch, traffic.isl + traffic.osl / 2.0)
    return traffic.osl * step.seconds + batch * reading.seconds / at.mesh.pipeline


def _scaled(term: Term, factor: float) -> Term:
    return Term(term.name, term.seconds * factor, term.bound, term.footing, term.hidden)
