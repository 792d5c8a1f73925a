"""Bands, and when they widen."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from benchsuite.catalog.shipped import shipped
from benchsuite.errors import RefusedError
from benchsuite.model.forecast import Caution, Mesh, Traffic
from benchsuite.predict import datasheet, interval
from benchsuite.predict.precision import PRECISIONS

CATALOG = shipped()
DENSE, MIXED, FINE = (CATALOG.models[key] for key in ("llama-3.1-70b", "mixtral-8x7b", "qwen3-30b-a3b"))
KNOWN = interval.shipped()


def machine(key: str):  # type: ignore[no-untyped-def]
    return datasheet.ceilings(CATALOG.accelerators[key], CATALOG.figures, 8)


def codes(shape=DENSE, precision="fp8", key="h100_sxm_80", mesh=None, traffic=None, rate=500.0, batch=64, version=None):  # type: ignore[no-untyped-def]
    asked = (mesh or Mesh(2), traffic or Traffic(1000, 1000), rate, batch)
    found = interval.cautions(shape, PRECISIONS[precision], machine(key), *asked, version=version)
    assert all(one.code.isupper() and one.words.endswith(".") for one in found)
    return {one.code for one in found}


def test_inside_of_calibration_there_is_nothing_to_say() -> None:
    assert codes() == set()
    assert codes(version="TensorRT-LLM v0.17") == set()
    for name in ("bf16", "fp16"):  # of each other: of the GPU that had either
        assert codes(precision=name, key="a100_sxm_80") == set()
        assert codes(precision=name) == {"UNSEEN_PRECISION"}


def test_each_way_out_is_named() -> None:
    assert codes(key="b200_sxm_180") >= {"UNSEEN_GPU", "UNSEEN_PRECISION"}
    assert codes(version="another") == {"UNSEEN_ENGINE"}
    assert codes(precision="w4a16") == {"UNSEEN_PRECISION"}
    assert codes(MIXED) == set()
    assert codes(MIXED, mesh=Mesh(4)) == codes(MIXED, mesh=Mesh(8)) == {"NARROW_EXPERTS"}
    assert codes(replace(MIXED, experts=16, layers=64)) == {"UNSEEN_EXPERTS"}
    assert codes(CATALOG.models["qwen3-0.6b"]) == {"SMALL_MODEL"}
    assert codes(batch=1) == {"FEW_SEQUENCES"}
    assert codes(batch=KNOWN.batch) == set()
    assert codes(traffic=Traffic(64, 64)) == {"SHORT"}
    assert codes(traffic=Traffic(3400, 200)) == {"READING"}
    assert codes(FINE) == {"FINE_EXPERTS"}
    assert codes(key="l40s", mesh=Mesh(8)) == {"WIDE_OVER_PCIE"}
    assert codes(mesh=Mesh(2, 2)) == {"PIPELINE"}
    assert codes(mesh=Mesh(16)) == {"WIDE_GROUP"}
    assert codes(traffic=Traffic(30_000, 3000)) == {"LONG"}
    assert codes(rate=KNOWN.rate) == {"ABOVE_RATE"}


def test_far_above_every_published_rate_is_refused() -> None:
    with pytest.raises(RefusedError, match="times what any result"):
        codes(rate=2 * KNOWN.rate)


def test_a_caution_widens_and_takes_the_coverage_away() -> None:
    plain, nominal = interval.band(100.0)
    assert nominal == 0.9
    assert (plain.low, plain.high) == (pytest.approx(100 * math.exp(-KNOWN.known)), 100 * math.exp(KNOWN.known))
    wide, none = interval.band(100.0, [Caution("UNSEEN_GPU", "")])
    assert none == 0.0
    assert wide.low < plain.low < 100 < plain.high < wide.high
    assert KNOWN.unseen >= 0.34
    fine, _ = interval.band(100.0, [Caution("FINE_EXPERTS", "")])
    assert (fine.low, fine.high) == (pytest.approx(100 * math.exp(-1.1)), wide.high)


def test_above_the_rate_the_band_reaches_down_to_it() -> None:
    band, _ = interval.band(100.0, [Caution("ABOVE_RATE", "")], rate=2 * KNOWN.rate)
    assert band.low == pytest.approx(50 * math.exp(-KNOWN.unseen))


def test_the_conformal_quantile() -> None:
    assert interval.conformal([float(one) for one in range(1, 10)]) == 9
    assert interval.conformal([float(one) for one in range(1, 20)]) == 18
    assert math.isinf(interval.conformal([1.0] * 8))  # eight groups cannot give 90 %
    assert math.isinf(interval.conformal([]))


def test_the_table_is_read_as_written() -> None:
    written = {"known": 0.1, "unseen": 0.4, "rate": 1.0, "length": 2.0, "shortest": 1.0, "reading": 1.0, "batch": 2}
    written |= {"parameters": 1e9, "sparsity": 4.0, "tensor": 8, "experts_tensor": 2, "over_host": 8}
    written |= {"gpus": ["a"], "versions": ["b"], "precisions": ["c"], "fitted": []}  # type: ignore[dict-item]
    again = interval.calibration(written)
    assert again.gpus == {"a"}
    assert replace(KNOWN, known=0.1).known == 0.1


def test_ceilings_that_were_not_steady_are_told() -> None:
    moved = replace(machine("h100_sxm_80"), unsteady=3)
    found = interval.cautions(DENSE, PRECISIONS["fp8"], moved, Mesh(2), Traffic(1000, 1000), 500.0, 64)
    assert [(one.code, one.words[:28]) for one in found] == [("UNSTEADY_CEILINGS", "3 of the cases measured ther")]
