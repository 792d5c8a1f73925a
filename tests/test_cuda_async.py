"""The simulator's asynchronous machines of sm_90: each does what the PTX ISA says; each misuse is found and named."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from benchsuite import units
from benchsuite.backends.cuda import compiler
from benchsuite.errors import MeasureError
from benchsuite.model import Arg, Array, Launch, Source, TensorMap
from tests.cuda_host import simulate

pytestmark = pytest.mark.skipif(not simulate.available(), reason="needs g++")
SWIZZLES = (128, 64, 32, 0)


def run(
    path: Path,
    text: str,
    threads: int,
    args: Sequence[Arg],
    *,
    shared: int,
    blocks: int = 1,
    seed: int = 0,
    **buffers: Array,
) -> dict[str, Array]:
    """What the kernel ``k`` of this text leaves in the buffers."""
    path.write_text('#include "ptx.cuh"\n' + text)
    runtime = simulate.SimulatedRuntime(simulate.device("sm_90a"), seed)
    held = {name: runtime.upload(array) for name, array in buffers.items()}
    runtime.prepare(Source(str(path)), Launch("k", (blocks, 1, 1), (threads, 1, 1), tuple(args), shared), held)()
    return held


# ---------------------------------------------------------------- mbarriers and the copy engine

COPY = """
enum { RIGHT, WRONG_PARITY, TOO_FEW, TOO_MANY, NO_EMPTY, NO_INIT_FENCE, NO_BARRIER, NO_WAIT, NO_PROXY_FENCE,
       NO_READ_WAIT, NO_END_WAIT, ONE_ARRIVAL_MORE, OVERWRITTEN, MISALIGNED };
