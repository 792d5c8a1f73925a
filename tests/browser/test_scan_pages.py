"""The pages of scans and fleets in a real browser: offline, without an error, readable in both themes, with keys."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import fleet_data
import scan_data

from benchsuite.render import fleet_page, fleet_view, scan_page, scan_view
from benchsuite.render.scan_view import About
from tests.browser.chromium import Opened, serious, visiting

pytestmark = pytest.mark.browser

ABOUT = About("scan-ab12", "2026-11-30T12:00:00+00:00", "0.6.0", "benchsuite scan --seed 7", "ab" * 32)
PAGES = ("scan", "fleet", "large")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("pages")
    (made / "scan.html").write_text(scan_page.page(scan_view.build(*scan_data.full(), ABOUT)))
    found = fleet_data.fleet(16, 5, fleet_data.Faults({("node3", 0): 0.342}, gone=("node7",)), guilty=True)
    assert found.scanned is not None
    view = fleet_view.build(found, scan_view.build(found.scanned.scan, found.scanned.diagnosis, ABOUT))
    (made / "fleet.html").write_text(fleet_page.page(view))
    planted = scan_data.Planted(receives={3: 0.494})
    large = scan_data.scan(512, 24, planted, leaf=16), scan_data.diagnosis(scan_data.slow_receiver())
    (made / "large.html").write_text(scan_page.page(scan_view.build(*large, ABOUT)))
    return made


@pytest.fixture
def visit(browser, folder: Path) -> Iterator[Opened]:
    yield from visiting(browser, folder)


def fills(page, selector: str) -> list[str]:
    return page.locator(selector).evaluate_all("marks => marks.map(mark => getComputedStyle(mark).fill)")


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_heat_map_is_drawn_in_either_theme(visit: Opened, name: str, scheme: str) -> None:
    page = visit(name, color_scheme=scheme)
    box = page.locator("#map svg.heat[role=img]").bounding_box()
    assert box["width"] > 400
    assert box["height"] > 400
    shades = {f"s{number}": fills(page, f"#map .legend .s{number}")[0] for number in range(7)}
    assert len(set(shades.values())) == 7
    assert all(shade.startswith("rgb(") for shade in shades.values())
    drawn = set(fills(page, "#map svg[role=img] .s1, #map svg[role=img] .s5"))
    assert {shades["s1"], shades["s5"]} <= drawn
    stroke = page.locator("#map .accused").first.evaluate("mark => getComputedStyle(mark).stroke")
    assert stroke.startswith("rgb(")
    assert "url(" in page.locator("#map svg[role=img] rect").nth(1).evaluate("mark => getComputedStyle(mark).fill")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["scan", "fleet"])
def test_axe_finds_nothing_serious(visit: Opened, name: str, scheme: str) -> None:
    page = visit(name, color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert serious(page) == []


@pytest.mark.parametrize("name", PAGES)
def test_no_label_of_a_drawing_is_cut_off(visit: Opened, name: str) -> None:
    page = visit(name)
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    cut = page.evaluate(
        """() => [...document.querySelectorAll("main svg[role=img]")].flatMap((drawing) => {
          const outer = drawing.getBoundingClientRect();
          return [...drawing.querySelectorAll("text")].filter((text) => {
            const box = text.getBoundingClientRect();
            const out = box.left < outer.left - 1 || box.right > outer.right + 1 || box.top < outer.top - 1;
            return out || box.bottom > outer.bottom + 2;
          }).map((text) => text.textContent);
        })"""
    )
    assert cut == []


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_as_wide_as_the_screen(visit: Opened, name: str) -> None:
    page = visit(name)
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    for width in (1600, 768, 400, 320):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, width


def test_a_cell_says_in_words_what_it_is(visit: Opened) -> None:
    titles = visit("scan").locator("#map svg[role=img] rect title").all_text_contents()
    assert len(titles) == 240
    assert any(one.startswith("node0000 to node0003: at 6") for one in titles)
    assert any("without a time" in one for one in titles)


def test_keys_reach_every_control_and_theme_and_json_work(visit: Opened) -> None:
    page = visit("fleet")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "theme"
    page.keyboard.press("Enter")
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    page.keyboard.press("Enter")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    with page.expect_download() as waiting:
        page.locator("#json").click()
    text = Path(waiting.value.path()).read_text()
    assert '"verdict": "rejected"' in text


def test_the_page_is_whole_without_scripts_and_on_paper(visit: Opened, browser, folder: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((folder / "fleet.html").as_uri())
    assert page.locator("h1").inner_text().startswith("✖ node3")
    assert page.locator("#map svg[role=img]").is_visible()
    assert not page.locator(".tools").is_visible()
    context.close()
    printed = visit("scan", color_scheme="dark")
    printed.emulate_media(media="print")
    assert printed.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
