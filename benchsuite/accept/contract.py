"""A contract is data: TOML -> Contract. A closed grammar; whatever is unknown or absurd is refused with its line.

schema = 1
name = "h200-sxm"                 # part of the name of what is written
title = "…"
challenge = false                 # true: only with a nonce that the customer chose
[claim]                           # what was promised (model.Claim)
kind = "gpu"                      # or "host"
model = "h200_sxm_141"            # of a GPU its key in the catalogue, of a host a pattern of the processor's name
[rule]                            # how runs decide (model.Rule)
[run]                             # how long each run of a requirement measures (model.Pace)
[[require]]                       # a number that must be reached (model.Requirement)
name = "hbm-read"
benchmark = "memory"
implementation = "wide"
axes = {op = "read", bytes = "16xLLC"}
reference = "4.255 TB/s"          # or a number in SI units
grounds = "catalog"               # catalog, fleet, negotiated, own
source = "who says so, with date"
[[identity]]                      # what a probe must find (model.Region)
[gates]                           # checks, each with its weight: reject, invalid or note
wrong-result = "reject"
[burn]                            # model.Heat
[between]                         # model.Between
[baseline]                        # what references were learned from (model.Learned)
"""

from __future__ import annotations

import hashlib
import itertools
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchsuite import assets, catalog, discovery, reading
from benchsuite.accept import gates, needs, probes
from benchsuite.accept.baseline import PSEUDONYM
from benchsuite.accept.grammar import File, Table
from benchsuite.catalog.rows import nearest
from benchsuite.errors import DataError, UsageError
from benchsuite.model import (
    Benchmark,
    Between,
    Claim,
    Contract,
    Gate,
    Grounds,
    Heat,
    Kind,
    Learned,
    Pace,
    Region,
    Requirement,
    Rule,
    Scalar,
    Weight,
)
from benchsuite.suite import axis_value

SCHEMA = 1
LIMITS = reading.Limits(size=1 << 20)
MOST_REQUIREMENTS = 64
MOST_MACHINES = 10_000
APART = 0.005
"""What good and bad must differ by: no number of runs here tells less apart."""
DIGEST = re.compile(r"[0-9a-f]{64}")

TABLES = ("claim", "rule", "run", "require", "identity", "gates", "burn", "between", "baseline")
KEYS = ("schema", "name", "title", "challenge", *TABLES)
REQUIRE = (
    "name", "benchmark", "implementation", "axes", "reference", "grounds", "source", "good", "bad",
)  # fmt: skip


def shipped() -> dict[str, Path]:
    """The shipped contracts by name (``suites/contracts``)."""
    return {path.stem: path for path in sorted((assets.folder("suites") / "contracts").glob("*.toml"))}


def find(name_or_path: str) -> Contract:
    """The shipped contract called so, or the one in the file given. Raises ``UsageError`` as ``read``."""
    known = shipped()
    if name_or_path in known:
        return read(known[name_or_path])
    path = Path(name_or_path)
    if path.suffix != ".toml" and not path.is_file():
        hint = nearest(name_or_path, known)
        raise UsageError(
            f"There is no contract called {name_or_path!r}.",
            f"{hint} 'benchsuite contract list' shows them all.".strip(),
        )
    return read(path)


def read(path: Path) -> Contract:
    """The contract in a file. Raises ``UsageError`` (exit 2) with line and remedy for whatever is wrong with it."""
    try:
        data = reading.content(path.resolve(), LIMITS)
    except DataError as error:
        raise UsageError(f"The contract {path.name} cannot be read. {error.message}", error.remedy) from error
    return loads(data, path.name)


def loads(data: bytes, name: str = "the contract") -> Contract:
    """The contract in these exact bytes; ``Contract.digest`` is their SHA-256, ``Contract.source`` their text.

    ``name``: what the file is called in an error. Raises ``UsageError``.
    """
    if len(data) > LIMITS.size:
        raise UsageError(f"{name} is larger than {LIMITS.size >> 20} MiB.", "No contract is.")
    try:
        text = reading.checked(data)
    except DataError as error:
        raise UsageError(f"{name}: {error.message}", error.remedy) from error
    try:
        values = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # a number of more digits than Python reads is a ValueError too
        problem = str(error)[:200] if isinstance(error, ValueError) else "it is nested too deep"
        raise UsageError(f"{name} is not valid TOML: {reading.printable(problem)}.", "Mend that line.") from error
    return _contract(File(name, text), values, hashlib.sha256(data).hexdigest())


