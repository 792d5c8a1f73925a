"""mxfp8 and nvfp4: rounding, scales and their layout, the benchmark on the processor, and what its tolerance finds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchsuite import units
from benchsuite.benchmarks import _gemm_formats as formats
from benchsuite.benchmarks.gemm_blockscaled import BENCHMARK, by_numpy
from benchsuite.catalog import gpus
from benchsuite.measure.verify import check
from benchsuite.model import Array, Case, Rejected

NAMES = tuple(formats.FORMATS)


def case(m: int = 40, n: int = 24, k: int = 96, dtype: str = "mxfp8") -> Case:
    return Case.of("gemm-blockscaled", m=m, n=n, k=k, dtype=dtype)


def normal(rows: int, k: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal((rows, k), dtype=np.float32)


# ---------------------------------------------------------------- numbers


@given(st.floats(-8, 8, width=32))
@settings(deadline=None)
def test_e2m1_is_the_nearest_number_and_of_two_the_even_one(value: float) -> None:
    distance = np.abs(units.E2M1.astype(np.float64) - value)
    nearest = {code for code in range(16) if distance[code] == distance.min()}
    code = int(units.to_e2m1(np.array([value, 0], np.float32))[0])
    assert code in nearest
    assert len({one & 7 for one in nearest}) == 1 or code % 2 == 0


def test_e2m1_has_the_numbers_that_the_standard_lists() -> None:
    size, exponent = np.arange(8) & 1, np.arange(8) >> 1
    want = np.where(exponent > 0, (2 + size) * 2.0 ** (exponent - 2), size * 0.5)
    np.testing.assert_array_equal(units.E2M1[:8], want)
    np.testing.assert_array_equal(units.E2M1[8:], -want)
    np.testing.assert_array_equal(units.to_e2m1(units.E2M1), np.arange(0, 16, 2) + np.arange(1, 16, 2) * 16)
    every = np.arange(256, dtype=np.uint8).reshape(4, 64)
    np.testing.assert_array_equal(units.to_e2m1(units.from_e2m1(every)), every)
    np.testing.assert_array_equal(units.as_float(every, "e2m1"), units.from_e2m1(every))


@pytest.mark.parametrize("size", [1e-30, 1.0, 1e6])
def test_mxfp8_scales_are_the_least_that_cut_nothing_off(size: float) -> None:
    values = normal(33, 128) * np.float32(size)
    made = formats.quantise(values, "mxfp8")
    blocks = np.abs(values).reshape(33, 4, 32)
    scales = formats.scales_of(made.scales, "mxfp8")
    assert made.factor == 1.0
    assert (blocks.max(axis=2) <= 448.0 * scales).all()
    assert (blocks.max(axis=2) > 224.0 * scales).all()
    read = formats.elements_of(made.elements, "mxfp8").reshape(33, 4, 32) * scales[:, :, None]
    error = np.abs(np.abs(read) - blocks)  # of 4 bits, or half of the least number
    assert (error <= np.maximum(blocks / 16, 2.0**-10 * scales[:, :, None])).all()
    assert error.max() > 0.0


@pytest.mark.parametrize("size", [1e-20, 1.0, 1e6])
def test_nvfp4_is_as_near_as_its_scales_allow(size: float) -> None:
    values = normal(20, 64, 1) * np.float32(size)
    made = formats.quantise(values, "nvfp4")
    blocks = np.abs(values).reshape(20, 4, 16)
    scales = formats.scales_of(made.scales, "nvfp4") * made.factor
    assert made.elements.shape == (20, 32)
    assert made.factor == pytest.approx(np.abs(values).max() / (448 * 6))
    assert np.abs(scales * 6 / blocks.max(axis=2) - 1).max() < 0.07  # an e4m3 apart
    read = formats.elements_of(made.elements, "nvfp4").reshape(20, 4, 16) * scales[:, :, None]
    assert (
        np.abs(read - values.reshape(20, 4, 16)) <= 1.07 * scales[:, :, None]
    ).all()  # steps of 2 below 6, of 1 below 4
    assert np.corrcoef(read.ravel(), values.ravel())[0, 1] > 0.99


@pytest.mark.parametrize("name", NAMES)
def test_zeros_stay_zeros(name: str) -> None:
    values = normal(4, 64)
    values[1], values[2, 16:32] = 0.0, 0.0
    made = formats.quantise(values, name)
    scales = np.repeat(formats.scales_of(made.scales, name), formats.FORMATS[name].block, axis=1)
    read = formats.elements_of(made.elements, name) * scales
    assert not read[1].any()
    assert not read[2, 16:32].any()
    assert np.isfinite(read).all()
    assert not formats.quantise(np.zeros((2, 32), np.float32), name).elements.any()


def test_nibbles_lie_with_the_lower_k_first() -> None:
    values = np.zeros((1, 16), np.float32)
    values[0, :4] = 6.0, -1.0, 0.5, 3.0
    made = formats.quantise(values, "nvfp4")
    assert made.elements[0, 0] == 0b1010_0111
    assert made.elements[0, 1] == 0b0101_0001


def test_a_scale_that_is_no_number_is_none() -> None:
    assert np.isnan(formats.scales_of(np.array([255], np.uint8), "mxfp8")[0])
    assert formats.scales_of(np.array([127], np.uint8), "mxfp8")[0] == 1.0


# ---------------------------------------------------------------- where scales lie


@given(st.integers(1, 300), st.integers(1, 14))
@settings(deadline=None, max_examples=40)
def test_what_is_interleaved_is_where_the_definition_says(rows: int, blocks: int) -> None:
    scales = np.random.default_rng(rows * 99 + blocks).integers(1, 256, (rows, blocks), dtype=np.uint8)
    laid = formats.interleave(scales)
    assert laid.shape == (-(-rows // 128), -(-blocks // 4) * 512)
    places = formats.scale_at(np.arange(rows), blocks)
    np.testing.assert_array_equal(laid[places], scales)
    assert np.count_nonzero(laid) == scales.size, "and nothing else is there"


def test_the_layout_is_that_of_the_documentation() -> None:
    scales = np.arange(128, dtype=np.uint8)[:, None] * np.ones((1, 4), np.uint8) + np.arange(4, dtype=np.uint8) * 128
    laid = formats.interleave(scales)[0].reshape(32, 4, 4)
    np.testing.assert_array_equal(laid[5, 0], scales[5])
    np.testing.assert_array_equal(laid[5, 3], scales[5 + 96])


# ---------------------------------------------------------------- the benchmark


def verdict(this: Case, spoil: str = "", by: int = 1) -> float | Rejected:
    """What NumPy computes, from inputs of which some were spoilt, against the reference of the right ones."""
    inputs = dict(BENCHMARK.inputs(this, np.random.default_rng(1)))
    expected = BENCHMARK.reference(this, [inputs], np.random.default_rng(2))
    spec = BENCHMARK.outputs(this)["c"]
    buffers = {**{name: array.copy() for name, array in inputs.items()}, "c": np.zeros(spec.shape, np.uint16)}
    if spoil == "nibbles":
        buffers["a"] = (buffers["a"] >> 4) | (buffers["a"] << 4)
    elif spoil == "step":
        buffers["a"][:, :32] = 0
    elif spoil == "factors":
        buffers["factors"] = buffers["factors"] * np.float32(1.1)
    elif spoil:
        buffers[spoil] = np.roll(buffers[spoil], by, axis=1)
    by_numpy(buffers, this)
    tolerance = BENCHMARK.tolerance(this)
    assert tolerance is not None
    return check(buffers, expected, BENCHMARK.outputs(this), tolerance)


@pytest.mark.parametrize("dtype", NAMES)
@pytest.mark.parametrize("shape", [(1, 1, 32), (40, 24, 96), (130, 520, 544)])
def test_the_processor_s_product_is_right(shape: tuple[int, int, int], dtype: str) -> None:
    assert isinstance(found := verdict(case(*shape, dtype=dtype)), float), found


@pytest.mark.parametrize(
    ("dtype", "spoil", "by"),
    [
        ("mxfp8", "step", 0),
        ("nvfp4", "step", 0),
        ("mxfp8", "a_scales", 1),
        ("nvfp4", "a_scales", 1),
        ("nvfp4", "b_scales", 16),
        ("nvfp4", "nibbles", 0),
        ("nvfp4", "factors", 0),
    ],
)
def test_what_is_wrong_exceeds_the_tolerance(dtype: str, spoil: str, by: int) -> None:
    assert isinstance(verdict(case(130, 264, 1024, dtype), spoil, by), Rejected)


@pytest.mark.parametrize("dtype", NAMES)
def test_one_instruction_left_out_is_found_at_the_size_of_a_suite(dtype: str) -> None:
    """Not multiplied in full: the difference of one column of 4096 elements, k = 8192, against what is allowed."""
    tolerance = BENCHMARK.tolerance(case(8192, 8192, 8192, dtype))
    assert tolerance is not None
    together = 32 if dtype == "mxfp8" else 64
    lost = normal(4096, together) @ normal(1, together, 7)[0]
    assert np.abs(lost).max() > tolerance.absolute + tolerance.relative * 4 * np.sqrt(8192)


def test_work_counts_elements_and_their_scales() -> None:
    one, two = (BENCHMARK.work(case(256, 128, 1024, dtype)) for dtype in NAMES)
    assert one.flops == two.flops == 2 * 256 * 128 * 1024
    assert one.read == 384 * 1024 * (1 + 1 / 32)
    assert two.read == 384 * 1024 * (1 / 2 + 1 / 16)
    assert one.written == 256 * 128 * 2


@pytest.mark.parametrize(("changes", "told"), [({"m": 0}, "no elements"), ({"k": 48}, "multiple of 32")])
def test_shapes_without_whole_blocks_are_refused(changes: dict[str, int], told: str) -> None:
    assert told in BENCHMARK.invalid(case(**changes))


def test_peaks_are_those_of_the_block_scaled_instructions() -> None:
    """A GeForce's fp8 is halved for its sum in fp32; the block-scaled instruction is not."""
    card = gpus.gpus()["rtx_5090"]
    assert card.rates["mxfp8"] == 2 * card.rates["e4m3"] == card.rates["nvfp4"] / 2
    assert (card.per_clock("mxfp8"), card.per_clock("nvfp4")) == (2048, 4096)
    whole = gpus.gpus()["rtx_pro_6000_ws"]
    assert whole.rates["mxfp8"] == whole.rates["e4m3"] == whole.rates["nvfp4"] / 2
    older = gpus.gpus()["rtx_4090"]
    assert "e4m3" in older.rates
    assert not {"mxfp8", "nvfp4"} & older.rates.keys(), "it has no such instruction"
    assert replace(card, peaks={}).rates == {}


def test_elements_are_bits_that_the_units_know() -> None:
    made = formats.quantise(normal(2, 32), "mxfp8")
    np.testing.assert_array_equal(formats.elements_of(made.elements, "mxfp8"), units.from_e4m3(made.elements))
