"""Hopper's GEMM on the CPU: every type, layout, tile and cluster, tails, schedules, planted faults; machine code."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from benchsuite import discovery, inspection, kernels
from benchsuite.benchmarks import _gemm_cuda as cuda
from benchsuite.benchmarks import gemm
from benchsuite.model import TYPICAL, Case, Rejected, Tolerance
from tests.cuda_host import simulate

needs_gxx = pytest.mark.skipif(not simulate.available(), reason="needs g++")
H200 = TYPICAL["sm_90a"]


def case(m: int, n: int, k: int, dtype: str = "bf16", layout: str = "nt", data: str = "normal") -> Case:
    return Case.of("gemm", m=m, n=n, k=k, dtype=dtype, layout=layout, data=data)


def error(this: Case, processors: int, seed: int = 0, edit: dict[str, str] | None = None) -> float | Rejected:
    on = simulate.device("sm_90a", processors)
    return simulate.run(gemm.BENCHMARK, "wgmma", this, on=on, seed=seed, edit=edit, iterations=1)


# (m, n, k), processors, columns of a tile, blocks of a cluster: one short of a tile and one beyond, fewer stages of k
# than there are and more, several tiles for each block, tiles of which a cluster's second block has no row.
SHAPES = [
    ("bf16", "nt", (250, 504, 584), 2, 256, 2),
    ("bf16", "nt", (128, 136, 8), 2, 128, 1),
    ("bf16", "nn", (129, 520, 72), 2, 256, 2),
    ("bf16", "nn", (65, 72, 456), 1, 128, 1),
    ("fp16", "nt", (1, 512, 64), 1, 256, 1),
    ("fp16", "nn", (130, 120, 136), 2, 128, 2),
    ("tf32", "nt", (200, 132, 100), 4, 128, 2),
    ("tf32", "nt", (100, 500, 36), 1, 256, 1),
    ("e4m3", "nt", (250, 488, 400), 2, 256, 2),
    ("int8", "nt", (190, 252, 272), 2, 256, 2),
]


@needs_gxx
@pytest.mark.parametrize(("dtype", "layout", "shape", "processors", "columns", "cluster"), SHAPES)
def test_every_type_and_tail(
    dtype: str, layout: str, shape: tuple[int, int, int], processors: int, columns: int, cluster: int
) -> None:
    this = case(*shape, dtype, layout)
    tile, blocks = cuda.wgmma_cut(this, replace(H200, processors=processors))
    assert (tile.columns, blocks) == (columns, cluster)
    assert isinstance(found := error(this, processors), float), found


@needs_gxx
def test_sums_of_fp8_that_are_cut_off_stay_inside_the_tolerance() -> None:
    """The simulator keeps 13 bits after the leading one, as Hopper does, at the k of a transformer's layer."""
    assert isinstance(found := error(case(64, 128, 4096, "e4m3"), 1), float), found


def without_cut_off(this: Case) -> Tolerance:
    """The tolerance of sums in float32: gemm's, less what 13 bits in the tensor core may cost over all of k."""
    allowed, k = gemm.tolerance(this), this.integer("k")
    return replace(allowed, absolute=allowed.absolute - 2.0**-13 * k**1.5 / 16)


@needs_gxx
@pytest.mark.parametrize("seed", range(2))
def test_promoted_sums_of_fp8_are_as_good_as_float32_and_others_are_not(seed: int) -> None:
    """The simulator cuts sums off as Hopper does: only those that leave the tensor core stand the tolerance without."""
    this, strict = case(64, 128, 8192, "e4m3"), replace(gemm.BENCHMARK, tolerance=without_cut_off)
    on = simulate.device("sm_90a", 1)
    promoted = simulate.run(strict, "wgmma-promoted", this, on=on, seed=seed, iterations=1)
    assert isinstance(promoted, float), promoted
    kept = simulate.run(strict, "wgmma", this, on=on, seed=seed, iterations=1)
    assert isinstance(kept, Rejected)
    rarely = simulate.run(strict, "wgmma-promoted", this, on=on, seed=seed, edit=RARELY, iterations=1)
    assert isinstance(rarely, Rejected)


