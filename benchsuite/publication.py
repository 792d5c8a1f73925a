"""A campaign -> what the world may see of it, and back: the public record, its samples, and what stays at home.

What leaves is settled in one table (``allowlist``); what comes back from elsewhere is looked at number by number
(``plausible``).
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from benchsuite import allowlist, reading, suite, worth
from benchsuite.allowlist import CAVEATS, UNKNOWN
from benchsuite.errors import DataError, NewerError
from benchsuite.model import (
    PUBLIC_SCHEMA,
    Exhibit,
    Machine,
    Offer,
    Origin,
    Publication,
    Record,
    Roof,
    Samples,
    Score,
    Status,
)
from benchsuite.normalize import Ceilings, card
from benchsuite.plausible import Vetted, in_our_words, vet
from benchsuite.store import Campaign, Loaded

LIMITS = reading.Limits(size=8 << 20, depth=8, text=2000, values=200_000)
"""Of a publication's file."""
OWN = "own"
"""What a suite is called in public that is not one of ours: its name was given by a person."""
SAMPLES = ".samples.jsonl"
"""What the file of a publication's samples is called, after the publication's id."""


@dataclass(frozen=True, slots=True)
class Version:
    """The part of a publication that says which format it has."""

    schema: int


def of(
    campaign: Campaign,
    scores: Sequence[Score],
    ceilings: Ceilings,
    digest: str = "",
    offer: Offer | None = None,
    samples: str = "",
) -> Publication:
    """The public part of a campaign.

    scores: all of it, skips included, as ``normalize.scores`` made them; digest, samples: SHA-256 of the raw records
    and of ``encode_samples`` of them; offer: where the machine was rented, as its user wants it told.
    """
    return Publication(
        schema=PUBLIC_SCHEMA,
        id=public_id(campaign),
        origin=Origin.MEASURED,
        machine=machine(campaign),
        started=campaign.started,
        suite=_suite(campaign),
        results=tuple(made for score in scores if (made := _public(score))),
        version=campaign.version,
        code=campaign.code,
        backend=campaign.backend,
        runs=campaign.plan.policy.runs,
        roof=allowlist.cut(Roof(dict(ceilings.flops), ceilings.bandwidth)),
        offer=allowlist.cut(offer) if offer else None,
        digest=digest,
        samples=samples,
        planned=len(campaign.plan.tasks) + len(campaign.plan.skips),
    )


def public_id(campaign: Campaign) -> str:
    """What a campaign is called in public: its id, without the name of a suite that is not one of ours."""
    if _suite(campaign) != OWN:
        return reading.identifier(campaign.id)
    parts = re.fullmatch(r"(\d{8}-\d{6})-.*-([0-9a-f]{4})", campaign.id, re.DOTALL)
    return f"{parts[1]}-{OWN}-{parts[2]}" if parts else digest(campaign.id.encode())[:16]


def _suite(campaign: Campaign) -> str:
    return campaign.suite.name if campaign.suite.name in suite.available() else OWN


def machine(campaign: Campaign) -> Machine:
    """The machine of a campaign, with the facts that may leave. Its id is a keyed pseudonym (``identity.machine``)."""
    facts = allowlist.facts(campaign.facts)
    found = card(campaign.facts)
    kind = "GPU" if "gpu" in campaign.facts else "processor"
    name = facts.get("gpu", {}).get("name", "") if kind == "GPU" else facts.get("processor", {}).get("model", "")
    key = found.gpu.key if found else ""
    return Machine(campaign.machine or "unknown-machine", name or f"unknown {kind}", key, 1, facts)


def _public(score: Score) -> Score | None:
    """A score with our own words only; ``None`` for a case whose names hold what could identify somebody."""
    made: Score = allowlist.cut(score)
    return in_our_words(replace(made, caveats=score.caveats)) if _named(score) else None


def _named(told: Score | Record) -> bool:
    """Whether the names of its case and its implementation may leave."""
    return (allowlist.cut(told.case), allowlist.word(told.implementation)) == (told.case, told.implementation)


def encode(publication: Publication) -> bytes:
    """The canonical JSON of a publication: sorted names, nothing that has its default, so that the same publication
    has the same digest."""
    exact = msgspec.convert(msgspec.to_builtins(publication), Publication)  # a whole number where a real one belongs
    return msgspec.json.encode(_sparse(exact), order="sorted") + b"\n"


PLAIN = frozenset({str, int, float, bool, type(None)})
"""What JSON has itself."""


def _sparse(value: Any) -> Any:
    if type(value) in PLAIN:
        return value
    if is_dataclass(value):
        told = ((name, getattr(value, name), usual) for name, usual in _defaults(value.__class__).items())
        return {name: _sparse(one) for name, one, usual in told if one != usual}
    if isinstance(value, tuple):
        return [_sparse(one) for one in value]
    if isinstance(value, Mapping):
        return {name: _sparse(one) for name, one in value.items()}
    return value.value if isinstance(value, Enum) else value


@cache
def _defaults(kind: type) -> Mapping[str, Any]:
    """Each field's default; a value that nothing equals where it has none."""
    return {
        one.name: one.default_factory() if one.default_factory is not MISSING else one.default for one in fields(kind)
    }


def encode_samples(records: Iterable[Record]) -> bytes:
    """Every timed interval behind the results, for all to see: a line of JSON for each task of each run.

    case, implementation, run; and of the samples: seconds: per iteration; iterations: of one sample; starts: when each
    began, in seconds after the first warm-up sample; annotations: their numbers by the condition that touched them.
    """
    lines = (_sample_line(record) for record in records if record.status is Status.OK and _named(record))
    return b"".join(msgspec.json.encode(line, order="sorted") + b"\n" for line in lines)


