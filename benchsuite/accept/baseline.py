"""Learned references: what a fleet that is known good does, with a tolerance limit for the next healthy machine.

    publications of runs -> build -> Baseline -> write -> read -> proposal.from_baseline

A baseline is only as good as its machines: it is refused when one of them stands apart, was disturbed, or is another
model. It carries their pseudonyms, so that no machine is judged by what was learned from itself.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from benchsuite import reading
from benchsuite.comparability import kind, valueless
from benchsuite.errors import DataError, NewerError
from benchsuite.model import Case, Metric, Origin, Publication, Score, Status
from benchsuite.reportable import compromised
from benchsuite.statistics import tolerance

SCHEMA = 1
LIMITS = reading.Limits(size=32 << 20, line=32 << 20, values=2_000_000)
FEWEST_RUNS = 3
"""Of each machine: fewer do not tell a machine from the mood of a day."""
WIDEST = 0.03
"""Spread between healthy machines of one model (a log) beyond which they are no one population."""
ABOVE_PAPER = 1.05
"""No machine exceeds its datasheet by more: then it is another model."""
PSEUDONYM = re.compile(r"[0-9a-f]{16}")
ALPHA = 0.01
"""Chance that a healthy fleet is refused because one machine seems to stand apart, over all its tasks."""


@dataclass(frozen=True, slots=True)
class Learnt:
    """What one task does on the machines of a baseline. values: in the order of ``Baseline.machines``.

    centre: their median; limit: lower tolerance limit of the next healthy machine (upper, where less is better), both
    in the metric's unit. spread, factor: as in ``tolerance.Limit``.
    """

    case: Case
    implementation: str
    metric: Metric
    values: tuple[float, ...]
    centre: float
    spread: float
    factor: float
    limit: float

    @property
    def name(self) -> str:
        """The task, as the rest of benchsuite writes it."""
        return f"{self.case.key} [{self.implementation}]"

    @property
    def lost(self) -> float:
        """The part of the median that a healthy machine may lack."""
        return 1.0 - math.exp(-self.factor * self.spread)


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a fleet known good does.

    hardware: key in the catalogue, model: name; cores: usable ones of a host. machines: pseudonyms; runs: the
    publications or campaigns, one of each machine; dates: of the first and the last of them. code, drivers: what
    measured. left_out: why tasks or machines are not in it, each a sentence.
    """

    schema: int
    name: str
    hardware: str
    model: str
    backend: str
    machines: tuple[str, ...]
    runs: tuple[str, ...]
    dates: tuple[str, str]
    learnt: tuple[Learnt, ...]
    cores: str = ""
    version: str = ""
    code: str = ""
    drivers: tuple[str, ...] = ()
    content: float = tolerance.CONTENT
    confidence: float = tolerance.CONFIDENCE
    left_out: tuple[str, ...] = ()


def build(publications: Iterable[Publication], name: str, without: Sequence[str] = ()) -> Baseline:
    """The baseline of these runs: of each machine its latest.

    ``without``: machines or runs that are left out after a review, by pseudonym or id; the file says so.
    Raises ``DataError`` for a fleet that is not one: too small, of several models or versions, disturbed, with a wrong
    result, or with a machine that stands apart.
    """
    found = _latest(publications, without)
    if not tolerance.FEWEST <= len(found) <= tolerance.MOST:
        of = f"{len(found)} machine{'' if len(found) == 1 else 's'}"
        message = f"There are runs of {of}; a baseline takes {tolerance.FEWEST} to {tolerance.MOST}."
        raise DataError(message, "Measure more machines that are known good, each once.")
    _one_population(found)
    tasks, left_out = _tasks(found)
    learnt = tuple(_learnt(scores) for scores in tasks)
    _healthy(found, learnt)
    first, last = min(one.started for one in found), max(one.started for one in found)
    drivers = {one.machine.facts.get("gpu", {}).get("driver", "") for one in found} - {""}
    return Baseline(
        schema=SCHEMA,
        name=reading.identifier(name),
        hardware=found[0].machine.hardware,
        model=found[0].machine.name,
        backend=found[0].backend,
        machines=tuple(one.machine.id for one in found),
        runs=tuple(one.id for one in found),
        dates=(first[:10], last[:10]),
        learnt=learnt,
        cores=_cores(found[0]),
        version=found[0].version,
        code=found[0].code,
        drivers=tuple(sorted(drivers)),
        left_out=(*left_out, *(f"{one} was left out when the baseline was made." for one in without)),
    )


def _latest(publications: Iterable[Publication], without: Sequence[str]) -> list[Publication]:
    """The last run of each machine, in the order of their pseudonyms."""
    found: dict[str, Publication] = {}
    for one in sorted(publications, key=lambda each: (each.started, each.id)):
        if one.machine.id in without or one.id in without:
            continue
        if one.origin is not Origin.MEASURED or one.backend == "fake":
            raise DataError(f"{one.id} was not measured by benchsuite.", "Leave it out.")
        if not PSEUDONYM.fullmatch(one.machine.id):
            raise DataError(f"{one.id} does not say on which machine it was measured.", "Leave it out.")
        found[one.machine.id] = one
    return [found[machine] for machine in sorted(found)]


def _cores(one: Publication) -> str:
    return one.machine.facts.get("processor", {}).get("cores usable", "") if one.backend == "host" else ""


def _one_population(found: Sequence[Publication]) -> None:
    """Refuse what cannot be one population. Raises ``DataError``."""
    told: Mapping[str, set[str]] = {
        "models": {one.machine.hardware or one.machine.name for one in found},
        "numbers of cores": {_cores(one) for one in found},
        "backends": {one.backend for one in found},
        "versions of benchsuite": {one.code for one in found},
    }
    for what, values in told.items():
        if len(values) > 1:
            listed = ", ".join(sorted(value or "unknown" for value in values)[:4])
            raise DataError(f"These runs are of {len(values)} {what}: {listed}.", "Make a baseline of each.")


