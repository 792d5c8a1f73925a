"""Datacenter Blackwell's block-scaled GEMM on the CPU: tails, schedules, planted faults; its machine code."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from benchsuite import discovery, inspection, kernels
from benchsuite.benchmarks import _gemm_formats as formats
from benchsuite.benchmarks import _gemm_tcgen05 as blackwell
from benchsuite.benchmarks.gemm_blockscaled import BENCHMARK
from benchsuite.model import TYPICAL, Arrays, Case, Rejected
from tests.cuda_host import simulate

needs_gxx = pytest.mark.skipif(not simulate.available(), reason="needs g++")
B200 = TYPICAL["sm_100a"]


def case(m: int, n: int, k: int, dtype: str = "nvfp4") -> Case:
    return Case.of("gemm-blockscaled", m=m, n=n, k=k, dtype=dtype)


def varied(this: Case, rng: np.random.Generator) -> Arrays:
    """The benchmark's inputs, but blocks of 16 are up to four times as large as others: so every scale matters."""
    made: dict[str, formats.Quantised] = {}
    k = this.integer("k")
    for name, rows in (("a", this.integer("m")), ("b", this.integer("n"))):
        powers = np.exp2(rng.integers(-1, 2, (rows, k // 16, 1))) / np.sqrt(1.75)  # of variance 1, as N(0, 1)
        values = rng.standard_normal((rows, k // 16, 16)) * powers
        made[name] = formats.quantise(values.reshape(rows, k).astype(np.float32), this.text("dtype"))
    scales = {f"{name}_scales": formats.interleave(one.scales) for name, one in made.items()}
    factors = np.array([one.factor for one in made.values()], np.float32)
    return {name: one.elements for name, one in made.items()} | scales | {"factors": factors}


def error(this: Case, processors: int, seed: int = 0, edit: dict[str, str] | None = None) -> float | Rejected:
    on = simulate.device("sm_100a", processors)
    benchmark = replace(BENCHMARK, inputs=varied)
    return simulate.run(benchmark, "tcgen05", this, on=on, seed=seed, edit=edit, iterations=1)


# One short of a tile and one beyond, half a group of scales, fewer stages than there are and more, several tiles for
# each pair, so that both buffers of sums come round again.
@needs_gxx
@pytest.mark.parametrize("dtype", ["mxfp8", "nvfp4"])
@pytest.mark.parametrize(
    ("shape", "processors"), [((250, 1016, 1312), 2), ((300, 520, 96), 4), ((1, 8, 32), 2), ((257, 384, 800), 2)]
)
def test_every_format_and_tail(shape: tuple[int, int, int], processors: int, dtype: str) -> None:
    assert isinstance(found := error(case(*shape, dtype), processors), float), found


@needs_gxx
@pytest.mark.parametrize("seed", range(1, 5))
@pytest.mark.parametrize("dtype", ["mxfp8", "nvfp4"])
def test_every_schedule_gives_right_sums(dtype: str, seed: int) -> None:
    assert isinstance(found := error(case(300, 1016, 416, dtype), 2, seed), float), found


@needs_gxx
@pytest.mark.long
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("dtype", ["mxfp8", "nvfp4"])
def test_many_shapes(dtype: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(6):
        m, n, k = int(rng.integers(1, 600)), 8 * int(rng.integers(1, 120)), 32 * int(rng.integers(1, 50))
        this, processors = case(m, n, k, dtype), int(rng.integers(1, 9))
        assert isinstance(found := error(this, processors, seed), float), (this.key, processors, found)


WRONG = "values of c are wrong|not finite|NaN"
FAULTS = {
    "the products of a stage take the scales of its first": (
        "mxfp8",
        {"tcgen05_with_scale(PRODUCT, step)": "PRODUCT"},
        WRONG,
    ),
    "four scales are taken from the middle of a word": (
        "nvfp4",
        {"tcgen05_nvfp4(sums, a, b, PRODUCT,": "tcgen05_nvfp4(sums, a, b, tcgen05_with_scale(PRODUCT, 2),"},
        "four scales from byte",
    ),
    "all products take the first group of scales": (
        "nvfp4",
        {"b_scales + step * B_COLUMNS": "b_scales"},
        WRONG,
    ),
    "the scales are of another type": (
        "nvfp4",
        {"NVFP4 ? 0 : 1, PAIR * BM": "NVFP4 ? 1 : 0, PAIR * BM"},
        "scales of type 1",
    ),
    "scales are copied after the products": (
        "mxfp8",
        {
            "      copy_scales(stage, tmem);\n": "",
            "tcgen05_commit_pair(shared.empty": "copy_scales(stage, tmem);\n      tcgen05_commit_pair(shared.empty",
        },
        WRONG,
    ),
    "half of b's scales are copied": (
        "mxfp8",
        {"rows < BN / GROUP_ROWS; rows++": "rows < 1; rows++"},
        WRONG,
    ),
    "the groups of b's scales are taken in another order": (
        "nvfp4",
        {"(rows * GROUPS + g) * GROUP_BYTES": "(g * 2 + rows) * GROUP_BYTES"},
        WRONG,
    ),
    "the second block brings scales from its half of b on": (
        "mxfp8",
        {"corner.column / GROUP_ROWS, first": "column / GROUP_ROWS, first"},
        WRONG,
    ),
    "both blocks bring the scales of the first one's rows": (
        "nvfp4",
        {"GROUP_WORDS, row / GROUP_ROWS": "GROUP_WORDS, corner.row / GROUP_ROWS"},
        WRONG,
    ),
    "scales are described as swizzled": (
        "mxfp8",
        {"tcgen05_plain_operand(stage + A_SCALES": "tcgen05_operand(0, 0) + tcgen05_plain_operand(stage + A_SCALES"},
        "swizzle is not simulated|not one of tcgen05",
    ),
    "the bytes of scales are not announced": (
        "mxfp8",
        {"PAIR * BROUGHT": "PAIR * A_SCALES"},
        "too few were expected|bytes fewer than arrived|race: .* the copy engine",
    ),
    "scales lie in the columns of sums": (
        "mxfp8",
        {"SCALES = SECOND + BN, COLUMNS": "SCALES = SECOND + BN - 8, COLUMNS"},
        "of tensor memory is (read and written|written and read|written twice)|differ between quarters|" + WRONG,
    ),
    "the columns that both buffers have are fetched last": (
        "mxfp8",
        {"(buffer.slot ? part : BN / ACROSS - 1 - part)": "(buffer.slot ? BN / ACROSS - 1 - part : part)"},
        "of tensor memory is (read and written|written and read)",
    ),
    "a tile begins before its columns are free": (
        "nvfp4",
        {"    mbarrier_wait(shared.drained, drained.parity);\n": ""},
        "of tensor memory is (read and written|written and read)|more than the 8 arrivals",
    ),
    "the columns are given back without a fence": (
        "mxfp8",
        {"        tcgen05_fence_before();\n        __syncwarp();": "        __syncwarp();"},
        "of tensor memory is read and written",
    ),
    "the multiplier skips the fence after the barrier": (
        "mxfp8",
        {"turn.parity);\n      tcgen05_fence_after();": "turn.parity);"},
        "after_thread_sync is missing",
    ),
    "the factor of a whole matrix is left out": (
        "nvfp4",
        {"factors[0] * factors[1]": "factors[0]"},
        WRONG,
    ),
}
"""In which format, what is edited, and how it is found."""
SHORT = [
    "the products of a stage take the scales of its first",
    "scales are copied after the products",
    "the second block brings scales from its half of b on",
    "the bytes of scales are not announced",
    "the columns that both buffers have are fetched last",
    "the columns are given back without a fence",
]
"""One of each kind; each needs a build, so the others are left to the long run."""


@needs_gxx
@pytest.mark.parametrize(
    "fault", [*SHORT, *(pytest.param(name, marks=pytest.mark.long) for name in FAULTS if name not in SHORT)]
)
def test_a_planted_fault_is_found(fault: str) -> None:
    dtype, edit, reason = FAULTS[fault]
    found = error(case(300, 760, 608, dtype), 2, edit=edit)
    assert isinstance(found, Rejected)
    assert re.search(reason, found.reason), found.reason


def test_shared_memory_holds_the_stages() -> None:
    for dtype in ("mxfp8", "nvfp4"):
        (launch,) = blackwell.scaled_launches(case(8192, 8192, 8192, dtype), B200)
        assert (launch.grid, launch.block) == ((148, 1, 1), (192, 1, 1))
        assert launch.shared <= B200.shared


def test_the_machine_code_is_what_is_meant() -> None:
    found = kernels.variants({"gemm-blockscaled": BENCHMARK}, ["sm_100a"], kernels.asked(discovery.discover()))
    seen = {}
    for one in inspection.inspect([one for one in found if one.implementations == ("tcgen05",)]):
        assert one.faults == (), (one.variant.label, one.faults)
        (kernel,) = one.kernels
        seen |= kernel.tensor
        assert {"UTMALDG": 4, "UTCBAR": 2}.items() <= kernel.feeding.items()
        assert kernel.feeding["UTCCP"] == (12 if "NVFP4=1" in one.variant.source.label else 3), "one stage's scales"
        assert (kernel.spills, kernel.stack, kernel.static) == (0, 0, 0), one.variant.label
    assert seen == {"UTCQMMA.2CTA": 4, "UTCOMMA.2CTA.4X": 4}, "one stage, unrolled: 32 bytes of k each"
