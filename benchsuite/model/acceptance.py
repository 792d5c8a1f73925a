"""Acceptance: what was agreed before data, what was found of each device, and what is said of it.

    Contract -> Evidence (of one subject) -> Verdict -> FleetVerdict

Everything a verdict depends on is in the contract and the evidence, so that anybody can derive it again.
Deviations are logs of measured over agreed performance: -0.051 is 5 % less than agreed, whatever the metric.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from benchsuite.model.benchmark import Metric, Scalar
from benchsuite.model.campaign import Status
from benchsuite.model.fleet import Finding


class Word(StrEnum):
    """The verdict. Only ``ACCEPT`` accepts.

    MARGINAL: known precisely, and between good and bad. INCONCLUSIVE: all runs were spent and nothing is known.
    INVALID: the measurement was compromised, or something that must be known is not.
    """

    ACCEPT = "accept"
    MARGINAL = "marginal"
    INCONCLUSIVE = "inconclusive"
    INVALID = "invalid"
    REJECT = "reject"


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
    digest: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is judged: one device of one node. device: its number there, ``None`` of a host. part: what would be
    replaced: "GPU 5", "the host"; identity: a pseudonym (``identity.machine``)."""

    node: str
    device: int | None = None
    identity: str = ""

    @property
    def part(self) -> str:
        """What would be replaced."""
        return "the host" if self.device is None else f"GPU {self.device}"

    @property
    def name(self) -> str:
        """``node3, GPU 5``; of a host the node alone."""
        return self.node if self.device is None else f"{self.node}, GPU {self.device}"


@dataclass(frozen=True, slots=True)
class RunValue:
    """One run of one requirement. value: the run's median in the metric's unit, ``None`` unless ``status`` is OK.

    codes: of the caveats the run carries. run: where it is: campaign and number, ``"20261130-…/2"``.
    """

    value: float | None
    status: Status
    codes: tuple[str, ...] = ()
    reason: str = ""
    run: str = ""


@dataclass(frozen=True, slots=True)
class Measured:
    """All runs of one requirement in the order they were made, those set aside too."""

    requirement: str
    runs: tuple[RunValue, ...]


class State(StrEnum):
    """What became of a check. ``UNKNOWN`` is neither healthy nor ill; ``ABSENT``: there is no such thing here."""

    PASSED = "passed"
    FAILED = "failed"
    UNKNOWN = "unknown"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Observation:
    """One check of ``accept.gates.GATES`` made on a subject, with a sentence that says what was seen and what to do."""

    check: str
    state: State
    sentence: str


@dataclass(frozen=True, slots=True)
class Probed:
    """What an identity probe found, in SI units; ``None`` with the reason when it found nothing."""

    probe: str
    value: float | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Burned:
    """How a device came through the burn-in.

    seconds: under load; checks: results compared; wrong: elements that were wrong (NaN counts); failures: times that
    its process died, hung, or the driver lost it; first, sustained: speed in the first minute and at the end, by phase
    (SI); worst: largest part lost from first to sustained. notes: sentences (throttled, how hot). reason: why there
    is no result, or it ended early.
    """

    seconds: float
    checks: int
    wrong: int
    failures: int
    first: Mapping[str, float] = field(default_factory=dict)
    sustained: Mapping[str, float] = field(default_factory=dict)
    worst: float | None = None
    notes: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that was found of one subject in one attempt (1: the first test, 2: the re-test)."""

    subject: Subject
    attempt: int = 1
    measured: tuple[Measured, ...] = ()
    observations: tuple[Observation, ...] = ()
    probes: tuple[Probed, ...] = ()
    burned: Burned | None = None


@dataclass(frozen=True, slots=True)
class Decided:
    """One requirement decided, or not. runs: that counted; aside: that were set aside because of a disturbance from
    outside. mean, low, high: deviation from the reference with the limits that decided (logs; ``None`` without runs).
    p: of the hypothesis that it is good."""

    requirement: str
    word: Word
    sentence: str
    runs: int = 0
    aside: int = 0
    mean: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said of one subject. reason: the sentence that decides; reasons: all that speak against it, in order.

    alpha, beta: as they held for this subject in this attempt. replace: the part to replace or mend; empty when none.
    """

    subject: Subject
    word: Word
    reason: str
    reasons: tuple[str, ...] = ()
    decided: tuple[Decided, ...] = ()
    observations: tuple[Observation, ...] = ()
    probes: tuple[tuple[Probed, Region | None], ...] = ()
    burned: Burned | None = None
    attempt: int = 1
    alpha: float = 0.0
    beta: float = 0.0
    replace: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FleetVerdict:
    """What is said of everything that a contract claims. parts: of each subject; findings: of the scan between nodes.

    missing: nodes or devices that were claimed and not judged.
    """

    contract: str
    digest: str
    word: Word
    reason: str
    parts: tuple[Verdict, ...]
    findings: tuple[Finding, ...] = ()
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
