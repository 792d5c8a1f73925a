"""Certificates: verdict first, every run drawn, nothing good that is not, and no text of a record becomes markup."""

from __future__ import annotations

import io
import json
import math
import os
import re
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import acceptance_data as data
import certificate_data as made
import pytest
from rich.console import Console
from test_render_html import EVIL, Page

from benchsuite.accept import fleetrule
from benchsuite.model import Contract, Decided, FleetVerdict, State, Status, Subject, Word
from benchsuite.render import (
    certificate,
    certificate_document,
    certificate_parts,
    certificate_strip,
    certificate_view,
    certificate_words,
    verdict_terminal,
)
from benchsuite.render.certificate_view import About, CertificateView

GOLDEN = Path(__file__).parent / "golden"
Case = tuple[FleetVerdict, Contract, About]


def view(case: Case) -> CertificateView:
    return certificate_view.build(*case)


def terminal(case: Case) -> str:
    stream = io.StringIO()
    verdict_terminal.show(view(case), Console(file=stream, width=220, highlight=False))
    return stream.getvalue().replace("\u00a0", " ")


def plain(text: str) -> str:
    """The words of a page, without style, script and the tags."""
    text = re.sub(r"<(style|script)[^>]*>.*?</\1>", "", text, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text)).replace("\u00a0", " ").replace("&nbsp;", " ")


@pytest.mark.parametrize("word", list(Word))
def test_only_the_good_word_is_good(word: Word) -> None:
    fleet, contract, about = made.good()
    part = replace(fleet.parts[0], word=word)
    told = view((replace(fleet, word=word, parts=(part,)), contract, about))
    assert (told.tone == "good") is (word is Word.ACCEPT)
    assert (told.exit == 0) is (word is Word.ACCEPT)
    assert told.headline.startswith("node3, GPU 0: ")
    assert ("accepted." in told.headline and "not accepted" not in told.headline) is (word is Word.ACCEPT)


def test_every_word_has_an_exit_code() -> None:
    codes = {word: int(code) for word, code in certificate_document.EXITS.items()}
    assert codes == {Word.ACCEPT: 0, Word.REJECT: 1, Word.MARGINAL: 3, Word.INCONCLUSIVE: 3, Word.INVALID: 3}


def test_a_slow_device_is_named_with_what_to_replace() -> None:
    case = made.slow()
    page = plain(certificate.page(view(case)))
    assert "✖ node3, GPU 5: rejected." in page
    assert "eplace GPU 5" in page
    assert page.index("rejected.") < page.index("Requirements")
    assert terminal(case).splitlines()[0] == "✖ node3, GPU 5: rejected."


def test_one_device_of_many_that_were_claimed_is_no_certificate_of_all() -> None:
    """The device is well; the claim of two is not: the page must not begin with its word."""
    contract = data.contract(devices=2)
    evidence = data.evidence(contract, "node3", 0)
    told = view((fleetrule.judge_all(contract, (evidence,)), contract, made.ABOUT))
    assert told.code == "invalid"
    assert not told.one
    assert told.headline.startswith("Not accepted")


def shapes(svg: str, kind: str) -> list[str]:
    return [path.get("d", "") for path in ElementTree.fromstring(svg).iter("path") if path.get("class") == kind]


def test_every_run_is_drawn_and_those_set_aside_are_hollow() -> None:
    row = view(made.slow()).parts[0].requirements[0]
    assert (len(shapes(row.strip, "run")), len(shapes(row.strip, "aside"))) == (9, 1)
    titles = [one.text or "" for one in ElementTree.fromstring(row.strip).iter("title")]
    assert sum("set aside" in text for text in titles) == 1
    assert row.amounts.count("(") == 1
    assert "other processes used the processor or the GPU meanwhile" in " ".join(row.notes)


def test_a_run_lies_where_its_value_is() -> None:
    scale = certificate_strip.scale(data.MEMORY, [-0.062, 0.01])
    places = [scale.x(part) for part in (-0.06, -0.05, -0.02, 0.0, 0.01)]
    assert places == sorted(places)
    assert len(set(places)) == 5
    assert scale.x(-0.9) == scale.x(scale.low)
    assert scale.beyond(-0.9) == -1
    assert not scale.beyond(0.0)


def test_a_run_beyond_the_edge_is_an_arrow_and_one_without_value_a_cross() -> None:
    logs = [0.0, -0.7, None]
    drawn = certificate_strip.runs(data.MEMORY, logs, [False] * 3, None)
    assert len([shape for shape in shapes(drawn, "run") if shape.endswith("v8z")]) == 1
    assert len(shapes(drawn, "missing")) == 1
    assert "1 without a value" in ElementTree.fromstring(drawn).get("aria-label", "")


