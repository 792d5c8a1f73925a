"""Hints that data between cards takes a detour: an IOMMU that translates, bridges that send it through the root.

PCI Express Base Specification, "Access Control Services": a bridge whose request or completion redirect is on sends
what one card writes to another up to the root complex instead of straight across. Only root may read so far into the
configuration space.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/")
BRIDGE = "0x0604"
EXTENDED, CAPABILITY, CONTROL = 0x100, 0x000D, 6
"""Where the extended capabilities begin, the number of access control, and where its control word stands."""
REDIRECT = 0x0C
"""Request redirect and completion redirect."""
LONGEST_CHAIN = 48


@dataclass(frozen=True, slots=True)
class Isolation:
    """iommu: whether the kernel uses one; redirecting: bridges that redirect, of ``bridges`` that could be read.

    ``None`` and 0 bridges: it cannot be seen here.
    """

    iommu: bool | None
    redirecting: int = 0
    bridges: int = 0


def look(root: Path = ROOT) -> Isolation:
    """What the kernel's files tell."""
    units = root / "sys/class/iommu"
    iommu = any(units.iterdir()) if units.is_dir() else None
    controls = [control for control in map(_control, _bridges(root)) if control is not None]
    return Isolation(iommu, sum(bool(control & REDIRECT) for control in controls), len(controls))


def _bridges(root: Path) -> list[bytes]:
    """The configuration space of every bridge, as far as it can be read."""
    found = []
    for folder in sorted((root / "sys/bus/pci/devices").glob("*")):
        try:
            if (folder / "class").read_text().strip().lower().startswith(BRIDGE):
                found.append((folder / "config").read_bytes()[:4096])
        except OSError:
            continue
    return found


def _control(space: bytes) -> int | None:
    """The control word of access control; 0 when the bridge has none, ``None`` when it could not be read so far."""
    if len(space) < EXTENDED + 4:
        return None
    at = EXTENDED
    for _ in range(LONGEST_CHAIN):
        if not EXTENDED <= at <= len(space) - 8:
            return 0
        header = int.from_bytes(space[at : at + 4], "little")
        if header & 0xFFFF == CAPABILITY:
            return int.from_bytes(space[at + CONTROL : at + CONTROL + 2], "little")
        at = header >> 20
    return 0
