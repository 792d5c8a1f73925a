"""What is read from a cubin, against what the compiler said of the same kernel and what was written into its source."""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchsuite.backends.cuda import compiler, cubin, occupancy
from benchsuite.backends.cuda.compiler import Compiled
from benchsuite.errors import DataError, UnavailableError
from benchsuite.model import ARCHITECTURES, Source

LOCAL = re.compile(r"(LDL|STL)\b")
KERNELS = """
struct alignas(64) Map { unsigned long long opaque[16]; };
extern "C" __global__ void __launch_bounds__(96) many(const float* a, char b, double c, const __grid_constant__ Map map,
                                                      short d, float e, long long* out) {
  __shared__ int table[300];
  table[threadIdx.x] = a[threadIdx.x];
  __syncthreads();
  asm volatile("bar.sync 3, 96;");
  out[0] = b + c + d + e + table[out[1]] + map.opaque[3];
}
extern "C" __global__ void __launch_bounds__(32, 1) nothing() {}
extern "C" __global__ void __launch_bounds__(1024) spilling(float* x, int n) {
  float v[128];
#pragma unroll
  for (int i = 0; i < 128; i++) v[i] = x[i * n + threadIdx.x];
  for (int k = 0; k < n; k++) {
#pragma unroll
    for (int i = 0; i < 128; i++) v[i] = v[i] * v[(i * 37 + 11) % 128] + x[k];
  }
#pragma unroll
  for (int i = 0; i < 128; i++) x[i * n + threadIdx.x] = v[i];
}
extern "C" __global__ void indexed(float* x, const int* at) {
  float v[32];
  for (int i = 0; i < 32; i++) v[i] = x[i];
  for (int i = 0; i < 32; i++) x[i] = v[at[i] & 31];
}
extern "C" __global__ void dynamic(int* x) {
  extern __shared__ int buffer[];
  buffer[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  x[0] = buffer[x[1]];
}
"""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Compiled]:
    """The kernels above, by architecture."""
    file = tmp_path_factory.mktemp("cubin") / "kernels.cu"
    file.write_text(KERNELS)
    return {arch: compiler.compile(Source.of(str(file)), arch) for arch in ARCHITECTURES}


def look(one: Compiled) -> dict[str, cubin.Entry]:
    return {entry.name: entry for entry in cubin.entries(one.path.read_bytes(), one.log)}


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_needs_are_those_that_the_source_states(arch: str, compiled: dict[str, Compiled]) -> None:
    found = look(compiled[arch])
    assert list(found) == ["dynamic", "indexed", "many", "nothing", "spilling"]
    many = found["many"]
    assert many.parameters == (8, 1, 8, 128, 2, 4, 8)
    assert (many.shared, many.threads, many.stack, many.spills, many.barriers) == (1200, 96, 0, 0, 4)
    assert (found["nothing"].parameters, found["nothing"].threads, found["nothing"].shared) == ((), 32, 0)
    assert found["dynamic"].shared == 0
    assert found["dynamic"].threads == 0
    assert found["indexed"].stack == 128
    assert found["indexed"].spills == 0
    assert found["spilling"].registers == 64
    assert found["spilling"].spills > 0 < found["spilling"].stack


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_registers_and_shared_memory_agree_with_the_compiler_s_own_report(
    arch: str, compiled: dict[str, Compiled]
) -> None:
    found = look(compiled[arch])
    name, told = "", {}
    for line in compiled[arch].log.splitlines():
        if match := re.search(r"Compiling entry function '(\w+)'", line):
            name = match[1]
        if match := re.search(r"Used (\d+) registers", line):
            shared = re.search(r"(\d+) bytes smem", line)
            told[name] = int(match[1]), int(shared[1]) if shared else 0
    assert {name: (entry.registers, entry.shared) for name, entry in found.items()} == told


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_instructions_are_counted_by_kernel(arch: str, compiled: dict[str, Compiled]) -> None:
    counts = cubin.instructions([compiled[arch].path], arch)[compiled[arch].path]
    assert set(counts) == set(look(compiled[arch]))
    assert counts["nothing"]["EXIT"] == 1
    assert any(name.startswith("BAR") for name in counts["many"])
    for kernel in ("spilling", "indexed"):
        assert any(LOCAL.match(name) for name in counts[kernel])
    for kernel in ("many", "nothing", "dynamic"):
        assert not any(LOCAL.match(name) or cubin.TENSOR.match(name) for name in counts[kernel])


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_code_disassembled_together_counts_as_each_cubin_does_alone(
    arch: str, compiled: dict[str, Compiled], tmp_path: Path
) -> None:
    one, other = tmp_path / "one.cubin", tmp_path / "other.cubin"
    (tmp_path / "other.cu").write_text('extern "C" __global__ void k(float* x) { x[0] = x[1] * x[2]; }')
    one.write_bytes(compiled[arch].path.read_bytes())
    other.write_bytes(compiler.compile(Source.of(str(tmp_path / "other.cu")), arch).path.read_bytes())
    together = cubin.instructions([one, other], arch)
    for path in (one, other):
        command = [cubin.nvdisasm(), "--print-code", str(path)]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        alone: dict[str, Counter[str]] = {}
        for line in text.splitlines():
            if match := re.match(r"\.text\.(\w+):", line):
                counter = alone.setdefault(match[1], Counter())
            elif match := re.match(r"\s+/\*[0-9a-f]+\*/\s+(?:@\S+ +)?([^ ;]+)", line):
                counter[match[1]] += 1
        assert together[path] == alone


