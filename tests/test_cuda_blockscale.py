"""Block-scaled products of sm_120a: the instruction by its definition, the GEMM, planted faults, machine code."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchsuite import discovery, inspection, kernels
from benchsuite.backends.cuda import compiler
from benchsuite.benchmarks import _gemm_blockscale_cuda as cuda
from benchsuite.benchmarks import _gemm_formats as formats
from benchsuite.benchmarks.gemm_blockscaled import BENCHMARK
from benchsuite.errors import MeasureError
from benchsuite.model import TYPICAL, Array, Arrays, Case, Launch, Rejected, Source, Tolerance
from tests import sass
from tests.cuda_host import simulate

needs_gxx = pytest.mark.skipif(not simulate.available(), reason="needs g++")
GEFORCE = TYPICAL["sm_120a"]
NAMES = tuple(formats.FORMATS)

# ---------------------------------------------------------------- one instruction

PRODUCT = """
template <int pair, int owner> DEVICE void one(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2], u32 x, u32 y) {
#if NVFP4
  mma_nvfp4<pair, owner>(d, a, b, x, y);
#else
  mma_mxfp8<(pair + owner) % 4, pair, owner>(d, a, b, x, y);
#endif
}
KERNEL void __launch_bounds__(32)
k(const u32* as, const u32* bs, const u32* a_scales, const u32* b_scales, float* out) {
  u32 lane = threadIdx.x, a[4], b[2];
  for (int i = 0; i < 4; i++) a[i] = as[lane * 4 + i];
  for (int i = 0; i < 2; i++) b[i] = bs[lane * 2 + i];
  float d[8][4];
  for (int i = 0; i < 8; i++) for (int e = 0; e < 4; e++) d[i][e] = 1.0f;
  u32 x = a_scales[lane], y = b_scales[lane];
  one<0, 0>(d[0], a, b, x, y), one<0, 1>(d[1], a, b, x, y), one<0, 2>(d[2], a, b, x, y), one<0, 3>(d[3], a, b, x, y);
  one<1, 0>(d[4], a, b, x, y), one<1, 1>(d[5], a, b, x, y), one<1, 2>(d[6], a, b, x, y), one<1, 3>(d[7], a, b, x, y);
  for (int i = 0; i < 8; i++) for (int e = 0; e < 4; e++) out[(i * 32 + lane) * 4 + e] = d[i][e];
}
"""


def written(path: Path) -> Source:
    path.write_text('#include "ptx_blockscale.cuh"\n' + PRODUCT)
    return Source.of(str(path), NVFP4=0)


def registers(name: str, seed: int = 0) -> Arrays:
    """What the lanes hold: any elements, and scales near one of which no two neighbours are alike."""
    rng = np.random.default_rng(seed)
    held: dict[str, Array] = {}
    for key, words in (("as", 128), ("bs", 64)):
        elements = rng.integers(0, 256, words * 4, dtype=np.uint8)
        held[key] = np.where(elements & 127 == 127, 0, elements).astype(np.uint8).view(np.uint32)
    middle = 127 if name == "mxfp8" else 0x38
    for key in ("a_scales", "b_scales"):
        held[key] = (middle + rng.integers(-6, 7, 128)).astype(np.uint8).view(np.uint32)
    return held


def multiplied(name: str, held: Arrays, pair: int, owner: int) -> Array:
    """1 + a b (16, 8) by the PTX ISA's tables, one element after another."""
    width = formats.FORMATS[name].bits
    packed, depth = 32 // width, 1024 // width // 4
    half = depth // 2

    def element(words: Array, lane: int, register: int, i: int) -> float:
        bits = int(words.reshape(32, -1)[lane, register]) >> width * i & (1 << width) - 1
        octet = np.array([[bits]], np.uint8)
        return float(formats.elements_of(octet, name)[0, 0])

    def scale(words: Array, lane: int, k: int) -> float:
        byte = k // 16 if name == "nvfp4" else (pair + owner) % 4
        return float(formats.scales_of(words.view(np.uint8).reshape(32, 4)[lane, byte : byte + 1], name)[0])

    a, b = np.zeros((16, depth)), np.zeros((depth, 8))
    for k in range(depth):
        t, upper, i = k % half // packed, k // half, k % packed
        for row in range(16):
            held_by = 4 * (row % 8) + 2 * pair + row // 8
            a[row, k] = element(held["as"], 4 * (row % 8) + t, row // 8 + 2 * upper, i) * scale(
                held["a_scales"], held_by, k
            )
        for column in range(8):
            b[k, column] = element(held["bs"], 4 * column + t, upper, i) * scale(
                held["b_scales"], 4 * column + owner, k
            )
    return 1.0 + a @ b


