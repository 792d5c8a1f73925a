"""The checks of the catalogue: nothing is wrong with what ships, and each kind of error is seen and named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchsuite.catalog import Accelerator, Catalog, Figure, ModelShape, Price, check, check_hardware, dates
from benchsuite.catalog.hardware import accelerator
from benchsuite.catalog.published import Row, figure
from benchsuite.catalog.rows import Confidence
from benchsuite.catalog.shipped import shipped
from benchsuite.model import Metric

KNOWN = shipped()
HARDWARE = KNOWN.accelerators

SHEET: Mapping[str, Any] = {
    "name": "NVIDIA Testcard",
    "vendor": "nvidia",
    "form": "sxm",
    "cc": "9.0",
    "sms": 100,
    "boost_mhz": 2000,
    "mem_gb": 80,
    "mem_bw_gbs": 3000,
    "tf32": 409.6,
    "bf16": 819.2,
    "fp8": 1638.4,
    "source": ["a datasheet"],
    "confidence": "high",
    "as_of": "2026-01",
}
"""Sound: 100 SMs x 4096 x 2000 MHz, and fp8 twice that."""

PRICE = Price("P", "i", "h100_sxm_80", 8, 16.0, "on-demand", "2026-01", "s", Confidence.HIGH, usd_per_device_hour=2.0)
ROW = Row(
    hardware="h100_sxm_80",
    benchmark="gemm",
    value=700.0,
    unit="TFLOP/s",
    metric=Metric.FLOPS,
    as_of="2026-01",
    source="s",
    confidence=Confidence.HIGH,
    quantity="gemm bf16",
    dtype="bf16",
)


def card(**changes: Any) -> Accelerator:
    sheet = {name: value for name, value in {**SHEET, **changes}.items() if value is not None}
    return accelerator("test", sheet, "here")


def published(**changes: Any) -> Figure:
    return figure(replace(ROW, **changes), "here")


def test_nothing_is_wrong_with_what_ships() -> None:
    assert check.problems(KNOWN) == []


def test_the_sound_rows_of_these_tests_are_sound() -> None:
    assert check_hardware.accelerator(card()) == []
    assert check.price(PRICE, HARDWARE) == []
    assert check.figure(published(), HARDWARE) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"source": []}, "no source"),
        ({"source": [" "]}, "no source"),
        ({"as_of": ""}, "is no date"),
        ({"as_of": "soon"}, "'soon' is no date"),
        ({"found": ["bf16"]}, "sms stands neither in found nor in from_memory"),
        ({"found": [*SHEET.keys() - {"name"}, "fp4"]}, "fp4 is said to be found"),
        ({"found": [*SHEET.keys()], "from_memory": ["bf16"]}, "bf16 stands in found and in from_memory"),
        ({"mem_bw_gbs": 3e12}, "bandwidth 3e+21 B/s is out of all proportion"),
        ({"mem_gb": 80e9}, "memory 8e+19 B is out of all proportion"),
        ({"tdp_w": 0.7}, "watts 0.7 W is out of all proportion"),
        ({"boost_mhz": 2.0, "implied_clock_mhz": 2000}, "clock 2e+06 Hz is out of all proportion"),
        ({"nvml_mem_mib": 40000}, "42 GB are not the datasheet's 80 GB"),
        ({"bf16": 700, "tf32": 350, "fp8": 1400}, "bf16 700 T is not 100 processors x 4096 operations per clock"),
        ({"bf16_flop_per_clk_per_sm": 4096, "implied_clock_mhz": 1900}, "is not what the implied clock gives: 778.2 T"),
        ({"fp8": 819.2}, "fp8 is 1 x bf16, not 2 x"),
        ({"int8": 819.2}, "int8 is 1 x bf16, not 2 x"),
        ({"fp16": 409.6}, "fp16 is 0.5 x bf16, not 1 x"),
        ({"tf32": 819.2}, "tf32 is 1 x bf16, not 0.5 x"),
        ({"bf16": 1638.4, "tf32": 819.2, "fp8": 3276.8}, "makes 8192 operations per clock, the architecture does 4096"),
        ({"notes": "819.2 is with sparsity"}, "bf16 819.2 stands as a peak, and the notes say that it counts zeros"),
        ({"fp4": 6553.6, "notes": "fp4 6553.6 is sparse"}, "fp4 6553.6 stands as a peak"),
        ({"sparse": ["fp4"]}, "fp4 is said to be sparse, and is not there"),
        ({"explained": {"fp8": "so it is"}}, "fp8 is explained, and departs from nothing"),
        ({"bf16": float("nan")}, "out of all proportion"),
    ],
)
def test_an_accelerator_s_error_is_seen_and_named(changes: dict[str, Any], words: str) -> None:
    found = check_hardware.accelerator(card(**changes))
    assert any(words in sentence for sentence in found), found


def test_a_departure_that_is_explained_is_no_error() -> None:
    assert check_hardware.accelerator(card(fp8=819.2, explained={"fp8": "one rate for both"})) == []


def test_a_sparse_figure_is_kept_and_never_a_peak() -> None:
    one = card(fp4=6553.6, sparse=["fp4"])
    assert "fp4" in one.stated
    assert "fp4" not in one.peaks
    assert check_hardware.accelerator(one) == []
    assert all(not one.sparse & set(one.columns.values()) for one in HARDWARE.values())


@given(
    st.sampled_from(["h100_sxm_80", "a100_sxm_80", "l40s", "rtx_4090", "b200_sxm_180"]),
    st.sampled_from(["bf16", "e4m3", "fp32", "int8"]),
    st.floats(1.06, 1.36),
)
@settings(max_examples=60, deadline=None)
def test_a_peak_that_no_power_of_two_gives_is_always_seen(key: str, dtype: str, factor: float) -> None:
    """Between 6 % above a sound peak and 4 % below the next one there is no other."""
    one = HARDWARE[key]
    clocks = {clock for clock in (one.clock, one.implied_clock) if clock}
    if dtype not in one.peaks or max(clocks) / min(clocks) > 1.02:
        return
    wrong = replace(one, peaks={**one.peaks, dtype: one.peaks[dtype] * factor}, explained={})
    assert any(one.columns[dtype] in sentence for sentence in check_hardware.accelerator(wrong))


@given(st.sampled_from(sorted(key for key, one in HARDWARE.items() if one.rate and one.capability)))
@settings(max_examples=20, deadline=None)
def test_an_entry_of_sparse_figures_throughout_is_seen(key: str) -> None:
    """Twice everything stands on the ladder as well as before: only the architecture's rate gives it away."""
    one = HARDWARE[key]
    if one.rate != check_hardware.RATES.get(one.capability):  # GeForce at half rate: twice that is a rate there is
        return
    twice = replace(one, peaks={dtype: 2 * peak for dtype, peak in one.peaks.items()})
    assert any("seems to count zeros" in sentence for sentence in check_hardware.accelerator(twice))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"hardware": "h9000"}, "there is no hardware 'h9000'"),
        ({"kind": "cheap"}, "the kind is unknown"),
        ({"devices": 0}, "0 devices are none"),
        ({"usd_per_hour": 16e6}, "out of all proportion"),
        ({"usd_per_hour": float("nan")}, "out of all proportion"),
        ({"usd_per_hour": -1.0}, "out of all proportion"),
        ({"usd_per_hour": 18.0}, "18 US dollars for 8 devices is 2.2500 for each, not 2"),
        ({"source": ""}, "no source"),
        ({"as_of": "2026-13"}, "'2026-13' is no date"),
        ({"instance": ""}, "provider or instance is empty"),
    ],
)
def test_a_price_s_error_is_seen_and_named(changes: dict[str, Any], words: str) -> None:
    found = check.price(replace(PRICE, **changes), HARDWARE)
    assert any(words in sentence for sentence in found), found


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"hardware": "h9000"}, "there is no hardware 'h9000'"),
        ({"quantity": "gemm fast"}, "'gemm fast' is no quantity"),
        ({"quantity": "gemm e4m3"}, "element type 'bf16' does not belong to gemm e4m3"),
        ({"quantity": "hbm read"}, "hbm read is in B/s, not in flop/s"),
        ({"value": 1200.0}, "1200 TFLOP/s is above the dense bf16 peak (121.3%), and nothing explains it"),
        ({"value": 0.0}, "out of all proportion"),
        ({"value": float("inf")}, "out of all proportion"),
        ({"value": 700e6}, "out of all proportion"),
        ({"to": 600.0}, "ends before it begins"),
        ({"percent_of_peak": 80.0}, "700 TFLOP/s is 70.7% of the dense bf16 peak, not 80.0%"),
        ({"explained": "because"}, "is explained, and is not above"),
        ({"source": ""}, "no source"),
        ({"as_of": "2026-02..2026-01"}, "ends before it begins"),
        (
            {"quantity": "allreduce busbw ranks=8 nodes=1", "metric": Metric.BUSBW, "unit": "GB/s", "ranks": 4},
            "4 ranks on 0 nodes do not belong",
        ),
    ],
)
def test_a_figure_s_error_is_seen_and_named(changes: dict[str, Any], words: str) -> None:
    found = check.figure(published(**changes), HARDWARE)
    assert any(words in sentence for sentence in found), found


