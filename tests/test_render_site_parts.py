"""The site's parts: names, quantiles, ranks, fronts, axes, and the folder that is written to."""

from __future__ import annotations

import csv
import hashlib
import math
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import site_data
from hypothesis import given, settings
from hypothesis import strategies as st

from benchsuite import catalog, publication
from benchsuite.errors import DataError, UsageError
from benchsuite.model import Caveat, Exhibit, Metric
from benchsuite.normal import Code
from benchsuite.render.site import (
    axes,
    case_page,
    context,
    front,
    normality,
    paths,
    plots,
    population,
    strips,
    templates,
    value_page,
)
from benchsuite.render.site.collection import Collection
from benchsuite.render.site.folder import NAME, Folder
from benchsuite.render.site.provider_page import ratio_words
from benchsuite.render.site.ranks import ranks
from benchsuite.render.site.value_page import Priced

QUICK = settings(max_examples=60, deadline=None)
POSITIVE = st.floats(1e-9, 1e18)


# -- names -------------------------------------------------------------------------------------------------------------


@QUICK
@given(st.lists(st.text(), unique=True, min_size=2, max_size=6))
def test_different_texts_get_different_names_that_any_system_takes(texts: list[str]) -> None:
    names = [paths.slug(text) for text in texts]
    assert len(set(names)) == len(names)
    assert all(NAME.fullmatch(f"run/{name}.html") and name == name.lower() for name in names)


def test_an_id_is_its_own_name_and_cannot_be_that_of_another_text() -> None:
    assert paths.slug("20260901-120000-gpu-0001") == "20260901-120000-gpu-0001"
    other = paths.slug("Alpha Cloud")
    assert other.startswith("alpha-cloud~")
    assert paths.slug(other) != other


def test_pages_of_a_list_are_numbered_from_the_second() -> None:
    assert [paths.numbered("runs", page) for page in (1, 2)] == ["runs.html", "runs~2.html"]
    assert paths.slug("runs~2") != "runs~2"


# -- populations -------------------------------------------------------------------------------------------------------


@QUICK
@given(st.lists(POSITIVE, min_size=1, max_size=60))
def test_quantiles_are_those_of_numpy(values: list[float]) -> None:
    found = population.distribution(values)
    expected = np.quantile(values, [0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0])
    got = (found.least, found.p5, found.p25, found.median, found.p75, found.p95, found.most)
    assert np.allclose(got, expected, rtol=1e-9)
    assert found.n == len(values)
    assert (found.points == tuple(sorted(values))) == (len(values) < population.FEW)


INTERVALS = st.lists(st.tuples(st.floats(1, 100), st.floats(0, 20)), min_size=1, max_size=30)


@QUICK
@given(INTERVALS, st.booleans())
def test_a_rank_is_the_range_that_overlapping_intervals_leave_open(pairs: list[tuple[float, float]], up: bool) -> None:
    lows, highs = [low for low, _ in pairs], [low + width for low, width in pairs]
    found = population.rank_ranges(lows, highs, higher_is_better=up)
    for i, (first, last) in enumerate(found):
        above = sum((lows[j] > highs[i]) if up else (highs[j] < lows[i]) for j in range(len(pairs)))
        below = sum((highs[j] < lows[i]) if up else (lows[j] > highs[i]) for j in range(len(pairs)))
        assert (first, last) == (1 + above, len(pairs) - below)


def collected(*told: object) -> Collection:
    made = Collection()
    for one in told:
        made.add(Exhibit(one, publication.label(one)), one.id)  # type: ignore[attr-defined, arg-type]
    return made


def test_each_machine_counts_once_with_its_newest_run() -> None:
    told = [site_data.published(n, "rtx_4090", machine="one", month=n) for n in (1, 3, 2)]
    made = collected(*told, site_data.published(9, "rtx_4090", machine="two"))
    site = context.site("x", "0", made, context.Known())
    measured = next(iter(site.cases.values()))
    numbers = sorted(measured.entries[at] for at in site.chosen[measured.slug])
    assert numbers == [1, 3]
    assert site.spreads[measured.slug]["rtx_4090"].n == 2
    assert site.newer == {0: 1, 2: 1}


def test_a_part_of_a_suite_supersedes_no_whole_one() -> None:
    whole, part = (replace(site_data.published(n, "rtx_4090", machine="one", month=n), planned=n) for n in (1, 2))
    made = collected(whole, replace(part, results=part.results[:1]))
    site = context.site("x", "0", made, context.Known())
    assert site.newer == {}
    counted = {one.slug: sorted(one.entries[at] for at in site.chosen[one.slug]) for one in site.cases.values()}
    assert sorted(counted.values()) == [[0]] * (len(counted) - 1) + [[1]], "of one case in both the newer counts"


