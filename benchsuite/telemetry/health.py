"""Hard facts about a GPU's health between two readings: what any acceptance must refuse, and what nobody knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from benchsuite.telemetry.nvml import LOST
from benchsuite.telemetry.reading import Reading

GROWING = {
    "ecc_uncorrected": "uncorrected memory errors",
    "rows_remapped_uncorrected": "rows of memory remapped after uncorrected errors",
    "rows_remapped_corrected": "rows of memory remapped after corrected errors",
    "pages_retired": "pages of memory retired",
    "xids": "errors of the GPU in the kernel log (XID)",
    "nvlink_errors": "errors of the NVLinks",
}
"""Counts that must not grow. Corrected memory errors may: correcting them is what ECC is for."""
NOTED = {"ecc_corrected": "corrected memory errors"}
STATES = {
    "rows_remap_pending": "A row of the GPU's memory waits to be remapped: reset the GPU.",
    "rows_remap_failed": "A row of the GPU's memory could not be remapped: replace the GPU.",
}
"""What must not be so at all (NVIDIA GPU Memory Error Management, "Row Remapping")."""


@dataclass(frozen=True, slots=True)
class Health:
    """faults: sentences, each of which refuses the GPU. notes: what is told beside. unknown: what could not be read,
    by its name with the reason: neither healthy nor ill."""

    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    unknown: Mapping[str, str] = field(default_factory=dict)


def health(before: Reading, after: Reading) -> Health:
    """What became of the GPU between two readings."""
    if after.values.get(LOST):
        return Health(faults=("The driver lost the GPU while it was measured.",), unknown=dict(after.missing))
    faults = [text for name, text in STATES.items() if after.values.get(name)]
    notes: list[str] = []
    for kept, names in ((faults, GROWING), (notes, NOTED)):
        for name, what in names.items():
            grown = after.values.get(name, 0.0) - before.values.get(name, 0.0)
            if name not in before.values or name not in after.values or not grown:
                continue
            last = f", the last with number {after.values.get('xid_last', 0.0):.0f}" if name == "xids" else ""
            told = f"New {what}: {grown:.0f}{last}." if grown > 0 else f"The count of {what} was reset."
            kept.append(told)
    silent = {
        name: after.missing.get(name) or before.missing.get(name) or after.missing.get("gpu") or "it was not read"
        for name in (*GROWING, *NOTED, *STATES)
        if name not in before.values or name not in after.values
    }
    return Health(tuple(faults), tuple(notes), silent)