RARELY = {"min(i + PROMOTE, walk.stages)": "walk.stages"}
WAITS, GIVES = "      wgmma_wait<0>(part);\n", "      give_back(shared, turn.slot);\n"
PROMOTED_FAULTS = {
    "the last part is not added": ({"sum[j] += part[j]": "if (i < walk.stages) sum[j] += part[j]"}, "are wrong"),
    "a part goes on where the last one ended": ({"consumer, i > begin)": "consumer, i > 0)"}, "are wrong"),
    "a slot is given back while it is read": (
        {WAITS + GIVES: GIVES + WAITS},
        "read and written by wgmma and the copy engine",
    ),
}


@needs_gxx
@pytest.mark.parametrize("fault", PROMOTED_FAULTS)
def test_a_fault_of_promoted_sums_is_found(fault: str) -> None:
    edit, reason = PROMOTED_FAULTS[fault]
    on = simulate.device("sm_90a", 2)
    this = case(250, 136, 1168, "e4m3")
    right = simulate.run(gemm.BENCHMARK, "wgmma-promoted", this, on=on, iterations=1)
    assert isinstance(right, float), right
    found = simulate.run(gemm.BENCHMARK, "wgmma-promoted", this, on=on, edit=edit, iterations=1)
    assert isinstance(found, Rejected)
    assert re.search(reason, found.reason), found.reason


@needs_gxx
@pytest.mark.parametrize("seed", range(1, 4))
@pytest.mark.parametrize("processors", [1, 2, 4])
def test_every_schedule_gives_the_same_sums(seed: int, processors: int) -> None:
    """Integers have one right result, whatever the order of blocks, copies and warps, and however many take turns."""
    assert error(case(384, 136, 144, "tf32", data="integers"), processors, seed) == 0.0


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
        m, n, k = int(rng.integers(1, 400)), 16 * int(rng.integers(1, 40)), 16 * int(rng.integers(1, 60))
        this, processors = case(m, n, k, dtype, layout), int(rng.integers(1, 7))
        assert isinstance(found := error(this, processors, seed), float), (this.key, processors, found)


FAULTS = {
    "consumers wait for the wrong parity": ({"  Turn turn{0, 0};": "  Turn turn{0, 1};"}, "deadlock: .* misses"),
    "the producer does not wait for empty slots": (
        {"      mbarrier_wait(shared.empty + 8 * turn.slot, turn.parity);\n": ""},
        "more than the 1 arrivals|race: .* the copy engine",
    ),
    "fewer bytes are announced than come": (
        {"mbarrier_arrive_expect(full, STAGE);": "mbarrier_arrive_expect(full, B_BYTES);"},
        "too few were expected",
    ),
    "a slot is given back while it is read": (
        {"    if (i > 0) give_back(shared, before);\n    before = turn.slot;": "    give_back(shared, turn.slot);"},
        "read and written by wgmma and the copy engine",
    ),
    "the copy engine takes results that no fence has shown it": (
        {"    fence_proxy_async();\n": ""},
        "fence.proxy.async is missing",
    ),
    "a buffer of results is filled again too early": (
        {"tensor_store_wait_read<BUFFERS - 1>()": "tensor_store_wait_read<BUFFERS>()"},
        "read and written by a bulk store and thread",
    ),
    "sums are stored before they are there": (
        {"  wgmma_wait<0>(sum);\n": "  wgmma_wait<1>(sum);\n"},
        "wgmma is under way|the copy engine",
    ),
    "a block of the cluster gives slots back to itself only": (
        {"cluster_address(empty, lane_id())": "cluster_address(empty, cluster_rank())"},
        "race: .* the copy engine",
    ),
    "the second consumer multiplies the first one's rows": (
        {"descriptor(stage + consumer * (ROWS * BK), false)": "descriptor(stage, false)"},
        "compared values of c are wrong",
    ),
    "the swizzle of the results is another one": (
        {"(chunk ^ row % 8)": "(chunk ^ row % 4)"},
        "compared values of c are wrong",
    ),
}
"""What is edited, and how it is found."""