def test_what_is_above_the_wire_must_be_explained() -> None:
    busbw = {"metric": Metric.BUSBW, "unit": "GB/s", "quantity": "", "dtype": "", "fabric": "NVLink4", "nodes": 1}
    assert any("above the link in one direction" in each for each in check.figure(published(**busbw), HARDWARE))
    assert check.figure(published(**busbw, explained="the switch reduces"), HARDWARE) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"layers": 33}, "billion parameters, not 8.03"),
        ({"params_b": 80.3}, "has 8.03 billion parameters, not 80.3"),
        ({"params_b": 0.0}, "not 0"),
        ({"active_params_b": 6.0}, "a token passes through 8.03 billion"),
        ({"kv_heads": 7}, "do not share 7 KV heads evenly"),
        ({"kv_heads": 0}, "kv_heads must be positive"),
        ({"experts": 4}, "experts do not fit a dense model"),
        ({"source": ""}, "no source"),
    ],
)
def test_a_model_s_error_is_seen_and_named(changes: dict[str, Any], words: str) -> None:
    shape: ModelShape = replace(KNOWN.models["llama-3.1-8b"], **changes)
    found = check.model(shape)
    assert any(words in sentence for sentence in found), found


def test_problems_say_what_they_are_about() -> None:
    broken = Catalog(
        MappingProxyType({**HARDWARE, "test": card(source=[])}),
        (*KNOWN.prices, replace(PRICE, source=""), KNOWN.prices[0]),
        (*KNOWN.figures, published(source=""), KNOWN.figures[0]),
        MappingProxyType({**KNOWN.models, "m": replace(KNOWN.models["qwen3-8b"], source="")}),
    )
    starts = [sentence.partition(":")[0] for sentence in check.problems(broken)]
    assert starts == [
        "hardware test",
        "price P i (on-demand)",
        "figure h100_sxm_80 gemm bf16",
        "model m",
        f"price {KNOWN.prices[0].provider} {KNOWN.prices[0].instance} ({KNOWN.prices[0].kind})",
        f"figure {KNOWN.figures[0].hardware} {KNOWN.figures[0].benchmark} {KNOWN.figures[0].shape}",
    ]


@pytest.mark.parametrize("text", ["2026", "2026-02", "2026-02-28", "2024-11..2025-06", "2025..2026-01"])
def test_dates_that_are_dates(text: str) -> None:
    assert dates.wrong(text) == ""


@pytest.mark.parametrize(
    "text", ["", "26", "2026-00", "2026-1", "2026-02-30", "2026/02", "2026..", "1999", "2026-02-28T00:00"]
)
def test_dates_that_are_none(text: str) -> None:
    assert dates.wrong(text)
