"""The comparison page in a real browser: picked, filtered, sorted, followed to its samples, by mouse and by key."""

from __future__ import annotations

import json
import math
import random
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scale"))
import publications as made
from test_render_explorer import poisoned

from benchsuite import compare, ranking
from benchsuite.model import Exhibit, Origin, Score
from benchsuite.render.explorer import board, figures, view
from benchsuite.render.explorer import data as tables
from benchsuite.render.explorer import page as explorer
from benchsuite.statistics import runs as statistics
from tests.browser.chromium import complaints, serious

pytestmark = pytest.mark.browser

MANY, TESTS = 30, 12


def fleet() -> list[Exhibit]:
    """Thirty machines: one on another backend, one with two runs, one imported; and a figure that others published."""
    exhibits = made.exhibits(MANY, TESTS)
    exhibits[5] = changed(exhibits[5], lambda score: replace(score, backend="host"))
    exhibits[16] = changed(exhibits[16], lambda score: replace(score, run_values=score.run_values[:2]))
    imported = replace(exhibits[3].publication, origin=Origin.IMPORTED, tool="another tool")
    exhibits[3] = replace(exhibits[3], publication=imported)
    key = exhibits[0].publication.results[0].case.key
    return [*exhibits, made.published("Example H90 80GB", {key: 6e14})]


def evil() -> list[Exhibit]:
    first, *others = [poisoned(one) for one in made.exhibits(3, 6)]
    return [replace(first, label="=HYPERLINK(1)"), *others]


def changed(exhibit: Exhibit, change: Callable[[Score], Score]) -> Exhibit:
    results = tuple(map(change, exhibit.publication.results))
    return replace(exhibit, publication=replace(exhibit.publication, results=results))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("explorer")
    pages = {"many": fleet(), "two": made.exhibits(2, 9), "evil": evil()}
    for name, exhibits in pages.items():
        (target / f"{name}.html").write_text(explorer.page(exhibits), encoding="utf-8")
    return target


class Opened:
    """A page, and what it complained of or asked for."""

    def __init__(self, browser: Any, folder: Path) -> None:
        self.page = browser.new_page(viewport={"width": 1280, "height": 900})
        self.page.set_default_timeout(5000)
        self.folder = folder
        self.troubles = complaints(self.page, folder.as_uri(), "about:")

    def __call__(self, name: str, state: str = "") -> Any:
        url = (self.folder / f"{name}.html").as_uri()
        self.page.goto("about:blank")
        self.page.goto(url + state)
        self.page.wait_for_selector("html[data-ready]")
        return self.page


@pytest.fixture
def visit(browser: Any, folder: Path) -> Iterator[Opened]:
    """Opens a page of ``folder``; at the end there was no error, no refusal by the policy and no request."""
    opened = Opened(browser, folder)
    yield opened
    opened.page.close()
    assert opened.troubles == []


def settled(page: Any) -> None:
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def words(page: Any, selector: str) -> str:
    return " ".join(page.locator(selector).inner_text().split())


def test_the_script_draws_what_stood_there(visit: Opened, browser: Any) -> None:
    """Table, verdict, conditions and board say the same with scripts and without."""
    parts = ("#verdict", "#sentences", "#cells", "#differ tbody", "#notes")
    page = visit("two")
    with_script = [words(page, part) for part in parts]
    columns = ("rank", "value", "watts", "dollars", "price")
    board = [page.locator(f"#places td.{name}").all_inner_texts() for name in columns]
    heads = page.locator("#places thead th").all_inner_texts()
    context = browser.new_context(java_script_enabled=False, viewport={"width": 1280, "height": 900})
    bare = context.new_page()
    bare.goto((visit.folder / "two.html").as_uri())
    bare_words = [words(bare, part) for part in parts]
    assert board == [bare.locator(f"#places td.{name}").all_inner_texts() for name in columns]
    assert heads == bare.locator("#places thead th").all_inner_texts()
    assert bare.locator(".tools, .filters, .picker").locator("visible=true").count() == 0
    context.close()
    for one, other in zip(with_script, bare_words, strict=True):
        assert one.replace(" · less is better", "") == other