// A warp brings two boxes of 8 rows a round; four others add one to each word and send them back.
KERNEL void __launch_bounds__(160)
k(const __grid_constant__ TensorMap from, const __grid_constant__ TensorMap to, int rounds, int swizzle, int fault) {
  DYNAMIC_SHARED(memory);
  u32 base = shared_address(memory), full = base + 6144, empty = full + 16;
  u32 width = swizzle ? swizzle : 64, bytes = 8 * width;
  int columns = width / 4;
  if (threadIdx.x == 0) {
    for (int s = 0; s < 2; s++) mbarrier_init(full + 8 * s, 1), mbarrier_init(empty + 8 * s, 128);
    if (fault != NO_INIT_FENCE) fence_mbarrier_init();
  }
  if (fault != NO_BARRIER) __syncthreads();
  if (threadIdx.x >= 128) {
    for (int i = 0; i < rounds && threadIdx.x == 128; i++) {
      u32 slot = i % 2, stage = base + slot * 2048, report = full + 8 * slot;
      if (fault != NO_EMPTY) mbarrier_wait(empty + 8 * slot, i / 2 % 2 ^ 1);
      mbarrier_arrive_expect(report, fault == TOO_FEW ? bytes : fault == TOO_MANY ? 3 * bytes : 2 * bytes);
      tensor_load(stage + (fault == MISALIGNED ? 64 : 0), from, 0, 8 * i, report);
      tensor_load(stage + 1024, from, columns, 8 * i, report);
    }
    return;
  }
  for (int i = 0; i < rounds; i++) {
    u32 slot = i % 2;
    if (fault != NO_WAIT || threadIdx.x == 0) mbarrier_wait(full + 8 * slot, i / 2 % 2 ^ (fault == WRONG_PARITY));
    for (u32 word = threadIdx.x; word < bytes / 2; word += 128) {
      u32 place = word / (2 * width) * 1024 + word % (2 * width) * 4;
      if (swizzle) place ^= (place >> 7 & (swizzle / 16 - 1)) << 4;
      store_shared4(base + 4096 + place, load_shared4(base + slot * 2048 + place) + 1);
    }
    mbarrier_arrive(empty + 8 * slot);
    if (fault == ONE_ARRIVAL_MORE && threadIdx.x == 5) mbarrier_arrive(empty + 8 * slot);
    if (fault == OVERWRITTEN && threadIdx.x == 0) store_shared4(full + 8, 0);
    if (fault != NO_PROXY_FENCE) fence_proxy_async();
    named_barrier_sync(1, 128);
    if (threadIdx.x == 0) {
      tensor_store(to, 0, 8 * i, base + 4096);
      tensor_store(to, columns, 8 * i, base + 4096 + 1024);
      tensor_store_commit();
      if (fault != NO_READ_WAIT && !(fault == NO_END_WAIT && i == rounds - 1)) tensor_store_wait_read<0>();
    }
    named_barrier_sync(1, 128);
  }
}
"""
FAULTS = COPY[COPY.index("{") + 1 : COPY.index("}")].replace("\n", "").replace(" ", "").split(",")


def copied(
    path: Path, swizzle: int, rows: int, columns: int, to: tuple[int, int], fault: str = "RIGHT", seed: int = 0
) -> tuple[Array, Array]:
    """A matrix before and after a trip through shared memory."""
    wide = (swizzle or 64) // 4
    a = np.random.default_rng(rows).integers(0, 1 << 32, (rows, columns), dtype=np.uint32)
    maps = (
        TensorMap("a", "uint32", (columns, rows), (wide, 8), swizzle),
        TensorMap("b", "uint32", (to[1], to[0]), (wide, 8), swizzle),
    )
    words = [np.int32(value) for value in (5, swizzle, FAULTS.index(fault))]
    b = np.full(to, 7, np.uint32)
    return a, run(path, COPY, 160, (*maps, *words), shared=6144 + 32, seed=seed, a=a, b=b)["b"]


@pytest.mark.parametrize("swizzle", SWIZZLES)
@pytest.mark.parametrize("seed", range(3))
def test_boxes_come_and_go_with_zeros_for_what_lies_outside(swizzle: int, seed: int, tmp_path: Path) -> None:
    wide = (swizzle or 64) // 4
    a, b = copied(tmp_path / "k.cu", swizzle, 35, 2 * wide - 4, (40, 2 * wide), seed=seed)
    want = np.ones((40, 2 * wide), np.uint32)
    want[:35, : 2 * wide - 4] = a + 1
    np.testing.assert_array_equal(b, want)


def test_nothing_is_stored_outside(tmp_path: Path) -> None:
    a, b = copied(tmp_path / "k.cu", 128, 40, 64, (37, 60))
    np.testing.assert_array_equal(b, a[:37, :60] + 1)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("fault", "found"),
    [
        ("WRONG_PARITY", "race: .*the copy engine|deadlock"),
        ("TOO_FEW", "too few were expected|bytes fewer than arrived"),
        ("TOO_MANY", r"deadlock: .*misses 0 arrivals and \d+ bytes in phase 0"),
        ("NO_EMPTY", "race: .*the copy engine|more than the 1 arrivals"),
        ("NO_INIT_FENCE", "fence.mbarrier_init is missing"),
        ("NO_BARRIER", "there is no mbarrier|written and read by thread 0"),
        ("NO_WAIT", "race: .*the copy engine"),
        ("NO_PROXY_FENCE", r"written by thread \d+ and a bulk store takes it up: fence.proxy.async is missing"),
        ("NO_READ_WAIT", "read and written by a bulk store and thread"),
        ("NO_END_WAIT", "the thread ends while its stores read shared memory"),
        ("ONE_ARRIVAL_MORE", "race: .*the copy engine"),
        ("OVERWRITTEN", "was overwritten|read and written|written and read"),
        ("MISALIGNED", "not a multiple of 128"),
    ],
)
def test_a_misuse_of_the_copy_engine_is_found(fault: str, found: str, seed: int, tmp_path: Path) -> None:
    with pytest.raises(MeasureError, match=found):
        copied(tmp_path / "k.cu", 128, 40, 64, (40, 64), fault, seed)


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        (TensorMap("a", "bf16", (60, 8), (64, 8)), "refuse"),
        (TensorMap("a", "bf16", (64, 512), (64, 257)), "refuse"),
        (TensorMap("a", "bf16", (64, 8), (32, 8)), "as wide as their swizzle"),
        (TensorMap("a", "bf16", (64, 9), (64, 8)), "does not fit"),
    ],
)
def test_a_tensor_map_that_the_driver_would_refuse_is_refused(spec: TensorMap, found: str) -> None:
    array = np.zeros(spec.shape[0] * spec.shape[1] // 9 * 8 if "fit" in found else spec.shape[0] * spec.shape[1], "u2")
    with pytest.raises(MeasureError, match=found):
        simulate.encode(spec, array)


# ---------------------------------------------------------------- wgmma

PRODUCT = """
enum { RIGHT, NO_FENCE, TOUCHED, EARLY, NO_WAIT, NO_PROXY_FENCE, NO_BARRIER, DISAGREE };
template <class Sum, class Multiply> DEVICE void product(u32* out, int fault, Multiply multiply) {
  Sum d[64];
  for (int i = 0; i < 64; i++) d[i] = 1;
  if (fault != NO_FENCE) wgmma_fence();
  multiply(d, false);
  multiply(d, true);
  if (fault == TOUCHED) d[3] = 0;
  wgmma_commit();
  if (fault == NO_WAIT) return;
  if (fault != EARLY) wgmma_wait<0>(d);
  for (int i = 0; i < 64; i++) reinterpret_cast<Sum*>(out)[threadIdx.x * 64 + i] = d[i];
  if (fault == EARLY) wgmma_wait<0>(d);
}
// Twice the product of what the image of shared memory holds.
KERNEL void __launch_bounds__(128) k(const uint4* image, u32* out, u64 a, u64 b, int bytes, int kind, int fault) {
  DYNAMIC_SHARED(memory);
  u32 base = shared_address(memory);
  for (int i = threadIdx.x; i < bytes / 16; i += 128) store_shared16(base + 16 * i, image[i]);
  if (fault != NO_PROXY_FENCE) fence_proxy_async();
  if (fault != NO_BARRIER) __syncthreads();
  a += base / 16 + (fault == DISAGREE && threadIdx.x == 77), b += base / 16;
  if (kind == 0) product<float>(out, fault, [=](float (&d)[64], bool add) { wgmma_bf16(d, a, b, add); });
  if (kind == 1) product<float>(out, fault, [=](float (&d)[64], bool add) { wgmma_fp16(d, a, b, add); });
  if (kind == 2) product<float>(out, fault, [=](float (&d)[64], bool add) { wgmma_tf32(d, a, b, add); });
  if (kind == 3) product<float>(out, fault, [=](float (&d)[64], bool add) { wgmma_e4m3(d, a, b, add); });
  if (kind == 4) product<i32>(out, fault, [=](i32 (&d)[64], bool add) { wgmma_int8(d, a, b, add); });
  if (kind == 5) product<float>(out, fault, [=](float (&d)[64], bool add) { wgmma_bf16_nn(d, a, b, add); });
  if (kind == 6) product<float>(out, fault, [=](float (&d)[64], bool add) { wgmma_fp16_nn(d, a, b, add); });
}
"""
PRODUCT_FAULTS = PRODUCT[PRODUCT.index("{") + 1 : PRODUCT.index("}")].replace(" ", "").split(",")
KINDS = ("bf16", "fp16", "tf32", "e4m3", "int8", "bf16", "fp16")
ACROSS = 5
N = 128


def mixed(address: Array, swizzle: int) -> Array:
    """Where a swizzle puts what an unswizzled matrix has at an address: chunks of 16 bytes change places."""
    return address ^ ((address >> 7) % max(1, swizzle // 16) << 4)


def descriptor(start: int, leading: int, stride: int, swizzle: int) -> int:
    """PTX ISA, "Matrix Descriptor Format"; the start is counted from the beginning of shared memory."""
    mode = {128: 1, 64: 2, 32: 3, 0: 0}[swizzle]
    return start // 16 | leading // 16 << 16 | stride // 16 << 32 | mode << 62


def along_k(image: Array, matrix: Array, start: int, swizzle: int) -> int:
    """Put rows of 32 bytes of k into the image; the descriptor of where they lie."""
    rows = matrix.copy().view(np.uint8)
    r, byte = np.indices(rows.shape)
    if swizzle:
        stride, leading = 8 * swizzle, 0
        place = start + r // 8 * stride + r % 8 * swizzle + byte
    else:
        stride, leading = 256 + 128, 128
        place = start + r // 8 * stride + r % 8 * 16 + byte % 16 + byte // 16 * leading
    image[mixed(place, swizzle)] = rows
    return descriptor(start, leading, stride, swizzle)


def across_k(image: Array, matrix: Array, start: int, swizzle: int) -> int:
    """Put a (16, N) matrix of 2-byte elements into the image, n innermost."""
    k, n = np.indices(matrix.shape)
    if swizzle:
        each, stride = swizzle // 2, 8 * swizzle
        leading = 2 * stride
        place = start + n // each * leading + n % each * 2 + k // 8 * stride + k % 8 * swizzle
    else:
        stride, leading = 128, 128 * (N // 8)
        place = start + n // 8 * stride + n % 8 * 2 + k // 8 * leading + k % 8 * 16
    pairs = matrix.copy().view(np.uint8).reshape(*matrix.shape, 2)
    for byte in range(2):
        image[mixed(place + byte, swizzle)] = pairs[..., byte]
    return descriptor(start, leading, stride, swizzle)


def product(
    path: Path, kind: int, swizzle: int, fault: str = "RIGHT", seed: int = 0, bend: int = 0
) -> tuple[Array, Array]:
    """What 128 threads find, put together to a matrix, and what it should be. ``bend``: added to b's descriptor."""
    rng = np.random.default_rng(kind)
    dtype = KINDS[kind]
    depth = 32 // units.dtype(dtype).bytes
    if dtype == "int8":
        a, b = (rng.integers(-128, 128, size, dtype=np.int8) for size in ((64, depth), (N, depth)))
    else:
        make = {"bf16": units.to_bf16, "fp16": np.float16, "tf32": units.to_tf32, "e4m3": units.to_e4m3}[dtype]
        a, b = (make(rng.standard_normal(size, dtype=np.float32)) for size in ((64, depth), (N, depth)))
    image = np.full(48 * 1024, 0xFF, np.uint8)
    inner = max(0, swizzle - 32)  # the last 32 bytes of k in a row
    of_a = along_k(image, a, inner, swizzle)
    of_b = across_k(image, b.T.copy(), 16384, swizzle) if kind >= ACROSS else along_k(image, b, 16384 + inner, swizzle)
    args = ("image", "out", np.uint64(of_a), np.uint64(of_b + bend), np.int32(len(image)), np.int32(kind))
    out = np.zeros((128, 64), np.int32 if dtype == "int8" else np.float32)
    words = (*args, np.int32(PRODUCT_FAULTS.index(fault)))
    got = run(path, PRODUCT, 128, words, shared=len(image), seed=seed, image=image, out=out)["out"]
    thread, i = np.indices(out.shape)
    found = np.zeros((64, N))
    found[thread // 32 * 16 + thread % 32 // 4 + i // 2 % 2 * 8, i // 4 * 8 + thread % 4 * 2 + i % 2] = got
    left, right = (units.as_float(matrix, dtype).astype(np.float64) for matrix in (a, b))
    return found, 2 * left @ right.T


@pytest.mark.parametrize("swizzle", SWIZZLES)
@pytest.mark.parametrize("kind", range(len(KINDS)))
def test_a_warpgroup_multiplies_as_numpy_does(kind: int, swizzle: int, tmp_path: Path) -> None:
    found, want = product(tmp_path / "k.cu", kind, swizzle, seed=swizzle)
    close = 2.0**-12 if KINDS[kind] == "e4m3" else 1e-6
    np.testing.assert_allclose(found, want, rtol=close, atol=close)


def test_sums_of_e4m3_are_cut_off_as_hopper_does(tmp_path: Path) -> None:
    found, want = product(tmp_path / "k.cu", KINDS.index("e4m3"), 128)
    assert (np.abs(found) <= np.abs(want) + 1e-9).mean() > 0.9
    assert (found != want).any()
    bits = found.astype(np.float32).view(np.uint32)
    assert not (bits & ((1 << 10) - 1)).any(), "13 bits after the leading one, and no more"


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("fault", "found"),
    [
        ("NO_FENCE", "no wgmma.fence"),
        ("TOUCHED", "an accumulator was written while it was under way"),
        ("NO_WAIT", "the thread ends while wgmma is under way"),
        ("NO_PROXY_FENCE", r"written by thread \d+ and wgmma takes it up: fence.proxy.async is missing"),
        ("NO_BARRIER", r"race: shared byte \d+ is written and read by thread \d+ and wgmma"),
        ("DISAGREE", "disagree on its operands"),
    ],
)
def test_a_misuse_of_wgmma_is_found(fault: str, found: str, seed: int, tmp_path: Path) -> None:
    with pytest.raises(MeasureError, match=found):
        product(tmp_path / "k.cu", 0, 128, fault, seed)


