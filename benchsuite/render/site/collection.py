"""Publications one after the other -> what lists and populations need of them, in little memory.

A publication of a hundred results takes some 300 kB as objects, and 8 kB here: a site of ten thousand machines is built
from columns of numbers, and each publication is read again when its page is written.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from benchsuite.comparability import kind
from benchsuite.model import Case, Exhibit, Level, Metric, Offer, Origin, Roof, Score, Status, Work
from benchsuite.publication import model
from benchsuite.render.site import paths
from benchsuite.render.words import clean, family, parameters
from benchsuite.reportable import compromised

SIMULATED = "fake"
"""The backend whose times come from a script."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One publication in short.

    slug: the name of its page; type: of its hardware's page; machine: of its machine's; provider: of its provider's,
    empty without one.
    """

    id: str
    slug: str
    label: str
    name: str
    type: str
    hardware: str
    machine: str
    provider: str
    offer: Offer | None
    devices: int
    started: str
    suite: str
    planned: int
    origin: Origin
    level: Level
    signer: str
    tool: str
    source: str
    backend: str
    counts: Mapping[Status, int]
    roof: Roof

    @property
    def scope(self) -> tuple[str, int]:
        """The suite and how many of its tasks were meant: a part of a suite supersedes no whole one."""
        return self.suite, self.planned

    @property
    def simulated(self) -> bool:
        """Whether its times come from a script, not from a machine."""
        return self.backend == SIMULATED

    @property
    def populates(self) -> bool:
        """Whether it belongs to populations: neither a script's times nor figures that were published elsewhere."""
        return not self.simulated and self.origin is not Origin.PUBLISHED

    @property
    def day(self) -> str:
        """The date of the campaign (UTC)."""
        return self.started[:10]

    @property
    def usd(self) -> float | None:
        """Dollars an hour for one device, as the campaign was told."""
        return self.offer.usd_per_device_hour if self.offer else None

    @property
    def voice(self) -> str:
        """Who says so: the signer, else where the machine was rented, else where the numbers stand."""
        return self.signer or (clean(self.offer.provider) if self.offer else "") or self.source


@dataclass(frozen=True, slots=True)
class How:
    """By which implementation, from which library, and what ``comparability.kind`` looks at, as ``mode`` and alone."""

    implementation: str
    library: str
    backend: str
    cache: str
    sync: str
    mode: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Measured:
    """One case, and what each publication gave in it: the best verified implementation of each, in columns.

    entries: numbers of the publications; how: numbers of ``Collection.ways``; sound: 1 unless something compromised the
    number; runs: the runs' values one after the other, of which those of position i end before ``ends[i]``.
    """

    key: str
    slug: str
    benchmark: str
    family: str
    words: str
    case: Case
    metric: Metric
    work: Work
    entries: array[int] = field(default_factory=lambda: array("l"))
    values: array[float] = field(default_factory=lambda: array("d"))
    lows: array[float] = field(default_factory=lambda: array("d"))
    highs: array[float] = field(default_factory=lambda: array("d"))
    how: array[int] = field(default_factory=lambda: array("l"))
    sound: array[int] = field(default_factory=lambda: array("b"))
    runs: array[float] = field(default_factory=lambda: array("d"))
    ends: array[int] = field(default_factory=lambda: array("l"))

    @property
    def title(self) -> str:
        """``"Memory bandwidth, triad 1 GiB"``."""
        return f"{self.family}, {self.words}" if self.words else self.family

    def run_values(self, position: int) -> tuple[float, ...]:
        """The runs behind the number at a position."""
        return tuple(self.runs[self.ends[position - 1] if position else 0 : self.ends[position]])


Identity = tuple[str, Metric]
"""What tells cases apart: benchmark with parameters and ranks, and what its number means."""


@dataclass(slots=True)
class Collection:
    """All publications of a site in short. ``ways``: how numbers came about, as ``Measured.how`` counts them."""

    entries: list[Entry] = field(default_factory=list)
    cases: dict[Identity, Measured] = field(default_factory=dict)
    ways: list[How] = field(default_factory=list)
    type_names: dict[str, str] = field(default_factory=dict)
    provider_names: dict[str, str] = field(default_factory=dict)
    _numbers: dict[How, int] = field(default_factory=dict)

    def add(self, exhibit: Exhibit, slug: str) -> Entry:
        """One more publication; its numbers are kept if it populates."""
        entry = _entry(exhibit, slug)
        self.entries.append(entry)
        self.type_names[entry.type] = min(entry.name, self.type_names.get(entry.type, entry.name))
        if entry.provider and entry.offer:
            self.provider_names[entry.provider] = clean(entry.offer.provider)
        if entry.populates:
            for score in best(exhibit.publication.results):
                self._put(len(self.entries) - 1, score)
        return entry

    def case(self, score: Score) -> Measured | None:
        """The case that a score belongs to; ``None`` where no publication has a verified number for it."""
        return self.cases.get((score.case.key, score.metric))

    def _put(self, number: int, score: Score) -> None:
        identity = score.case.key, score.metric
        into = self.cases.get(identity)
        if into is None:
            into = self.cases[identity] = _measured(score)
        value = score.value or 0.0
        into.entries.append(number)
        into.values.append(value)
        into.lows.append(value if score.low is None else score.low)
        into.highs.append(value if score.high is None else score.high)
        into.how.append(self._way(_how(score)))
        into.sound.append(not compromised(score))
        into.runs.extend(score.run_values)
        into.ends.append(len(into.runs))

    def _way(self, how: How) -> int:
        if how not in self._numbers:
            self._numbers[how] = len(self.ways)
            self.ways.append(how)
        return self._numbers[how]


def best(results: tuple[Score, ...]) -> Iterator[Score]:
    """The best verified number of each case: what the machine gives, whoever computes it."""
    found: dict[Identity, Score] = {}
    for score in results:
        if score.status is not Status.OK or not score.value or not 0.0 < score.value < float("inf"):
            continue
        identity = score.case.key, score.metric
        rival = found.get(identity)
        if rival is None or not rival.value or (score.value > rival.value) == score.metric.higher_is_better:
            found[identity] = score
    return iter(found.values())


def _how(score: Score) -> How:
    implementation, library = clean(score.implementation), clean(score.provider)
    return How(implementation, library, clean(score.backend), clean(score.cache), clean(score.sync), kind(score))


def _measured(score: Score) -> Measured:
    case, words = score.case, parameters(score.case)
    name = family(case.benchmark)
    slug = paths.of_case(f"{case.benchmark} {words}", case.key, score.metric)
    return Measured(case.key, slug, case.benchmark, name, words, case, score.metric, score.work)


def _entry(exhibit: Exhibit, slug: str) -> Entry:
    told = exhibit.publication
    machine, offer = told.machine, told.offer
    return Entry(
        id=told.id,
        slug=slug,
        label=clean(exhibit.label),
        name=clean(model(machine)),
        type=paths.slug(machine.hardware or model(machine)),
        hardware=machine.hardware,
        machine=paths.slug(machine.id) if machine.id else f"~{slug}",
        provider=paths.slug(offer.provider) if offer and offer.provider else "",
        offer=offer,
        devices=machine.devices,
        started=clean(told.started),
        suite=clean(told.suite),
        planned=told.planned,
        origin=told.origin,
        level=exhibit.level,
        signer=clean(exhibit.signer),
        tool=clean(told.tool),
        source=clean(told.source),
        backend=told.backend,
        counts={status: sum(score.status is status for score in told.results) for status in Status},
        roof=told.roof,
    )
