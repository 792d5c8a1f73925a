"""Paged decode: its split heuristic, what its tolerance can see, its kernel executed on the CPU, and planted faults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchsuite import units
from benchsuite.benchmarks import _paged_cuda as cuda
from benchsuite.benchmarks import paged_decode
from benchsuite.measure.verify import check
from benchsuite.model import TYPICAL, Arrays, Benchmark, Case, Rejected
from tests.cuda_host import simulate
from tests.hostcase import judge, prepare

GPP = pytest.mark.skipif(not simulate.available(), reason="g++ is not installed")
KINDS = (("bf16", "bf16"), ("fp16", "fp16"), ("int8", "bf16"), ("int8", "fp16"), ("e4m3", "bf16"), ("e4m3", "fp16"))


def case(context: int = 100, batch: int = 1, group: int = 4, kv_heads: int = 2, **changes: int | str) -> Case:
    params: dict[str, int | str] = {
        "head_dim": 128,
        "page": 16,
        "dtype": "bf16",
        "kv": "bf16",
        "scales": "token",
        **changes,
    }
    sizes = {"context": context, "batch": batch, "heads": group * kv_heads, "kv_heads": kv_heads}
    return Case.of("paged-decode", **sizes, **params)


def accepted(
    wanted: Case,
    arch: str = "sm_80",
    *,
    seed: int = 0,
    edit: Mapping[str, str] | None = None,
    benchmark: Benchmark = paged_decode.BENCHMARK,
    iterations: int = 1,
) -> bool:
    result = simulate.run(benchmark, "split", wanted, arch, seed=seed, edit=edit, iterations=iterations)
    print(result)
    return not isinstance(result, Rejected)


def eight_times_the_queries(wanted: Case, rng: np.random.Generator) -> Arrays:
    arrays = paged_decode.inputs(wanted, rng)
    return {**arrays, "q": units.to_bf16(8 * units.from_bf16(arrays["q"]))}


STEEP = replace(
    paged_decode.BENCHMARK,
    inputs=eight_times_the_queries,
    tolerance=lambda wanted: paged_decode.tolerance(replaced(wanted, context=1)),
)
"""Few keys have all the weight, so that the largest score grows again and again on the way."""


# ---------------------------------------------------------------- how a context is split

SHARES = (st.integers(1, 4096), st.integers(1, 2048), st.integers(1, 200), st.integers(2, 3), st.integers(1, 16))


@given(*SHARES)
@settings(max_examples=60, deadline=None)
def test_no_more_parts_than_rounds(rounds: int, groups: int, processors: int, blocks: int, rows: int) -> None:
    assert 1 <= cuda.splits(rounds, groups, processors * blocks, rows) <= rounds


@given(*SHARES)
@settings(max_examples=60, deadline=None)
def test_the_processors_are_busy_where_there_is_work(
    rounds: int, groups: int, processors: int, blocks: int, rows: int
) -> None:
    if rounds * groups >= 8 * blocks * processors:
        parts = cuda.splits(rounds, groups, processors * blocks, rows)
        assert parts * groups >= 0.9 * processors


def test_an_empty_context_is_one_part() -> None:
    assert cuda.splits(0, 8, 264, 8) == 1


@pytest.mark.parametrize("arch", TYPICAL)
@pytest.mark.parametrize(("kv", "dtype"), KINDS)
@pytest.mark.parametrize("head_dim", [64, 128])
def test_blocks_fit_and_keep_enough_bytes_under_way(arch: str, kv: str, dtype: str, head_dim: int) -> None:
    wanted, device = case(8192, kv=kv, dtype=dtype, head_dim=head_dim), TYPICAL[arch]
    slots, shared = cuda.ring(wanted, device)
    blocks = cuda.blocks(wanted, device)
    assert blocks * (shared + cuda.RESERVED) <= device.shared + cuda.RESERVED
    under_way = blocks * shared * (slots - 1) // slots
    assert under_way >= (128 if device.shared > 100 * 1024 else 64) * 1024


# ---------------------------------------------------------------- the case: inputs, work, tolerance


def test_work_counts_cache_scales_queries_and_results() -> None:
    work = paged_decode.work(case(1000, batch=3, group=8, kv="int8"))
    assert work.read == 3 * 2 * (2 * 1000 * (128 + 4) + 8 * 128 * 2)
    assert (work.written, work.flops) == (3 * 16 * 128 * 2, 4 * 3 * 16 * 1000 * 128)


@pytest.mark.parametrize(("kv", "dtype"), KINDS)
def test_pages_are_shuffled_and_what_is_not_read_is_nan(kv: str, dtype: str) -> None:
    wanted = case(1000, batch=3, kv=kv, dtype=dtype, page=64)
    arrays = paged_decode.inputs(wanted, np.random.default_rng(1))
    table = arrays["table"]
    assert np.unique(table).size == table.size == 3 * 16
    assert np.any(np.diff(table[0]) != 1)
    tail = {**arrays, "lengths": np.full(3, 1024, np.int32)}
    for name in "kv":
        values = paged_decode.tokens_of(tail, name, kv, 2, 1)
        assert np.all(np.isfinite(values[:1000]))
        assert np.all(np.isnan(values[1000:]))
        assert abs(values[:1000].std() - 1) < 0.05


def test_refused_combinations() -> None:
    assert "multiple" in paged_decode.invalid(replaced(case(), heads=7))
    assert "cache" in paged_decode.invalid(case(kv="fp16"))
    assert not paged_decode.invalid(case(kv="e4m3"))
    assert not cuda.few_rows(case(group=17))


def replaced(wanted: Case, **changes: int | str) -> Case:
    return Case.of(wanted.benchmark, **{**dict(wanted.params), **changes})


@pytest.mark.parametrize("context", [1, 100, 4096])
@pytest.mark.parametrize(("kv", "dtype"), KINDS)
def test_the_processor_agrees(context: int, kv: str, dtype: str) -> None:
    wanted = case(context, group=8, kv=kv, dtype=dtype)
    inputs, buffers = prepare(paged_decode.BENCHMARK, wanted)
    paged_decode.by_numpy(buffers, wanted)
    assert not isinstance(judge(paged_decode.BENCHMARK, wanted, inputs, buffers), Rejected)


@pytest.mark.parametrize(("context", "lost"), [(100, 1), (4096, 1), (8192, 16)])
@pytest.mark.parametrize(("kv", "dtype"), KINDS)
def test_lost_tokens_are_seen(context: int, lost: int, kv: str, dtype: str) -> None:
    wanted = case(context, group=8, kv=kv, dtype=dtype)
    inputs, buffers = prepare(paged_decode.BENCHMARK, wanted)
    buffers["lengths"][...] -= lost
    paged_decode.by_numpy(buffers, wanted)
    assert isinstance(judge(paged_decode.BENCHMARK, wanted, inputs, buffers), Rejected)


def test_a_page_taken_for_another_is_seen() -> None:
    wanted = case(8192, group=8)
    inputs, buffers = prepare(paged_decode.BENCHMARK, wanted)
    buffers["table"][0, 300] = buffers["table"][0, 299]
    paged_decode.by_numpy(buffers, wanted)
    assert isinstance(judge(paged_decode.BENCHMARK, wanted, inputs, buffers), Rejected)


# ---------------------------------------------------------------- the kernel


@GPP
@pytest.mark.parametrize("page", [16, 64, 128])
@pytest.mark.parametrize("context", [1, 15, 16, 17, 100, 300])
def test_contexts_and_pages(context: int, page: int) -> None:
    assert accepted(case(context, batch=2, page=page), seed=context)


@GPP
@pytest.mark.parametrize("group", [1, 4, 8, 16])
@pytest.mark.parametrize("seed", [1, 2])
def test_queries_that_share_a_head(group: int, seed: int) -> None:
    wanted = case(300, group=group)
    assert cuda.parts(wanted, simulate.device()) > 1
    assert accepted(wanted, seed=seed)


@GPP
@pytest.mark.parametrize("context", [17, 300])
@pytest.mark.parametrize(
    ("arch", "head_dim", "kv", "dtype"),
    [
        ("sm_80", 64, "fp16", "fp16"),
        ("sm_80", 128, "int8", "bf16"),
        ("sm_80", 64, "int8", "fp16"),
        ("sm_80", 64, "e4m3", "bf16"),
        ("sm_89", 64, "bf16", "bf16"),
        ("sm_89", 128, "e4m3", "fp16"),
        ("sm_90a", 128, "bf16", "bf16"),
        ("sm_90a", 128, "int8", "bf16"),
        ("sm_90a", 64, "e4m3", "bf16"),
    ],
)
def test_element_types(arch: str, head_dim: int, kv: str, dtype: str, context: int) -> None:
    wanted = case(context, page=64, head_dim=head_dim, kv=kv, dtype=dtype)
    assert accepted(wanted, arch, seed=1)
    assert accepted(wanted, arch, seed=2)


@GPP
@pytest.mark.parametrize("seed", [1, 2])
def test_scores_that_grow(seed: int) -> None:
    assert accepted(case(700, batch=2), seed=seed, benchmark=STEEP)


LONG = case(2300, batch=8, kv_heads=1, group=2)
"""In one part each warp has 36 tiles: the page numbers are loaded a second time."""


@GPP
def test_more_tiles_than_a_warp_has_page_numbers() -> None:
    assert cuda.parts(LONG, simulate.device()) == 1
    assert accepted(LONG)


@GPP
@pytest.mark.parametrize("context", [300, 1000])
def test_lengths_may_differ(context: int) -> None:
    wanted = case(context, batch=5)

    def ragged(wanted: Case, rng: np.random.Generator) -> Arrays:
        return {**paged_decode.inputs(wanted, rng), "lengths": np.array([context, 1, 64, 65, 200], np.int32)}

    assert cuda.parts(wanted, simulate.device()) > 1 or context == 300
    result = simulate.run(replace(paged_decode.BENCHMARK, inputs=ragged), "split", wanted)
    assert not isinstance(result, Rejected), result


@GPP
def test_every_iteration_starts_from_nothing() -> None:
    wanted = case(300)
    runtime = simulate.SimulatedRuntime(simulate.device(), seed=3)
    step, inputs, buffers = simulate.bound(paged_decode.BENCHMARK, "split", wanted, runtime)
    for _ in range(3):
        for name in ("o", "partial", "lse"):
            runtime.fill(buffers[name], 0xFF)
        step()
        assert not np.any(buffers["arrived"])
        expected = paged_decode.reference(wanted, [inputs], np.random.default_rng(0))
        result = check(buffers, expected, paged_decode.outputs(wanted), paged_decode.tolerance(wanted))
        assert not isinstance(result, Rejected), result


# ---------------------------------------------------------------- planted faults: before -> after, and where it shows

FAULTS: dict[str, tuple[str, str, Case]] = {
    "no wait for K": ("copy_async_wait<SLOTS - 2>();", "", case(300)),
    "a slot refilled while it is read": ("__syncwarp();  // every lane's copies", "// every lane's copies", case(300)),
    "the page of the tile before": ("now, tile % WARP)", "now, (tile ? tile - 1 : 0) % WARP)", case(300)),
    "page numbers never loaded again": ("if (tile % WARP == 0) now", "if (tile == 0) now", LONG),
    "the last tile is dropped": ("(tokens + TOKENS - 1) / TOKENS", "tokens / TOKENS", case(300)),
    "the tail is not masked": ("if (rest < TOKENS)", "if (rest < 0)", case(17)),
    "the tail is copied": ("SPAN * i < left", "true", case(300)),
    "the swizzle of the copy": ("(to ^ key(SPAN * i))", "to", case(300)),
    "merge without rescaling": ("weight = exp2_fast(top(i) - high)", "weight = 1.0f", case(300)),
    "merged before the last has arrived": ("*before + 1 !=", "*before + 2 !=", case(300)),
}
STEEP_FAULTS: dict[str, tuple[str, str]] = {
    "sums not rescaled": ("sum[r] *= fade;", ""),
    "half of the results not rescaled": ("o[j][2 * r + 1] *= fade;", ""),
}


@GPP
@pytest.mark.parametrize("name", FAULTS)
def test_planted_faults_are_found(name: str) -> None:
    before, after, wanted = FAULTS[name]
    assert not accepted(wanted, edit={before: after})


@GPP
@pytest.mark.parametrize("name", STEEP_FAULTS)
def test_faults_of_the_running_softmax_are_found(name: str) -> None:
    before, after = STEEP_FAULTS[name]
    assert not accepted(case(700, batch=2), edit={before: after}, benchmark=STEEP)
