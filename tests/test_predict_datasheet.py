"""Ceilings of machines that nobody measured here."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchsuite.catalog import Figure
from benchsuite.catalog.shipped import shipped
from benchsuite.errors import RefusedError
from benchsuite.model.forecast import Ceilings, Footing
from benchsuite.predict import datasheet

CATALOG = shipped()


def of(key: str, figures: tuple[Figure, ...] = CATALOG.figures, **changed: object) -> Ceilings:
    accelerator = CATALOG.accelerators[key]
    return datasheet.ceilings(replace(accelerator, **changed), figures, 8)  # type: ignore[arg-type]


def test_a_published_product_is_the_ceiling() -> None:
    a100 = of("a100_sxm_80").gemm["bf16"]
    assert (a100.value, a100.footing) == (pytest.approx(271.2e12), Footing.PUBLISHED)
    assert "MAMF" in a100.source


def test_twins_share_what_was_published() -> None:
    """H100 and H200 are one chip under one power limit: what one reaches, the other does."""
    assert of("h100_sxm_80").gemm["e4m3"].value == of("h200_sxm_141").gemm["e4m3"].value > 1.45e15


def test_less_power_reaches_less_of_the_peak() -> None:
    sxm, nvl = of("h100_sxm_80"), of("h100_nvl_94")
    peaks = [CATALOG.accelerators[key].peaks["e4m3"] for key in ("h100_sxm_80", "h100_nvl_94")]
    assert nvl.gemm["e4m3"].value / peaks[1] < 0.9 * sxm.gemm["e4m3"].value / peaks[0]
    assert nvl.gemm["e4m3"].footing is Footing.ASSUMED


def test_a_narrower_type_reaches_less_of_its_peak() -> None:
    b200, peaks = of("b200_sxm_180"), CATALOG.accelerators["b200_sxm_180"].peaks
    shares = {name: b200.gemm[name].value / peaks[name] for name in ("e4m3", "fp4")}
    assert shares["fp4"] == pytest.approx(0.95 * shares["e4m3"])


def test_without_figures_the_usual_shares_hold() -> None:
    plain = of("l40s", ())
    sheet = CATALOG.accelerators["l40s"]
    assert plain.gemm["e4m3"].value == pytest.approx(0.75 * sheet.peaks["e4m3"])
    assert plain.bandwidth.value == pytest.approx(0.93 * 864e9)
    assert plain.bandwidth.footing is Footing.ASSUMED
    assert plain.link is not None
    assert (plain.link.value, plain.fabric) == (16e9, "PCIe 4")


def test_a_link_is_the_published_all_reduce_of_eight() -> None:
    a100 = of("a100_sxm_80").link
    assert a100 is not None
    assert a100.footing is Footing.PUBLISHED
    assert a100.value == pytest.approx(234.89e9)
    bridge = of("a100_pcie_80")
    assert bridge.fabric == "PCIe 4"  # the bridge is optional, and joins pairs


def test_memory_on_the_package_is_counted_in_gib_and_on_a_board_in_gb() -> None:
    assert of("h100_sxm_80").memory == 85520809984
    assert of("mi300x").memory == pytest.approx(192 * 2**30)
    assert of("l40s", nvml_memory=None).memory == 48e9


def test_no_ceiling_is_above_its_peak() -> None:
    for key, accelerator in CATALOG.accelerators.items():
        if not (accelerator.bandwidth and accelerator.memory and accelerator.peaks):
            with pytest.raises(RefusedError):
                of(key)
            continue
        made = of(key)
        assert made.bandwidth.value <= accelerator.bandwidth
        assert all(ceiling.value <= accelerator.peaks[name] for name, ceiling in made.gemm.items()), key
        assert made.gemm


def test_no_peak_no_ceilings() -> None:
    with pytest.raises(RefusedError, match="does not know"):
        of("h100_sxm_80", peaks={})