def simulated(path: Path, name: str, held: Arrays) -> Array:
    """(8 selectors, 16, 8) as the simulator's instruction leaves them."""
    runtime = simulate.SimulatedRuntime(simulate.device("sm_120a"))
    source = Source.of(written(path).path, NVFP4=int(name == "nvfp4"))
    buffers = {key: runtime.upload(array) for key, array in held.items()} | {"out": np.zeros(8 * 128, np.float32)}
    runtime.prepare(source, Launch("k", (1, 1, 1), (32, 1, 1), (*held, "out"), 0), buffers)()
    out, found = buffers["out"].reshape(8, 32, 4), np.zeros((8, 16, 8))
    lane, e = np.indices((32, 4))
    found[:, lane // 4 + e // 2 * 8, lane % 4 * 2 + e % 2] = out
    return found


@needs_gxx
@pytest.mark.parametrize("name", NAMES)
def test_the_instruction_multiplies_what_its_selectors_pick(name: str, tmp_path: Path) -> None:
    held = registers(name)
    found = simulated(tmp_path / "k.cu", name, held)
    for i in range(8):
        want = multiplied(name, held, i // 4, i % 4)
        np.testing.assert_allclose(found[i], want, rtol=1e-6, atol=1e-5)
        others = (multiplied(name, held, j // 4, j % 4) for j in (i ^ 1, i ^ 4))
        assert all(np.abs(other - want).max() > 1e-2 for other in others), "no other selector gives the same"


@needs_gxx
def test_the_order_of_nibbles_matters(tmp_path: Path) -> None:
    held = dict(registers("nvfp4"))
    want = multiplied("nvfp4", held, 0, 0)
    octets = held["as"].view(np.uint8)
    held["as"] = (octets >> 4 | octets << 4).view(np.uint32)
    assert np.abs(simulated(tmp_path / "k.cu", "nvfp4", held)[0] - want).max() > 1.0


@needs_gxx
def test_a_scale_that_is_no_number_spoils_its_row_only(tmp_path: Path) -> None:
    held = dict(registers("mxfp8"))
    held["a_scales"].view(np.uint8).reshape(32, 4)[4 * 3 + 1, 0] = 255  # row 3 + 8 of pair 0
    found = simulated(tmp_path / "k.cu", "mxfp8", held)[0]
    assert np.isnan(found[11]).all()
    assert np.isfinite(np.delete(found, 11, axis=0)).all()


@pytest.mark.parametrize("name", NAMES)
def test_what_is_simulated_is_what_a_gpu_would_be_given(name: str, tmp_path: Path) -> None:
    source = written(tmp_path / "k.cu")
    assert compiler.compile(Source.of(source.path, NVFP4=int(name == "nvfp4")), "sm_120a").path.is_file()


@needs_gxx
@pytest.mark.parametrize(
    "selector", ["mma_mxfp8<4, 0, 0>", "mma_mxfp8<0, 2, 0>", "mma_mxfp8<0, 0, 4>", "mma_nvfp4<2, 0>"]
)
def test_a_selector_that_does_not_exist_does_not_compile(selector: str, tmp_path: Path) -> None:
    text = (
        '#include "ptx_blockscale.cuh"\nKERNEL void k(float* out) { float d[4]; u32 a[4], b[2]; %s(d, a, b, 0, 0); }\n'
    )
    (tmp_path / "k.cu").write_text(text % selector)
    with pytest.raises(MeasureError, match="a selector of scales"):
        compiler.compile(Source(str(tmp_path / "k.cu")), "sm_120a")
    with pytest.raises(MeasureError, match="a selector of scales"):
        simulate.build((tmp_path / "k.cu").read_text(), (), 120)


# ---------------------------------------------------------------- the GEMM


def case(m: int, n: int, k: int, dtype: str = "nvfp4") -> Case:
    return Case.of("gemm-blockscaled", m=m, n=n, k=k, dtype=dtype)


def varied(this: Case, rng: np.random.Generator) -> Arrays:
    """The benchmark's inputs with blocks of 16 up to four times as large as others: so every scale matters."""
    m, n, k = cuda.shape(this)
    sized = {
        name: rng.standard_normal((rows, k // 16, 16), dtype=np.float32)
        * np.exp2(rng.integers(-1, 2, (rows, k // 16, 1))).astype(np.float32)
        for name, rows in (("a", m), ("b", n))
    }
    made = {
        name: formats.quantise(values.reshape(len(values), k), this.text("dtype")) for name, values in sized.items()
    }
    scales = {f"{name}_scales": formats.interleave(one.scales) for name, one in made.items()}
    factors = np.array([one.factor for one in made.values()], np.float32)
    return {name: one.elements for name, one in made.items()} | scales | {"factors": factors}


def loose(this: Case) -> Tolerance:
    """Sums are 1.75 times as large as those of N(0, 1), some rows' more than twice."""
    usual = BENCHMARK.tolerance(this)
    assert usual is not None
    return Tolerance(usual.relative, 4 * usual.absolute)


VARIED = replace(BENCHMARK, inputs=varied, tolerance=loose)


def error(this: Case, processors: int, seed: int = 0, edit: dict[str, str] | None = None) -> float | Rejected:
    on = simulate.device("sm_120a", processors)
    return simulate.run(VARIED, "mma", this, on=on, seed=seed, edit=edit, iterations=1)


# (m, n, k), processors, columns of a tile: one short of a tile and one beyond, half a group of scales, fewer stages
# than there are and more, several tiles for each block.
SHAPES = [
    ((128, 256, 64), 1, 256),
    ((129, 264, 288), 1, 128),
    ((250, 504, 480), 1, 256),
    ((1, 8, 32), 4, 128),
    ((300, 136, 416), 4, 256),
    ((127, 384, 1056), 3, 128),
]


@needs_gxx
@pytest.mark.parametrize("dtype", NAMES)
@pytest.mark.parametrize(("shape", "processors", "columns"), SHAPES)
def test_every_format_and_tail(shape: tuple[int, int, int], processors: int, columns: int, dtype: str) -> None:
    this = case(*shape, dtype)
    assert cuda.width(this, replace(GEFORCE, processors=processors)) == columns
    assert isinstance(found := error(this, processors), float), found


@needs_gxx
@pytest.mark.parametrize("dtype", NAMES)
def test_every_schedule_gives_the_same_bits(dtype: str) -> None:
    """An element's products are added in the order of k, whoever has the tile."""
    seen = set()
    for processors, seed in ((1, 1), (2, 2), (3, 3)):
        runtime = simulate.SimulatedRuntime(simulate.device("sm_120a", processors), seed)
        step, _, buffers = simulate.bound(VARIED, "mma", case(260, 264, 224, dtype), runtime)
        step()
        seen.add(buffers["c"].tobytes())
    assert len(seen) == 1


@needs_gxx
@pytest.mark.long
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("dtype", NAMES)
def test_many_shapes(dtype: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(6):
        m, n, k = int(rng.integers(1, 400)), 8 * int(rng.integers(1, 80)), 32 * int(rng.integers(1, 40))
        this, processors = case(m, n, k, dtype), int(rng.integers(1, 7))
        assert isinstance(found := error(this, processors, seed), float), (this.key, processors, found)


WRONG = "compared values of c are wrong"
FAULTS: dict[str, tuple[str, str, str, str]] = {
    "the byte of another step": ("mxfp8", "mma_mxfp8<step,", "mma_mxfp8<1 - step,", WRONG),
    "the scales of the other half of a group": ("mxfp8", "word >>= 16 * later", "word >>= 16 * (1 - later)", WRONG),
    "a group too early": ("mxfp8", "i * K / GROUP_K *", "max(0, i - 1) * K / GROUP_K *", WRONG),
    "the lanes of another mma of A": ("nvfp4", "mma_nvfp4<row % 2,", "mma_nvfp4<1 - row % 2,", WRONG),
    "the lane of another mma of B": (
        "nvfp4",
        "column % 4>(sums.d[row][column], a, b, s.a",
        "column % 4 ^ 1>(sums.d[row][column], a, b, s.a",
        WRONG,
    ),
    "the scales of the first step twice": ("nvfp4", "NVFP4 ? step * GROUP_BYTES", "NVFP4 ? 0 * GROUP_BYTES", WRONG),
    "the scales of other rows": ("nvfp4", "(8 * t + g) * 16 + row / 32", "(8 * t + (g ^ 1)) * 16 + row / 32", WRONG),
    "rows and columns share scales": ("mxfp8", "group + at.b_scales", "group + at.a_scales", WRONG),
    "half of the matrices' own scales": ("nvfp4", "globals[0] * globals[1]", "globals[0]", WRONG),
    "the last stage left out": ("nvfp4", "(k + K - 1) / K", "k / K", WRONG),
    "another swizzle": ("mxfp8", "row / 2 & 3", "row & 3", WRONG),
    "results swizzled otherwise": ("mxfp8", "^ lane % 8) * 16, r", "^ lane % 4) * 16, r", WRONG),
    "consumers wait for the wrong parity": ("nvfp4", "  Turn turn{0, 0};", "  Turn turn{0, 1};", "deadlock|race"),
    "the producer waits for the wrong parity": ("nvfp4", "  Turn turn{0, 1};", "  Turn turn{0, 0};", "deadlock"),
    "the producer does not wait": (
        "nvfp4",
        "      mbarrier_wait(shared.empty + 8 * turn.slot, turn.parity);\n",
        "",
        "more than the 1 arrivals|race: .* the copy engine",
    ),
    "consumers do not wait": (
        "nvfp4",
        "    mbarrier_wait(shared.full + 8 * turn.slot, turn.parity);\n",
        "",
        "the copy engine",
    ),
    "fewer bytes are announced than come": (
        "nvfp4",
        "expect(full, STAGE)",
        "expect(full, A_SCALES)",
        "too few were expected|bytes fewer than arrived",
    ),
    "more bytes are announced than come": ("mxfp8", "expect(full, STAGE)", "expect(full, STAGE + 512)", "deadlock"),
    "a slot is given back by one warp too few": (
        "nvfp4",
        "* s, WARPS);",
        "* s, WARPS - 1);",
        "the copy engine|arrivals",
    ),
    "a lane gives back what others still read": (
        "nvfp4",
        "    __syncwarp();  // all lanes have read\n",
        "",
        "the copy engine",
    ),
    "nobody has made the mbarriers yet": (
        "mxfp8",
        "  __syncthreads();  // the mbarriers",
        "  // the mbarriers",
        "mbarrier|thread 0",
    ),
    "results that no fence has shown": ("mxfp8", "    fence_proxy_async();\n", "", "fence.proxy.async is missing"),
    "results that lanes still write": ("mxfp8", "    __syncwarp();  // and is filled\n", "", "bulk store"),
    "a buffer is filled again too early": (
        "mxfp8",
        "if (lane == 0) tensor_store_wait_read<0>();",
        "if (lane == 0) tensor_store_wait_read<1>();",
        "read and written by a bulk store and thread",
    ),
    "the block ends while results leave": (
        "mxfp8",
        "  if (lane_id() == 0) tensor_store_wait_read<0>();\n",
        "",
        "the thread ends",
    ),
}
"""The format, what is edited into what, and how it is found."""


SEEN_ELSEWHERE = (
    *("more bytes are announced than come", "a slot is given back by one warp too few", "the producer does not wait"),
    *("results that lanes still write", "results swizzled otherwise", "a buffer is filled again too early"),
    *("the block ends while results leave", "consumers wait for the wrong parity"),
)
"""Faults of machines that other kernels' tests plant every day; here in the long runs."""
assert set(SEEN_ELSEWHERE) < FAULTS.keys()


@needs_gxx
@pytest.mark.parametrize(
    "fault", [pytest.param(name, marks=[pytest.mark.long] * (name in SEEN_ELSEWHERE)) for name in FAULTS]
)
def test_a_planted_fault_is_found(fault: str) -> None:
    dtype, before, after, reason = FAULTS[fault]
    found = (error(case(130, 136, 544, dtype), 1, seed, {before: after}) for seed in range(2))
    assert any(isinstance(one, Rejected) and re.search(reason, one.reason) for one in found)


# ---------------------------------------------------------------- how it is cut


def test_tiles_follow_the_shape() -> None:
    assert cuda.width(case(8192, 8192, 8192), GEFORCE) == 256
    assert cuda.width(case(1024, 2048, 4096), GEFORCE) == 128  # 64 tiles of 256 columns would leave more than half idle
    (launch,) = cuda.launches(case(8192, 8192, 8192), GEFORCE)
    assert (launch.grid, launch.block) == ((170, 1, 1), (384, 1, 1))
    (launch,) = cuda.launches(case(64, 64, 64), GEFORCE)
    assert launch.grid == (1, 1, 1)
    for dtype in NAMES:
        for m in (64, 8192):
            (launch,) = cuda.launches(case(m, 8192, 8192, dtype), GEFORCE)
            assert launch.shared <= GEFORCE.shared


def test_rows_of_c_that_the_copy_engine_cannot_move_are_left_to_others() -> None:
    assert cuda.serves(case(1, 8, 32))
    assert not cuda.serves(case(8, 12, 32))


# ---------------------------------------------------------------- machine code


@pytest.fixture(scope="module")
def inspections() -> list[inspection.Inspection]:
    """Every variant that the benchmark and the GPU suites ask for."""
    found = kernels.variants({"gemm-blockscaled": BENCHMARK}, ["sm_120a"], kernels.asked(discovery.discover()))
    return inspection.inspect(found)


def test_the_machine_code_is_what_is_meant(inspections: list[inspection.Inspection]) -> None:
    kinds = set()
    for one in inspections:
        assert one.faults == (), (one.variant.label, one.faults)
        (kernel,) = one.kernels
        assert (kernel.spills, kernel.stack, kernel.static, kernel.registers) == (0, 0, 0, 168), one.variant.label
        wide = "BN=256" in one.variant.source.label.split()
        rows = 4 if wide else 2
        assert dict(kernel.tensor) == dict.fromkeys(one.variant.tensor, 2 * rows * 8), (
            "one stage: two steps of 32 bytes"
        )
        assert kernel.feeding["LDSM"] == 2 * (rows + 4), "each fragment is loaded once"
        assert (kernel.feeding["UTMALDG"], kernel.feeding["UTMASTG"]) == (4, rows)
        assert kernel.feeding["USETMAXREG"] == 2
        assert "LDGSTS" not in kernel.feeding
        assert kernel.blocks == 1
        listing = sass.disassembly(compiler.compile(one.variant.source, "sm_120a").path)
        (name,) = {wanted.split(".")[0] for wanted in one.variant.tensor}
        assert sass.loop(listing, name).total() < (124 if wide else 88), "two warps share 2048 or 1024 clocks"
        kinds |= {name.split(".")[0] for name in kernel.tensor} | {wide}
    assert kinds == {"QMMA", "OMMA", True, False}
