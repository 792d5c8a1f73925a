"""Whose fault a wrong result is: of several ranks, the one whose message was corrupted spoils the result of all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from benchsuite.model import Array, Arrays, Rejected, World


def agree(world: World, result: float | Rejected, changed: Callable[[], str]) -> float | Rejected:
    """The worst error over ranks, or one rejection that says which rank is to blame: every rank gets the same answer.

    A rank whose inputs are no longer what they were (``changed`` says which, when it is asked) goes before those that
    merely got a wrong result of it.
    """
    every = world.share(result)
    wrong = {rank: one for rank, one in enumerate(every) if isinstance(one, Rejected)}
    if not wrong:
        return max(float(one) for one in every)
    first, found = next(iter(wrong.items()))
    spoilt = [f"rank {rank}: {text}" for rank, text in enumerate(world.share(changed())) if text]
    if world.size == 1:
        return replace(found, where="; ".join(filter(None, [*spoilt, found.where])).removeprefix("rank 0: "))
    where = "; ".join(spoilt) or f"rank {first}: {found.where}"
    unspoilt = "" if spoilt else ", where no rank's inputs changed"
    return replace(found, where=f"{where}; wrong {_extent(list(wrong), world.size)}{unspoilt}")


def _extent(ranks: list[int], size: int) -> str:
    if len(ranks) == size:
        return f"on all {size} ranks"
    return f"on {'rank' if len(ranks) == 1 else 'ranks'} {', '.join(map(str, ranks))} of {size}"


def changed(held: Arrays, made: Arrays) -> str:
    """Which of the inputs ``held`` is not what was ``made`` from the seed, as a phrase; nothing when all are."""
    for name, array in made.items():
        wrong = np.flatnonzero(_bytes(held[name]) != _bytes(array))
        if wrong.size:
            element = int(wrong[0]) // array.itemsize
            return f"its input {name} changed (element {element})"
    return ""


def _bytes(array: Array) -> Array:
    """The array's bytes: a NaN equals itself, and zeros of different signs differ."""
    flat: Array = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    return flat
