"""The time of a step: laws that no parameter may break, and terms worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchsuite.catalog.shipped import shipped
from benchsuite.errors import RefusedError
from benchsuite.model.forecast import Bound, Ceiling, Ceilings, Footing, GemmPoint, Mesh, MessagePoint, Phase
from benchsuite.predict.engine import BARE, FITTED, Engine
from benchsuite.predict.layers import products
from benchsuite.predict.precision import PRECISIONS
from benchsuite.predict.step import activations, decode, prefill, touched

DENSE, MIXED, LATENT = (shipped().models[name] for name in ("llama-3.1-8b", "mixtral-8x7b", "deepseek-v3"))
SHAPES = st.sampled_from([DENSE, MIXED, LATENT, shipped().models["gpt-oss-20b"]])
NAMES = st.sampled_from(["bf16", "fp8", "w4a16"])
MESHES = st.sampled_from([Mesh(), Mesh(2), Mesh(8), Mesh(4, 2), Mesh(8, 1, 8)])
ENGINES = st.sampled_from([FITTED, BARE])
FASTER = st.floats(1.0, 10.0)


def machine(bandwidth: float = 3e12, multiply: float = 8e14, **changed: object) -> Ceilings:
    gemm = {name: Ceiling(multiply * factor, Footing.ASSUMED) for name, factor in (("bf16", 1), ("e4m3", 2))}
    made = Ceilings(
        "machine",
        8,
        80e9,
        Ceiling(bandwidth, Footing.ASSUMED),
        MappingProxyType(gemm),
        link=Ceiling(4e11, Footing.ASSUMED),
        fabric="NVLink4 / NVSwitch",
        processors=132,
    )
    return replace(made, **changed)  # type: ignore[arg-type]


def term(phase: Phase, name: str) -> float:
    return math.fsum(one.seconds for one in phase.terms if one.name == name)


@settings(deadline=None, max_examples=60)
@given(SHAPES, NAMES, MESHES, ENGINES, st.floats(1, 4000), st.floats(1, 30_000), FASTER)
def test_more_of_anything_is_never_slower(shape, name, mesh, engine, batch, context, factor) -> None:  # type: ignore[no-untyped-def]
    precision, slow = PRECISIONS[name], machine()
    for fast in (
        machine(bandwidth=3e12 * factor),
        machine(multiply=8e14 * factor),
        machine(link=Ceiling(4e11 * factor, Footing.ASSUMED)),
    ):
        before = decode(shape, precision, slow, mesh, engine, batch, context).seconds
        assert decode(shape, precision, fast, mesh, engine, batch, context).seconds <= before * (1 + 1e-12)
        before = prefill(shape, precision, slow, mesh, engine, context).seconds
        assert prefill(shape, precision, fast, mesh, engine, context).seconds <= before * (1 + 1e-12)


@settings(deadline=None, max_examples=60)
@given(SHAPES, NAMES, MESHES, ENGINES, st.floats(1, 2000), st.floats(1, 30_000), FASTER)
def test_a_larger_batch_takes_longer_but_gives_more(shape, name, mesh, engine, batch, context, factor) -> None:  # type: ignore[no-untyped-def]
    precision = PRECISIONS[name]
    small = decode(shape, precision, machine(), mesh, engine, batch, context).seconds
    large = decode(shape, precision, machine(), mesh, engine, batch * factor, context).seconds
    assert large >= small * (1 - 1e-12)
    assert batch * factor / large >= batch / small * (1 - 1e-9)


@settings(deadline=None, max_examples=40)
@given(SHAPES, NAMES, MESHES, st.floats(1, 500), st.floats(1, 8000), st.floats(1, 8000))
def test_longer_contexts_and_prompts_take_longer(shape, name, mesh, batch, context, more) -> None:  # type: ignore[no-untyped-def]
    precision = PRECISIONS[name]
    for phase in (lambda n: decode(shape, precision, machine(), mesh, FITTED, batch, n),
                  lambda n: prefill(shape, precision, machine(), mesh, FITTED, n)):  # fmt: skip
        assert phase(context + more).seconds >= phase(context).seconds


def test_one_sequence_reads_every_weight_once() -> None:
    phase = decode(DENSE, PRECISIONS["bf16"], machine(), Mesh(), BARE, 1, 1)
    held = 2.0 * sum(item.weights for item in products(DENSE, Mesh()))
    assert term(phase, "weights") + term(phase, "products") == pytest.approx(held / 3e12, rel=0.01)
    assert phase.bound is Bound.BANDWIDTH


def test_a_long_prompt_costs_two_operations_a_weight_and_token_and_half_the_square() -> None:
    plain = replace(machine(), processors=0)
    phase = prefill(DENSE, PRECISIONS["bf16"], plain, Mesh(), BARE, 16384)
    layers = sum(item.weights for item in products(DENSE, Mesh()) if not item.last)
    assert term(phase, "products") == pytest.approx(2.0 * layers * 16384 / 8e14)
    assert term(phase, "attention") == pytest.approx(2 * 32 * 32 * 128 * 16384**2 / 8e14)
    assert phase.bound is Bound.COMPUTE


def test_the_cache_is_read_at_every_step() -> None:
    phase = decode(DENSE, PRECISIONS["fp8"], machine(), Mesh(), BARE, 100, 2000)
    assert term(phase, "cached attention") == pytest.approx(100 * 2000 * 32 * 2 * 8 * 128 * 1.0 / 3e12)


def test_a_sliding_window_is_all_that_its_layers_see() -> None:
    shape = shipped().models["gpt-oss-20b"]
    short = decode(shape, PRECISIONS["bf16"], machine(), Mesh(), BARE, 64, 128)
    long = decode(shape, PRECISIONS["bf16"], machine(), Mesh(), BARE, 64, 12_800)
    ratio = term(long, "cached attention") / term(short, "cached attention")
    assert ratio == pytest.approx((12 * 12_800 + 12 * 128) / (24 * 128))


def test_few_rows_touch_few_experts_and_many_all() -> None:
    assert touched(8, 2, 1) == pytest.approx(2)
    assert touched(8, 2, 1000) == pytest.approx(8)
    assert touched(4, 4, 1) == 4


def test_narrow_products_pay_more_for_each_operation() -> None:
    """Same operations: 128 small experts take longer than one wide feed-forward of what is active."""
    fine = replace(MIXED, experts=128, experts_active=8, moe_ffn=768, hidden=2048)
    wide = replace(fine, experts=0, experts_active=0, moe_ffn=0, ffn=8 * 768)
    seconds = [
        term(prefill(one, PRECISIONS["fp8"], machine(), Mesh(), FITTED, 8192), "products") for one in (fine, wide)
    ]
    assert seconds[0] > 1.15 * seconds[1]
    bare = [term(prefill(one, PRECISIONS["fp8"], replace(machine(), processors=0), Mesh(), BARE, 8192), "products")
            for one in (fine, wide)]  # fmt: skip
    assert bare[0] == pytest.approx(bare[1], rel=0.05)


def test_idle_time_of_tiles_does_not_shrink_with_a_faster_machine() -> None:
    engine = Engine("tiles", tile=2e-6)
    slow, fast = (
        term(prefill(DENSE, PRECISIONS["fp8"], machine(multiply=rate), Mesh(), engine, 8192), "products")
        for rate in (8e14, 8e15)
    )
    assert slow / fast < 6


def test_joining_devices_costs_bytes_and_rounds() -> None:
    engine = Engine("joined", reduce=1e-5, link=0.5)
    phase = decode(DENSE, PRECISIONS["fp8"], machine(), Mesh(4), engine, 100, 10)
    assert term(phase, "all-reduce") == pytest.approx(2 * 32 * 100 * 4096 * 2 * 1.5 / 2e11)
    assert term(phase, "all-reduce latency") == pytest.approx(2 * 32 * 1e-5 * 2)
    pcie = decode(DENSE, PRECISIONS["fp8"], machine(fabric="PCIe 4"), Mesh(4), engine, 100, 10)
    assert term(pcie, "all-reduce latency") == pytest.approx(2 * 32 * 1e-5 * 4)
    peers = decode(DENSE, PRECISIONS["fp8"], machine(fabric="xGMI, 7 peers"), Mesh(2), engine, 100, 10)
    assert term(peers, "all-reduce") == pytest.approx(2 * 32 * 100 * 4096 * 2 * 1.0 / 2e11 * 7)


def test_a_measured_all_reduce_is_used_as_it_is() -> None:
    points = (MessagePoint(1 << 20, 4, 30e-6), MessagePoint(1 << 24, 4, 90e-6), MessagePoint(1 << 24, 8, 1.0))
    known = machine(messages={"allreduce": points})
    half = ((1 << 20) + (1 << 24)) / 2 / (4096 * 2)
    phase = decode(DENSE, PRECISIONS["fp8"], known, Mesh(4), FITTED, half, 10)
    assert term(phase, "all-reduce") == pytest.approx(64 * 60e-6)
    assert term(phase, "all-reduce latency") == 0
    small = decode(DENSE, PRECISIONS["fp8"], known, Mesh(4), FITTED, 1, 10)
    assert term(small, "all-reduce") == pytest.approx(64 * 30e-6)
    large = decode(DENSE, PRECISIONS["fp8"], known, Mesh(4), FITTED, 4096, 10)
    assert term(large, "all-reduce") == pytest.approx(64 * 180e-6)


def test_a_measured_product_takes_what_was_measured() -> None:
    points = tuple(GemmPoint(m, item.n, item.k, 1e12) for m in (1, 64) for item in products(DENSE, Mesh()))
    phase = decode(DENSE, PRECISIONS["bf16"], machine(shapes={"bf16": points}), Mesh(), BARE, 64, 1)
    held = sum(item.weights for item in products(DENSE, Mesh()))
    assert term(phase, "weights") + term(phase, "products") == pytest.approx(2 * 64 * held / 1e12, rel=1e-6)


def test_a_pipeline_reads_the_weights_for_each_part_of_the_batch() -> None:
    one, two = (decode(DENSE, PRECISIONS["bf16"], machine(), Mesh(1, p), BARE, 2, 1) for p in (1, 2))
    assert term(two, "weights") == pytest.approx(term(one, "weights"), rel=0.01)
    assert term(two, "stages") > 0
    many = decode(DENSE, PRECISIONS["bf16"], machine(), Mesh(1, 2), BARE, 200, 1000)
    half = decode(DENSE, PRECISIONS["bf16"], machine(), Mesh(), BARE, 100, 1000)
    assert term(many, "cached attention") == pytest.approx(term(half, "cached attention"))


def test_activations_by_hand() -> None:
    small = replace(DENSE, layers=1, hidden=10, heads=2, head_dim=3, ffn=7)
    assert activations(small, Mesh()) == 2 * (60 + 12 + 21)
    mixed = replace(small, ffn=0, moe_ffn=7, experts=4, experts_active=2)
    assert activations(mixed, Mesh()) == 2 * (60 + 12 + 2 * 21 + 3 * 2 * 10)
    assert activations(mixed, Mesh(2)) == 2 * (60 + 6 + 21 + 3 * 2 * 10)


def test_choosing_tokens_and_the_host_cost_each_sequence() -> None:
    engine = Engine("host", sequence=1e-6)
    phase = decode(DENSE, PRECISIONS["bf16"], machine(), Mesh(), engine, 100, 1)
    assert term(phase, "host") == pytest.approx(1e-4)
    assert term(phase, "sampling") == pytest.approx(100 * DENSE.vocab * 12 / 3e12)
    prompts = prefill(DENSE, PRECISIONS["bf16"], machine(), Mesh(), engine, 500, 4)
    assert term(prompts, "host") == pytest.approx(4e-6)


def test_a_column_of_tiles_is_whole() -> None:
    """One element more in the gate costs a whole column of tiles: 128 of 28,672, not two."""
    even, odd = (
        term(prefill(replace(DENSE, ffn=ffn), PRECISIONS["bf16"], machine(), Mesh(), BARE, 8192), "products")
        for ffn in (14336, 14337)
    )
    assert 1.001 < odd / even < 1.01


@pytest.mark.parametrize(
    ("ceilings", "mesh", "words"),
    [
        (machine(bandwidth=0.0), Mesh(), "no bandwidth"),
        (machine(bandwidth=math.nan), Mesh(), "no bandwidth"),
        (machine(multiply=0.0), Mesh(), "not known to multiply"),
        (machine(link=None), Mesh(2), "what joins"),
        (machine(memory=0.0), Mesh(), "no memory"),
    ],
)
def test_what_is_not_known_is_refused(ceilings: Ceilings, mesh: Mesh, words: str) -> None:
    with pytest.raises(RefusedError, match=words):
        decode(DENSE, PRECISIONS["bf16"], ceilings, mesh, FITTED, 1, 1)


def test_mxfp4_of_a_dense_model_is_narrow_and_of_experts_only_theirs() -> None:
    """Whoever quantises a dense model to mxfp4 leaves no layer wide: it cannot take as long as 16 bits do."""
    fast = machine(types=frozenset({"bf16", "e4m3", "fp4"}))
    fast = replace(fast, gemm={**fast.gemm, "fp4": Ceiling(3.2e15, Footing.ASSUMED)})
    took = {name: decode(DENSE, PRECISIONS[name], fast, Mesh(), FITTED, 64, 500).seconds for name in ("mxfp4", "nvfp4")}
    assert took["mxfp4"] == pytest.approx(took["nvfp4"], rel=0.05)
    assert took["mxfp4"] < decode(DENSE, PRECISIONS["fp8"], fast, Mesh(), FITTED, 64, 500).seconds


def test_one_sequence_is_bound_by_reading_the_weights() -> None:
    """A row is not charged as a whole tile of them: four-bit weights, read in a quarter of the time, pay at batch 1."""
    card = machine(1e12, 1.5e14)
    alone = {name: decode(DENSE, PRECISIONS[name], card, Mesh(), FITTED, 1, 2048) for name in ("bf16", "w4a16")}
    assert alone["bf16"].bound is alone["w4a16"].bound is Bound.BANDWIDTH
    assert alone["bf16"].seconds > 2.5 * alone["w4a16"].seconds
