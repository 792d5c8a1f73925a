"""What needs no statistics: bytes that arrived wrong, transfers that failed, ranks that stood still.

Who is to blame for wrong bytes or failures follows from who they have in common: with two different partners and no
other common end, it is that unit; with one and the same pair only, it is one of its two ends or the path between.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from benchsuite.localise.seats import Seats
from benchsuite.localise.table import Table
from benchsuite.model import Culprit, Decision, Finding, Local, Pause, Scan, Stage, Transfer

LONG = 0.5
"""Seconds that a rank must have stood still to be named."""
LATE = 0.2
"""How much slower (log) than its others a round must be for a pause to explain it."""
OTHERS = 3
"""How many other partners both ends of a pair must have been fine with, for the path to be named."""
ACTS = {Culprit.CORRUPTS: ("bytes that arrived wrong", "delivers wrong bytes"), Culprit.FAILED: ("failures", "fails")}


@dataclass(frozen=True, slots=True)
class Event:
    """Something that went wrong between two seats, and the ranks it was between."""

    seats: tuple[int, int]
    sender: int
    receiver: int
    reason: str


def found(scan: Scan, seats: Seats) -> tuple[Finding, ...]:
    """Findings from facts, the gravest first."""
    wrong = [one for one in scan.transfers if one.wrong]
    failed = [one for one in scan.transfers if one.seconds is None and not one.wrong]
    return (
        *_local(scan, seats),
        *_blamed(Culprit.CORRUPTS, wrong, scan, seats),
        *_blamed(Culprit.FAILED, failed, scan, seats),
        *_stalled(scan.pauses, seats),
    )


def _local(scan: Scan, seats: Seats) -> list[Finding]:
    """Units whose kernel gave a wrong result, or none, all by themselves."""
    findings = []
    for culprit, act in ((Culprit.CORRUPTS, "computes wrong results"), (Culprit.FAILED, "cannot compute")):
        own = [one for one in scan.locals if _trouble(one) is culprit]
        for rank, count in Counter(one.rank for one in own if one.rank in seats.where).items():
            rounds = len({(one.stage, one.round) for one in scan.locals if one.rank == rank}) or count
            reason = next((one.reason for one in own if one.rank == rank and one.reason), "")
            times = len({(one.stage, one.round) for one in own if one.rank == rank})
            findings.append(
                Finding(
                    culprit,
                    Decision.ACCUSED,
                    (rank,),
                    f"{seats.units[rank].name}: {act}, in {times} of {rounds} rounds{_because(reason)}",
                    exceeded=times,
                    rounds=rounds,
                    remedy="Take it out of service, and test its memory and its processor.",
                )
            )
    return findings


def _trouble(one: Local) -> Culprit | None:
    """What a local kernel's result shows, by itself."""
    if one.wrong:
        return Culprit.CORRUPTS
    return Culprit.FAILED if one.seconds is None else None


def _because(reason: str) -> str:
    return f" ({reason})" if reason else ""


