"""The report in headless Chromium: silent, offline, drawn, sortable, usable at any width and in any theme."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchsuite import assets
from benchsuite.render import html
from benchsuite.render.view import build
from tests.campaigns import view

pytestmark = pytest.mark.browser

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or ""
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM:
        pytest.skip("there is no Chromium on this machine")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, "--disable-component-update"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(html.report(build(view()), assets.folder("reports")), encoding="utf-8")
    return path


class Opened:
    """The page in a context of its own, with everything it said or asked for."""

    def __init__(self, browser: Any, file: Path, **context: Any) -> None:
        self.context = browser.new_context(**context)
        self.page = self.context.new_page()
        self.said: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.requests: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(f"file://{file}")

    def column(self, name: str) -> list[float]:
        """The shown rows' sort values."""
        script = (
            f"() => [...document.querySelectorAll('tbody tr:not(.hidden)[data-{name}]')].map(r => +r.dataset.{name})"
        )
        return [float(value) for value in self.page.evaluate(script)]


@pytest.fixture
def opened(browser: Any, file: Path) -> Iterator[Opened]:
    made = Opened(browser, file, viewport={"width": 1600, "height": 1000})
    yield made
    made.context.close()


def test_it_is_silent_and_asks_for_nothing(opened: Opened, file: Path) -> None:
    opened.page.click("#theme")
    opened.page.locator("figure .wide svg [aria-roledescription='point']").first.hover()
    assert opened.said == []
    assert [url for url in opened.requests if not url.startswith("data:")] == [f"file://{file}"]


def test_charts_are_drawn(opened: Opened) -> None:
    for name in ("roofline", "rates", "bandwidth", "latency", "allreduce"):
        box = opened.page.locator(f"#{name} .wide svg").bounding_box()
        assert box is not None
        assert box["width"] > 300
        assert box["height"] > 100
        assert opened.page.locator(f"#{name} .wide svg path").count() > 5


def test_a_mark_tells_its_number(opened: Opened) -> None:
    opened.page.locator("#rates .wide svg [aria-roledescription='point'][aria-label*='1024³']").last.hover()
    assert "GFLOP/s" in opened.page.inner_text("#tip")


def test_the_table_sorts_by_click_and_by_keyboard(opened: Opened) -> None:
    opened.page.click("th[data-key='value'] button")
    values = opened.column("value")
    assert values == sorted(values)
    opened.page.focus("th[data-key='value'] button")
    opened.page.keyboard.press("Enter")
    assert opened.column("value") == sorted(values, reverse=True)
    assert opened.page.get_attribute("th[data-key='value']", "aria-sort") == "descending"


def test_filtering_hides_rows_and_changes_no_number(opened: Opened) -> None:
    before = opened.page.locator("tbody tr.best").first.inner_text()
    shown = opened.page.locator("#table tbody tr:visible").count()
    opened.page.fill("#filter", "triad 256")
    assert opened.page.locator("#table tbody tr:visible").count() == 1
    opened.page.fill("#filter", "")
    assert opened.page.locator("#table tbody tr:visible").count() == shown
    assert opened.page.locator("tbody tr.best").first.inner_text() == before
    opened.page.check("#all")
    assert opened.page.locator("#table tbody tr:visible").count() > shown


def test_samples_open_on_demand(opened: Opened) -> None:
    opened.page.locator("td summary").first.click()
    assert opened.page.locator("td details[open] svg").first.is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 400, 1600])
def test_nothing_overflows_at_any_width(browser: Any, file: Path, width: int, scheme: str) -> None:
    made = Opened(browser, file, viewport={"width": width, "height": 800}, color_scheme=scheme)
    assert made.page.evaluate("document.documentElement.scrollWidth") <= max(width, 372)
    kind = "narrow" if width < 840 else "wide"
    assert made.page.locator(f"#roofline .{kind} svg").is_visible()
    assert made.said == []
    made.context.close()


LUMINANCE = """(pair) => pair.map(name => {
  const probe = document.createElement('span');
  probe.style.color = getComputedStyle(document.documentElement).getPropertyValue(name);
  document.body.append(probe);
  const parts = getComputedStyle(probe).color.match(/[0-9.]+/g).slice(0, 3).map(Number);
  probe.remove();
  const linear = parts.map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
})"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_holds_in_both_themes(browser: Any, file: Path, scheme: str) -> None:
    """WCAG 2.1: 4.5 for text, 3 for marks, on the page and on cards."""
    made = Opened(browser, file, viewport={"width": 1600, "height": 800}, color_scheme=scheme)
    wanted = dict.fromkeys(("--text", "--muted", "--link", "--good", "--bad", "--caution", "--unknown"), 4.5)
    wanted |= {f"--series-{number}": 3.0 for number in range(1, 7)}
    for name, least in wanted.items():
        for ground in ("--page", "--card"):
            low, high = sorted(made.page.evaluate(LUMINANCE, [name, ground]))
            assert (high + 0.05) / (low + 0.05) >= least, f"{name} on {ground}, {scheme}"
    made.context.close()


def test_the_theme_switch_overrides_the_system(browser: Any, file: Path) -> None:
    made = Opened(browser, file, viewport={"width": 800, "height": 600}, color_scheme="light")
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    light = made.page.evaluate(ground)
    made.page.click("#theme")  # light
    assert made.page.evaluate(ground) == light
    made.page.click("#theme")  # dark
    assert made.page.evaluate(ground) != light
    made.context.close()


def test_it_is_complete_without_scripts(browser: Any, file: Path) -> None:
    made = Opened(browser, file, viewport={"width": 1600, "height": 800}, java_script_enabled=False)
    assert made.page.locator("#table tbody tr").count() > 20
    assert "GFLOP/s" in made.page.inner_text("#table")
    assert made.page.locator("#roofline .wide svg").is_visible()
    assert not made.page.locator("#filter").is_visible()
    made.context.close()


def test_print_is_light_and_without_controls(browser: Any, file: Path) -> None:
    made = Opened(browser, file, viewport={"width": 1000, "height": 800}, color_scheme="dark")
    made.page.emulate_media(media="print")
    assert not made.page.locator("#theme").is_visible()
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    assert made.page.evaluate(ground) == "rgb(255, 255, 255)"
    made.context.close()