@needs_gxx
@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault: str) -> None:
    edit, reason = FAULTS[fault]
    found = error(case(250, 136, 328), 2, edit=edit)
    assert isinstance(found, Rejected)
    assert re.search(reason, found.reason), found.reason


# ---------------------------------------------------------------- how it is cut


def test_tiles_and_clusters_follow_the_shape() -> None:
    assert cuda.wgmma_cut(case(8192, 8192, 8192), H200)[0] == cuda.WGMMA_TILES[0]
    assert cuda.wgmma_cut(case(4096, 4096, 4096), H200)[0] == cuda.WGMMA_TILES[0]
    assert (
        cuda.wgmma_cut(case(1024, 2048, 4096), H200)[0] == cuda.WGMMA_TILES[1]
    )  # 64 large tiles would leave half idle
    assert [cuda.wgmma_cut(case(m, 8, 8), H200)[1] for m in (64, 129, 257, 2100, 8192)] == [1, 2, 1, 2, 2]
    (launch,) = cuda.wgmma_launches(case(8192, 8192, 8192), H200)
    assert (launch.grid, launch.block) == ((132, 1, 1), (384, 1, 1))
    (launch,) = cuda.wgmma_launches(case(64, 64, 64), H200)
    assert launch.grid == (1, 1, 1)
    for tile in cuda.WGMMA_TILES:
        assert tile.threads == 2 * cuda.WARPGROUP


@pytest.mark.parametrize(
    ("this", "served"),
    [
        (case(1, 8, 8), True),
        (case(1, 8, 8, "bf16", "nn"), True),
        (case(1, 8, 12), False),  # rows of A of 24 bytes
        (case(1, 12, 8), False),  # rows of C
        (case(1, 12, 8, "tf32"), True),
        (case(1, 16, 8, "tf32", "nn"), False),
        (case(1, 16, 16, "int8", "nn"), False),
        (case(1, 16, 16, "e4m3"), True),
        (case(8, 8, 8, "fp32"), False),
        (case(8, 8, 8, "fp64"), False),
    ],
)
def test_what_the_copy_engine_cannot_move_is_left_to_others(this: Case, served: bool) -> None:
    assert cuda.wgmma_serves(this) == served


# ---------------------------------------------------------------- machine code


@pytest.fixture(scope="module")
def inspections() -> list[inspection.Inspection]:
    """Every variant that the benchmark and the GPU suites ask for."""
    found = kernels.variants({"gemm": gemm.BENCHMARK}, ["sm_90a"], kernels.asked(discovery.discover()))
    return inspection.inspect([one for one in found if one.source.path == "gemm/wgmma.cu"])


def test_the_machine_code_is_what_is_meant(inspections: list[inspection.Inspection]) -> None:
    kinds = set()
    for one in inspections:
        assert one.faults == (), (one.variant.label, one.faults)
        (kernel,) = one.kernels
        assert {"UTMALDG", "UTMASTG", "USETMAXREG"} <= kernel.feeding.keys(), one.variant.label
        assert kernel.feeding["USETMAXREG"] == 2, one.variant.label
        assert (kernel.spills, kernel.stack, kernel.static, kernel.registers) == (0, 0, 0, 168), one.variant.label
        assert "LDGSTS" not in kernel.feeding
        assert sum(kernel.tensor.values()) == 4, "one stage, unrolled: 32 bytes of k each"
        kinds |= {name.split(".")[0] for name in kernel.tensor}
    assert kinds == {"HGMMA", "QGMMA", "IGMMA"}
    assert {"NN=0", "NN=1", "CLUSTER=1", "CLUSTER=2"} <= {
        word for one in inspections for word in one.variant.source.label.split()
    }