def _sample_line(record: Record) -> dict[str, Any]:
    return allowlist.kept(record) | {"case": record.case.key, "samples": allowlist.kept(record.samples)}


def digest(data: bytes) -> str:
    """What a publication and a signature note of a file."""
    return hashlib.sha256(data).hexdigest()


def read(path: Path) -> Publication:
    """A publication's file without what cannot be true of it (``vetted`` names that). Raises ``DataError``."""
    return vetted(path).publication


def vetted(path: Path) -> Vetted:
    """A publication's file, and what had to be left out of it. Raises ``DataError`` when nothing of it can be used."""
    try:
        data = reading.content(path, LIMITS)
        return replace(vet(decode(data)), digest=digest(data))
    except NewerError:
        raise
    except DataError as error:
        raise DataError(f"{path} is no publication that can be used. {error.message}", error.remedy) from error


def decode(data: bytes) -> Publication:
    """The publication in these bytes. Raises ``DataError``, ``NewerError`` when a newer benchsuite wrote it."""
    try:
        found = reading.value(data, Publication, LIMITS)
    except DataError:
        _refuse_newer(_version(data))
        raise
    _refuse_newer(found.schema)
    return found


def _version(data: bytes) -> int:
    try:
        return msgspec.json.decode(data, type=Version).schema
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return PUBLIC_SCHEMA


def _refuse_newer(schema: int) -> None:
    if schema > PUBLIC_SCHEMA:
        message = f"It has schema {schema}; this benchsuite knows schemas up to {PUBLIC_SCHEMA}."
        raise NewerError(message, "Read it with a newer benchsuite (pip install --upgrade benchsuite).")


def leaving(loaded: Loaded) -> list[str]:
    """What would leave this machine (``+``, with its value) and what stays (``-``, with the reason), a line each."""
    return [*_told(loaded), *_facts(loaded.campaign), *_fields(loaded.records)]


def _told(loaded: Loaded) -> Iterator[str]:
    campaign = loaded.campaign
    yield f"+ started {campaign.started}, benchsuite {campaign.version}, code {campaign.code}, {campaign.backend}"
    yield f"+ id {public_id(campaign)}, suite {_suite(campaign)}"
    if _suite(campaign) == OWN:
        yield "- suite's name and title: a person wrote them"
    yield f"+ machine {campaign.machine}: a name that only this host can make again"
    yield "- command, seed, order and the suite's text: nobody needs them to read the results"


def _facts(campaign: Campaign) -> Iterator[str]:
    offer = worth.offer_of(campaign.facts)
    told = allowlist.kept(offer) if offer else {}
    yield from (f"+ offer: {name} = {value}" for name, value in told.items() if value not in {"", None})
    for section, values in sorted(campaign.facts.items()):
        for name, value in sorted(values.items()):
            if kept := allowlist.fact(section, name, value):
                yield f"+ {section}: {name} = {kept}"
            elif section != "offer" or name == "place from":
                named = name in allowlist.FACTS.get(section, {})
                reason = "its value has another form than such a fact has" if named else "not on the list"
                yield f"- {section}: {reading.printable(name)[:60]}: {reason}"


def _fields(records: Sequence[Record]) -> Iterator[str]:
    tasks = {(record.case.key, record.implementation) for record in records if _named(record)}
    names = {f"{record.case.benchmark} [{record.implementation}]" for record in records if _named(record)}
    yield f"+ benchmarks and implementations: {', '.join(sorted(names))}"
    if not all(map(_named, records)):
        yield "- results of cases whose names could identify somebody"
    yield f"+ results: {len(tasks)}, each with {', '.join(allowlist.FIELDS[Score])}"
    for name, reason in allowlist.STAYS[Score].items():
        yield f"- results: {name}: {reason}"
    taken = sum(len(record.samples.seconds) for record in records if record.samples)
    yield f"+ samples: {taken} timed intervals, with when each began"
    for kind in (Record, Samples):
        for name, reason in allowlist.STAYS[kind].items():
            yield f"- {kind.__name__.lower()}: {name}: {reason}"
    codes = sorted({caveat.code for record in records for caveat in record.caveats})
    for code in codes:
        known = code if code in CAVEATS else UNKNOWN
        yield f"+ note {known}: {CAVEATS[known]}"


def exhibits(publications: Sequence[Publication]) -> list[Exhibit]:
    """Each with a name that is unique among them."""
    names = [label(publication) for publication in publications]
    total, seen = Counter(names), Counter[str]()
    found = []
    for publication, name in zip(publications, names, strict=True):
        told = name
        while total[name] > 1 and told in total:
            seen[name] += 1
            told = f"{name} #{seen[name]}"
        found.append(Exhibit(publication, told))
    return found


def label(publication: Publication) -> str:
    """What it is called in a comparison: the machine, and where it was rented."""
    where = publication.offer.provider if publication.offer else ""
    count = f"{publication.machine.devices} × " if publication.machine.devices > 1 else ""
    return f"{count}{model(publication.machine)}" + (f" · {where}" if where else "")


def model(told: Machine) -> str:
    """The model of a machine: its name, and of a processor how much of it may be used: a part is another machine."""
    cores = "" if "gpu" in told.facts else told.facts.get("processor", {}).get("cores usable", "")
    return f"{told.name}, {cores} {'core' if cores == '1' else 'cores'}" if cores else told.name
