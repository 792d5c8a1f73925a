"""What was read of another tool -> publications, marked as imported: one for each machine in it."""

from __future__ import annotations

import math
import re
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from benchsuite import reading
from benchsuite.catalog import gpus
from benchsuite.imports import values
from benchsuite.imports.base import Imported, Row
from benchsuite.model import (
    PUBLIC_SCHEMA,
    Case,
    Machine,
    Metric,
    Origin,
    Publication,
    Quantiles,
    Scalar,
    Score,
    Status,
    Work,
)

NODE = "node"
"""The parameter by which a reader tells the machines of one file apart."""
DATES = ("%Y-%m-%d %H:%M:%S", "%Y/%m/%d-%H:%M:%S", "%Y/%m/%d %H:%M:%S")
WORD = re.compile(r"[^A-Za-z0-9_.+-]+")
CLOSE = 1e-3
"""How far the median of samples may lie from the value beside them."""


def machines(found: Imported) -> list[Imported]:
    """What belongs to each machine: files of a fleet hold many, told apart by a parameter ``node``."""
    nodes = dict.fromkeys(row.params.get(NODE) for row in found.rows)
    if len(nodes) < 2:
        return [found]
    return [
        replace(found, rows=tuple(_of_node(row) for row in found.rows if row.params.get(NODE) == node), facts=facts)
        for node, facts in ((node, {**found.facts, NODE: str(node)}) for node in nodes)
    ]


def _of_node(row: Row) -> Row:
    return replace(row, params={name: value for name, value in row.params.items() if name != NODE})


def publication(found: Imported, name: str, digest: str, machine: str = "") -> Publication:
    """One machine's results.

    name: the file's, without its folder; digest: SHA-256 of the file; machine: what the user says it was, taken only
    where the tool did not tell. Nothing here was measured by benchsuite: no interval, no ceiling, no work.
    """
    node = found.facts.get(NODE, "")
    tool, name = reading.printable(found.tool), _text(name)
    made = f"{WORD.sub('-', tool.lower()).strip('-.')}-{digest[:12]}" + (f"-{node}" if node else "")
    version = WORD.sub("-", found.version)[:40].strip("-.+")
    return Publication(
        schema=PUBLIC_SCHEMA,
        id=reading.identifier(made),
        origin=Origin.IMPORTED,
        machine=_machine(found, made, machine),
        started=moment(found.started),
        suite=tool,
        results=tuple(_score(row, case, name, f"{tool} {version}".strip()) for row, case in _cases(found.rows)),
        version=version,
        runs=1,
        digest=digest,
        tool=tool,
        source=name,
        planned=len(found.rows),
    )


def _machine(found: Imported, made: str, told: str) -> Machine:
    names = list(dict.fromkeys(map(_text, found.devices))) or ([_text(told)] if told else [])
    node = found.facts.get(NODE, "")
    name = _text(", ".join(names)) or f"unknown device{f', node {node}' if node else ''}"
    memory, processors = (_integer(found.facts.get(fact, "")) for fact in ("memory bytes", "processors"))
    facts = {_text(fact): _text(value) for fact, value in found.facts.items()}
    card = gpus.named(names[0], memory, processors) if len(names) == 1 else None
    return Machine(made, name, card.key if card else "", max(1, len(found.devices)), {"imported": facts})


def _integer(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0


def _cases(rows: tuple[Row, ...]) -> Iterator[tuple[Row, Case]]:
    """Each row with its case; a case that stands there again says so, because nothing else tells them apart."""
    seen: Counter[Case] = Counter()
    for row in rows:
        case = _case(row, row.params)
        seen[case] += 1
        yield row, case if seen[case] == 1 else _case(row, {**row.params, "again": seen[case] - 1})


def _case(row: Row, params: Mapping[str, Scalar]) -> Case:
    told = ((_text(name), _text(value) if isinstance(value, str) else value) for name, value in params.items())
    return Case(_text(row.benchmark), tuple(sorted(told, key=lambda pair: pair[0])), row.ranks)


def _text(text: str) -> str:
    """A text as a publication may hold it: printable, and not longer than a publication's reader takes."""
    return values.short(reading.printable(text))


def _score(row: Row, case: Case, name: str, provider: str) -> Score:
    value = row.value if row.status is Status.OK else None
    status = row.status if row.status is not Status.OK or value is not None else Status.FAILED
    latency = row.metric is Metric.LATENCY and value is not None
    return Score(
        case=case,
        implementation=provider.split(maxsplit=1)[0],
        provider=provider,
        metric=row.metric,
        status=status,
        work=Work(steps=1.0) if latency else Work(),
        runs=1 if value is not None else 0,
        value=value,
        run_values=() if value is None else (value,),
        reason=_text(row.reason),
        samples=_quantiles(row.samples, value) if latency and value is not None else (),
        source=f"{name}:{row.line}" if row.line else name,
        meaning=_text(f"{row.meaning}; printed as {row.text}" if row.text else row.meaning),
    )


def _quantiles(samples: tuple[float, ...], value: float) -> tuple[Quantiles, ...]:
    """The spread of the samples, where the value is their median."""
    if len(samples) < 2 or not all(0.0 < one < math.inf for one in samples):
        return ()
    low, middle, high = min(samples), statistics.median(samples), max(samples)
    if not math.isclose(middle, value, rel_tol=CLOSE):
        return ()
    cuts = statistics.quantiles(samples, n=20, method="inclusive")
    p5, p95 = min(max(cuts[0], low), middle), max(min(cuts[-1], high), middle)  # rounding must not put them outside
    return (Quantiles(len(samples), low, p5, middle, p95, high),)


def moment(text: str) -> str:
    """A tool's date in ISO 8601, without a zone where the tool names none; empty where it is no date."""
    for form in DATES:
        try:
            return datetime.strptime(text, form).isoformat()
        except ValueError:
            continue
    try:
        return datetime.fromisoformat(text).isoformat()
    except ValueError:
        return ""
