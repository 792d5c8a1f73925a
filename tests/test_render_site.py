"""The site: complete, closed to the network and to what publications hold, the same whenever it is built."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import site_data

from benchsuite import catalog, publication
from benchsuite.errors import DataError
from benchsuite.model import Case, Caveat, Exhibit, Level, Metric, Offer, Origin, Publication, Score, Status
from benchsuite.render.site import templates
from benchsuite.render.site.build import Built, Source, build
from benchsuite.render.site.context import Known
from benchsuite.render.site.folder import Folder

EVIL = """</script><img src=x onerror=alert(1)>"><svg onload=alert(2)>'{{7*7}}"""
VOID = {"meta", "link", "input", "img", "br", "path", "rect", "circle"}
PAGE_LIMIT, INDEX_LIMIT = 100_000, 200_000


@dataclass
class Page(HTMLParser):
    """Elements with attributes, ids, links, and the texts of scripts and styles."""

    text: str
    elements: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    inline: list[tuple[str, str]] = field(default_factory=list)
    words: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: text or "" for name, text in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: text or "" for name, text in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> without its beginning"
        assert self.open.pop() == tag, f"</{tag}> ends another element"

    def handle_data(self, data: str) -> None:
        inside = self.open[-1] if self.open else ""
        if inside in {"script", "style"}:
            self.inline.append((inside, data))
        else:
            self.words.append(data)

    def all(self, name: str) -> list[str]:
        return [attributes[name] for _, attributes in self.elements if name in attributes]

    @property
    def policy(self) -> str:
        return next(a["content"] for _, a in self.elements if a.get("http-equiv") == "Content-Security-Policy")

    @property
    def said(self) -> str:
        return " ".join(" ".join(self.words).split())


def known(published: bool = True) -> Known:
    found = catalog.load()
    if not published:
        return Known(found.accelerators, found.prices)
    return Known(found.accelerators, found.prices, found.figures, catalog.publications(found))


def exhibits(told: list[Publication]) -> list[Exhibit]:
    return [Exhibit(one, publication.label(one)) for one in told]


def written(path: Path, told: list[Exhibit], what: Known | None = None) -> Built:
    with Folder(path) as folder:
        return build(folder, map(Source, told), what or known(), "Example results", lambda *_: None)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("site")
    written(path, exhibits(site_data.publications()))
    return path


@pytest.fixture(scope="module")
def pages(site: Path) -> Mapping[str, Page]:
    return read(site)


def read(site: Path) -> dict[str, Page]:
    return {
        path.relative_to(site).as_posix(): Page(path.read_text(encoding="utf-8"))
        for path in sorted(site.rglob("*.html"))
    }


def target(page: str, link: str) -> tuple[str, str]:
    """The file that a link of a page means, and the anchor in it."""
    address, _, anchor = link.partition("#")
    place = (Path(page).parent / unquote(address)).as_posix() if address else page
    parts: list[str] = []
    for part in place.split("/"):
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts), anchor


def test_every_link_leads_to_a_file_and_an_anchor_that_are_there(site: Path, pages: Mapping[str, Page]) -> None:
    for name, page in pages.items():
        for link in [*page.all("href"), *page.all("src")]:
            if link.startswith(("https://", "data:,")):
                continue
            file, anchor = target(name, link)
            assert (site / file).is_file(), f"{name} -> {link}"
            if anchor and file != "compare.html":  # what follows there is what the script shows
                assert anchor in pages[file].all("id"), f"{name} -> {link}"


def test_nothing_but_sources_lies_outside(pages: Mapping[str, Page]) -> None:
    told = {one.source for one in known().figures} | {one.source for one in known().prices}
    told |= {source for one in known().accelerators.values() for source in one.source}
    outside = set()
    for name, page in pages.items():
        for tag, attributes in page.elements:
            for attribute in ("href", "src", "action", "poster", "srcset", "data"):
                link = attributes.get(attribute, "")
                if re.match(r"[a-z]+:|//", link) and link != "data:,":
                    assert (tag, attribute) == ("a", "href"), f"{name}: {tag} {attribute}={link}"
                    assert link in told, f"{name} links to {link}"
                    assert "noreferrer" in attributes["rel"]
                    outside.add(link)
    assert outside


def test_every_page_is_reached_from_the_overview(pages: Mapping[str, Page]) -> None:
    seen, waiting = set(), ["index.html"]
    while waiting:
        name = waiting.pop()
        if name not in seen and name in pages:
            seen.add(name)
            waiting += [target(name, link)[0] for link in pages[name].all("href") if not re.match(r"[a-z]+:", link)]
    assert set(pages) - seen == {"404.html"}
    kinds = {name.split("/")[0] for name in pages if "/" in name}
    assert kinds == {"case", "machine", "provider", "run", "test", "type"}


