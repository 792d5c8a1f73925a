"""Accelerators: every vendor's, in SI units, each figure with whether it was found or is from memory."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchsuite.catalog import Basis, Form
from benchsuite.catalog.hardware import COLUMNS, accelerator
from benchsuite.catalog.shipped import shipped
from benchsuite.errors import DataError
from benchsuite.units import MIB

KNOWN = shipped().accelerators
FORMULA = sorted((key, dtype) for key, one in KNOWN.items() for dtype in one.peaks if one.per_clock(dtype))


def test_all_vendors_and_forms_are_there() -> None:
    vendors = {"nvidia", "amd", "google", "aws", "intel", "groq", "cerebras", "sambanova"}
    assert {one.vendor for one in KNOWN.values()} == vendors
    assert {one.form for one in KNOWN.values()} == set(Form)


def test_an_entry_is_in_si_units() -> None:
    one = KNOWN["h100_sxm_80"]
    assert one.peaks["bf16"] == pytest.approx(989.4e12)
    assert one.peaks["e4m3"] == pytest.approx(1978.9e12)
    assert (one.bandwidth, one.memory, one.watts) == (3352e9, 80e9, 700)
    assert (one.clock, one.implied_clock) == (1980e6, 1830e6)
    assert (one.cache, one.nvml_memory) == (50 * MIB, 81559 * MIB)
    assert one.link is not None
    assert one.link.bandwidth == 900e9
    assert (one.form, one.capability, one.pcie_generation, one.pcie_lanes) == (Form.SXM, "9.0", 5, 16)


def test_types_beyond_ours_are_there_too() -> None:
    assert KNOWN["b200_sxm_180"].peaks["fp4"] == pytest.approx(9000e12)
    assert KNOWN["mi355x"].peaks["fp6"] == pytest.approx(10066.3e12)
    assert KNOWN["rtx_4090"].peaks["fp16-sum16"] == pytest.approx(330.3e12)


def test_fp64_is_the_tensor_cores_where_there_are_such() -> None:
    assert KNOWN["h100_sxm_80"].peaks["fp64"] == pytest.approx(66.9e12)
    assert KNOWN["h100_sxm_80"].peaks["fp64-vector"] == pytest.approx(33.5e12)
    assert KNOWN["l4"].peaks["fp64"] == KNOWN["l4"].peaks["fp64-vector"]


def test_a_figure_says_whether_it_was_found() -> None:
    one = KNOWN["h200_sxm_141"]
    assert one.basis("bf16") is Basis.FOUND
    assert one.basis("e4m3") is Basis.FOUND
    assert one.basis("fp64") is Basis.MEMORY
    assert one.basis("mem_bw_gbs") is Basis.FOUND
    assert one.basis("fp4") is None


def test_what_no_source_agrees_on_is_no_figure() -> None:
    """Sources contradict each other about these: no peak is better than a wrong one."""
    assert not {"fp4", "int8", "fp32"} & set(KNOWN["b300_sxm_270"].peaks)
    assert "int8" not in KNOWN["gb300"].peaks
    assert "fp16" not in KNOWN["cerebras_wse3"].peaks
    for key in ("rtx_pro_4000", "rtx_pro_4500", "rtx_pro_5000_48", "rtx_pro_5000_72"):
        assert not KNOWN[key].peaks
        assert not KNOWN[key].clock
    assert "fp32" not in KNOWN["h800"].peaks
    assert KNOWN["rtx_4060_ti_16"].watts is None


def test_a_row_s_own_date_counts_before_the_file_s() -> None:
    sheet = {"name": "n", "vendor": "v", "form": "sxm", "source": ["s"], "confidence": "low"}
    assert accelerator("x", {**sheet, "as_of": "2025"}, "here", "2026").as_of == "2025"
    assert accelerator("x", sheet, "here", "2026").as_of == "2026"


def test_one_without_a_link_has_none() -> None:
    assert KNOWN["l4"].link is None
    assert "link_gbs_bidir" in KNOWN["l4"].stated


@pytest.mark.parametrize("missing", ["name", "vendor", "form", "source", "confidence"])
def test_what_is_missing_is_named(missing: str) -> None:
    sheet = {"name": "n", "vendor": "v", "form": "sxm", "source": ["s"], "confidence": "low"}
    del sheet[missing]
    with pytest.raises(DataError, match=f"here: {missing} is missing"):
        accelerator("x", sheet, "here")


def test_figures_without_a_list_are_found_in_the_source() -> None:
    sheet = {"name": "n", "vendor": "v", "form": "sxm", "source": ["s"], "confidence": "low", "bf16": 1.0}
    assert accelerator("x", sheet, "here").basis("bf16") is Basis.FOUND
    assert accelerator("x", {**sheet, "from_memory": ["bf16"]}, "here").basis("bf16") is Basis.MEMORY


@given(st.sampled_from(FORMULA), st.floats(1e8, 3e9), st.integers(1, 512))
@settings(max_examples=60, deadline=None)
def test_the_peak_at_a_clock_grows_with_clock_and_processors(which: tuple[str, str], hertz: float, count: int) -> None:
    key, dtype = which
    one = KNOWN[key]
    half, full = one.at_clock(dtype, hertz / 2, count), one.at_clock(dtype, hertz, 2 * count)
    assert half is not None
    assert full is not None
    assert math.isclose(full, 4 * half)
    rate = one.per_clock(dtype)
    assert rate is not None
    assert rate & (rate - 1) == 0


def test_every_peak_has_the_column_it_came_from() -> None:
    for one in KNOWN.values():
        assert set(one.peaks) == set(one.columns)
        assert all(column in COLUMNS[dtype] for dtype, column in one.columns.items())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0, -1.0])
def test_a_peak_that_is_no_number_has_no_rate(value: float) -> None:
    sheet = {"name": "n", "vendor": "v", "form": "sxm", "source": ["s"], "confidence": "low", "sms": 1, "boost_mhz": 1}
    assert accelerator("x", {**sheet, "bf16": value}, "here").per_clock("bf16") is None
