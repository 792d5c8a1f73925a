"""What people see: the same numbers everywhere, no markup from data, nothing remote, golden text."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from benchsuite import assets, units
from benchsuite.model import Caveat, Metric, Status
from benchsuite.render import charts, html, strip, terminal
from benchsuite.render.view import CampaignView, build
from benchsuite.render.words import parameters
from tests.campaigns import records, scored, trouble, view

GOLDEN = Path(__file__).parent / "golden"
TEMPLATES = assets.folder("reports")


def golden(name: str, text: str) -> None:
    """Compare with the stored text; BENCHSUITE_UPDATE_GOLDEN=1 stores it anew."""
    path = GOLDEN / name
    if os.environ.get("BENCHSUITE_UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def page(campaign: CampaignView | None = None) -> str:
    return html.report(build(campaign or view()), TEMPLATES)


@pytest.fixture(scope="module")
def whole() -> str:
    return page()


class Elements(HTMLParser):
    """Every element with its attributes, and the text outside of script and style."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.content: dict[str, list[str]] = {"script": [], "style": []}
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag if tag in self.content else ""

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.content[self._inside].append(data)
        else:
            self.text += data


def text_table(**options: bool) -> str:
    stream = StringIO()
    scores, _ = scored([*records(), *trouble()])
    terminal.table(scores, Console(file=stream, width=100, highlight=False), **options)
    return stream.getvalue() + "\n".join(terminal.summary_lines(scores)) + "\n"


# -- golden -----------------------------------------------------------------------------------


def test_the_terminal_table_is_as_agreed() -> None:
    golden("table.txt", text_table())


def test_the_page_is_as_agreed_but_for_its_drawings() -> None:
    without = re.sub(r"<svg.*?</svg>", "<svg/>", page(), flags=re.DOTALL)
    without = re.sub(r"<style>.*?</style>|<script.*?</script>|sha256-[^']*", "", without, flags=re.DOTALL)
    golden("report.html", without)


def test_the_charts_are_as_agreed() -> None:
    scores, ceilings = scored(records())
    made = charts.of_campaign(scores, ceilings, view().caches, 2)
    assert [chart.id for chart in made] == ["roofline", "rates", "bandwidth", "latency", "allreduce"]
    specs = [chart.specs[0] for chart in made]
    rounded = json.loads(json.dumps(specs), parse_float=lambda text: float(f"{float(text):.9g}"))
    golden("charts.json", json.dumps(rounded, indent=1, sort_keys=True) + "\n")


# -- one truth --------------------------------------------------------------------------------


def test_every_number_of_the_table_is_on_the_page(whole: str) -> None:
    scores, _ = scored([*records(), *trouble()])
    text = Elements(whole).text
    for score in scores:
        assert parameters(score.case) in text
        if score.value is not None and score.low is not None and score.high is not None:
            assert units.ranged(score.value, score.low, score.high, score.metric.value) in text


def test_every_best_memory_result_is_a_mark_of_its_chart() -> None:
    scores, _ = scored(records())
    chart = charts.bandwidth(scores, {}, 2)
    assert chart is not None
    drawn = {(row["series"], row["x"]) for row in chart.specs[0]["data"]["values"]}
    wanted = {(s.case["op"], s.case["bytes"]) for s in scores if s.case.benchmark == "memory" and s.best}
    assert drawn == wanted


def test_a_rejected_result_has_no_number_and_leads_the_page(whole: str) -> None:
    elements = Elements(whole)
    assert "✖ Invalid: 1 of" in elements.text
    row = next(row for row in build(view()).rows if row.tone == "bad" and "512" in row.case)
    assert row.value == units.DASH
    assert "c[1, 2]" in elements.text
    assert not any(score.best for score in view().scores if score.status is not Status.OK)


@pytest.mark.parametrize("found", [[], trouble()], ids=["nothing", "all failed"])
def test_a_page_without_numbers_says_so(found: list[object]) -> None:
    text = Elements(page(view(found))).text  # type: ignore[arg-type]
    assert ("Nothing was measured" if not found else "Invalid") in text
    assert "GFLOP/s" not in text


def test_one_run_says_so() -> None:
    single = [record for record in records() if record.run == 0]
    text = Elements(page(view(single, policy=replace(view().policy, runs=1)))).text
    assert "this run only" in text
    assert "1 run only: enough for numbers" in text


