"""What a scheduler or a monitor should do about a verdict: commands as token lists, lines of a file. Pure.

Slurm drains a node, Kubernetes gets a condition and a taint, NHC (LBNL Node Health Check) a line that fails, Prometheus
a text file. Only a node of which every device was accepted is left alone; names of nodes are checked first, since what
stands in a bundle ends up in a command.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from benchsuite.errors import DataError
from benchsuite.model import Culprit, Decision, Finding, FleetVerdict, Unit, Verdict, Word
from benchsuite.reading import printable
from benchsuite.units import DASH, MINUS, NO_BREAK_SPACE

NODE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*")
"""A host name (RFC 1123); an underscore, a bracket or a comma could be read as something else by a scheduler."""
LONGEST = 253
RESERVED = frozenset({"all", "default", "self"})
"""Words that Slurm or Kubernetes take for more than one node."""
SEVERITY = (Word.REJECT, Word.INVALID, Word.INCONCLUSIVE, Word.MARGINAL, Word.ACCEPT)
REASON = 160
"""Characters of a reason that a scheduler is told."""
KEY = "benchsuite-not-accepted"
"""Of the taint. Without a prefix a key is private to the cluster's owner."""
CONDITION = "BenchsuiteAccepted"
GUILTY = frozenset(Culprit) - {Culprit.PATH, Culprit.LEAF, Culprit.UPLINK, Culprit.FLEET}
"""What the scan between nodes may accuse and is a node, or in one: of a cable or a switch no node is drained."""
STATUS = {Word.ACCEPT: "True", Word.REJECT: "False", Word.MARGINAL: "False"}
"""Of the condition; of what is not known ``Unknown``."""


Accused = Mapping[str, str]
"""Nodes that the scan accuses, by their short names, with the sentence that does."""
NOBODY: Accused = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class NodeVerdict:
    """A node: the gravest word among its devices, and a short reason of plain letters."""

    name: str
    word: Word
    reason: str


@dataclass(frozen=True, slots=True)
class Command:
    """One command about one node, as a list of tokens: no shell ever reads it."""

    node: str
    words: tuple[str, ...]


def accused_nodes(findings: Sequence[Finding], units: Sequence[Unit]) -> Accused:
    """The nodes that a scan of these units accuses. A path, a switch or the fleet as a whole is no node's fault."""
    of = {unit.rank: _short(unit.node) for unit in units}
    return {
        of[rank]: one.sentence
        for one in reversed(findings)
        if one.decision is Decision.ACCUSED and one.culprit in GUILTY
        for rank in one.ranks
        if rank in of
    }


def nodes(fleet: FleetVerdict, accused: Accused = NOBODY) -> tuple[NodeVerdict, ...]:
    """Every judged node, in order of appearance, and every host that was claimed and could not be tested.

    Raises ``DataError`` for a name that is no host's.
    """
    of: dict[str, list[Verdict]] = {}
    for part in fleet.parts:
        of.setdefault(part.subject.node, []).append(part)
    judged = (_node(name, parts, accused.get(_short(name), "")) for name, parts in of.items())
    lost = (name for name in fleet.missing if name not in of and _host(name))  # else they are only counted
    return (*judged, *(NodeVerdict(name, Word.INVALID, "it is claimed, and could not be tested") for name in lost))


def _host(name: str) -> bool:
    """Whether it is the name of one host, and cannot be read as anything else."""
    return bool(NODE.fullmatch(name)) and len(name) <= LONGEST and name.lower() not in RESERVED


def _short(name: str) -> str:
    return name.partition(".")[0]


def _node(name: str, parts: Sequence[Verdict], accusation: str) -> NodeVerdict:
    if not _host(name):
        shown = printable(name)[:60]
        raise DataError(f"{shown!r} is no name of a host.", "Nothing is done with a name that a command could misread.")
    worst = min(parts, key=lambda part: SEVERITY.index(part.word))
    if accusation and worst.word is not Word.REJECT:
        return NodeVerdict(name, Word.REJECT, plain(accusation))
    return NodeVerdict(name, worst.word, plain(worst.reason.removeprefix(f"{name}, ")))


def plain(text: str) -> str:
    """A text of which nothing can mean anything to a scheduler, a shell or a log: ASCII letters and a few signs."""
    known = text.replace(MINUS, "-").replace(DASH, "-").replace(NO_BREAK_SPACE, " ")
    kept = re.sub(r"[^A-Za-z0-9 .,:;%()+/=-]+", " ", known)
    short = " ".join(kept.split())
    return short if len(short) <= REASON else f"{short[: REASON - 3]}..."


def slurm(fleet: FleetVerdict, accused: Accused = NOBODY) -> tuple[Command, ...]:
    """Drain every node that was not accepted. An accepted one is not resumed: somebody else may have drained it."""
    return tuple(
        Command(one.name, ("scontrol", "update", f"NodeName={one.name}", "State=DRAIN", f"Reason={_why(one)}"))
        for one in nodes(fleet, accused)
        if one.word is not Word.ACCEPT
    )


def _why(one: NodeVerdict) -> str:
    return f"benchsuite: {one.word.value}: {one.reason}"


