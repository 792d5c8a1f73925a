"""The site in a real browser, opened from disk: searched, walked through, read in both themes and at any width."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import site_data
from test_render_site import exhibits, known

from benchsuite.render.site.build import Source, build
from benchsuite.render.site.folder import Folder
from tests.browser.chromium import complaints, serious

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("site") / "below a path" / "run" / "results"
    some = replace(known(), figures=known().figures[:40], prices=known().prices[:40], publications=())
    with Folder(path) as folder:
        first, *rest = exhibits(site_data.publications())
        build(folder, [Source(first, b'{"case": "x"}\n'), *map(Source, rest)], some, "Example results", lambda *_: None)
    return path


@pytest.fixture
def page(browser: Any, site: Path) -> Iterator[Any]:
    """The overview, and at the end: no error, no refusal by the policy, no request but for files of the site."""
    opened = browser.new_page(viewport={"width": 1280, "height": 900})
    troubles = complaints(opened, site.as_uri())
    opened.goto((site / "index.html").as_uri())
    yield opened
    opened.close()
    assert troubles == []


def kinds(site: Path) -> dict[str, Path]:
    """A page of every kind; the comparison has tests of its own."""
    found = {path.stem: path for path in sorted(site.glob("*.html")) if path.stem != "compare"}
    for folder in ("run", "type", "case", "test", "provider", "machine"):
        found[folder] = sorted((site / folder).glob("*.html"))[0]
    return found


def test_from_the_search_to_a_machine_to_its_run_to_its_samples(page: Any) -> None:
    assert page.locator("#index").count() == 0, "the index is loaded before anybody asks for it"
    page.get_by_label("Search hardware").fill("h100 sxm")
    page.get_by_role("link", name="NVIDIA H100 SXM5 80GB hardware").click()
    assert page.locator("h1").inner_text() == "NVIDIA H100 SXM5 80GB"
    page.locator("#population table a").first.click()
    assert "Matrix multiplication" in page.locator("h1").inner_text()
    page.locator("#table tbody th a", has_text="8 × NVIDIA H100 80GB HBM3 · Alpha Cloud").first.click()
    assert page.locator(".kicker").inner_text().startswith("Run 202609")
    page.locator("#table details summary").first.click()
    assert "samples in 3 runs" in page.locator("#table details .detail").nth(1).inner_text()
    page.get_by_role("link", name="publication (JSON)").click()
    page.wait_for_url("**/*.json")
    assert page.url.endswith(".json")


def test_the_samples_are_one_step_from_the_run(page: Any, site: Path) -> None:
    page.goto((site / "run/20260901-120000-gpu-0000.html").as_uri())
    page.get_by_role("link", name="every sample (JSON lines)").click()
    page.wait_for_url("**/*.samples.jsonl")
    assert '{"case": "x"}' in page.content()


def test_by_keyboard_alone(page: Any) -> None:
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    page.get_by_label("Search hardware").focus()
    page.keyboard.type("triad 4 gib")
    page.locator("#found a").first.wait_for()
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.closest('#found') !== null")
    page.keyboard.press("Enter")
    page.wait_for_url("**/case/**")
    assert page.locator("h1").inner_text() == "Memory bandwidth, triad 4 GiB".replace(" GiB", "\u00a0GiB")
    head = page.locator("#table th", has_text="A dollar buys").locator("button")
    head.focus()
    page.keyboard.press("Enter")
    values = page.locator("#table tbody td:nth-child(6)").evaluate_all(
        "cells => cells.map((cell) => cell.dataset.value)"
    )
    known_ = [float(value) for value in values if value]
    assert known_ == sorted(known_, reverse=True)
    assert values[-1] == "", "what has no price is not last"


def test_a_filter_counts_what_it_shows(page: Any, site: Path) -> None:
    page.goto(kinds(site)["case"].as_uri())
    total = page.locator("#table tbody tr").count()
    page.locator("input.filter").fill("h200")
    shown = page.locator("#table tbody tr:not([hidden])").count()
    assert 0 < shown < total
    assert page.locator(".count").inner_text() == f"{shown} of {total} shown"


def test_the_comparison_loads_its_columns_from_beside_it(page: Any, site: Path) -> None:
    page.goto(kinds(site)["run"].as_uri())
    link = next((run for run in sorted((site / "run").glob("*.html")) if "#v1;m=" in run.read_text()), None)
    assert link
    page.goto(link.as_uri())
    page.get_by_role("link", name="compare this run with others").click()
    page.wait_for_url("**/compare.html#v1;**")
    page.locator("#compare table tbody tr").first.wait_for()
    assert page.evaluate("document.querySelectorAll('head script[src*=\"data/compare/\"]').length") > 0
    assert page.locator("#notice").inner_text() == ""


def test_the_theme_is_kept_from_page_to_page(page: Any) -> None:
    page.emulate_media(color_scheme="light")
    for _ in range(2):
        page.locator("#theme").click()
    dark = "getComputedStyle(document.documentElement).backgroundColor"
    assert page.evaluate(dark) == "rgb(16, 21, 28)"
    page.get_by_role("navigation", name="Site").get_by_role("link", name="Runs").click()
    page.wait_for_url("**/runs.html")
    assert page.evaluate(dark) == "rgb(16, 21, 28)"
    assert page.locator("#theme").inner_text() == "Theme: dark"


def test_no_page_scrolls_sideways_at_400_pixels(page: Any, site: Path) -> None:
    page.set_viewport_size({"width": 400, "height": 900})
    for name, path in kinds(site).items():
        page.goto(path.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= 400, name


def test_without_scripts_every_number_is_there(browser: Any, site: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    opened = context.new_page()
    opened.goto(kinds(site)["runs"].as_uri())
    assert opened.locator("table tbody tr >> visible=true").count() == 30
    assert opened.locator(".tools, .filters, form.search").locator("visible=true").count() == 0
    context.close()


def test_a_page_that_is_not_there_leads_home_from_any_address(page: Any, site: Path) -> None:
    page.route("**/gone.html", lambda route: route.fulfill(path=site / "404.html", content_type="text/html"))
    page.goto((site / "run" / "gone.html").as_uri())
    page.get_by_role("link", name="Overview and search").click()
    assert page.locator("h1").inner_text() == "Example results"


CONTRAST = {"runOnly": {"type": "rule", "values": ["color-contrast"]}, "preload": False}
ALL = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}, "preload": False}


@pytest.mark.parametrize(("scheme", "rules"), [("light", ALL), ("dark", CONTRAST)])
def test_axe_finds_nothing_serious_on_any_kind_of_page(
    page: Any, site: Path, scheme: str, rules: dict[str, object]
) -> None:
    page.emulate_media(color_scheme=scheme)
    for name, path in kinds(site).items():
        page.goto(path.as_uri())
        assert serious(page, **rules) == [], name


def test_print_is_light_and_without_controls(page: Any, site: Path) -> None:
    page.goto(kinds(site)["type"].as_uri())
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator(".tools").is_visible()
    assert len(page.pdf()) > 20_000
