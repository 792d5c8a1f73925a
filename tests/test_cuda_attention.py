"""Our CUDA attention kernel on the simulator: tile shapes, tails and masks against float64, and planted faults."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchsuite import units
from benchsuite.benchmarks.attention import BENCHMARK, KERNEL, allowed, tiling
from benchsuite.measure.verify import check
from benchsuite.model import ARCHITECTURES, TYPICAL, Case, Rejected, Tolerance
from tests.cuda_host import simulate

pytestmark = pytest.mark.skipif(not simulate.available(), reason="no g++ here")


def case(**changes: object) -> Case:
    shape = {"batch": 1, "heads": 2, "kv_heads": 1, "head_dim": 64, "seq": 130, "causal": True, "dtype": "bf16"}
    return Case.of("attention", **{**shape, **changes})  # type: ignore[arg-type]


TILINGS = [
    (64, "sm_80"),
    (64, "sm_89"),
    (128, "sm_80"),
    (128, "sm_86"),
    (128, "sm_89"),
    (128, "sm_100a"),
    (256, "sm_80"),
]


@pytest.mark.parametrize("causal", [False, True], ids=["full", "causal"])
@pytest.mark.parametrize(("dim", "arch"), TILINGS)
def test_every_tiling_equals_float64(dim: int, causal: bool, arch: str) -> None:
    """130 tokens: whole tiles, a tail of two, queries of which some warps have none."""
    for seed in (0, 1):
        result = simulate.run(BENCHMARK, "mma", case(head_dim=dim, causal=causal), arch, seed=seed, iterations=1)
        assert not isinstance(result, Rejected), result


@pytest.mark.parametrize("causal", [False, True], ids=["full", "causal"])
@pytest.mark.parametrize("seq", [1, 15, 17, 64, 65, 128, 200])
def test_every_length_equals_float64(seq: int, causal: bool) -> None:
    for arch, dim, dtype in (("sm_80", 128, "fp16"), ("sm_89", 128, "bf16"), ("sm_89", 64, "fp16")):
        shape = case(seq=seq, causal=causal, head_dim=dim, dtype=dtype, heads=1)
        result = simulate.run(BENCHMARK, "mma", shape, arch, seed=seq, iterations=1)
        assert not isinstance(result, Rejected), result


@pytest.mark.parametrize(("batch", "heads", "kv_heads"), [(2, 2, 2), (2, 4, 2), (1, 3, 1), (3, 1, 1)])
@pytest.mark.parametrize("l2", [1 << 10, 1 << 16, 1 << 30])
def test_every_head_meets_its_keys_in_every_order_of_blocks(l2: int, batch: int, heads: int, kv_heads: int) -> None:
    """The cache's size decides how many heads run together; the last set may be smaller than the others."""
    shape = case(batch=batch, heads=heads, kv_heads=kv_heads, seq=70)
    result = simulate.run(BENCHMARK, "mma", shape, on=replace(simulate.device("sm_89"), l2=l2), iterations=1)
    assert not isinstance(result, Rejected), result


def with_large_scores(size: float, dtype: str, edit: dict[str, str] | None = None) -> float | Rejected:
    """A run whose queries, and so scores, are ``size`` times as large."""
    shape = case(seq=200, dtype=dtype, heads=1)
    runtime = simulate.SimulatedRuntime(simulate.device(), edit=edit)
    step, inputs, buffers = simulate.bound(BENCHMARK, "mma", shape, runtime)
    grown = units.as_float(inputs["q"], dtype).astype(np.float32) * np.float32(size)
    inputs["q"] = units.to_bf16(grown) if dtype == "bf16" else grown.astype(np.float16)
    buffers["q"][...] = inputs["q"]
    step()
    expected = BENCHMARK.reference(shape, [inputs], np.random.default_rng(0))["o"]
    # Scores of 10^4 are float32 numbers 10^-3 apart: the weights of keys that nearly tie are off by as much.
    loose = Tolerance(relative=1e-2, absolute=2e-2)
    wanted = {"o": replace(expected, tolerance=loose)}
    return check(buffers, wanted, BENCHMARK.outputs(shape), loose)


@pytest.mark.parametrize("dtype", ["bf16", "fp16"])
@pytest.mark.parametrize("size", [1e-3, 20.0, 3e3])
def test_scores_of_any_size_stay_finite(size: float, dtype: str) -> None:
    """The largest score climbs far and often where scores are large; nothing may overflow or lose the sum."""
    result = with_large_scores(size, dtype)
    assert not isinstance(result, Rejected), result


@pytest.mark.parametrize("line", ["rows.sum[m][h] *= fade;", "rows.o[m][d][2 * h] *= fade;", "top[m][h] > rows.shift"])
def test_a_sum_that_does_not_follow_its_shift_is_found(line: str) -> None:
    """Normal scores hardly ever exceed the first tile's largest by 2^8, so this needs large ones."""
    result = with_large_scores(20.0, "fp16", {line: line.replace("*= fade", "*= 1.0f").replace("> rows", "< rows")})
    assert isinstance(result, Rejected)


