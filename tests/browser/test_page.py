"""The report in a real browser: drawn, sorted, filtered, readable in both themes, at any width, without scripts."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import render_data as data
import sensor_data

from benchsuite.render import html, view
from tests.browser.chromium import complaints

pytestmark = pytest.mark.browser

WIDTHS = (320, 400, 768, 1600)
LUMINANCE = """() => {
  const linear = (c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
  const background = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const found = parse(getComputedStyle(at).backgroundColor);
      if (found.length < 4 || found[3] > 0) return found;
    }
    return [255, 255, 255];
  };
  const contrast = (node, property) => {
    const [a, b] = [luminance(parse(getComputedStyle(node)[property])), luminance(background(node))];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  };
  const told = [];
  const visible = (node) => node.checkVisibility() && node.getClientRects().length;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !visible(node) || node.closest("script")) continue;
    const property = node.closest("svg") ? "fill" : "color";
    told.push([contrast(node, property), node.textContent.trim().slice(0, 40)]);
  }
  return told;
}"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    target = tmp_path_factory.mktemp("report") / "report.html"
    campaign = replace(data.campaign(), readings=tuple(sensor_data.gpu()), backend="cuda")
    target.write_text(html.report(view.build(campaign)), encoding="utf-8")
    return target.as_uri()


@pytest.fixture
def page(browser, url: str) -> Iterator[object]:
    """The open report, and at the end: no error, no refusal by the policy, no request but for the file."""
    opened = browser.new_page(viewport={"width": 1280, "height": 900})
    troubles = complaints(opened, url)
    opened.goto(url)
    yield opened
    opened.close()
    assert troubles == []


def column(page, number: int) -> list[str]:
    return page.locator(f"#table tbody tr:not([hidden]) > :nth-child({number})").all_inner_texts()


def test_charts_are_drawn(page) -> None:
    assert page.locator(".chart.wide").count() == 8
    for chart in page.locator(".chart.wide").all():
        box = chart.bounding_box()
        assert box["width"] > 400
        assert box["height"] > 100
        assert chart.locator("path").count() + chart.locator("line").count() > 8
    assert page.locator(".chart.wide [role=img]").count() > 150
    paint = page.locator(".chart.wide [role=img][fill]").first
    assert paint.evaluate("mark => getComputedStyle(mark).fill").startswith("rgb")


def test_no_text_of_a_chart_is_cut_off_or_small(page) -> None:
    found = page.evaluate(
        """() => [...document.querySelectorAll(".chart.wide")].flatMap((chart) => {
          const outer = chart.getBoundingClientRect();
          return [...chart.querySelectorAll("text")].filter((text) => {
            const box = text.getBoundingClientRect();
            const small = parseFloat(getComputedStyle(text).fontSize) < 12;
            return small || box.left < outer.left - 1 || box.right > outer.right + 1;
          }).map((text) => text.textContent);
        })"""
    )
    assert found == []


def test_labels_of_a_chart_do_not_overlap(page) -> None:
    overlaps = """() => [...document.querySelectorAll(".chart")].flatMap((chart) => {
      if (!chart.checkVisibility()) return [];
      const boxes = [...chart.querySelectorAll("text")].map((text) => [text.getBoundingClientRect(), text.textContent]);
      return boxes.flatMap(([a, one], i) => boxes.slice(i + 1).filter(([b]) =>
        a.left + 1 < b.right && b.left + 1 < a.right && a.top + 3 < b.bottom && b.top + 3 < a.bottom
      ).map(([, other]) => one + " / " + other));
    })"""
    assert page.evaluate(overlaps) == []
    page.set_viewport_size({"width": 400, "height": 900})
    assert page.evaluate(overlaps) == []


