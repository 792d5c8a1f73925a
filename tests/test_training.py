"""A step's communication from measured messages, and what of it hides: sums, intervals, and what must not be told."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import training_data as data
from hypothesis import given, settings
from hypothesis import strategies as st

from benchsuite.model import Metric, Parallelism, Pattern, Status, Work
from benchsuite.training import exposures, seconds, spent

DP = data.pattern(Parallelism.DATA, "smollm2-135m")
PP = data.pattern(Parallelism.PIPELINE, "smollm2-135m")
FSDP = data.pattern(Parallelism.SHARDED, "smollm2-135m")
TIMES = {"compute": [4e-3] * 3, "communicate": [2e-3] * 3, "serial": [6e-3] * 3, "overlapped": [5e-3] * 3}


@pytest.mark.parametrize("metric", [Metric.LATENCY, Metric.BUSBW, Metric.BANDWIDTH, Metric.FLOPS])
def test_seconds_are_what_the_metric_was_made_of(metric: Metric) -> None:
    work = Work(flops=3e9, read=2e6, written=1e6, payload=1e6, wire=1.5e6, steps=7)
    made = replace(data.sent(DP, 2)[0], metric=metric, work=work)
    assert seconds(made, metric.quantity(work, 0.25)) == pytest.approx(0.25)


@pytest.mark.parametrize("pattern", [DP, FSDP], ids=["dp", "fsdp"])
def test_a_step_is_the_sum_of_its_messages(pattern: Pattern) -> None:
    (found,) = spent([pattern], data.sent(pattern, 4, (2e-3, 2e-3, 2e-3)))
    count = sum(one.count for one in pattern.messages)
    assert found.total is not None
    assert found.total.value == pytest.approx(count * 2e-3)
    assert found.known == pytest.approx(count * 2e-3)
    assert found.ranks == 4
    assert [one.message for one in found.messages] == list(pattern.messages)


def test_the_interval_of_a_step_is_over_runs() -> None:
    """Messages that are slow in the same run do not make each other certain."""
    (found,) = spent([DP], data.sent(DP, 2, (1e-3, 1.2e-3, 1.4e-3)))
    one = found.messages[0].one
    assert one is not None
    assert one.low is not None
    assert found.total is not None
    assert found.total.low is not None
    assert found.total.low / found.total.value == pytest.approx(one.low / one.value)
    assert found.total.low < found.total.value < (found.total.high or 0.0)


def test_runs_that_are_not_the_same_give_a_sum_without_interval() -> None:
    first, *rest = data.sent(DP, 2)
    (found,) = spent([DP], [data.score(first.case, [1e-3, 1e-3]), *rest])
    assert found.total is not None
    assert found.total.low is None


@pytest.mark.parametrize("status", [Status.SKIPPED, Status.FAILED, Status.REJECTED])
def test_a_message_without_a_time_leaves_no_sum(status: Status) -> None:
    first, *rest = data.sent(DP, 2)
    (found,) = spent([DP], [data.failed(first.case, status, "there was not enough memory"), *rest])
    assert found.total is None
    assert found.messages[0].one is None
    assert found.messages[0].reason == "there was not enough memory"
    assert found.known == pytest.approx(1e-3 * sum(one.count for one in DP.messages[1:]))


def test_a_message_that_was_never_planned_leaves_no_sum_either() -> None:
    (found,) = spent([DP], data.sent(DP, 2)[1:])
    assert found.total is None
    assert found.messages[0].reason == "it was not measured"


def test_the_fastest_verified_implementation_counts() -> None:
    scores = data.sent(DP, 2)
    slower = data.score(scores[0].case, [9.0] * 3, "ring")
    wrong = replace(data.failed(scores[0].case, Status.REJECTED, "wrong"), implementation="doubling")
    rejected = replace(data.score(scores[0].case, [1e-9] * 3, "doubling"), status=Status.REJECTED)
    (found,) = spent([DP], [slower, wrong, rejected, *scores])
    assert found.messages[0].implementation == "mpi"
    assert found.total is not None


def test_messages_of_another_type_or_size_do_not_count() -> None:
    other = [data.score(data.case("allreduce", 512, 2), [1e-6] * 3)]
    assert spent([DP], other) == ()
    half = [data.score(data.case("allreduce", one.bytes, 2, dtype="fp64"), [1e-6] * 3) for one in DP.messages]
    assert spent([DP], half) == ()


def test_two_stages_of_a_pipeline_exchange_half_of_what_three_do() -> None:
    (two,) = spent([PP], data.sent(PP, 2))
    (three,) = spent([PP], data.sent(PP, 3))
    assert two.total is not None
    assert three.total is not None
    assert three.total.value == pytest.approx(2 * two.total.value)


def test_each_number_of_ranks_is_a_step_and_its_refusal_is_kept() -> None:
    scores = data.sent(DP, 2) + data.sent(DP, 4)
    found = spent([DP], scores, lambda pattern, ranks: f"{pattern.model} on {ranks}" if ranks == 4 else "")
    assert [(one.ranks, one.refused) for one in found] == [(2, ""), (4, "smollm2-135m on 4")]


def test_exposed_is_what_the_communication_adds() -> None:
    (found,) = exposures(data.overlap(TIMES))
    assert found.exposed.value == pytest.approx(1e-3)
    assert found.hidden.value == pytest.approx(0.5)
    assert found.runs == 3
    assert found.serial is not None


@pytest.mark.parametrize(
    ("overlapped", "hidden"), [(4e-3, 1.0), (6e-3, 0.0), (8e-3, -1.0)], ids=["all", "nothing", "worse than serial"]
)
def test_the_hidden_share_reaches_from_all_to_less_than_nothing(overlapped: float, hidden: float) -> None:
    (found,) = exposures(data.overlap({**TIMES, "overlapped": [overlapped] * 3}))
    assert found.hidden.value == pytest.approx(hidden)


def test_runs_are_paired() -> None:
    """A machine that is slow in one run is slow in all parts of it: the difference does not suffer."""
    drift = [1.0, 1.5, 2.0]
    times = {name: [drift[i] * each for i, each in enumerate(values)] for name, values in TIMES.items()}
    (found,) = exposures(data.overlap(times))
    assert found.hidden.value == pytest.approx(0.5)
    assert found.hidden.low == pytest.approx(0.5)
    assert found.hidden.high == pytest.approx(0.5)


def test_one_run_has_no_interval() -> None:
    (found,) = exposures(data.overlap({name: values[:1] for name, values in TIMES.items()}))
    assert (found.hidden.low, found.exposed.high, found.runs) == (None, None, 1)


@pytest.mark.parametrize("part", ["compute", "communicate", "overlapped"])
def test_without_a_part_nothing_is_told(part: str) -> None:
    scores = data.overlap({name: values for name, values in TIMES.items() if name != part})
    assert exposures(scores) == ()


def test_a_part_that_went_wrong_is_no_part() -> None:
    scores = data.overlap(TIMES)
    wrong = [replace(s, status=Status.REJECTED) if s.case["part"] == "compute" else s for s in scores]
    assert exposures(wrong) == ()


def test_serial_is_for_comparison_only() -> None:
    (found,) = exposures(data.overlap({name: values for name, values in TIMES.items() if name != "serial"}))
    assert found.serial is None
    assert found.hidden.value == pytest.approx(0.5)


def test_computations_of_other_sizes_are_kept_apart() -> None:
    found = exposures(data.overlap(TIMES) + data.overlap({**TIMES, "overlapped": [4e-3] * 3}, n=2048))
    assert [(one.case["n"], round(one.hidden.value, 3)) for one in found] == [(1024, 0.5), (2048, 1.0)]


positive = st.floats(1e-6, 1.0)


@given(st.lists(st.tuples(positive, positive, st.floats(0.0, 1.0)), min_size=2, max_size=6))
@settings(max_examples=60, deadline=None)
def test_a_share_that_was_hidden_is_found_again(runs: list[tuple[float, float, float]]) -> None:
    times = {
        "compute": [c for c, _, _ in runs],
        "communicate": [m for _, m, _ in runs],
        "overlapped": [c + (1 - share) * m for c, m, share in runs],
    }
    (found,) = exposures(data.overlap(times))
    expected = math.fsum(share for _, _, share in runs) / len(runs)
    rounding = 1e-9 * max(c / m for c, m, _ in runs) + 1e-9
    assert found.hidden.value == pytest.approx(expected, abs=rounding)
    assert found.hidden.low is not None
    assert found.hidden.high is not None
    assert found.hidden.low - rounding <= found.hidden.value <= found.hidden.high + rounding
