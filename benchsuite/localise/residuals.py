"""What remains of log times when what all pairs of a round, and all pairs of a class, share is taken away."""

from __future__ import annotations

import numpy as np

from benchsuite.localise.table import Floats, Table

TURNS = 2
"""How often round and class medians are taken away in turn."""


def medians(values: Floats, axis: int | tuple[int, ...] | None = None) -> Floats:
    """Medians that leave NaN out; 0 where there is no number at all, so that nothing is taken away."""
    if np.isnan(values).any():
        empty = np.isnan(values).all(axis=axis, keepdims=True)
        found = np.nanmedian(np.where(empty, 0.0, values), axis=axis, keepdims=True)
    else:
        found = np.median(values, axis=axis, keepdims=True) if values.size else np.zeros((1,) * values.ndim)
    return np.asarray(found)


def of(table: Table, offsets: Floats | None = None) -> tuple[Floats, Floats]:
    """The residuals of a table's log times (R, G, m, 2), and what each class differs by.

    Classes are pairs of one leaf switch (0) and pairs across two (1). offsets: take these away instead of the
    table's own, whose pairs of a class may all be suspects.
    """
    classes = table.cross().astype(np.int64)
    left = table.logs.copy()
    found = np.zeros(2) if offsets is None else offsets
    if not left.size:
        return left, found
    axes = tuple(range(1, left.ndim))
    if offsets is None:
        for _ in range(TURNS):
            left -= medians(left, axes)
            for one in np.unique(classes[table.paired]):
                chosen = classes == one
                by = float(medians(left[chosen]).ravel()[0])
                left[chosen] -= by
                found[one] += by
    else:
        left -= offsets[classes][:, :, None, None]
    return left - medians(left, axes), found


def lower(values: Floats) -> Floats:
    """The lower median over the last axis: only what most of them share is more than zero. NaN where all are."""
    if values.shape[-1] == 1:
        return np.asarray(values[..., 0])
    count = np.isfinite(values).sum(axis=-1, keepdims=True)
    ordered = np.sort(values, axis=-1)  # NaN last
    return np.asarray(np.take_along_axis(ordered, np.maximum(count - 1, 0) // 2, axis=-1)[..., 0])


def between(values: Floats) -> float:
    """The log sd between seats, from their values in each round (R, n): what two halves of the rounds agree on.

    The covariance of the seats' medians over even and over odd rounds holds no noise of a round. By robust scales
    (Gnanadesikan & Kettenring 1972), less two standard errors of itself, for noise must not pass for spread.
    """
    if values.shape[0] < 4 or values.shape[1] < 4:
        return 0.0
    first, second = medians(values[::2], 0)[0], medians(values[1::2], 0)[0]
    together, apart = scale(first + second) ** 2, scale(first - second) ** 2
    error = (together**2 + apart**2) ** 0.5 * (2.7 / values.shape[1]) ** 0.5
    return float(max(0.0, (together - apart - 2 * error) / 4) ** 0.5)


def scale(values: Floats) -> float:
    """1.4826 times the median distance to the median: the sd, were they normal."""
    finite = values[np.isfinite(values)]
    return float(1.4826 * np.median(np.abs(finite - np.median(finite)))) if finite.size else 0.0