def _blamed(culprit: Culprit, bad: Sequence[Transfer], scan: Scan, seats: Seats) -> list[Finding]:
    """Seats that all these transfers have in common, then paths, then whoever it may have been."""
    events = [
        Event((seats.where[one.sender][0], seats.where[one.receiver][0]), one.sender, one.receiver, one.reason)
        for one in bad
        if one.sender in seats.where and one.receiver in seats.where
    ]
    whole, events = _whole_rounds(bad, scan, seats, events)
    findings = []
    named: list[int] = []
    while top := _common(events, max(1, len(seats) // 4)):
        findings += [_seat(culprit, seat, [one for one in events if seat in one.seats], seats) for seat in top]
        named += top
        events = [one for one in events if not set(top) & set(one.seats)]
    fine = _fine(scan, seats, named)
    pairs: dict[tuple[int, int], list[Event]] = defaultdict(list)
    for one in events:
        pairs[min(one.seats), max(one.seats)].append(one)
    findings += [_pair(culprit, own, seats, fine) for own in pairs.values()]
    if whole and not findings:
        findings.append(
            Finding(
                culprit,
                Decision.CANNOT_TELL,
                tuple(sorted(seats.where)),
                f"{whole} rounds failed as a whole, and nothing tells which pair it was",
                rounds=whole,
                remedy="Scan half of the nodes at a time.",
            )
        )
    return findings


def _whole_rounds(bad: Sequence[Transfer], scan: Scan, seats: Seats, events: list[Event]) -> tuple[int, list[Event]]:
    """How many rounds of several pairs failed in all of them, and the events of the other rounds."""
    sizes = {(one.stage, one.number): len(one.pairs) for one in scan.rounds}
    pairs: dict[tuple[Stage, int], set[frozenset[int]]] = defaultdict(set)
    for one in bad:
        pairs[one.stage, one.round].add(frozenset((one.sender, one.receiver)))
    whole = {key for key, own in pairs.items() if len(own) > 1 and len(own) == sizes.get(key)}
    known = [one for one in bad if one.sender in seats.where and one.receiver in seats.where]
    return len(whole), [event for event, one in zip(events, known, strict=True) if (one.stage, one.round) not in whole]


def _common(events: Iterable[Event], most: int) -> tuple[int, ...]:
    """The seats (at most so many) that had trouble with two partners or more, and more than anybody else; or nobody."""
    partners: dict[int, set[int]] = defaultdict(set)
    for one in events:
        first, second = one.seats
        partners[first].add(second)
        partners[second].add(first)
    highest = max(map(len, partners.values()), default=0)
    top = tuple(seat for seat, own in partners.items() if len(own) == highest)
    return top if highest >= 2 and len(top) <= most else ()


def _seat(culprit: Culprit, seat: int, own: Sequence[Event], seats: Seats) -> Finding:
    """The finding about a seat, or about the one unit of it that all events are of."""
    mine = {one.sender if one.seats[0] == seat else one.receiver for one in own}
    partners = {one.seats[1] if one.seats[0] == seat else one.seats[0] for one in own}
    ranks = tuple(sorted(mine)) if len(mine) == 1 else seats.ranks[seat]
    name = seats.units[ranks[0]].name if len(ranks) == 1 else seats.name(seat)
    sides = {one.seats[0] == seat for one in own}
    what, _ = ACTS[culprit]
    how = "" if len(sides) > 1 else " as the sender" if True in sides else " as the receiver"
    reason = next((one.reason for one in own if one.reason), "")
    remedy = {
        Culprit.CORRUPTS: "Take it out of service, and test its memory, its network card and its cable.",
        Culprit.FAILED: "Look whether it runs and can be reached; leave it out until it does.",
    }[culprit]
    return Finding(
        culprit,
        Decision.ACCUSED,
        ranks,
        f"{name}: {what}{how} with {len(partners)} different partners{_because(reason)}",
        exceeded=len(own),
        rounds=len(own),
        remedy=remedy,
    )


def _fine(scan: Scan, seats: Seats, named: Iterable[int]) -> set[tuple[int, int]]:
    """Which seats sent to which without trouble; those that are named already do not count."""
    good = (one for one in scan.transfers if one.seconds is not None and not one.wrong)
    known = (one for one in good if one.sender in seats.where and one.receiver in seats.where)
    ways = {(seats.where[one.sender][0], seats.where[one.receiver][0]) for one in known}
    return {way for way in ways if not set(way) & set(named)}


def _pair(culprit: Culprit, own: Sequence[Event], seats: Seats, fine: set[tuple[int, int]]) -> Finding:
    """The path of one pair if it was in trouble again and again while both ends were fine with others."""
    first, second = own[0].seats
    ranks = tuple(dict.fromkeys(rank for one in own for rank in (one.sender, one.receiver)))
    between = f"{seats.name(first)} and {seats.name(second)}"
    reason = next((one.reason for one in own if one.reason), "")
    what, _ = ACTS[culprit]
    others = [{seat for way in fine if end in way for seat in way} - {first, second} for end in (first, second)]
    elsewhere = all(len(one) >= OTHERS for one in others)
    if len(own) > 2 and elsewhere and not {one.seats for one in own} & fine:
        return Finding(
            culprit,
            Decision.ACCUSED,
            ranks,
            f"the path between {between}: {what} in {len(own)} transfers, both fine with others{_because(reason)}",
            exceeded=len(own),
            rounds=len(own),
            remedy="Move one end to another port; look at the error counters of the links between.",
        )
    return Finding(
        culprit,
        Decision.CANNOT_TELL,
        ranks,
        f"one of {between}, or the path between: {what} in {len(own)} transfers{_because(reason)}",
        exceeded=len(own),
        rounds=len(own),
        remedy=f"Scan again with other partners for both of them{' (a third node)' if len(seats) < 3 else ''}.",
    )


def _stalled(pauses: Sequence[Pause], seats: Seats) -> list[Finding]:
    """Ranks that stood still; whole nodes where all of several units did."""
    own: dict[int, list[Pause]] = defaultdict(list)
    for one in pauses:
        if one.seconds >= LONG and one.rank in seats.where:
            own[one.rank].append(one)
    if len(own) > 2 and 2 * len(own) > len(seats.where):
        return [
            Finding(
                Culprit.STALLED,
                Decision.CANNOT_TELL,
                tuple(sorted(own)),
                f"{len(own)} of {len(seats.where)} ranks did not run for a while: no single one is to blame",
                remedy="Look for what all of them share: the hypervisor, a cgroup, suspended nodes.",
            )
        ]
    nodes = [row for row in seats.ranks if len(row) > 1 and all(rank in own for rank in row)]
    taken = {rank for row in nodes for rank in row}
    groups = [*nodes, *((rank,) for rank in own if rank not in taken)]
    return [_pause(ranks, [one for rank in ranks for one in own[rank]], seats) for ranks in groups]


def _pause(ranks: tuple[int, ...], own: Sequence[Pause], seats: Seats) -> Finding:
    unit = seats.units[ranks[0]]
    name = unit.node if len(ranks) > 1 else unit.name
    longest = max(own, key=lambda one: one.seconds)
    times = len([one for one in own if one.rank == longest.rank])
    often = f"; {times} times in all" if times > 1 else ""
    return Finding(
        Culprit.STALLED,
        Decision.ACCUSED,
        ranks,
        f"{name}: did not run for {longest.seconds:.1f} s, {longest.at:.1f} s after its start{often}",
        exceeded=times,
        rounds=times,
        remedy="Look who stopped it: a debugger, a cgroup's quota, swapping, the hypervisor, a suspended node.",
    )


def spared(table: Table, pauses: Sequence[Pause]) -> Table:
    """The table without the rounds that a pause of one of its ranks explains: a rank that stood still is no slow node.

    A pause touches a round, or two at their border; rounds that were not much slower than the rank's others stay.
    """
    counts = Counter(one.rank for one in pauses if one.seconds >= LONG and one.rank in table.seats.where)
    logs = table.logs.copy()
    for rank, count in counts.items():
        seat, rail = table.seats.where[rank]
        rows, slots = np.nonzero((table.ends == seat).any(axis=-1))
        own = logs[rows, slots, rail].max(axis=-1) if rows.size else np.empty(0)
        if not np.isfinite(own).any():
            continue
        beyond = np.where(np.isfinite(own), own - np.nanmedian(own), -np.inf)
        for at in np.argsort(-beyond, kind="stable")[: 2 * count]:
            if beyond[at] > LATE:
                logs[rows[at], slots[at], rail] = np.nan
    return table.with_logs(logs)