def kubernetes(fleet: FleetVerdict, started: str, accused: Accused = NOBODY) -> tuple[Command, ...]:
    """Tell every node's condition, and taint those not accepted. started: when it was measured (UTC, ISO 8601).

    Raises ``DataError`` for a name that Kubernetes does not allow.
    """
    made = []
    for one in nodes(fleet, accused):
        if one.name != one.name.lower():
            raise DataError(f"{one.name!r} is no name of a node in Kubernetes.", "Its names have no capital letters.")
        patch = json.dumps({"status": {"conditions": [_condition(one, started)]}}, sort_keys=True)
        made.append(
            Command(one.name, ("kubectl", "patch", "node", one.name, "--subresource=status", "--type=strategic",
                               f"--patch={patch}"))
        )  # fmt: skip
        if one.word is not Word.ACCEPT:
            taint = f"{KEY}={one.word.value}:NoSchedule"
            made.append(Command(one.name, ("kubectl", "taint", "node", one.name, taint, "--overwrite")))
    return tuple(made)


def _condition(one: NodeVerdict, started: str) -> Mapping[str, str]:
    moment = moment_of(started)
    return {
        "type": CONDITION,
        "status": STATUS.get(one.word, "Unknown"),
        "reason": one.word.value.capitalize(),
        "message": one.reason,
        "lastHeartbeatTime": moment,
        "lastTransitionTime": moment,
    }


def moment_of(started: str) -> str:
    """A time as Kubernetes writes it: ``2026-11-30T12:00:00Z``. Raises ``DataError`` for what is no time."""
    from datetime import UTC, datetime

    try:
        told = datetime.fromisoformat(started)
    except ValueError as error:
        raise DataError(f"{printable(started)[:40]!r} is no time.", "The bundle was changed: verify it.") from error
    return told.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def health_check(fleet: FleetVerdict, accused: Accused = NOBODY) -> str:
    """Lines for ``nhc.conf``: a node that was not accepted fails its health check, whatever else is well."""
    return "".join(
        f"{one.name} || die 1 '{plain(_why(one))}'\n" for one in nodes(fleet, accused) if one.word is not Word.ACCEPT
    )


def prometheus(fleet: FleetVerdict, started: str, accused: Accused = NOBODY) -> str:
    """A file for node_exporter's textfile collector (Prometheus' text format 0.0.4)."""
    from datetime import datetime

    nodes(fleet)  # names first: a label is escaped, but should be a host's
    when = datetime.fromisoformat(moment_of(started)).timestamp()
    families: list[tuple[str, str, list[Sample]]] = [
        ("whole", "Whether everything that was claimed was accepted (1) or not (0).", _whole(fleet)),
        ("accepted", "Whether the device was accepted (1) or not (0).", _accepted(fleet, accused)),
        ("verdict", "The verdict of the device: 1 at the one that holds.", _words(fleet)),
        ("deviation_ratio", "Mean performance over what was agreed, less 1.", _deviations(fleet)),
        ("burn_wrong_elements", "Wrong elements in the burn-in.", _wrong(fleet)),
        ("missing", "Parts that were claimed and not judged.", [({}, float(len(fleet.missing)))]),
        ("measured_timestamp_seconds", "When it was measured.", [({"contract": fleet.digest}, when)]),
    ]
    return "".join(
        line for name, told, rows in families for line in _family(f"benchsuite_acceptance_{name}", told, rows)
    )


Sample = tuple[Mapping[str, str], float]


def _family(name: str, told: str, rows: Sequence[Sample]) -> Iterator[str]:
    if rows:
        yield f"# HELP {name} {told}\n# TYPE {name} gauge\n"
    for labels, value in rows:
        inside = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        yield f"{name}{f'{{{inside}}}' if inside else ''} {value:.10g}\n"


def _escaped(text: str) -> str:
    return printable(text).replace("\\", "\\\\").replace('"', '\\"')


def _of(part: Verdict) -> dict[str, str]:
    return {"node": part.subject.node, "device": "host" if part.subject.device is None else str(part.subject.device)}


def _whole(fleet: FleetVerdict) -> list[Sample]:
    return [({"contract": fleet.digest}, float(fleet.word is Word.ACCEPT))]


def _accepted(fleet: FleetVerdict, accused: Accused) -> list[Sample]:
    """No device of a node that the scan accuses is accepted."""
    return [
        (_of(part), float(part.word is Word.ACCEPT and _short(part.subject.node) not in accused))
        for part in fleet.parts
    ]


def _words(fleet: FleetVerdict) -> list[Sample]:
    return [
        (_of(part) | {"verdict": word.value}, float(part.word is word))
        for part in fleet.parts
        for word in reversed(SEVERITY)
    ]


def _deviations(fleet: FleetVerdict) -> list[Sample]:
    return [
        (_of(part) | {"requirement": one.requirement}, math.expm1(one.mean))
        for part in fleet.parts
        for one in part.decided
        if one.mean is not None and math.isfinite(one.mean)
    ]


def _wrong(fleet: FleetVerdict) -> list[Sample]:
    return [(_of(part), float(part.burned.wrong)) for part in fleet.parts if part.burned is not None]
