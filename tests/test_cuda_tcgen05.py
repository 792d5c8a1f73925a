"""Datacenter Blackwell's GEMM on the CPU: types, layouts, tiles, tails, schedules, planted faults; its machine code."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from benchsuite import discovery, inspection, kernels
from benchsuite.benchmarks import _gemm_tcgen05 as blackwell
from benchsuite.benchmarks import gemm
from benchsuite.model import TYPICAL, Case, Rejected
from tests.cuda_host import simulate

needs_gxx = pytest.mark.skipif(not simulate.available(), reason="needs g++")
B200 = TYPICAL["sm_100a"]
PAIR, NARROW, ALONE = blackwell.TILES


def case(m: int, n: int, k: int, dtype: str = "bf16", layout: str = "nt", data: str = "normal") -> Case:
    return Case.of("gemm", m=m, n=n, k=k, dtype=dtype, layout=layout, data=data)


def error(this: Case, processors: int, seed: int = 0, edit: dict[str, str] | None = None) -> float | Rejected:
    on = simulate.device("sm_100a", processors)
    return simulate.run(gemm.BENCHMARK, "tcgen05", this, on=on, seed=seed, edit=edit, iterations=1)


# (m, n, k), processors, tile: one short of a tile and one beyond, fewer stages of k than there are and more, several
# tiles for each pair (so that both buffers of sums come round again), and some of which the second block has no row.
SHAPES = [
    ("bf16", "nt", (250, 1016, 584), 4, PAIR),
    ("bf16", "nt", (260, 120, 8), 2, NARROW),
    ("bf16", "nt", (128, 1096, 136), 4, ALONE),
    ("bf16", "nn", (300, 760, 72), 2, PAIR),
    ("fp16", "nn", (65, 1096, 136), 4, ALONE),
    ("fp16", "nt", (1, 360, 456), 2, ALONE),
    ("tf32", "nt", (200, 252, 292), 2, PAIR),
    ("tf32", "nt", (100, 1092, 36), 4, ALONE),
    ("e4m3", "nt", (250, 488, 400), 2, PAIR),
    ("int8", "nt", (390, 260, 1136), 2, NARROW),
]


@needs_gxx
@pytest.mark.parametrize(("dtype", "layout", "shape", "processors", "tile"), SHAPES)
def test_every_type_and_tail(
    dtype: str, layout: str, shape: tuple[int, int, int], processors: int, tile: blackwell.Tile
) -> None:
    this = case(*shape, dtype, layout)
    assert blackwell.tile_of(this, replace(B200, processors=processors)) == tile
    assert isinstance(found := error(this, processors), float), found


@needs_gxx
@pytest.mark.parametrize("seed", range(1, 5))
@pytest.mark.parametrize("processors", [2, 6])
def test_every_schedule_gives_the_same_sums(seed: int, processors: int) -> None:
    """Integers have one right result, whatever the order of blocks, copies and products, and whoever takes turns."""
    assert error(case(384, 520, 304, "tf32", data="integers"), processors, seed) == 0.0


@needs_gxx
@pytest.mark.long
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(
    ("dtype", "layout"),
    [("bf16", "nt"), ("bf16", "nn"), ("fp16", "nt"), ("tf32", "nt"), ("int8", "nt"), ("e4m3", "nt")],
)
def test_many_shapes(dtype: str, layout: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(6):
        m, n, k = int(rng.integers(1, 600)), 16 * int(rng.integers(1, 60)), 16 * int(rng.integers(1, 60))
        this, processors = case(m, n, k, dtype, layout), int(rng.integers(1, 9))
        assert isinstance(found := error(this, processors, seed), float), (this.key, processors, found)


FAULTS = {
    "the tensor cores do not say that a slot was read": (
        {"      commit(shared.empty + 8 * turn.slot);\n": ""},
        "deadlock: .* misses 1 arrivals",
    ),
    "the tensor cores do not say that a tile was summed": (
        {"    commit(shared.summed + 8 * buffer.slot);\n": ""},
        "deadlock: .* misses 1 arrivals",
    ),
    "only the first block is told": (
        {"tcgen05_commit_pair(mbarrier, BOTH)": "tcgen05_commit_pair(mbarrier, 1)"},
        "deadlock: ",
    ),
    "a slot is given back before its last product is asked for": (
        {
            "#pragma unroll\n      for (int step = 0; step < STEPS; step++)\n        multiply": (
                "      commit(shared.empty + 8 * turn.slot);\n"
                "      for (int step = 0; step < STEPS; step++)\n        multiply"
            ),
            "      commit(shared.empty + 8 * turn.slot);\n    }\n": "    }\n",
        },
        "read and written by tcgen05.mma and the copy engine|written and read by the copy engine and tcgen05.mma",
    ),
    "a tile is called summed before its last product": (
        {
            "buffer.parity);\n    for (int i = 0": (
                "buffer.parity);\n    commit(shared.summed + 8 * buffer.slot);\n    for (int i = 0"
            ),
            "    }\n    commit(shared.summed + 8 * buffer.slot);\n": "    }\n",
        },
        "of tensor memory is (read and written|written and read)",
    ),
    "the multiplier waits for the wrong parity": (
        {"  Turn<STAGES> turn{0, 0};": "  Turn<STAGES> turn{0, 1};"},
        "race: .*the copy engine|deadlock",
    ),
    "the storers wait for the wrong parity": (
        {"  Turn<BUFFERS> buffer{0, 0}, result": "  Turn<BUFFERS> buffer{0, 1}, result"},
        "column .* of tensor memory is written and read|race|deadlock",
    ),
    "the multiplier does not wait for drained sums": (
        {"    mbarrier_wait(shared.drained + 8 * buffer.slot, buffer.parity);\n": ""},
        "of tensor memory is (read and written|written and read)|more than the [148] arrivals",
    ),
    "the copier does not wait for empty slots": (
        {"      mbarrier_wait(shared.empty + 8 * turn.slot, turn.parity);\n": ""},
        "more than the 1 arrivals|race: .* the copy engine",
    ),
    "only one block's bytes are announced": (
        {"mbarrier_arrive_expect(full, PAIR * STAGE);": "mbarrier_arrive_expect(full, STAGE);"},
        "too few were expected|bytes fewer than arrived|race: .* the copy engine and tcgen05.mma",
    ),
    "more bytes are announced than come": (
        {"mbarrier_arrive_expect(full, PAIR * STAGE);": "mbarrier_arrive_expect(full, PAIR * STAGE + 16);"},
        "deadlock: ",
    ),
    "the second block reports its copies to itself": (
        {"load(stage, a, i * K, row, at_first(full));": "load(stage, a, i * K, row, full);"},
        "deadlock|fewer than arrived|bytes in phase|still expects",
    ),
    "the storers skip the fence after the barrier": (
        {"buffer.parity);\n    tcgen05_fence_after();": "buffer.parity);"},
        "written and read by tcgen05.mma and .*after_thread_sync is missing",
    ),
    "the multiplier skips the fence after the barrier": (
        {"turn.parity);\n      tcgen05_fence_after();": "turn.parity);"},
        "after_thread_sync is missing",
    ),
    "the storers skip the fence before the barrier": (
        {"        tcgen05_fence_before();\n        __syncwarp();": "        __syncwarp();"},
        "read and written by a warp's tcgen05.ld.* tcgen05.mma",
    ),
    "sums are used before they are there": (
        {"      tmem_load_wait(sum);\n": ""},
        "more than 4 under way|tcgen05.ld is under way|read and written by a warp's tcgen05.ld",
    ),
    "sums are given back before they are there": (
        {
            "      tmem_load_wait(sum);\n      if": "      if",
            "#pragma unroll\n      for (int part = 0; part < ACROSS / PART;": (
                "      tmem_load_wait(sum);\n      for (int part = 0; part < ACROSS / PART;"
            ),
        },
        "read and written by a warp's tcgen05.ld.* tcgen05.mma",
    ),
    "the sums are given back one load too early": (
        {"if (column + ACROSS == BN)": "if (column + 2 * ACROSS == BN)"},
        "of tensor memory is (read and written|written and read)",
    ),
    "tensor memory is not freed": (
        {"  if (warp == MULTIPLIER) tmem_free<PAIR>(tmem, BUFFERS * BN);\n": ""},
        "is not freed",
    ),
    "tensor memory is freed by a block alone": (
        {"tmem_free<PAIR>(tmem,": "tmem_free<1>(tmem,"},
        "was allocated for cta_group::2",
    ),
    "half of tensor memory is asked for": (
        {
            "tmem_allocate<PAIR>(shared.tmem, BUFFERS * BN)": "tmem_allocate<PAIR>(shared.tmem, BN)",
            "tmem_free<PAIR>(tmem, BUFFERS * BN)": "tmem_free<PAIR>(tmem, BN)",
        },
        "is not allocated|which has 512",
    ),
    "the copy engine takes results that no fence has shown it": (
        {"        fence_proxy_async();\n": ""},
        "fence.proxy.async is missing",
    ),
    "a place for results is filled again too early": (
        {"tensor_store_wait_read<BUFFERS - 1>()": "tensor_store_wait_read<BUFFERS>()"},
        "read and written by a bulk store and thread",
    ),
    "the mbarriers are not shown to the copy engine": (
        {"    fence_mbarrier_init();\n": ""},
        "fence.mbarrier_init is missing|fence.mbarrier_init",
    ),
    "a warp reads another's lanes": (
        {"tmem_place(tmem, warp * WARP, buffer": "tmem_place(tmem, (warp ^ 1) * WARP, buffer"},
        "this warp reads from lane",
    ),
    "a block ends while the other still multiplies": (
        {"  __syncwarp();\n  tcgen05_fence_before();\n  cluster_arrive();\n  cluster_wait();": "  __syncwarp();"},
        "has ended|ends while|of tensor memory is|race",
    ),
    "the descriptor of a is wgmma's": (
        {"u64 a = tcgen05_operand(stage, 0)": "u64 a = 1ull << 62 | 64ull << 32 | stage / 16"},
        "is not one of tcgen05",
    ),
    "the descriptor of a has another stride": (
        {"u64 a = tcgen05_operand(stage, 0)": "u64 a = tcgen05_operand(stage, 0) + (1ull << 32)"},
        "compared values of c are wrong|outside the",
    ),
    "the descriptor of b begins within a pattern": (
        {"b = tcgen05_operand(stage + A_BYTES, ": "b = tcgen05_operand(stage + A_BYTES + 256, "},
        "begins within a pattern",
    ),
    "the steps through k are too long": (
        {"a + step * (STEP / 16)": "a + step * (STEP / 8)"},
        "go beyond the row|begins within a pattern",
    ),
    "the product is of another type": (
        {"tcgen05_instruction(Type::sum, Type::format,": "tcgen05_instruction(Type::sum, Type::format ^ 1,"},
        "values of c are wrong|not finite|NaN",
    ),
    "the product has one block's rows": (
        {"NN, PAIR * BM, BN)": "NN, BM, BN)"},
        "128 rows are not simulated in cta_group::2",
    ),
    "the product has half the columns": (
        {"NN, PAIR * BM, BN)": "NN, PAIR * BM, BN / 2)"},
        "values of c are wrong|not finite|NaN",
    ),
    "the product takes b across k": (
        {"Type::format, NN, PAIR": "Type::format, true, PAIR"},
        "values of c are wrong|not finite|NaN|outside the",
    ),
    "a tile's sums begin with the last one's": (
        {"PRODUCT, i + step > 0)": "PRODUCT, 1)"},
        "values of c are wrong|not finite|NaN",
    ),
    "the swizzle of the results is another one": (
        {"(chunk ^ row % 8)": "(chunk ^ row % 4)"},
        "compared values of c are wrong",
    ),
    "the blocks of a pair bring the same half of b": (
        {"column = corner.column + static_cast<int>(walk.rank) * WIDTH": "column = corner.column"},
        "compared values of c are wrong",
    ),
}
"""What is edited, and how it is found."""
SHORT = [
    "the tensor cores do not say that a slot was read",
    "a tile is called summed before its last product",
    "the multiplier waits for the wrong parity",
    "the multiplier does not wait for drained sums",
    "only one block's bytes are announced",
    "the second block reports its copies to itself",
    "the storers skip the fence after the barrier",
    "the multiplier skips the fence after the barrier",
    "the storers skip the fence before the barrier",
    "sums are given back before they are there",
    "tensor memory is not freed",
    "the copy engine takes results that no fence has shown it",
    "the descriptor of a is wgmma's",
    "the product has one block's rows",
]
"""One of each kind; each needs a build, so the others are left to the long run."""


@needs_gxx
@pytest.mark.parametrize(
    "fault", [*SHORT, *(pytest.param(name, marks=pytest.mark.long) for name in FAULTS if name not in SHORT)]
)
def test_a_planted_fault_is_found(fault: str) -> None:
    edit, reason = FAULTS[fault]
    found = error(case(250, 1016, 136), 2, edit=edit)
    assert isinstance(found, Rejected)
    assert re.search(reason, found.reason), found.reason


# ---------------------------------------------------------------- how it is cut


def test_tiles_follow_the_shape() -> None:
    assert blackwell.tile_of(case(8192, 8192, 8192), B200) == PAIR
    assert blackwell.tile_of(case(4096, 4096, 4096), B200) == PAIR
    assert (
        blackwell.tile_of(case(16, 4096, 4096), B200) == NARROW
    )  # the second block has no row, but it brings half of B
    assert blackwell.tile_of(case(128, 16384, 4096), B200) == ALONE
    (launch,) = blackwell.launches(case(8192, 8192, 8192), B200)
    assert (launch.grid, launch.block) == ((148, 1, 1), (192, 1, 1))
    (launch,) = blackwell.launches(case(64, 64, 64), B200)
    assert launch.grid == (2, 1, 1)
    for tile in blackwell.TILES:
        assert 2 * tile.columns <= 512, "two buffers of sums in tensor memory"
        assert tile.shared <= B200.shared


def test_b300_has_no_int8() -> None:
    b300 = replace(B200, name="B300", capability=(10, 3))
    kernel = blackwell.TCGEN05
    assert kernel.lacks(case(8, 8, 16, "int8"), b300) == "has no instruction for int8 on B300"
    assert kernel.lacks(case(8, 8, 16, "int8"), B200) == kernel.lacks(case(8, 8, 16, "e4m3"), b300) == ""


# ---------------------------------------------------------------- machine code


@pytest.fixture(scope="module")
def inspections() -> list[inspection.Inspection]:
    """Every variant that the benchmark and the GPU suites ask for."""
    found = kernels.variants({"gemm": gemm.BENCHMARK}, ["sm_100a"], kernels.asked(discovery.discover()))
    return inspection.inspect([one for one in found if one.implementations == ("tcgen05",)])


def test_the_machine_code_is_what_is_meant(inspections: list[inspection.Inspection]) -> None:
    kinds = set()
    for one in inspections:
        assert one.faults == (), (one.variant.label, one.faults)
        (kernel,) = one.kernels
        assert {"UTMALDG", "UTMASTG", "LDTM", "UTCBAR"} <= kernel.feeding.keys(), one.variant.label
        assert kernel.feeding["UTCBAR"] == 2, "a slot that was read, a tile that was summed"
        assert (kernel.spills, kernel.stack, kernel.static) == (0, 0, 0), one.variant.label
        assert not {"LDSM", "LDGSTS", "USETMAXREG"} & kernel.feeding.keys()
        assert sum(kernel.tensor.values()) == 4, "one stage, unrolled: 32 bytes of k each"
        kinds |= set(kernel.tensor)
    assert {name.split(".")[0] for name in kinds} == {"UTCHMMA", "UTCQMMA", "UTCIMMA"}
    assert "UTCHMMA.2CTA" in kinds
    labels = {word for one in inspections for word in one.variant.source.label.split()}
    assert {"NN=0", "NN=1", "PAIR=1", "PAIR=2", "TYPE=tf32"} <= labels