def _tasks(found: Sequence[Publication]) -> tuple[list[list[Score]], list[str]]:
    """The scores of each task that every machine has, in the order of ``found``; and what was left out, sentences."""
    by_task: dict[tuple[str, ...], dict[int, Score]] = {}
    for number, one in enumerate(found):
        for score in one.results:
            if score.status is Status.REJECTED:
                message = f"{one.machine.id} gave a wrong result ({score.case.key}): it is not known good."
                raise DataError(message, f"Leave it out: --without {one.machine.id}")
            if not valueless(score):
                by_task.setdefault((score.case.key, score.implementation, *kind(score)), {})[number] = score
    whole = {task: scores for task, scores in by_task.items() if len(scores) == len(found)}
    missing = sorted(f"{task[0]} [{task[1]}]" for task in by_task.keys() - whole.keys())
    if not whole:
        raise DataError("There is no task that every machine has measured.", "Measure the same suite on each.")
    return [[whole[task][number] for number in range(len(found))] for task in sorted(whole)], [
        f"{task} was not measured on every machine." for task in missing
    ]


def _learnt(scores: Sequence[Score]) -> Learnt:
    first = scores[0]
    values = tuple(score.value or math.nan for score in scores)
    sign = 1.0 if first.metric.higher_is_better else -1.0
    found = tolerance.lower([sign * math.log(value) for value in values])
    return Learnt(
        case=first.case,
        implementation=first.implementation,
        metric=first.metric,
        values=values,
        centre=math.exp(sign * found.centre),
        spread=found.spread,
        factor=found.factor,
        limit=math.exp(sign * found.limit),
    )


def _healthy(found: Sequence[Publication], learnt: Sequence[Learnt]) -> None:
    """Refuse a fleet with a machine that was disturbed, too slow to be healthy, or too fast to be of this model."""
    tasks = {(one.case, one.implementation) for one in learnt}
    for machine in found:
        for score in machine.results:
            problem = _disqualified(score) if (score.case, score.implementation) in tasks else ""
            if problem:
                message = f"{machine.machine.id}: {score.case.key} [{score.implementation}] {problem}."
                raise DataError(message, f"Measure it again, or leave it out: --without {machine.machine.id}")
    for one in learnt:
        if one.spread > WIDEST:
            message = f"The machines differ by {one.spread:.1%} (a standard deviation) at {one.name}."
            raise DataError(message, "That is no one population: find out why before learning from it.")
    for one in learnt:
        for number in tolerance.outliers([math.log(value) for value in one.values], ALPHA / len(learnt)):
            machine_id = found[number].machine.id
            apart = one.values[number] / one.centre - 1.0
            message = f"{machine_id} stands apart ({apart:+.1%}) at {one.name}: this fleet is not known good."
            raise DataError(message, f"Find out why; then mend it, or leave it out: --without {machine_id}")


def _disqualified(score: Score) -> str:
    """Why a number is no reference, as a phrase, or nothing."""
    if score.runs < FEWEST_RUNS:
        return f"was measured in {score.runs} runs, fewer than {FEWEST_RUNS}"
    if reasons := compromised(score):
        return f"was disturbed: {reasons[0]}"
    if score.of_datasheet is not None and score.of_datasheet > ABOVE_PAPER:
        return f"is {score.of_datasheet:.0%} of the datasheet's figure: it is another model"
    return ""


def encode(baseline: Baseline) -> bytes:
    """The file of a baseline."""
    return msgspec.json.format(msgspec.json.encode(baseline), indent=1) + b"\n"


def read(path: Path) -> tuple[Baseline, str]:
    """A baseline's file, and the SHA-256 of its bytes.

    Raises ``DataError`` when it cannot be read, or its limits do not follow from its values.
    """
    data = reading.content(path, LIMITS)
    try:
        found = reading.value(data, Baseline, LIMITS)
        if found.schema > SCHEMA:
            raise NewerError(f"It has schema {found.schema}; this benchsuite knows up to {SCHEMA}.", "Use a newer one.")
        if problem := next(_problems(found), ""):
            raise DataError(f"{problem}.", "The file was edited: make it again from its runs.")
    except DataError as error:
        raise type(error)(f"The baseline {path.name} cannot be used. {error.message}", error.remedy) from error
    return found, hashlib.sha256(data).hexdigest()


def _problems(found: Baseline) -> Iterator[str]:
    """Why a baseline's numbers cannot be what was learned, each a phrase."""
    if not found.learnt or len(set(found.machines)) != len(found.machines) or len(found.machines) > tolerance.MOST:
        yield "It has no tasks, a machine twice, or too many"
        return
    if (found.content, found.confidence) != (tolerance.CONTENT, tolerance.CONFIDENCE):
        yield "Its limits have another content or confidence"
    for one in found.learnt:
        if len(one.values) != len(found.machines) or not all(0.0 < value < math.inf for value in one.values):
            yield f"{one.name} has no positive value of each machine"
            return
        sign = 1.0 if one.metric.higher_is_better else -1.0
        try:
            again = tolerance.lower([sign * math.log(value) for value in one.values])
        except ValueError as error:
            yield f"{one.name}: {error}"
            return
        pairs = ((one.centre, math.exp(sign * again.centre)), (one.limit, math.exp(sign * again.limit)))
        derived = (*pairs, (one.spread, again.spread), (one.factor, again.factor))
        if not all(math.isclose(stated, meant, rel_tol=1e-3) for stated, meant in derived):
            yield f"The limit of {one.name} does not follow from its values"
