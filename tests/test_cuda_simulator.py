"""The simulator itself: tensor-core arithmetic against NumPy, and every kind of planted fault found and named."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchsuite import units
from benchsuite.errors import MeasureError
from benchsuite.model import Array, Launch, Source
from tests.cuda_host import simulate

pytestmark = pytest.mark.skipif(not simulate.available(), reason="needs g++")
ROOT = Path(__file__).parent.parent
ONE = (1, 1, 1)


class Bench:
    """One kernel text and its buffers."""

    def __init__(self, text: str, path: Path, arch: str = "sm_80", seed: int = 0) -> None:
        path.write_text('#include "ptx.cuh"\n' + text)
        self.runtime = simulate.SimulatedRuntime(simulate.device(arch), seed)
        self.source = Source(str(path))

    def run(
        self, threads: int, shared: int = 0, grid: tuple[int, int, int] = ONE, **buffers: Array
    ) -> dict[str, Array]:
        held = {name: self.runtime.upload(array) for name, array in buffers.items()}
        launch = Launch("k", grid, (threads, 1, 1), tuple(held), shared)
        self.runtime.prepare(self.source, launch, held)()
        return held


MMA = """
KERNEL void k(const u32* a, const u32* b, {out}* d) {{
  u32 fa[4], fb[2]; {out} fd[4];
  for (int i = 0; i < 4; i++) {{ fa[i] = a[threadIdx.x * 4 + i]; fd[i] = d[threadIdx.x * 4 + i]; }}
  for (int i = 0; i < 2; i++) fb[i] = b[threadIdx.x * 2 + i];
  {mma}(fd, fa, fb);
  for (int i = 0; i < 4; i++) d[threadIdx.x * 4 + i] = fd[i];
}}
"""


def fragments(a: Array, b: Array, d: Array) -> tuple[Array, Array, Array]:
    """A (16, K), B (K, 8) and D (16, 8) dealt out to 32 lanes as the PTX ISA's figures show them."""
    per = 4 // a.itemsize
    lanes = np.arange(32)
    row, place = lanes // 4, lanes % 4 * per
    half = 4 * per

    def words(matrix: Array, rows: Array, column: Array) -> Array:
        return np.stack([matrix[rows, column + i] for i in range(per)], 1).copy().view(np.uint32)[:, 0]

    fa = np.stack([words(a, row + 8 * (i % 2), place + half * (i // 2)) for i in range(4)], 1)
    fb = np.stack([words(b.T.copy(), row, place + half * i) for i in range(2)], 1)
    fd = np.stack([d[row + 8 * (i // 2), lanes % 4 * 2 + i % 2] for i in range(4)], 1)
    return fa, fb, fd


@pytest.mark.parametrize(
    ("mma", "dtype", "depth", "arch"),
    [
        ("mma_bf16", "bf16", 16, "sm_80"),
        ("mma_fp16", "fp16", 16, "sm_80"),
        ("mma_tf32", "tf32", 8, "sm_80"),
        ("mma_int8", "int8", 32, "sm_80"),
        ("mma_e4m3", "e4m3", 32, "sm_89"),
        ("mma_e4m3", "e4m3", 32, "sm_120a"),
    ],
)
def test_a_tensor_core_multiplies_as_numpy_does(mma: str, dtype: str, depth: int, arch: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    if dtype == "int8":
        a, b = (rng.integers(-128, 128, size, dtype=np.int8) for size in ((16, depth), (depth, 8)))
        d = rng.integers(-1000, 1000, (16, 8), dtype=np.int32)
    else:
        make = {"bf16": units.to_bf16, "fp16": np.float16, "tf32": units.to_tf32, "e4m3": units.to_e4m3}[dtype]
        a, b = (make(rng.standard_normal(size, dtype=np.float32)) for size in ((16, depth), (depth, 8)))
        d = rng.standard_normal((16, 8), dtype=np.float32)
    fa, fb, fd = fragments(a, b, d)
    bench = Bench(MMA.format(mma=mma, out="i32" if dtype == "int8" else "float"), tmp_path / "k.cu", arch)
    got = bench.run(32, a=fa, b=fb, d=fd)["d"]
    exact = d + units.as_float(a, dtype).astype(np.float64) @ units.as_float(b, dtype).astype(np.float64)
    want = fragments(a, b, exact)[2]
    np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-6)


def test_a_double_tensor_core_multiplies_as_numpy_does(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    a, b = rng.standard_normal((16, 16)), rng.standard_normal((16, 8))
    text = """
KERNEL void k(const double* a, const double* b, double* d, double* e) {
  int g = threadIdx.x / 4, t = threadIdx.x % 4;
  double fa[8], fb[4], whole[4] = {}, upper[2] = {};
  for (int i = 0; i < 4; i++) {
    fa[2 * i] = a[g * 16 + 4 * i + t]; fa[2 * i + 1] = a[(g + 8) * 16 + 4 * i + t]; fb[i] = b[(4 * i + t) * 8 + g];
    mma_fp64(upper, fa[2 * i], fb[i]);
  }
  mma_fp64_k16(whole, fa, fb);
  for (int i = 0; i < 4; i++) d[(g + 8 * (i / 2)) * 8 + 2 * t + i % 2] = whole[i];
  for (int i = 0; i < 2; i++) e[g * 8 + 2 * t + i] = upper[i];
}"""
    found = Bench(text, tmp_path / "k.cu", "sm_90a").run(32, a=a, b=b, d=np.zeros((16, 8)), e=np.zeros((8, 8)))
    np.testing.assert_allclose(found["d"], a @ b, rtol=1e-12)
    np.testing.assert_allclose(found["e"], (a @ b)[:8], rtol=1e-12)


def test_e4m3_is_unpacked_as_the_specification_says(tmp_path: Path) -> None:
    text = "KERNEL void k(const u16* a, u32* b) { b[threadIdx.x] = unpack_e4m3(a[threadIdx.x]); }"
    every = np.arange(256, dtype=np.uint8)
    got = Bench(text, tmp_path / "k.cu").run(128, a=every.view(np.uint16), b=np.zeros(128, np.uint32))["b"]
    np.testing.assert_array_equal(got.view(np.float16).astype(np.float32), units.from_e4m3(every))


TRANSPOSE = """
KERNEL void k(const u32* a, u32* b) {{
  DYNAMIC_SHARED(memory);
  u32 base = shared_address(memory), i = threadIdx.x;
  {fill}
  {wait}
  b[i] = load_shared4(base + 4 * (i ^ 33));
}}
"""
STORE, COPY = "store_shared4(base + 4 * i, a[i]);", "copy_async4(base + 4 * i, a + i); copy_async_commit();"


@pytest.mark.parametrize(
    ("fill", "wait"), [(STORE, "__syncthreads();"), (COPY, "copy_async_wait<0>(); __syncthreads();")]
)
@pytest.mark.parametrize("seed", range(3))
def test_an_exchange_with_a_barrier_is_right(fill: str, wait: str, seed: int, tmp_path: Path) -> None:
    a = np.arange(64, dtype=np.uint32)
    bench = Bench(TRANSPOSE.format(fill=fill, wait=wait), tmp_path / "k.cu", seed=seed)
    np.testing.assert_array_equal(bench.run(64, 256, a=a, b=a * 0)["b"], a ^ 33)


@pytest.mark.parametrize(("fill", "wait"), [(STORE, ""), (STORE, "__syncwarp();"), (COPY, "copy_async_wait<0>();")])
@pytest.mark.parametrize("seed", range(3))
def test_a_missing_barrier_is_a_race_on_every_schedule(fill: str, wait: str, seed: int, tmp_path: Path) -> None:
    a = np.arange(64, dtype=np.uint32)
    with pytest.raises(MeasureError, match=r"race: shared byte \d+"):
        Bench(TRANSPOSE.format(fill=fill, wait=wait), tmp_path / "k.cu", seed=seed).run(64, 256, a=a, b=a * 0)


@pytest.mark.parametrize("seed", range(6))
def test_an_earlier_reader_of_another_warp_is_remembered(seed: int, tmp_path: Path) -> None:
    """Warp 1 reads, meets itself and writes: its own reader is in order, warp 0's is not."""
    text = """
KERNEL void k(u32* a) {
  DYNAMIC_SHARED(m);
  u32 base = shared_address(m), i = threadIdx.x;
  if (i == 0 || i == 32) a[i] = load_shared4(base);
  if (i >= 32) __syncwarp();
  if (i == 33) store_shared4(base, 1);
}"""
    with pytest.raises(MeasureError, match="race: shared byte 0"):
        Bench(text, tmp_path / "k.cu", seed=seed).run(64, 256, a=np.zeros(64, np.uint32))


def test_a_copy_that_is_not_waited_for_lands_at_any_time(tmp_path: Path) -> None:
    a = np.arange(64, dtype=np.uint32)
    bench = Bench(TRANSPOSE.format(fill=COPY, wait="__syncthreads();"), tmp_path / "k.cu")
    with pytest.raises(MeasureError, match="is written and read"):
        bench.run(64, 256, a=a, b=a * 0)


def test_a_copy_is_not_there_before_it_is_waited_for(tmp_path: Path) -> None:
    before = "store_shared4(base + 4 * i, 7); __syncthreads();"  # what was there must not be taken for the copy
    early = "__syncthreads(); b[i] = load_shared4(base + 4 * i); copy_async_wait<0>(); return;"
    a = np.arange(64, dtype=np.uint32)
    bench = Bench(TRANSPOSE.format(fill=before + COPY, wait=early), tmp_path / "k.cu")
    assert (bench.run(64, 256, a=a, b=a * 0)["b"] == 0xFFFFFFFF).all()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("if (threadIdx.x < 40) __syncthreads(); else __syncwarp();", "deadlock"),
        ("if (threadIdx.x % 2) __syncwarp();", "deadlock: thread .* waits at __syncwarp"),
        (
            "if (threadIdx.x % 2) __shfl_sync(ALL_LANES, 1, 0); else __syncwarp();",
            "while other lanes of its warp are at",
        ),
        ("__shfl_sync(1u << threadIdx.x % 32, 1, 1);", "which takes no part"),
        ("store_shared4(base + 4 * threadIdx.x + 4, 1);", "outside the 256 bytes"),
        ("if (threadIdx.x == 0) store_shared16(base + 8, make_uint4(0, 0, 0, 0));", "not a multiple of 16"),
        ("u32 r[4]; load_matrix_x4(r, base + 4 * (threadIdx.x % 32));", "not a multiple of 16"),
        ("load_once(a + 1);", "not a multiple of 16"),
        ("shared_address(a);", "not a place in dynamic shared memory"),
    ],
)
def test_a_planted_fault_is_named(text: str, found: str, tmp_path: Path) -> None:
    kernel = "KERNEL void k(u32* a) { DYNAMIC_SHARED(m); [[maybe_unused]] u32 base = shared_address(m); " + text + " }"
    with pytest.raises(MeasureError, match=found):
        Bench(kernel, tmp_path / "k.cu").run(64, 256, a=np.zeros(64, np.uint32))


def test_warp_operations_follow_their_definition(tmp_path: Path) -> None:
    text = """
KERNEL void k(u32* a) {
  u32 i = threadIdx.x, *row = a + 8 * i;
  row[0] = __shfl_xor_sync(ALL_LANES, i, 5);
  row[1] = __shfl_down_sync(ALL_LANES, i, 3, 8);
  row[2] = __shfl_up_sync(ALL_LANES, i, 2);
  row[3] = __shfl_sync(ALL_LANES, i, 9, 8);
  row[4] = __ballot_sync(ALL_LANES, i % 3 == 0);
  row[5] = __reduce_add_sync(ALL_LANES, i);
  row[6] = __byte_perm(0x03020100u, 0x07060504u, 0x7531 + i % 2);
  row[7] = logic3<0xca>(i, 0xf0f0f0f0u, 0x3c3c3c3cu);
}"""
    i = np.arange(32, dtype=np.uint32)
    got = Bench(text, tmp_path / "k.cu").run(32, a=np.zeros((32, 8), np.uint32))["a"]
    ballot = sum(1 << int(lane) for lane in i if lane % 3 == 0)
    chosen = (i & 0xF0F0F0F0) | (~i & 0x3C3C3C3C)
    want = [i ^ 5, np.where(i % 8 + 3 < 8, i + 3, i), np.where(i >= 2, i - 2, i), i // 8 * 8 + 1]
    want += [np.full(32, ballot), np.full(32, 496), np.where(i % 2, 0x07050302, 0x07050301), chosen]
    np.testing.assert_array_equal(got, np.stack(want, 1).astype(np.uint32))


def test_arguments_of_the_wrong_size_are_refused(tmp_path: Path) -> None:
    (tmp_path / "k.cu").write_text('#include "ptx.cuh"\nKERNEL void k(u32* a, i64 n) { a[0] = (u32)n; }\n')
    runtime = simulate.SimulatedRuntime()
    buffers = {"a": runtime.empty((4,), "uint32")}
    with pytest.raises(MeasureError, match=r"arguments of \[8, 8\] bytes and is given \[8, 4\]"):
        runtime.prepare(Source(str(tmp_path / "k.cu")), Launch("k", ONE, ONE, ("a", np.int32(1))), buffers)


def test_a_kernel_that_does_not_compile_names_its_line(tmp_path: Path) -> None:
    with pytest.raises(MeasureError, match=r"kernel\.cu:3"):
        Bench("\nKERNEL void k(u32* a) { a[0] = nothing; }", tmp_path / "k.cu").run(1, a=np.zeros(4, np.uint32))


def test_every_block_runs_once_and_in_another_order_for_another_seed(tmp_path: Path) -> None:
    text = "KERNEL void k(u32* a) { u32 n = atomicAdd(a, 1u); a[1 + n] = blockIdx.x + gridDim.x * blockIdx.y; }"
    orders = []
    for seed in range(2):
        bench = Bench(text, tmp_path / "k.cu", seed=seed)
        orders.append(bench.run(1, grid=(7, 3, 1), a=np.zeros(22, np.uint32))["a"][1:])
        assert sorted(orders[-1]) == list(range(21))
    assert not np.array_equal(*orders)


SANITIZED = """
import numpy as np
from pathlib import Path
from tests.test_cuda_simulator import Bench
text = "KERNEL void k(u32* a, int* b) {{ {fault} }}"
Bench(text, Path({path!r})).run(64, 256, a=np.zeros({room}, np.uint32), b=np.array([2**31 - 1], np.int32))
print("clean")
"""


@pytest.mark.parametrize(
    ("fault", "room", "found"),
    [
        ("a[threadIdx.x + 1] = 1;", 65, "clean"),
        ("a[threadIdx.x + 1] = 1;", 64, "heap-buffer-overflow"),
        ("DYNAMIC_SHARED(m); m[threadIdx.x * 4 + 4] = 1;", 64, "heap-buffer-overflow"),
        ("b[0] = b[0] + 1;", 64, "signed integer overflow"),
        ("int c[4]; c[threadIdx.x % 5] = 1; a[0] = c[b[0] & 3];", 64, "out of bounds"),
    ],
)
def test_the_sanitizers_see_into_kernels(fault: str, room: int, found: str, tmp_path: Path) -> None:
    program = SANITIZED.format(fault=fault, path=str(tmp_path / "k.cu"), room=room)
    environment = simulate.sanitized_environment()
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, check=False, capture_output=True, text=True
    )
    assert found in done.stdout + done.stderr
    assert (done.returncode == 0) == (found == "clean")
