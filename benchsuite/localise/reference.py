"""What units known good do: learnt from scans of a fleet that was accepted, for scans too small to judge themselves."""

from __future__ import annotations

import os
from collections.abc import Sequence
from math import pi, sqrt
from pathlib import Path

import msgspec
import numpy as np

from benchsuite import reading
from benchsuite.errors import DataError
from benchsuite.localise import residuals, table
from benchsuite.localise.table import Floats, Table
from benchsuite.model import Reference, Scan, Stage

LEAST_SEATS = 4
"""Fewer seats say nothing about how seats differ."""


def learn(scans: Sequence[Scan], dated: str = "") -> Reference:
    """The reference that these scans of good units give. Raises ``DataError`` when they are too few or of two kinds."""
    sizes = {scan.nbytes for scan in scans}
    if len(sizes) != 1:
        raise DataError("The scans have transfers of different sizes, or there are none.", "Give scans of one size.")
    tables = [table.build(scan, Stage.SCREEN) for scan in scans]
    if max(len(one.seats) for one in tables) < LEAST_SEATS or not any(np.isfinite(one.logs).any() for one in tables):
        raise DataError(f"No scan has transfers among {LEAST_SEATS} nodes or more.", "Scan more nodes known good.")
    between, link, repeat = np.sqrt(np.mean([np.square(_spreads(one)) for one in tables], axis=0)).tolist()
    pair = float(np.nanmedian(np.concatenate([one.logs.ravel() for one in tables])))
    return Reference(
        sizes.pop(), pair, between, link, repeat, _kernels(scans), sum(len(one.seats) for one in tables), dated
    )


def read(path: Path) -> Reference:
    """The reference in a file; ``DataError`` when it is none, or its numbers cannot be."""
    found = reading.value(reading.content(path), Reference)
    spreads = (found.between, found.link, found.repeat, *(sd for _, sd in found.kernels.values()))
    if found.nbytes < 1 or found.nodes < 0 or not all(0 <= one < 10 for one in spreads):
        raise DataError(f"{path.name} holds numbers that no reference has.", "Learn it again from scans.")
    return found


def write(path: Path, reference: Reference) -> None:
    """Write a reference as JSON; a reader never sees half of it."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_bytes(msgspec.json.format(msgspec.json.encode(reference, order="deterministic")) + b"\n")
    part.replace(path)


def _spreads(one: Table) -> tuple[float, float, float]:
    """Log sd between seats, between links and of one direction's median.

    Where no pair met twice, links and repeats cannot be told apart: all counts as between links, which no number of
    rounds averages away.
    """
    left = residuals.of(one)[0].mean(axis=(2, 3))
    own = one.at(left)
    seats = residuals.medians(own, 0)[0]
    rest = left - seats[one.ends].sum(axis=-1)
    noise = half_width(own - seats[None])
    between = sqrt(max(0.0, half_width(seats) ** 2 - pi / 2 * noise**2 / max(one.rounds, 1)))
    known = one.paired & np.isfinite(rest)
    keys = one.ends[known].min(axis=-1) * len(one.seats) + one.ends[known].max(axis=-1)
    links, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
    if not links.size or counts.min() < 2:
        return between, half_width(rest), half_width(rest) * sqrt(2)
    groups = np.split(rest[known][np.argsort(inverse, kind="stable")], np.cumsum(counts)[:-1])
    centres = np.array([np.median(group) for group in groups])
    within = np.concatenate([(group - np.median(group)) * sqrt(group.size / (group.size - 1)) for group in groups])
    repeat = half_width(within)
    link = sqrt(max(0.0, half_width(centres) ** 2 - pi / 2 * repeat**2 / float(np.mean(counts))))
    return between, link, repeat * sqrt(2)


def _kernels(scans: Sequence[Scan]) -> dict[str, tuple[float, float]]:
    """Median log seconds and log sd between units of each local kernel."""
    times: dict[str, dict[tuple[int, int], list[float]]] = {}
    for index, scan in enumerate(scans):
        for one in scan.locals:
            if one.seconds is not None and one.seconds > 0 and not one.wrong:
                times.setdefault(one.kernel, {}).setdefault((index, one.rank), []).append(float(np.log(one.seconds)))
    units = {kernel: np.array([np.median(own) for own in ranks.values()]) for kernel, ranks in times.items()}
    return {kernel: (float(np.median(one)), half_width(one)) for kernel, one in units.items() if one.size >= 2}


def half_width(values: Floats) -> float:
    """Half of what holds the middle 68 %: the sd, were they normal; wider than by the MAD where tails are heavy."""
    finite = values[np.isfinite(values)]
    low, high = np.quantile(finite, [0.1587, 0.8413]) if finite.size else (0.0, 0.0)
    return float(high - low) / 2
