"""Contracts and baselines on a terminal or a pipe. Control characters never get through."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchsuite import units
from benchsuite.accept.baseline import Baseline
from benchsuite.model import Contract, Kind, Requirement, Scalar
from benchsuite.render.words import clean, counted


def listing(contracts: Sequence[Contract], console: Console) -> None:
    """The shipped contracts, a line each."""
    grid = _grid("name", "what it is about", "requires")
    for one in contracts:
        names = ", ".join(each.name for each in one.requirements)
        grid.add_row(*_texts(one.name, one.title, names))
    console.print(grid)
    console.print(Text("'benchsuite contract new --from NAME' writes one to agree on.", style="dim"))


def shown(contract: Contract, remarks: Iterable[str], console: Console) -> None:
    """All that a contract asks for."""
    claim, rule = contract.claim, contract.rule
    devices = counted(claim.units, "device")
    console.print(Text(clean(f"{contract.name}: {contract.title}"), style="bold"))
    for line in (
        f"Claimed: {_claimed(contract)}.",
        f"Decided after {', '.join(map(str, rule.looks))} runs of {contract.pace.seconds:g} s.",
        f"alpha {rule.alpha:g} over {devices}, beta {rule.beta:g}; {counted(rule.retests, 're-test')}.",
        f"SHA-256 {contract.digest}" if contract.digest else "",
    ):
        if line:
            console.print(Text(clean(line), overflow="fold"))
    grid = _grid("required", "measured by", ("reference", "right"), ("good", "right"), ("bad", "right"), "grounds")
    for one in contract.requirements:
        value = units.quantity(one.reference, one.metric.value)
        grid.add_row(*_texts(one.name, _task(one), value, _end(one, one.good), _end(one, one.bad), one.grounds.value))
    console.print(grid)
    for line in _rest(contract):
        console.print(Text(clean(line), overflow="fold"))
    for remark in remarks:
        console.print(Text(clean(remark), style="dim", overflow="fold"))


def _claimed(contract: Contract) -> str:
    claim = contract.claim
    each = f"{claim.devices} × {claim.model}" if claim.kind is Kind.GPU else claim.model
    where = f" on each of {claim.nodes} nodes" if claim.nodes > 1 else ""
    what = "multiprocessors" if claim.kind is Kind.GPU else "cores"
    more = [f"{claim.processors} {what}"] if claim.processors else []
    more += [units.size(claim.memory)] if claim.memory else []
    more += [f"by {claim.provider}"] if claim.provider else []
    return ", ".join([each + where, *more])


def _end(one: Requirement, part: float) -> str:
    """A margin as a change of the number itself: a tenth lost is 10 % less of a rate, and 11 % more of a time."""
    return (
        f"{units.MINUS}{units.percent(part)}" if one.metric.higher_is_better else f"+{units.percent(part / (1 - part))}"
    )


def _task(one: Requirement) -> str:
    return _measured(one.benchmark, one.axes.items(), one.implementation)


def _measured(benchmark: str, params: Iterable[tuple[str, Scalar]], implementation: str) -> str:
    case = " ".join(f"{name}={_said(name, value)}" for name, value in params)
    return f"{benchmark} {case} [{implementation}]"


def _said(name: str, value: Scalar) -> str:
    if name == "bytes" and isinstance(value, int):
        return units.size(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _rest(contract: Contract) -> Iterator[str]:
    for one in contract.requirements:
        yield f"{one.name}: {one.source}"
    if contract.identity:
        yield f"Identity probes: {', '.join(one.probe for one in contract.identity)}."
    if contract.gates:
        told = (f"{one.check} ({one.weight.value})" for one in contract.gates)
        yield f"Gates: {', '.join(told)}."
    heat = contract.heat
    yield (
        f"Burn-in: {heat.minutes:g} min, at most {units.percent(heat.drift)} of the first speed lost."
        if heat.minutes
        else ("Burn-in: none.")
    )
    if contract.learned.digest:
        count = counted(len(contract.learned.machines), "machine")
        yield f"Learned from {count} (baseline {contract.learned.digest[:12]}), which cannot be judged by it."


def learnt(baseline: Baseline, console: Console) -> None:
    """What a baseline learned of each task."""
    count = counted(len(baseline.machines), "machine")
    dates = " to ".join(dict.fromkeys(baseline.dates))
    console.print(Text(clean(f"{baseline.name}: {count}, {baseline.model}, {dates}"), style="bold"))
    grid = _grid("task", ("median", "right"), ("spread", "right"), ("limit", "right"), ("may lack", "right"))
    for one in baseline.learnt:
        median, limit = (units.quantity(value, one.metric.value) for value in (one.centre, one.limit))
        task = _measured(one.case.benchmark, one.case.params, one.implementation)
        grid.add_row(*_texts(task, median, units.percent(one.spread), limit, units.percent(one.lost)))
    console.print(grid)
    content, confidence = units.percent(baseline.content), units.percent(baseline.confidence)
    about = f"Limit: {content} of such machines do better than it (confidence {confidence}; median and MAD)."
    console.print(Text(clean(about), style="dim"))
    for line in baseline.left_out:
        console.print(Text(clean(line), style="dim", overflow="fold"))


def _grid(*columns: str | tuple[str, str]) -> Table:
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        name, side = column if isinstance(column, tuple) else (column, "left")
        grid.add_column(name, justify="right" if side == "right" else "left", overflow="fold")
    return grid


def _texts(*values: str) -> list[Text]:
    return [Text(clean(value)) for value in values]
