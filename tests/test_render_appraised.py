"""The page says whether a number is normal and what a dollar buys; published figures are no population."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

import benchsuite.catalog as catalogs
from benchsuite import assets, normal
from benchsuite.appraisal import Appraisal, appraise
from benchsuite.model import Case, Exhibit, Machine, Metric, Offer, Origin, Publication, Score, Status, Work
from benchsuite.normalize import Ceilings
from benchsuite.render import appraised, html
from benchsuite.render.view import build
from benchsuite.verdicts import Code
from tests import render_data as data

FACTS = {"gpu": {"name": "NVIDIA H100 80GB HBM3", "processors": "132", "memory bytes": str(80 << 30)}}
OFFER = Offer("Example Cloud", "gpu_1x", "north", 1, 2.1, "on-demand", "2026-01-02", "entered by the user")


def score(case: Case, metric: Metric, value: float, work: Work, **more: object) -> Score:
    made = Score(case, "mma", "driver 1", metric, Status.OK, work, runs=5, value=value, low=value * 0.99)
    return replace(made, high=value * 1.01, best=True, conditions={"readings": 9.0}, interval="5 runs", **more)


def scores(gemm: float = 612e12, triad: float = 3.02e12) -> list[Score]:
    product = Case.of("gemm", m=8192, n=8192, k=8192, dtype="bf16", layout="nt", data="normal")
    memory = Case.of("memory", op="triad", bytes=4 << 30)
    return [
        score(product, Metric.FLOPS, gemm, Work(flops=2.0 * 8192**3), of_datasheet=gemm / 989e12, joules=1.1),
        score(
            memory, Metric.BANDWIDTH, triad, Work(read=2e9, written=1e9), of_datasheet=triad / 3.35e12, ceiling=3.1e12
        ),
    ]


def appraisal(made: list[Score], exhibits: tuple[Exhibit, ...] = (), offer: Offer | None = OFFER) -> Appraisal:
    known = normal.reference(catalogs.load().figures, exhibits, normal.hardware(FACTS, "me"))
    return appraise(made, known, offer)


def fleet(gemm: float, count: int = 24) -> tuple[Exhibit, ...]:
    """Machines of three clouds around a middle."""
    found = []
    for number in range(count):
        one = score(scores()[0].case, Metric.FLOPS, gemm * (1 + 0.002 * (number - count / 2)), Work())
        offer = Offer(f"Cloud {number % 3}")
        machine = Machine(f"m{number}", "NVIDIA H100 80GB HBM3", "h100_sxm_80")
        told = Publication(1, f"c{number}", Origin.MEASURED, machine, "2026-01-02T00:00:00+00:00", "gpu", (one,))
        found.append(Exhibit(replace(told, offer=offer, backend="cuda"), f"m{number}"))
    return tuple(found)


def test_published_figures_are_hollow_and_nothing_is_called_by_them() -> None:
    told = appraised.answer(appraisal(scores()))
    assert [row.family for row in told.rows] == ["Matrix multiplication"], "no triad of this card is published"
    for row in told.rows:
        assert 'class="published"' in row.strip
        assert 'class="box"' not in row.strip
        assert "slow" not in row.word
        assert row.voices
    assert dict(told.counts)[Code.NO_REF] == 1
    assert any("No verdict" in note for note in told.notes)
    assert any("hollow" in note for note in told.notes)


def test_a_population_gives_a_verdict_and_its_box() -> None:
    told = appraised.answer(appraisal(scores(), fleet(700e12)))
    row = next(row for row in told.rows if row.family == "Matrix multiplication")
    assert 'class="box"' in row.strip
    assert 'class="published"' not in row.strip
    assert row.glyph == "▼"
    assert row.said.startswith("Slow for")
    assert dict(told.counts)[Code.SLOW] == 1


def test_the_sheet_stands_where_the_share_says() -> None:
    row = appraised.answer(appraisal(scores()))
    label = re.search(r'aria-label="([^"]+)"', next(r.strip for r in row.rows if r.family.startswith("Matrix")))
    assert label is not None
    assert "datasheet 989" in label[1].replace("\u00a0", " ")


def test_what_a_dollar_buys_has_its_price_and_inputs() -> None:
    told = appraised.answer(appraisal(scores()))
    assert "$2.10 an hour" in told.price
    assert "2026-01-02" in told.price
    names = [name for name, _ in told.columns]
    product = next(row for row in told.bought if row.name.startswith("Matrix"))
    assert product.cells[names.index("per $")].replace("\u00a0", " ").startswith("1.049")
    assert told.columns, "612 TFLOP/s x 3600 s / $2.10 = 1.049 EFLOP/$"
    assert appraised.answer(appraisal(scores(), offer=None)).price == ""


def test_a_machine_of_which_nothing_is_known_gets_one_sentence() -> None:
    known = normal.reference(catalogs.load().figures, (), normal.hardware({"processor": {"model": "Example"}}))
    told = appraised.answer(appraise(scores(), known))
    assert told.rows == ()
    assert "Nothing on record" in told.nothing


@pytest.mark.parametrize("exhibits", [(), fleet(700e12)], ids=["published", "population"])
def test_the_page_has_both_sections_and_its_first_words_agree(exhibits: tuple[Exhibit, ...]) -> None:
    campaign = replace(
        data.campaign(),
        scores=scores(),
        records=(),
        facts=FACTS,
        ceilings=Ceilings(),
        appraisal=appraisal(scores(), exhibits),
    )
    page = html.report(build(campaign), assets.folder("reports"))
    assert '<section id="normal">' in page
    assert '<section id="worth">' in page
    assert ("▼ slow" in page.split("<main>")[0]) == bool(exhibits)
    headline = re.search(r'<h1 id="verdict">(.*?)</h1>', page)
    assert headline is not None
    assert ("Slow for NVIDIA H100" in headline[1]) == bool(exhibits)
    assert "No reference: no other such machine is on record" not in page
    assert 'style="' not in page
    assert page == html.report(build(campaign), assets.folder("reports"))