def test_two_machines_are_picked_filtered_sorted_and_followed_to_samples(visit: Opened) -> None:
    page = visit("many")
    for button in page.locator("#chosen button").all()[::-1]:
        button.click()
    assert words(page, "#verdict") == "No machine is chosen."
    for wanted in ("h90 80gb #1", "b180 #2"):
        page.locator("#search").fill(wanted)
        page.locator("#found [data-place]").first.click()
    assert page.locator("#chosen li").count() == 2
    assert re.search(r"against Example H90 80GB.*faster in \d+", words(page, "#verdict"))
    page.locator("#only").fill("bf16")
    settled(page)
    shown = page.locator("#cells tbody tr:not(.group) >> visible=true").all_inner_texts()
    assert shown
    assert all("bf16" in text for text in shown)
    assert re.match(r"\d+ of 12 tests shown; \d+ hidden by “bf16”", words(page, "#count"))
    assert "bf16" in words(page, "#board-title")
    page.locator("#places th[data-sort=dollars] button").click()
    head = page.locator("#places th[aria-sort]")
    assert head.get_attribute("data-sort") == "dollars"
    told = [float(re.split(r"[^\d.]", text)[0]) for text in page.locator("#places td.dollars").all_inner_texts()]
    assert told == sorted(told, reverse=True)
    page.locator("#cells button.cell >> visible=true").nth(1).click()
    assert page.locator("#detail").is_visible()
    assert page.locator("#samples tbody tr").count() == made.RUNS
    assert "µs" in words(page, "#samples")
    page.keyboard.press("Escape")
    assert not page.locator("#detail").is_visible()


def test_a_filter_moves_no_ratio_rank_or_colour(visit: Opened) -> None:
    page = visit("many")
    cells = {row.get_attribute("data-row"): row.inner_text() for row in page.locator("#cells tbody tr").all()}
    page.locator("#rows").click()
    before = page.locator("#places tbody tr").all_inner_texts()
    marks = page.locator("#chosen .key").evaluate_all("marks => marks.map((mark) => mark.className.baseVal)")
    verdict = words(page, "#verdict")
    page.locator("#more summary").click()
    page.locator("#hardware").select_option("Example H140 141GB")
    page.locator("#only").fill("triad")
    settled(page)
    kept = page.locator("#places tbody tr").all_inner_texts()
    assert 0 < len(kept) < len(before)
    page.locator("#only").fill("")
    settled(page)
    kept = page.locator("#places tbody tr").all_inner_texts()
    assert kept
    assert set(kept) < set(before)
    assert page.locator("#chosen .key").evaluate_all("m => m.map((mark) => mark.className.baseVal)") == marks
    assert words(page, "#verdict") == verdict
    assert {row.get_attribute("data-row"): row.inner_text() for row in page.locator("#cells tbody tr").all()} == cells
    assert "hidden by Example H140 141GB" in words(page, "#board-count")


def test_marks_differ_in_colour_and_stay_with_their_machine(visit: Opened) -> None:
    page = visit("many")
    mark = """() => Object.fromEntries([...document.querySelectorAll("#chosen li")].map((item) =>
      [item.textContent, getComputedStyle(item.querySelector("path")).fill]))"""
    before = page.evaluate(mark)
    assert len(set(before.values())) == len(before) == view.FIRST_CHOSEN
    page.locator("#places .pick[aria-pressed=false]").first.click()
    settled(page)
    page.locator("#chosen button").first.click()
    settled(page)
    after = page.evaluate(mark)
    assert len(set(after.values())) == len(after) == view.FIRST_CHOSEN
    assert len([name for name in after if before.get(name) == after[name]]) == view.FIRST_CHOSEN - 1


