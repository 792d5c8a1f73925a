"""Forecasts on a terminal, as JSON and as a page: the same numbers, footing visible, nothing good that was refused."""

from __future__ import annotations

import io
import json
import math
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import forecast_data as data
import pytest
import render_data
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from test_render_html import EVIL, Page

from benchsuite.errors import RefusedError
from benchsuite.model import Band, Bound, Caution, Ceiling, Footing, Forecast, Mesh, Phase, Term
from benchsuite.render import (
    forecast_chart,
    forecast_page,
    forecast_section,
    forecast_table,
    forecast_terminal,
    forecast_view,
    html,
    view,
)
from benchsuite.render import forecast_words as words
from benchsuite.render.forecast_table import Outcome

GOLDEN = Path(__file__).parent / "golden"
REFUSED = RefusedError("It does not fit.", "Take two.")
ONE = [Outcome("example_h:2 fp8", data.forecast())]
SEVERAL = [
    *ONE,
    Outcome("example_h:2 bf16", data.forecast(usd_in=None, usd_out=None, joules=None, confidence=0.0, cautions=())),
    Outcome("small fp8", REFUSED),
]
BANNED = ("significant", "beats", "up to", "best-in-class", "proven")


def said(outcomes: list[Outcome], width: int = 80) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=width, highlight=False)
    if len(outcomes) == 1:
        assert isinstance(outcomes[0].made, Forecast)
        forecast_terminal.answer(outcomes[0].made, console)
    else:
        forecast_terminal.side_by_side(outcomes, console)
    return "\n".join(line.rstrip() for line in stream.getvalue().replace("\u00a0", " ").splitlines()) + "\n"


def page(outcomes: list[Outcome]) -> str:
    return forecast_page.page(forecast_view.build(outcomes, "0.0", "benchsuite predict a-model --machine example_h:2"))


def without_style(text: str) -> str:
    for pattern in (r"(<style>).*?</style>", r"(<script>).*?</script>"):
        text = re.sub(pattern, r"\1…", text, flags=re.DOTALL)
    return re.sub(r"sha256-[\w+/=]+", "sha256-…", text)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("forecast.txt", lambda: said(ONE)),
        ("forecast-side.txt", lambda: said(SEVERAL)),
        ("forecast.html", lambda: without_style(page(SEVERAL))),
    ],
)
def test_what_is_shown_stays_as_it_is(name: str, text: Any) -> None:
    """Golden: rewrite them with BENCHSUITE_UPDATE_GOLDEN=1 and read the difference."""
    if os.environ.get("BENCHSUITE_UPDATE_GOLDEN"):
        (GOLDEN / name).write_text(text(), encoding="utf-8")
    assert text() == (GOLDEN / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("value", "told"),
    [(1234.5, "1,230"), (999.6, "1,000"), (99_950.0, "100,000"), (0.0423, "0.0423"), (12.34, "12.3"), (1.0, "1.00")],
)
def test_figures_have_three_digits_and_thousands(value: float, told: str) -> None:
    assert words.figure(value) == told


def test_ends_of_an_interval_have_the_unit_of_its_value() -> None:
    told = words.number("x", "", Band(0.5, 0.25, 2.0), "s")
    assert (told.value.replace("\u00a0", " "), told.ends) == ("500 ms", "250–2,000")
    assert words.number("x", "", Band(0.5, 0.4, 0.6), "$").value == "$0.500"


def test_the_answer_comes_first_with_its_interval() -> None:
    text = said(ONE)
    first = text.splitlines()[:2]
    assert first[0] == "a-model, fp8, on 2 × Example H"
    assert "1,000 tokens/s" in first[1]
    assert "800–1,250" in first[1]
    assert all(len(line) <= 80 for line in text.split("Where the time goes")[0].splitlines()[:8])
    assert not [word for word in BANNED if word in text.lower()]


def test_all_the_time_divided_by_what_is_written_is_the_plain_formula() -> None:
    """3.6 dollars an hour and 1,000 tokens a second: a tenth of a cent a second, a dollar for a million tokens."""
    (whole,) = [one for one in words.numbers(data.forecast()) if one.label.startswith("All for")]
    assert (whole.value, whole.ends) == ("$1.00", "0.800–1.25")


def test_without_a_price_there_is_a_dash_and_never_a_zero() -> None:
    made = data.forecast(usd_in=None, usd_out=None, joules=None)
    text = said([Outcome("x", made)])
    assert "$" not in text
    assert text.count("see the assumptions") == 4
    document = forecast_table.one_document(made)
    assert document["usd_per_million_in"] is document["usd_per_million_out"] is document["joules_per_token"] is None


@pytest.mark.parametrize(("confidence", "words_"), [(0.9, "held 90 %"), (0.0, "No coverage can be claimed")])
def test_an_interval_says_what_it_claims(confidence: float, words_: str) -> None:
    assert words_ in words.interval(data.forecast(confidence=confidence)).replace("\u00a0", " ")


