"""Description of one run's samples: nothing is dropped, outliers are counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from benchsuite.model import Summary
from benchsuite.statistics.interval import effective_size, lag1, median_interval
from benchsuite.statistics.shape import bimodal

CONFIDENCE = 0.99


def summarise(seconds: Sequence[float], annotations: Mapping[str, Sequence[int]] = MappingProxyType({})) -> Summary:
    """The summary of positive, finite durations in seconds; ``ValueError`` on anything else.

    annotations: by the code of a condition, the numbers of the samples it touched; the others are the clean ones.
    """
    x = np.asarray(seconds, dtype=np.float64)
    if x.size == 0 or not np.all(np.isfinite(x)) or not np.all(x > 0.0):
        raise ValueError("a summary needs positive, finite durations")
    q1, median, q3 = (float(q) for q in np.percentile(x, (25, 50, 75)))
    interval = median_interval(seconds, CONFIDENCE) or (float(x.min()), float(x.max()))
    severe = _outside(x, q1, q3, 3.0)
    touched = sorted({number for numbers in annotations.values() for number in numbers if 0 <= number < x.size})
    clean = np.delete(x, touched)
    return Summary(
        n=int(x.size),
        median=median,
        low=interval[0],
        high=interval[1],
        confidence=CONFIDENCE,
        minimum=float(x.min()),
        p5=float(np.percentile(x, 5)),
        p95=float(np.percentile(x, 95)),
        maximum=float(x.max()),
        mad=float(np.median(np.abs(x - median))),
        lag1=lag1(seconds),
        n_effective=effective_size(seconds),
        outliers_mild=_outside(x, q1, q3, 1.5) - severe,
        outliers_severe=severe,
        clean=int(clean.size),
        clean_median=float(np.median(clean)) if clean.size else None,
        bimodal=bimodal(seconds),
    )


def _outside(x: np.ndarray[tuple[int, ...], np.dtype[np.float64]], q1: float, q3: float, factor: float) -> int:
    """How many values lie beyond Tukey's fences (Exploratory Data Analysis, 1977)."""
    reach = factor * (q3 - q1)
    return int(np.count_nonzero((x < q1 - reach) | (x > q3 + reach)))