def test_the_link_brings_back_what_was_chosen(visit: Opened) -> None:
    page = visit("many")
    keys = page.evaluate("JSON.parse(document.getElementById('data').textContent).index.machines.key")
    state = (
        f"#v1;m={keys[4]},{keys[7]};base={keys[7]};show=value;only=bf16;sort=dollars;hardware=Example+H90+PCIe;every=1"
    )
    page = visit("many", state)
    assert page.locator("#chosen li").count() == 2
    assert page.locator("#base").input_value() == "7"
    assert page.locator("#show").input_value() == "value"
    assert page.locator("#every").is_checked()
    told = [words(page, part) for part in ("#verdict", "#cells", "#places", "#board-count")]
    page.locator("#show").select_option("ratio")
    page.locator("#show").select_option("value")
    written = page.evaluate("location.hash")
    again = visit("many", written)
    assert [words(again, part) for part in ("#verdict", "#cells", "#places", "#board-count")] == told
    assert again.evaluate("location.hash") == written
    strange = visit("many", f"#v1;m=nobody,{keys[3]};colour=red;show=nonsense")
    assert words(strange, "#notice") == "Not in this file: nobody. Not understood in the link: colour."
    assert strange.locator("#show").input_value() == "ratio"


def test_everything_is_reached_by_keyboard_alone(visit: Opened) -> None:
    page = visit("many")
    page.locator("#search").focus()
    page.keyboard.type("m192")
    page.keyboard.press("ArrowDown")
    assert page.locator("#search").get_attribute("aria-activedescendant") == "option-0"
    page.keyboard.press("ArrowDown")
    wanted = page.locator("#option-1").inner_text()
    page.keyboard.press("Enter")
    settled(page)
    assert page.locator("#chosen li").count() == view.FIRST_CHOSEN + 1
    assert page.locator("#chosen li").last.inner_text().split("\n")[0] in wanted
    seen: list[str] = []
    for _ in range(80):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.id || document.activeElement.className"))
        if seen[-1] == "cell":
            break
    assert {"base", "show", "only"} <= set(seen)
    assert seen.count("cell") == 1
    place = "[document.activeElement.closest('tr').rowIndex, document.activeElement.closest('td').cellIndex]"
    row, column = page.evaluate(place)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert page.evaluate(place) == [row + 1, column + 1]
    page.keyboard.press("Enter")
    assert page.locator("#detail").is_visible()
    assert page.evaluate("document.getElementById('detail').contains(document.activeElement)")
    page.keyboard.press("Escape")
    assert page.evaluate(place) == [row + 1, column + 1]


def test_charts_are_drawn_with_their_tables(visit: Opened) -> None:
    page = visit("many")
    for name in ("forest", "scatter", "roofline", "strips"):
        chart = page.locator(f"#{name} .chart")
        box = chart.bounding_box()
        assert box["width"] > 400
        assert box["height"] > 100
        assert chart.locator("[role=img]").count() >= 4, name
        if name != "forest":
            assert page.locator(f"#{name} details tbody tr").count() >= 4
    assert page.locator("#strips .published").count() == 2
    assert "published" in page.locator("#strips circle.published").get_attribute("aria-label")
    others = page.locator("#standing li").all_inner_texts()
    assert len(others) == page.locator("#chosen li").count()
    assert all(re.search(r"better than \d+(–\d+)? of \d other machines? of its model\.", text) for text in others)
    page.locator("#scatter [role=img]").first.hover()
    assert "$" in page.locator("#tip").inner_text()


def test_no_text_of_a_chart_is_small_or_cut_off(visit: Opened) -> None:
    found = """() => [...document.querySelectorAll(".chart")].flatMap((chart) => {
      if (!chart.checkVisibility()) return [];
      const outer = chart.getBoundingClientRect();
      return [...chart.querySelectorAll("text")].filter((text) => {
        const box = text.getBoundingClientRect();
        const small = parseFloat(getComputedStyle(text).fontSize) < 12;
        return small || box.left < outer.left - 2 || box.right > outer.right + 2;
      }).map((text) => text.textContent);
    })"""
    for name in ("two", "many"):
        page = visit(name)
        assert page.evaluate(found) == []
        page.set_viewport_size({"width": 400, "height": 900})
        settled(page)
        assert page.evaluate(found) == []
        page.set_viewport_size({"width": 1280, "height": 900})


