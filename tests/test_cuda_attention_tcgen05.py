"""Datacenter Blackwell's attention on the CPU: heads, lengths, masks, schedules, planted faults; its machine code."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import pytest

from benchsuite import discovery, inspection, kernels
from benchsuite.benchmarks import _attention_tcgen05 as blackwell
from benchsuite.benchmarks.attention import BENCHMARK
from benchsuite.model import TYPICAL, Array, Case, Rejected
from tests.cuda_host import simulate

needs_gxx = pytest.mark.skipif(not simulate.available(), reason="needs g++")
EAGER = {"LAZY = 8.0f": "LAZY = 0.0f"}
"""Sums are scaled down whenever a row's largest score grows: N(0, 1) rarely grows by 2^8."""


def case(**changes: object) -> Case:
    shape = {"batch": 1, "heads": 2, "kv_heads": 1, "head_dim": 64, "seq": 300, "causal": True, "dtype": "bf16"}
    return Case.of("attention", **{**shape, **changes})  # type: ignore[arg-type]


def error(
    this: Case, seed: int = 0, edit: Mapping[str, str] | None = None, processors: int = 2, iterations: int = 1
) -> float | Rejected:
    on = simulate.device("sm_100a", processors)
    return simulate.run(BENCHMARK, "tcgen05", this, on=on, seed=seed, edit=edit, iterations=iterations)


@needs_gxx
@pytest.mark.parametrize("causal", [False, True], ids=["full", "causal"])
@pytest.mark.parametrize("seq", [1, 127, 128, 129, 255, 257, 400])
def test_every_length_equals_float64(seq: int, causal: bool) -> None:
    """Tails of queries and keys, second tiles without a query, more tiles of keys than slots of the ring."""
    assert isinstance(found := error(case(seq=seq, causal=causal), seed=seq), float), found


@needs_gxx
@pytest.mark.parametrize("causal", [False, True], ids=["full", "causal"])
def test_wide_heads_equal_float64(causal: bool) -> None:
    assert isinstance(found := error(case(head_dim=128, seq=520, heads=1, causal=causal)), float), found


@needs_gxx
def test_fp16_equals_float64() -> None:
    assert isinstance(found := error(case(dtype="fp16")), float), found


@needs_gxx
@pytest.mark.parametrize(("batch", "heads", "kv_heads"), [(2, 8, 1), (2, 2, 2), (3, 2, 1)])
@pytest.mark.parametrize("processors", [1, 3])
def test_every_head_meets_its_keys_in_several_turns(processors: int, batch: int, heads: int, kv_heads: int) -> None:
    this = case(batch=batch, heads=heads, kv_heads=kv_heads, seq=150)
    assert isinstance(found := error(this, processors=processors, iterations=2), float), found


@needs_gxx
@pytest.mark.parametrize("causal", [False, True], ids=["full", "causal"])
@pytest.mark.parametrize("seed", range(3))
def test_sums_may_be_scaled_at_every_step(seed: int, causal: bool) -> None:
    assert isinstance(found := error(case(seq=520, causal=causal), seed, EAGER, processors=1), float), found


@needs_gxx
def test_scores_that_grow_by_more_are_scaled() -> None:
    """Keys that become longer: the largest score grows by far more than 2^8, and only then are sums scaled down."""
    this = case(seq=400, heads=1, causal=False)

    def attended(edit: Mapping[str, str] | None = None) -> Array:
        runtime = simulate.SimulatedRuntime(simulate.device("sm_100a", 2), 1, edit)
        step, inputs, buffers = simulate.bound(BENCHMARK, "tcgen05", this, runtime)
        for name in ("q", "k"):
            values = inputs[name].astype(np.uint32) << 16
            longer = np.linspace(0.1, 8.0, 400) if name == "k" else np.full(400, 3.0)
            scaled = values.view(np.float32) * longer.astype(np.float32).reshape(_along(values.shape, 400))
            buffers[name][...] = (np.ascontiguousarray(scaled).view(np.uint32) >> 16).astype(np.uint16)
        step()
        return (buffers["o"].astype(np.uint32) << 16).view(np.float32)

    found = attended()
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, attended(EAGER), rtol=0.05, atol=0.05)
    assert not np.allclose(found, attended({" rescale(sums, factor);": ";"}), rtol=0.05, atol=0.05)


def _along(shape: tuple[int, ...], length: int) -> tuple[int, ...]:
    return tuple(length if size == length else 1 for size in shape)


@needs_gxx
def test_every_schedule_gives_the_same_bits() -> None:
    def bits(seed: int) -> Array:
        runtime = simulate.SimulatedRuntime(simulate.device("sm_100a", 1 + seed % 3), seed)
        step, _, buffers = simulate.bound(BENCHMARK, "tcgen05", case(seq=520), runtime)
        step()
        return buffers["o"].copy()

    first = bits(0)
    assert all(np.array_equal(first, bits(seed)) for seed in range(1, 5))


