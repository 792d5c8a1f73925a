"""The contract of an acceptance: what was promised, what must be reached, and how it is decided. Agreed before data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from benchsuite.model.benchmark import Metric, Scalar


class Kind(StrEnum):
    """What a contract is about: GPUs, or a host's processor and memory."""

    GPU = "gpu"
    HOST = "host"


class Grounds(StrEnum):
    """Where a number of a contract comes from.

    CATALOG: published figures of the model; FLEET: a baseline of nodes known good; NEGOTIATED: the parties chose it;
    OWN: an earlier run of the very machine, so that only change is tested, not whether it is like others of its kind.
    """

    CATALOG = "catalog"
    FLEET = "fleet"
    NEGOTIATED = "negotiated"
    OWN = "own"


class Weight(StrEnum):
    """What it means when a check fails (or, but for ``NOTE``, when it cannot be made): see ``Gate``."""

    REJECT = "reject"
    INVALID = "invalid"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Claim:
    """The machine that was promised, on each of ``nodes`` nodes.

    model: an accelerator's name in the catalogue (``h200_sxm_141``), or of a host a pattern (fnmatch) of the
    processor's name. devices: GPUs on each node; 1 for a host. processors: multiprocessors of a GPU, usable cores of a
    host; memory: of one device in bytes. 0: nothing is claimed. provider: who offers it.
    """

    kind: Kind
    model: str
    devices: int = 1
    nodes: int = 1
    processors: int = 0
    memory: int = 0
    provider: str = ""

    @property
    def units(self) -> int:
        """How many devices are judged in all: among so many is alpha divided."""
        return self.devices * self.nodes


@dataclass(frozen=True, slots=True)
class Rule:
    """How runs decide (repeated t intervals; docs/acceptance.md).

    good, bad: parts of the reference lost: up to ``good`` must not be rejected, from ``bad`` on must not be accepted.
    alpha: bound of the probability to reject any good device of the whole claim; beta: to accept a bad one. looks: at
    how many runs one looks. retests: how often a device that is not accepted may be tested again, each time with alpha
    and beta halved. aside: part of all runs that may be disturbed from outside and measured again; beyond it
    the measurement is invalid.
    """

    good: float = 0.02
    bad: float = 0.05
    alpha: float = 0.01
    beta: float = 0.01
    looks: tuple[int, ...] = (4, 6, 9, 14, 20)
    retests: int = 1
    aside: float = 0.34


@dataclass(frozen=True, slots=True)
class Requirement:
    """One number that must be reached: a benchmark's case by one implementation, and what it was agreed to do.

    axes: the case, as in a suite: exactly one value for each axis (``bytes = "16xLLC"`` too). reference: in the
    metric's unit (SI, no prefix); of a metric where less is better the time agreed. good, bad: as in ``Rule``.
    source: who says so, with date.
    """

    name: str
    benchmark: str
    axes: Mapping[str, Scalar]
    implementation: str
    metric: Metric
    reference: float
    grounds: Grounds
    source: str
    good: float = 0.02
    bad: float = 0.05


@dataclass(frozen=True, slots=True)
class Region:
    """What an identity probe must find: a value from ``low`` to ``high`` (SI), ends included. source: why so."""

    probe: str
    low: float
    high: float
    source: str


@dataclass(frozen=True, slots=True)
class Gate:
    """A check that is not a matter of statistics, by its name in ``accept.gates.GATES``.

    REJECT: failing rejects, unknown makes invalid. INVALID: failing or unknown makes invalid. NOTE: it is only told.
    """

    check: str
    weight: Weight


@dataclass(frozen=True, slots=True)
class Heat:
    """The burn-in: ``minutes`` under load (0: none), and by how much the sustained speed may fall short of the first
    minute's (a part). Any wrong result, and any loss of the device, rejects."""

    minutes: float = 0.0
    drift: float = 0.05


@dataclass(frozen=True, slots=True)
class Between:
    """Of several nodes: whether stragglers and links are looked for, in how many rounds, from which slowdown on."""

    scan: bool = True
    rounds: int = 24
    margin: float = 0.05


@dataclass(frozen=True, slots=True)
class Pace:
    """How long one run of a requirement takes: measured time and warm-up, in seconds."""

    seconds: float = 1.0
    warmup: float = 1.0


@dataclass(frozen=True, slots=True)
class Learned:
    """The baseline that references were learned from: SHA-256 of its file, and the machines in it (pseudonyms,
    ``identity.machine``). None of them may be judged by what was learned from itself."""

    digest: str = ""
    machines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Contract:
    """What was agreed before anything was measured. digest: SHA-256 of the file's bytes; source: its text."""

    schema: int
    name: str
    title: str
    claim: Claim
    rule: Rule
    requirements: tuple[Requirement, ...]
    identity: tuple[Region, ...] = ()
    gates: tuple[Gate, ...] = ()
    heat: Heat = field(default_factory=Heat)
    between: Between = field(default_factory=Between)
    challenge: bool = False
    pace: Pace = field(default_factory=Pace)
    learned: Learned = field(default_factory=Learned)
    digest: str = ""
    source: str = ""