FAULTS: dict[str, tuple[str, str, dict[str, object]]] = {
    "a tile is not waited for": ("    copy_async_wait<0>();\n", "", {}),
    "v is not waited for": ("      copy_async_wait<1>();\n", "", {"head_dim": 128}),
    "no barrier between tiles": ("    __syncthreads();  // this tile has come", "    // this tile has come", {}),
    "no barrier before v": ("      copy_async_wait<1>();\n      __syncthreads();\n", "", {"head_dim": 128}),
    "no barrier before the output": ("if (Q_REGISTERS) __syncthreads();", "if (Q_REGISTERS) __syncwarp();", {}),
    "lanes read before others have written": ("  __syncwarp();\n#pragma", "#pragma", {}),
    "a copy to the wrong bank": ("to += swizzled(thread / CHUNKS,", "to += swizzled(thread / CHUNKS + 1,", {}),
    "a read of the wrong bank": ("(pair & 3) << 5", "(pair & 1) << 5", {}),
    "a token sees the next one": ("last - ROWS + 1 + lane / 4", "last - ROWS + 2 + lane / 4", {}),
    "a token does not see itself": ("last - ROWS + 1 + lane / 4", "last - ROWS + lane / 4", {}),
    "keys beyond the last": ("if (after > seq ||", "if (after > seq + BN ||", {"causal": False}),
    "the last tile is left out": (": seq;  // keys of this block", ": seq - BN;  //", {"causal": False, "seq": 128}),
    "heads meet others' keys": ("head / group * seq", "(heads - 1 - head) / group * seq", {"heads": 4, "kv_heads": 2}),
    "the last query is not stored": ("if (row < present) store_once", "if (row + 1 < present) store_once", {}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault: str) -> None:
    """By the simulator (a race, an unfinished copy) or by the reference; a race may need a second schedule."""
    before, after, changes = FAULTS[fault]

    def found(seed: int) -> bool:
        edit = {before: after}
        result = simulate.run(BENCHMARK, "mma", case(**changes), "sm_89", seed=seed, edit=edit, iterations=1)
        return isinstance(result, Rejected)

    assert found(0) or found(1)


def test_a_lost_key_or_tile_is_more_than_the_tolerance_allows() -> None:
    """On the reference itself: leave keys out of one side."""
    for dtype in ("bf16", "fp16"):
        shape = case(seq=1024, causal=False, heads=1, dtype=dtype)
        inputs = dict(BENCHMARK.inputs(shape, np.random.default_rng(5)))
        want = BENCHMARK.reference(shape, [inputs], np.random.default_rng(0))
        right = want["o"].values
        for lost in (slice(64, 128), slice(700, 701)):
            kept = np.delete(np.arange(1024), np.arange(1024)[lost])
            fewer = {"q": inputs["q"], "k": inputs["k"][:, :, kept], "v": inputs["v"][:, :, kept]}
            wrong = BENCHMARK.reference(shape, [fewer], np.random.default_rng(0))["o"].values
            limit = allowed(shape, 1024)
            assert limit is not None
            assert np.any(np.abs(wrong - right) > limit.absolute + limit.relative * np.abs(right))


def test_rows_that_see_many_keys_are_not_allowed_what_short_ones_are() -> None:
    for dtype in ("bf16", "e4m3"):
        shape = case(seq=200, heads=1, dtype=dtype)
        inputs = dict(BENCHMARK.inputs(shape, np.random.default_rng(5)))
        want = BENCHMARK.reference(shape, [inputs], np.random.default_rng(0))["o"]
        assert want.tolerance is not None
        assert want.scale is not None
        for row in (0, 7, 8, 63, 199):
            limit = allowed(shape, row + 1)
            assert limit is not None
            np.testing.assert_allclose(want.tolerance.absolute * want.scale[row], limit.absolute, rtol=1e-12)


def test_blocks_fit_and_every_variant_is_executed() -> None:
    """As many blocks as a variant is made for fit in an SM; the runs above cover all variants."""
    sources = {}
    for arch in ARCHITECTURES:
        for dim in (64, 128, 256):
            shape = case(head_dim=dim)
            tile, launch = tiling(shape, TYPICAL[arch]), KERNEL.launches(shape, TYPICAL[arch])[0]
            assert tile["BLOCKS"] * (launch.shared + 1024) <= TYPICAL[arch].shared + 1024
            assert launch.block[0] == 32 * tile["WARPS"]
            sources[KERNEL.source(shape, TYPICAL[arch])] = (dim, arch)
    assert set(sources) == {KERNEL.source(case(head_dim=dim), TYPICAL[arch]) for dim, arch in TILINGS}
