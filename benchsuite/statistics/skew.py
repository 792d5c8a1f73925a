"""Who came late, and how long the operation itself took: arrival and transfer kept apart.

In a collective the rank that comes late has the shortest time of its own and its victims the longest, so a rank's
own time accuses the wrong one. Starts and ends on one clock tell them apart (localisation after Hunold &
Carpen-Amarie, 2016): lag = start - first start, transfer = last end - last start.
"""

from __future__ import annotations

from statistics import median

from benchsuite.model import Samples, Skew

TENTH = 0.1
"""The part of a sample's time that the clocks' error must stay below for anything to be said."""


def skew(samples: Samples) -> Skew | None:
    """Each rank's lag and the transfer, medians over the samples; ``None`` where the clocks do not allow to tell.

    A lag below twice the clocks' error is 0: it cannot be told from none.
    """
    error, starts, seconds = samples.sync_error, samples.rank_starts, samples.by_rank
    if error is None or not starts or len(starts) != len(seconds):
        return None
    lengths = [max(row) * samples.iterations for row in seconds]
    if not error < TENTH * median(lengths):
        return None
    lags = [[start - min(row) for start in row] for row in starts]
    ends = [
        [start + own * samples.iterations for start, own in zip(row, own_row, strict=True)]
        for row, own_row in zip(starts, seconds, strict=True)
    ]
    medians = [median(column) for column in zip(*lags, strict=True)]
    return Skew(
        lags=tuple(lag if lag >= 2.0 * error else 0.0 for lag in medians),
        transfer=median(max(end) - max(start) for start, end in zip(starts, ends, strict=True)),
        error=error,
    )
