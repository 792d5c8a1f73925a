"""GPUs by their name: which card a driver's name means, and whether what is there can be that card.

The figures are the catalogue's (``hardware``); here only names are looked up.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import cache

from benchsuite.catalog.hardware import Accelerator
from benchsuite.catalog.shipped import shipped

Gpu = Accelerator
"""A card's datasheet, as it is called here."""

LEAST, MOST = 0.85, 1.1
"""How a driver's count of memory may relate to the datasheet's: it keeps some, and some of its GB are GiB."""


@cache
def gpus() -> Mapping[str, Gpu]:
    """Every NVIDIA card of the shipped catalogue whose processors are known, by key."""
    return {key: card for key, card in shipped().accelerators.items() if is_card(card)}


def is_card(card: Gpu) -> bool:
    """Whether NVIDIA's driver can name it, and how many processors it has is known."""
    return card.vendor == "nvidia" and card.processors > 0


def _plain(name: str) -> str:
    return " ".join(name.lower().replace("-", " ").removeprefix("nvidia ").split())


def named(name: str, memory: float = 0.0, processors: int = 0, known: Iterable[Gpu] | None = None) -> Gpu | None:
    """The card that the driver calls ``name``; several share a name, so memory in bytes and processors decide.

    ``known``: the cards to choose from, where a user's own are among them; else the shipped ones. ``None`` when none
    matches, or when two remain that differ: no peak is better than a wrong one.
    """
    return decided(called(name, known), memory, processors)


def called(name: str, known: Iterable[Gpu] | None = None) -> list[Gpu]:
    """Every card that the driver calls ``name``."""
    cards = gpus().values() if known is None else filter(is_card, known)
    return [card for card in cards if _plain(name) in map(_plain, (*card.nvml_names, card.name))]


def contradictions(name: str, memory: float, processors: int) -> tuple[str, ...]:
    """Why a GPU cannot be the whole card that its name says, as sentences; memory in bytes.

    Empty when it can, and when the catalogue knows no card of that name: then nothing is claimed. The name comes from
    the driver; what computes and what stores is counted. A driver keeps some memory for itself, and 80 GB are 74.5 GiB.
    """
    if "mig " in f"{_plain(name)} ":
        return (f"{name} is a slice of a card (MIG), not the whole.",)
    cards = called(name)
    if not cards or any(card.processors == processors and LEAST < memory / card.memory < MOST for card in cards):
        return ()
    counts = sorted({card.processors for card in cards})
    found = []
    if processors not in counts:
        found.append(f"{name} has {' or '.join(map(str, counts))} multiprocessors; here are {processors}.")
    if not any(LEAST < memory / card.memory < MOST for card in cards):
        sizes = sorted({card.memory for card in cards})
        told = " or ".join(f"{size / 1e9:.0f}" for size in sizes)
        found.append(f"{name} has {told} GB of memory; here are {memory / 1e9:.0f} GB.")
    return tuple(found) or (f"No {name} has {processors} multiprocessors with {memory / 1e9:.0f} GB of memory.",)


def decided(found: list[Gpu], memory: float, processors: int) -> Gpu | None:
    """The one card of several; ``None`` where what is known leaves two that differ in peaks or bandwidth."""
    if processors and len(found) > 1:
        found = [gpu for gpu in found if gpu.processors == processors] or found
    if memory and len(found) > 1:
        # The driver reports GiB that lie a little below the card's decimal GB, or exactly at its binary ones.
        found = sorted(found, key=lambda gpu: abs(math.log(gpu.memory / memory)))
        if len(found) > 1 and abs(found[0].memory - found[1].memory) > 0.1 * memory:
            found = found[:1]
    same = {(gpu.bandwidth, *sorted(gpu.peaks.items())) for gpu in found}
    return found[0] if found and len(same) == 1 else None
