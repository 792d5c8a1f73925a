"""What a number can be set against: published figures of the hardware, and the same task on other such machines.

Only a machine of the same model counts, never the one that is judged, and of each machine only its latest number.
What was left out is told with its reason: a reader must see which part of a pile was used.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from benchsuite.catalog.published import Figure, Role, quantity_of
from benchsuite.catalog.rows import Basis
from benchsuite.comparability import kind, valueless
from benchsuite.model import Exhibit, Machine, Metric, Origin, Publication, Score
from benchsuite.normalize import card
from benchsuite.reportable import compromised

Name = TypeVar("Name", str, tuple[str, ...])
Task = tuple[str, ...]
"""What was measured and how: scores of one task measure the same thing."""


class Kind(StrEnum):
    """Where a reference value comes from. A published one has no samples behind it that could be looked at."""

    PUBLISHED = "published"
    MEASURED = "measured"


@dataclass(frozen=True, slots=True)
class Value:
    """One reference value in SI units. source: who says so; machine: whose it is, of measured ones.

    tool, shape, software: how it was measured, as far as that is told (``shape`` with the links that it went over);
    remembered: whether whoever collected it wrote it down from memory.
    """

    value: float
    kind: Kind
    source: str
    as_of: str = ""
    tool: str = ""
    shape: str = ""
    software: str = ""
    machine: str = ""
    remembered: bool = False

    @property
    def voice(self) -> str:
        """Who speaks, in short: several files of one repository are one source."""
        return publisher(self.source) if self.kind is Kind.PUBLISHED else self.source


@dataclass(frozen=True, slots=True)
class Hardware:
    """A model of hardware: its key in the catalogue (empty where that knows none) and its name.

    clock: the boost clock in Hz; watts: the board's power limit; cores: of a processor, how many could be used, since
    a slice of a processor is another machine. id: the machine that is judged, which is never its own reference.
    """

    key: str
    name: str
    clock: float | None = None
    watts: float | None = None
    cores: str = ""
    id: str = ""

    def of_model(self, other: Hardware) -> bool:
        """Whether the other is the same model, whichever machine it is."""
        if self.key or other.key:
            return self.key == other.key
        return _plain(self.name) == _plain(other.name)


@dataclass(frozen=True, slots=True)
class Reference:
    """All that is known of one model. published: by quantity; measured: by task. Each lowest first.

    left_out: why exhibits were not used, each a phrase, with how many.
    """

    hardware: Hardware
    published: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)
    measured: Mapping[Task, tuple[Value, ...]] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)

    def figures(self, score: Score) -> tuple[Value, ...]:
        """Published figures of what the score measures; none for a processor's work beside an accelerator's."""
        return () if score.backend in {"host", "fake"} else self.published.get(quantity(score), ())

    def alike(self, score: Score) -> tuple[Value, ...]:
        """The same task on other machines of the model."""
        return self.measured.get(task(score), ())


def publisher(source: str) -> str:
    """Who published it, from the text that says where it stands.

    >>> publisher("github:owner/name@1c36d50 folder/file.txt"), publisher("https://example.org/a/b (the table)")
    ('owner/name', 'example.org')
    """
    word = source.split(maxsplit=1)[0] if source.strip() else ""
    if word.startswith("github:"):
        return word.removeprefix("github:").partition("@")[0]
    if word.startswith("https://github.com/"):
        return word.removeprefix("https://github.com/")
    if word.startswith("https://"):
        return word.removeprefix("https://").partition("/")[0]
    return source.partition(", ")[0].partition(" (")[0].strip()


def quantity(score: Score) -> str:
    """What the score can be compared at with other people's figures; empty where with none.

    ``normalize`` gives a memory ceiling only to what lies far beyond every cache: nothing else is memory bandwidth.
    """
    if score.metric is Metric.BANDWIDTH and score.ceiling is None:
        return ""
    return quantity_of(score.case, score.metric) or ""


def task(score: Score) -> Task:
    """The same case by the same implementation, in the same mode."""
    return score.case.key, score.implementation, *kind(score)


def hardware(facts: Mapping[str, Mapping[str, str]], machine: str = "") -> Hardware:
    """The model that a campaign's facts name: its card, else its processor."""
    found, gpu, processor = card(facts), facts.get("gpu", {}), facts.get("processor", {})
    if found is not None:
        return Hardware(found.gpu.key, found.gpu.name, found.gpu.clock or None, found.gpu.watts, id=machine)
    if gpu.get("name"):
        return Hardware("", gpu["name"], id=machine)
    return Hardware("", processor.get("model", ""), cores=processor.get("cores usable", ""), id=machine)


