"""The table of cuts that measuring chose, and which of its entries still hold.

``scripts/tune`` writes ``benchmarks/tuned.toml``; a backend gives those that fit its device to ``Device.choices``,
where the kernels' own functions look before they reckon. An entry holds for one model of device (name, capability,
processors) and for the sources it was measured with: when a kernel is changed, its entries are ignored, and ``told``
says so.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from benchsuite import assets, reading
from benchsuite.errors import DataError
from benchsuite.model import Choice, Cut, Device, cut

PACKAGE = Path(__file__).resolve().parent
TABLE = PACKAGE / "benchmarks" / "tuned.toml"
HEAD = "# Cuts of kernels that measuring chose. Written by scripts/tune (docs/gpu-gate.md), not by hand.\n"
REMEDY = "Write it anew with scripts/tune."
COMPUTED = "computed"


@dataclass(frozen=True, slots=True)
class Entry:
    """One choice and what it rests on.

    capability: of a GPU, ``"9.0"``, else empty. code: ``code(kernel)`` when it was measured. over: how many times as
    fast as the computed cut, 1 where that one was kept; low: the lower bound of this ratio, over ``runs`` processes.
    driver, clock: the GPU's, as texts, where there is one. records: SHA-256 of the file with every time taken.
    """

    device: str
    capability: str
    processors: int
    kernel: str
    kind: str
    cut: Cut
    code: str
    over: float
    low: float
    runs: int
    date: str
    driver: str = ""
    clock: str = ""
    records: str = ""

    @property
    def key(self) -> tuple[str, str, int, str, str]:
        """What the entry decides: there is one for each."""
        return self.device, self.capability, self.processors, self.kernel, self.kind

    @property
    def valid(self) -> bool:
        """Whether the kernel is the one that was measured."""
        return self.code == code(self.kernel)

    @property
    def origin(self) -> str:
        """When and with what it was measured, for a person."""
        return " ".join(filter(None, ("measured", self.date, f"over {self.runs} runs", self.records[:12])))


@cache
def code(kernel: str) -> str:
    """A digest of everything that decides how long a kernel takes, beside its cut: its source and what that includes.

    Raises ``DataError`` for a kernel that there is not.
    """
    host = PACKAGE / "backends" / "host"
    try:
        if kernel.endswith(".cu"):
            folder = assets.folder("kernels")
            files = [folder / kernel, *sorted(folder.rglob("*.cuh"))]
        else:
            files = [host / f"{kernel.partition(':')[0]}.py", host / "simd.py", host / "vector.py"]
        whole = hashlib.sha256(b"\0".join(path.read_bytes() for path in files))
    except OSError as error:
        raise DataError(f"There is no kernel {reading.printable(kernel)!r}.", REMEDY) from error
    return whole.hexdigest()[:16]


def load(path: Path = TABLE) -> tuple[Entry, ...]:
    """The table's entries; none where there is no table. Raises ``DataError`` for one that cannot be read."""
    if not path.is_file():
        return ()
    try:
        found: dict[str, Any] = tomllib.loads(reading.text(path))
        entries = tuple(_entry(raw) for raw in found.get("choice", ()))
    except (tomllib.TOMLDecodeError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path.name} cannot be read: {reading.printable(str(error))}.", REMEDY) from error
    if len({entry.key for entry in entries}) < len(entries):
        raise DataError(f"{path.name} chooses twice for the same device, kernel and kind of cases.", REMEDY)
    return entries


_TYPES = {"processors": int, "runs": int, "over": float, "low": float}


def _entry(raw: dict[str, Any]) -> Entry:
    numbers = raw["cut"].items() if "cut" in raw else ()
    if not all(type(value) is int for _, value in numbers):
        raise ValueError("a cut holds something else than whole numbers")
    for name, value in raw.items():
        if name != "cut" and type(value) is not _TYPES.get(name, str):
            raise ValueError(f"{name} is {value!r}")
    return Entry(**{**raw, "cut": cut(**dict(numbers))})


def text(entries: Iterable[Entry]) -> str:
    """The table as TOML, in one order whatever the order of ``entries``."""
    parts = [HEAD]
    for entry in sorted(entries, key=lambda entry: entry.key):
        lines = ["[[choice]]"]
        for name in Entry.__dataclass_fields__:
            value = getattr(entry, name)
            if name == "cut":
                value = "{" + ", ".join(f"{word} = {number}" for word, number in value) + "}"
            elif isinstance(value, float):
                value = repr(round(value, 4))
            else:
                value = json.dumps(value, ensure_ascii=False)
            lines.append(f"{name} = {value}")
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def merged(old: Iterable[Entry], new: Iterable[Entry]) -> tuple[Entry, ...]:
    """The old entries, where no new one decides the same."""
    return tuple({entry.key: entry for entry in (*old, *new)}.values())


@dataclass(frozen=True, slots=True)
class Fit:
    """A device with the choices that hold for it; ``stale``: kernels whose entries were ignored, since they changed."""

    device: Device
    entries: tuple[Entry, ...] = ()
    stale: tuple[str, ...] = field(default=())

    @property
    def told(self) -> str:
        """Where the cuts of kernels come from, in a line."""
        kernels = dict.fromkeys(entry.kernel for entry in self.entries)
        dates = dict.fromkeys(entry.date for entry in self.entries)
        words = f"measured {', '.join(dates)} for {', '.join(kernels)}" if kernels else COMPUTED
        return words + (f"; ignored, since changed: {', '.join(self.stale)}" if self.stale else "")


def fit(device: Device, entries: Sequence[Entry] | None = None) -> Fit:
    """The device with what the table (``entries``, else the one that ships) chooses for its model."""
    major, minor = device.capability
    capability = f"{major}.{minor}" if major else ""
    mine = (device.name, capability, device.processors)
    known = [entry for entry in (load() if entries is None else entries) if entry.key[:3] == mine]
    stale = dict.fromkeys(entry.kernel for entry in known if not entry.valid)
    held = tuple(entry for entry in known if entry.valid)
    choices = tuple(Choice(entry.kernel, entry.kind, entry.cut, entry.origin) for entry in held)
    return Fit(replace(device, choices=choices), held, tuple(stale))
