"""Whose fault a wrong result is: of several ranks, the one whose message was corrupted spoils the result of all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from benchsuite.model import Array, Arrays, Rejected, World

CHUNK = 1 << 20  # bytes compared at a time


def agree(world: World, result: float | Rejected, changed: Callable[[], str]) -> float | Rejected:
    """The worst error over ranks, or one rejection that says which rank is to blame: every rank gets the same answer.

    A rank whose inputs are no longer what they were (``changed`` says which) goes before those that merely got a
    wrong result of it. Among several ranks it is looked for even when all results are right: a bit that was lost in
    the rounding of a sum was flipped all the same.
    """
    told = changed() if world.size > 1 or isinstance(result, Rejected) else ""
    every = world.share((result, told))
    wrong = {rank: one for rank, (one, _) in enumerate(every) if isinstance(one, Rejected)}
    spoilt = [f"rank {rank}: {text}" for rank, (_, text) in enumerate(every) if text]
    if not wrong and not spoilt:
        return max(float(one) for one, _ in every if not isinstance(one, Rejected))
    if not wrong:
        return Rejected("a message was corrupted, though every result is right", where="; ".join(spoilt))
    first, found = next(iter(wrong.items()))
    if world.size == 1:
        return replace(found, where="; ".join(filter(None, [told, found.where])))
    where = "; ".join(spoilt) or f"rank {first}: {found.where}"
    unspoilt = "" if spoilt else ", where no rank's inputs changed"
    return replace(found, where=f"{where}; wrong {_extent(list(wrong), world.size)}{unspoilt}")


def _extent(ranks: list[int], size: int) -> str:
    if len(ranks) == size:
        return f"on all {size} ranks"
    return f"on {'rank' if len(ranks) == 1 else 'ranks'} {', '.join(map(str, ranks))} of {size}"


def changed(held: Arrays, made: Arrays) -> str:
    """Which of the inputs ``held`` is not what was ``made`` from the seed, as a phrase; nothing when all are.

    Bit by bit: a NaN equals itself, and zeros of different signs differ.
    """
    for name, array in made.items():
        one, other = _bytes(held[name]), _bytes(array)
        for start in range(0, other.size, CHUNK):
            wrong = np.flatnonzero(one[start : start + CHUNK] != other[start : start + CHUNK])
            if wrong.size:
                return f"its input {name} changed (element {(start + int(wrong[0])) // array.itemsize})"
    return ""


def _bytes(array: Array) -> Array:
    flat: Array = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    return flat
