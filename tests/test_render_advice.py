"""Advice and training forecasts on page and terminal: the answer first, ties said, texts escaped, goldens."""

from __future__ import annotations

import io
import json
import math
import os
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import advice_data as data
import pytest
from rich.console import Console
from test_render_html import EVIL, Page

from benchsuite.model.forecast import Band
from benchsuite.predict.advise import Advice
from benchsuite.predict.ownership import compare, parse
from benchsuite.render import advice_page, advice_terminal, training_forecast_page, training_forecast_terminal
from benchsuite.render.advice_chart import Point, chart, frontier
from benchsuite.render.advice_view import View, build, dollars, ends
from benchsuite.render.training_forecast import build as build_training

GOLDEN = Path(__file__).parent / "golden"


def view(advice: Advice | None = None) -> View:
    owning, given = parse("price=9000,power=300")
    return build(
        advice or data.written(), compare(owning, 1.0, given), "on-demand", "0.0", "benchsuite advise", "2026-11-30"
    )


def terminal(shown: View, *, every: bool = False) -> str:
    stream = io.StringIO()
    advice_terminal.show(shown, Console(file=stream, width=120, highlight=False), every=every)
    return stream.getvalue().replace("\u00a0", " ")


def training_terminal() -> str:
    stream = io.StringIO()
    shown = build_training(data.training(), "0.0", "benchsuite predict-training")
    training_forecast_terminal.show(shown, Console(file=stream, width=120, highlight=False))
    return stream.getvalue().replace("\u00a0", " ")


def test_the_answer_comes_first_and_says_that_it_is_a_tie() -> None:
    first = terminal(view()).splitlines()[0]
    assert first.startswith("Cheapest by estimate, and not told apart from 1 other plan: 3 GPUs: Example small, bf16")
    alone = replace(data.written(), plans=data.written().plans[:1])
    assert terminal(view(alone)).startswith("Cheapest: 3 GPUs")


def test_a_plan_that_may_miss_the_limits_is_never_called_anything_else() -> None:
    text = terminal(view(), every=True)
    assert re.search(r"\$8,760 a month.*may miss the limits", text)
    assert "$5,840–no end" in text
    assert json.dumps(view().data, allow_nan=False)
    assert view().data["plans"][2]["usd_per_month"]["high"] is None


def test_what_was_left_out_and_every_default_are_told() -> None:
    text = terminal(view(), every=True)
    assert "tiny, bf16, Example 1x tiny, 2026-10: It does not fit." in text
    assert "rare: The catalogue has no on-demand price of it." in text
    assert "years = 5: five years" in text
    assert "price = 9000: given" in text


def test_without_a_plan_the_page_says_so() -> None:
    shown = build(replace(data.written(), plans=()), None, "spot", "0.0", "benchsuite advise", "2026-11-30")
    assert shown.headline == "No offer keeps these limits at this rate."
    assert "No offer keeps these limits" in advice_page.page(shown)
    assert terminal(shown).startswith("No offer keeps")


def test_the_frontier_is_what_none_beats_in_both() -> None:
    def point(number: int, seconds: float, usd: float) -> Point:
        return Point(number, "a", "bf16", seconds, Band(usd, usd, usd))

    points = [point(1, 0.01, 9.0), point(2, 0.02, 3.0), point(3, 0.03, 4.0), point(4, 0.04, 1.0), point(5, 0.01, 9.5)]
    assert [one.number for one in frontier(points)] == [1, 2, 4]


def test_the_drawing_is_one_mark_a_plan_with_its_words() -> None:
    drawn = ElementTree.fromstring(view().chart)
    marks = [one for one in drawn.iter("path") if one.get("class", "").startswith("plan ")]
    assert len(marks) == 3  # the cheapest of each device and precision
    assert {one.get("class") for one in marks} == {"plan look1", "plan look2"}
    words = [one.findtext("title") or "" for one in marks]
    assert "open" in words[2]
    assert chart([], 0.05) == ""
    assert "limit" not in chart([Point(1, "a", "bf16", 0.01, Band(1.0, 1.0, 1.0))], math.inf)


@pytest.mark.parametrize("page", [lambda: advice_page.page(view()), lambda: training_forecast_page.page(
    build_training(data.training(), "0.0", "benchsuite predict-training"))])  # fmt: skip
def test_the_pages_are_closed(page) -> None:
    text = page()
    found = Page(text)
    assert found.policy().startswith("default-src 'none'")
    assert not any("style" in attributes or "onclick" in attributes for _, attributes in found.elements)
    assert [a for _, a in found.elements for name in ("src", "href") if a.get(name, "#")[0] not in "#d"] == []


def test_texts_of_offers_never_become_markup() -> None:
    made = data.written()
    plans = tuple(
        replace(one, price=replace(one.price, provider=EVIL, instance=EVIL, as_of=EVIL)) for one in made.plans
    )
    left = tuple(
        replace(one, hardware=f"{EVIL}{number}", words=EVIL, precision=EVIL) for number, one in enumerate(made.rejected)
    )
    machines = {key: replace(one, name=EVIL) for key, one in made.machines.items()}
    evil = view(replace(made, plans=plans, rejected=left, machines=machines))
    assert Page(advice_page.page(evil)).shape() == Page(advice_page.page(view())).shape()
    assert "\u202e" not in advice_page.page(evil)
    assert "\u202e" not in terminal(evil, every=True)


def test_dollars_have_three_digits() -> None:
    assert [dollars(value) for value in (0.1534, 14016.4, math.inf)] == ["$0.153", "$14,016", "no end"]
    assert ends(Band(1.0, 1.0, 1.0)) == "same at both ends"


def golden(name: str, text: str) -> None:
    if os.environ.get("BENCHSUITE_UPDATE_GOLDEN"):
        (GOLDEN / name).write_text(text, encoding="utf-8")
    assert text == (GOLDEN / name).read_text(encoding="utf-8")


def without_style(text: str) -> str:
    for pattern in (r"(<style>).*?</style>", r"(<script>).*?</script>"):
        text = re.sub(pattern, r"\1…", text, flags=re.DOTALL)
    return re.sub(r"sha256-[\w+/=]+", "sha256-…", text)


@pytest.mark.parametrize(
    ("name", "render"),
    [
        ("advice.txt", lambda: terminal(view())),
        ("advice.html", lambda: without_style(advice_page.page(view()))),
        ("training-forecast.txt", training_terminal),
    ],
)
def test_golden(name: str, render) -> None:
    """Golden: rewrite them with BENCHSUITE_UPDATE_GOLDEN=1 and read the difference."""
    golden(name, render())