def test_moments_of_one_day_stand_apart() -> None:
    early, late = plots.day("2026-01-02T03:00:00+00:00"), plots.day("2026-01-02T15:00:00+00:00")
    assert early is not None
    assert late is not None
    assert late - early == pytest.approx(0.5)
    assert plots.day("someday") is None


def test_a_case_is_what_the_best_implementation_gives() -> None:
    told = site_data.published(1, "rtx_4090")
    latency = next(score for score in told.results if score.metric is Metric.LATENCY)
    rate = told.results[0]
    for score, better in ((latency, 0.5), (rate, 2.0)):
        rival = replace(score, implementation="rival", value=(score.value or 0) * better)
        made = collected(replace(told, results=(score, rival)))
        [measured] = made.cases.values()
        assert list(measured.values) == [rival.value]
        assert made.ways[measured.how[0]].implementation == "rival"
        assert measured.run_values(0) == score.run_values


def test_the_strip_tells_in_words_what_it_draws() -> None:
    few = population.distribution([10e12, 11e12])
    many = population.distribution([(100 + n) * 1e12 for n in range(40)])
    words = strips.words(few, Metric.FLOPS, (10.5e12, 10e12, 11e12))
    assert words.replace("\u00a0", " ") == "This machine 10.5 TFLOP/s; 2 on record, 10.0–11.0 TFLOP/s"
    drawing = strips.strip(many, Metric.FLOPS, strips.span([many]))
    assert 'class="box"' in drawing
    assert "percentile 102–137" in drawing
    assert 'class="each"' in strips.strip(few, Metric.FLOPS, strips.span([few]))


# -- price and performance ---------------------------------------------------------------------------------------------


@QUICK
@given(st.lists(st.tuples(st.integers(1, 20), st.integers(1, 20)), min_size=1, max_size=25))
def test_nothing_is_cheaper_and_faster_than_what_lies_on_the_front(pairs: list[tuple[int, int]]) -> None:
    found = [Priced("t", "w", float(usd), "", "", 1, float(v), float(v), float(v), False) for usd, v in pairs]
    kept = value_page.front(found)

    def beaten(one: Priced) -> bool:
        return any(
            (other.usd <= one.usd and other.value > one.value) or (other.usd < one.usd and other.value >= one.value)
            for other in found
        )

    assert not any(beaten(found[at]) for at in kept)
    on = {(found[at].usd, found[at].value) for at in kept}
    assert all(beaten(one) for one in found if (one.usd, one.value) not in on)
    assert [found[at].usd for at in kept] == sorted(found[at].usd for at in kept)


def test_a_dollar_buys_rate_times_an_hour_over_the_price() -> None:
    site = context.site("x", "0", collected(site_data.published(1, "rtx_4090")), context.Known())
    flops = next(one for one in site.cases.values() if one.metric is Metric.FLOPS)
    latency = next(one for one in site.cases.values() if one.metric is Metric.LATENCY)
    assert case_page.worth(flops, 1e12, 1.0).replace("\u00a0", " ") == "3.60 PFLOP/$"
    assert case_page.worth(latency, 1e-7, 1.0) == ""


@pytest.mark.parametrize(
    ("ratio", "words"),
    [(1.0, "as elsewhere, to 0.1 %"), (0.969, "3.1 % below"), (1.05, "5.0 % above"), (1.83, "×1.83"), (0.5, "×0.500")],
)
def test_ratios_near_one_are_percentages_with_a_direction(ratio: float, words: str) -> None:
    assert ratio_words(ratio).replace("\u00a0", " ") == words


# -- axes --------------------------------------------------------------------------------------------------------------


@QUICK
@given(POSITIVE, st.floats(1.001, 1e6), st.booleans(), st.integers(3, 9))
def test_ticks_are_few_round_and_on_the_axis(low: float, factor: float, log: bool, most: int) -> None:
    scale = axes.Scale(low, low * factor, 0.0, 100.0, log=log)
    ticks = scale.ticks(most)
    assert len(ticks) <= most + 1
    for tick in ticks:
        assert low * (1 - 1e-3) <= tick <= low * factor * (1 + 1e-3)
        if not log:
            continue
        mantissa = tick / 10.0 ** math.floor(math.log10(tick) + 1e-9)
        assert min(abs(mantissa - one) for one in (1, 2, 3, 5, 10)) < 1e-6