def test_simulated_data_wears_a_band(whole: str) -> None:
    assert "Simulated data" not in whole
    assert "Simulated data" in page(view(backend="fake"))


def test_no_page_claims_what_it_cannot_know(whole: str) -> None:
    text = Elements(whole).text.lower()
    for word in ("significant", "up to", "best-in-class", "proven", "equivalent"):
        assert word not in text.replace("up to themselves", "")
    assert "no reference" in text


# -- safe and offline -------------------------------------------------------------------------

POISON = "</script><img src=x onerror=alert(1)>\"'><svg onload=alert(1)>\u202e{{7*7}}\x1b[31m"


def poisoned() -> CampaignView:
    found = [replace(r, provider=POISON, implementation=f"{r.implementation}") for r in [*records(), *trouble()]]
    found = [replace(r, reason=POISON) if r.reason else r for r in found]
    found[0] = replace(found[0], caveats=(Caveat(POISON, POISON),))
    return view(
        found,
        title=POISON,
        id=POISON,
        version=POISON,
        command=POISON,
        digest=POISON,
        facts={POISON: {POISON: POISON}},
        questions=dict.fromkeys(view().questions, POISON),
    )


def test_no_text_becomes_an_element(whole: str) -> None:
    count = {tag: sum(name == tag for name, _ in Elements(whole).tags) for tag in ("img", "script", "iframe", "object")}
    elements = Elements(page(poisoned()))
    assert {tag: sum(name == tag for name, _ in elements.tags) for tag in count} == count
    handlers = [name for _, attributes in elements.tags for name in attributes if name.startswith("on")]
    assert handlers == []
    assert "49" not in re.findall(r"\{\{.*?\}\}|49(?=\x1b)", page(poisoned()))


def test_embedded_json_reads_back_and_cannot_end_its_script() -> None:
    document = html.embedded({"a": POISON})
    assert "<" not in document
    assert json.loads(document) == {"a": POISON}


def test_the_policy_names_exactly_what_is_inlined(whole: str) -> None:
    elements = Elements(whole)
    policy = next(a["content"] for tag, a in elements.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert html.digest(elements.content["style"][0]) in policy
    assert html.digest(elements.content["script"][-1]) in policy
    assert "unsafe" not in policy


def test_nothing_is_remote_and_nothing_is_styled_inline(whole: str) -> None:
    for tag, attributes in Elements(whole).tags:
        assert "style" not in attributes, tag
        for name in ("src", "href", "xlink:href", "action"):
            assert not (attributes.get(name) or "").lower().startswith(("http", "//", "javascript")), (tag, attributes)
    assert not re.search(r"url\(\s*['\"]?(?!data:)", "".join(Elements(whole).content["style"]))


def test_the_page_stays_small(whole: str) -> None:
    assert len(whole.encode()) < 600_000


def test_control_characters_never_reach_a_terminal() -> None:
    stream = StringIO()
    scores, _ = scored([replace(record, implementation="\x1b[2J") for record in trouble()])
    terminal.table(scores, Console(file=stream, width=100), all_implementations=True)
    assert "\x1b[2J" not in stream.getvalue()
    assert all("\x1b" not in line for line in terminal.summary_lines([replace(s, reason="\x1b[2J") for s in scores]))


# -- small parts ------------------------------------------------------------------------------


def test_every_implementation_is_shown_on_request() -> None:
    assert "scipy" not in text_table()
    assert "scipy" in text_table(all_implementations=True)


def test_a_strip_has_a_dot_for_every_sample_and_a_line_for_every_run() -> None:
    drawn = strip.samples(records()[:3])
    assert drawn.count("h0") == 90
    assert drawn.count('class="median"') == 3
    numbers = [float(number) for number in re.findall(r"[MH ](-?\d+\.\d)", drawn)]
    assert min(numbers) >= 0
    assert max(numbers) <= strip.WIDTH
    assert strip.samples([]) == ""


def test_wide_intervals_are_given_by_their_ends() -> None:
    assert "±" in units.ranged(100e9, 95e9, 105e9, Metric.BANDWIDTH.value)
    assert "±" not in units.ranged(100e9, 20e9, 500e9, Metric.BANDWIDTH.value)


def test_cases_of_other_versions_are_still_named() -> None:
    from benchsuite.model import Case

    assert parameters(Case.of("gemm", size=3)) == "size 3"
    assert parameters(Case.of("unknown", bytes=1024, fast=True)) == f"bytes {units.size(1024)}, fast yes"
