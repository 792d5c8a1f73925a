"""What a contract needs measured: its suite, which task answers which requirement, and the run values of it.

A requirement is one case of one benchmark by one implementation, so that its suite has one table for each and each
table one task.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields

from benchsuite import discovery, plan
from benchsuite.model import (
    Benchmark,
    Case,
    Contract,
    Entry,
    Implementation,
    Kind,
    Measured,
    Policy,
    Record,
    Requirement,
    RunValue,
    Scalar,
    Status,
    Task,
)

BACKENDS: Mapping[Kind, str] = {Kind.GPU: "cuda", Kind.HOST: "host"}
"""The only backend whose runs answer a contract of that kind: a scripted clock answers none."""
USUAL_CACHE = 64 << 20
"""A last-level cache as machines have them: whether a case makes sense is asked before the machine is known."""
PRECISION = 0.005
"""Within a run the median's interval is narrowed to this (docs/method.md), so that runs differ by more than samples."""


def suite(contract: Contract, only: Iterable[str] = ()) -> str:
    """The suite (TOML text, ``suite.parse`` reads it) that measures the requirements; ``only``: those named.

    ``policy.runs`` is the first look's; the driver asks for others by ``plan.Options.runs``.
    """
    chosen = set(only)
    entries = [entry(one) for one in contract.requirements if not chosen or one.name in chosen]
    policy = Policy(
        runs=contract.rule.looks[0],
        seconds=contract.pace.seconds,
        warmup=contract.pace.warmup,
        precision=PRECISION,
    )
    return _suite(f"What {contract.name} requires", policy, entries)


def identity_suite(contract: Contract) -> str:
    """The suite (TOML text) of the identity probes: one run of ``probes.entries(region)`` of each region, each entry
    once; empty text when the contract has no region that needs measuring."""
    from benchsuite.accept import probes

    entries = list({repr(one): one for region in contract.identity for one in probes.entries(region)}.values())
    policy = Policy(runs=1, seconds=0.2, warmup=0.1, min_samples=10, precision=0.01)
    return _suite(f"Whether it is what {contract.name} claims", policy, entries) if entries else ""


def entry(requirement: Requirement) -> Entry:
    """The table of a suite that asks for the requirement's case and nothing else."""
    return Entry(
        select=(requirement.benchmark,),
        points=(tuple(requirement.axes.items()),),
        implementations=(requirement.implementation,),
    )


def resolve(contract: Contract, cache: int) -> Mapping[str, str]:
    """The key of the task (``model.Task.key``) that answers each requirement, by the requirement's name.

    ``cache``: bytes of the last-level cache that sizes such as ``16xLLC`` are multiples of (``store.Campaign.cache`` of
    the campaign that ran).
    """
    return {one.name: Task(case(one, cache), one.implementation).key for one in contract.requirements}


def case(requirement: Requirement, cache: int) -> Case:
    """The requirement's case on a machine with so many bytes of last-level cache."""
    ((_, found),) = plan.cases(entry(requirement), discovery.discover(), cache, 1)
    return found


def unfit(requirement: Requirement, kind: Kind) -> str:
    """Why no measurement of one device can answer the requirement, as a phrase, or nothing. All its axes are given."""
    benchmark = discovery.discover()[requirement.benchmark]
    implementation = next(one for one in benchmark.implementations if one.name == requirement.implementation)
    if benchmark.collective or _several(implementation):
        return f"{benchmark.name} needs several devices; a requirement is of one, and [between] looks at links"
    backend = BACKENDS[kind]
    if (implementation.requires & plan.KINDS) - {backend}:
        return f"{implementation.name} does not run on a {kind.value}"
    return _impossible(requirement, benchmark, implementation)


def _several(implementation: Implementation) -> bool:
    return "peers" in implementation.requires


def _impossible(requirement: Requirement, benchmark: Benchmark, implementation: Implementation) -> str:
    found = case(requirement, USUAL_CACHE)
    if reason := benchmark.invalid(found):
        return f"that case of {benchmark.name} makes no sense: {reason}"
    return "" if implementation.supports(found) else f"{implementation.name} does not offer that case"


