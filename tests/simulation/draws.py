"""Samples of runs whose truth is known, and what a rate found in simulation can say about the true one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import exp, sqrt

import numpy as np
from scipy.optimize import brentq
from scipy.signal import lfilter
from scipy.stats import beta, norm

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
SPREAD = 0.01
SURE = 0.999
"""Confidence of the bounds below: a test that fails means a rule that is broken, not bad luck."""


def independent(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    return rng.standard_normal(shape)


def skewed(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    """A long tail to the right, as interruptions make it."""
    return np.exp(0.8 * rng.standard_normal(shape)) - 1.0


def two_peaks(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    """Three tenths of the samples lie ten of the peaks' standard deviations above the others."""
    return 0.3 * rng.standard_normal(shape) + np.where(rng.random(shape) < 0.3, 3.0, 0.0)


def correlated(rng: np.random.Generator, shape: tuple[int, int], rho: float = 0.5) -> Array:
    """AR(1), from its stationary distribution on."""
    reps, n = shape
    noise = rng.standard_normal((reps, n + 1)) * sqrt(1.0 - rho * rho)
    noise[:, 0] /= sqrt(1.0 - rho * rho)
    return np.asarray(lfilter([1.0], [1.0, -rho], noise, axis=1)[:, 1:])


def spiked(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    """Correlated, and one sample in twenty far away on either side: its moments show no correlation."""
    return correlated(rng, shape) + np.where(rng.random(shape) < 0.05, 40.0 * rng.choice([-1.0, 1.0], shape), 0.0)


Kind = Callable[[np.random.Generator, tuple[int, int]], Array]
KINDS: tuple[Kind, ...] = (independent, skewed, two_peaks, correlated)
ONE_PEAK: tuple[Kind, ...] = (independent, skewed, correlated)
_TWO_PEAKS_MEDIAN = brentq(lambda q: 0.7 * norm.cdf(q / 0.3) + 0.3 * norm.cdf((q - 3.0) / 0.3) - 0.5, -5.0, 5.0)


def runs(kind: Kind, reps: int, n: int, seed: int = 1, spread: float = SPREAD) -> Iterator[list[float]]:
    """``reps`` runs of ``n`` samples in seconds, about 1 s each."""
    for row in np.exp(spread * kind(np.random.default_rng(seed), (reps, n))):
        yield row.tolist()


def truth(kind: Kind) -> float:
    """The median that ``kind`` samples, in seconds."""
    return exp(SPREAD * _TWO_PEAKS_MEDIAN) if kind is two_peaks else 1.0


def at_least(hits: int, reps: int) -> float:
    """The true rate is hardly below this (Clopper & Pearson 1934)."""
    return float(beta.ppf(1.0 - SURE, hits, reps - hits + 1)) if hits else 0.0


def at_most(hits: int, reps: int) -> float:
    """The true rate is hardly above this."""
    return float(beta.ppf(SURE, hits + 1, reps - hits)) if hits < reps else 1.0
