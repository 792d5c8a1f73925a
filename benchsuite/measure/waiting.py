"""Which rank the others wait for.

In a collective a slow rank makes all ranks slow: they begin and end together, and their times do not tell it from
its victims. So each rank in turn begins when all others have arrived. What it takes then it takes for itself:
a healthy rank finds everything ready, the slow one is as slow as ever.
"""

from __future__ import annotations

from statistics import median

from benchsuite.measure.collect import Sampler
from benchsuite.measure.sync import LEAD, crowded
from benchsuite.model import Caveat, Samples
from benchsuite.statistics.ranks import ALPHA, Straggler, rounds_needed, stragglers

ROUNDS = 24
BEHIND, SURELY = 1.2, 50e-6
"""How much later than the others the last one begins: iterations, and seconds beyond them, for all to arrive."""
MARGIN, LEAST = 0.25, 5e-6
"""A rank counts as slow when it takes longer than others by this part of an iteration, and by this many seconds."""
SHARE, AT_LEAST = 0.2, 0.25
"""The part of a task's measured time that may be spent on this, and the seconds that may be spent on it anyway."""


def straggler_caveats(sampler: Sampler, samples: Samples, seconds: float) -> tuple[Caveat, ...]:
    """A ``STRAGGLER`` for each rank the others wait for; all ranks must call it, and get the same answer.

    samples: those just taken; seconds: the task's measured time. Nothing where there is one rank, where nothing
    is known of the clocks, where ranks share cores (then who waits for a core is chance, and lasts), where
    enough rounds would take too long, or where in most of them the ranks did not keep to their turns.
    """
    length = median(samples.seconds)
    ranks = sampler.world.size
    each = ranks * (LEAD + SURELY + (1.0 + BEHIND) * length)
    rounds = min(ROUNDS, int(max(AT_LEAST, SHARE * seconds) / each))
    if ranks == 1 or sampler.starter.error is None or rounds < rounds_needed(ranks) or crowded(sampler.world):
        return ()
    taken = [row for number in range(rounds) if (row := _round(sampler, length, number))]
    found = stragglers(taken, max(LEAST, MARGIN * length)) if 2 * len(taken) >= rounds else ()
    return tuple(_caveat(one) for one in found)


def _round(sampler: Sampler, length: float, number: int) -> list[float]:
    """What each rank took when it came last, beginning with another rank each time; empty when one was not last."""
    ranks = sampler.world.size
    own: dict[int, float] = {}
    for turn in range(ranks):
        last = (number + turn) % ranks
        delay = SURELY + BEHIND * length if sampler.world.rank == last else 0.0
        timed = sampler.batch(1, delay).timed
        starts = sampler.starter.starts(timed)
        others = max(start for rank, start in enumerate(starts) if rank != last)
        if starts[last] - others >= length:
            own[last] = timed.lengths[last]
    return [own[rank] for rank in range(ranks)] if len(own) == ranks else []


def _caveat(one: Straggler) -> Caveat:
    return Caveat(
        "STRAGGLER",
        f"The others wait for rank {one.rank}: once all have arrived it takes {one.own * 1e6:.3g} µs an iteration, "
        f"they take {one.others * 1e6:.3g} µs ({one.slower} of {one.rounds} rounds; healthy ranks would raise such an "
        f"alarm in less than {ALPHA:.1%} of measurements).",
    )
