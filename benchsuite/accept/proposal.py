"""Writes contracts: from a shipped one, from a baseline of machines known good, or from a run of the very machine.

Each gives a ``Contract``; ``contract_text.text`` makes it a file for both parties to read, change and sign.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from fnmatch import fnmatchcase

from benchsuite import catalog, units
from benchsuite.accept import gates, regions
from benchsuite.accept.baseline import Baseline
from benchsuite.accept.contract import SCHEMA
from benchsuite.accept.needs import BACKENDS
from benchsuite.catalog import Accelerator, Form, gpus
from benchsuite.errors import DataError, UsageError
from benchsuite.model import (
    Case,
    Claim,
    Contract,
    Gate,
    Grounds,
    Heat,
    Kind,
    Learned,
    Metric,
    Region,
    Requirement,
    Rule,
    Scalar,
    Score,
    Weight,
)
from benchsuite.reportable import compromised

FROM_BASELINE = 0.03
"""A node is bad that lacks so much more than the tolerance limit lets a good one lack."""
FEWEST_RUNS = 3
MINUTES = 30.0
"""Of burn-in, unless something else is agreed."""
KINDS: Mapping[str, Kind] = {backend: kind for kind, backend in BACKENDS.items()}


@dataclass(frozen=True, slots=True)
class Terms:
    """What is agreed beside the numbers; ``None``: as it stands. good, bad: of every requirement."""

    name: str | None = None
    title: str | None = None
    provider: str | None = None
    devices: int | None = None
    nodes: int | None = None
    minutes: float | None = None
    good: float | None = None
    bad: float | None = None
    alpha: float | None = None
    beta: float | None = None
    retests: int | None = None
    seconds: float | None = None
    challenge: bool | None = None


def agreed(contract: Contract, terms: Terms) -> Contract:
    """The contract with these terms. What makes no sense is found when it is read."""
    told = {item.name: value for item in fields(terms) if (value := getattr(terms, item.name)) is not None}

    def part(*names: str) -> dict[str, object]:
        return {name: told[name] for name in names if name in told}

    margins = part("good", "bad")
    return replace(
        contract,
        **part("name", "title", "challenge"),  # type: ignore[arg-type]
        claim=replace(contract.claim, **part("provider", "devices", "nodes")),  # type: ignore[arg-type]
        rule=replace(contract.rule, **margins, **part("alpha", "beta", "retests")),  # type: ignore[arg-type]
        pace=replace(contract.pace, **part("seconds")),  # type: ignore[arg-type]
        heat=replace(contract.heat, **part("minutes")),  # type: ignore[arg-type]
        requirements=tuple(replace(one, **margins) for one in contract.requirements),  # type: ignore[arg-type]
        digest="",
        source="",
    )


def from_baseline(baseline: Baseline, digest: str, only: Sequence[str] = ()) -> Contract:
    """The contract that asks of a machine what those of the baseline do.

    reference: the median. good: what the tolerance limit lets a healthy machine lack, 2 % at least; bad: 3 % more.
    ``digest``: of the baseline's file. Of each case the fastest implementation is required.
    """
    usual = Rule()
    dates = " to ".join(dict.fromkeys(baseline.dates))
    source = f"baseline {baseline.name} ({digest[:12]}): median of {len(baseline.machines)} machines, {dates}"
    tasks = {(one.case, one.implementation): one for one in baseline.learnt}
    chosen = [tasks[key] for key in _fastest([(*key, one.metric, one.centre) for key, one in tasks.items()], only)]
    claim = _claim_of(baseline)
    names = _names([(one.case, one.implementation) for one in chosen])
    requirements = tuple(
        Requirement(
            name=name,
            benchmark=one.case.benchmark,
            axes=dict(one.case.params),
            implementation=one.implementation,
            metric=one.metric,
            reference=one.centre,
            grounds=Grounds.FLEET,
            source=source,
            good=(good := max(usual.good, round(one.lost, 4))),
            bad=round(good + FROM_BASELINE, 4),
        )
        for name, one in zip(names, chosen, strict=True)
    )
    learned = Learned(digest, baseline.machines)
    return _contract(
        baseline.name, f"{baseline.model}: like the machines of {baseline.name}", claim, requirements, learned
    )


def _claim_of(baseline: Baseline) -> Claim:
    kind = KINDS[baseline.backend]
    if kind is Kind.GPU:
        card = accelerator(baseline.hardware, baseline.model)
        return Claim(kind, card.key, processors=card.processors)
    return Claim(kind, literal(baseline.model), processors=int(baseline.cores or 0))


@dataclass(frozen=True, slots=True)
class Ran:
    """A run whose numbers a contract is made from. facts: of its machine."""

    id: str
    started: str
    backend: str
    facts: Mapping[str, Mapping[str, str]]
    scores: Sequence[Score]


def from_run(ran: Ran, only: Sequence[str] = ()) -> Contract:
    """The contract that asks of a machine what it did in an earlier run: it finds change, not a bad purchase.

    Raises ``DataError`` for a run with no clean number in three runs or more.
    """
    kind = KINDS.get(ran.backend)
    if kind is None:
        raise DataError(f"{ran.id} was measured by the backend {ran.backend}.", "Contracts are of GPUs and of hosts.")
    measured = [one for one in ran.scores if one.value is not None and one.case.ranks == 1]
    usable = {(one.case, one.implementation): one for one in measured if not _doubt(one)}
    if not usable:
        reason = next(map(_doubt, measured), "nothing was measured")
        raise DataError(
            f"No number of {ran.id} is clean: {reason}.", "Measure again on a quiet machine, in 3 runs or more."
        )
    told = [(*key, one.metric, one.value or 0.0) for key, one in usable.items()]
    chosen = [usable[key] for key in _fastest(told, only)]
    names = _names([(one.case, one.implementation) for one in chosen])
    requirements = tuple(
        Requirement(
            name=name,
            benchmark=one.case.benchmark,
            axes=dict(one.case.params),
            implementation=one.implementation,
            metric=one.metric,
            reference=one.value or 0.0,
            grounds=Grounds.OWN,
            source=f"run {ran.id} of this machine, {ran.started[:10]}: geometric mean of {one.runs} runs",
        )
        for name, one in zip(names, chosen, strict=True)
    )
    claim, region = _claimed(kind, ran)
    title = f"{claim.model}: no worse than in its run of {ran.started[:10]}"
    return _contract("own", title, claim, requirements, Learned(), region)


def _doubt(score: Score) -> str:
    """Why nothing should be required by this number, as a phrase, or nothing."""
    if score.runs < FEWEST_RUNS:
        return f"it comes from {score.runs} runs, fewer than {FEWEST_RUNS}"
    return next(iter(compromised(score)), "")


def _claimed(kind: Kind, ran: Ran) -> tuple[Claim, tuple[Region, ...]]:
    """What the run's machine calls itself, and within which region its identity lies."""
    if kind is Kind.GPU:
        gpu = ran.facts.get("gpu", {})
        card = accelerator("", gpu.get("name", ""), float(gpu.get("memory bytes", 0) or 0))
        return Claim(kind, card.key, processors=card.processors), regions.of(card)
    processor = ran.facts.get("processor", {})
    cores = int(processor.get("cores usable", "0") or 0)
    claim = Claim(kind, literal(processor.get("model", "") or "*"), processors=cores)
    return claim, regions.of_host(cores, regions.core_cache(processor), 0)