def test_every_footing_that_occurs_is_explained() -> None:
    text = said(ONE)
    assert "● measured on this machine" in text
    assert "◐ others measured" in text
    assert "○ the datasheet" in text
    assert "░ runs beside" in text
    only = Phase("x", (Term("t", 1.0, Bound.COMPUTE, Footing.MEASURED),))
    plain = said([Outcome("x", data.forecast(prefill=only, decode=only))])
    assert "◐" not in plain
    assert "░" not in plain


TERMS = st.builds(
    Term,
    st.text("abc", min_size=1, max_size=40),
    st.floats(1e-9, 1e3),
    st.sampled_from(Bound),
    st.sampled_from(Footing),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(TERMS, min_size=1, max_size=8), st.lists(TERMS, max_size=3))
def test_a_waterfall_fills_the_time_without_gap_or_overlap(shown: list[Term], beside: list[Term]) -> None:
    phase = Phase("x", (*shown, *(replace(term, hidden=True) for term in beside)))
    bars = words.waterfall(phase)
    ends = 0.0
    for bar in bars:
        assert bar.start >= -1e-12
        assert bar.start + bar.length <= 1 + 1e-9
        if not bar.hidden:
            assert bar.start == pytest.approx(ends, abs=1e-9)
            ends = bar.start + bar.length
    longest = max(term.seconds for term in shown)
    if all(term.seconds <= longest for term in beside):
        assert ends == pytest.approx(1.0)
    assert [bar.share == "beside" for bar in bars] == [term.hidden for term in phase.terms]
    for mark in ElementTree.fromstring(forecast_chart.waterfall("x", phase)).iter("rect"):
        x, width = float(mark.get("x", "nan")), float(mark.get("width", "nan"))
        assert x >= forecast_chart.LEFT - 0.01
        assert x + width <= forecast_chart.WIDE - forecast_chart.RIGHT + 0.02
        assert width >= forecast_chart.LEAST - 0.01


def test_the_drawing_and_its_table_say_the_same() -> None:
    (one,) = forecast_view.build(ONE, "0.0", "x").forecasts
    for phase in one.phases:
        drawn = ElementTree.fromstring(phase.svg)
        titles = [one.text or "" for one in drawn.iter("title")]
        assert titles == [f"{bar.name}: {bar.seconds}, {bar.share}, {bar.bound}, {bar.footing}" for bar in phase.bars]
        texts = [one.text for one in drawn.iter("text")]
        assert texts == [text for bar in phase.bars for text in (bar.name, f"{bar.seconds} {bar.glyph}")]


def test_side_by_side_refused_is_no_number_and_says_why() -> None:
    text = said(SEVERAL)
    (line,) = [line for line in text.splitlines() if line.startswith("  small fp8")]
    assert "✖ refused" in line
    assert not re.search(r"\d", line.replace("fp8", ""))
    assert "✖ small fp8: It does not fit. Take two." in text
    assert "not told apart from example_h:2 bf16" in text
    assert "Assumptions of all" in text
    assert "! NO_LINK_MEASURED (example_h:2 fp8): The link was not measured." in text
    assert "energy" not in text
    assert "energy" in said(SEVERAL, 120)


def test_side_by_side_each_has_its_price_its_devices_and_an_interval_of_its_dollars() -> None:
    lines = said(SEVERAL).splitlines()
    rates, dollars = (line.split() for line in lines if line.startswith("  example_h:2 fp8"))
    assert rates[-1] == "2"
    assert dollars[2:] == ["$3.60", "$0.125", "$0.500", "$1.00", "0.800–1.25"]
    free = said([Outcome("x", data.forecast(usd_in=None, usd_out=None)), *SEVERAL[-1:]])
    assert "Dollars" not in free
    table = lines[lines.index("Dollars") - 6 : lines.index("Dollars") + 4]
    assert all(len(line) <= 80 for line in table)


def test_one_sequence_is_one() -> None:
    text = said([Outcome("x", data.forecast(batch=1.0, max_batch=4096))])
    assert "1 sequence at once" in text
    assert "one step of 1 sequence:" in text
    assert "Memory holds 4,096 sequences" in text


def test_a_caution_has_the_code_by_which_the_page_explains_it() -> None:
    assert "! NO_LINK_MEASURED: The link was not measured." in said(ONE)


def test_an_order_is_claimed_only_where_intervals_are_apart() -> None:
    far = Outcome("slow", data.forecast(throughput=Band(100.0, 80.0, 125.0), usd_out=Band(5.0, 4.0, 6.25)))
    assert forecast_table.best([*ONE, far]) == (
        "Most tokens per second and device: example_h:2 fp8.",
        "Fewest dollars for these requests: example_h:2 fp8.",
    )
    assert forecast_table.best([far, *ONE])[0] == "Most tokens per second and device: example_h:2 fp8."


