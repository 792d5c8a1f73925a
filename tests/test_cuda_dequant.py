"""The dequantising GEMM: its packed order, its kernel executed on the CPU, and faults planted to be found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchsuite import units
from benchsuite.benchmarks import dequant
from benchsuite.measure.verify import check
from benchsuite.model import TYPICAL, Arrays, Case, Expected, Rejected, Tolerance
from tests.cuda_host import simulate

GPP = pytest.mark.skipif(not simulate.available(), reason="g++ is not installed")
KINDS = [(weights, dtype) for weights in dequant.BITS for dtype in ("bf16", "fp16")]


def case(m: int, n: int, k: int, weights: str = "int4", dtype: str = "bf16") -> Case:
    return Case.of("dequant", m=m, n=n, k=k, weights=weights, dtype=dtype, group=dequant.GROUP)


def integers(strips: int, groups: int, bits: int, seed: int) -> np.ndarray:
    half = 2 ** (bits - 1)
    shape = (groups * dequant.GROUP, strips * dequant.STRIP)
    return np.random.default_rng(seed).integers(-half, half, shape, dtype=np.int8)


# ---------------------------------------------------------------- the packed order


@given(st.sampled_from((4, 8)), st.integers(1, 5), st.integers(1, 3), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_what_is_packed_is_unpacked(bits: int, strips: int, groups: int, seed: int) -> None:
    values = integers(strips, groups, bits, seed)
    words = dequant.pack(values, bits)
    assert words.nbytes == values.size * bits // 8
    assert np.array_equal(dequant.unpack(words, bits), values)


@given(st.sampled_from((4, 8)), st.integers(1, 3), st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_the_reference_finds_every_integer_at_its_place(bits: int, strips: int, seed: int) -> None:
    values = integers(strips, 2, bits, seed)
    blocks = dequant.pack(values, bits).view(np.uint8).reshape(strips, -1, dequant.BLOCK_BYTES)
    byte, shift = dequant.fragment_places(bits)
    span = byte.shape[1]
    for column in range(values.shape[1]):
        strip, inside = divmod(column, dequant.STRIP)
        codes = blocks[strip][:, byte[inside]] >> shift[inside] & (2**bits - 1)
        signed = (codes.astype(np.int16) ^ 2 ** (bits - 1)) - 2 ** (bits - 1)
        assert np.array_equal(signed.reshape(-1), values[:, column]), f"column {column} of blocks of {span} k"


def test_every_integer_of_a_block_has_its_own_bits() -> None:
    for bits in (4, 8):
        byte, shift = dequant.fragment_places(bits)
        assert sorted((8 * byte + shift).reshape(-1)) == list(range(0, 8 * dequant.BLOCK_BYTES, bits))


@given(st.integers(1, 4), st.integers(1, 4))
def test_scales_of_columns_eight_apart_are_neighbours(groups: int, strips: int) -> None:
    scales = np.arange(groups * strips * 16).reshape(groups, strips * 16)
    packed = dequant.pack_scales(scales)
    assert np.array_equal(dequant.unpack_scales(packed), scales)
    assert np.all(packed[:, 1::2] - packed[:, ::2] == 8)


def test_work_counts_every_byte_once() -> None:
    work = dequant.work(case(16, 4096, 8192))
    assert work.read == 4096 * 8192 / 2 + 2 * 64 * 4096 + 2 * 16 * 8192
    assert (work.written, work.flops) == (2 * 16 * 4096, 2 * 16 * 4096 * 8192)


def test_refused_shapes() -> None:
    assert dequant.invalid(case(1, 24, 128))
    assert dequant.invalid(case(1, 32, 192))
    assert dequant.invalid(case(0, 32, 128))
    assert not dequant.invalid(case(100, 48, 384))
    assert not dequant.BENCHMARK.implementations[0].supports(case(65, 48, 384))


@pytest.mark.parametrize("arch", TYPICAL)
@pytest.mark.parametrize("m", [1, 8, 9, 32, 64])
@pytest.mark.parametrize(("weights", "dtype"), KINDS)
def test_every_card_gets_enough_stages(arch: str, m: int, weights: str, dtype: str) -> None:
    card = TYPICAL[arch]
    made = dequant.plan(case(m, 8192, 28672, weights, dtype), card)
    assert made.stages >= dequant.FEWEST_STAGES
    assert made.blocks * (made.stages * made.stage_bytes + units.KIB) <= card.shared + units.KIB
    assert 8 * made.m_tiles >= m
    tile_bytes = dequant.TILE_N * made.chunk_k * dequant.BITS[weights] // 8
    assert made.blocks * (made.stages - 1) * tile_bytes >= 24 * units.KIB  # in flight: Little's law


# ---------------------------------------------------------------- the kernel, executed


@GPP
@pytest.mark.parametrize(("weights", "dtype"), KINDS)
@pytest.mark.parametrize(
    ("m", "n", "k", "arch", "processors"),
    [
        (1, 64, 128, "sm_80", 4),  # one chunk, most columns missing
        (5, 144, 384, "sm_90a", 4),  # tails in n and k, chunks of two groups
        (9, 400, 640, "sm_90a", 1),  # a block takes several tiles and goes round its stages
        (16, 128, 1280, "sm_80", 4),  # one tile shared by all blocks
        (27, 272, 640, "sm_86", 1),
        (64, 144, 384, "sm_86", 1),
    ],
)
def test_results(weights: str, dtype: str, m: int, n: int, k: int, arch: str, processors: int) -> None:
    on = simulate.device(arch, processors)
    result = simulate.run(dequant.BENCHMARK, "stream-k", case(m, n, k, weights, dtype), on=on, seed=m)
    assert not isinstance(result, Rejected), result


@GPP
@pytest.mark.parametrize(("weights", "dtype"), KINDS)
def test_unit_vectors_read_every_weight_exactly(weights: str, dtype: str) -> None:
    """Rows of x that are unit vectors and scales of powers of two: y is W, with no rounding to hide behind."""
    k, n, bits = 128, 32, dequant.BITS[weights]
    values = integers(n // dequant.STRIP, 1, bits, 3)
    values[: 2**bits // 2, 0] = np.arange(-(2 ** (bits - 1)), 0)[:k]
    for first in (0, 64):
        x = np.eye(k, dtype=np.float32)[first : first + 64]
        scales = np.exp2(np.arange(n) % 5 - 2, dtype=np.float32)[None]

        def inputs(_: Case, __: np.random.Generator, x: np.ndarray = x, scales: np.ndarray = scales) -> Arrays:
            packed = dequant.pack_scales(dequant._rounded(scales, dtype))
            return {"x": dequant._rounded(x, dtype), "weights": dequant.pack(values, bits), "scales": packed}

        def reference(
            _: Case,
            __: Sequence[Arrays],
            ___: np.random.Generator,
            want: np.ndarray = values[first : first + 64] * scales,
        ) -> Mapping[str, Expected]:
            return {"y": Expected(want.astype(np.float64))}

        exact = replace(dequant.BENCHMARK, inputs=inputs, reference=reference, tolerance=lambda _: Tolerance())
        assert simulate.run(exact, "stream-k", case(64, n, k, weights, dtype)) == 0.0


@GPP
def test_the_same_bits_whatever_block_comes_last() -> None:
    shared = case(16, 144, 1152)
    found = []
    for seed in range(3):  # of the schedules; the inputs are the same
        runtime = simulate.SimulatedRuntime(simulate.device("sm_80", 3), seed)
        step, _, buffers = simulate.bound(dequant.BENCHMARK, "stream-k", shared, runtime)
        step()
        found.append(buffers["y"].tobytes())
        assert not buffers["arrived"].any(), "the counters must be zero for the next launch"
    assert len(set(found)) == 1


FAULTS = {
    "no barrier before the stage is read": ("    __syncthreads();  // everybody's copies", "    // everybody's copies"),
    "one copy too few waited for": ("copy_async_wait<STAGES - 2>", "copy_async_wait<STAGES - 1>"),
    "a stage too early": ("fetch(stage == 0 ? STAGES - 1 : stage - 1)", "fetch(stage)"),
    "x without its swizzle": ("16 * (unit ^ (row & 7))", "16 * unit"),
    "no barrier in the exchange": ("__syncthreads();  // the others'", "// the others'"),
    "sums kept from the tile before": ("clear(sums[s][i])", "add(sums[s][i], uint4{})"),
    "half of k left out": ("add(own[i], load_shared16", "if (i < 0) add(own[i], load_shared16"),
    "one block too few in the sum": ("other <= last", "other < last"),
    "a chunk left out": ("end = first_unit(static_cast<int>(blockIdx.x) + 1, units)", "end = begin + 4"),
    "another group's scale": ("(p.k - at.depth) / GROUP + group", "(p.k - at.depth) / GROUP / 2"),
    "scales of g and g + 8 exchanged": ("scale[s][0] = low_half", "scale[s][0] = high_half"),
    "an integer one too large": ("0xc308c308u", "0xc307c307u"),
    "unsigned integers": ("0x43084308u", "0x43004300u"),
    "nibbles in another order": ("word >> (4 * i)", "word >> (4 * (i ^ 1))"),
}


@GPP
@pytest.mark.parametrize("fault", FAULTS)
def test_planted_faults_are_found(fault: str) -> None:
    before, after = FAULTS[fault]
    on = simulate.device("sm_86", 1)  # two blocks of four stages: both go round, and share a tile
    result = simulate.run(dequant.BENCHMARK, "stream-k", case(7, 272, 640), on=on, edit={before: after})
    assert isinstance(result, Rejected), f"{fault} went unnoticed"


class Fenced(simulate.SimulatedRuntime):
    """Keeps marked bytes behind every buffer."""

    FENCE, MARK = 8192, 0x5A

    def empty(self, shape: tuple[int, ...], storage: str, place: str = "device") -> np.ndarray:
        used = int(np.prod(shape)) * np.dtype(storage).itemsize
        raw = super().empty((used + self.FENCE,), "uint8")
        raw[used:] = self.MARK
        self.__dict__.setdefault("fences", []).append(raw[used:])
        return raw[:used].view(storage).reshape(shape)

    def intact(self) -> bool:
        return all(np.all(fence == self.MARK) for fence in self.__dict__["fences"])


@GPP
@pytest.mark.parametrize(
    ("edit", "intact"),
    [({}, True), ({"if (row < p.m && column < p.n) y[": "if (column < p.n) y["}, False)],
    ids=["as it is", "rows beyond m"],
)
def test_nothing_is_written_behind_a_buffer(edit: dict[str, str], intact: bool) -> None:
    runtime = Fenced(simulate.device("sm_80", 1), edit=edit)
    step, _, _ = simulate.bound(dequant.BENCHMARK, "stream-k", case(7, 272, 384), runtime)
    step()
    assert runtime.intact() is intact


def test_numpy_agrees_with_the_reference() -> None:
    for weights, dtype in KINDS:
        one = case(3, 1040, 256, weights, dtype)
        arrays = dequant.inputs(one, np.random.default_rng(5))
        storage = units.dtype(dtype).storage
        y = np.full((3, 1040), np.nan, np.float16) if dtype == "fp16" else np.zeros((3, 1040), storage)
        dequant.by_numpy({**arrays, "y": y}, one)
        want = dequant.reference(one, [arrays], np.random.default_rng(0))
        result = check({"y": y}, want, dequant.outputs(one), dequant.tolerance(one))
        assert not isinstance(result, Rejected), result
        assert 0.7 < np.std(want["y"].values) < 1.4