def _contract(file: File, values: Mapping[str, Any], digest: str) -> Contract:
    top = Table(file, values, KEYS)
    schema = top.whole("schema", 1, 1_000_000)
    if schema > SCHEMA:
        raise top.error("schema", f"it has schema {schema}; this benchsuite knows up to {SCHEMA}", "Use a newer one.")
    claim, rule = _claim(file, values), _rule(file, values)
    learned = _learned(file, values)
    return Contract(
        schema=schema,
        name=top.identifier("name"),
        title=top.text("title"),
        claim=claim,
        rule=rule,
        requirements=_requirements(file, values, claim.kind, rule, learned),
        identity=_identity(file, values, claim.kind),
        gates=_gates(file, values, claim.kind),
        heat=_heat(file, values),
        between=_between(file, values),
        challenge=top.flag("challenge", False),
        pace=_pace(file, values),
        learned=learned,
        digest=digest,
        source=file.text,
    )


def _claim(file: File, values: Mapping[str, Any]) -> Claim:
    table = Table(
        file,
        values.get("claim", {}),
        ("kind", "model", "devices", "nodes", "processors", "memory", "provider"),
        "claim",
    )
    kind = Kind(table.one_of("kind", [each.value for each in Kind]))
    model = table.text("model")
    if kind is Kind.GPU:
        table.one_of("model", catalog.load().accelerators)
    return Claim(
        kind=kind,
        model=model,
        devices=table.whole("devices", 1, 1024 if kind is Kind.GPU else 1, 1),
        nodes=table.whole("nodes", 1, 100_000, 1),
        processors=table.whole("processors", 0, 1_000_000, 0),
        memory=table.size("memory", 0),
        provider=table.text("provider", ""),
    )


def _rule(file: File, values: Mapping[str, Any]) -> Rule:
    usual = Rule()
    known = ("good", "bad", "alpha", "beta", "looks", "retests", "aside")
    table = Table(file, values.get("rule", {}), known, "rule")
    looks = tuple(table.list_of("looks", int, 12, list(usual.looks)))
    rising = all(low < high for low, high in itertools.pairwise(looks))
    if not looks or not rising or looks[0] < 3 or looks[-1] > 200:
        raise table.error("looks", "looks must be rising numbers of runs from 3 to 200, such as [4, 6, 9, 14, 20]")
    good, bad = _margins(table, usual.good, usual.bad)
    return Rule(
        good=good,
        bad=bad,
        alpha=table.number("alpha", 1e-6, 0.1, usual.alpha),
        beta=table.number("beta", 1e-6, 0.1, usual.beta),
        looks=looks,
        retests=table.whole("retests", 0, 3, usual.retests),
        aside=table.number("aside", 0.0, 0.5, usual.aside),
    )


def _margins(table: Table, usual_good: float, usual_bad: float) -> tuple[float, float]:
    """How much may be lost, and from where on it may not be: far enough apart to be told apart."""
    good, bad = table.number("good", 0.001, 0.5, usual_good), table.number("bad", 0.001, 0.6, usual_bad)
    if not bad - good >= APART - 1e-12:
        problem = f"bad ({bad:g}) must exceed good ({good:g}) by {APART:g} at least"
        raise table.error("bad" if "bad" in table.values else "good", problem, "Nothing closer can be told apart.")
    return good, bad


def _pace(file: File, values: Mapping[str, Any]) -> Pace:
    usual, table = Pace(), Table(file, values.get("run", {}), ("seconds", "warmup"), "run")
    return Pace(
        table.number("seconds", 0.05, 600.0, usual.seconds),
        table.number("warmup", 0.01, 600.0, usual.warmup),
    )


def _requirements(
    file: File, values: Mapping[str, Any], kind: Kind, rule: Rule, learned: Learned
) -> tuple[Requirement, ...]:
    tables = _several(file, values, "require")
    if not 1 <= len(tables) <= MOST_REQUIREMENTS:
        problem = f"it has {len(tables)} [[require]] tables; from 1 to {MOST_REQUIREMENTS} can be judged"
        raise file.error(problem, "Require what matters." if tables else "Add a [[require]] table.")
    found: list[Requirement] = []
    for number, each in enumerate(tables):
        table = Table(file, each, REQUIRE, "require", number)
        made = _requirement(file, table, number, kind, rule)
        if any(made.name == one.name for one in found):
            raise table.error("name", f"two requirements are called {made.name!r}", "Rename one of them.")
        if any(needs.entry(made) == needs.entry(one) for one in found):
            raise table.error("benchmark", f"{made.name} measures what another requirement does", "Leave one out.")
        if made.grounds is Grounds.FLEET and not learned.digest:
            raise table.error("grounds", 'grounds = "fleet" needs a [baseline] table', "Write it with contract new.")
        found.append(made)
    return tuple(found)


