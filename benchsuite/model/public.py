"""What leaves a machine, and what is compared across machines: one campaign's scores with where they come from.

Everything here is public: a new field is private until it is added here (``publication.py`` fills it by allowlist).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from benchsuite.model.campaign import Score

PUBLIC_SCHEMA = 1


class Origin(StrEnum):
    """How a number came to be. Only ``MEASURED`` has samples of ours behind it."""

    MEASURED = "measured"
    IMPORTED = "imported"
    PUBLISHED = "published"


class Level(StrEnum):
    """Who vouches for a publication, weakest first (docs/publish.md). None of them proves that it is true."""

    SELF_REPORTED = "self-reported"
    SIGNED = "signed"
    INDEPENDENT = "independent"
    CHALLENGED = "challenged"


@dataclass(frozen=True, slots=True)
class Offer:
    """Where a machine can be had, and its price. ``usd_per_hour`` buys all ``devices`` of the instance.

    kind: ``on-demand``, ``spot``, ``reserved`` …; as_of: the price's date (ISO 8601); source: who says so.
    """

    provider: str = ""
    instance: str = ""
    region: str = ""
    devices: int = 1
    usd_per_hour: float | None = None
    kind: str = ""
    as_of: str = ""
    source: str = ""

    @property
    def usd_per_device_hour(self) -> float | None:
        """The price of one device for an hour."""
        return None if self.usd_per_hour is None else self.usd_per_hour / self.devices


@dataclass(frozen=True, slots=True)
class Machine:
    """What was measured. ``id``: a keyed pseudonym; ``name``: as the driver or the processor calls itself.

    hardware: its key in the catalogue, empty where that knows none; devices: how many took part; facts: section ->
    name -> value.
    """

    id: str
    name: str
    hardware: str = ""
    devices: int = 1
    facts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Roof:
    """The machine's own measured ceilings: FLOP/s by element type, memory bytes per second (``normalize.Ceilings``)."""

    flops: Mapping[str, float] = field(default_factory=dict)
    bandwidth: float | None = None


@dataclass(frozen=True, slots=True)
class Publication:
    """One campaign, as the world may see it: a line of a comparison, a page of the site.

    id: the campaign's; started: UTC; suite, version, code: what measured it (``code`` is a digest of benchsuite's
    sources); runs: fresh processes asked for; digest: SHA-256 of the raw records; tool: ``benchsuite``, or whose output
    was imported; source: for what we did not measure, where the numbers stand; samples: SHA-256 of the file of public
    samples (``publication.encode_samples``); planned: tasks that the campaign set out to measure, skips included.
    """

    schema: int
    id: str
    origin: Origin
    machine: Machine
    started: str
    suite: str
    results: tuple[Score, ...]
    version: str = ""
    code: str = ""
    backend: str = ""
    runs: int = 0
    roof: Roof = field(default_factory=Roof)
    offer: Offer | None = None
    digest: str = ""
    tool: str = "benchsuite"
    source: str = ""
    samples: str = ""
    planned: int = 0


@dataclass(frozen=True, slots=True)
class Exhibit:
    """A publication as it was read: with who vouches for it, as far as that could be verified here.

    ``label``: its name in this comparison, unique there. ``problems``: what of it could not be read.
    """

    publication: Publication
    label: str
    level: Level = Level.SELF_REPORTED
    signer: str = ""
    problems: tuple[str, ...] = ()
