"""The page of forecasts in a real browser: offline, without an error, readable in both themes, with keys, on paper."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import forecast_data as data

from benchsuite.errors import RefusedError
from benchsuite.render import forecast_page, forecast_view
from benchsuite.render.forecast_table import Outcome
from tests.browser.chromium import Opened, serious, visiting

pytestmark = pytest.mark.browser

PAGES = ("one", "several")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("forecasts")
    one = [Outcome("example_h:2 fp8", data.forecast())]
    several = [*one, Outcome("example_h:2 bf16", data.forecast(usd_in=None, usd_out=None))]
    several.append(Outcome("small fp8", RefusedError("It does not fit.", "Take two.")))
    for name, outcomes in (("one", one), ("several", several)):
        (made / f"{name}.html").write_text(
            forecast_page.page(forecast_view.build(outcomes, "0.0", "benchsuite predict"))
        )
    return made


@pytest.fixture
def visit(browser, folder: Path) -> Iterator[Opened]:
    yield from visiting(browser, folder)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(visit: Opened, scheme: str) -> None:
    page = visit("several", color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert serious(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_each_resource_has_a_colour_of_its_own(visit: Opened, scheme: str) -> None:
    page = visit("one", color_scheme=scheme)
    fills = {
        kind: page.locator(f"svg[role=img] rect.{kind}:not(.hidden)").first.evaluate(
            "mark => getComputedStyle(mark).fill"
        )
        for kind in ("compute", "bandwidth", "link", "latency")
    }
    assert len(set(fills.values())) == len(fills)
    hidden = page.locator("svg[role=img] rect.hidden").first
    assert hidden.evaluate("mark => getComputedStyle(mark).fillOpacity") == "0.35"


@pytest.mark.parametrize("name", PAGES)
def test_no_label_is_cut_off_and_the_page_is_as_wide_as_the_screen(visit: Opened, name: str) -> None:
    page = visit(name)
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
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
    for width in (1600, 768, 400, 320):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, width


def test_the_answer_stands_first_and_a_table_beside_each_drawing(visit: Opened) -> None:
    page = visit("one")
    headline = page.locator("h1").inner_text().replace("\u00a0", " ")
    assert headline.startswith("a-model, fp8, on 2 × Example H: 1,000 tokens/s per device (800")
    for figure in page.locator("figure.phase").all():
        drawing, table = (figure.locator(one).bounding_box() for one in ("svg[role=img]", "table"))
        assert table["x"] > drawing["x"] + drawing["width"] - 1
        assert abs(table["y"] - drawing["y"]) < 60


def test_keys_reach_every_control_and_theme_and_json_work(visit: Opened) -> None:
    page = visit("several")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "theme"
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    with page.expect_download() as waiting:
        page.locator("#json").click()
    text = Path(waiting.value.path()).read_text()
    assert '"tokens_per_second"' in text
    assert '"reason": "It does not fit."' in text


def test_the_page_is_whole_without_scripts_and_on_paper(visit: Opened, browser, folder: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((folder / "several.html").as_uri())
    assert page.locator("#side").inner_text().count("✖ refused") == 1
    assert page.locator("svg[role=img]").first.is_visible()
    assert not page.locator(".tools").is_visible()
    context.close()
    printed = visit("one", color_scheme="dark")
    printed.emulate_media(media="print")
    assert printed.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
    assert not printed.locator("nav").is_visible()