def values(contract: Contract, keys: Mapping[str, str], records: Iterable[Record]) -> tuple[Measured, ...]:
    """Of every requirement, all its runs in the order of the records' campaigns (as first seen) and run numbers.

    ``keys``: of ``resolve``. A requirement without any record has no runs. The value of an OK run is the metric at
    the run's median. A run that another backend made, that is there twice, or whose metric is another one, has failed.
    """
    by_task: dict[str, list[Record]] = {}
    order: dict[str, int] = {}
    for record in records:
        order.setdefault(record.campaign, len(order))
        by_task.setdefault(Task(record.case, record.implementation).key, []).append(record)
    backend = BACKENDS[contract.claim.kind]
    made = []
    for one in contract.requirements:
        found = sorted(by_task.get(keys.get(one.name, ""), []), key=lambda each: (order[each.campaign], each.run))
        made.append(Measured(one.name, _runs(one, found, backend)))
    return tuple(made)


def _runs(requirement: Requirement, records: Sequence[Record], backend: str) -> tuple[RunValue, ...]:
    """Each run once."""
    by_run: dict[tuple[str, int], list[Record]] = {}
    for record in records:
        by_run.setdefault((record.campaign, record.run), []).append(record)
    return tuple(_value(requirement, found, backend) for found in by_run.values())


def _value(requirement: Requirement, found: Sequence[Record], backend: str) -> RunValue:
    record = found[0]
    run, codes = f"{record.campaign}/{record.run}", tuple(dict.fromkeys(one.code for one in record.caveats))
    if problem := _untrue(requirement, found, backend):
        worst = Status.REJECTED if any(one.status is Status.REJECTED for one in found) else Status.FAILED
        return RunValue(None, worst, codes, problem, run)
    if record.status is not Status.OK or record.summary is None:
        status = Status.FAILED if record.status is Status.OK else record.status
        return RunValue(None, status, codes, record.reason or "it has no result", run)
    value = record.metric.quantity(record.work, record.summary.median)
    if not 0.0 < value < math.inf:
        return RunValue(None, Status.FAILED, codes, f"{value} is no result", run)
    return RunValue(value, Status.OK, codes, "", run)


def _untrue(requirement: Requirement, found: Sequence[Record], backend: str) -> str:
    """Why these records of one run answer nothing, as a phrase, or nothing."""
    record = found[0]
    if len(found) > 1:
        return f"the run is there {len(found)} times"
    if record.backend != backend:
        return f"it was measured by the backend {record.backend}, not by {backend}"
    if record.metric is not requirement.metric:
        return f"it measured {record.metric.value}, not {requirement.metric.value}"
    return ""


def _suite(title: str, policy: Policy, entries: Iterable[Entry]) -> str:
    """A suite as TOML. Only what differs from a policy's default is written."""
    usual = Policy()
    told = {item.name: getattr(policy, item.name) for item in fields(Policy)}
    lines = [f"title = {scalar(title)}", "", "[policy]", f"runs = {told.pop('runs')}"]
    lines += [f"{name} = {scalar(value)}" for name, value in told.items() if value != getattr(usual, name)]
    return "\n".join([*lines, *(line for one in entries for line in _bench(one))]) + "\n"


def _bench(one: Entry) -> list[str]:
    lines = ["", "[[bench]]", f"select = [{', '.join(map(scalar, one.select))}]"]
    if one.implementations:
        lines.append(f"implementations = [{', '.join(map(scalar, one.implementations))}]")
    if one.share != 1.0:
        lines.append(f"share = {scalar(one.share)}")
    lines += [f"{name} = [{', '.join(map(scalar, found))}]" for name, found in one.axes.items()]
    if one.points:
        points = (", ".join(f"{name} = {scalar(value)}" for name, value in point) for point in one.points)
        lines.append(f"points = [{', '.join(f'{{{point}}}' for point in points)}]")
    return lines


def scalar(value: Scalar) -> str:
    """A value as TOML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