def test_every_file_stands_in_the_sums_with_its_digest(site: Path) -> None:
    sums = dict(line.split("  ")[::-1] for line in (site / "SHA256SUMS").read_text().splitlines())
    there = {path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()}
    assert there - set(sums) == {"SHA256SUMS", "benchsuite-site.txt"}
    assert set(sums) <= there
    for name, digest in sums.items():
        assert hashlib.sha256((site / name).read_bytes()).hexdigest() == digest
    for digest in re.findall(r"<code>([0-9a-f]{64})</code>", (site / "data.html").read_text()):
        assert digest in sums.values()


def test_pages_are_well_formed(pages: Mapping[str, Page]) -> None:
    for name, page in pages.items():
        assert page.open == [], name
        ids = page.all("id")
        assert len(ids) == len(set(ids)), f"{name}: {[one for one in ids if ids.count(one) > 1]}"
        tags = [tag for tag, _ in page.elements]
        assert (tags.count("h1"), tags.count("main"), tags.count("title")) == (1, 1, 1), name
        assert page.elements[0] == ("html", {"lang": "en"})
        for place, (tag, attributes) in enumerate(page.elements):
            assert not [one for one in attributes if one == "style" or one.startswith("on")], f"{name}: {tag}"
            if tag == "table" and name != "compare.html":  # whose tables a script fills
                assert page.elements[place + 1][0] == "caption", f"{name}: a table without a caption"
            if tag == "th":
                assert attributes["scope"] in {"col", "row", "rowgroup"}, name


def test_the_policy_comes_first_and_names_what_runs(pages: Mapping[str, Page]) -> None:
    for name, page in pages.items():
        tags = [tag for tag, _ in page.elements]
        first = next(place for place, (_, a) in enumerate(page.elements) if a.get("http-equiv"))
        assert not {"script", "style", "link"} & set(tags[:first]), name
        assert "default-src 'none'" in page.policy
        assert "unsafe" not in page.policy
        assert "http:" not in page.policy.replace("https:", "http:")
        for kind, text in page.inline:
            if kind == "script" and '{"' in text[:2]:
                continue  # data, which nobody executes
            digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            assert f"sha256-{digest}" in page.policy, name
    assert {name for name, page in pages.items() if page.inline} == {"404.html", "compare.html"}


def test_it_is_the_same_to_the_byte_whenever_it_is_built(site: Path, tmp_path: Path) -> None:
    told = exhibits(site_data.publications())
    random.Random(7).shuffle(told)
    written(tmp_path, told)
    assert (tmp_path / "SHA256SUMS").read_text() == (site / "SHA256SUMS").read_text()


def test_pages_stay_small(site: Path, pages: Mapping[str, Page]) -> None:
    for name in pages:
        assert len(zlib.compress((site / name).read_bytes())) <= PAGE_LIMIT, name
    assert (site / "assets/search.js").stat().st_size <= INDEX_LIMIT


def test_two_publications_of_one_id_are_refused(tmp_path: Path) -> None:
    one = site_data.published(1, "rtx_4090")
    with pytest.raises(DataError, match="have the id"):
        written(tmp_path, exhibits([one, replace(one, suite="other")]))


def test_the_same_publication_twice_is_one_with_what_either_has_beside_it(tmp_path: Path) -> None:
    one = exhibits([site_data.published(1, "rtx_4090")])[0]
    signed = replace(one, level=Level.SIGNED, signer="Somebody")
    with Folder(tmp_path) as folder:
        sources = [Source(one, b"{}\n"), Source(signed, b"", b"{}")]
        assert build(folder, sources, known(), "x", lambda *_: None).runs == 1
    page = read(tmp_path)[f"run/{one.publication.id}.html"]
    assert "signed: Somebody" in page.said
    assert [link for link in page.all("href") if link.endswith((".samples.jsonl", ".dsse.json"))] != []


def test_published_figures_in_a_file_are_shown_but_populate_nothing(tmp_path: Path) -> None:
    found = catalog.load()
    figures = [one for one in catalog.publications(found) if one.machine.hardware == "h100_sxm_80"]
    written(tmp_path, exhibits([*figures, site_data.published(1, "h100_sxm_80")]))
    pages = read(tmp_path)
    assert "1 machine of NVIDIA H100 SXM5 80GB in 1 run" in pages["type/h100_sxm_80.html"].said
    assert "◇ published" in pages[f"run/{figures[0].id}.html"].said
    assert not [name for name in pages if name.startswith("case/") and "published-" in pages[name].text]


