"""Certificates in a real browser: both themes, any width, without scripts, and on A4."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import certificate_data as data

from benchsuite.render import certificate, certificate_view
from tests.browser.chromium import Opened, visiting

pytestmark = pytest.mark.browser

PAGES = {"slow": data.slow, "every": data.every, "fleet": lambda: data.fleet(20, 8), "small": lambda: data.fleet(5, 8)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("certificates")
    for name, case in PAGES.items():
        (made / f"{name}.html").write_text(certificate.page(certificate_view.build(*case())))
    return made


@pytest.fixture
def visit(browser, folder: Path) -> Iterator[Opened]:
    yield from visiting(browser, folder)


@pytest.mark.parametrize(("name", "scheme"), [("every", "light"), ("small", "dark")])
def test_axe_finds_nothing(visit: Opened, name: str, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = visit(name, color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    bad = [
        (one["id"], [node["html"][:160] for node in one["nodes"]][:3]) for one in axe.run(page).response["violations"]
    ]
    assert bad == []


@pytest.mark.parametrize("name", ["slow", "every", "fleet"])
def test_it_fits_any_screen_and_labels_of_drawings_are_whole_and_apart(visit: Opened, name: str) -> None:
    page = visit(name)
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    for width in (1600, 768, 320, 400):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, width
    wide = page.evaluate(
        """() => [...document.querySelectorAll(".scroll")].filter((box) => box.scrollWidth > box.clientWidth + 1)
          .map((box) => box.getAttribute("aria-label"))"""
    )
    assert [label for label in wide if not label.startswith(("Findings", "Burn-in"))] == []
    found = page.evaluate(
        """() => [...document.querySelectorAll("main svg[role=img]")].flatMap((drawing) => {
          const outer = drawing.getBoundingClientRect();
          const boxes = [...drawing.querySelectorAll("text")].map((text) => [text, text.getBoundingClientRect()]);
          const cut = boxes.filter(([, box]) => box.left < outer.left - 1 || box.right > outer.right + 1
            || box.top < outer.top - 1 || box.bottom > outer.bottom + 2);
          const over = boxes.filter(([, a], i) => boxes.slice(i + 1).some(([, b]) =>
            a.left + 1 < b.right && b.left + 1 < a.right && a.top + 3 < b.bottom && b.top + 3 < a.bottom));
          return [...cut, ...over].map(([text]) => text.textContent + " in " + drawing.getAttribute("aria-label"));
        })"""
    )
    assert found == []


def test_verdicts_differ_by_more_than_colour(visit: Opened) -> None:
    page = visit("every")
    words = page.locator("#devices .legend li").all_inner_texts()
    assert len({text.split()[0] for text in words}) == len(words) == 6
    cells = page.locator(".grid .cell")
    assert cells.count() == 8
    assert set(cells.all_inner_texts()) >= {"✓", "✖", "!", "?", "~"}
    assert all(
        re.fullmatch(r"node0, GPU \d: .+", label) for label in cells.evaluate_all("a => a.map(x => x.ariaLabel)")
    )


def test_a_cell_leads_to_its_device_by_key(visit: Opened) -> None:
    page = visit("every")
    page.locator(".grid a.cell.reject").first.focus()
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#node0-gpu1"
    assert page.locator("#node0-gpu1").is_visible()


def test_the_page_is_whole_without_scripts(browser, folder: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((folder / "slow.html").as_uri())
    assert page.locator("h1").inner_text() == "✖ node3, GPU 5: rejected."
    assert page.locator("svg.runs[role=img]").count() == 3
    assert not page.locator(".tools").is_visible()
    context.close()


def test_it_prints_on_a4_light_whole_and_with_room_to_sign(visit: Opened) -> None:
    page = visit("slow", color_scheme="dark")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator(".sign").is_visible()
    assert not page.locator("nav").is_visible()
    page.set_viewport_size({"width": 688, "height": 1000})  # A4 less its margins
    assert page.evaluate("document.documentElement.scrollWidth") <= 688
    pages = page.pdf(prefer_css_page_size=True).count(b"/Type /Page\n")
    assert 1 <= pages <= 3