@pytest.mark.parametrize("value", [None, 0.0, -1.0, math.nan, math.inf])
def test_what_is_no_positive_number_has_no_deviation(value: float | None) -> None:
    assert certificate_words.deviation(data.MEMORY, value) is None


def test_less_time_than_agreed_lies_to_the_right() -> None:
    assert certificate_words.deviation(data.LATENCY, data.LATENCY.reference * 0.9) == pytest.approx(0.105, abs=0.001)
    limits = view(made.good()).parts[0].requirements[2].limits
    assert "less is better" in limits


def test_a_requirement_without_runs_is_not_judged_good() -> None:
    fleet, contract, about = made.good()
    part = replace(fleet.parts[0], decided=())
    told = view((replace(fleet, parts=(part,)), contract, replace(about, evidences=())))
    assert {row.tone for row in told.parts[0].requirements} == {"caution"}
    assert "There is no run of it." in certificate.page(told)


def test_a_check_that_nobody_made_is_unknown() -> None:
    fleet, contract, about = made.good()
    part = replace(fleet.parts[0], observations=())
    told = view((replace(fleet, parts=(part,)), contract, about))
    assert {row.word for row in told.parts[0].checks} == {"unknown"}
    assert "good" not in {row.tone for row in told.parts[0].checks}


def test_a_probe_without_value_or_outside_is_not_good() -> None:
    contract = data.contract()
    evidence = data.evidence(contract, "node3", 0, probes={"processors": 114, "bandwidth": None})
    rows = view(made.single(evidence, contract)).parts[0].probes
    assert [(row.word, row.tone) for row in rows] == [("outside", "bad"), ("unknown", "caution")]


@pytest.mark.parametrize(
    ("burned", "word"),
    [
        (data.warm(30.0), "passed"),
        (data.warm(30.0, wrong=1), "failed"),
        (data.warm(30.0, failures=1), "failed"),
        (data.warm(30.0, checks=0), "not valid"),
        (data.warm(30.0, worst=None), "not valid"),
        (data.warm(2.0), "not valid"),
    ],
)
def test_a_burn_in_is_told_as_it_was_judged(burned: Any, word: str) -> None:
    contract = data.contract(minutes=30.0)
    told = view(made.single(data.evidence(contract, "node3", 0, burned=burned), contract)).parts[0].burn
    assert told is not None
    assert told.word == word


def test_a_burn_in_that_was_agreed_and_not_made_is_told() -> None:
    fleet, contract, about = made.good()
    part = replace(fleet.parts[0], burned=None)
    burn = view((replace(fleet, parts=(part,)), contract, about)).parts[0].burn
    assert burn is not None
    assert burn.word == "no result"


def test_the_rates_are_those_that_held() -> None:
    fleet, contract, about = made.every()
    told = " ".join(view((fleet, contract, about)).rates).replace("\u00a0", " ")
    alpha = 100 * fleet.parts[0].alpha
    assert f"In one test a good device is rejected with a probability of at most {alpha:.2g} %" in told
    assert "any good one of all 8 is rejected with at most 1 %, a bad one accepted with at most 1 %" in told


def test_what_was_not_seen_is_told() -> None:
    contract = data.contract(identity=(), checks=(), requirements=(data.MEMORY,))
    fleet, contract, about = made.single(data.evidence(contract, "node3", 0), contract)
    told = " ".join(view((fleet, contract, replace(about, signer="", nonce=""))).unseen)
    for words in ("no identity probe", "no check was agreed", "no burn-in", "no nonce", "not signed", "as root"):
        assert words in told
    assert "not signed" not in " ".join(view((fleet, contract, about)).unseen)


def test_the_grid_shows_every_device_by_its_word_and_the_missing_too() -> None:
    case = made.fleet(20, 8)
    page = Page(certificate.page(view(case)))
    cells = [a for _, a in page.elements if a.get("class", "").startswith("cell ") and "aria-label" in a]
    kinds = {
        kind: sum(a["class"] == f"cell {kind}" for a in cells) for kind in ("accept", "reject", "invalid", "missing")
    }
    words = [part.word for part in case[0].parts]
    assert len(cells) == 160
    assert kinds["accept"] == words.count(Word.ACCEPT)
    assert kinds["reject"] == words.count(Word.REJECT) >= 2
    assert kinds["missing"] == 7
    anchors = {a["href"].removeprefix("#") for tag, a in page.elements if tag == "a" and a["href"].startswith("#")}
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert anchors <= set(ids)
    assert len(ids) == len(set(ids))


