"""The simulator's wgmma with A in registers, tensor maps of rank 3 and e4m3: by the PTX ISA; misuse is found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from benchsuite import units
from benchsuite.backends.cuda import compiler
from benchsuite.errors import MeasureError
from benchsuite.model import Arg, Array, Launch, Source, TensorMap
from tests.cuda_host import simulate

pytestmark = pytest.mark.skipif(not simulate.available(), reason="needs g++")


def run(
    path: Path, text: str, threads: int, args: Sequence[Arg], shared: int, seed: int, **held: Array
) -> dict[str, Array]:
    """What the kernel ``k`` of this text leaves in the buffers."""
    path.write_text('#include "ptx.cuh"\n' + text)
    runtime = simulate.SimulatedRuntime(simulate.device("sm_90a"), seed)
    buffers = {name: runtime.upload(array) for name, array in held.items()}
    runtime.prepare(Source(str(path)), Launch("k", (1, 1, 1), (threads, 1, 1), tuple(args), shared), buffers)()
    return buffers


# ---------------------------------------------------------------- A in registers

PRODUCT = """
enum { RIGHT, NO_FENCE, NO_SECOND_FENCE, EARLY_FENCE, WRITTEN, READ, NO_WAIT };
typedef float (&Sums)[64];
typedef const u32 (&Rows)[4];
// a0 b + a1 b: rows of a come to the same registers, one after the other.
template <class Multiply> DEVICE void product(u32* out, const u32* rows, int fault, Multiply multiply) {
  float d[64];
  u32 a[4], seen = 0;
  for (int i = 0; i < 4; i++) a[i] = rows[threadIdx.x * 4 + i];
  if (fault != NO_FENCE) wgmma_fence();
  multiply(d, a, 0);
  wgmma_commit();
  wgmma_wait<0>(d);
  if (fault == EARLY_FENCE) wgmma_fence();
  for (int i = 0; i < 4; i++) a[i] = rows[512 + threadIdx.x * 4 + i];
  if (fault != NO_SECOND_FENCE && fault != EARLY_FENCE) wgmma_fence();
  multiply(d, a, 1);
  wgmma_commit();
  if (fault == WRITTEN && threadIdx.x == 99) a[2] = 0;
  if (fault == READ) seen = a[1];
  if (fault != NO_WAIT) wgmma_wait<0>(d);
  if (fault != READ) seen = a[1];
  for (int i = 0; i < 64; i++) out[threadIdx.x * 65 + i] = __float_as_uint(d[i]);
  out[threadIdx.x * 65 + 64] = seen;
}
KERNEL void __launch_bounds__(128) k(const uint4* image, const u32* rows, u32* out, u64 b, int kind, int fault) {
  DYNAMIC_SHARED(memory);
  u32 base = shared_address(memory);
  for (int i = threadIdx.x; i < 1024; i += 128) store_shared16(base + 16 * i, image[i]);
  fence_proxy_async();
  __syncthreads();
  b += base / 16;
  if (kind == 0) product(out, rows, fault, [=](Sums d, Rows a, u32 add) { wgmma_bf16_nn(d, a, b, add); });
  if (kind == 1) product(out, rows, fault, [=](Sums d, Rows a, u32 add) { wgmma_fp16_nn(d, a, b, add); });
  if (kind == 2) product(out, rows, fault, [=](Sums d, Rows a, u32 add) { wgmma_e4m3(d, a, b, add); });
}
"""
FAULTS = PRODUCT[PRODUCT.index("{") + 1 : PRODUCT.index("}")].replace(" ", "").split(",")
KINDS = ("bf16", "fp16", "e4m3")
MAKE: dict[str, Callable[[Array], Array]] = {
    "bf16": units.to_bf16,
    "fp16": lambda x: x.astype(np.float16),
    "e4m3": units.to_e4m3,
}
N = 128


def fragments(a: Array) -> Array:
    """Registers of 128 threads with the rows of ``a`` (64, 32 bytes): PTX ISA, "Register Fragments for wgmma"."""
    element = a.itemsize
    each = 4 // element
    thread, element_of = np.indices((128, 4 * each))
    register, part = element_of // each, element_of % each
    row = thread // 32 * 16 + thread % 32 // 4 + register % 2 * 8
    k = thread % 4 * each + register // 2 * 4 * each + part
    return np.ascontiguousarray(a[row, k]).view(np.uint32)


def image_of(b: Array) -> tuple[Array, int]:
    """Shared memory with ``b`` (N, k), swizzled by 128 bytes, and its descriptor: k innermost for bytes, else n."""
    image = np.full(16384, 0xFF, np.uint8)
    n, k = np.indices(b.shape)
    if b.itemsize == 1:
        place, leading = n * 128 + k, 0
    else:
        place, leading = n // 64 * 2048 + k * 128 + n % 64 * 2, 2048
    for byte in range(b.itemsize):
        image[(place + byte) ^ ((place >> 7) % 8 << 4)] = b.view(np.uint8).reshape(*b.shape, -1)[..., byte]
    return image, leading // 16 << 16 | 1024 // 16 << 32 | 1 << 62


def product(path: Path, kind: int, fault: str = "RIGHT", seed: int = 0) -> tuple[Array, Array, Array]:
    """What 128 threads find, what it should be, and the register that they looked at."""
    rng = np.random.default_rng(kind)
    dtype = KINDS[kind]
    depth = 32 // units.dtype(dtype).bytes
    first, second, b = (MAKE[dtype](rng.standard_normal((rows, depth), dtype=np.float32)) for rows in (64, 64, N))
    image, descriptor = image_of(b)
    rows, out = np.stack([fragments(first), fragments(second)]), np.zeros((128, 65), np.uint32)
    words = (np.uint64(descriptor), np.int32(kind), np.int32(FAULTS.index(fault)))
    args = ("image", "rows", "out", *words)
    got = run(path, PRODUCT, 128, args, len(image), seed, image=image, rows=rows, out=out)["out"]
    thread, i = np.indices((128, 64))
    found = np.zeros((64, N), np.float32)
    row, column = thread // 32 * 16 + thread % 32 // 4 + i // 2 % 2 * 8, i // 4 * 8 + thread % 4 * 2 + i % 2
    found[row, column] = got[:, :64].view(np.float32)
    left, right = (units.as_float(x, dtype).astype(np.float64) for x in (first, b))
    return found, (left + units.as_float(second, dtype)) @ right.T, got[:, 64]


@pytest.mark.parametrize("kind", range(len(KINDS)))
def test_rows_in_registers_are_multiplied_as_numpy_does(kind: int, tmp_path: Path) -> None:
    found, want, _ = product(tmp_path / "k.cu", kind, seed=kind)
    close = 2.0**-10 if KINDS[kind] == "e4m3" else 1e-5
    np.testing.assert_allclose(found, want, rtol=close, atol=close)


def test_registers_are_what_they_were_after_the_wait_and_nothing_before(tmp_path: Path) -> None:
    _, _, after = product(tmp_path / "k.cu", 0)
    _, _, before = product(tmp_path / "k.cu", 0, "READ")
    assert len(set(after.tolist())) > 100
    assert set(before.tolist()) == {0x7FC0DEAD}


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    ("fault", "found"),
    [
        ("NO_FENCE", "no wgmma.fence since the registers of A"),
        ("NO_SECOND_FENCE", "no wgmma.fence since the registers of A"),
        ("EARLY_FENCE", "a register of A was written after the wgmma.fence"),
        ("WRITTEN", "a register of A was written while it was under way"),
        ("NO_WAIT", "the thread ends while wgmma is under way"),
    ],
)
def test_a_misuse_of_registers_is_found(fault: str, found: str, seed: int, tmp_path: Path) -> None:
    with pytest.raises(MeasureError, match=found):
        product(tmp_path / "k.cu", 0, fault, seed)


# ---------------------------------------------------------------- a row of matrices

COPY = """
// A box of 8 rows and `deep` matrices from one row of matrices to another; `flat`: with a coordinate too few.
KERNEL void __launch_bounds__(32)
k(const __grid_constant__ TensorMap from, const __grid_constant__ TensorMap to, int y, int z, int deep, int flat) {
  DYNAMIC_SHARED(memory);
  u32 base = shared_address(memory), full = base + 2048;
  if (threadIdx.x > 0) return;
  mbarrier_init(full, 1);
  fence_mbarrier_init();
  mbarrier_arrive_expect(full, 1024 * deep);
  if (flat) tensor_load(base, from, 0, y, full);
  else tensor_load(base, from, 0, y, z, full);
  mbarrier_wait(full, 0);
  fence_proxy_async();
  tensor_store(to, 0, y, z, base);
  tensor_store_commit();
  tensor_store_wait_read<0>();
}
"""


def copied(path: Path, y: int, z: int, deep: int, flat: int = 0) -> tuple[Array, Array]:
    """Four matrices of 12 rows, and what a copy of a box has made of five larger ones."""
    a = np.random.default_rng(1).integers(1, 1 << 32, (4, 12, 32), dtype=np.uint32)
    b = np.full((5, 16, 32), 7, np.uint32)
    maps = [TensorMap(name, "uint32", x.shape[::-1], (32, 8, deep)) for name, x in (("a", a), ("b", b))]
    words = [np.int32(value) for value in (y, z, deep, flat)]
    return a, run(path, COPY, 32, (*maps, *words), 2048 + 8, 0, a=a, b=b)["b"]


@pytest.mark.parametrize(
    ("y", "z", "deep"), [(0, 0, 1), (4, 2, 1), (8, 1, 2), (0, 3, 2), (-4, -1, 2), (12, 0, 1), (0, 4, 1)]
)
def test_a_box_ends_with_its_matrix(y: int, z: int, deep: int, tmp_path: Path) -> None:
    a, b = copied(tmp_path / "k.cu", y, z, deep)
    want, padded = np.full((5, 16, 32), 7, np.uint32), np.zeros((5, 16, 32), np.uint32)
    padded[:4, :12] = a
    box = slice(max(0, z), min(5, z + deep)), slice(max(0, y), min(16, y + 8))
    want[box] = padded[box]
    np.testing.assert_array_equal(b, want)


def test_coordinates_of_another_rank_are_found(tmp_path: Path) -> None:
    with pytest.raises(MeasureError, match="2 coordinates for a tensor map of rank 3"):
        copied(tmp_path / "k.cu", 0, 0, 1, flat=1)


# ---------------------------------------------------------------- e4m3

PACK = """
KERNEL void __launch_bounds__(32) k(const float4* from, u32* to) {
  float4 v = from[threadIdx.x];
  to[threadIdx.x] = pack_e4m3(v.x, v.y, v.z, v.w);
}
"""


def test_floats_are_rounded_to_e4m3_as_numpy_does(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    ties = np.array([0, 2.0**-10, 3 * 2.0**-10, 1.0625, 1.1875, 17, 19, 432, 463, 500, -448, -(2.0**-9)], np.float32)
    values = np.concatenate([ties, rng.standard_normal(116 - ties.size), 400 * rng.standard_normal(12)]).astype(
        np.float32
    )
    to = np.zeros(32, np.uint32)
    got = run(tmp_path / "k.cu", PACK, 32, ("from", "to"), 0, 0, **{"from": values.reshape(32, 4), "to": to})["to"]
    np.testing.assert_array_equal(got.view(np.uint8), units.to_e4m3(values))


@pytest.mark.parametrize("text", [PRODUCT, COPY, PACK], ids=["product", "copy", "pack"])
def test_what_is_simulated_is_what_a_gpu_would_be_given(text: str, tmp_path: Path) -> None:
    path = tmp_path / "k.cu"
    path.write_text('#include "ptx.cuh"\n' + text)
    assert compiler.compile(Source(str(path)), "sm_90a").path.is_file()
