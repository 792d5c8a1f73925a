"""The page: complete, closed to the network, closed to what records contain."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from dataclasses import fields, is_dataclass, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import render_data as data
import sensor_data

from benchsuite.model import Case, Caveat, Record, Skip
from benchsuite.render import html, view
from benchsuite.render.view import CampaignView

GOLDEN = Path(__file__).parent / "golden" / "page.html"
EVIL = """</script><img src=x onerror=alert(1)>"><svg onload=alert(2)>\u202e'{{7*7}}"""
LIMIT = 620_000
SCRIPT_LIMIT = 10_000


class Page(HTMLParser):
    """Elements with their attributes, and the texts of style and script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: dict[str, list[str]] = {}
        self.words: list[str] = []
        self.inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: text or "" for name, text in attrs}))
        self.inside = self.elements[-1][1].get("type", tag) if tag in {"style", "script", "title"} else ""

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.texts.setdefault(self.inside, []).append(data)
        self.words.append(data)

    def policy(self) -> str:
        return next(a["content"] for _, a in self.elements if a.get("http-equiv") == "Content-Security-Policy")

    def shape(self) -> list[tuple[str, tuple[str, ...]]]:
        return [(tag, tuple(sorted(attributes))) for tag, attributes in self.elements]


def render(campaign: CampaignView) -> str:
    return html.report(view.build(campaign))


def whole() -> CampaignView:
    """Everything at once: every family, two that went wrong, and what the sensors of a GPU and its host said."""
    return replace(data.campaign(), readings=tuple(sensor_data.gpu()), backend="cuda")


@pytest.fixture(scope="module")
def text() -> str:
    return render(whole())


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def few() -> CampaignView:
    timed = [*data.probes(), *list(data.gemms())[:3], *list(data.memories())[-3:]]
    return replace(data.campaign(timed), readings=tuple(sensor_data.host(12.0)))


def test_a_small_campaign_renders_as_it_is() -> None:
    """Golden, without drawings, style and script; rewrite it with BENCHSUITE_UPDATE_GOLDEN=1."""
    text = render(few())
    for pattern in (
        r"(<svg class=\"(?:chart|strip)[^>]*>).*?</svg>",
        r"(<svg class=\"trace[^>]*>)<svg.*?</svg>.*?</svg>",
        r"(<style>).*?</style>",
        r"(<script>).*?</script>",
    ):
        text = re.sub(pattern, r"\1…", text, flags=re.DOTALL)
    text = re.sub(r"sha256-[\w+/=]+", "sha256-…", text)
    text = re.sub(r"(<svg class=\"chart[^>]*?)viewBox=\"[^\"]*\" width=\"\d+\" height=\"\d+\"", r"\1", text)
    if os.environ.get("BENCHSUITE_UPDATE_GOLDEN"):
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8")


def test_the_same_campaign_gives_the_same_bytes(text: str) -> None:
    assert render(whole()) == text


def test_the_policy_names_the_exact_bytes(page: Page) -> None:
    policy = page.policy()
    for name in ("style", "script"):
        (content,) = page.texts[name]
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy


def test_the_policy_precedes_what_it_governs(page: Page) -> None:
    tags = [tag if not a.get("http-equiv") else "policy" for tag, a in page.elements]
    assert tags.index("policy") < tags.index("style") < tags.index("script")


def test_nothing_breaks_the_policy(page: Page) -> None:
    for tag, attributes in page.elements:
        assert "style" not in attributes, (tag, attributes)
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)


def test_nothing_is_fetched(text: str, page: Page) -> None:
    for tag, attributes in page.elements:
        for name in {"src", "href", "action", "srcset", "xlink:href"} & set(attributes):
            source = tag == "a" and attributes.get("rel") == "noopener noreferrer"  # a reader may follow it
            assert attributes[name].startswith(("#", "data:", *(["https://"] if source else []))), (tag, attributes)
    assert "url(" not in text
    assert "@import" not in text


def test_the_page_and_its_script_keep_to_their_sizes(text: str, page: Page) -> None:
    assert len(text.encode()) < LIMIT
    assert len(page.texts["script"][0].encode()) < SCRIPT_LIMIT


def test_the_summary_for_programs_equals_the_scores(page: Page) -> None:
    campaign = data.campaign()
    (embedded,) = page.texts["application/json"]
    assert not {"<", ">", "&", "\u2028"} & set(embedded)
    found = json.loads(embedded)
    assert found["verdict"] == "invalid"
    for case, score in zip(found["cases"], campaign.scores, strict=True):
        assert case["status"] == score.status
        assert case["value"] == (score.value and pytest.approx(score.value, rel=1e-6))


def test_ids_are_unique_and_links_within_the_page_lead_somewhere(page: Page) -> None:
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    links = {a["href"][1:] for tag, a in page.elements if tag == "a" and a["href"].startswith("#")}
    assert links <= set(ids), links - set(ids)


def test_numbers_without_scripts_are_in_the_page(page: Page) -> None:
    words = " ".join(page.words)
    for score in view.build(data.campaign()).rows:
        assert score.value in words


@pytest.mark.parametrize("made", [[], list(data.TROUBLE), data.records(list(data.gemms())[:1], 1)])
def test_poor_campaigns_render(made: list[Record]) -> None:
    page = Page(render(data.view_of(made, 1)))
    assert page.elements[0][0] == "html"
    assert "h1" in [tag for tag, _ in page.elements]


def test_what_the_sensors_said_is_on_the_page(page: Page) -> None:
    words = " ".join(page.words)
    assert "During the run" in words
    assert "the power limit held the GPU's clock down" in words
    assert "No readings of sensors" not in words
    drawn = [attributes for tag, attributes in page.elements if attributes.get("class") == "trace"]
    assert len(drawn) >= 8
    assert all(one["role"] == "img" and one["aria-label"] for one in drawn)


@pytest.mark.parametrize("backend", ["host", "fake"])
def test_a_run_without_readings_says_so_unless_it_never_ran(backend: str) -> None:
    text = render(replace(data.view_of(data.records(list(data.probes())[:1], 1)), backend=backend))
    assert ("No readings of sensors" in text) == (backend == "host")
    assert 'href="#during"' not in text


def test_a_rejected_result_shows_its_reason_and_no_number() -> None:
    words = " ".join(Page(render(data.view_of([data.TROUBLE[0]]))).words)
    assert "wrong result" in words
    assert "c[17, 3] is 0.31 off" in words
    assert "GFLOP/s" not in words


def test_simulated_data_says_so() -> None:
    assert "Simulated data" in render(replace(few(), backend="fake"))


def poison(value: Any) -> Any:
    """``value`` with every text of its inside replaced by ``EVIL``."""
    if isinstance(value, str) and type(value) is str:
        return EVIL
    if is_dataclass(value) and not isinstance(value, type):
        kept = {"case", "metric", "status", "work", "samples", "summary", "policy", "ceilings"}
        return replace(value, **{f.name: poison(getattr(value, f.name)) for f in fields(value) if f.name not in kept})
    if isinstance(value, dict):
        return dict((EVIL, poison(item)) for item in value.values())  # noqa: C402 - one key
    if isinstance(value, tuple | list):
        return type(value)(poison(item) for item in value)
    return value


def evil(campaign: CampaignView) -> CampaignView:
    """The campaign with every text poisoned, names of benchmarks and parameters included."""
    case = Case(EVIL, ((EVIL, EVIL), ("bytes", 8), ("op", EVIL)), 2)
    poisoned: CampaignView = poison(replace(campaign, caches={}, problems=("told",)))
    scores = [replace(s, caveats=(Caveat(EVIL, EVIL),), run_values=s.run_values) for s in poisoned.scores]
    scores += [replace(scores[0], case=case), replace(scores[-1], case=replace(case, benchmark="gemm"))]
    scores += [replace(s, case=replace(s.case, params=(("bytes", 2**n), ("op", EVIL))), best=True)
               for n, s in enumerate(scores) if s.case.benchmark == "memory"]  # fmt: skip
    return replace(poisoned, scores=scores, skips=(Skip(case, EVIL, EVIL),))


def test_no_text_of_a_record_becomes_markup() -> None:
    text = render(evil(few()))
    page = Page(text)
    assert not {"img", "foreignobject", "iframe"} & {tag for tag, _ in page.elements}
    for tag, attributes in page.elements:
        assert not {"onerror", "onload", "src"} & set(attributes), (tag, attributes)
    assert [tag for tag, _ in page.elements].count("script") == 2
    assert "\u202e" not in re.sub(r'<script type="application/json".*?</script>', "", text, flags=re.DOTALL)
    assert "49" not in page.texts.get("title", [])
    json.loads(page.texts["application/json"][0])
