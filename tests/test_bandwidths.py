"""algbw and busbw: the factor of every collective is that of nccl-tests, for any number of ranks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchsuite import bandwidths, discovery, units
from benchsuite.bandwidths import FACTORS, algbw, definition
from benchsuite.model import Case, Metric, Scalar, Score, Status, Work

KNOWN = discovery.discover()
RANKS = (2, 3, 4, 7, 8)


def case(name: str, ranks: int, nbytes: int = 840 * units.KIB) -> Case:
    """The benchmark's first values; its ranks are GPUs of one process where it says so. 840 KiB divide by any rank."""
    params: dict[str, Scalar] = {axis.name: axis.values[0] for axis in KNOWN[name].axes} | {"bytes": nbytes}
    several = "gpus" in params
    named = {**params, "gpus": ranks} if several else params
    return Case(name, tuple(sorted(named.items())), 1 if several else ranks)


def score(name: str = "allreduce", ranks: int = 4, seconds: float = 1e-3) -> Score:
    made, work = case(name, ranks), KNOWN[name].work(case(name, ranks))
    value = Metric.BUSBW.quantity(work, seconds)
    return Score(made, "mpi", "mpi", Metric.BUSBW, Status.OK, work, 3, value, 0.9 * value, 1.2 * value)


@pytest.mark.parametrize("name", [name for name, factor in FACTORS.items() if factor.of and name in KNOWN])
@pytest.mark.parametrize("ranks", RANKS)
def test_the_bytes_on_the_wire_are_the_factor_times_the_message(name: str, ranks: int) -> None:
    work, factor = KNOWN[name].work(case(name, ranks)), FACTORS[name].of
    assert factor is not None
    assert work.payload == 840 * units.KIB
    assert work.wire == pytest.approx(factor(ranks) * work.payload)


@pytest.mark.parametrize("name", ["allreduce", "allgather", "reduce_scatter", "alltoall", "broadcast", "exchange"])
def test_algbw_is_the_message_by_the_time(name: str) -> None:
    found = algbw(score(name, 8, 2e-3))
    assert found is not None
    assert found.value == pytest.approx(840 * units.KIB / 2e-3)
    assert found.value * found.factor == pytest.approx(score(name, 8, 2e-3).value)
    assert found.low == pytest.approx(0.9 * found.value)
    assert found.high == pytest.approx(1.2 * found.value)


def test_every_collective_with_a_busbw_has_a_factor() -> None:
    links = {"transfer", "p2p"}  # of one message: what is sent is what is measured
    rated = {name for name, item in KNOWN.items() if item.metric is Metric.BUSBW}
    assert rated - links <= set(FACTORS)


def test_nothing_but_a_measured_collective_has_one() -> None:
    good = score()
    assert algbw(replace(good, value=None)) is None
    assert algbw(replace(good, metric=Metric.LATENCY)) is None
    assert algbw(replace(good, work=Work(wire=1.0))) is None
    assert algbw(replace(good, case=Case.of("transfer", bytes=8))) is None


def test_the_definition_names_each_factor_once_with_its_collectives() -> None:
    several = [score(), score(), score("allgather"), score("reduce_scatter"), score("broadcast")]
    told = definition(several)
    assert told.count("2(n−1)/n") == 1
    assert "(n−1)/n for allgather, reduce_scatter" in told
    assert "1 for broadcast" in told
    assert definition([]) == ""
    assert bandwidths.SOURCE.endswith("nccl-tests/blob/master/doc/PERFORMANCE.md")
