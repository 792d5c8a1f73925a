"""What the machine says of itself: facts of the host, and of every GPU what its driver tells. Asked, not measured.

python -m benchsuite.accept.inspecting KIND [ROOT]     one inspection as JSON on standard output
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from benchsuite import identity, reading
from benchsuite.backends.cuda import driver
from benchsuite.backends.cuda.devices import VISIBLE
from benchsuite.errors import DataError
from benchsuite.machine import cpu, facts, isolation, memory_errors, oom
from benchsuite.model import Kind
from benchsuite.telemetry import cards, kernel_log
from benchsuite.telemetry.__main__ import die_with
from benchsuite.telemetry.reading import boot

SCHEMA = 1
ROOT = Path("/")
LIMITS = reading.Limits(size=8 << 20)
SECONDS = 30.0
KILLED = 5.0
"""Seconds to wait for a process that was ended: one that hangs in a driver call may not even then."""
LISTED = 1000
"""Process numbers and XIDs that are kept: more of them say no more."""


@dataclass(frozen=True, slots=True)
class Card:
    """One GPU as its driver describes it. index: its number as CUDA counts (``Subject.device``): that of nvidia-smi,
    unless ``CUDA_VISIBLE_DEVICES`` names some.

    identity: a pseudonym of its UUID. facts: ``name``, ``bus``, ``pci device``, ``capability``, ``vbios``; values: by
    the names of telemetry's sensors (SI), ``memory_total``, ``ecc_mode``, ``mig_mode``, ``nvlinks_active`` …;
    missing: why something is not told. foreign: processes that compute on it, ``None`` where that is not known.
    """

    index: int
    identity: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, float] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    foreign: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Inspection:
    """One look at a machine. taken: UTC; boot: which start of the machine; identity: its pseudonym.

    reason: why no GPU could be asked, or nothing at all; empty when all could. facts: sections as of
    ``machine.facts.collect``, and ``driver``; values: numbers of the host: ``cores``, ``memory``, ``cache`` (of all
    last-level caches), ``cache_of_core``, ``oom_kills``, ``memory_errors_uncorrected``, ``iommu``, ``bridges`` …;
    missing: why one is not told. log_first, log_last, xids: as ``kernel_log.History`` (``missing["kernel_log"]``).
    """

    kind: Kind
    taken: str
    boot: str = ""
    identity: str = ""
    reason: str = ""
    facts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    values: Mapping[str, float] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    cards: tuple[Card, ...] = ()
    log_first: int = -1
    log_last: int = -1
    xids: tuple[tuple[int, str, int], ...] = ()
    schema: int = SCHEMA

    def card(self, device: int | None) -> Card | None:
        """The GPU of this number; ``None`` when the driver lists no such one."""
        return next((card for card in self.cards if card.index == device), None)

    def same_boot(self, other: Inspection) -> bool:
        """Whether both looks were at one machine that was not restarted between them."""
        return self.boot == other.boot != "" and self.identity == other.identity


def inspect(kind: Kind, seconds: float = SECONDS, root: Path = ROOT) -> Inspection:
    """The machine as it is now, asked in a process of its own that is ended after ``seconds``: a driver may hang.

    Never raises for what the machine does: ``Inspection.reason`` says then why nothing is known.
    """
    command = [sys.executable, "-m", "benchsuite.accept.inspecting", kind.value, str(root), str(os.getpid())]
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the controller
        )
    except OSError as error:
        return _blind(kind, f"The machine could not be asked: {error.strerror}.")
    try:
        output, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=KILLED)
        who = "The GPU's driver" if kind is Kind.GPU else "The machine"
        return _blind(kind, f"{who} did not answer for {seconds:.0f} s.")
    try:
        return loads(output)
    except DataError:
        return _blind(kind, f"The process that asked the machine ended (exit code {process.returncode}).")


def _blind(kind: Kind, reason: str) -> Inspection:
    return Inspection(kind, _now(), reason=reason)


def dumps(inspection: Inspection) -> bytes:
    """The inspection as JSON (``inspection-before.json``), ending in a newline."""
    return msgspec.json.format(msgspec.json.encode(inspection, order="deterministic"), indent=1) + b"\n"


def loads(data: bytes) -> Inspection:
    """The inspection in JSON. Raises ``DataError``."""
    found = reading.value(data, Inspection, LIMITS)
    if found.schema != SCHEMA:
        raise DataError(
            f"The inspection has format {found.schema}; known is {SCHEMA}.", "Use the benchsuite that wrote it."
        )
    return found


def load(path: Path) -> Inspection:
    """The inspection in a file. Raises ``DataError``."""
    return loads(reading.content(path, LIMITS))


def look(kind: Kind, root: Path = ROOT) -> Inspection:
    """The machine as it is now, asked by this process. ``inspect`` is for whoever must not hang."""
    found = Inspection(
        kind=kind,
        taken=_now(),
        boot=boot(root / "proc/sys/kernel/random/boot_id"),
        identity=identity.machine(()),
        facts=facts.collect(root),
        values=_host(root),
    )
    return _with_cards(found, root) if kind is Kind.GPU else found


def _host(root: Path) -> dict[str, float]:
    """What can be counted; a name that is not there is not told by this machine."""
    seen, caches = isolation.look(root), cpu.cache_sizes(root)
    own = oom.kills(root)  # in a container those of others are none of our business
    kills = oom.kills_of_machine(root) if own is None else own
    values = {
        "cores": float(cpu.available_cores(root)),
        "memory": float(cpu.memory_total(root)),
        "cache": float(cpu.last_level_total(root)),
        "cache_of_core": float(list(caches.values())[-1] if caches else 0),
        "bridges": float(seen.bridges),
        "bridges_redirecting": float(seen.redirecting),
        **memory_errors.counts(root),
    }
    values |= {} if seen.iommu is None else {"iommu": float(seen.iommu)}
    return values | ({} if kills is None else {"oom_kills": float(kills)})


def _with_cards(found: Inspection, root: Path) -> Inspection:
    log = kernel_log.history(root / "dev/kmsg")
    listed, versions, reason = cards.listed(root / "dev/kmsg")
    module = driver.release(root)
    told = {**versions, **({"kernel module": module} if module else {})}
    return replace(
        found,
        reason=f"{reason.rstrip('.')}." if reason else "",
        facts={**found.facts, "driver": told} if told else found.facts,
        missing={**found.missing, **({"kernel_log": log.reason} if log.reason else {})},
        cards=tuple(_card(one, root) for one in visible(listed, os.environ.get(VISIBLE))),
        log_first=log.first,
        log_last=log.last,
        xids=log.xids[-LISTED:],
    )


def visible(listed: Sequence[cards.Listed], told: str | None) -> Sequence[cards.Listed]:
    """The GPUs as CUDA numbers them for us: where ``CUDA_VISIBLE_DEVICES`` names some, number 0 is the first of these.

    ``--device 0`` measures that one, so its sensors must be asked. CUDA ends its list at the first word that is no
    GPU's number or UUID. A slice (MIG) is no card: then all are told.
    """
    if told is None or "MIG-" in told:
        return listed
    chosen: list[cards.Listed] = []
    for word in (each.strip() for each in told.split(",")):
        uuid = word if word.startswith("GPU-") else "\0"
        one = next(
            (one for one in listed if str(one.index) == word or one.facts.get("uuid", "").startswith(uuid)), None
        )
        if one is None:
            break
        chosen.append(replace(one, index=len(chosen)))
    return chosen


def _card(listed: cards.Listed, root: Path) -> Card:
    told = {name: text for name, text in listed.facts.items() if name != "uuid"}
    if number := _on_the_bus(told.get("bus", ""), root):
        told["pci device"] = number
    return Card(
        index=listed.index,
        identity=identity.machine([listed.facts["uuid"]]) if "uuid" in listed.facts else "",
        facts=told,
        values=dict(listed.values),
        missing=dict(listed.missing),
        foreign=None if listed.foreign is None else listed.foreign[:LISTED],
    )


def _on_the_bus(bus: str, root: Path) -> str:
    """The device number that the card itself answers on the bus; the driver could say another. Empty: not seen."""
    domain, _, rest = bus.lower().partition(":")
    try:
        return (root / f"sys/bus/pci/devices/{domain[-4:]}:{rest}/device").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def main(words: list[str]) -> None:
    """One inspection on standard output; ends with its parent."""
    if len(words) > 2:
        die_with(int(words[2]))
    sys.stdout.buffer.write(dumps(look(Kind(words[0]), Path(words[1]) if len(words) > 1 else ROOT)))


if __name__ == "__main__":
    main(sys.argv[1:])