def test_without_any_publication_there_is_no_site(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing to publish"):
        written(tmp_path, [])


def test_simulated_data_carry_the_band_and_belong_to_no_population(pages: Mapping[str, Page]) -> None:
    fake = site_data.simulated()
    assert "Simulated data" in pages[f"run/{fake.id}.html"].said
    assert "Simulated data" not in pages["run/20260902-120000-gpu-0001.html"].said
    assert "Scripted device" not in pages["types.html"].said
    h100 = next(page for name, page in pages.items() if name == "type/h100_sxm_80.html")
    assert h100.said.count("14 machines") >= 1


def test_a_site_of_simulated_data_alone_carries_the_band_everywhere(tmp_path: Path) -> None:
    written(tmp_path, exhibits([site_data.simulated()]))
    for name, page in read(tmp_path).items():
        if name != "404.html":
            assert "Simulated data" in page.said, name


def test_a_superseded_run_stays_and_says_by_what(pages: Mapping[str, Page]) -> None:
    old = next(page for name, page in pages.items() if "gpu-0040" in name and name.startswith("run/"))
    assert "Superseded: this machine was measured again on 2026-09-01" in old.said
    assert "20260901-120000-gpu-0000.html" in " ".join(old.all("href"))
    assert "1 machine" not in pages["machine/m00000.html"].said
    assert "One machine in 5 runs, 2026-04-09 to 2026-09-01." in pages["machine/m00000.html"].said


def test_published_figures_stand_apart_and_can_be_left_out(pages: Mapping[str, Page], tmp_path: Path) -> None:
    page = pages["type/h100_sxm_80.html"]
    assert "Published elsewhere, not measured here" in page.said
    assert "◇" in page.said
    written(tmp_path, exhibits(site_data.publications()[:2]), known(published=False))
    bare = read(tmp_path)["type/h100_sxm_80.html"]
    assert "Published elsewhere, not" not in bare.said
    assert not (tmp_path / "data/figures.csv").exists()


def test_a_provider_is_compared_with_others_from_five_machines_on_a_side(pages: Mapping[str, Page]) -> None:
    alpha, gamma = (pages[name].said for name in provider_pages(pages, "Alpha Cloud", "Gamma"))
    assert re.search(r"TFLOP/s 5 \S+ TFLOP/s 9 (\S+ % (above|below)|as elsewhere)", alpha.replace("\u00a0", " "))
    assert "not compared: fewer than 5 machines here or elsewhere" in gamma
    assert not re.search(r"% (above|below)", gamma)
    assert "No provider is ranked" in pages["type/rtx_4090.html"].said


def provider_pages(pages: Mapping[str, Page], *titles: str) -> list[str]:
    found = {title: name for name, page in pages.items() if name.startswith("provider/") for title in titles
             if f" {title} " in f" {page.said[:400]} "}  # fmt: skip
    return [found[title] for title in titles]


def test_a_run_tells_what_went_wrong_and_what_was_not_measured(pages: Mapping[str, Page]) -> None:
    page = next(page for name, page in pages.items() if name.startswith("run/") and "gpu-0050" in name)
    assert "Not valid: 1 of 15 results is wrong." in page.said
    assert "✖ failed" in page.said.replace("\u00a0", " ")
    assert "It cannot run on this machine." in page.said
    assert "†p" in page.said


def test_a_wrong_result_comes_before_any_verdict(tmp_path: Path) -> None:
    told = [site_data.published(3 * n + 1, "rtx_4090", f"provider {n % 4}") for n in range(22)]
    whole, bad = told[1], site_data.broken(told[0])
    written(tmp_path, exhibits([bad, *told[1:]]))
    found = read(tmp_path)
    heads = [re.search(r"<h1>(.*?)</h1>", found[f"run/{one.id}.html"].text) for one in (whole, bad)]
    assert heads[0]
    assert heads[1]
    assert "main tests" in heads[0][1]
    assert "Not valid: 1 of 15 results is wrong." in heads[1][1]


def test_samples_and_signatures_lie_beside_the_publication(tmp_path: Path) -> None:
    told = exhibits([site_data.published(1, "rtx_4090")])[0]
    signed = replace(told, level=Level.INDEPENDENT, signer="Some Lab")
    with Folder(tmp_path) as folder:
        build(folder, [Source(signed, b'{"a": 1}\n', b"{}")], known(), "x", lambda *_: None)
    page = read(tmp_path)[f"run/{told.publication.id}.html"]
    assert "independent: Some Lab" in page.said
    assert (tmp_path / f"data/run/{told.publication.id}.samples.jsonl").read_bytes() == b'{"a": 1}\n'
    assert [link for link in page.all("href") if link.endswith(".json.dsse.json")]


def poisoned(value: Any, told: Callable[[], str]) -> Any:
    """The value with every text replaced."""
    if isinstance(value, str) and type(value) is str:
        return told()
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{one.name: poisoned(getattr(value, one.name), told) for one in fields(value)})
    if isinstance(value, tuple):
        return tuple(poisoned(one, told) for one in value)
    if isinstance(value, Mapping):
        return {poisoned(name, told) if type(name) is str else name: poisoned(one, told) for name, one in value.items()}
    return value