def test_the_json_is_whole_and_strict() -> None:
    endless = replace(data.CEILINGS, usd_per_hour=Ceiling(math.nan, Footing.PUBLISHED))
    odd = Outcome("odd", data.forecast(ceilings=endless, usd_in=None, usd_out=None))
    found = forecast_table.document([*SEVERAL, odd])
    text = json.dumps(found, allow_nan=False)
    assert json.loads(text)["refused"] == [{"what": "small fp8", "reason": "It does not fit.", "remedy": "Take two."}]
    first = found["forecasts"][0]
    assert first["tokens_per_second"] == {"value": 1000.0, "low": 800.0, "high": 1250.0}
    assert first["phases"][1]["bound"] == "memory bandwidth"
    assert first["phases"][1]["seconds"] == pytest.approx(0.02)
    assert first["machine"]["bandwidth"]["footing"] == "published"
    assert {term["footing"] for term in first["phases"][0]["terms"]} == {"measured", "published", "assumed"}


def test_the_page_is_closed_and_names_every_footing_and_source() -> None:
    text = page(SEVERAL)
    found = Page(text)
    assert "default-src 'none'" in found.policy()
    assert not [one for _, one in found.elements if "style" in one]
    assert not [one for _, one in found.elements if one.get("src") or "http" in one.get("href", "")]
    joined = " ".join(found.words)
    for one in ("a table that somebody published", "run 1, gemm bf16", "● measured", "◐ published", "○ assumed"):
        assert one in joined
    regions = [one for tag, one in found.elements if tag == "div" and "scroll" in one.get("class", "")]
    assert regions
    assert all(one.get("tabindex") == "0" and one.get("aria-label") for one in regions)


def test_no_text_becomes_markup() -> None:
    evil = data.forecast(
        model=EVIL,
        ceilings=replace(data.CEILINGS, name=EVIL, fabric=EVIL, bandwidth=Ceiling(1e12, Footing.ASSUMED, EVIL)),
        assumptions=(EVIL,),
        cautions=(Caution("X", EVIL),),
        prefill=Phase("x", (Term(EVIL, 1.0, Bound.LINK, Footing.ASSUMED),)),
    )
    plain, hostile = Page(page(ONE)), Page(page([Outcome(EVIL, evil)]))
    tags = {tag for tag, _ in plain.elements}
    assert {tag for tag, _ in hostile.elements} <= tags
    assert not [one for _, one in hostile.elements if "onerror" in one or "onload" in one]
    assert "\u202e" not in said([Outcome(EVIL, evil)])


def test_a_section_of_a_report_keeps_what_was_refused() -> None:
    assert forecast_section.section([SEVERAL[-1]], "a-run") is None
    found = forecast_section.section(SEVERAL, "a-run")
    assert found is not None
    assert found.command == "benchsuite predict a-model --machine a-run"
    assert found.traffic == "each request reading 2,048 tokens and writing 512"
    titles, cells, notes = zip(*found.rows, strict=True)
    assert titles == ("example_h:2 fp8", "example_h:2 bf16", "small fp8")
    assert cells[2] == ("✖ refused", "–", "–", "–")
    assert notes == ("The link was not measured.", "", "It does not fit. Take two.")


def test_the_report_of_a_run_has_the_section_only_where_there_is_something_to_say() -> None:
    campaign = render_data.campaign([*render_data.probes()], trouble=False)
    assert 'id="forecast"' not in html.report(view.build(campaign))
    told = html.report(view.build(replace(campaign, forecasts=SEVERAL))).replace("\u00a0", " ")
    assert '<section id="forecast">' in told
    assert 'href="#forecast"' in told
    assert "What would a model cost on this machine?" in told
    assert "1,000 tokens/s (800–1,250)" in told
    assert "It does not fit. Take two." in told


def test_one_of_a_thing_is_not_many_and_every_way_of_sharing_is_named() -> None:
    made = data.forecast(max_batch=1, max_context=1, mesh=Mesh(2, 2, 4), ceilings=replace(data.CEILINGS, devices=4))
    assert words.room(made) == "Memory holds 1 sequence of 2,560 tokens at once, or one of 1 token."
    assert words.layout(made) == (
        "One copy of the model on 4 devices (tensor parallel 2, pipeline of 2, experts over 4); 4 devices hold 1 copy."
    )
    alone = data.forecast(mesh=Mesh(), ceilings=replace(data.CEILINGS, devices=1))
    assert words.layout(alone) == "One copy of the model on 1 device."
    assert words.machine(alone) == "Example H"
    assert words.layout(data.forecast(mesh=Mesh(2, 1, 2))).startswith(
        "One copy of the model on 2 devices (tensor parallel 2, experts over 2)"
    )