@pytest.mark.parametrize("name", ["two", "many"])
def test_the_page_never_scrolls_sideways(visit: Opened, name: str) -> None:
    page = visit(name)
    for width in (1600, 768, 400, 320):
        page.set_viewport_size({"width": width, "height": 900})
        page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        settled(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert "Example" in words(page, "#cells tbody td .who >> nth=0")
    assert not page.locator("#cells thead").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(visit: Opened, scheme: str) -> None:
    for name in ("two", "many"):
        page = visit(name)
        page.emulate_media(color_scheme=scheme)
        page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        found = serious(page)
        if name == "two":
            page.locator("#cells button.cell").nth(1).click()
            found += serious(page)
        assert found == []


def test_the_theme_switch_overrides_the_system(visit: Opened) -> None:
    page = visit("two")
    page.emulate_media(color_scheme="light")
    colours = []
    for name in ("auto", "light", "dark"):
        assert page.locator("#theme").inner_text() == f"Theme: {name}"
        colours.append(page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))
        page.locator("#theme").click()
    assert colours == ["rgb(255, 255, 255)", "rgb(255, 255, 255)", "rgb(16, 21, 28)"]


def test_print_is_light_and_complete(visit: Opened) -> None:
    page = visit("many")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
    for hidden in ("#theme", "#search", "#csv", "#base"):
        assert not page.locator(hidden).is_visible()
    for shown in ("#cells", "#places", "#forest .chart", "#method"):
        assert page.locator(shown).is_visible()
    assert re.fullmatch(
        r"Baseline: Example .*\. Shown: ratio\. Filters: none\. 12 of 12 tests shown\.", words(page, "#settings")
    )
    assert len(page.pdf()) > 20_000


def test_poison_shows_as_text_and_runs_nothing(visit: Opened) -> None:
    page = visit("evil")
    assert page.locator("img, iframe, object, form, base").count() == 0
    page.locator("#cells button.cell").nth(1).click()
    page.locator("#detail summary").first.click()
    assert page.locator("#detail img").count() == 0
    assert "<img src=x onerror=alert(1)>" in words(page, "#detail")
    handlers = """() => [...document.querySelectorAll("*")].flatMap((node) => [...node.attributes])
      .filter((one) => one.name.startsWith("on") || /^\\s*javascript:/i.test(one.value)).map((one) => one.name)"""
    assert page.evaluate(handlers) == []
    links = page.locator("a[href]").evaluate_all("links => links.map((link) => link.getAttribute('href'))")
    assert all(href.startswith("#") for href in links)
    page.keyboard.press("Escape")
    page.locator("#search").fill("alert")
    page.locator("#search").press("Escape")
    with page.expect_download() as download:
        page.locator("#csv").click()
    lines = Path(download.value.path()).read_text(encoding="utf-8").splitlines()
    assert not [line for line in lines[2:] if re.search(r'(^|,)"?[=+@]', line)]
    assert any("'=HYPERLINK(1)" in line for line in lines)


def test_a_source_is_a_link_only_over_https(visit: Opened) -> None:
    page = visit("two")
    page.locator("#cells button.cell").nth(1).click()
    link = page.locator("#detail a[href^=https]").first
    assert link.get_attribute("rel") == "noopener noreferrer"


def test_downloads_hold_every_shown_number(visit: Opened) -> None:
    page = visit("many")
    page.locator("#only").fill("bf16 causal")
    settled(page)
    rows = page.locator("#cells tbody tr:not(.group) >> visible=true").count()
    with page.expect_download() as download:
        page.locator("#csv").click()
    lines = Path(download.value.path()).read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# benchsuite")
    assert len(lines) == 2 + rows * view.FIRST_CHOSEN
    with page.expect_download() as download:
        page.locator("#json").click()
    told = json.loads(Path(download.value.path()).read_text(encoding="utf-8"))
    assert len(told["numbers"]) == rows * view.FIRST_CHOSEN
    assert told["link"].startswith("#v1;")