def evil(one: Publication, number: int) -> Exhibit:
    made = poisoned(one, lambda: EVIL)
    results = tuple(
        replace(score, case=Case(EVIL, ((EVIL, EVIL), ("n", place)), score.case.ranks), caveats=(Caveat(EVIL, EVIL),))
        for place, score in enumerate(made.results)
    )
    machine = replace(made.machine, id=f"m{number % 2}", hardware="")
    offer = Offer(EVIL, EVIL, EVIL, 1, 1.0 + number, EVIL, EVIL, EVIL)
    told = replace(made, id=f"{EVIL} {number}", results=results, machine=machine, offer=offer, started=one.started)
    return Exhibit(told, EVIL, Level.SIGNED, EVIL, (EVIL,))


def test_no_text_of_a_publication_becomes_markup(site: Path, pages: Mapping[str, Page], tmp_path: Path) -> None:
    harmless = {(tag, tuple(sorted(attributes))) for page in pages.values() for tag, attributes in page.elements}
    written(tmp_path, [evil(site_data.published(n, "rtx_4090", "x", month=1 + n), n) for n in range(4)])
    found = read(tmp_path)
    assert any(EVIL.replace(" ", "") in page.said.replace(" ", "") for page in found.values())
    for name, page in found.items():
        for tag, attributes in page.elements:
            assert tag != "img", name
            assert not [one for one in attributes if one.startswith("on")], name
            assert not re.match(r"\s*(javascript|data:[^,])", attributes.get("href", "")), name
            if name != "compare.html":
                assert (tag, tuple(sorted(attributes))) in harmless, f"{name}: {tag} {attributes}"
    for path in tmp_path.rglob("*.js"):
        assert "</script" not in path.read_text(encoding="utf-8"), path


@pytest.mark.parametrize(
    "text",
    [
        "javascript:alert(1)",
        "http://example.org/x",
        'https://example.org/"onclick="x',
        "https://user@example.org/",
        "https://example.org /",
        "https:///etc/passwd",
        "//example.org",
        "https://example.org/\u202egnp",
        "data:text/html,x",
    ],
)
def test_only_a_plain_https_address_becomes_a_link(text: str) -> None:
    assert "href" not in str(templates.source(text))


def test_a_source_becomes_a_link() -> None:
    link = "https://example.org/a/b?c=d#e"
    assert f'href="{link}"' in str(templates.source(link))


def test_a_number_of_no_sense_is_no_number(tmp_path: Path) -> None:
    one = site_data.published(1, "rtx_4090")
    bad = tuple(
        replace(score, value=value) for score, value in zip(one.results, (0.0, float("inf"), -1.0), strict=False)
    )
    rest = replace(one.results[3], status=Status.REJECTED)
    written(tmp_path, exhibits([replace(one, results=(*bad, rest, one.results[4]))]))
    cases = [path.name for path in (tmp_path / "case").iterdir()]
    assert len(cases) == 1


def test_what_was_imported_is_told_apart_and_has_no_rank(tmp_path: Path) -> None:
    one = site_data.published(1, "rtx_4090")
    score: Score = replace(one.results[0], run_values=(), runs=0, samples=(), source="log.txt, line 3")
    assert score.metric is Metric.FLOPS
    two = replace(one, id="imported-1", origin=Origin.IMPORTED, tool="nccl-tests", results=(score,),
                  machine=replace(one.machine, id="other"))  # fmt: skip
    written(tmp_path, exhibits([one, two]))
    found = read(tmp_path)
    assert "◇ imported" in found["run/imported-1.html"].said.replace("\u00a0", " ")
    case = next(page for name, page in found.items() if name.startswith("case/") and "◇ imported" in page.said)
    assert re.search(r"– NVIDIA GeForce RTX 4090", case.said)


def test_a_run_is_found_in_the_comparison_by_the_name_that_its_page_links_to(
    site: Path, pages: Mapping[str, Page]
) -> None:
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', (site / "compare.html").read_text())
    assert data
    keys = set(json.loads(data[1])["index"]["machines"]["key"])
    links = {link for page in pages.values() for link in page.all("href") if "compare.html#v1" in link}
    assert len(links) == 25
    assert {link.partition("m=")[2] for link in links} <= keys
