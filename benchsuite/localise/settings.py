"""What a diagnosis is to promise: fixed before the data."""

from __future__ import annotations

from dataclasses import dataclass

from benchsuite.model import Reference

PAIRS, SENDS, RECEIVES, LEAVES, KERNELS, PATHS = 0.4, 0.2, 0.2, 0.2, 0.2, 0.25
"""The parts of alpha that each family of tests may spend.

The first four add up to alpha. All but the paths are spent on the screen only, and nothing is accused that a second,
independent batch of rounds does not confirm at alpha again, so that together they stay below alpha.
"""


@dataclass(frozen=True, slots=True)
class Settings:
    """alpha: the bound on a false accusation per scan. margin: slower by less (log) is never called slow; by default
    at least 2 % and four times ``between``, the log sd between healthy nodes: from the reference where there is one,
    else from the scan. share: w as a part of R; by default the one that finds most in this scan's noise.
    """

    alpha: float = 0.01
    margin: float | None = None
    between: float | None = None
    share: float | None = None
    reference: Reference | None = None
