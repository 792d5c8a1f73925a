"""The latency simulation: limits that are known exactly, and laws that hold for every queue."""

from __future__ import annotations

import math
from itertools import pairwise
from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchsuite.predict import latency
from benchsuite.predict.latency import Copy, Limits, at, fitted, highest, poisson, quantile, simulate, waiting


def copy(**changed: object) -> Copy:
    made = {"step": lambda batch: 0.01 + 1e-5 * batch, "prompt": 0.05, "isl": 2048, "osl": 128, "batch": 64}
    return Copy(**(made | changed))  # type: ignore[arg-type]


COPIES = st.builds(
    lambda base, slope, prompt, isl, osl, batch, chunk: Copy(
        lambda sequences: base + slope * sequences, prompt, isl, osl, batch, chunk
    ),
    st.floats(1e-4, 0.1),
    st.floats(0.0, 1e-3),
    st.floats(1e-4, 0.5),
    st.integers(1, 5000),
    st.integers(1, 300),
    st.integers(1, 200),
    st.integers(16, 8192),
)


@pytest.mark.parametrize("load", [0.3, 0.6, 0.8])
def test_one_sequence_of_one_token_is_the_queue_m_d_1(load: float) -> None:
    served = simulate(Copy(lambda _: 1e-9, 1.0, 100, 1, 1), poisson(load, 60_000, 7))
    assert fmean(served.ttft) - 1.0 == pytest.approx(waiting(load, 1.0), rel=0.06)
    assert served.utilisation == pytest.approx(load, rel=0.02)
    none = sum(time < 1.0 + 1e-9 for time in served.ttft) / len(served.ttft)
    assert none == pytest.approx(1 - load, abs=0.02)  # who finds the server idle does not wait


def test_a_request_alone_takes_its_prompt_and_its_steps() -> None:
    served = simulate(copy(chunk=512), [1.0])
    assert served.ttft == pytest.approx((4 * 0.0125,))
    assert served.tpot == pytest.approx((copy().step(1),))


def test_a_prompt_in_pieces_slows_those_that_write_by_its_share() -> None:
    """Two prompts of 2048 at once, 512 tokens an iteration: 4 to read the first, then 511 beside each of its steps."""
    served = simulate(copy(chunk=512, osl=6), [0.0, 0.0])
    step = copy().step(1)
    assert served.first[0] == pytest.approx(0.05)
    assert served.first[1] == pytest.approx(0.05 + 0.05 + 5 * step)
    assert served.last[0] == served.first[1]
    assert served.last[1] == pytest.approx(served.first[1] + 5 * step)


def test_a_prompt_takes_a_step_at_least() -> None:
    """However short it is, the weights are read once."""
    assert simulate(copy(prompt=1e-6, isl=4), [0.0]).ttft == pytest.approx((copy().step(1),))


@given(made=COPIES, rate=st.floats(0.05, 20.0), seed=st.integers(0, 99))
@settings(deadline=None, max_examples=30)
def test_littles_law_order_and_work_hold_always(made: Copy, rate: float, seed: int) -> None:
    served = simulate(made, poisson(rate, 60, seed))
    assert all(first >= arrived for first, arrived in zip(served.first, served.arrived, strict=True))
    assert all(last >= first for last, first in zip(served.last, served.first, strict=True))
    assert all(later >= sooner for sooner, later in pairwise(served.first))  # first come, first served
    assert min(served.ttft) >= made.prompt * (1 - 1e-9)
    assert all(time >= made.step(1) * (1 - 1e-9) for time in served.tpot) or made.osl == 1
    assert 0.0 < served.utilisation <= 1.0 + 1e-9
    begins, ends = served.arrived[0], max(served.last)
    events = sorted([*((time, 1) for time in served.arrived), *((time, -1) for time in served.last)])
    inside, area, before = 0, 0.0, begins
    for time, change in events:
        area += inside * (time - before)
        inside, before = inside + change, time
    sojourn = fmean(last - arrived for last, arrived in zip(served.last, served.arrived, strict=True))
    throughput = len(served.arrived) / (ends - begins)
    assert area / (ends - begins) == pytest.approx(throughput * sojourn, rel=1e-6)


@given(made=COPIES)
@settings(deadline=None, max_examples=25)
def test_never_more_sequences_are_under_way_than_memory_holds(made: Copy) -> None:
    most = 0

    def step(batch: int) -> float:
        nonlocal most
        most = max(most, batch)
        return made.step(batch)

    simulate(Copy(step, made.prompt, made.isl, made.osl, made.batch, made.chunk), [0.0] * 150)
    assert most <= made.batch


def test_with_a_queue_that_never_ends_it_serves_the_saturation_rate() -> None:
    made = copy()
    served = simulate(made, [0.0] * 4000)
    assert 4000 / max(served.last) == pytest.approx(made.saturation, rel=0.03)


@given(made=COPIES, share=st.floats(0.01, 0.95))
@settings(deadline=None, max_examples=30)
def test_the_steady_state_is_a_fixed_point_of_littles_law(made: Copy, share: float) -> None:
    rate = share * made.saturation
    under_way = made.steady(rate)
    assert 1 <= under_way <= made.batch
    assert under_way >= rate * made.osl * made.per_token(under_way) - 1e-6


def test_higher_rates_never_wait_less() -> None:
    made = copy()
    found = [at(made, share * made.saturation, Limits(), seed=2) for share in (0.2, 0.5, 0.8, 0.95)]
    for slower, faster in pairwise(found):
        assert slower.ttft_p99 <= faster.ttft_p99 * 1.02
        assert slower.tpot_p50 <= faster.tpot_p50 * 1.02


def test_the_highest_rate_keeps_the_limits_and_a_higher_one_does_not() -> None:
    made, limits = copy(), Limits(0.3, 0.05)
    found = highest(made, limits)
    assert found is not None
    assert found.kept
    assert found.ttft_p99 <= 0.3
    assert found.load < 1.0
    assert not at(made, found.rate + 0.02 * made.saturation, limits).kept


def test_nobody_asks_beyond_what_is_wanted() -> None:
    found = highest(copy(), Limits(), enough=1.0)
    assert found is not None
    assert found.rate == pytest.approx(1.0)


def test_limits_that_a_single_request_breaks_are_kept_at_no_rate() -> None:
    assert highest(copy(), Limits(ttft=0.01)) is None
    assert fitted(copy(), Limits(tpot=0.001)) is None


def test_the_batch_is_the_largest_whose_tokens_come_in_time() -> None:
    made, limit = copy(batch=4096), 0.05
    found = fitted(made, Limits(tpot=limit))
    assert found is not None
    assert made.tpot(found.batch) <= limit < made.tpot(found.batch + 1)
    assert fitted(made, Limits()) == made


def test_the_same_seed_gives_the_same_answer() -> None:
    assert highest(copy(), Limits(1.0, 0.05), 3) == highest(copy(), Limits(1.0, 0.05), 3)
    assert poisson(2.0, 5, 1) == pytest.approx([time / 2 for time in poisson(1.0, 5, 1)])


def test_a_full_queue_waits_without_end() -> None:
    assert waiting(1.0, 1.0) == math.inf
    assert quantile([1.0, 2.0, 3.0, 4.0], 0.5) == 2.0
    assert latency.MOST < 1.0
