"""Our GEMM kernels, executed on the CPU: every type, layout and tile, tails, splits of k, schedules, planted faults."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from cuda_host import simulate
from hypothesis import given, settings
from hypothesis import strategies as st

from benchsuite import units
from benchsuite.benchmarks import _gemm_cuda as cuda
from benchsuite.benchmarks import gemm
from benchsuite.measure.verify import check
from benchsuite.model import TYPICAL, Case, CudaKernel, Rejected

pytestmark = pytest.mark.skipif(not simulate.available(), reason="needs g++")
TILES = {(128, 256): "large", (128, 128): "medium", (64, 128): "low", (16, 128): "lowest"}


def case(m: int, n: int, k: int, dtype: str, layout: str = "nn", data: str = "normal") -> Case:
    return Case.of("gemm", m=m, n=n, k=k, dtype=dtype, layout=layout, data=data)


def implementation(this: Case) -> str:
    return next(
        item.name for item in gemm.BENCHMARK.implementations if isinstance(item.op, CudaKernel) and item.supports(this)
    )


def error(this: Case, arch: str, seed: int = 0, edit: dict[str, str] | None = None) -> float | Rejected:
    return simulate.run(gemm.BENCHMARK, implementation(this), this, arch, seed=seed, edit=edit)


def tile(this: Case, arch: str) -> str:
    found = cuda.mma_cut(this, simulate.device(arch)).tile
    return TILES[found.rows, found.columns]


# (m, n, k): tails in every direction, k below one stage and beyond the stages there are, a single row.
MMA = [
    ("sm_80", "large", "bf16", "nn", (130, 264, 328)),
    ("sm_80", "large", "bf16", "nn", (128, 520, 8)),
    ("sm_86", "large", "bf16", "nt", (250, 300, 328)),
    ("sm_86", "large", "bf16", "nt", (129, 511, 24)),
    ("sm_90a", "medium", "fp16", "nt", (100, 400, 216)),
    ("sm_80", "low", "fp16", "nn", (65, 104, 200)),
    ("sm_80", "large", "tf32", "nn", (130, 260, 100)),
    ("sm_89", "low", "tf32", "nt", (33, 129, 164)),
    ("sm_80", "large", "int8", "nt", (130, 263, 656)),
    ("sm_89", "large", "e4m3", "nt", (130, 264, 336)),
    ("sm_120a", "lowest", "e4m3", "nt", (16, 130, 48)),
    ("sm_80", "lowest", "bf16", "nn", (1, 136, 72)),
    ("sm_80", "medium", "bf16", "nn", (35, 131, 77)),
    ("sm_80", "medium", "int8", "nt", (130, 129, 167)),
]


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(("arch", "wanted", "dtype", "layout", "shape"), MMA)
def test_tensor_cores(arch: str, wanted: str, dtype: str, layout: str, shape: tuple[int, int, int], seed: int) -> None:
    this = case(*shape, dtype, layout)
    assert tile(this, arch) == wanted
    assert isinstance(found := error(this, arch, seed), float), found


def test_block_scales_of_one_change_nothing() -> None:
    this = case(16, 130, 48, "e4m3", "nt")
    plain = simulate.run(gemm.BENCHMARK, "mma-fp8", this, "sm_120a")
    assert plain == simulate.run(gemm.BENCHMARK, "mma-fp8-scaled", this, "sm_120a")
    assert isinstance(plain, float)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(
    ("dtype", "layout", "shape", "splits"),
    [("bf16", "nn", (16, 136, 1024), 2), ("int8", "nt", (1, 128, 4096), 4), ("fp16", "nn", (65, 104, 640), 2)],
)
def test_k_split_among_blocks(dtype: str, layout: str, shape: tuple[int, int, int], splits: int, seed: int) -> None:
    """The last block of a tile adds up, and leaves the counters ready for the second iteration."""
    this = case(*shape, dtype, layout)
    assert cuda.mma_cut(this, simulate.device()).splits == splits
    assert isinstance(found := error(this, "sm_80", seed), float), found


PLAIN = [
    ("sm_80", 64, "fp64", "nn", (64, 64, 64)),
    ("sm_80", 128, "fp64", "nt", (127, 510, 82)),
    ("sm_90a", 128, "fp64", "nn", (127, 512, 14)),
    ("sm_90a", 64, "fp64", "nt", (1, 66, 130)),
    ("sm_80", 64, "fp64", "nn", (65, 71, 83)),
    ("sm_80", 128, "fp32", "nn", (64, 64, 64)),
    ("sm_80", 256, "fp32", "nn", (129, 512, 100)),
    ("sm_100a", 128, "fp32", "nn", (1, 260, 12)),
    ("sm_86", 256, "fp32", "nt", (130, 511, 68)),
    ("sm_86", 128, "fp32", "nt", (65, 130, 140)),
    ("sm_80", 128, "fp32", "nn", (33, 131, 45)),
]


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(("arch", "columns", "dtype", "layout", "shape"), PLAIN)
def test_double_and_single_precision(
    arch: str, columns: int, dtype: str, layout: str, shape: tuple[int, int, int], seed: int
) -> None:
    this = case(*shape, dtype, layout)
    cut = cuda.dmma_cut if dtype == "fp64" else cuda.simt_cut
    assert cut(this, simulate.device(arch)).tile.columns == columns
    assert isinstance(found := error(this, arch, seed), float), found


@pytest.mark.parametrize("dtype", ["tf32", "fp64", "fp32"])
def test_integers_and_zeros_are_exact(dtype: str) -> None:
    for data in ("integers", "zeros"):
        assert error(case(40, 72, 136, dtype, "nn", data), "sm_80") == 0.0


@settings(deadline=None, max_examples=15)
@given(
    m=st.integers(1, 100),
    n=st.integers(1, 40),
    k=st.integers(1, 40),
    step=st.sampled_from([1, 8]),
    seed=st.integers(0, 99),
)
def test_any_shape(m: int, n: int, k: int, step: int, seed: int) -> None:
    this = case(m, n * step, k * step, "bf16", "nn")
    assert isinstance(found := error(this, "sm_80", seed), float), (this.key, found)


BARRIER = "        copy_async_wait<STAGES - 2>();\n        __syncthreads();\n"
FAULTS = {
    "the last, partial stage of k is left out": (
        "bf16",
        {"all = (k + K_ELEMENTS - 1) / K_ELEMENTS": "all = k / K_ELEMENTS"},
    ),
    "tiles leave out one row": (
        "bf16",
        {"row = (first + within % height) * BM": "row = (first + within % height) * (BM + 1)"},
    ),
    "no barrier between stages": ("bf16", {BARRIER: "        copy_async_wait<STAGES - 2>();\n"}),
    "no wait for the copies": ("bf16", {BARRIER: "        __syncthreads();\n"}),
    "one wait too few": ("bf16", {BARRIER: "        copy_async_wait<STAGES - 1>();\n        __syncthreads();\n"}),
    "A is read without the swizzle": (
        "bf16",
        {"u32 a = swizzled<BK, 1>(row + (lane & 15), half);": "u32 a = (row + (lane & 15)) * BK + half * 16;"},
    ),
    "B is written in another swizzle": (
        "bf16",
        {"copy_chunk<B_PITCH, SPREAD>": "copy_chunk<B_PITCH, 1>", "view<B_PITCH, SPREAD>": "view<B_PITCH, 2>"},
    ),
    "the stage is overwritten one step early": ("bf16", {"writing = reading;": "writing = reading + STAGE;"}),
    "fp64: no barrier between stages": ("fp64", {BARRIER: "        copy_async_wait<STAGES - 2>();\n"}),
    "fp64: A and B disagree on the order of k": (
        "fp64",
        {"swizzled<true>(4 * t + i, n / 2)": "swizzled<true>(t + 4 * i, n / 2)"},
    ),
    "fp64: a column too few": ("fp64", {"s >= n) continue": "s >= n - 2) continue"}),
    "fp32: no barrier between stages": ("fp32", {"    __syncthreads();  // this stage": "    // this stage"}),
    "fp32: the wrong columns of B": ("fp32", {"* B_PITCH + c * 32": "* B_PITCH + c * 16"}),
    "one NaN": (
        "bf16",
        {"put(to, pair(Type{}, sum[i][j][2 * h],": "put(to, pair(Type{}, lane + j + i ? sum[i][j][2 * h] : NAN,"},
    ),
    "fp32: no wait for the copies": ("fp32", {"    copy_async_wait<STAGES - 2>();\n": ""}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault: str) -> None:
    dtype, edit = FAULTS[fault]
    this = case(130, 264, 328, dtype)
    assert isinstance(error(this, "sm_80", edit=edit), Rejected)


@pytest.mark.parametrize("reset", [True, False])
def test_counters_left_standing_are_found(reset: bool) -> None:
    """The second iteration writes C again only if the first one left the counters at zero."""
    this = case(16, 136, 1024, "bf16")
    runtime = simulate.SimulatedRuntime(edit={} if reset else {"*ticket = 0;": ";"})
    step, inputs, buffers = simulate.bound(gemm.BENCHMARK, "mma", this, runtime)
    step()
    runtime.fill(buffers["c"], 0xFF)
    step()
    expected = gemm.reference(this, [inputs], np.random.default_rng(1))
    found = check(buffers, expected, gemm.outputs(this), gemm.tolerance(this))
    assert isinstance(found, float) == reset


@pytest.mark.parametrize("dtype", ["fp16", "tf32", "e4m3"])
def test_a_missing_mma_step_is_outside_the_tolerance(dtype: str) -> None:
    """32 bytes of k left out, at the k of a transformer's layer; the right sum, rounded, is inside."""
    layout = "nt" if dtype == "e4m3" else "nn"
    this = case(64, 96, 4096, dtype, layout)
    inputs = gemm.inputs(this, np.random.default_rng(3))
    a, b = (units.as_float(inputs[name], dtype).astype(np.float64) for name in "ab")
    b = b.T if layout == "nt" else b
    expected = gemm.reference(this, [inputs], np.random.default_rng(4))
    for left_out in (0, 32 // units.dtype(dtype).bytes):
        c = (a[:, left_out:] @ b[left_out:]).astype(np.float32)
        result = units.to_bf16(c) if dtype == "e4m3" else c.astype(units.dtype(gemm.RESULT[dtype]).storage)
        found = check({"c": result}, expected, gemm.outputs(this), gemm.tolerance(this))
        assert isinstance(found, Rejected) == bool(left_out)


def test_sums_cut_off_like_a_tensor_core_are_inside_the_tolerance() -> None:
    """fp32 sums cut off after every 4 products, 13-bit ones after every 16: the worst that is documented."""
    for dtype, bits, products in (("tf32", 23, 4), ("e4m3", 13, 16)):
        this = case(48, 64, 4096, dtype, "nt")
        inputs = gemm.inputs(this, np.random.default_rng(5))
        a, b = (units.as_float(inputs[name], dtype).astype(np.float64) for name in "ab")
        total = np.zeros((48, 64))
        for i in range(0, 4096, products):
            total += a[:, i : i + products] @ b[:, i : i + products].T
            unit = 2.0 ** (np.floor(np.log2(np.abs(total) + 1e-300)) - bits)
            total = np.trunc(total / unit) * unit
        c = total.astype(np.float32)
        expected = gemm.reference(this, [inputs], np.random.default_rng(6))
        result = units.to_bf16(c) if dtype == "e4m3" else c
        found = check({"c": result}, expected, gemm.outputs(this), gemm.tolerance(this))
        assert isinstance(found, float), found


def test_tiles_follow_the_shape() -> None:
    a100, ada = TYPICAL["sm_80"], TYPICAL["sm_89"]
    square, middling = case(8192, 8192, 8192, "bf16"), case(2048, 2048, 2048, "bf16")
    assert cuda.mma_cut(square, a100) == cuda.Cut(cuda.mma_tiles(a100)[0])
    assert cuda.mma_cut(middling, a100) == cuda.Cut(cuda.mma_tiles(a100)[1])  # 128 large tiles would be 1.2 waves
    for m in (1, 16, 64):
        decode = cuda.mma_cut(case(m, 4096, 4096, "bf16"), a100)
        assert decode.splits > 1
        assert m <= decode.tile.rows <= 64
        assert decode.tile.count(m, 4096) * decode.splits <= 2 * a100.processors
    assert cuda.simt_cut(case(8192, 8192, 8192, "fp32"), ada).tile.columns == 256
    assert not cuda.aligned(case(64, 64, 65, "bf16"))


@pytest.mark.parametrize("arch", TYPICAL)
def test_every_tile_fits(arch: str) -> None:
    """Into the shared memory of a block, and as many blocks as meant into a processor's."""
    device = TYPICAL[arch]
    for tile in cuda.mma_tiles(device):
        assert tile.shared <= device.shared
        assert tile.blocks * (tile.shared + 1024) <= device.shared + 1024  # each block reserves 1 KiB
        assert tile.blocks * tile.threads * 255 <= 65536
    for m in (64, 4096):
        assert cuda.dmma_cut(case(m, m, m, "fp64"), device).tile.shared <= device.shared
        assert cuda.simt_cut(case(m, m, m, "fp32"), device).tile.shared <= device.shared


def test_one_processor_more_changes_no_result() -> None:
    """Splits depend on the device; the sum of integers does not."""
    this = case(16, 136, 1024, "fp16", "nn", "integers")
    for processors in (1, 4, 16):
        on = replace(simulate.device(), processors=processors)
        found = simulate.run(gemm.BENCHMARK, "mma", this, on=on)
        assert isinstance(found, float), found