def test_the_board_shows_more_and_says_what_is_left_out(visit: Opened) -> None:
    page = visit("many")
    rows = page.locator("#places tbody tr")
    assert rows.count() == board.BOARD_ROWS
    page.locator("#rows").click()
    assert rows.count() > board.BOARD_ROWS
    assert not page.locator("#rows").is_visible()
    assert re.match(r"\d+ of \d+ machines shown\. \d+ machines ranked", words(page, "#board-count"))
    page.locator("#places .pick").nth(5).click()
    settled(page)
    assert page.locator("#chosen li").count() == view.FIRST_CHOSEN + 1
    assert page.evaluate("document.activeElement.className") == "pick"


# -- the same formulas in both languages ------------------------------------------------------------------------------


def test_welch_is_that_of_python(visit: Opened) -> None:
    page, rng = visit("two"), random.Random(5)
    for _ in range(60):
        a, b = ([rng.gauss(0, 300) for _ in range(rng.randint(3, 9))] for _ in range(2))
        shift = rng.choice([0, 0, 500, 2000])
        sides = [[round(step) for step in a], [round(step + shift) for step in b]]
        values = [3.0, 3.0 * math.exp(rng.gauss(0, 1))]
        runs = [[value * math.exp(step * 1e-5) for step in side] for value, side in zip(values, sides, strict=True)]
        expected = statistics.welch(*runs)
        found = page.evaluate(
            "([a, b, v, w]) => benchsuite.numbers.welch({ value: v, runs: a }, { value: w, runs: b }, true)",
            [*sides, *values],
        )
        assert expected is not None
        for name, key in (
            ("ratio",) * 2,
            ("low",) * 2,
            ("high",) * 2,
            ("same_low", "sameLow"),
            ("same_high", "sameHigh"),
        ):
            assert found[key] == pytest.approx(getattr(expected, name), rel=1e-9)
        assert found["p"] == pytest.approx(expected.p, rel=1e-6, abs=1e-12)


def test_the_verdict_on_a_ratio_is_that_of_python(visit: Opened) -> None:
    page, rng = visit("two"), random.Random(7)
    edges = (1 / 1.01, 0.99, 0.9905, 1.01, 1.0101, 1.0)
    for _ in range(40):
        ends = sorted(rng.choice(edges) * (1 + rng.choice([0, 1e-9, -1e-9])) for _ in range(4))
        low, same_low, same_high, high = ends
        ratio = statistics.Ratio(1.0, low, high, 0.01, same_low, same_high)
        told = {"low": low, "high": high, "sameLow": same_low, "sameHigh": same_high}
        for shown in (True, False):
            found = page.evaluate("([ratio, shown]) => benchsuite.numbers.verdict(ratio, shown)", [told, shown])
            assert found == statistics.verdict(ratio, shown).value, (ratio, shown)


def test_holm_and_text_are_those_of_python(visit: Opened) -> None:
    page, rng = visit("two"), random.Random(6)
    for _ in range(20):
        ps = [rng.choice([1e-6, 1e-3, 0.01, 0.04, 0.5]) * rng.random() for _ in range(rng.randint(0, 12))]
        assert page.evaluate("(ps) => benchsuite.numbers.holm(ps)", ps) == statistics.holm(ps)
    cases = [[10 ** rng.uniform(-2, 3), 10 ** rng.uniform(-6, -0.3)] for _ in range(300)]
    given = [[value, value * (1 - half), value * (1 + half)] for value, half in cases]
    told = page.evaluate("(all) => all.map((one) => benchsuite.numbers.amount(...one))", given)
    assert told == [figures.shown(*one, 1.0) for one in given]
    ratios = page.evaluate("(all) => all.map((one) => benchsuite.numbers.times(...one))", given)
    assert ratios == [figures.times(*one) for one in given]


