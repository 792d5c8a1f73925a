"""Decode by the copy engine on the CPU: how rounds are dealt out, kinds of caches, schedules, planted faults, SASS."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from benchsuite import discovery, inspection, kernels
from benchsuite.benchmarks import _paged_ring as ring
from benchsuite.benchmarks import paged_decode
from benchsuite.model import TYPICAL, Arrays, Benchmark, Case, Choice, Rejected, Tolerance, cut
from tests.cuda_host import simulate
from tests.test_cuda_decode import STEEP, case

GPP = pytest.mark.skipif(not simulate.available(), reason="g++ is not installed")
H200 = TYPICAL["sm_90a"]
KINDS = (("bf16", "bf16"), ("fp16", "fp16"), ("int8", "bf16"), ("int8", "fp16"), ("e4m3", "bf16"), ("e4m3", "fp16"))


def cached(context: int, kv: str = "bf16", dtype: str = "bf16", **changes: int) -> Case:
    """A case whose 8-bit caches have a scale for each page."""
    return case(context, kv=kv, dtype=dtype, scales="page" if kv in {"int8", "e4m3"} else "token", **changes)


def judged(
    wanted: Case,
    processors: int = 3,
    *,
    seed: int = 0,
    edit: Mapping[str, str] | None = None,
    benchmark: Benchmark = paged_decode.BENCHMARK,
    iterations: int = 2,
) -> float | Rejected:
    on = simulate.device("sm_90a", processors)
    return simulate.run(benchmark, "ring", wanted, on=on, seed=seed, edit=edit, iterations=iterations)


def ragged(*lengths: int) -> Benchmark:
    """The benchmark with a length of its own for each sequence; its tolerance is that of the shortest."""

    def inputs(wanted: Case, rng: np.random.Generator) -> Arrays:
        return {**paged_decode.inputs(wanted, rng), "lengths": np.array(lengths, np.int32)}

    def tolerance(wanted: Case) -> Tolerance:
        return paged_decode.tolerance(
            Case.of(wanted.benchmark, **{**dict(wanted.params), "context": int(min(lengths))})
        )

    return replace(paged_decode.BENCHMARK, inputs=inputs, tolerance=tolerance)


# ---------------------------------------------------------------- how it is cut


@pytest.mark.parametrize(("kv", "dtype"), KINDS)
@pytest.mark.parametrize("head_dim", [64, 128])
def test_the_ring_keeps_enough_bytes_under_way(kv: str, dtype: str, head_dim: int) -> None:
    wanted = cached(8192, kv, dtype, head_dim=head_dim)
    assert not ring.RING.lacks(wanted, H200)
    for chosen in ring.cuts(wanted, H200):
        numbers = dict(chosen)
        memory = ring.shared(wanted, numbers["round"], numbers["stages"]) + ring.RESERVED
        assert numbers["blocks"] * memory <= H200.shared + ring.RESERVED
        under_way = numbers["blocks"] * (numbers["stages"] - 1) * 2 * numbers["round"] * ring.row(wanted)
        assert under_way >= 22 * 1024  # 4.8 TB/s for 600 ns, of 132 processors


def test_the_grid_is_what_fits_and_no_more_than_there_is() -> None:
    assert ring.blocks(cached(8192, batch=16, kv_heads=8), H200) == 132
    assert ring.blocks(cached(8192, batch=16, kv_heads=8, head_dim=64), H200) == 264
    assert ring.blocks(cached(129, batch=3, kv_heads=2), H200) == 12
    fewer = Choice(ring.KERNEL, ring.kind(cached(300, head_dim=64)), cut(round=128, blocks=1, stages=5))
    device = replace(H200, choices=(fewer,))
    assert ring.chosen(cached(300, head_dim=64), device) == {"round": 128, "blocks": 1, "stages": 5}


def test_what_it_serves() -> None:
    assert ring.ring_serves(cached(100))
    assert ring.ring_serves(cached(100, "e4m3"))
    assert not ring.ring_serves(case(100, kv="e4m3"))  # a scale for each token
    assert not ring.ring_serves(cached(100, group=17))
    assert "no scales" in paged_decode.invalid(case(scales="page"))


# ---------------------------------------------------------------- executed


@GPP
@pytest.mark.parametrize("page", [16, 64, 128])
@pytest.mark.parametrize("context", [1, 15, 16, 17, 127, 128, 129, 700])
def test_contexts_and_pages(context: int, page: int) -> None:
    assert isinstance(found := judged(cached(context, batch=2, page=page), seed=context), float), found


@GPP
@pytest.mark.parametrize(("kv", "dtype"), KINDS)
@pytest.mark.parametrize("head_dim", [64, 128])
def test_kinds_of_caches(kv: str, dtype: str, head_dim: int) -> None:
    assert isinstance(found := judged(cached(300, kv, dtype, head_dim=head_dim, page=64), seed=1), float), found


@GPP
@pytest.mark.parametrize("group", [1, 4, 9, 16])
@pytest.mark.parametrize("seed", [1, 2])
def test_queries_that_share_a_head(group: int, seed: int) -> None:
    assert isinstance(found := judged(cached(400, group=group), seed=seed), float), found


@GPP
@pytest.mark.parametrize("processors", [1, 2, 5, 7, 16, 64])
@pytest.mark.parametrize("lengths", [(1000, 1, 64, 129, 500), (1, 1, 1, 1, 1000), (128, 128, 128, 128, 128)])
def test_rounds_are_dealt_out_whatever_the_lengths(lengths: tuple[int, ...], processors: int) -> None:
    """Blocks that begin and end within a context, have several or none; more of them than there are rounds."""
    wanted = cached(1000, "fp16", "fp16", batch=5)  # whose tolerance is narrow also for the shortest
    found = judged(wanted, processors, seed=processors, benchmark=ragged(*lengths))
    assert isinstance(found, float), found


@GPP
def test_more_sequences_than_a_warp_has_lanes() -> None:
    lengths = [1 + 37 * i % 290 for i in range(70)]
    wanted = cached(300, "fp16", "fp16", batch=70, kv_heads=1, group=1, head_dim=64)
    assert isinstance(found := judged(wanted, 5, benchmark=ragged(*lengths)), float), found


@GPP
@pytest.mark.parametrize("seed", [1, 2])
def test_scores_that_grow(seed: int) -> None:
    assert isinstance(found := judged(cached(700, batch=2), seed=seed, benchmark=STEEP), float), found


@GPP
def test_more_pages_than_a_warp_has_lanes() -> None:
    assert isinstance(found := judged(cached(1700, kv_heads=1, group=2), 1), float), found


@GPP
@pytest.mark.parametrize("head_dim", [64, 128])
def test_scales_a_page_on_the_other_kernel(head_dim: int) -> None:
    """``decode.cu`` takes the same caches, so that the two can be compared."""
    for kv in ("e4m3", "int8"):
        wanted = cached(300, kv, head_dim=head_dim, page=64)
        found = simulate.run(paged_decode.BENCHMARK, "split", wanted, "sm_90a", seed=1)
        assert isinstance(found, float), found


@GPP
def test_every_schedule_gives_the_same_bits() -> None:
    wanted, results = cached(900, batch=2), []
    for seed in range(3):
        runtime = simulate.SimulatedRuntime(simulate.device("sm_90a", 5), seed=seed)
        step, _, buffers = simulate.bound(paged_decode.BENCHMARK, "ring", wanted, runtime)
        step()
        assert not np.any(buffers["arrived"])
        results.append(buffers["o"].copy())
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


@GPP
@pytest.mark.long
@pytest.mark.parametrize("seed", range(12))
def test_many_shapes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(4):
        kv, dtype = KINDS[int(rng.integers(len(KINDS)))]
        batch, context = int(rng.integers(1, 40)), int(rng.integers(1, 1500))
        sizes = {"head_dim": int(rng.choice([64, 128])), "page": int(rng.choice([16, 64, 128]))}
        heads = {"kv_heads": int(rng.integers(1, 5)), "group": int(rng.integers(1, 17))}
        wanted = cached(context, kv, dtype, batch=batch, **sizes, **heads)
        lengths = rng.integers(1, context + 1, batch)
        found = judged(wanted, int(rng.integers(1, 30)), seed=seed, benchmark=ragged(*lengths))
        assert isinstance(found, float), (wanted.key, found)


# ---------------------------------------------------------------- planted faults: before -> after, and how it is found

WRONG = "compared values of o are wrong|not finite"
PLAIN, TAIL, EIGHT = cached(900, batch=2), cached(300), cached(300, "e4m3")
FAULTS: dict[str, tuple[str, str, Case, str]] = {
    "consumers wait for the wrong parity": ("  Turn turn{0, 0};", "  Turn turn{0, 1};", PLAIN, "deadlock|race"),
    "the producer does not wait for empty slots": (
        "        mbarrier_wait(empty(shared, turn.slot, which), turn.parity);\n",
        "",
        PLAIN,
        "more than the 1 arrivals|race: .* the copy engine",
    ),
    "fewer bytes are announced than come": (
        "count * HALVES * BOX_BYTES",
        "HALVES * BOX_BYTES",
        PLAIN,
        "too few were expected|bytes fewer",
    ),
    "a whole round is announced where less comes": (
        "count * HALVES * BOX_BYTES",
        "BOXES * HALVES * BOX_BYTES",
        TAIL,
        "deadlock|still expects",
    ),
    "a slot is given back before it is read": (
        "    if (rest > 0) scores(s, k, q);\n    give_back(empty(shared, turn.slot, K));",
        "    give_back(empty(shared, turn.slot, K));\n    if (rest > 0) scores(s, k, q);",
        PLAIN,
        "the copy engine",
    ),
    "a warp does not wait for V": (
        "    mbarrier_wait(full(shared, turn.slot, V), turn.parity);\n",
        "",
        PLAIN,
        "the copy engine",
    ),
    "one lane gives back for a warp that still reads": (
        "DEVICE void give_back(u32 barrier) {\n  __syncwarp();",
        "DEVICE void give_back(u32 barrier) {",
        PLAIN,
        "the copy engine",
    ),
    "the barriers are not shown to the engine": ("    fence_mbarrier_init();\n", "", PLAIN, "fence.mbarrier_init"),
    "V beyond the last token is not cleared": ("      if (rest < TOKENS) clear(v, rest);\n", "", TAIL, WRONG),
    "the engine takes up a cleared V that no fence has shown it": (
        "  fence_proxy_async();  // these writes",
        "  // these writes",
        cached(300, batch=8, head_dim=64),
        "fence.proxy.async is missing",
    ),
    "a token too many is cleared": ("clear(v, rest);", "clear(v, rest - 1);", TAIL, WRONG),
    "the last token is masked": ("if (rest < TOKENS) mask(s, rest);", "mask(s, rest - 1);", cached(5), WRONG),
    "a token too many counts": ("mask(s, rest);", "mask(s, rest + 1);", TAIL, WRONG),
    "the other KV head is read": ("cache.kv_heads + piece.kv_head)", "cache.kv_heads)", PLAIN, WRONG),
    "all boxes come from one place of a page": (
        "& ((1 << cache.page_shift) - 1);",
        "& 0;",
        cached(300, page=128),
        WRONG,
    ),
    "page numbers are never loaded again": (
        "if (box % WARP == 0) now",
        "if (box == 0) now",
        cached(2900, kv_heads=1),
        WRONG,
    ),
    "the second half of a token is the first": ("half * ALONG", "0", PLAIN, WRONG),
    "another swizzle is undone": ("% (LINE / 16) * 16", "% (LINE / 32) * 16", PLAIN, WRONG),
    "the scale of the next page": ("next_k * WIDENED", "next_v * WIDENED", EIGHT, WRONG),
    "the scales of the page before": ("  scales.page = page_of(scales);\n}", "}", EIGHT, WRONG),
    "warps add without a common maximum": ("o[j][i % 4] * factor[r]", "o[j][i % 4]", PLAIN, WRONG),
    "warps add at the same time": (
        "    }\n    named_barrier_sync(1, CONSUMERS);\n  }\n}",
        "    }\n  }\n  named_barrier_sync(1, CONSUMERS);\n}",
        PLAIN,
        "race|read and written|written and",
    ),
    "merged before the last has arrived": (
        "load_shared4(shared.arrived) + 1 !=",
        "load_shared4(shared.arrived) + 2 !=",
        PLAIN,
        WRONG,
    ),
    "a block's two partial results lie in one place": (
        "+ (piece.start > begin_of(deal, first + part)))",
        ")",
        PLAIN,
        WRONG,
    ),
    "a round is dealt to nobody": (
        "begin_of(deal, blockIdx.x + 1);",
        "begin_of(deal, blockIdx.x + 1) - 1;",
        PLAIN,
        WRONG,
    ),
}


@GPP
@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault: str) -> None:
    before, after, wanted, how = FAULTS[fault]
    for seed in range(4):
        # five blocks: some have the end of one context and the beginning of the next; once, so that nothing lies there
        found = judged(wanted, 5, seed=seed, edit={before: after}, iterations=1)
        if isinstance(found, Rejected):
            assert re.search(how, found.reason), found.reason
            return
    pytest.fail("nothing was found on four schedules")


# ---------------------------------------------------------------- machine code


def test_the_machine_code_is_what_is_meant() -> None:
    """Every variant that the benchmark and the GPU suites ask for: the engine reads, nothing spills, blocks fit."""
    asked = kernels.asked(discovery.discover())
    found = kernels.variants({"paged-decode": paged_decode.BENCHMARK}, ["sm_90a"], asked)
    looked = inspection.inspect([one for one in found if one.implementations == ("ring",)])
    kinds = set()
    for one in looked:
        assert one.faults == (), (one.variant.label, one.faults)
        (kernel,) = one.kernels
        defines = dict(one.variant.source.defines)
        assert (kernel.spills, kernel.stack, kernel.static) == (0, 0, 0), one.variant.label
        assert kernel.blocks == defines["BLOCKS"], (one.variant.label, kernel.registers)
        assert kernel.feeding.keys() == {"LDSM", "UTMALDG"}, one.variant.label
        assert sum(kernel.tensor.values()) == int(defines["DIM"]) // 4, "a tile of 16 tokens: q k^T and p v"
        kinds.add((defines["KV"], defines["DIM"], defines["BOX"]))
    assert {("BF16", 128, 16), ("BF16", 128, 64), ("E4M3", 128, 64), ("BF16", 64, 64)} <= kinds
