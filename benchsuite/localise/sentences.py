"""What is said of a finding: who, what it does at how much of its peers' speed, and what became of the suspicion."""

from __future__ import annotations

from benchsuite.localise.rankrule import percent
from benchsuite.localise.seats import Seats
from benchsuite.localise.suspicion import Suspicion
from benchsuite.model import Culprit, Decision

ACTS = {
    Culprit.NODE: "exchanges",
    Culprit.DEVICE: "exchanges",
    Culprit.SENDS: "sends",
    Culprit.RECEIVES: "receives",
    Culprit.COMPUTES: "computes",
}

REMEDIES = {
    Culprit.NODE: "Read the error counters of its port, then swap its cable: cable and network card cannot be told "
    "apart by traffic. To tell the hardware from its place, swap its ranks with another node's and scan again.",
    Culprit.DEVICE: "Look at its PCIe link's width and speed and at its NVLinks, then swap ranks and scan again.",
    Culprit.SENDS: "Read the counters of its port for what it sends (pauses, retransmissions), then swap its cable.",
    Culprit.RECEIVES: "Read the counters of its port for what it receives (drops, pauses), then swap its cable.",
    Culprit.COMPUTES: "Look at its clocks, temperature, power limit and neighbours: this is no matter of the network.",
    Culprit.PATH: "Repeat it with another source port: if it goes away, one of several equal paths is at fault; "
    "otherwise swap the cables along it.",
    Culprit.LEAF: "Look at this switch: it is slow among its own nodes as well.",
    Culprit.UPLINK: "Look at the links from this switch upwards: among its own nodes it is not slow.",
}


def subject(one: Suspicion, seats: Seats) -> str:
    """Who a suspicion is about."""
    if one.culprit in {Culprit.LEAF, Culprit.UPLINK}:
        return f"all nodes of {seats.leaf_names[one.seat]}"
    if one.culprit is Culprit.PATH:
        first, second = (_end(rank, seats) for rank in one.ranks)
        return f"from {first} to {second}" if one.kernel == "directed" else f"between {first} and {second}"
    if one.culprit is Culprit.COMPUTES:
        return seats.units[one.ranks[0]].name if len(one.ranks) == 1 else seats.units[one.ranks[0]].node
    return seats.name(one.seat, one.rail if one.rail >= 0 else None)


def _end(rank: int, seats: Seats) -> str:
    seat, rail = seats.where[rank]
    return seats.name(seat, rail if seats.rails > 1 else None)


def claim(one: Suspicion, seats: Seats) -> str:
    """``node 3, GPU 5: receives at 61 % of its peers``."""
    speed = percent(one.slowdown)
    if one.culprit is Culprit.PATH:
        return f"{subject(one, seats)}: transfers at {speed} % of other pairs, while both ends are fine elsewhere"
    if one.culprit is Culprit.UPLINK:
        return f"{subject(one, seats)}: exchange at {speed} % with other leaves, and as others do inside"
    if one.culprit is Culprit.LEAF:
        return f"{subject(one, seats)}: exchange at {speed} % of other leaves, inside as well"
    return f"{subject(one, seats)}: {ACTS[one.culprit]} at {speed} % of its peers"


def outcome(decision: Decision, why: str = "") -> str:
    """What became of it, to follow the claim."""
    return {
        Decision.ACCUSED: ", confirmed twice",
        Decision.NOT_REPRODUCED: ", but not when it was measured again",
        Decision.CANNOT_TELL: f"; cannot tell: {why}",
    }[decision]
