"""Sequences at once, and what comes out in a second."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchsuite.catalog.shipped import shipped
from benchsuite.errors import RefusedError
from benchsuite.model.forecast import Mesh, Traffic
from benchsuite.predict import batching, datasheet
from benchsuite.predict.engine import FITTED, Engine
from benchsuite.predict.precision import PRECISIONS
from benchsuite.predict.step import setting

CATALOG = shipped()
EIGHT, SEVENTY = CATALOG.models["llama-3.1-8b"], CATALOG.models["llama-3.1-70b"]
H100 = datasheet.ceilings(CATALOG.accelerators["h100_sxm_80"], CATALOG.figures, 8)
FP8 = PRECISIONS["fp8"]


def run(traffic: Traffic, mesh: Mesh = Mesh(), shape=EIGHT, engine: Engine = FITTED):  # type: ignore[no-untyped-def] # noqa: B008
    return batching.served(shape, FP8, H100, mesh, engine, traffic)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 4000), st.integers(1, 2000), st.integers(1, 400), st.integers(1, 8))
def test_a_larger_batch_never_gives_less_until_memory_binds(isl: int, osl: int, batch: int, factor: int) -> None:
    small, large = (run(Traffic(isl, osl, batch=size)) for size in (batch, batch * factor))
    assert large.throughput >= small.throughput * (1 - 1e-9)
    assert large.batch <= large.max_batch


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 4000), st.integers(2, 2000))
def test_endless_waves_are_the_limit_of_many(isl: int, osl: int) -> None:
    endless = run(Traffic(isl, osl))
    many = run(Traffic(isl, osl, requests=int(endless.batch) * 1000))
    assert many.throughput == pytest.approx(endless.throughput, rel=1e-9)


def test_a_rest_of_requests_costs_a_wave_of_its_own() -> None:
    full = int(run(Traffic(128, 128)).batch)
    one, more = (run(Traffic(128, 128, requests=count)) for count in (full, full + 1))
    assert more.throughput < one.throughput
    assert (one.batch, more.batch) == (full, (full + 1) / 2)


def test_throughput_by_hand() -> None:
    made = run(Traffic(1000, 1000, batch=64))
    seconds = 1000 * made.decode.seconds + 64 * made.prefill.seconds
    assert made.throughput == pytest.approx(64 * 1000 / seconds)
    pair = run(Traffic(1000, 1000, batch=64), Mesh(2))
    seconds = 1000 * pair.decode.seconds + 64 * pair.prefill.seconds
    assert pair.throughput == pytest.approx(64 * 1000 / seconds / 2)


def test_prompts_read_together_cost_each_less() -> None:
    at = setting(EIGHT, FP8, H100, Mesh(), FITTED)
    assert batching.prompts(at, 128, 64).seconds < batching.prompts(at, 128, 1).seconds
    assert batching.prompts(at, 128, 1000) == batching.prompts(at, 128, 64)


def test_the_cap_and_the_requests_bind() -> None:
    assert run(Traffic(128, 128, batch=7)).batch == 7
    assert run(Traffic(128, 128, requests=5)).batch == 5
    assert run(Traffic(128, 128), engine=Engine("small", cap=3)).batch == 3


def test_the_best_plan_is_at_least_as_good_as_any() -> None:
    mesh, made = batching.best(SEVENTY, FP8, H100, FITTED, Traffic(128, 2048), 8)
    for tensor in (1, 2, 4, 8):
        try:
            other = run(Traffic(128, 2048), Mesh(tensor), SEVENTY)
        except RefusedError:
            continue
        assert made.throughput >= other.throughput
    assert mesh.tensor in {1, 2, 4, 8}
    with pytest.raises(RefusedError, match="does not fit"):
        batching.best(CATALOG.models["llama-3.1-405b"], FP8, H100, FITTED, Traffic(128, 2048), 2)


def test_nothing_written_is_no_rate() -> None:
    with pytest.raises(RefusedError, match="writes no token"):
        run(Traffic(128, 0))


def test_copies_share_a_batch_and_a_number_of_requests() -> None:
    """Eight devices, 64 sequences at once: eight copies run eight each, not 64 each."""
    mesh, made = batching.best(EIGHT, FP8, H100, FITTED, Traffic(128, 128, batch=64), 8)
    assert made.batch * 8 / mesh.devices == 64
    one = run(Traffic(128, 128, batch=64 * mesh.devices // 8), mesh)
    assert made.throughput == pytest.approx(one.throughput)
    mesh, made = batching.best(EIGHT, FP8, H100, FITTED, Traffic(128, 128, requests=80), 8)
    assert made.batch == 80 * mesh.devices / 8


def test_copies_without_a_sequence_are_idle() -> None:
    """Three sequences on eight copies keep three devices busy; wider copies, that all work, may be better."""
    alone = run(Traffic(128, 128, batch=1)).throughput
    made = batching.copied(EIGHT, FP8, H100, Mesh(), FITTED, Traffic(128, 128, batch=3), 8)
    assert made.throughput == pytest.approx(alone * 3 / 8)
    alone = run(Traffic(128, 128, batch=1), shape=SEVENTY).throughput
    mesh, wide = batching.best(SEVENTY, FP8, H100, FITTED, Traffic(128, 128, batch=1), 8)
    assert mesh.tensor > 1
    assert wide.throughput > alone / 8
