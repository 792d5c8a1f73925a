"""``list``, ``doctor`` and ``schema``: what there is, here and in general."""

from __future__ import annotations

import msgspec
from rich.console import Console

from benchsuite import backends, discovery
from benchsuite import doctor as doctors
from benchsuite import suite as suites
from benchsuite.backends.base import Description
from benchsuite.errors import Exit, UnavailableError
from benchsuite.machine import cpu
from benchsuite.render import terminal


def listing(*, as_json: bool) -> None:
    """Print benchmarks, suites, devices and implementations."""
    benchmarks = discovery.discover()
    offered = _offered()
    capabilities = {kind for found in offered.values() for kind in found.capabilities}
    known = {name: suites.load(name, benchmarks) for name in suites.available()}
    document = {
        "benchmarks": [
            {
                "name": item.name,
                "question": item.question,
                "metric": item.metric.value,
                "axes": {axis.name: list(axis.values) for axis in item.axes},
                "tags": sorted(item.tags),
                "implementations": {each.name: not (each.requires - capabilities) for each in item.implementations},
            }
            for item in benchmarks.values()
        ],
        "suites": [{"name": name, "title": item.title} for name, item in known.items()],
        "devices": [
            {"name": name, "cores": _cores(found), "capabilities": sorted(found.capabilities)}
            for name, found in offered.items()
        ],
    }
    if as_json:
        print(msgspec.json.encode(document).decode())
    else:
        terminal.listing(document, Console(highlight=False))


def _offered() -> dict[str, Description]:
    """The processor, and the GPU where there is one."""
    found = {"host": backends.describe("host")}
    try:
        found["cuda"] = backends.describe("cuda")
    except UnavailableError:
        return found
    return found


def _cores(found: Description) -> int:
    return cpu.available_cores() if found.device is None else found.device.processors


def doctor(*, as_json: bool) -> int:
    """Print the findings; 4 when something the main job needs is missing."""
    findings = doctors.examine()
    if as_json:
        print(msgspec.json.encode(findings).decode())
    else:
        terminal.findings(findings, Console(highlight=False))
    return int(Exit.FAILED if any(one.needed and not one.present for one in findings) else Exit.DONE)


def schema() -> None:
    """Print the JSON Schema of a line of records.jsonl."""
    from benchsuite.record import json_schema

    print(msgspec.json.format(msgspec.json.encode(json_schema(), order="sorted"), indent=2).decode())
