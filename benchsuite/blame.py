"""Which pair of a round hung or crashed: from the signs of the ranks (``beat``) and from the launcher's last words.

Rank 0 runs beside the controller, so its sign is always seen: it says for whom it waits. The signs of other hosts are
seen where the folder is shared. Where nothing tells the pairs of a round apart, all of them count as failed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchsuite import beat
from benchsuite.model import Local, Round, Scan, Transfer
from benchsuite.reading import printable
from benchsuite.scanning import COMPUTES, EXCHANGES, WAITS

REMEDY = "See 'benchsuite doctor'; leave out a host that cannot be reached with --hosts."
PROCESS = re.compile(r"\bPID (\d+)\b|\bpid (\d+)\b")
RANK = re.compile(r"\b(?:rank|task) (\d+)\b", re.IGNORECASE)
LAST = 16 << 10
"""Bytes of the launcher's words that are read: it names who died at the end."""
UNKNOWN = "one pair of this round failed, and nothing tells which"


def failed(one: Round, folder: Path, pids: Sequence[int], reason: str) -> Scan:
    """The round as it failed: who was busy, or died, has no time and a reason; the others are simply not measured."""
    signs = beat.signs(folder)
    dead = set(_dead(folder, pids))
    computing = {sign.rank for sign in signs if _says(sign, one, COMPUTES)}
    waited = {rank for sign in signs if _says(sign, one, WAITS) for rank in _numbers(sign.doing)}
    busy = dead or {sign.rank for sign in signs if _says(sign, one, EXCHANGES)} | (waited - computing)
    if not dead and computing & waited:
        return Scan((), 0, 0, rounds=(one,), locals=tuple(_unrun(one, sorted(computing & waited), reason)))
    pairs = [pair for pair in one.pairs if busy & set(pair)]
    return unmeasured(one, pairs or one.pairs, reason if pairs else f"{reason}; {UNKNOWN}")


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
    return (Local(one.stage, one.number, rank, "", None, 0, reason) for rank in who)


def _says(sign: beat.Sign, one: Round, words: str) -> bool:
    return sign.doing.startswith(f"round {one.number}: {words}")


def _numbers(text: str) -> list[int]:
    """The ranks in ``round 3: waits for ranks 1, 2``."""
    return [int(number) for number in re.findall(r"\d+", text.partition(WAITS)[2])]


def _dead(folder: Path, pids: Sequence[int]) -> Iterable[int]:
    """The ranks that the launcher says have died: by their process, else by their number."""
    said = ""
    for name in ("stdout.log", "stderr.log"):
        try:
            said += printable((folder / name).read_bytes()[-LAST:].decode("utf-8", "replace")) + " "
        except OSError:
            continue
    processes = {int(next(filter(None, found))) for found in PROCESS.findall(said)}
    by_process = [rank for rank, pid in enumerate(pids) if pid in processes]
    return by_process or sorted({rank for rank in map(int, RANK.findall(said)) if rank < len(pids)})
