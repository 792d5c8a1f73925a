"""Errors of the host's memory, as its memory controllers count them (Linux's EDAC, Documentation/driver-api/edac)."""

from __future__ import annotations

from pathlib import Path

ROOT = Path("/")
COUNTS = {"memory_errors_uncorrected": "ue_count", "memory_errors_corrected": "ce_count"}


def counts(root: Path = ROOT) -> dict[str, float]:
    """Both counts over all controllers since the machine was started; empty where no controller is watched."""
    controllers = sorted((root / "sys/devices/system/edac/mc").glob("mc[0-9]*"))
    try:
        return {
            name: float(sum(int((folder / file).read_text()) for folder in controllers))
            for name, file in COUNTS.items()
            if controllers
        }
    except (OSError, ValueError):
        return {}