def _hardware(machine: Machine) -> Hardware:
    cores = "" if "gpu" in machine.facts else machine.facts.get("processor", {}).get("cores usable", "")
    return Hardware(machine.hardware, machine.name, cores=cores, id=machine.id)


def reference(
    figures: Iterable[Figure], exhibits: Iterable[Exhibit | Publication], judged: Hardware | str
) -> Reference:
    """All that these figures and records say of a model. ``judged``: the hardware, or its name.

    A threshold of somebody's health check, what somebody expects and what a sick machine gave are no population.
    """
    model = Hardware("", judged) if isinstance(judged, str) else judged
    left_out: dict[str, int] = {}
    used: dict[str, Exhibit] = {}
    for given in exhibits:
        exhibit = given if isinstance(given, Exhibit) else Exhibit(given, "")
        publication = exhibit.publication
        if reason := _unusable(publication, model):
            left_out[reason] = left_out.get(reason, 0) + 1
            continue
        owner = publication.machine.id or publication.id
        rival = used.get(owner)
        if rival is None or _age(exhibit) > _age(rival):
            used[owner] = exhibit
    told = [*_published(figures, model), *_imported(used.values())]
    return Reference(model, _grouped(told), _grouped(_measured(used.values())), left_out)


def _unusable(publication: Publication, judged: Hardware) -> str:
    """Why a publication says nothing of this model, as a phrase, or nothing."""
    found = _hardware(publication.machine)
    if not judged.of_model(found):
        return "of another model"
    if judged.id and found.id == judged.id:
        return "of this very machine: benchsuite compare sets it against its own past"
    if judged.cores and found.cores and judged.cores != found.cores:
        return "with another number of cores"
    if publication.origin is Origin.PUBLISHED:
        return "only repeating published figures, which the catalogue has"
    return "with scripted time" if publication.backend == "fake" else ""


def _published(figures: Iterable[Figure], judged: Hardware) -> Iterator[tuple[str, Value]]:
    for one in figures:
        if judged.key and one.hardware == judged.key and one.role is Role.MEASURED and one.quantity:
            how = (one.benchmark, ", ".join(filter(None, (one.shape, one.fabric))), one.software)
            memory = one.basis is Basis.MEMORY
            yield one.quantity, Value(one.value, Kind.PUBLISHED, one.source, one.as_of, *how, remembered=memory)


def _imported(exhibits: Iterable[Exhibit]) -> Iterator[tuple[str, Value]]:
    """Other tools' output from such machines: figures like published ones, since the task is never quite ours."""
    for exhibit in exhibits:
        publication = exhibit.publication
        for score in publication.results if publication.origin is Origin.IMPORTED else ():
            name, value = quantity(score), score.value
            if name and value is not None and not valueless(score):
                who = (_voice(exhibit) or publication.tool, publication.started[:10])
                yield name, Value(value, Kind.PUBLISHED, *who, publication.tool, score.case.key, score.provider)


def _measured(exhibits: Iterable[Exhibit]) -> Iterator[tuple[Task, Value]]:
    for exhibit in exhibits:
        publication = exhibit.publication
        for score in publication.results if publication.origin is Origin.MEASURED else ():
            if score.value is None or valueless(score) or compromised(score):
                continue
            who = (_voice(exhibit), publication.started[:10])
            how = (publication.tool, score.case.key, score.provider)
            machine = publication.machine.id or publication.id
            yield task(score), Value(score.value, Kind.MEASURED, *who, *how, machine)


def _grouped(values: Iterable[tuple[Name, Value]]) -> dict[Name, tuple[Value, ...]]:
    """The values of each name, lowest first."""
    found: dict[Name, list[Value]] = {}
    for name, value in values:
        found.setdefault(name, []).append(value)
    return {name: tuple(sorted(each, key=_order)) for name, each in found.items()}


def _order(one: Value) -> tuple[float, str, str]:
    return one.value, one.source, one.machine


def _age(exhibit: Exhibit) -> tuple[str, str]:
    return exhibit.publication.started, exhibit.publication.id


def _voice(exhibit: Exhibit) -> str:
    """Who says so: the signer, else where the machine was rented. Records without either are of one unknown source."""
    offer = exhibit.publication.offer
    return exhibit.signer or (offer.provider if offer else "") or exhibit.publication.source


def _plain(name: str) -> str:
    return " ".join(name.lower().split())
