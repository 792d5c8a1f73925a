"""A unit, node or leaf that stood out in the screen: what it did, before a second look decides."""

from __future__ import annotations

from dataclasses import dataclass

from benchsuite.model import Culprit


@dataclass(frozen=True, slots=True)
class Suspicion:
    """What the screen holds against a seat (rail -1), one unit of it, or a leaf (seat: its number).

    slowdown, lower: median log time ratio and its lower limit; exceeded, rounds: W of R. kernel: of a local one; of a
    path ``"directed"`` when one direction is slow. doubt, remedy: why it cannot be accused even if it is seen again,
    and what would settle it.
    """

    culprit: Culprit
    ranks: tuple[int, ...]
    seat: int
    rail: int = -1
    slowdown: float = 0.0
    lower: float = 0.0
    exceeded: int = 0
    rounds: int = 0
    kernel: str = ""
    doubt: str = ""
    remedy: str = ""