def accelerator(key: str, name: str = "", memory: float = 0.0) -> Accelerator:
    """The catalogue's accelerator of that key, or that the driver calls so. Raises ``DataError``."""
    known = catalog.load().accelerators
    if key in known:
        return known[key]
    found = gpus.named(name, memory, known=known.values())
    if found is None:
        raise DataError(f"The catalogue does not know {name or key or 'this GPU'}.", "See docs/catalog.md: add it.")
    return found


def literal(text: str) -> str:
    """A pattern (fnmatch) that only this text matches.

    >>> literal("AMD [x]*")
    'AMD [[]x][*]'
    """
    return re.sub(r"([\[*?])", r"[\1]", text)


def standard_gates(kind: Kind, card: Accelerator | None = None) -> tuple[Gate, ...]:
    """All gates of the kind with their usual weights; a consumer's card has no ECC that could be on."""
    found = {name: check.weight for name, check in gates.GATES.items() if kind in check.kinds}
    if card is not None and card.form is Form.CONSUMER and "ecc-mode" in found:
        found["ecc-mode"] = Weight.NOTE
    return tuple(Gate(name, weight) for name, weight in found.items())


def _contract(
    name: str,
    title: str,
    claim: Claim,
    requirements: tuple[Requirement, ...],
    learned: Learned,
    region: tuple[Region, ...] = (),
) -> Contract:
    card = catalog.load().accelerators[claim.model] if claim.kind is Kind.GPU else None
    return Contract(
        schema=SCHEMA,
        name=name,
        title=title,
        claim=claim,
        rule=Rule(),
        requirements=requirements,
        identity=region or (regions.of(card) if card else regions.of_host(claim.processors, 0, 0)),
        gates=standard_gates(claim.kind, card),
        heat=Heat(MINUTES),
        learned=learned,
    )


def _fastest(tasks: Iterable[tuple[Case, str, Metric, float]], only: Sequence[str]) -> list[tuple[Case, str]]:
    """Of each case that ``only`` asks for the best implementation. Raises ``UsageError`` when nothing is left."""
    best: dict[Case, tuple[str, float]] = {}
    for case, implementation, metric, value in tasks:
        goodness = value if metric.higher_is_better else -value
        name = f"{case.key} [{implementation}]"
        wanted = not only or any(fnmatchcase(name, f"*{word}*") for word in map(_quoted, only))
        if wanted and (case not in best or goodness > best[case][1]):
            best[case] = implementation, goodness
    if not best:
        raise UsageError("Nothing clean in it matches --only: there is nothing to require.", "Use other words.")
    return [(case, best[case][0]) for case in sorted(best, key=lambda one: one.key)]


def _quoted(word: str) -> str:
    """A word of --only, in which only ``*`` and ``?`` are patterns: names of tasks hold brackets."""
    return word.replace("[", "[[]")


def _short(name: str, value: Scalar) -> str:
    """A parameter's value in a name: ``256MiB``."""
    if name == "bytes" and isinstance(value, int):
        return units.size(value).replace(units.NO_BREAK_SPACE, "")
    return str(value)


def _names(tasks: Sequence[tuple[Case, str]]) -> list[str]:
    """A short name for each task, unique among them."""
    found: list[str] = []
    for case, _ in tasks:
        words = "-".join([case.benchmark, *(_short(*param) for param in case.params)]).lower()
        plain = re.sub(r"[^a-z0-9.]+", "-", words).strip("-.")[:70]
        name, number = plain, 2
        while name in found:
            name, number = f"{plain}-{number}", number + 1
        found.append(name)
    return found
