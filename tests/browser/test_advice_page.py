"""The pages of advice and of a training forecast in a real browser: readable in both themes, with keys, on paper."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import advice_data as data

from benchsuite.predict.ownership import compare, parse
from benchsuite.render import advice_page, advice_view, training_forecast, training_forecast_page
from tests.browser.chromium import Opened, serious, visiting

pytestmark = pytest.mark.browser

PAGES = ("advice", "training")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("advice")
    owning, given = parse("price=9000,power=300")
    view = advice_view.build(
        data.written(), compare(owning, 1.0, given), "on-demand", "0.0", "benchsuite advise", "2026-11-30"
    )
    (made / "advice.html").write_text(advice_page.page(view))
    shown = training_forecast.build(data.training(), "0.0", "benchsuite predict-training")
    (made / "training.html").write_text(training_forecast_page.page(shown))
    return made


@pytest.fixture
def visit(browser, folder: Path) -> Iterator[Opened]:
    yield from visiting(browser, folder)


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(visit: Opened, name: str, scheme: str) -> None:
    page = visit(name, color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert serious(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_precisions_differ_in_colour_and_in_shape(visit: Opened, scheme: str) -> None:
    page = visit("advice", color_scheme=scheme)
    marks = page.locator("svg.pareto path.plan")
    fills = set(marks.evaluate_all("all => all.map(one => getComputedStyle(one).fill)"))
    shapes = set(marks.evaluate_all("all => all.map(one => one.getAttribute('d'))"))
    assert len(fills) == len(shapes) == 2
    assert all(fill.startswith("rgb(") for fill in fills)
    assert page.locator("svg.pareto path.limit").evaluate("one => getComputedStyle(one).strokeDasharray") != "none"


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_as_wide_as_the_screen_and_no_label_is_cut_off(visit: Opened, name: str) -> None:
    page = visit(name)
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    for width in (1600, 768, 400, 320):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, width
    page.set_viewport_size({"width": 1200, "height": 900})
    cut = page.evaluate(
        """() => [...document.querySelectorAll("main svg[role=img]")].flatMap((drawing) => {
          const outer = drawing.getBoundingClientRect();
          return [...drawing.querySelectorAll("text")].filter((text) => {
            const box = text.getBoundingClientRect();
            return box.left < outer.left - 1 || box.right > outer.right + 1 || box.bottom > outer.bottom + 2;
          }).map((text) => text.textContent);
        })"""
    )
    assert cut == []


@pytest.mark.parametrize("name", PAGES)
def test_keys_reach_theme_and_json_and_paper_is_white(visit: Opened, name: str) -> None:
    page = visit(name)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "theme"
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    with page.expect_download() as waiting:
        page.locator("#json").click()
    assert '"model": "llama-3.1-8b"' in Path(waiting.value.path()).read_text()
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"


def test_the_page_is_whole_without_scripts(browser, folder: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((folder / "advice.html").as_uri())
    assert page.locator("svg.pareto").is_visible()
    assert page.locator("table.plans").first.is_visible()
    assert not page.locator(".tools").is_visible()
    context.close()