UNORDERED = "of tensor memory is (read and written|written and read|written twice)"
WRONG = "values of o are wrong|not finite|NaN"
FAULTS = {
    "scores are not told": ({"  tcgen05_commit(shared.scored + 8 * t);\n": ""}, "deadlock: .* misses 1 arrivals"),
    "softmax skips the fence after the barrier": (
        {"steps & 1);\n      tcgen05_fence_after();": "steps & 1);"},
        "after_thread_sync is missing",
    ),
    "softmax skips the fence before the barrier": (
        {"      tcgen05_fence_before();\n      arrive(shared.weighed": "      arrive(shared.weighed"},
        UNORDERED,
    ),
    "weights are told before they are there": ({"      tmem_store_wait();\n": ""}, UNORDERED + "|st is under way"),
    "scores are used before they are there": (
        {"      tmem_load_wait(s[0]);\n      tmem_load_wait(s[1]);\n": ""},
        UNORDERED + "|more than 4 under way",
    ),
    "the multiplier does not wait for weights": (
        {"          mbarrier_wait(shared.weighed + 8 * t, weighed[t]);\n": ""},
        UNORDERED + "|more than the . arrivals",
    ),
    "scores are told before the last weights are read": (
        {
            "  tcgen05_commit(shared.scored + 8 * t);\n": "",
            "#pragma unroll\n  for (int i = 0; i < DIM": (
                "  tcgen05_commit(shared.scored + 8 * t);\n  for (int i = 0; i < DIM"
            ),
        },
        UNORDERED,
    ),
    "the last sums are not told": (
        {"          if (j == work.steps[t] - 1) tcgen05_commit(shared.summed + 8 * t);\n": ""},
        "deadlock: .* misses 1 arrivals",
    ),
    "sums are not scaled": ({**EAGER, " rescale(sums, factor);": ";"}, WRONG),
    "the weights' sum is not scaled": ({**EAGER, "row.sum * factor + sum": "row.sum + sum"}, WRONG),
    "sums are stored before they are there": (
        {"    mbarrier_wait(shared.summed + 8 * t, stored);\n": ""},
        UNORDERED,
    ),
    "queries are multiplied before they have come": (
        {"          if (j < 0) mbarrier_wait(shared.asked + 8 * t, asked[t]), asked[t] ^= 1;\n": ""},
        "race: .*the copy engine",
    ),
    "queries are brought over results": (
        {"      mbarrier_wait(shared.stored + 8 * t, parity[t]);\n": ""},
        "race: |more than the . arrivals",
    ),
    "keys are brought over keys": (
        {"      mbarrier_wait(shared.empty + 8 * turn.slot, turn.parity);\n": ""},
        "race: |more than the . arrivals",
    ),
    "values are given back before the second tile's product": (
        {"if (t == TILES - 1 && j >= 0) tcgen05_commit": "if (t == 0 && j >= 0) tcgen05_commit"},
        "race: |the copy engine",
    ),
    "values are described as one box": ({"shared.ring + slot * TILE, BOX)": "shared.ring + slot * TILE, 0)"}, WRONG),
    "values are multiplied along their rows": (
        {"Type::format, true, ROWS": "Type::format, false, ROWS"},
        WRONG + "|go beyond|pattern|race: .*the copy engine",
    ),
    "weights are taken from the wrong columns": ({"i * STEP_KEYS / 2": "i * STEP_KEYS"}, WRONG + "|" + UNORDERED),
    "a token does not see itself": ({"min(own + 1, shape.seq)": "min(own, shape.seq)"}, WRONG),
    "a token sees the next one": ({"min(own + 1, shape.seq)": "min(own + 2, shape.seq)"}, WRONG),
    "the copy engine takes results that no fence has shown it": (
        {"    fence_proxy_async();\n": ""},
        "fence.proxy.async is missing",
    ),
    "results are left to be read": ({"    tensor_store_wait_read<0>();\n": ""}, "race: |stores read shared memory"),
    "tensor memory is not freed": ({"  if (warp == MULTIPLIER) tmem_free<1>(tmem, COLUMNS);\n": ""}, "is not freed"),
    "more registers are taken than there are": ({"MORE = 208": "MORE = 216"}, "deadlock: .*setmaxnreg"),
}
"""What is edited, and how it is found."""
SHORT = [
    "softmax skips the fence after the barrier",
    "softmax skips the fence before the barrier",
    "weights are told before they are there",
    "the multiplier does not wait for weights",
    "scores are told before the last weights are read",
    "queries are brought over results",
    "a token sees the next one",
]
"""One of each kind; each needs a build, so the others are left to the long run."""


@needs_gxx
@pytest.mark.parametrize(
    "fault", [*SHORT, *(pytest.param(name, marks=pytest.mark.long) for name in FAULTS if name not in SHORT)]
)
def test_a_planted_fault_is_found(fault: str) -> None:
    edit, reason = FAULTS[fault]
    found = error(case(seq=700, head_dim=128 if "box" in fault else 64), edit=edit, processors=1)
    assert isinstance(found, Rejected)
    assert re.search(reason, found.reason), found.reason


def test_what_is_served() -> None:
    assert blackwell.serves(case())
    assert blackwell.serves(case(head_dim=128, dtype="fp16"))
    assert not blackwell.serves(case(head_dim=256))
    assert not blackwell.serves(case(dtype="fp32"))
    for dim in blackwell.STAGES:
        (launch,) = blackwell.launches(case(head_dim=dim, heads=64, seq=4096), TYPICAL["sm_100a"])
        assert launch.grid == (148, 1, 1)
        assert launch.shared <= TYPICAL["sm_100a"].shared


def test_the_machine_code_is_what_is_meant() -> None:
    found = kernels.variants({"attention": BENCHMARK}, ["sm_100a"], kernels.asked(discovery.discover()))
    seen = set()
    for one in inspection.inspect([one for one in found if one.implementations == ("tcgen05",)]):
        assert one.faults == (), (one.variant.label, one.faults)
        (kernel,) = one.kernels
        seen |= set(one.variant.source.label.split())
        dim = 128 if "HEAD_DIM=128" in one.variant.source.label else 64
        assert dict(kernel.tensor) == {"UTCHMMA": 2 * dim // 16 + 2 * 8}, "QK for either tile, and PV"
        assert kernel.feeding["LDTM"] == 4
        assert kernel.feeding["USETMAXREG"] == 2
        assert (kernel.spills, kernel.stack, kernel.registers) == (0, 0, 168), one.variant.label
    assert {"HEAD_DIM=64", "HEAD_DIM=128"} <= seen
