"""The simulator's tensor cores of sm_100a: each does what the PTX ISA says; each misuse is found and named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchsuite import units
from benchsuite.backends.cuda import compiler
from benchsuite.errors import MeasureError
from benchsuite.model import Array, Launch, Source
from tests.cuda_host import simulate

needs_gxx = pytest.mark.skipif(not simulate.available(), reason="needs g++")
ROWS, COLUMNS, BYTES = 128, 64, 48 * 1024

# One warpgroup and one warp that asks for tensor memory and products: twice the product of what the image holds.
PRODUCT = """#include "ptx_tcgen05.cuh"
enum { RIGHT, NO_COMMIT, NO_FENCE, NO_WAIT, NO_PROXY_FENCE, NOT_FREED, FREED_EARLY, ODD_COLUMNS, ASKED_AGAIN, BEYOND,
       OTHER_LANES, DISAGREE, NOT_ALLOCATED, MIXED, UNWAITED, TWICE_FREED };
KERNEL void __launch_bounds__(160) k(const uint4* image, u32* out, u64 a, u64 b, u32 instruction, int kind, int fault) {
  DYNAMIC_SHARED(memory);
  u32 base = shared_address(memory), done = base + BYTES, place = done + 8, warp = threadIdx.x / 32;
  for (u32 i = threadIdx.x; i < BYTES / 16; i += 160) store_shared16(base + 16 * i, image[i]);
  if (fault != NO_PROXY_FENCE) fence_proxy_async();
  if (threadIdx.x == 0) mbarrier_init(done, 1), fence_mbarrier_init();
  if (warp == 4) {
    tmem_allocate<1>(place, fault == ODD_COLUMNS ? 96 : 64);
    tmem_allocate_no_more<1>();
    if (fault == ASKED_AGAIN) tmem_allocate<1>(place, 64);
  }
  tcgen05_fence_before();
  __syncthreads();
  tcgen05_fence_after();
  u32 tmem = load_shared4(place);
  if (warp == 4 && elect_one()) {
    u32 d = tmem + (fault == NOT_ALLOCATED ? (tmem ? -32 : 32) : 0);
    for (u32 add = 0; add < 2; add++) {
      if (kind == 0) tcgen05_f16<1>(d, a + base / 16, b + base / 16, instruction, add);
      if (kind == 1) tcgen05_tf32<1>(d, a + base / 16, b + base / 16, instruction, add);
      if (kind == 2) tcgen05_f8f6f4<1>(d, a + base / 16, b + base / 16, instruction, add);
      if (kind == 3) tcgen05_i8<1>(d, a + base / 16, b + base / 16, instruction, add);
    }
#ifndef __CUDACC__  // the compiler refuses it
    if (fault == MIXED) tcgen05_commit_pair(done, 1);
#endif
    if (fault != NO_COMMIT) tcgen05_commit(done);
  }
  if (warp < 4) {
    if (fault != NO_WAIT) mbarrier_wait(done, 0);
    if (fault != NO_FENCE) tcgen05_fence_after();
    u32 sum[64], lane = (fault == OTHER_LANES ? warp ^ 2 : warp) * 32;
    tmem_load(sum, tmem_place(tmem, lane, fault == BEYOND ? 480 : fault == DISAGREE ? threadIdx.x % 2 : 0));
    if (fault != UNWAITED) tmem_load_wait(sum);
    for (int i = 0; i < 64; i++) out[threadIdx.x * 64 + i] = sum[i];
    if (fault != FREED_EARLY) tcgen05_fence_before();
  }
  __syncthreads();
  tcgen05_fence_after();
  if (warp == 4 && fault != NOT_FREED) tmem_free<1>(tmem, 64);
  if (warp == 4 && fault == TWICE_FREED) tmem_free<1>(tmem, 64);
}
"""
FAULTS = PRODUCT[PRODUCT.index("{") + 1 : PRODUCT.index("}")].replace("\n", "").replace(" ", "").split(",")
KINDS = {"fp16": (0, 1, 0), "bf16": (0, 1, 1), "tf32": (1, 1, 2), "e4m3": (2, 1, 0), "int8": (3, 2, 1)}
"""Of each type: which instruction, the number of its sums' type, and its own (PTX ISA, "Instruction descriptor")."""
SWIZZLES = {128: 2, 64: 4, 32: 6, 0: 0}