def _requirement(file: File, table: Table, number: int, kind: Kind, rule: Rule) -> Requirement:
    benchmarks = discovery.discover()
    benchmark = benchmarks[table.one_of("benchmark", benchmarks)]
    implementation = table.one_of("implementation", [item.name for item in benchmark.implementations])
    good, bad = _margins(table, rule.good, rule.bad)
    made = Requirement(
        name=table.identifier("name"),
        benchmark=benchmark.name,
        axes=_axes(file, table, number, benchmark),
        implementation=implementation,
        metric=benchmark.metric,
        reference=table.quantity("reference", benchmark.metric),
        grounds=Grounds(table.one_of("grounds", [each.value for each in Grounds])),
        source=table.text("source"),
        good=good,
        bad=bad,
    )
    if problem := needs.unfit(made, kind):
        raise table.error("implementation", problem)
    return made


def _axes(file: File, table: Table, number: int, benchmark: Benchmark) -> dict[str, Scalar]:
    """The case: one value for each axis, in the benchmark's order."""
    known = {axis.name: axis for axis in benchmark.axes}
    given = table.values.get("axes", {})
    if not isinstance(given, dict):
        raise table.error("axes", f"axes is a table that gives {', '.join(known)}")
    inner = Table(file, given, known, "require", number)
    if missing := [name for name in known if name not in given]:
        raise table.error("axes", f"axes must give {', '.join(missing)} too: {benchmark.name} has {', '.join(known)}")
    found: dict[str, Scalar] = {}
    for name, axis in known.items():
        value = given[name]
        if isinstance(value, str):
            value = inner.text(name)
        try:
            found[name] = axis_value(axis, value)
        except ValueError as error:
            raise table.error("axes", str(error), nearest(str(value), map(str, axis.choices))) from error
    return found


def _identity(file: File, values: Mapping[str, Any], kind: Kind) -> tuple[Region, ...]:
    known = [name for name, probe in probes.PROBES.items() if kind in probe.kinds]
    found: list[Region] = []
    for number, each in enumerate(_several(file, values, "identity")):
        table = Table(file, each, ("probe", "low", "high", "source"), "identity", number)
        low = table.number("low", 0.0, 1e30)
        made = Region(table.one_of("probe", known), low, table.number("high", low, 1e30), table.text("source"))
        if any(made.probe == one.probe for one in found):
            raise table.error("probe", f"there are two regions of {made.probe}", "Leave one out.")
        found.append(made)
    return tuple(found)


def _gates(file: File, values: Mapping[str, Any], kind: Kind) -> tuple[Gate, ...]:
    known = {name: check for name, check in gates.GATES.items() if kind in check.kinds}
    table = Table(file, values.get("gates", {}), known, "gates")
    found = tuple(Gate(name, Weight(table.one_of(name, [each.value for each in Weight]))) for name in table.values)
    for gate in found:
        check = known[gate.check]
        if check.always and gate.weight is not check.weight:
            raise table.error(gate.check, f"{gate.check} cannot be weakened", f'Write "{check.weight}", or nothing.')
    return found


def _heat(file: File, values: Mapping[str, Any]) -> Heat:
    usual, table = Heat(), Table(file, values.get("burn", {}), ("minutes", "drift"), "burn")
    return Heat(table.number("minutes", 0.0, 10_080.0, usual.minutes), table.number("drift", 0.001, 0.5, usual.drift))


def _between(file: File, values: Mapping[str, Any]) -> Between:
    usual, table = Between(), Table(file, values.get("between", {}), ("scan", "rounds", "margin"), "between")
    return Between(
        table.flag("scan", usual.scan),
        table.whole("rounds", 1, 10_000, usual.rounds),
        table.number("margin", 0.001, 1.0, usual.margin),
    )


def _learned(file: File, values: Mapping[str, Any]) -> Learned:
    if "baseline" not in values:
        return Learned()
    table = Table(file, values["baseline"], ("digest", "machines"), "baseline")
    digest, machines = table.text("digest"), table.list_of("machines", str, MOST_MACHINES)
    if not DIGEST.fullmatch(digest):
        raise table.error("digest", "digest must be the 64 hexadecimal digits of a SHA-256")
    if not machines or not all(PSEUDONYM.fullmatch(one) for one in machines):
        raise table.error("machines", "machines must be the pseudonyms of the baseline's machines, 16 digits each")
    return Learned(digest, tuple(machines))


def _several(file: File, values: Mapping[str, Any], section: str) -> list[Any]:
    """The tables of an array of tables."""
    found = values.get(section, [])
    if not isinstance(found, list):
        raise file.error(f"{section} is written [[{section}]]", line=file.line(section, 0, section))
    return found