@QUICK
@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.floats(0, 1))
def test_a_value_lies_between_the_ends_in_proportion(low: float, width: float, share: float) -> None:
    scale = axes.Scale(low, low + width, 10.0, 110.0)
    assert scale.at(low + width * share) == pytest.approx(10 + 100 * share, abs=0.05)
    assert scale.at(low - width) == 10.0
    assert scale.at(low + 3 * width) == 110.0


def test_texts_of_a_drawing_are_escaped() -> None:
    point = plots.Point(1.0, 1e12, 1e12, 1e12, "<b>&", '"><b>', 1)
    other = plots.Point(2.0, 2e12, 2e12, 2e12, "x", "x", 2)
    drawing = plots.scatter([point, other], [point, other], "FLOP/s", "<t>")
    ElementTree.fromstring(f"<div>{drawing}</div>")
    assert "&lt;b&gt;&amp;</text>" in drawing
    assert "<b>" not in drawing


def test_code_in_a_docstring_is_escaped() -> None:
    assert str(templates.code("a <b> ``c < d`` `e`")) == "a &lt;b&gt; <code>c &lt; d</code> <code>e</code>"


# -- verdicts and ranks ------------------------------------------------------------------------------------------------


def test_a_machine_is_judged_by_the_others_and_never_by_itself() -> None:
    told = [site_data.published(3 * n + 1, "rtx_4090", f"provider {n % 4}") for n in range(21)]
    site = context.site("x", "0", collected(*told), context.Known())
    usual = normality.usual(site, "rtx_4090")
    judged = normality.judged(site, told[0], told[0].machine.id, usual)
    assert judged
    for one in judged:
        assert one.code is not Code.NO_REF
        assert "20 machines" in one.sentence or "90 of 100" in one.sentence
    alone = normality.judged(site, told[0], "nobody", usual)
    assert any("21 machines" in one.sentence for one in alone) or len(usual.reference.measured) > 0
    few = context.site("x", "0", collected(*told[:20]), context.Known())
    verdicts = normality.judged(few, told[0], told[0].machine.id, normality.usual(few, "rtx_4090"))
    assert {one.code for one in verdicts} == {Code.NO_REF}, "nineteen others are no population"


def test_the_largest_case_that_nearly_all_machines_have_stands_for_the_others() -> None:
    site = context.site("x", "0", collected(site_data.published(1, "rtx_4090")), context.Known())
    counts = {"bf16 4096³": 20, "bf16 8192³": 19, "triad 4 GiB": 20, "copy 4 GiB": 20, "1 GiB": 5, "16 MiB": 20}
    cases = [
        (one, counts[words]) for one in site.cases.values() if (words := one.words.replace("\u00a0", " ")) in counts
    ]
    chosen = [one.words.replace("\u00a0", " ") for one in context.headlines(cases)]
    assert chosen == ["bf16 8192³", "triad 4 GiB", "16 MiB"]
    assert len(context.headlines(cases, 2)) == 2


def test_a_compromised_number_has_no_rank_and_a_clear_difference_has_one() -> None:
    slow, fast = (site_data.published(n, card) for n, card in ((1, "rtx_4090"), (2, "h200_sxm_141")))
    shaky = site_data.published(4, "h100_sxm_80")
    noted = tuple(replace(score, caveats=(Caveat("NOT_STEADY", ""),)) for score in shaky.results)
    site = context.site("x", "0", collected(slow, fast, replace(shaky, results=noted)), context.Known())
    measured = next(one for one in site.cases.values() if one.metric is Metric.FLOPS)
    ranges, _ = ranks(site, measured, [0, 1, 2])
    assert ranges == [(2, 2), (1, 1), None]


def test_a_threshold_of_a_health_check_is_no_figure_of_a_case() -> None:
    found = catalog.load()
    site = context.site("x", "0", collected(site_data.published(1, "h100_sxm_80")), context.Known(found.accelerators))
    hardware = site.hardware("h100_sxm_80")
    measured = next(one for one in site.cases.values() if one.words == "bf16 8192³")
    assert hardware
    quantity = catalog.quantity_of(measured.case, measured.metric)
    some = next(one for one in found.figures if one.hardware == hardware.key and one.quantity == quantity)
    figures = [replace(some, role=role) for role in catalog.Role]
    known = replace(site, known=replace(site.known, figures=figures))
    assert [one.role for one in known.figures(measured, hardware)] == [catalog.Role.MEASURED]