@pytest.mark.parametrize("width", WIDTHS)
def test_curves_of_sensors_fit_any_width_and_their_words_stay_readable(page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    found = page.evaluate(
        """() => [...document.querySelectorAll("svg.trace")].flatMap((trace) => {
          const outer = trace.getBoundingClientRect();
          const boxes = [...trace.querySelectorAll("text")].map((text) => [text, text.getBoundingClientRect()]);
          const bad = boxes.filter(([text, box]) => parseFloat(getComputedStyle(text).fontSize) < 12
            || box.left < outer.left - 1 || box.right > outer.right + 1
            || box.top < outer.top - 1 || box.bottom > outer.bottom + 1);
          const over = boxes.filter(([, a], i) => boxes.slice(i + 1).some(([, b]) =>
            a.left + 1 < b.right && b.left + 1 < a.right && a.top + 3 < b.bottom && b.top + 3 < a.bottom));
          const line = trace.querySelector(".line").getBoundingClientRect();
          const wide = line.left < outer.left - 2 || line.right > outer.right + 2 || line.width < outer.width / 2;
          return [...bad, ...over].map(([text]) => text.textContent).concat(wide ? ["line"] : []);
        })"""
    )
    assert found == []
    assert page.locator("svg.trace").count() >= 8


def test_the_table_sorts_by_click_and_by_keyboard(page) -> None:
    page.get_by_role("button", name="Of ceiling").click()
    shares = [float(text.rstrip(" %\u00a0")) for text in column(page, 5) if text.strip()]
    assert shares == sorted(shares, reverse=True)
    head = page.locator("#table th", has_text="Of ceiling")
    assert head.get_attribute("aria-sort") == "descending"
    head.locator("button").focus()
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    shares = [float(text.rstrip(" %\u00a0")) for text in column(page, 5) if text.strip()]
    assert shares == sorted(shares)
    assert column(page, 5)[-1].strip() == ""


def test_filters_hide_rows_and_count_them(page) -> None:
    everything = len(column(page, 2))
    page.locator("#filter").fill("triad 16")
    assert {text.split()[0] for text in column(page, 2)} == {"triad"}
    assert re.fullmatch(r"\d+ of 194 shown", page.locator("#count").inner_text())
    page.locator("#filter").fill("")
    page.get_by_role("button", name="Matrix multiplication").click()
    assert set(column(page, 1)) == {"Matrix multiplication"}
    page.get_by_role("button", name="Matrix multiplication").click()
    page.get_by_role("button", name="Only what went wrong").click()
    assert len(column(page, 1)) == 2
    page.get_by_role("button", name="Only what went wrong").click()
    page.get_by_label("every implementation").check()
    assert len(column(page, 2)) == 194 > everything


def test_a_link_to_samples_opens_them(page) -> None:
    page.locator("#table .interval a").first.click()
    assert page.locator("#s1 .strip").is_visible()


def test_marks_tell_their_value(page) -> None:
    page.locator("#latency .wide [role=img]").first.hover()
    assert "ns" in page.locator("#tip").inner_text()


def test_the_csv_is_complete_and_harmless(page) -> None:
    with page.expect_download() as download:
        page.get_by_role("button", name="Save CSV").click()
    lines = Path(download.value.path()).read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# benchsuite 0.1.0, run 20260102-030405-example-beef")
    assert len(lines) == 2 + 194
    assert not [line for line in lines[2:] if re.search(r'(^|,)"?[=+@]', line)]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable_in_both_themes(page, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    low = [(round(ratio, 2), text) for ratio, text in page.evaluate(LUMINANCE) if ratio < 4.5]
    assert low == []


def test_the_theme_switch_overrides_the_system(page) -> None:
    page.emulate_media(color_scheme="light")
    colours = []
    for name in ("auto", "light", "dark"):
        assert page.locator("#theme").inner_text() == f"Theme: {name}"
        colours.append(page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))
        page.locator("#theme").click()
    assert colours == ["rgb(255, 255, 255)", "rgb(255, 255, 255)", "rgb(16, 21, 28)"]


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_never_scrolls_sideways(page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    shown = ".chart.narrow" if width <= 640 else ".chart.wide"
    assert all(chart.is_visible() for chart in page.locator(shown).all())


def test_without_scripts_every_result_is_there(browser, url: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    opened = context.new_page()
    opened.goto(url)
    assert opened.locator("#table tbody tr").count() == 194
    assert opened.locator("#table tbody tr >> visible=true").count() == 194
    assert opened.locator(".tools, .filters").locator("visible=true").count() == 0
    assert opened.locator(".chart >> visible=true").count() == 8
    context.close()


def test_print_is_light_and_complete(page) -> None:
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator(".tools").is_visible()
    assert page.locator("#table").is_visible()
    assert len(page.pdf()) > 20_000
