"""Acceptance: what was agreed before data, what was found of each device, and what is said of it.

    Contract -> Evidence (of one subject) -> Verdict -> FleetVerdict

Everything a verdict depends on is in the contract and the evidence, so that anybody can derive it again.
Deviations are logs of measured over agreed performance: -0.051 is 5 % less than agreed, whatever the metric.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from benchsuite.model.campaign import Status
from benchsuite.model.contract import Region
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
    faults: sentences of what the sensors counted meanwhile that no healthy device has (XID, memory errors).
    disturbed: part of its turns in which somebody else used the device or took its time, so that speed tells little.
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
    faults: tuple[str, ...] = ()
    disturbed: float = 0.0


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that was found of one subject in one attempt (1: the first test, 2: the re-test).

    machines: pseudonyms of the host, and of the machine as its runs and baselines give them (``Learned.machines``).
    """

    subject: Subject
    attempt: int = 1
    measured: tuple[Measured, ...] = ()
    observations: tuple[Observation, ...] = ()
    probes: tuple[Probed, ...] = ()
    burned: Burned | None = None
    machines: tuple[str, ...] = ()


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
    hard: rejected for something that is no matter of statistics, so that no other test of it counts.
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
    hard: bool = False


@dataclass(frozen=True, slots=True)
class FleetVerdict:
    """What is said of everything that a contract claims.

    parts: of each subject, from its last test; findings: of the scan between nodes.
    missing: nodes or devices that were claimed and not judged. earlier: what earlier tests said of subjects that were
    tested again.
    """

    contract: str
    digest: str
    word: Word
    reason: str
    parts: tuple[Verdict, ...]
    findings: tuple[Finding, ...] = ()
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    earlier: tuple[Verdict, ...] = ()
