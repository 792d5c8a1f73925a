"""Row 39: NaN, infinity and one wrong bit are found, before and after timing, and leave no number."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchsuite.errors import Exit
from benchsuite.measure.verify import check
from benchsuite.model import ArraySpec, Expected, Rejected, Status, Tolerance
from tests.faults.injection import assert_contained, assert_others_measured, run_campaign

PLANTS = {
    "nan": 'buffers["y"][17] = np.nan',
    "infinity": 'buffers["y"][17] = np.inf',
    "bit": 'buffers["y"].view(np.uint64)[17] ^= np.uint64(1 << 20)',
}


@pytest.mark.fault(39)
@pytest.mark.parametrize("when", ["always", "measure"])
@pytest.mark.parametrize("plant", PLANTS)
def test_a_wrong_element_is_rejected_and_has_no_time(tmp_path: Path, plant: str, when: str) -> None:
    """``measure``: right when it is verified before timing, wrong while it is timed."""
    condition = "True" if when == "always" else '"measure" in doing()'
    fault = f"def faulty(buffers, case):\n    double(buffers, case)\n    if {condition}:\n        {PLANTS[plant]}"
    ended = run_campaign(tmp_path, fault, cases=1)
    assert_contained(ended)
    assert ended.exit_code == Exit.REJECTED
    assert_others_measured(ended)
    (record,) = ended.of("faulty")
    assert record.status is Status.REJECTED
    assert "y[17]" in record.reason
    assert ("after timing" in record.reason) == (when == "measure")
    assert record.summary is None
    assert record.samples is None


@pytest.mark.fault(39)
@pytest.mark.parametrize("dtype", ["fp64", "fp32"])
@pytest.mark.parametrize("tolerance", [0.0, 1e-6])
def test_every_bit_counts_that_the_tolerance_does_not_forgive(dtype: str, tolerance: float) -> None:
    storage, words, mantissa = {"fp64": ("f8", "u8", 52), "fp32": ("f4", "u4", 23)}[dtype]
    right = np.random.default_rng(7).uniform(1.0, 2.0, 33).astype(storage)
    specs = {"y": ArraySpec(right.shape, dtype)}
    for bit in range(8 * right.itemsize):
        wrong = right.copy()
        wrong.view(words)[20] ^= np.array(1, words) << np.array(bit, words)
        found = check({"y": wrong}, {"y": Expected(right.astype("f8"))}, specs, Tolerance(relative=tolerance))
        change = 2.0 ** (bit - mantissa) if bit < mantissa else 1.0
        if change > 2 * tolerance:
            assert isinstance(found, Rejected), f"bit {bit} was not seen"
            assert "[20]" in found.where
        elif change < tolerance / 2:
            assert not isinstance(found, Rejected)