def test_counts_are_kept_and_belong_to_the_cubin(
    compiled: dict[str, Compiled], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = compiled["sm_80"].path
    counts = cubin.instructions([path], "sm_80")
    kept = path.with_suffix(".sass.json")
    with monkeypatch.context() as changed:
        changed.setattr(cubin, "nvdisasm", lambda: pytest.fail("disassembled again"))
        assert cubin.instructions([path], "sm_80") == counts
    for damage in (kept.read_text()[:-9], "[]", kept.read_text().replace('"sha256": "', '"sha256": "0')):
        kept.write_text(damage)
        assert cubin.instructions([path], "sm_80") == counts


SASS = """
        /*0000*/                   LDC R1, c[0x0][0x28] ;
        /*0010*/              @!P0 BRA `(.L_x_1) ;
        /*0020*/               @P1 HMMA.16816.F32.BF16 R4, R8, R2, R4 ;
.L_x_1:
        /*0030*/              @!UP0 UTMALDG.2D [UR8], [UR4] ;
        /*0040*/         HGMMA.64x256x16.F32.BF16 R24, gdesc[UR4].tnspB, R24, !UPT ;
        /*0050*/                   HMMA.16816.F32.BF16 R4, R8.reuse, R2, R4 ;
        /*0060*/         @!P1 LDG.E.128 R8, desc[UR6][R2.64] ;
        /*0070*/                   EXIT ;
"""


def test_a_disassembly_is_read_without_predicates_and_operands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cubin, "_disassembly", lambda code, arch: SASS)
    first = {
        "LDC": 1,
        "BRA": 1,
        "HMMA.16816.F32.BF16": 2,
        "UTMALDG.2D": 1,
        "HGMMA.64x256x16.F32.BF16": 1,
        "LDG.E.128": 1,
    }
    assert cubin._counts([bytes(0x70), bytes(0x10)], "sm_90a") == [first, {"EXIT": 1}]


@pytest.mark.parametrize(
    "name",
    [
        "HMMA.16816.F32",
        "IMMA.16832.S8.S8",
        "DMMA.884",
        "DMMA.16x8x16",
        "QMMA.16832.F32.E4M3.E4M3",
        "OMMA.SF.16864",
        "HGMMA.64x256x16.F32.BF16",
        "QGMMA.64x128x32.F32.E4M3.E4M3",
        "IGMMA.64x64x32.S8.S8",
        "UTCHMMA",
        "UTCQMMA.2CTA",
        "UTCIMMA",
    ],
)
def test_instructions_of_the_tensor_cores_are_known(name: str) -> None:
    assert cubin.TENSOR.match(name)


@pytest.mark.parametrize("name", ["FFMA", "IMAD.MOV.U32", "LDSM.16.M88.4", "UTMALDG.2D", "WARPSYNC", "HFMA2", "DFMA"])
def test_others_are_not(name: str) -> None:
    assert not cubin.TENSOR.match(name)


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"MZ" * 100, b"\x7fELF\x01\x01" + bytes(100)])
def test_what_is_no_cubin_is_a_sentence(content: bytes) -> None:
    with pytest.raises(DataError, match="not a cubin"):
        cubin.entries(content)


def test_a_truncated_cubin_is_never_a_traceback(compiled: dict[str, Compiled]) -> None:
    content = compiled["sm_90a"].path.read_bytes()
    whole = cubin.entries(content)
    for length in range(0, len(content), 97):
        try:
            assert cubin.entries(content[:length]) == whole  # what was cut off holds no section
        except DataError as error:
            assert error.remedy  # noqa: PT017 - either outcome is right
            continue
        assert length > 0.9 * len(content)


def test_a_flipped_byte_is_never_a_traceback(compiled: dict[str, Compiled]) -> None:
    content = bytearray(compiled["sm_80"].path.read_bytes())
    for position in range(0, len(content), 61):
        content[position] ^= 0xFF
        with contextlib.suppress(DataError):
            cubin.entries(bytes(content))
        content[position] ^= 0xFF


def test_without_the_disassembler_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cubin.shutil, "which", lambda name: None)
    monkeypatch.setattr(cubin.importlib.util, "find_spec", lambda name: None)
    cubin.nvdisasm.cache_clear()
    try:
        with pytest.raises(UnavailableError, match=r"pip install 'benchsuite\[kernels\]'"):
            cubin.nvdisasm()
    finally:
        cubin.nvdisasm.cache_clear()


