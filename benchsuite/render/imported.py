"""What ``benchsuite import`` says of a file, as lines for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from benchsuite.imports.base import Imported
from benchsuite.model import Status

FEW = 5
"""How many problems and reasons are told one by one."""


def lines(name: str, found: Imported, written: Sequence[str]) -> list[str]:
    """What was read of the file ``name``, what is wrong in it, and where it was written."""
    tool = " ".join(part for part in (found.tool, found.version) if part)
    told = [f"{name}: {tool}" + (f", {_devices(found.devices)}" if found.devices else "")]
    told.append(f"  {_counts(found)}")
    for status, glyph in ((Status.REJECTED, "✖ wrong"), (Status.FAILED, "✖ failed")):
        reasons = dict.fromkeys(row.reason for row in found.rows if row.status is status)
        told += [f"  {glyph}: {reason}" for reason in list(reasons)[:FEW]]
        told += [f"  {glyph}: {len(reasons) - FEW} further reasons"] if len(reasons) > FEW else []
    told += [f"  note: {problem}" for problem in found.problems[:FEW]]
    told += [f"  note: {len(found.problems) - FEW} further notes"] if len(found.problems) > FEW else []
    return [*told, *(f"  → {path}" for path in written[:FEW]), *_rest(written)]


def _rest(written: Sequence[str]) -> list[str]:
    return [f"  → {len(written) - FEW} further files, one for each machine"] if len(written) > FEW else []


def _devices(devices: Sequence[str]) -> str:
    kinds = dict.fromkeys(devices)
    return ", ".join(f"{devices.count(kind)} × {kind}" if devices.count(kind) > 1 else kind for kind in kinds)


def _counts(found: Imported) -> str:
    """``120 results: 118 read, 2 wrong``: every status that occurs."""
    words = {Status.OK: "read", Status.REJECTED: "wrong", Status.FAILED: "failed", Status.SKIPPED: "skipped"}
    counted = [f"{count} {word}" for status, word in words.items() if (count := found.count(status))]
    total = len(found.rows)
    return f"{total} result{'s' if total != 1 else ''}: {', '.join(counted)}"
