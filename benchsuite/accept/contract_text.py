"""Contract -> TOML that ``contract.loads`` reads back as the same contract, with comments for whoever signs it.

Everything is written out, defaults too: what was agreed must not change with a later version.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from benchsuite import discovery, units
from benchsuite.accept import gates, probes
from benchsuite.accept.grammar import told
from benchsuite.accept.needs import scalar
from benchsuite.model import Contract, Region, Requirement, Scalar

WIDTH = 28
"""Where comments begin."""

HEAD = """\
# A contract of acceptance (benchsuite accept; docs/acceptance.md), agreed before anything is measured.
# Its SHA-256 stands on every certificate: whoever changes a byte of it has another contract.
"""
NOTES: Mapping[str, str] = {
    "challenge": "true: only with a nonce of the customer's (--nonce), so that no result can be prepared",
    "kind": "gpu or host",
    "devices": "on each node",
    "processors": "multiprocessors of a GPU, usable cores of a host; 0: nothing is claimed",
    "memory": "of one device; 0: nothing is claimed",
    "good": "this part of a reference may be lost: not rejected",
    "bad": "from this part lost on: never accepted",
    "alpha": "chance that any good device of all is rejected",
    "beta": "chance that a bad device is accepted",
    "looks": "after how many runs it is looked at",
    "retests": "of a device that was not accepted; alpha and beta are shared out",
    "aside": "part of the runs that may be disturbed from outside and made again",
    "seconds": "measured time of each run",
    "warmup": "before it",
    "minutes": "under load with every result checked; 0: none",
    "drift": "part of the first minute's speed that may be lost",
    "scan": "with several nodes: look for stragglers and slow links",
    "rounds": "of disjoint pairs of nodes",
    "margin": "slower by less is never called slow",
}


def text(contract: Contract) -> str:
    """The contract as a file."""
    return "\n".join([*_lines(contract)]) + "\n"


def _lines(contract: Contract) -> Iterator[str]:
    claim, rule, pace, heat, between = (
        contract.claim,
        contract.rule,
        contract.pace,
        contract.heat,
        contract.between,
    )
    yield HEAD
    yield from _pairs(
        {"schema": contract.schema, "name": contract.name, "title": contract.title, "challenge": contract.challenge}
    )
    yield from ("", "[claim]")
    memory = _size(claim.memory) if claim.memory else 0
    machine: dict[str, Scalar] = {"kind": claim.kind.value, "model": claim.model, "devices": claim.devices}
    promised = {"nodes": claim.nodes, "processors": claim.processors, "memory": memory, "provider": claim.provider}
    yield from _pairs({name: value for name, value in {**machine, **promised}.items() if value != ""})
    yield from ("", "[rule]")
    yield from _pairs({"good": rule.good, "bad": rule.bad, "alpha": rule.alpha, "beta": rule.beta})
    yield _pair("looks", f"[{', '.join(map(str, rule.looks))}]")
    yield from _pairs({"retests": rule.retests, "aside": rule.aside})
    yield from ("", "[run]", *_pairs({"seconds": pace.seconds, "warmup": pace.warmup}))
    for requirement in contract.requirements:
        yield from ("", "[[require]]", *_requirement(requirement))
    for region in contract.identity:
        yield from ("", "[[identity]]")
        yield f"probe = {scalar(region.probe)}"
        yield _pair("low", _number(region.low), _said(region, region.low))
        yield _pair("high", _number(region.high), _said(region, region.high))
        yield f"source = {scalar(region.source)}"
    yield from ("", "[gates]", *_gates(contract))
    yield from ("", "[burn]", *_pairs({"minutes": heat.minutes, "drift": heat.drift}))
    yield from ("", "[between]")
    yield from _pairs({"scan": between.scan, "rounds": between.rounds, "margin": between.margin})
    if contract.learned.digest:
        yield from ("", "[baseline]", f"digest = {scalar(contract.learned.digest)}", "machines = [")
        yield from (f"  {scalar(one)}," for one in contract.learned.machines)
        yield "]"


def _pairs(values: Mapping[str, Scalar]) -> Iterator[str]:
    return (_pair(name, scalar(value)) for name, value in values.items())


def _pair(name: str, value: str, note: str = "") -> str:
    """A key with its value, and what it means where that must be said."""
    line, said = f"{name} = {value}", note or NOTES.get(name, "")
    return f"{line:<{WIDTH}}  # {said}" if said else line


def _said(region: Region, value: float) -> str:
    """A number of a region for people."""
    unit = probes.PROBES[region.probe].unit
    if unit == "B":
        return units.size(value).replace(units.NO_BREAK_SPACE, " ")
    return units.quantity(value, unit).replace(units.NO_BREAK_SPACE, " ") if unit else ""


def _requirement(one: Requirement) -> Iterator[str]:
    known = {axis.name: axis for axis in discovery.discover()[one.benchmark].axes}
    sizes = {name for name, axis in known.items() if axis.unit == "bytes"}
    case = {name: _size(value) if name in sizes and type(value) is int else value for name, value in one.axes.items()}
    yield f"name = {scalar(one.name)}"
    yield f"benchmark = {scalar(one.benchmark)}"
    yield f"implementation = {scalar(one.implementation)}"
    yield f"axes = {{{', '.join(f'{name} = {scalar(value)}' for name, value in case.items())}}}"
    yield f"reference = {scalar(told(one.reference, one.metric))}"
    yield f"grounds = {scalar(one.grounds.value)}"
    yield f"source = {scalar(one.source)}"
    yield f"good = {scalar(one.good)}"
    yield f"bad = {scalar(one.bad)}"


def _gates(contract: Contract) -> Iterator[str]:
    for gate in contract.gates:
        line = f"{gate.check} = {scalar(gate.weight.value)}"
        yield f"{line:<{WIDTH}}  # {gates.GATES[gate.check].title}"


def _number(value: float) -> str:
    """A number without a point where it needs none."""
    return f"{value:.0f}" if float(value).is_integer() and abs(value) < 1e15 else repr(float(value))


def _size(nbytes: int) -> str | int:
    """Bytes as they are best written, exactly."""
    for scale, name in ((units.GIB, "GiB"), (units.MIB, "MiB"), (units.KIB, "KiB")):
        if nbytes % scale == 0:
            return f"{nbytes // scale} {name}"
    return nbytes
