"""Which rank the others wait for: simulated collectives, in which a slow rank makes all of them equally slow."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from benchsuite.measure import waiting
from benchsuite.measure.clocks import Clocks, Offset
from benchsuite.measure.collect import Sampler
from benchsuite.measure.sync import Starter, Timed
from benchsuite.measure.waiting import ROUNDS, straggler_caveats
from benchsuite.model import Samples
from benchsuite.world.solo import SoloWorld

TRANSFER = 50e-6


@dataclass
class Collective:
    """An all-reduce of ``own`` ranks: rank r works for about ``own[r]`` before it sends, and none ends before all sent.

    What ``straggler_caveats`` asks of a sampler, as seen from rank 0.
    """

    own: tuple[float, ...]
    seed: int = 0
    error: float | None = 1e-6
    late: int = -1
    """A rank that comes too late for the window whenever another one is to be the last, in the first ``rounds``."""
    rounds: int = ROUNDS
    calls: int = 0
    world: SimpleNamespace = field(init=False)
    starter: Starter = field(init=False)

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.seed)
        size = len(self.own)
        self.world = SimpleNamespace(rank=0, size=size, share=lambda value: [value] * size)
        self.starter = Starter(SoloWorld(), lambda: 0.0)
        if self.error is not None:
            self.starter.clocks = Clocks(tuple(Offset(0.0, 0.0, self.error) for _ in self.own))

    def batch(self, iterations: int, delay: float = 0.0) -> SimpleNamespace:
        """The n-th call is that of round n // size, in which the ranks take turns at being the last."""
        size = len(self.own)
        last = (self.calls // size + self.calls % size) % size
        self.calls += 1
        assert iterations == 1
        assert (delay > 0.0) == (last == 0), "rank 0 waits when it is not its turn"
        begun = 1e-6 * np.abs(self._rng.standard_t(3, size))
        begun[last] += waiting.SURELY + waiting.BEHIND * self.typical
        if self.late >= 0 and self.late != last and self.calls <= size * self.rounds:
            begun[self.late] = begun[last] + 300e-6
        sent = begun + np.asarray(self.own) * np.exp(0.1 * self._rng.standard_t(3, size))
        lengths = sent.max() + TRANSFER - begun
        return SimpleNamespace(timed=Timed(tuple(begun.tolist()), tuple(lengths.tolist())))

    @property
    def typical(self) -> float:
        """Seconds of an iteration in which all begin together: the slowest rank's, for every rank."""
        return max(self.own) + TRANSFER

    def caveats(self, seconds: float = 1.0) -> list[str]:
        """What is said of it."""
        samples = Samples((self.typical,) * 5, 1)
        found = straggler_caveats(cast(Sampler, self), samples, seconds)
        assert {caveat.code for caveat in found} <= {"STRAGGLER"}
        return [caveat.text for caveat in found]


@pytest.fixture(autouse=True)
def enough_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as the largest world here has ranks."""
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(16)), raising=False)


@pytest.mark.parametrize("ranks", [2, 3, 4, 8])
def test_fifty_healthy_worlds_raise_no_alarm(ranks: int) -> None:
    """Ranks that differ by a tenth for good, with heavy tails."""
    rng = np.random.default_rng(ranks)
    for seed in range(50):
        own = tuple((10e-6 * (1.0 + 0.1 * rng.standard_normal(ranks))).tolist())
        assert Collective(own, seed).caveats() == []


@pytest.mark.parametrize("ranks", [2, 3, 4, 8])
def test_the_slow_rank_is_named_and_not_its_victims(ranks: int) -> None:
    for slow in range(ranks):
        own = tuple(500e-6 if rank == slow else 10e-6 for rank in range(ranks))
        (text,) = Collective(own, slow).caveats()
        assert text.startswith(f"The others wait for rank {slow}: ")


def test_when_all_begin_together_their_times_do_not_tell_who_is_slow() -> None:
    """Why the ranks take turns: the victims' own times are the same as the culprit's."""
    own = np.array([10e-6, 500e-6])
    begun = np.zeros(2)
    lengths = (begun + own).max() + TRANSFER - begun
    assert lengths[0] == lengths[1]


def test_rounds_in_which_another_rank_came_last_do_not_count() -> None:
    """Rank 1 is late whenever rank 0 should be the last: rank 0 waits for it, and is not slow for that."""
    late = Collective((10e-6, 10e-6), late=1)
    assert late.caveats() == []
    assert late.calls == 2 * ROUNDS


def test_when_most_rounds_do_not_count_nobody_is_accused() -> None:
    """What keeps ranks from their turns is not over in the others."""
    assert Collective((10e-6, 500e-6), late=1, rounds=ROUNDS // 2).caveats() != []
    assert Collective((10e-6, 500e-6), late=1, rounds=ROUNDS // 2 + 2).caveats() == []


@pytest.mark.parametrize(
    "quiet",
    [Collective((500e-6,)), Collective((10e-6, 500e-6), error=None), Collective((10e-6, 0.5))],
    ids=["one rank", "clocks unknown", "too slow to repeat"],
)
def test_where_nothing_can_be_known_nothing_is_tried(quiet: Collective) -> None:
    assert quiet.caveats() == []
    assert quiet.calls == 0


def test_ranks_that_share_cores_are_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0}, raising=False)
    crowd = Collective((10e-6, 500e-6))
    assert crowd.caveats() == []
    assert crowd.calls == 0


@pytest.mark.parametrize(("length", "seconds"), [(1e-5, 0.01), (1e-3, 1.0), (5e-3, 2.0), (5e-3, 0.1)])
def test_it_costs_a_fifth_of_the_measured_time_or_a_quarter_of_a_second(length: float, seconds: float) -> None:
    one = Collective((length, length))
    one.caveats(seconds)
    cost = one.calls * (waiting.LEAD + waiting.SURELY + (1.0 + waiting.BEHIND) * one.typical)
    assert cost <= max(0.2 * seconds, 0.25)
    assert one.calls <= 2 * ROUNDS
