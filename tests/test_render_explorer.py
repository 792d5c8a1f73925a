"""The comparison page: complete, closed to the network and to what publications contain, and the same twice."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import os
import re
import sys
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent / "scale"))
import publications as made

from benchsuite import compare, units
from benchsuite.model import Exhibit, Origin, Status
from benchsuite.render import versus
from benchsuite.render.explorer import board, figures, pack, page, published, scores, view
from benchsuite.render.explorer import data as tables
from benchsuite.statistics.runs import Verdict, estimate

GOLDEN = Path(__file__).parent / "golden" / "explorer.html"
EVIL = "</script><img src=x onerror=alert(1)>\"'><svg onload=alert(2)>\u202e\x1b[31m javascript:alert(3) {{7*7}}"


class Page(HTMLParser):
    """Elements with their attributes, the texts of style and scripts, and all words."""

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
        else:
            self.words.append(data)

    def shape(self) -> list[tuple[str, tuple[str, ...]]]:
        return [(tag, tuple(sorted(attributes))) for tag, attributes in self.elements]

    @property
    def data(self) -> dict[str, Any]:
        (text,) = self.texts["application/json"]
        found: dict[str, Any] = json.loads(text)
        return found


def two() -> list[Exhibit]:
    return made.exhibits(2, 9)


@pytest.fixture(scope="module")
def text() -> str:
    return page.page(made.exhibits(30, 12))


@pytest.fixture(scope="module")
def opened(text: str) -> Page:
    return Page(text)


def test_a_small_comparison_renders_as_it_is() -> None:
    """Golden, without style and script; rewrite it with BENCHSUITE_UPDATE_GOLDEN=1."""
    text = page.page(two())
    for pattern in (r"(<style>).*?(</style>)", r"(<script>).*?(</script>)"):
        text = re.sub(pattern, r"\1…\2", text, flags=re.DOTALL)
    text = re.sub(r"sha256-[\w+/=]+", "sha256-…", text)
    text = text.replace(f"benchsuite {page.__version__}", "benchsuite V").replace(page.__version__, "V")
    if os.environ.get("BENCHSUITE_UPDATE_GOLDEN"):
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8")


def test_the_same_exhibits_give_the_same_bytes(text: str) -> None:
    assert page.page(made.exhibits(30, 12)) == text


def test_the_policy_names_the_exact_bytes_and_precedes_them(opened: Page) -> None:
    policy = next(a["content"] for _, a in opened.elements if a.get("http-equiv") == "Content-Security-Policy")
    for name in ("style", "script"):
        (content,) = opened.texts[name]
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    tags = [tag if not a.get("http-equiv") else "policy" for tag, a in opened.elements]
    assert tags.index("policy") < tags.index("style") < tags.index("script")


def test_nothing_breaks_the_policy_or_is_fetched(text: str, opened: Page) -> None:
    for tag, attributes in opened.elements:
        assert "style" not in attributes, (tag, attributes)
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
        for name in {"src", "href", "action", "srcset"} & set(attributes):
            assert attributes[name].startswith(("#", "data:")), (tag, attributes)
    script = opened.texts["script"][0]
    assert "url(" not in opened.texts["style"][0]
    assert not re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|fetch\(|XMLHttp", script)


def test_ids_are_unique_and_links_within_the_page_lead_somewhere(opened: Page) -> None:
    ids = [a["id"] for _, a in opened.elements if "id" in a]
    assert len(ids) == len(set(ids))
    assert {a["href"][1:] for tag, a in opened.elements if tag == "a"} <= set(ids)


def test_the_default_selection_stands_there_without_scripts(opened: Page) -> None:
    words = " ".join(" ".join(opened.words).split())
    told = opened.data["index"]
    for place in opened.data["words"]["chosen"]:
        assert told["machines"]["label"][place] in words
    assert "leads 30 machines in Matrix multiplication" in words or "may share its rank" in words
    assert "±" in words
    assert "▼ ×0." in words
    assert sum(tag == "tr" for tag, _ in opened.elements) > 12 + board.BOARD_ROWS
    assert "10 more are in this file" in words


def test_two_machines_open_with_the_verdict() -> None:
    first = view.build(tables.dataset(two()))
    one, other = two()
    rows = compare.against(one, [other], compare.Rule(detailed=False)).rows
    assert first.headline == versus.headline(rows, one.label, other.label)
    assert re.search(r"faster in 7 \(×1\.5\d to ×2\.\d\d\)", first.headline)
    assert [len(row.cells) for group in first.groups for row in group.rows] == [2] * 9


def test_one_machine_is_told_that_there_is_nothing_to_compare() -> None:
    assert "nothing to compare" in view.build(tables.dataset(made.exhibits(1, 3))).headline


def test_the_leader_is_named_with_those_that_cannot_be_told_from_it() -> None:
    data = tables.dataset(made.exhibits(30, 4))
    first = view.build(data)
    assert first.board is not None
    tied = sum(row.rank.startswith("1–") or row.rank == "1" for row in first.board.rows) - 1
    assert tied >= 1
    assert first.headline.startswith(first.board.rows[0].label + " leads ")
    assert f"; {tied} other{'s' if tied > 1 else ''} may share its rank." in first.headline


def test_a_cell_says_ratio_interval_and_value() -> None:
    first = view.build(tables.dataset(two()))
    cell = first.groups[0].rows[0].cells[1]
    assert re.fullmatch(r"▲ ×2\.\d{3}†", cell.main)
    assert re.fullmatch(r"faster \(2\.\d{3}–2\.\d{3}\)", cell.more)
    assert (cell.tone, cell.value) == ("good", "1311 ± 3".replace(" ", units.NO_BREAK_SPACE))


def test_what_went_wrong_is_spoken_and_never_a_number() -> None:
    one, other = two()
    bad = replace(other.publication.results[0], status=Status.REJECTED, value=7e14, reason="The result was wrong.")
    none = replace(other.publication.results[1], value=math.nan)
    gone = other.publication.results[3:]
    other = replace(other, publication=replace(other.publication, results=(bad, none, *gone)))
    data = tables.dataset([one, other])
    told = {row.words: row.cells[1] for group in view.build(data).groups for row in group.rows}
    words = [case.words for case in data.cases]
    assert (told[words[0]].main, told[words[0]].more) == ("✖", "wrong result")
    column = tables.columns(data, 0)
    assert column["value"][1] is None
    assert column["status"] == {"1": "rejected"} or column["status"][1] == "rejected"
    assert sum(cell.more == "not measured" for cell in told.values()) == 1


def test_published_figures_are_never_ranked_nor_cases_of_their_own() -> None:
    exhibits = two()
    score = exhibits[0].publication.results[0]
    foreign = replace(score, case=replace(score.case, benchmark="published gemm"), run_values=())
    paper = made.published("Example H90 80GB", {score.case.key: 6e14})
    results = (*paper.publication.results, foreign)
    paper = replace(paper, publication=replace(paper.publication, results=results))
    data = tables.dataset([*exhibits, paper])
    assert len(data.cases) == 9
    assert data.cases[0].count == 2
    assert tables.columns(data, 0)["published"][0]["machine"] == 2
    first = view.build(data)
    assert first.board is not None
    assert [row.label for row in first.board.rows] == [exhibits[1].label, exhibits[0].label]
    assert first.entrants[0].label == exhibits[0].label


def test_the_page_opens_with_the_case_that_most_have() -> None:
    first, *others = made.exhibits(12, 12)
    exhibits = [first]
    exhibits += [
        replace(one, publication=replace(one.publication, results=one.publication.results[1:])) for one in others
    ]
    data = tables.dataset(exhibits)
    case = board.first_case(data)
    assert case is not None
    assert data.cases[case].count >= 11
    assert data.cases[case].benchmark == "gemm"


# -- numbers ----------------------------------------------------------------------------------------------------------

POSITIVE = st.floats(1e-9, 1e15)


@given(POSITIVE, st.lists(st.floats(-0.3, 0.3), min_size=2, max_size=12))
@settings(max_examples=60, deadline=None)
def test_runs_survive_being_packed(value: float, logs: list[float]) -> None:
    mean = sum(logs) / len(logs)
    runs = [value * math.exp(log - mean) for log in logs]
    steps = pack.offsets(value, runs)
    assert steps is not None
    assert pack.restored(value, steps) == pytest.approx(runs, rel=6e-6)
    found = estimate(runs)
    assert found is not None
    assert math.log(found.high / found.value) == pytest.approx(pack.reach(steps), abs=2e-4)


@given(st.lists(st.sampled_from(["a", "b", "c", ""]), max_size=40))
def test_columns_of_words_read_back(values: list[str]) -> None:
    assert [at(pack.words(values), i) for i in range(len(values))] == values


@given(st.lists(st.sampled_from([None, 1, 2]), max_size=40))
def test_columns_with_gaps_read_back(values: list[int | None]) -> None:
    assert [at(pack.some(values), i) for i in range(len(values))] == values


def at(column: Any, place: int) -> Any:
    """As ``at`` of ``explorer.data.js``."""
    if isinstance(column, list):
        return column[place]
    if "at" in column:
        return column["of"][column["at"][place]]
    if "all" in column:
        return column.get("but", {}).get(str(place), column["all"])
    return column.get(str(place))


def test_a_repeated_word_stands_once() -> None:
    assert len(json.dumps(pack.words(["the same"] * 1000))) < 30
    assert len(json.dumps(pack.words(["one word", "another"] * 500))) < 4100


@given(POSITIVE, st.floats(1e-7, 0.45))
@settings(max_examples=200, deadline=None)
def test_values_are_printed_as_everywhere(value: float, half: float) -> None:
    scale, letter = units.prefix(value)
    low, high = value * (1 - half), value * (1 + half)
    shown = figures.shown(value, low, high, scale)
    usual = units.ranged(value, low, high, "s").removesuffix(f"{units.NO_BREAK_SPACE}{letter}s")
    for ours, theirs in zip(shown.split(), usual.split(), strict=True):
        places = len(ours.partition(".")[2].rstrip(")"))
        if ours[0].isdigit() and "–" not in ours:  # of two equally near numbers, a browser takes the larger
            assert abs(float(ours) - float(theirs)) < 1.001 * 10**-places


def test_a_price_buys_what_took_part() -> None:
    one = two()[0]
    offer = one.publication.offer
    assert offer is not None
    score = one.publication.results[0]
    eight = replace(one.publication, offer=replace(offer, devices=8))
    assert scores.price(eight) == pytest.approx((offer.usd_per_hour or 0) / 8)
    assert scores.bought(score, eight) == 1
    four = replace(score, case=replace(score.case, ranks=16))
    assert scores.bought(four, eight) == 0
    assert scores.price(replace(eight, offer=None)) is None
    assert scores.price(replace(eight, offer=replace(offer, usd_per_hour=0.0))) is None


# -- what publications contain ----------------------------------------------------------------------------------------


def poisoned(value: Any, name: str = "") -> Any:
    """A copy with every text replaced by the evil one, keys of mappings included; enumerations stay."""
    if isinstance(value, Enum):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{each.name: poisoned(getattr(value, each.name), each.name) for each in fields(value)})
    if isinstance(value, tuple):
        return tuple(poisoned(one, name) for one in value)
    if isinstance(value, dict):
        return {f"{EVIL}{key}": poisoned(one, name) for key, one in value.items()}
    return f"{EVIL}{value}" if isinstance(value, str) and name not in {"params"} else value


@pytest.fixture(scope="module")
def evil() -> list[Exhibit]:
    return [poisoned(one) for one in made.exhibits(3, 6)]


def test_poison_in_every_text_changes_no_element(evil: list[Exhibit]) -> None:
    clean, dirty = Page(page.page(made.exhibits(3, 6))), Page(page.page(evil))
    tags = {"img", "svg", "iframe", "object", "form", "base"}
    assert not tags & {tag for tag, _ in dirty.elements}
    assert set(dirty.shape()) <= set(clean.shape()) | {("li", ())}
    assert "\u202e" not in page.page(evil)
    assert "\x1b" not in page.page(evil)
    words = " ".join(dirty.words)
    assert "</script><img src=x onerror=alert(1)>" in words
    assert "{{7*7}}" in words


def test_the_embedded_data_cannot_end_its_element(evil: list[Exhibit]) -> None:
    (embedded,) = Page(page.page(evil)).texts["application/json"]
    assert not {"<", ">", "&", "\u2028", "\u2029"} & set(embedded)


# -- the interface of pages that load on demand -----------------------------------------------------------------------


def test_a_page_on_demand_holds_no_cell_and_its_scripts_hold_them_all() -> None:
    data = tables.dataset(made.exhibits(6, 5))
    shell = Page(
        page.shell(data, page.on_demand(data, "data/"), policy="script-src '{script}' 'self'; style-src '{style}'")
    )
    assert set(shell.data) == {"index", "from", "words", "version"}
    script = page.script_of("case", 2, tables.columns(data, 2))
    found = re.fullmatch(r"benchsuite\.case\(2,(.*)\);\n", script)
    assert found
    assert json.loads(found[1]) == json.loads(json.dumps(tables.columns(data, 2)))
    row = tables.about(data, 3)
    assert row["cells"]["case"] == [0, 1, 2, 3, 4]
    for n in range(5):
        assert row["cells"]["value"][n] == tables.columns(data, n)["value"][3]
    assert len(row["details"]) == 5


def test_links_of_a_site_stand_above(text: str) -> None:
    data = tables.dataset(two())
    linked = page.shell(data, page.everything(data), links=[("../", "All machines")])
    assert '<a href="../">All machines</a>' in linked
    assert 'class="site"' not in text


def test_machines_know_which_cases_they_have() -> None:
    exhibits = made.exhibits(3, 6)
    one = exhibits[1]
    exhibits[1] = replace(one, publication=replace(one.publication, results=one.publication.results[:2]))
    data = tables.dataset(exhibits)
    has = [int(bits, 16) for bits in tables.index(data)["machines"]["has"]]
    for machine, exhibit in enumerate(exhibits):
        for n, case in enumerate(data.cases):
            told = any(score.case.key == case.key and scores.value(score) for score in exhibit.publication.results)
            assert bool(has[machine] >> n & 1) is told


def test_keys_for_links_are_unique_and_plain() -> None:
    exhibits = [replace(one, publication=replace(one.publication, id="The Same, ID!")) for one in made.exhibits(3, 2)]
    assert tables.dataset(exhibits).keys == ("the-same-id", "the-same-id~2", "the-same-id~3")


def test_every_verdict_has_its_words() -> None:
    data = tables.dataset(two())
    told = page.words(data, view.build(data))["verdicts"]
    assert set(told) == {verdict.value for verdict in Verdict}
    assert told["faster"] == ["▲", "faster", "good"]


def test_only_measured_ones_are_counted_as_measured() -> None:
    paper = made.published("Example H90 80GB", {})
    told = view.build(tables.dataset([*two(), paper])).counts
    assert told[:2] == ("2 machines measured", "1 published source")
    assert paper.publication.origin is Origin.PUBLISHED


def test_figures_of_the_catalogue_stand_beside_machines_of_their_model() -> None:
    one = two()[0]
    real = replace(one.publication.machine, name="NVIDIA H100 80GB HBM3", hardware="h100_sxm_80")
    exhibits = [replace(one, publication=replace(one.publication, machine=real))]
    found = published.beside(exhibits)
    assert found
    assert {each.publication.machine.hardware for each in found} == {"h100_sxm_80"}
    assert len({each.label for each in found}) == len(found)
    assert published.beside([*exhibits, *found]) == []
    assert published.beside(two()) == []
    data = tables.dataset([*exhibits, *found])
    case = next(n for n, each in enumerate(data.cases) if each.quantity == "gemm bf16")
    told = tables.columns(data, case)["published"]
    assert all(figure["machine"] > 0 and 50 < figure["value"] < 5000 and figure["source"] for figure in told)
    assert len(data.cases) == 9
    assert view.first_chosen(data, None) == [0]
