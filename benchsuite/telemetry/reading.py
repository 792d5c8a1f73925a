"""One reading of every sensor, and how readings travel: JSON lines that say what changed since the line before."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Reading:
    """What every sensor said at one moment, in SI units.

    at: the monotonic clock, ``time.perf_counter``, in seconds. values: by the sensor's name; counters only ever
    grow. missing: why a sensor that was asked said nothing: its name is then not in ``values``. foreign: processes of
    others on the GPU, as numbers; ``None`` where that is not known. first: of a new sensor process, whose own counters
    began anew.
    """

    at: float
    values: Mapping[str, float] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    foreign: tuple[int, ...] | None = None
    first: bool = False


class Writer:
    """Turns readings into lines. The first line of a process says to which boot its clock belongs."""

    def __init__(self, boot: str) -> None:
        self._boot: str | None = boot
        self._values: Mapping[str, float] = {}
        self._missing: Mapping[str, str] = {}

    def line(self, reading: Reading) -> bytes:
        """The line of one reading, ending in a newline."""
        document: dict[str, object] = {"at": round(reading.at, 6)}
        if self._boot is not None:
            document["boot"], self._boot = self._boot, None
        if values := {name: value for name, value in reading.values.items() if self._values.get(name) != value}:
            document["values"] = values
        if reading.missing != self._missing:
            document["missing"] = dict(reading.missing)
        if reading.foreign is not None:
            document["foreign"] = list(reading.foreign)
        self._values, self._missing = reading.values, reading.missing
        return json.dumps(document, separators=(",", ":"), allow_nan=False).encode() + b"\n"


class Reader:
    """Turns lines back into whole readings."""

    def __init__(self) -> None:
        self.boot = ""
        self._values: Mapping[str, float] = {}
        self._missing: Mapping[str, str] = {}

    def reading(self, line: bytes) -> Reading | None:
        """The reading in one line; ``None`` when it holds none."""
        try:
            document = json.loads(line)
            at = float(document["at"])
            values = {str(name): float(value) for name, value in document.get("values", {}).items()}
            missing = document.get("missing")
            told = None if missing is None else {str(name): str(reason) for name, reason in missing.items()}
            foreign = document.get("foreign")
            others = None if foreign is None else tuple(int(pid) for pid in foreign)
            boot = document.get("boot")
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
            return None
        if boot is not None:  # a new process: what the one before said is over
            self.boot, self._values, self._missing = str(boot), {}, {}
        self._missing = self._missing if told is None else told
        kept = {name: value for name, value in self._values.items() if name not in self._missing}
        self._values = {**kept, **values}
        return Reading(at, self._values, self._missing, others, first=boot is not None)

    def readings(self, lines: Iterable[bytes]) -> Iterator[Reading]:
        """Every reading of a file."""
        return (reading for line in lines if (reading := self.reading(line)) is not None)


def boot(path: Path | None = None) -> str:
    """Which start of the machine this is, as the kernel numbers it at random; empty where it does not."""
    try:
        return (path or BOOT).read_text().strip()
    except OSError:
        return ""