def test_the_fleet_s_page_says_how_many_and_what_to_do() -> None:
    told = view(made.fleet(20, 8))
    assert told.headline == "Rejected: 3 of 153 GPUs are not accepted."
    who = [task.who for task in told.tasks]
    assert {"node1, GPU 3", "node2, GPU 0", "node3, GPU 7", "Between nodes"} <= set(who)
    assert "node19, GPU 1 to 7" in who
    assert "receives at 61 %" in plain(certificate.page(told))


def test_all_papers_are_made_and_always_the_same() -> None:
    case = made.every()
    papers = certificate.papers(*case)
    assert {*papers} == {
        "certificate.html", "certificate.md", "junit.xml", *(f"certificates/node0-gpu{n}.html" for n in range(8))
    }  # fmt: skip
    assert papers == certificate.papers(*case)
    assert {*certificate.papers(*made.good())} == {"certificate.html", "certificate.md", "junit.xml"}


def test_a_device_s_own_certificate_says_what_the_fleet_s_says_of_it() -> None:
    fleet, contract, about = made.every()
    papers = certificate.papers(fleet, contract, about)
    for number, part in enumerate(fleet.parts):
        told = plain(papers[f"certificates/node0-gpu{number}.html"])
        assert certificate_words.WORDS[part.word].begins.lower() in told.split("Requirements")[0]


def test_earlier_tests_stay_on_the_certificate() -> None:
    told = " ".join(view(made.every()).parts[7].attempts)
    assert "Attempt 2 of at most 2" in told
    assert "Attempt 1: cannot tell." in told


