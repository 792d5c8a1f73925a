"""The transfers of one stage as arrays, so that a fleet of thousands is judged in a moment."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isfinite, log

import numpy as np
from numpy.typing import NDArray

from benchsuite.localise.seats import Seats, seats
from benchsuite.model import Scan, Stage, Transfer

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Table:
    """R rounds of at most G pairs of seats with m rails.

    ends: (R, G, 2), the two seats of a pair, -1 where a round has fewer pairs. logs: (R, G, m, 2), log seconds from
    the first end to the second, and back; NaN where nothing was measured, or what was measured is no number.
    """

    seats: Seats
    ends: Ints
    logs: Floats

    @property
    def rounds(self) -> int:
        """How many rounds."""
        return int(self.ends.shape[0])

    @property
    def paired(self) -> NDArray[np.bool_]:
        """Which places of ``ends`` hold a pair."""
        return self.ends[:, :, 0] >= 0

    def cross(self) -> NDArray[np.bool_]:
        """Which pairs hang on two different leaf switches; an unknown one differs from none."""
        leaves = np.append(self.seats.leaves, -1)[self.ends]
        return np.asarray((leaves[..., 0] != leaves[..., 1]) & (leaves.min(axis=-1) >= 0))

    def at(self, values: Floats, end: int | None = None) -> Floats:
        """Values of pairs (R, G, ...) as values of seats (R, n, ...); NaN for a seat that rested.

        end: take only the values of seats that stand first (0) or second (1) in their pair.
        """
        rounds, n = self.rounds, len(self.seats)
        found = np.full((rounds, n + 1, *values.shape[2:]), np.nan)
        rows = np.arange(rounds)[:, None]
        for one in (0, 1) if end is None else (end,):
            found[rows, self.ends[:, :, one]] = values  # -1 is the row that is cut off
        return found[:, :n]

    def directed(self, values: Floats) -> tuple[Floats, Floats]:
        """Values of directions (R, G, ..., 2) as what each seat sends and receives, (R, n, ...) each."""
        forth, back = values[..., 0], values[..., 1]
        sends = np.where(np.isnan(a := self.at(forth, 0)), self.at(back, 1), a)
        receives = np.where(np.isnan(a := self.at(forth, 1)), self.at(back, 0), a)
        return sends, receives

    def partners(self) -> Ints:
        """The seat that each seat met in each round, (R, n); -1 where it rested."""
        rounds, n = self.rounds, len(self.seats)
        found = np.full((rounds, n + 1), -1, dtype=np.int64)
        rows = np.arange(rounds)[:, None]
        found[rows, self.ends[:, :, 0]] = self.ends[:, :, 1]
        found[rows, self.ends[:, :, 1]] = self.ends[:, :, 0]
        return found[:, :n]

    def coverage(self) -> float:
        """The part of all pairs of seats that were measured at least once."""
        n = len(self.seats)
        met = self.ends[self.paired & np.isfinite(self.logs).any(axis=(2, 3))]
        if n < 2 or not met.size:
            return 0.0
        keys = met.min(axis=1) * n + met.max(axis=1)
        return float(np.unique(keys).size / (n * (n - 1) / 2))

    def with_logs(self, logs: Floats) -> Table:
        """The same pairs with other values."""
        return replace(self, logs=logs)


def build(scan: Scan, stage: Stage) -> Table:
    """The transfers of a stage; of one measured twice, the last. A wrong one has no time."""
    table = seats(scan.units)
    own = sorted((one for one in scan.rounds if one.stage is stage), key=lambda one: one.number)
    slots: dict[tuple[int, int, int], int] = {}
    row = {one.number: index for index, one in enumerate(own)}
    width = 0
    for one in own:
        met: dict[tuple[int, int], int] = {}
        for pair in one.pairs:
            if all(rank in table.where for rank in pair):
                first, second = (table.where[rank][0] for rank in pair)
                if first != second:
                    met.setdefault((min(first, second), max(first, second)), len(met))
        slots |= {(row[one.number], *pair): slot for pair, slot in met.items()}
        width = max(width, len(met))
    ends = np.full((len(own), width, 2), -1, dtype=np.int64)
    for (at, first, second), slot in slots.items():
        ends[at, slot] = first, second
    logs = np.full((len(own), width, table.rails, 2), np.nan)
    where = table.where
    for sent in scan.transfers:
        if sent.stage is stage and sent.round in row:
            (here, rail), (there, far) = where.get(sent.sender, (-1, -1)), where.get(sent.receiver, (-1, -2))
            key = (row[sent.round], min(here, there), max(here, there))
            if rail == far and (place := slots.get(key)) is not None:
                logs[key[0], place, rail, int(here > there)] = _log(sent)
    return Table(table, ends, logs)


def _log(sent: Transfer) -> float:
    """Log seconds of a transfer that arrived as it was sent; NaN of any other."""
    seconds = sent.seconds
    good = seconds is not None and not sent.wrong and isfinite(seconds) and seconds > 0
    return log(seconds) if good and seconds is not None else float("nan")