def test_sums_that_are_read_before_the_wait_are_no_numbers(tmp_path: Path) -> None:
    found, _ = product(tmp_path / "k.cu", 0, 128, "EARLY")
    assert np.isnan(found).all()


@pytest.mark.parametrize(
    ("bend", "found"),
    [
        (1 << 3, "begins within a pattern"),  # 128 bytes on: the swizzle would be another
        (1, "go beyond the row"),
        (1 << 52, "mean nothing"),
        (1 << 49, "base offsets"),
        (2048, "outside the"),
    ],
)
def test_a_descriptor_that_cannot_be_meant_is_found(bend: int, found: str, tmp_path: Path) -> None:
    with pytest.raises(MeasureError, match=found):
        product(tmp_path / "k.cu", 0, 128, bend=bend)


@pytest.mark.parametrize("bend", [-2, 64 << 32])
def test_a_descriptor_of_something_else_gives_other_sums(bend: int, tmp_path: Path) -> None:
    """The 32 bytes before, or rows that lie further apart."""
    found, want = product(tmp_path / "k.cu", 0, 128, bend=bend)
    assert not np.allclose(found, want)


# ---------------------------------------------------------------- clusters, registers

CLUSTER = """
enum { RIGHT, NO_BARRIER, NO_END, BEYOND };
// Each block shows its number to the other one, by a store and by a load; and the first one brings a box for both.
KERNEL void __cluster_dims__(2, 1, 1) __launch_bounds__(32)
k(const __grid_constant__ TensorMap map, u32* out, int fault) {
  DYNAMIC_SHARED(memory);
  u32 base = shared_address(memory), report = base + 1536, lane = lane_id();
  u32 rank = cluster_rank(), other = cluster_address(base, rank ^ 1);
  if (lane == 0) {
    mbarrier_init(report, 2);
    fence_mbarrier_init();
  }
  store_shared4(base + 1024 + 4 * lane, 100 * blockIdx.x + lane);
  cluster_arrive();
  if (fault != NO_BARRIER) cluster_wait();
  if (lane == 0) {
    mbarrier_arrive_expect(report, 1024);
    if (rank == 0) tensor_load_multicast(base, map, 0, 0, report, 3);
    mbarrier_arrive_cluster(other + 1536);
  }
  if (fault == BEYOND) cluster_address(base, 2);
  out[blockIdx.x * 96 + lane] = cluster_load4(other + 1024 + 4 * lane);
  cluster_store4(other + 1280 + 4 * lane, 1000 * blockIdx.x + lane);
  mbarrier_wait(report, 0);
  out[blockIdx.x * 96 + 32 + lane] = load_shared4(base + 4 * lane);
  if (fault == NO_BARRIER) cluster_wait();
  if (fault == NO_END) return;
  cluster_arrive();
  cluster_wait();
  out[blockIdx.x * 96 + 64 + lane] = load_shared4(base + 1280 + 4 * lane);
}
"""