def test_names_that_clash_get_files_of_their_own() -> None:
    names = ["a/b", "a_b", "..", "", "a b", "ä"]
    slugs = certificate_parts.slugged([Subject(name) for name in names])
    assert len(set(slugs)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", slug) for slug in slugs)


def test_large_fleets_have_a_page_of_bounded_size() -> None:
    page = certificate.page(view(made.fleet(64, 8)))
    assert len(page) < 700_000
    assert page.count("<h1") == 1


def poison(value: Any) -> Any:
    """``value`` with every text of its inside replaced by ``EVIL``."""
    if type(value) is str:
        return EVIL
    if is_dataclass(value) and not isinstance(value, type):
        kept = {"benchmark", "axes", "requirement", "probe", "check", "name"}
        return replace(value, **{f.name: poison(getattr(value, f.name)) for f in fields(value) if f.name not in kept})
    if isinstance(value, tuple | list):
        return type(value)(poison(item) for item in value)
    if isinstance(value, dict):
        return dict.fromkeys([EVIL], next(iter(value.values()), ""))
    return value


def test_no_text_of_a_bundle_becomes_markup() -> None:
    fleet, contract, about = (poison(one) for one in made.every())
    for text in certificate.papers(fleet, contract, about).values():
        if "<html" not in text:
            continue
        page = Page(text)
        assert page.policy().startswith("default-src 'none'")
        assert not {"img", "iframe", "object"} & {tag for tag, _ in page.elements}
        assert not [a for _, a in page.elements if {"style", "onload", "onerror", "onclick", "src"} & set(a)]
        assert [tag for tag, _ in page.elements].count("script") == 2
        assert not [word for word in page.words if "\u202e" in word and not word.startswith("{")]
        json.loads(page.texts["application/json"][0])
    assert "\u202e" not in terminal((fleet, contract, about))


def test_the_summary_takes_no_markup_either() -> None:
    fleet, contract, about = (poison(one) for one in made.every())
    text = certificate.papers(fleet, contract, about)["certificate.md"]
    assert "<img" not in text
    assert "\u202e" not in text


def test_the_document_is_json_whatever_the_numbers_are() -> None:
    fleet, contract, about = made.good()
    odd = Decided("memory-read", Word.INVALID, "odd", 4, 0, math.nan, -math.inf, math.inf, None)
    part = replace(fleet.parts[0], decided=(odd,))
    told = json.loads(
        json.dumps(certificate_document.document(replace(fleet, parts=(part,)), contract, about), allow_nan=False)
    )
    assert told["parts"][0]["decided"][0]["mean"] is None
    assert told["verdict"] == "accept"
    assert [len(one["runs"]) for one in told["evidence"][0]["measured"]] == [4, 4, 4]
    assert certificate.page(view((replace(fleet, parts=(part,)), contract, about)))


def test_failed_runs_are_told_by_their_status() -> None:
    contract = data.contract()
    ys = {"memory-read": [*data.around(0.0, 3), data.ended(Status.FAILED, "it crashed")]}
    row = view(made.single(data.evidence(contract, "node3", 0, ys=ys), contract)).parts[0].requirements[0]
    assert "failed" in row.amounts
    assert "it crashed" in row.notes
    assert len(shapes(row.strip, "missing")) == 1


def test_simulated_times_wear_a_band() -> None:
    fleet, contract, about = made.good()
    shown = (fleet, contract, replace(about, simulated=True))
    assert "Simulated data" in certificate.page(view(shown))
    assert "Simulated data" in terminal(shown)
    assert "Simulated data" in certificate.papers(*shown)["certificate.md"]
    assert "Simulated data" not in certificate.page(view((fleet, contract, about)))


def test_what_is_missing_is_counted_in_devices_and_named() -> None:
    contract = data.contract(devices=8, nodes=3, minutes=0.0)
    there = [data.evidence(contract, "node0", device) for device in range(8)]
    told = view((fleetrule.judge_all(contract, there, missing=("2 of 3 nodes",)), contract, made.ABOUT))
    assert [(count, word) for count, _, word in told.counts] == [(8, "accepted"), (16, "missing")]
    assert "Claimed, and not judged, so not called good: 2 of 3 nodes." in told.sentences


def test_what_explains_a_rejection_is_mended_before_anything_is_replaced() -> None:
    contract = data.contract(devices=2)
    slow = [data.run(data.MEMORY, y, "POWER_CAP") for y in data.around(-0.1)]
    found = [data.evidence(contract, "node0", 0, ys={"memory-read": slow})]
    found.append(data.evidence(contract, "node0", 1, ys={"memory-read": data.around(-0.1)}))
    tasks = view((fleetrule.judge_all(contract, found), contract, made.ABOUT)).tasks
    assert [task.what for task in tasks] == [
        "Mend what explains it, test again, and only then replace GPU 0.",
        "Replace GPU 1.",
    ]


def test_a_terminal_counts_what_could_not_be_made_where_it_is_much() -> None:
    contract = data.contract(minutes=0.0)
    checks = [one.check for one in data.evidence(contract).observations]
    few, many = (
        terminal(made.single(data.evidence(contract, states=dict.fromkeys(checks[:count], State.UNKNOWN)), contract))
        for count in (6, 7)
    )
    assert few.count(": unknown. ") == 6
    assert many.count(": unknown. ") == 0
    assert "? 7 probes and checks could not be made: see the certificate." in many


def test_a_burn_in_that_became_faster_is_not_slower() -> None:
    contract = data.contract(minutes=30.0)
    burned = replace(data.warm(30.0), worst=-0.004)
    assert "At the end it was no slower than at first." in terminal(
        made.single(data.evidence(contract, burned=burned), contract)
    )


def golden(name: str, text: str) -> None:
    if os.environ.get("BENCHSUITE_UPDATE_GOLDEN"):
        (GOLDEN / name).write_text(text, encoding="utf-8")
    assert text == (GOLDEN / name).read_text(encoding="utf-8")


def without_style(text: str) -> str:
    for pattern in (r"(<style>).*?</style>", r"(<script>).*?</script>"):
        text = re.sub(pattern, r"\1…", text, flags=re.DOTALL)
    return re.sub(r"sha256-[\w+/=]+", "sha256-…", text)


@pytest.mark.parametrize(
    ("name", "render"),
    [
        ("certificate.html", lambda case: without_style(certificate.page(view(case)))),
        ("certificate.md", lambda case: certificate.papers(*case)["certificate.md"]),
        ("certificate.txt", terminal),
    ],
)
def test_papers_stay_as_they_are(name: str, render: Callable[[Case], str]) -> None:
    """Golden: rewrite them with BENCHSUITE_UPDATE_GOLDEN=1 and read the difference."""
    golden(name, render(made.slow()))


def test_a_terminal_tells_of_devices_alike_once_and_names_each() -> None:
    fleet, contract, about = made.good()
    part = replace(fleet.parts[0], word=Word.INVALID, reasons=("Nobody can tell.",))
    parts = tuple(replace(part, subject=replace(part.subject, node="n", device=device)) for device in (0, 1, 5))
    other = replace(fleet.parts[0], word=Word.REJECT, subject=replace(part.subject, node="n", device=3), decided=())
    claimed = replace(contract, claim=replace(contract.claim, devices=8))
    said = terminal((replace(fleet, word=Word.REJECT, parts=(*parts, other)), claimed, about))
    assert said.count("\nn, GPU 0; n, GPU 1; n, GPU 5\n") == 1
    assert said.count("\nn, GPU 3\n") == 1
