"""A campaign -> what the world may see of it, by allowlist: a new fact, field or text is private until named here.

Texts that a program or a person wrote (failure messages, command lines, the texts of caveats) never leave; codes do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from benchsuite import reading
from benchsuite.errors import DataError, NewerError
from benchsuite.model import (
    PUBLIC_SCHEMA,
    Caveat,
    Exhibit,
    Machine,
    Offer,
    Origin,
    Publication,
    Roof,
    Score,
    Status,
)
from benchsuite.normalize import Ceilings, card
from benchsuite.store import Campaign

PUBLIC_FACTS: Mapping[str, frozenset[str]] = {
    "gpu": frozenset(
        {
            "name",
            "processors",
            "memory",
            "memory bytes",
            "driver",
            "compute capability",
            "power limit",
            "default power limit",
            "maximum clock",
            "memory clock",
            "ecc",
            "mig",
            "pcie",
            "l2 cache",
        }
    ),
    "processor": frozenset(
        {
            "model",
            "architecture",
            "cores usable",
            "logical processors",
            "cache L1d",
            "cache L2",
            "cache L3",
            "vector extensions",
            "virtual machine",
        }
    ),
    "memory": frozenset({"usable", "transparent huge pages"}),
    "system": frozenset({"system", "kernel", "Python", "frequency governor"}),
    "packages": frozenset(
        {
            "numpy",
            "scipy",
            "numba",
            "llvmlite",
            "torch",
            "mkl",
            "mpi4py",
            "mpich",
            "openmpi",
            "cupy-cuda12x",
            "cupy-cuda13x",
        }
    ),
}
"""Section and name of every fact that may leave."""


def of(
    campaign: Campaign, scores: Sequence[Score], ceilings: Ceilings, digest: str = "", offer: Offer | None = None
) -> Publication:
    """The public part of a campaign. ``scores``: all of it, skips included, as ``normalize.scores`` made them."""
    return Publication(
        schema=PUBLIC_SCHEMA,
        id=campaign.id,
        origin=Origin.MEASURED,
        machine=machine(campaign),
        started=campaign.started,
        suite=campaign.suite.name,
        results=tuple(_public(score) for score in scores),
        version=campaign.version,
        code=campaign.code,
        backend=campaign.backend,
        runs=campaign.plan.policy.runs,
        roof=Roof(dict(ceilings.flops), ceilings.bandwidth),
        offer=offer,
        digest=digest,
    )


def machine(campaign: Campaign) -> Machine:
    """The machine of a campaign, with the facts that may leave."""
    facts = {
        section: {name: values[name] for name in values if name in PUBLIC_FACTS[section]}
        for section, values in campaign.facts.items()
        if section in PUBLIC_FACTS
    }
    found = card(campaign.facts)
    gpu = campaign.facts.get("gpu", {})
    name = gpu.get("name") or campaign.facts.get("processor", {}).get("model", "unknown processor")
    return Machine(campaign.machine, name, found.gpu.key if found else "", 1, facts)


REASONS = {
    Status.REJECTED: "The result was wrong.",
    Status.FAILED: "It could not be measured.",
    Status.SKIPPED: "It cannot run on this machine.",
}


def _public(score: Score) -> Score:
    """A score with our own words only."""
    return replace(
        score,
        reason=REASONS.get(score.status, ""),
        caveats=tuple(Caveat(caveat.code, "") for caveat in score.caveats),
    )


def encode(publication: Publication) -> bytes:
    """The canonical JSON of a publication: sorted names, so that the same publication has the same digest."""
    return msgspec.json.encode(publication, order="sorted") + b"\n"


def read(path: Path) -> Publication:
    """A publication's file. Raises ``DataError``."""
    data = reading.content(path)
    found = reading.value(data, Publication)
    if found.schema > PUBLIC_SCHEMA:
        raise NewerError(f"{path} has schema {found.schema}; this benchsuite knows up to {PUBLIC_SCHEMA}.")
    if not found.results:
        raise DataError(f"{path} holds no result.", "Leave it out.")
    return found


def exhibits(publications: Sequence[Publication]) -> list[Exhibit]:
    """Each with a name that is unique among them."""
    names = [label(publication) for publication in publications]
    seen: dict[str, int] = {}
    found = []
    for publication, name in zip(publications, names, strict=True):
        seen[name] = seen.get(name, 0) + 1
        found.append(Exhibit(publication, name if names.count(name) == 1 else f"{name} #{seen[name]}"))
    return found


def label(publication: Publication) -> str:
    """What it is called in a comparison: the machine, and where it was rented."""
    where = publication.offer.provider if publication.offer else ""
    count = f"{publication.machine.devices} × " if publication.machine.devices > 1 else ""
    return f"{count}{publication.machine.name}" + (f" · {where}" if where else "")