def clustered(path: Path, fault: int = 0, seed: int = 0, blocks: int = 4) -> tuple[Array, Array]:
    """What four blocks in two clusters saw: of the other block by loading, of the box, of the other by its store."""
    box = np.arange(256, dtype=np.uint32).reshape(8, 32)
    args = (TensorMap("a", "uint32", (32, 8), (32, 8)), "out", np.int32(fault))
    out = np.zeros((4, 3, 32), np.uint32)
    return box, run(path, CLUSTER, 32, args, shared=1544, blocks=blocks, seed=seed, a=box, out=out)["out"]


@pytest.mark.parametrize("seed", range(4))
def test_the_blocks_of_a_cluster_see_each_other(seed: int, tmp_path: Path) -> None:
    box, out = clustered(tmp_path / "k.cu", seed=seed)
    lane, other = np.arange(32), np.array([1, 0, 3, 2])[:, None]
    np.testing.assert_array_equal(out[:, 0], 100 * other + lane)
    np.testing.assert_array_equal(out[:, 1], np.tile(box[0], (4, 1)))
    np.testing.assert_array_equal(out[:, 2], 1000 * other + lane)


def test_a_misuse_of_clusters_is_found(tmp_path: Path) -> None:
    path = tmp_path / "k.cu"
    with pytest.raises(MeasureError, match=r"by thread \d+ of block [01] of the cluster|there is no mbarrier"):
        clustered(path, 1)
    with pytest.raises(MeasureError, match="there is no block 2 in a cluster of 2"):
        clustered(path, 3)
    with pytest.raises(MeasureError, match="3 blocks of 32 threads cannot be launched in clusters of 2"):
        clustered(path, blocks=3)
    found = []
    for seed in range(12):
        try:
            clustered(path, 2, seed)
        except MeasureError as error:
            found.append(str(error))
    assert any("has ended, and its shared memory with it" in text for text in found)


