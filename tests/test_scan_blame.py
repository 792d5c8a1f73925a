"""Who is blamed for a round that did not end: by the signs of the ranks, or nobody alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchsuite import beat
from benchsuite.model import Round, Scan, Stage
from benchsuite.protocol import encode
from benchsuite.scan import blame

ROUND = Round(Stage.SCREEN, 5, ((0, 1), (2, 3), (4, 5)))
RESTS = "round 5: rests"


def blamed(folder: Path, doing: Mapping[int, str], said: str = "") -> Scan:
    """What is kept of the round when the ranks said this and the launcher that."""
    for rank, words in doing.items():
        beat.path(folder, rank).write_bytes(encode(beat.Sign(rank, 10**9 + rank, 1, words)))
    (folder / "stderr.log").write_text(said)
    return blame.failed(ROUND, folder, "nothing was heard for 60 s")


def pairs(piece: Scan) -> set[tuple[int, int]]:
    """The pairs without a time, each once."""
    assert all(one.seconds is None and one.reason.startswith("nothing was heard") for one in piece.transfers)
    ways = {(one.sender, one.receiver) for one in piece.transfers}
    assert ways == {way[::-1] for way in ways}, "both directions failed"
    return {(one, other) for one, other in ways if one < other}


def test_the_pair_that_still_exchanges_is_blamed(tmp_path: Path) -> None:
    busy = {2: "round 5: exchanges with rank 3", 3: "round 5: exchanges with rank 2"}
    piece = blamed(tmp_path, {0: RESTS, 1: RESTS, 4: RESTS, 5: RESTS, **busy})
    assert pairs(piece) == {(2, 3)}
    assert piece.rounds == (ROUND,)


def test_rank_0_tells_for_whom_it_waits_where_other_hosts_cannot_be_seen(tmp_path: Path) -> None:
    assert pairs(blamed(tmp_path, {0: "round 5: waits for ranks 4, 5"})) == {(4, 5)}


def test_where_nothing_tells_the_pairs_apart_all_have_failed(tmp_path: Path) -> None:
    piece = blamed(tmp_path, {0: RESTS})
    assert pairs(piece) == set(ROUND.pairs)
    assert all("nothing tells which" in one.reason for one in piece.transfers)


def test_what_a_rank_said_in_another_round_is_no_sign(tmp_path: Path) -> None:
    assert pairs(blamed(tmp_path, {2: "round 4: exchanges with rank 3"})) == set(ROUND.pairs)


def test_every_pair_that_was_busy_when_one_crashed_is_blamed(tmp_path: Path) -> None:
    """MPICH's launcher names a process that it ended itself, so its word decides nothing."""
    busy = {rank: f"round 5: exchanges with rank {rank ^ 1}" for rank in range(4)}
    piece = blamed(tmp_path, {**busy, 4: RESTS, 5: RESTS}, "=   PID 105 RUNNING AT node3\n=   EXIT CODE: 9\n")
    assert pairs(piece) == {(0, 1), (2, 3)}
    assert blame.ranks(piece) == {0, 1, 2, 3}


def test_a_pair_is_told_about_its_own_ranks_only(tmp_path: Path) -> None:
    beat.path(tmp_path, 0).write_bytes(encode(beat.Sign(0, 10**9, 1, "round 5: waits for ranks 2, 3")))
    why = "nothing was heard for 9 s, so it was ended"
    told = f"{why}: rank 2 on n2 is stopped (round 5: rests); rank 0 on n0 is alive (x); rank 3 is alive (y); rank 23 z"
    piece = blame.failed(ROUND, tmp_path, told)
    own = f"{why}: rank 2 on n2 is stopped (round 5: rests); rank 3 is alive (y)"
    assert {one.reason for one in piece.transfers} == {own}


def test_a_rank_that_hangs_in_its_kernel_is_blamed_alone(tmp_path: Path) -> None:
    piece = blamed(tmp_path, {0: "round 5: waits for ranks 4", 1: RESTS, 4: "round 5: computes"})
    assert not piece.transfers
    assert [(one.rank, one.seconds) for one in piece.locals] == [(4, None)]
    assert blame.ranks(piece) == {4}