def test_what_the_disassembler_cannot_read_is_a_sentence() -> None:
    with pytest.raises(DataError, match="cannot read code for sm_1"):
        cubin._counts([bytes(16)], "sm_1")


# -- occupancy, worked by hand from the formula in occupancy.py ----------------------------------


@pytest.mark.parametrize(
    ("arch", "threads", "registers", "shared", "blocks"),
    [
        ("sm_80", 1024, 32, 0, 2),  # 64 warps
        ("sm_80", 32, 16, 0, 32),  # the most blocks
        ("sm_86", 32, 16, 0, 16),
        ("sm_89", 32, 16, 0, 24),
        ("sm_120a", 1024, 32, 0, 1),  # 48 warps
        ("sm_80", 256, 64, 0, 4),  # 16384 / (32 * 64) = 8 warps a quarter, 32 in all, 8 a block
        ("sm_80", 256, 65, 0, 3),  # 72 after rounding: 7 a quarter, 28 in all
        ("sm_80", 32, 255, 0, 2),  # 2 a quarter; a block of one warp takes the place of four
        ("sm_90a", 384, 168, 200 * 1024, 1),
        ("sm_90a", 128, 255, 0, 2),
        ("sm_90a", 512, 255, 0, 0),  # 16 warps of 8 K registers are 128 K
        ("sm_80", 128, 32, 40 * 1024, 4),  # (40 + 1) KiB four times is 164 KiB
        ("sm_80", 128, 32, 40 * 1024 + 1, 3),
        ("sm_80", 128, 32, 163 * 1024, 1),
        ("sm_86", 128, 32, 99 * 1024, 1),
        ("sm_86", 128, 32, 100 * 1024, 0),
    ],
)
def test_blocks_on_a_multiprocessor(arch: str, threads: int, registers: int, shared: int, blocks: int) -> None:
    assert occupancy.blocks(arch, threads, registers, shared) == blocks


@given(st.sampled_from(ARCHITECTURES), st.integers(1, 1024), st.integers(1, 255), st.integers(0, 228 * 1024))
def test_needing_more_never_fits_more_often(arch: str, threads: int, registers: int, shared: int) -> None:
    blocks = occupancy.blocks(arch, threads, registers, shared)
    limits = occupancy.LIMITS[arch]
    assert 0 <= blocks <= limits.blocks
    assert blocks * threads <= limits.warps * occupancy.WARP
    assert blocks * threads * registers <= occupancy.REGISTERS
    assert blocks * (shared + occupancy.RESERVED) <= limits.shared
    grown = [occupancy.blocks(arch, threads, more, shared) for more in range(registers, 256)]
    assert all(one >= other for one, other in pairwise(grown))
    assert occupancy.blocks(arch, threads, registers, shared + 4096) <= blocks


CLUSTER = """
struct alignas(128) Map { unsigned long long opaque[16]; };
extern "C" __global__ void __cluster_dims__(2, 1, 1) __launch_bounds__(128)
k(const __grid_constant__ Map map, float* y) {
  extern __shared__ __align__(1024) float tile[];
  __shared__ __align__(8) unsigned long long barrier;
  unsigned at = (unsigned)__cvta_generic_to_shared(tile), b = (unsigned)__cvta_generic_to_shared(&barrier);
  if (threadIdx.x == 0) {
    asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" :: "r"(b));
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  }
  asm volatile("barrier.cluster.arrive.release.aligned; barrier.cluster.wait.acquire.aligned;" ::: "memory");
  if (threadIdx.x == 0) {
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], 4096;" :: "r"(b) : "memory");
    asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes"
                 " [%0], [%1, {%3, %3}], [%2];" :: "r"(at), "l"(&map), "r"(b), "r"(0) : "memory");
  }
  asm volatile("{ .reg .pred p; W: mbarrier.try_wait.parity.shared::cta.b64 p, [%0], 0; @!p bra W; }"
               :: "r"(b) : "memory");
  y[threadIdx.x] = tile[threadIdx.x];
}
"""


@pytest.mark.parametrize("arch", ["sm_90a", "sm_100a", "sm_120a"])
def test_tensor_maps_by_value_and_clusters_are_possible(arch: str, tmp_path: Path) -> None:
    """What the kernels of Hopper and Blackwell need: a 128-byte parameter, and the tensor copy instruction."""
    (tmp_path / "k.cu").write_text(CLUSTER)
    done = compiler.compile(Source(str(tmp_path / "k.cu")), arch)
    (entry,) = cubin.entries(done.path.read_bytes(), done.log)
    assert entry.parameters == (128, 8)
    assert not compiler.warnings(done.log)
    try:
        counts = cubin.instructions([done.path], arch)[done.path]["k"]
    except UnavailableError as error:
        pytest.skip(str(error))
    assert sum(count for name, count in counts.items() if name.startswith("UTMALDG")) == 1
