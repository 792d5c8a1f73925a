"""Laws over the whole catalogue: every accelerator, model, precision and mesh that chance picks."""

from __future__ import annotations

import math
import random
from contextlib import suppress
from dataclasses import replace

import pytest

from benchsuite.catalog.shipped import shipped
from benchsuite.errors import RefusedError
from benchsuite.model.forecast import Ceiling, Ceilings, Forecast, Mesh, Traffic
from benchsuite.predict import datasheet, memory
from benchsuite.predict.forecast import forecast
from benchsuite.predict.precision import PRECISIONS

CATALOG = shipped()
LENGTHS = ((1, 1), (128, 128), (128, 2048), (2048, 128), (1000, 1000), (4096, 512), (20_000, 2000))
LEAST = 1 - 1e-9
Asked = tuple[str, str, str, Mesh, Traffic]


def known() -> dict[str, Ceilings]:
    found = {}
    for key, one in CATALOG.accelerators.items():
        with suppress(RefusedError):
            found[key] = datasheet.ceilings(one, CATALOG.figures, 8)
    return found


MACHINES = known()
REFUSALS: set[str] = set()


def picked(count: int, seed: int) -> list[Asked]:
    chance = random.Random(seed)
    made = []
    for _ in range(count):
        model, tensor = chance.choice(sorted(CATALOG.models)), chance.choice((1, 1, 2, 4, 8))
        spread = chance.choice((1, tensor)) if CATALOG.models[model].experts else 1
        mesh = Mesh(tensor, chance.choice((1, 1, 2)) if tensor < 8 else 1, spread)
        traffic = Traffic(*chance.choice(LENGTHS), batch=chance.choice((0, 0, 1, 16)))
        made.append((model, chance.choice(sorted(MACHINES)), chance.choice(sorted(PRECISIONS)), mesh, traffic))
    return made


def made(asked: Asked, ceilings: Ceilings | None = None, traffic: Traffic | None = None) -> Forecast | None:
    """``None`` where it is refused, which must be told in one sentence."""
    model, gpu, name, mesh, usual = asked
    try:
        return forecast(CATALOG.models[model], ceilings or MACHINES[gpu], PRECISIONS[name], mesh, traffic or usual)
    except RefusedError as error:
        REFUSALS.add(error.message)
        return None


@pytest.fixture(scope="module")
def forecasts() -> list[tuple[Asked, Forecast]]:
    told = [(asked, made(asked)) for asked in picked(600, seed=9)]
    found = [(asked, one) for asked, one in told if one is not None]
    assert len(found) > 150
    assert REFUSALS
    assert all(words.endswith(".") and len(words) < 400 for words in REFUSALS)
    return found


def test_every_number_is_positive_and_lies_in_its_band(forecasts: list[tuple[Asked, Forecast]]) -> None:
    for asked, one in forecasts:
        for band in (one.throughput, one.ttft, one.tpot, *([one.joules] if one.joules else [])):
            assert 0 < band.low <= band.value <= band.high < math.inf, asked
        assert all(0 < term.seconds < math.inf for term in (*one.decode.terms, *one.prefill.terms)), asked
        assert one.confidence == 0 or not one.cautions, asked


def test_nothing_passes_the_datasheet(forecasts: list[tuple[Asked, Forecast]]) -> None:
    """Bytes of weights and caches of a step within its bandwidth, arithmetic of requests within its fastest peak."""
    for asked, one in forecasts:
        shape, accelerator = CATALOG.models[asked[0]], CATALOG.accelerators[asked[1]]
        traffic, mesh, wide = one.traffic, one.mesh, shape.vocab * shape.hidden
        embedding = 0.0 if shape.tied_embeddings else wide * max(2.0, one.precision.weights) / mesh.tensor
        held = 0.0 if shape.experts else memory.weights(shape, one.precision, mesh) * mesh.pipeline - embedding
        kept = memory.cache(shape, one.precision, mesh, traffic.isl + traffic.osl / 2) * one.batch
        assert (held + kept) / one.decode.seconds < accelerator.bandwidth, asked
        body = shape.active_parameters - wide * (1 if shape.tied_embeddings else 2)
        arithmetic = 2.0 * body * (traffic.isl + traffic.osl) + 2.0 * wide * traffic.osl
        peak = max(accelerator.peaks.get(name, 0.0) for name in one.ceilings.gemm)
        assert one.throughput.value / traffic.osl * arithmetic < peak, asked


def test_a_better_machine_is_never_slower(forecasts: list[tuple[Asked, Forecast]]) -> None:
    def more(one: Ceiling | None) -> Ceiling | None:
        return one and replace(one, value=one.value * 1.5)

    for asked, one in forecasts:
        plain = MACHINES[asked[1]]
        for better in (
            replace(plain, bandwidth=replace(plain.bandwidth, value=plain.bandwidth.value * 1.5)),
            replace(plain, gemm={name: replace(each, value=each.value * 1.5) for name, each in plain.gemm.items()}),
            replace(plain, memory=plain.memory * 1.5),
            replace(plain, link=more(plain.link)),
        ):
            found = made(asked, better)
            assert found is None or found.throughput.value >= one.throughput.value * LEAST, asked


def test_more_work_is_never_cheaper_and_more_at_once_never_slower(forecasts: list[tuple[Asked, Forecast]]) -> None:
    for asked, one in forecasts:
        traffic, rate = asked[4], one.throughput.value
        longer = made(asked, traffic=replace(traffic, isl=2 * traffic.isl))
        assert longer is None or longer.throughput.value <= rate / LEAST, asked
        wordy = made(asked, traffic=replace(traffic, osl=2 * traffic.osl))
        assert wordy is None or wordy.throughput.value <= 2 * rate / LEAST, asked
        if traffic.batch:
            fuller = made(asked, traffic=replace(traffic, batch=2 * traffic.batch))
            assert fuller is None or fuller.throughput.value >= rate * LEAST, asked
            assert fuller is None or fuller.tpot.value >= one.tpot.value * LEAST, asked