def descriptor(start: int, leading: int, stride: int, swizzle: int) -> int:
    """PTX ISA, "Shared memory descriptor" of tcgen05; the start is counted from the beginning of shared memory."""
    return start // 16 | leading // 16 << 16 | stride // 16 << 32 | 1 << 46 | SWIZZLES[swizzle] << 61


def mixed(address: Array, swizzle: int) -> Array:
    """Where a swizzle puts what an unswizzled matrix has at an address: chunks of 16 bytes change places."""
    return address ^ ((address >> 7) % max(1, swizzle // 16) << 4)


def along_k(image: Array, matrix: Array, start: int, swizzle: int) -> int:
    """Put rows of 32 bytes of k into the image; the descriptor of where they lie."""
    rows = matrix.copy().view(np.uint8)
    r, byte = np.indices(rows.shape)
    stride, leading = (8 * swizzle, 0) if swizzle else (256 + 128, 128)
    plain = start + r // 8 * stride + r % 8 * 16 + byte % 16 + byte // 16 * leading
    image[mixed(start + r // 8 * stride + r % 8 * swizzle + byte, swizzle) if swizzle else plain] = rows
    return descriptor(start, leading, stride, swizzle)


def across_k(image: Array, matrix: Array, start: int, swizzle: int) -> int:
    """Put a (16, rows) matrix of 2-byte elements into the image, rows innermost."""
    k, n = np.indices(matrix.shape)
    each, stride = swizzle // 2, 8 * swizzle
    place = start + n // each * 2 * stride + n % each * 2 + k // 8 * stride + k % 8 * swizzle
    pairs = matrix.copy().view(np.uint8).reshape(*matrix.shape, 2)
    for byte in range(2):
        image[mixed(place + byte, swizzle)] = pairs[..., byte]
    return descriptor(start, 2 * stride, stride, swizzle)


def product(
    path: Path,
    dtype: str,
    swizzle: int = 128,
    fault: str = "RIGHT",
    *,
    across: bool = False,
    bend: tuple[int, int] = (0, 0),
) -> tuple[Array, Array]:
    """What tensor memory holds, and what it should. ``bend``: added to b's descriptor, to the instruction's."""
    rng = np.random.default_rng(len(dtype) + swizzle)
    depth = 32 // units.dtype(dtype).bytes
    if dtype == "int8":
        a, b = (rng.integers(-128, 128, size, dtype=np.int8) for size in ((ROWS, depth), (COLUMNS, depth)))
    else:
        make = {"bf16": units.to_bf16, "fp16": np.float16, "tf32": units.to_tf32, "e4m3": units.to_e4m3}[dtype]
        a, b = (make(rng.standard_normal(size, dtype=np.float32)) for size in ((ROWS, depth), (COLUMNS, depth)))
    image = np.full(BYTES, 0xFF, np.uint8)
    inner = max(0, swizzle - 32)  # the last 32 bytes of k in a row
    of_a = along_k(image, a, inner, swizzle)
    of_b = across_k(image, b.T.copy(), 32768, swizzle) if across else along_k(image, b, 32768 + inner, swizzle)
    kind, sums, number = KINDS[dtype]
    instruction = sums << 4 | number << 7 | number << 10 | across << 16 | COLUMNS // 8 << 17 | ROWS // 16 << 24
    path.write_text(PRODUCT)
    runtime = simulate.SimulatedRuntime(simulate.device("sm_100a"), seed=swizzle)
    held = {
        "image": runtime.upload(image),
        "out": np.zeros((ROWS, COLUMNS), np.int32 if dtype == "int8" else np.float32),
    }
    words = (np.uint64(of_a), np.uint64(of_b + bend[0]), np.uint32(instruction + bend[1]), np.int32(kind))
    launch = Launch("k", (1, 1, 1), (160, 1, 1), ("image", "out", *words, np.int32(FAULTS.index(fault))), BYTES + 16)
    runtime.prepare(Source.of(str(path), BYTES=BYTES), launch, held)()
    left, right = (units.as_float(matrix, dtype).astype(np.float64) for matrix in (a, b))
    return held["out"], 2 * left @ right.T


@needs_gxx
@pytest.mark.parametrize("swizzle", SWIZZLES)
@pytest.mark.parametrize("dtype", KINDS)
def test_the_tensor_cores_multiply_as_numpy_does(dtype: str, swizzle: int, tmp_path: Path) -> None:
    found, want = product(tmp_path / "k.cu", dtype, swizzle)
    np.testing.assert_allclose(found, want, rtol=1e-6, atol=1e-6)


@needs_gxx
@pytest.mark.parametrize("swizzle", [128, 64, 32])
@pytest.mark.parametrize("dtype", ["bf16", "fp16"])
def test_b_may_lie_across_k(dtype: str, swizzle: int, tmp_path: Path) -> None:
    found, want = product(tmp_path / "k.cu", dtype, swizzle, across=True)
    np.testing.assert_allclose(found, want, rtol=1e-6, atol=1e-6)


@needs_gxx
@pytest.mark.parametrize(
    ("fault", "found"),
    [
        ("NO_COMMIT", "deadlock: .*misses 1 arrivals"),
        ("NO_FENCE", "after_thread_sync is missing"),
        ("NO_WAIT", "column .* is written and read by tcgen05.mma and a warp's tcgen05.ld|read and written"),
        ("NO_PROXY_FENCE", r"written by thread \d+ and tcgen05.mma takes it up: fence.proxy.async is missing"),
        ("NOT_FREED", "is not freed at the end"),
        ("FREED_EARLY", "is read and written by a warp's tcgen05.ld"),
        ("TWICE_FREED", "no 64 columns were allocated"),
        ("ODD_COLUMNS", "tcgen05.alloc: 96 columns"),
        ("ASKED_AGAIN", "after tcgen05.relinquish_alloc_permit"),
        ("BEYOND", "which has 512|is not allocated"),
        ("OTHER_LANES", "and this warp reads from lane"),
        ("DISAGREE", "disagree on the place"),
        ("NOT_ALLOCATED", "is not allocated in block 0"),
        ("MIXED", "cta_group::2 after cta_group::1"),
        ("UNWAITED", "ends while its tcgen05.ld is under way|is read and written by a warp's tcgen05.ld"),
    ],
)
def test_a_misuse_is_found(fault: str, found: str, tmp_path: Path) -> None:
    with pytest.raises(MeasureError, match=found):
        product(tmp_path / "k.cu", "bf16", fault=fault)


@needs_gxx
@pytest.mark.parametrize(
    ("bend", "found"),
    [
        ((1 << 3, 0), "begins within a pattern"),
        ((1, 0), "go beyond the row"),
        ((1 << 46, 0), "is not one of tcgen05"),
        ((1 << 53, 0), "is not one of tcgen05"),
        ((1 << 49, 0), "is not simulated"),
        ((1 << 61, 0), "is not simulated"),
        ((1 << 13, 0), "outside the"),
        ((0, 1 << 2), "reserved or not simulated"),
        ((0, 1 << 4), "sums of type 2"),
        ((0, 1 << 10), "types 1 and 2"),
        ((0, 1 << 13), "reserved or not simulated"),
        ((0, 1 << 17), "72 columns"),
        ((0, 8 << 24), "256 rows are not simulated"),
    ],
)
def test_a_descriptor_that_cannot_be_meant_is_found(bend: tuple[int, int], found: str, tmp_path: Path) -> None:
    with pytest.raises(MeasureError, match=found):
        product(tmp_path / "k.cu", "bf16", bend=bend)


@needs_gxx
@pytest.mark.parametrize("bend", [(-2, 0), (64 << 32, 0), (0, -(1 << 7) - (1 << 10))])
def test_a_descriptor_of_something_else_gives_other_sums(bend: tuple[int, int], tmp_path: Path) -> None:
    found, want = product(tmp_path / "k.cu", "bf16", bend=bend)
    assert not np.allclose(found, want, rtol=1e-2, atol=1e-2)


def test_what_is_simulated_is_what_a_gpu_would_be_given(tmp_path: Path) -> None:
    (tmp_path / "k.cu").write_text(PRODUCT)
    assert compiler.compile(Source.of(str(tmp_path / "k.cu"), BYTES=BYTES), "sm_100a").path.is_file()
