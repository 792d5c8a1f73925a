"""Which pair of a round hung or crashed, from the signs of the ranks (``beat``).

Rank 0 runs beside the controller, so its sign is always seen: it says for whom it waits. The signs of other hosts are
seen where the folder is shared. Where nothing tells the pairs of a round apart, all of them count as failed. What the
launcher says of who died is not asked: MPICH's names any process that it ended itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from benchsuite import beat
from benchsuite.model import Local, Round, Scan, Transfer
from benchsuite.scan.scanning import COMPUTES, EXCHANGES, WAITS

REMEDY = "See 'benchsuite doctor'; leave out a host that cannot be reached with --hosts."
RANK = "rank "
UNKNOWN = "one pair of this round failed, and nothing tells which"


def failed(one: Round, folder: Path, reason: str) -> Scan:
    """The round as it failed: who was busy has no time and a reason; the others are simply not measured."""
    signs = beat.signs(folder)
    computing = {sign.rank for sign in signs if _says(sign, one, COMPUTES)}
    waited = {rank for sign in signs if _says(sign, one, WAITS) for rank in _numbers(sign.doing)}
    busy = {sign.rank for sign in signs if _says(sign, one, EXCHANGES)} | (waited - computing)
    if computing & waited:
        return Scan((), 0, 0, rounds=(one,), locals=tuple(_unrun(one, sorted(computing & waited), reason)))
    pairs = [pair for pair in one.pairs if busy & set(pair)]
    if not pairs:
        return unmeasured(one, one.pairs, f"{_about(reason, ())}; {UNKNOWN}")
    each = [unmeasured(one, [pair], _about(reason, pair)).transfers for pair in pairs]
    return Scan((), 0, 0, rounds=(one,), transfers=tuple(sent for transfers in each for sent in transfers))


def unmeasured(one: Round, pairs: Iterable[tuple[int, int]], reason: str) -> Scan:
    """The round with these of its pairs without a time, both ways."""
    ways = [way for first, second in pairs for way in ((first, second), (second, first))]
    return Scan(
        (), 0, 0, rounds=(one,), transfers=tuple(Transfer(one.stage, one.number, *way, None, 0, reason) for way in ways)
    )


def ranks(piece: Scan) -> set[int]:
    """The ranks that a failed round is about."""
    ends = {rank for sent in piece.transfers if sent.seconds is None for rank in (sent.sender, sent.receiver)}
    return ends | {local.rank for local in piece.locals if local.seconds is None}


def _unrun(one: Round, who: Iterable[int], reason: str) -> Iterable[Local]:
    return (Local(one.stage, one.number, rank, "", None, 0, _about(reason, (rank,))) for rank in who)


def _about(reason: str, ranks: Iterable[int]) -> str:
    """Why an attempt ended, with what it says of these ranks only (``beat.diagnosis``): there may be thousands."""
    why, _, told = reason.partition(f": {RANK}")
    own = [one for one in f"{RANK}{told}".split("; ") for rank in ranks if one.startswith(f"{RANK}{rank} ")]
    return f"{why}: {'; '.join(own)}" if own else why


def _says(sign: beat.Sign, one: Round, words: str) -> bool:
    return sign.doing.startswith(f"round {one.number}: {words}")


def _numbers(text: str) -> list[int]:
    """The ranks in ``round 3: waits for ranks 1, 2``."""
    return [int(number) for number in re.findall(r"\d+", text.partition(WAITS)[2])]