def test_ranks_are_those_of_python(visit: Opened) -> None:
    page = visit("many")
    exhibits = fleet()[:-1]
    for n in (0, 2, 3):
        case = tables.dataset(exhibits).cases[n]
        told = page.evaluate(
            "(n) => benchsuite.board(n, 'value').then((b) => b.ranked.map((e) => [e.first, e.last]))", n
        )
        board = next(each for each in ranking.boards(exhibits, [case.key]) if each.case.key == case.key)
        assert told == [[place.first, place.last] for place in board.ranked]
        assert len({tuple(each) for each in told}) > 3


def test_verdicts_are_those_of_python(visit: Opened) -> None:
    page = visit("many")
    exhibits = fleet()
    chosen = [0, 1, 4, 8, 16, 5, 3]
    told = page.evaluate(
        """(chosen) => benchsuite.compare(chosen[0], chosen).then((found) => found.rows.flatMap((row) =>
          [...row.pairs].map(([place, pair]) =>
            [row.n, place, pair.verdict, pair.ratio, pair.reason, pair.differs])))""",
        chosen,
    )
    data = tables.dataset(exhibits)
    place = {case.key: n for n, case in enumerate(data.cases)}
    label = {exhibits[at].label: at for at in chosen}
    rows = compare.against(exhibits[0], [exhibits[at] for at in chosen[1:]], compare.Rule(detailed=False)).rows
    expected = {(place[row.case.key], label[row.label]): row for row in rows}
    assert len(told) == len(expected)
    assert {verdict for _, _, verdict, *_ in told} >= {"faster", "slower", "incomparable"}
    assert len({reason for *_, reason, _ in told}) >= 4
    for n, at, verdict, ratio, reason, differs in told:
        row = expected[n, at]
        assert (verdict, reason, differs) == (row.verdict.value, row.reason, list(row.differs))
        assert ratio is None or ratio == pytest.approx(row.ratio, rel=1e-4)


# -- loaded on demand -----------------------------------------------------------------------------------------------


def test_a_page_loads_on_demand_what_the_file_embeds(browser: Any, folder: Path) -> None:
    exhibits = made.exhibits(MANY, TESTS)
    data = tables.dataset(exhibits)
    target = folder / "site"
    (target / "data").mkdir(parents=True)
    policy = "default-src 'none'; style-src '{style}'; script-src '{script}' file:; img-src data:; base-uri 'none'"
    (target / "page.html").write_text(
        explorer.shell(data, explorer.on_demand(data, "data/"), policy=policy), encoding="utf-8"
    )
    for kind, count, make in (("case", len(data.cases), tables.columns), ("machine", len(exhibits), tables.about)):
        for n in range(count):
            (target / "data" / f"{kind}-{n}.js").write_text(
                explorer.script_of(kind, n, make(data, n)), encoding="utf-8"
            )
    (folder / "whole.html").write_text(explorer.page(exhibits), encoding="utf-8")
    told = []
    for url in (target / "page.html", folder / "whole.html"):
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        asked: list[str] = []
        page.on("request", lambda request, asked=asked: asked.append(request.url.rsplit("/", 1)[-1]))
        page.goto(url.as_uri())
        page.wait_for_selector("html[data-ready]")
        told.append([words(page, part) for part in ("#verdict", "#cells", "#places", "#differ")])
        if url.name == "page.html":
            wanted = [one for one in asked if one.endswith(".js")]
            assert len(wanted) == view.FIRST_CHOSEN + 1
        page.close()
    assert told[0] == told[1]


def test_the_smallest_page_is_complete(browser: Any, folder: Path) -> None:
    one = made.exhibits(1, 3)[0]
    bare = replace(one, publication=replace(one.publication, results=one.publication.results[:1], offer=None))
    (folder / "one.html").write_text(explorer.page([bare]), encoding="utf-8")
    opened = Opened(browser, folder)
    page = opened("one")
    assert "nothing to compare" in words(page, "#verdict") or "Only" in words(page, "#verdict")
    assert page.locator("#places tbody tr").count() == 1
    (folder / "none.html").write_text(explorer.page([]), encoding="utf-8")
    assert "nothing to compare" in words(opened("none"), "#verdict") or "No machine" in words(page, "#verdict")
    assert opened.troubles == []
    page.close()
