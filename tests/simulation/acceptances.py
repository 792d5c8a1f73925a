"""How often the acceptance rule is wrong, in simulation: devices whose truth is known, noise of many kinds.

The rule that is simulated is the one that judges (``accept.rule.replay``), on many devices at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log, sqrt

import numpy as np

from benchsuite.accept import rule
from benchsuite.accept.rule import ACCEPT, REJECT, Floats, Ints
from benchsuite.model import Contract, Rule
from tests.acceptance_data import MEMORY, contract
from tests.simulation.draws import correlated
from tests.simulation.rates import Count

Draw = Callable[[np.random.Generator, tuple[int, ...]], Floats]


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    return rng.standard_normal(shape)


def heavy(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """t with 3 degrees of freedom."""
    return np.asarray(rng.standard_t(3, shape) / sqrt(3.0))


def slow_tail(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Exponential: most runs a little faster than their mean, some much slower."""
    return 1.0 - rng.exponential(1.0, shape)


def fast_tail(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    return rng.exponential(1.0, shape) - 1.0


def together(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Successive runs correlate by .5: what the rule does not allow for."""
    return np.asarray(correlated(rng, (int(np.prod(shape[:-1])), shape[-1])).reshape(shape))


NOISES: dict[str, Draw] = {"normal": normal, "t3": heavy, "slow tail": slow_tail}
"""What the rates are stated for."""
OTHERS: dict[str, Draw] = {"fast tail": fast_tail, "correlated .5": together}
SPREADS = (0.003, 0.01, 0.02)
BEYOND = (
    ("normal", 0.05),
    ("slow tail", 0.03),
    ("slow tail", 0.05),
    ("fast tail", 0.02),
    ("correlated .5", 0.01),
    ("correlated .5", 0.02),
)
"""Noises for which no rate is stated: what happens then is told."""
GOOD, BAD, PERFECT = log(0.98), log(0.95), 0.0
NAIVE = log(0.95)
"""What not to do: one run, and a fixed limit."""


@dataclass(frozen=True)
class Said:
    """Words of devices (R, M: by requirement) after their last test, and how many runs each took in all tests."""

    words: Ints
    runs: Ints

    @property
    def accepted(self) -> int:
        """Devices of which every requirement accepts."""
        return int((self.words == ACCEPT).all(axis=-1).sum())

    @property
    def rejected(self) -> int:
        """Devices of which some requirement rejects."""
        return int((self.words == REJECT).any(axis=-1).sum())


def simulated(
    truth: Sequence[float],
    draw: Draw,
    sd: float,
    agreed: Contract,
    reps: int,
    seed: int = 1,
    each: rule.Levels | None = None,
) -> Said:
    """``reps`` devices with these true deviations, one for each requirement, tested again as often as was agreed."""
    rng = np.random.default_rng((seed, *(abs(round(1e6 * one)) for one in (*truth, sd))))
    centre = np.asarray(truth)[None, :, None]
    shape = (reps, len(truth), agreed.rule.looks[-1])
    good, bad = (np.full(len(truth), log(1.0 - part)) for part in (agreed.rule.good, agreed.rule.bad))
    words, runs = np.zeros(shape[:2], dtype=np.int64), np.zeros(shape[:2], dtype=np.int64)
    open_ = np.ones(reps, dtype=np.bool_)
    for _ in range(1 + agreed.rule.retests):
        y = centre + sd * draw(rng, shape)
        found = rule.replay(y, good, bad, agreed.rule.looks, each or rule.levels(agreed))
        words[open_] = found.word[open_]
        runs[open_] += np.where(found.word == rule.OPEN, shape[-1], found.runs)[open_]
        open_ &= ~(words == ACCEPT).all(axis=-1)
    return Said(words, runs)


@dataclass(frozen=True)
class Row:
    """One row of the table: one kind of noise. Counts of devices; runs: of one requirement, mean over devices.

    rejected, accepted: of devices at -2 % and -5 % by the rule with its re-test; naive: by one run below -5 %.
    """

    noise: str
    sd: float
    devices: int
    rejected: Count
    accepted: Count
    runs: tuple[float, float, float]
    naive_rejected: Count
    naive_accepted: Count


def row(name: str, sd: float, reps: int, units: int = 1, rule_: Rule | None = None) -> Row:
    """Measure one row: devices of one requirement in a claim of ``units`` devices."""
    draw = {**NOISES, **OTHERS}[name]
    agreed = contract(devices=units, requirements=[MEMORY], rule=rule_ or Rule())
    perfect, good, bad = (simulated([one], draw, sd, agreed, reps) for one in (PERFECT, GOOD, BAD))
    rng = np.random.default_rng(7)
    slow, fine = (one + sd * draw(rng, (reps, 1)) for one in (BAD, GOOD))
    return Row(
        name,
        sd,
        units,
        Count(good.rejected, reps),
        Count(bad.accepted, reps),
        (float(perfect.runs.mean()), float(good.runs.mean()), float(bad.runs.mean())),
        Count(int((fine < NAIVE).sum()), reps),
        Count(int((slow >= NAIVE).sum()), reps),
    )


HEADER = (
    "noise",
    "sd",
    "devices",
    "-2 % rejected",
    "-5 % accepted",
    "runs at 0 / -2 / -5 %",
    "one run: -2 % rejected",
    "one run: -5 % accepted",
)


def table(rows: Sequence[Row]) -> str:
    """The rows as a table in Markdown."""
    lines = [f"| {' | '.join(HEADER)} |", f"|{'---|' * len(HEADER)}"]
    return "\n".join([*lines, *(f"| {' | '.join(cells(one))} |" for one in rows)])


def cells(one: Row) -> list[str]:
    """One row in words."""
    return [
        one.noise,
        f"{100 * one.sd:.1f} %",
        str(one.devices),
        one.rejected.above(),
        one.accepted.above(),
        " / ".join(f"{runs:.1f}" for runs in one.runs),
        str(one.naive_rejected),
        str(one.naive_accepted),
    ]
