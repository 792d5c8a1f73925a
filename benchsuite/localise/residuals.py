"""What remains of log times when what all pairs of a round, and all pairs of a class, share is taken away."""

from __future__ import annotations

import numpy as np

from benchsuite.localise.table import Floats, Table

TURNS = 2
"""How often round and class medians are taken away in turn."""
HIDDEN = 1.5
"""How much larger the sd between nodes is than what their pairs show, as simulated (docs/localisation.md)."""
UPPER_ERROR, SCALE_ERROR = 2.97, 2.33
"""Standard errors of the squares of (84th centile - median) and of ``scale``, of n normal values, times sqrt(n)."""


def medians(values: Floats, axis: int | tuple[int, ...] | None = None) -> Floats:
    """Medians that leave NaN out; 0 where there is no number at all, so that nothing is taken away."""
    if values.size and not np.isnan(values).any():
        return np.asarray(np.median(values, axis=axis, keepdims=True))
    return (quantiles(values, 0.5, axis) + quantiles(values, 0.5, axis, upper=True)) / 2


def quantiles(values: Floats, part: float, axis: int | tuple[int, ...] | None = None, upper: bool = False) -> Floats:
    """The value at this part of the numbers along axes, the one below (or above) it; 0 where there is no number.

    NumPy's own for data with NaN loop in Python, one column after another.
    """
    axes = tuple(range(values.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    kept = [one for one in range(values.ndim) if one not in axes]
    shape = [1 if one in axes else values.shape[one] for one in range(values.ndim)]
    rows = values.transpose(*kept, *axes).reshape(int(np.prod([values.shape[one] for one in kept])), -1)
    if not rows.size:
        return np.zeros(shape)
    ordered = np.sort(rows, axis=1)  # NaN last
    count = np.isfinite(ordered).sum(axis=1)
    place = part * np.maximum(count - 1, 0)
    at = (np.ceil(place) if upper else np.floor(place)).astype(np.int64)
    found = np.take_along_axis(ordered, at[:, None], axis=1)[:, 0]
    return np.where(count > 0, found, 0.0).reshape(shape)


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


def between(values: Floats, hidden: float = 1.0) -> float:
    """The log sd between seats, from their values in each round (R, n), as far as it is sure.

    Each seat counts with the lower quartile of its rounds: the slower end governs a pair, and some pairs collide, so
    that a seat shows what it is itself in its better rounds. Of these, how far the 84th centile lies above the median
    (a few broken seats move neither), less the noise, which is what even and odd rounds differ by, and less one and a
    half standard errors: noise must not pass for spread. hidden: what to multiply by, for what partners cover.
    """
    known = ~np.isnan(values).all(axis=0)
    if values.shape[0] < 8 or known.sum() < 4:
        return 0.0
    first, second = (quantiles(one[:, known], 0.25, 0)[0] for one in (values[::2], values[1::2]))
    total = float(np.diff(np.quantile((first + second) / 2, [0.5, 0.8413]))[0]) ** 2
    noise = scale((first - second) / 2) ** 2
    error = ((UPPER_ERROR * total) ** 2 + (SCALE_ERROR * noise) ** 2) ** 0.5 / first.size**0.5
    return float(hidden * max(0.0, total - noise - 1.5 * error) ** 0.5)


def scale(values: Floats) -> float:
    """1.4826 times the median distance to the median: the sd, were they normal."""
    finite = values[np.isfinite(values)]
    return float(1.4826 * np.median(np.abs(finite - np.median(finite)))) if finite.size else 0.0
