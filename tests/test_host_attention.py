"""Attention kernels against float64, at every odd shape: tails, one token, groups, extreme scores."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchsuite.backends.host import attention as kernel
from benchsuite.backends.host import decode as decoder
from benchsuite.benchmarks import attention, decode
from benchsuite.measure.verify import check
from benchsuite.model import Benchmark, Case, Rejected
from tests.hostcase import bind, judge, prepare, run

FEW = settings(deadline=None, max_examples=25)


def prefill_case(**changes: object) -> Case:
    shape = {"batch": 1, "heads": 4, "kv_heads": 2, "head_dim": 64, "seq": 100, "causal": True, "dtype": "fp32"}
    return Case.of("attention", **{**shape, **changes})  # type: ignore[arg-type]


def decode_case(**changes: object) -> Case:
    shape = {"batch": 1, "heads": 4, "kv_heads": 2, "head_dim": 64, "context": 100, "dtype": "fp32"}
    return Case.of("decode", **{**shape, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["tiled", "numpy"])
@FEW
@given(
    seq=st.one_of(st.integers(1, 300), st.sampled_from([64, 128, 129, 192])),
    dim=st.sampled_from([64, 128]),
    kv_heads=st.sampled_from([1, 2, 4]),
    group=st.sampled_from([1, 2, 4]),
    batch=st.integers(1, 2),
    causal=st.booleans(),
    threads=st.integers(1, 2),
)
def test_prefill_equals_float64(
    name: str, seq: int, dim: int, kv_heads: int, group: int, batch: int, causal: bool, threads: int
) -> None:
    case = prefill_case(seq=seq, head_dim=dim, kv_heads=kv_heads, heads=kv_heads * group, batch=batch, causal=causal)
    result = run(attention.BENCHMARK, name, case, threads)
    assert not isinstance(result, Rejected), result


@pytest.mark.parametrize("name", ["split", "numpy"])
@FEW
@given(
    context=st.one_of(st.integers(1, 300), st.sampled_from([64, 128, 1000])),
    dim=st.sampled_from([64, 128]),
    kv_heads=st.sampled_from([1, 2, 3]),
    group=st.sampled_from([1, 2, 3, 4, 5, 8]),
    batch=st.integers(1, 3),
    threads=st.integers(1, 2),
)
def test_decode_equals_float64(
    name: str, context: int, dim: int, kv_heads: int, group: int, batch: int, threads: int
) -> None:
    case = decode_case(context=context, head_dim=dim, kv_heads=kv_heads, heads=kv_heads * group, batch=batch)
    result = run(decode.BENCHMARK, name, case, threads)
    assert not isinstance(result, Rejected), result


@pytest.mark.parametrize("size", [1e-3, 30.0, 1e4])
@pytest.mark.parametrize(
    ("benchmark_", "case", "name"),
    [(attention.BENCHMARK, prefill_case(seq=200), "tiled"), (decode.BENCHMARK, decode_case(context=200), "split")],
    ids=["prefill", "decode"],
)
def test_scores_of_any_size_stay_finite(benchmark_: Benchmark, case: Case, name: str, size: float) -> None:
    """With scores of a million one key takes all the weight; nothing may overflow or become NaN."""
    inputs, buffers = prepare(benchmark_, case)
    buffers["q"][...] *= size
    changed = {**inputs, "q": inputs["q"] * np.float32(size)}
    bind(benchmark_, name, buffers, case)()
    assert np.isfinite(buffers["o"]).all()
    if size <= 30.0:
        want = benchmark_.reference(case, [changed], np.random.default_rng(0))
        loose = benchmark_.tolerance(case)
        result = check(buffers, want, benchmark_.outputs(case), type(loose)(relative=1e-3, absolute=1e-3))
        assert not isinstance(result, Rejected), result


def test_a_causal_token_sees_nothing_later() -> None:
    """Changing the last key and value changes the last token's output only."""
    case = prefill_case(seq=150, heads=2, kv_heads=1)
    _, buffers = prepare(attention.BENCHMARK, case)
    step = bind(attention.BENCHMARK, "tiled", buffers, case)
    step()
    before = buffers["o"].copy()
    buffers["k"][:, :, -1] += 5.0
    buffers["v"][:, :, -1] += 5.0
    step()
    assert np.array_equal(before[:, :, :-1], buffers["o"][:, :, :-1])
    assert not np.allclose(before[:, :, -1], buffers["o"][:, :, -1])


@pytest.mark.parametrize("seq", [100, 4200])
def test_a_wrong_block_is_rejected_also_where_the_reference_samples(seq: int) -> None:
    case = prefill_case(seq=seq, heads=1, kv_heads=1)
    inputs, buffers = prepare(attention.BENCHMARK, case)
    bind(attention.BENCHMARK, "tiled", buffers, case)()
    assert not isinstance(judge(attention.BENCHMARK, case, inputs, buffers), Rejected)
    buffers["o"][:, :, : seq // 2] *= 1.001
    assert isinstance(judge(attention.BENCHMARK, case, inputs, buffers), Rejected)


def test_blocks_are_whole_vectors_and_tiles() -> None:
    """Sizes the kernels rely on, on this processor's vector width."""
    from benchsuite.backends.host.vector import LANES, PANEL, ROWS

    assert kernel.QUERIES % PANEL == 0
    assert kernel.QUERIES % ROWS == 0
    assert decoder.KEYS % LANES == 0
    assert 64 % PANEL == 0
