"""Fits, folds, the rival and the page: on results made from known parameters."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchsuite.catalog import load
from benchsuite.model.forecast import Mesh
from benchsuite.predict import baselines, fit, folds, interval, residuals
from benchsuite.predict.engine import FITTED, Engine
from benchsuite.predict.score import score
from benchsuite.predict.table import Row

KNOWN = fit.table(load(()))
LENGTHS = ((128, 128), (2048, 128), (500, 2000))
GPUS = ("h100_sxm_80", "h200_sxm_141", "l40s")
TRUE = replace(fit.prior(), bandwidth=0.8, gemm=0.9, reduce=15e-6)
FEW = {name: fit.PRIORS[name] for name in ("bandwidth", "gemm", "reduce")}
LOOSE = {name: replace(item, spread=10.0) for name, item in FEW.items()}


def made(engine: Engine = TRUE) -> list[Row]:
    rows = [
        Row(
            2 + line,
            "llama-3.1-8b",
            gpu,
            "fp8",
            isl,
            osl,
            1.0,
            mesh=Mesh(tensor),
            engine="made",
            benchmark="perf-overview",
        )
        for line, (gpu, (isl, osl), tensor) in enumerate(
            (gpu, lengths, tensor) for gpu in GPUS for lengths in LENGTHS for tensor in (1, 4)
        )
    ]
    return [replace(row, measured=KNOWN.predict(row, engine)[1].throughput) for row in rows]


def test_known_parameters_are_found_again() -> None:
    found = fit.fit(fit.cells(made()), KNOWN, replace(TRUE, bandwidth=0.95, gemm=1.0, reduce=1e-5), LOOSE)
    assert found.bandwidth == pytest.approx(0.8, rel=0.02)
    assert found.gemm == pytest.approx(0.9, rel=0.02)
    assert found.reduce == pytest.approx(15e-6, rel=0.05)


def test_what_data_cannot_tell_stays_at_its_prior() -> None:
    alone = [cell for cell in fit.cells(made()) if cell.row.mesh == Mesh(1)]
    found = fit.fit(alone, KNOWN, replace(TRUE, reduce=5e-6), {"reduce": fit.PRIORS["reduce"]})
    assert found.reduce == pytest.approx(fit.PRIORS["reduce"].value, rel=1e-3)


def test_one_wild_cell_does_not_pull_the_rest() -> None:
    rows = made()
    rows[0] = replace(rows[0], measured=rows[0].measured * 5)
    found = fit.fit(fit.cells(rows), KNOWN, TRUE, LOOSE)
    assert found.bandwidth == pytest.approx(0.8, rel=0.1)


def test_replicates_are_one_cell_with_their_median() -> None:
    rows = [
        Row(line, "m", "g", "fp8", 1, 1, rate, submitter=str(line)) for line, rate in ((2, 1.0), (3, 9.0), (4, 2.0))
    ]
    (cell,) = fit.cells(rows)
    assert (cell.measured, cell.replicates) == (2.0, 3)
    assert len(fit.cells([rows[0], replace(rows[1], gpu="other")])) == 2


def test_every_block_weighs_the_same() -> None:
    rows = [Row(line, "m", "g" if line < 5 else "h", "fp8", line, 1, 1.0, mesh=Mesh(1)) for line in range(2, 6)]
    weight = fit.weights(fit.cells(rows))
    assert weight[:3].sum() == pytest.approx(weight[3])
    assert np.mean(weight) == pytest.approx(1)


def test_priors_are_complete() -> None:
    assert {*residuals.MEANING} == {*fit.PRIORS}
    assert all(item.value > 0 and 0 < item.spread < 1 and item.why for item in fit.PRIORS.values())


def test_a_fold_has_not_seen_what_it_is_asked() -> None:
    chosen = fit.cells(made())
    seen: list[set[str]] = []

    def fitted(cells: list[fit.Cell]) -> Engine:
        seen.append({cell.row.gpu for cell in cells})
        return TRUE

    engines = folds.without(chosen, folds.gpu, fitted)  # type: ignore[arg-type]
    assert seen == [{*GPUS} - {gpu} for gpu in sorted(GPUS)]
    bands = folds.nested(chosen, KNOWN, fitted)  # type: ignore[arg-type]
    assert all(gpu not in band.gpus and band.unseen >= folds.LEAST_UNSEEN for gpu, band in bands.items())
    fastest = {gpu: folds.hull([one for one in chosen if one.row.gpu != gpu], KNOWN).rate for gpu in GPUS}
    assert {gpu: band.rate for gpu, band in bands.items()} == fastest
    assert all(len(one) == 1 for one in seen[3:])
    found = folds.held_out(chosen, KNOWN, folds.gpu, engines, bands)
    assert [one.row.line for one in found.scored.rows] == [cell.row.line for cell in chosen]
    assert max(abs(one.error or 0) for one in found.scored.rows) < 1e-9
    configured = folds.configurations(chosen, KNOWN, fitted)  # type: ignore[arg-type]
    assert {*configured} == {*chosen}


def test_a_configuration_is_held_out_of_a_fit_to_all_other_sources_too() -> None:
    """The shipped engine is fitted to every source: the band must come of engines that are."""
    rows = made()
    other = [replace(row, line=100 + row.line, engine="other") for row in rows[:3]]
    chosen, seen = fit.cells(rows + other), []
    folds.configurations(chosen, KNOWN, lambda some: seen.append(some) or TRUE)  # type: ignore[func-returns-value]
    assert all({cell.row.engine for cell in some} == {"made", "other"} for some in seen)
    assert sum(len(chosen) - len(some) for some in seen) == len(rows)


def test_the_narrow_band_covers_nine_tenths_of_each_gpu_not_of_all() -> None:
    chosen = fit.cells(made())
    plenty = [replace(cell, row=replace(cell.row, line=line)) for line, cell in enumerate(chosen * 4)]
    configured = {cell: 0.3 if cell.row.gpu == "l40s" else 0.1 for cell in plenty}
    assert folds.each(configured) == 0.3


def test_the_widest_score_of_any_gpu_makes_the_band() -> None:
    chosen = fit.cells(made())
    slow = replace(TRUE, layer=1e-3)
    engines = {"h100_sxm_80": TRUE, "l40s": slow}
    away = folds.errors([cell for cell in chosen if cell.row.gpu == "l40s"], KNOWN, slow)
    assert folds.widest(chosen, KNOWN, engines) == pytest.approx(max(away))
    assert folds.widest(chosen, KNOWN, dict.fromkeys(engines, TRUE)) == folds.LEAST_UNSEEN


def test_the_hull_is_what_the_cells_span() -> None:
    hull = folds.hull(fit.cells(made()), KNOWN)
    assert (hull.tensor, hull.length, hull.versions) == (4, 2500, {"made"})
    assert (hull.experts_tensor, hull.sparsity) == (0, 0.0)
    assert hull.parameters == KNOWN.catalog.models["llama-3.1-8b"].parameters
    assert hull.precisions == {f"fp8 on {gpu}" for gpu in GPUS}
    assert hull.batch == min(int(KNOWN.predict(row, fit.prior())[1].batch) for row in made())
    assert hull.gpus == set()  # six cells each: too few for a score of their own


def test_the_rival_has_two_parameters_and_no_tiles() -> None:
    flat = baselines.plain(KNOWN)
    assert {one.processors for one in flat.ceilings.values()} == {0}
    found = baselines.roofline(fit.cells(made()), flat)
    changed = {name for name in fit.PRIORS if getattr(found, name) != getattr(baselines.ROOFLINE, name)}
    assert changed == {"gemm", "bandwidth"}


def test_the_page_tells_every_part() -> None:
    rows = made()
    rows += [replace(rows[0], line=99, notes="MaxQ"), replace(rows[1], line=98, scenario="Server", tpot=0.05)]
    chosen = folds.calibrating(rows)
    base = replace(folds.hull(chosen, KNOWN), known=0.1, unseen=0.4)
    engines = dict.fromkeys(GPUS, TRUE)
    held = folds.held_out(chosen, KNOWN, folds.gpu, engines, dict.fromkeys(GPUS, base))
    scored = score(rows, KNOWN, TRUE, base)
    found = residuals.Findings(
        engine=TRUE,
        calibration=base,
        whole=scored,
        cells=scored,
        gpus=held,
        versions=held,
        rivals={"a rival": (scored.rows, scored.rows)},
        widths=dict.fromkeys(GPUS, base),
        configured=dict.fromkeys(chosen, 0.05),
    )
    text = residuals.page(found)
    for words in (
        "leave one GPU out",
        "a rival",
        "| tile |",
        "E3: a power cap",
        "Server",
        "worst",
        "after seeing",
        "l40s",
    ):
        assert words in text
    assert "nan" not in text
    assert "None" not in text
    assert interval.shipped().known > 0


def test_no_share_of_a_ceiling_passes_one() -> None:
    """Results faster than the ceilings say that these are too low: no forecast may then beat its own roofline."""
    faster = fit.cells(made(replace(TRUE, gemm=1.3, bandwidth=1.2)))
    found = fit.fit(faster, KNOWN, replace(TRUE, gemm=1.0, bandwidth=0.9), LOOSE)
    assert 0.99 < found.bandwidth <= 1.0
    assert 0.99 < found.gemm <= 1.0
    assert all(item.value <= item.most for item in fit.PRIORS.values())
    assert max(FITTED.gemm, FITTED.bandwidth, FITTED.link, FITTED.attention) <= 1.0
