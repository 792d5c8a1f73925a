"""Whether a run had reached its steady state."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def drifted(seconds: Sequence[float], shift: float = 0.005, alpha: float = 0.01) -> bool:
    """First third against last third: Mann-Whitney p < ``alpha`` and medians more than ``shift`` apart.

    Flags 1 % of flat data; a slow ramp may still escape it (docs/method.md says how often).
    """
    from scipy.stats import mannwhitneyu

    third = len(seconds) // 3
    if third < 5:
        return False
    first, last = np.asarray(seconds[:third]), np.asarray(seconds[-third:])
    before = float(np.median(first))
    if abs(float(np.median(last)) - before) <= shift * before:
        return False
    return float(mannwhitneyu(first, last).pvalue) < alpha