REGISTERS = """
KERNEL void __launch_bounds__(384, 1) k(u32* out, int fault) {
  if (threadIdx.x < 128) registers_decrease<24>();
  else if (fault == 1) registers_increase<248>();
  else if (fault == 2) registers_decrease<240>();
  else if (fault == 3 && threadIdx.x == 200) wgmma_fence();
  else registers_increase<240>();
  out[threadIdx.x] = threadIdx.x;
}
"""


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        (1, "deadlock: .*setmaxnreg.inc"),
        (2, "from 168 registers to 240"),
        (3, "while other threads of its warpgroup"),
    ],
)
def test_registers_that_nobody_gave_back_are_found(fault: int, found: str, tmp_path: Path) -> None:
    out = np.zeros(384, np.uint32)
    right = run(tmp_path / "k.cu", REGISTERS, 384, ("out", np.int32(0)), shared=0, out=out)
    np.testing.assert_array_equal(right["out"], np.arange(384))
    with pytest.raises(MeasureError, match=found):
        run(tmp_path / "k.cu", REGISTERS, 384, ("out", np.int32(fault)), shared=0, out=out)


@pytest.mark.parametrize("text", [COPY, PRODUCT, CLUSTER, REGISTERS], ids=["copy", "product", "cluster", "registers"])
def test_what_is_simulated_is_what_a_gpu_would_be_given(text: str, tmp_path: Path) -> None:
    """The same texts, with the instructions themselves."""
    path = tmp_path / "k.cu"
    path.write_text('#include "ptx.cuh"\n' + text)
    assert compiler.compile(Source(str(path)), "sm_90a").path.is_file()