# -- data beside the pages ---------------------------------------------------------------------------------------------


def test_no_cell_of_a_csv_is_a_formula() -> None:
    told = site_data.published(1, "rtx_4090")
    evil = tuple(replace(score, implementation="=cmd()") for score in told.results)
    site = context.site("x", "0", collected(replace(told, results=evil)), context.Known())
    lines = list(case_page.csv(site, next(iter(site.cases.values()))))
    assert "'=cmd()" in lines[1]
    cells = next(csv.reader([lines[1]]))
    assert len(cells) == len(case_page.CSV)
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]


def test_the_search_holds_the_newest_runs_that_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    told = [site_data.published(n, "rtx_4090", month=1 + n % 9) for n in range(20)]
    site = context.site("x", "0", collected(*told), context.Known())
    whole = front.search_index(site, [])
    assert '"left":0' in whole
    monkeypatch.setattr(front, "INDEX", len(whole) - 600)
    less = front.search_index(site, [])
    assert len(less) < len(whole)
    assert '"left":0' not in less
    assert site.entry(site.newest[0]).id in less
    assert site.entry(site.newest[-1]).id not in less


# -- the folder --------------------------------------------------------------------------------------------------------


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="not empty"):
        Folder(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_what_is_no_longer_wanted_goes_and_what_is_not_ours_stays(tmp_path: Path) -> None:
    with Folder(tmp_path) as folder:
        for name in ("run/a.html", "run/b.html", "case/only.html", "edited.html"):
            folder.write(name, name)
    (tmp_path / "run/own.txt").write_text("mine")
    (tmp_path / "edited.html").write_text("changed by hand")
    with Folder(tmp_path) as folder:
        folder.write("run/b.html", "new")
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"run/b.html", "run/own.txt", "edited.html", "SHA256SUMS", "benchsuite-site.txt"}
    assert not (tmp_path / "case").exists()
    assert (tmp_path / "SHA256SUMS").read_text() == f"{hashlib.sha256(b'new').hexdigest()}  run/b.html\n"


def test_an_interrupted_build_leaves_nothing_that_the_next_does_not_know(tmp_path: Path) -> None:
    folder = Folder(tmp_path).__enter__()
    folder.write("a.html", "a")
    folder.write("half.html", "whole")
    (tmp_path / "half.html").write_text("who")  # as if its writer had been ended
    folder.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    with Folder(tmp_path) as folder:
        folder.write("b.html", "b")
    assert {path.name for path in tmp_path.iterdir()} == {"b.html", "SHA256SUMS", "benchsuite-site.txt"}


@pytest.mark.parametrize("name", ["../x.html", "/x.html", "a/../b", ".hidden", "a//b", "", "a b", "a\\b"])
def test_no_name_leads_out_of_the_site(name: str, tmp_path: Path) -> None:
    with Folder(tmp_path) as folder, pytest.raises(ValueError, match="no name"):
        folder.write(name, "x")


def linked_file(site: Path, outside: Path) -> None:
    (site / "a.html").unlink()
    os.symlink(outside / "precious.txt", site / "a.html")


def linked_folder(site: Path, outside: Path) -> None:
    (site / "run/b.html").unlink()
    (site / "run").rmdir()
    os.symlink(outside, site / "run")


@pytest.mark.parametrize("plant", [linked_file, linked_folder])
def test_a_link_to_elsewhere_is_not_followed(plant: Callable[[Path, Path], None], tmp_path: Path) -> None:
    site, outside = tmp_path / "site", tmp_path / "outside"
    outside.mkdir()
    (outside / "precious.txt").write_text("mine")
    for turn in range(2):
        if turn:
            plant(site, outside)
        try:
            with Folder(site) as folder:
                folder.write("a.html", "new")
                folder.write("run/b.html", "new")
        except UsageError:
            assert turn
    assert (outside / "precious.txt").read_text() == "mine"
    assert [path.name for path in outside.iterdir()] == ["precious.txt"]


def test_edited_sums_are_no_orders(tmp_path: Path) -> None:
    with Folder(tmp_path) as folder:
        folder.write("a.html", "a")
    victim = tmp_path.parent / "victim.txt"
    victim.write_text("mine")
    digest = hashlib.sha256(b"mine").hexdigest()
    (tmp_path / "SHA256SUMS").write_text(f"{digest}  ../victim.txt\n")
    with pytest.raises(DataError, match="edited"):
        Folder(tmp_path)
    assert victim.exists()
    victim.unlink()
