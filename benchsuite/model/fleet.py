"""How ranks lie on hosts; and a scan of many ranks: who they are, what was measured, and what was found.

Slowness is written as a log time ratio y (0.105 = 10 % slower in time = -10 % of bandwidth): positive is slower.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Layout:
    """How ranks lie on hosts: ``per_node`` on each of ``hosts`` (0: as many as fit), in the hosts' order.

    Without hosts all ranks run on this one. hostfile: the file the hosts came from, empty when they were told by a
    scheduler.
    """

    hosts: tuple[str, ...] = ()
    per_node: int = 0
    hostfile: str = ""

    @property
    def nodes(self) -> int:
        """How many hosts take part; 1 without any named."""
        return len(self.hosts) or 1


@dataclass(frozen=True, slots=True)
class Unit:
    """One rank and where it runs. local: its number on its node; device: what it drives, ``"GPU 5"`` or nothing.

    leaf: the switch its node hangs on, as the topology calls it; empty where that is unknown.
    """

    rank: int
    node: str
    local: int = 0
    device: str = ""
    leaf: str = ""

    @property
    def name(self) -> str:
        """``node 3, GPU 5``: as a person calls it, device only where there is one, rank where the node has several."""
        rest = f", {self.device}" if self.device else f", rank {self.rank}" if self.local else ""
        return f"{self.node}{rest}"


class Stage(StrEnum):
    """Why a round was measured: the first look, the second with known-good partners, one suspicious pair again."""

    SCREEN = "screen"
    CONFIRM = "confirm"
    LINKS = "links"


@dataclass(frozen=True, slots=True)
class Round:
    """Disjoint pairs of ranks that exchange at the same time; ranks without a partner rest."""

    stage: Stage
    number: int
    pairs: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Transfer:
    """One direction of one pair in one round. seconds: median of its transfers; ``None`` when there is no time.

    wrong: bytes that did not arrive as they were sent; reason: why there is no time (deadline, crash).
    """

    stage: Stage
    round: int
    sender: int
    receiver: int
    seconds: float | None
    wrong: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Local:
    """What one rank took for the kernel that all ranks were given in a round, alone. kernel: which one."""

    stage: Stage
    round: int
    rank: int
    kernel: str
    seconds: float | None
    wrong: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Pause:
    """A time in which a rank did not run at all: begin and length in seconds, on its own clock after the start."""

    rank: int
    at: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Group:
    """An all-reduce over all units but those of ``left_out`` (empty: all of them); seconds as in ``Transfer``."""

    stage: Stage
    round: int
    left_out: str
    seconds: float | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Scan:
    """Everything a scan measured. seed: of its rounds; nbytes: of a transfer; seconds: how long it took in all.

    transport: how the messages travelled, in the world's words. Nothing is ever left out; a pair that failed is a
    ``Transfer`` without seconds.
    """

    units: tuple[Unit, ...]
    seed: int
    nbytes: int
    rounds: tuple[Round, ...] = ()
    transfers: tuple[Transfer, ...] = ()
    locals: tuple[Local, ...] = ()
    pauses: tuple[Pause, ...] = ()
    groups: tuple[Group, ...] = ()
    seconds: float = 0.0
    transport: str = ""


@dataclass(frozen=True, slots=True)
class Reference:
    """What units known good do, for scans too small to judge themselves (docs/scan.md).

    pair: median log seconds of a transfer of ``nbytes``; between, link, repeat: log sd between nodes, between links,
    and of one median. kernels: median log seconds and log sd of each local
    kernel. nodes, dated: of the fleet it is from.
    """

    nbytes: int
    pair: float
    between: float
    link: float
    repeat: float
    kernels: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    nodes: int = 0
    dated: str = ""


class Culprit(StrEnum):
    """What is slow or wrong."""

    NODE = "node"
    DEVICE = "device"
    SENDS = "sends"
    RECEIVES = "receives"
    COMPUTES = "computes"
    PATH = "path"
    LEAF = "leaf"
    UPLINK = "uplink"
    STALLED = "stalled"
    CORRUPTS = "corrupts"
    FAILED = "failed"
    FLEET = "fleet"


class Decision(StrEnum):
    """What is said of a suspicion. Only ``ACCUSED`` names a culprit."""

    ACCUSED = "accused"
    NOT_REPRODUCED = "not reproduced"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True, slots=True)
class Finding:
    """One suspicion and what became of it.

    ranks: the units it is about (both ends of a path; all units of a leaf; every candidate when it cannot tell).
    slowdown: median log time ratio to the peers; lower: its lower confidence limit. exceeded, rounds: W of R, in the
    screen; confirmed: the same in the confirmation. sentence: for a person; remedy: what would settle it, or is to be
    done.
    """

    culprit: Culprit
    decision: Decision
    ranks: tuple[int, ...]
    sentence: str
    slowdown: float | None = None
    lower: float | None = None
    exceeded: int = 0
    rounds: int = 0
    confirmed: tuple[int, int] = (0, 0)
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The verdict of a scan.

    findings: the gravest first; empty when nothing was found. alpha: the bound on a false accusation per scan of
    healthy units. margin: the slowdown below which nothing is called slow (log). smallest: the smallest slowdown this
    scan would have found with 95 % (log), ``None`` where that is not known; coverage: part of all pairs that met.
    blind: what it could not have seen, in sentences. conclusive: whether "nothing found" means anything.
    """

    findings: tuple[Finding, ...]
    alpha: float
    margin: float
    smallest: float | None
    coverage: float
    conclusive: bool
    blind: tuple[str, ...] = ()
