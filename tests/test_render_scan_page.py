"""A scan on page and terminal: the sentence first, what was not measured visible, texts escaped, nothing remote."""

from __future__ import annotations

import io
import itertools
import json
import math
import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest
import scan_data
from rich.console import Console
from test_render_html import EVIL, Page

from benchsuite.model import Culprit, Decision, Diagnosis, Finding, Scan, Transfer, Unit
from benchsuite.render import drawing, heatmap, relative, scan, scan_page, scan_view, shades, unit_strips
from benchsuite.render.scan_view import About

ABOUT = About("20261130-120000-scan-ab12", "2026-11-30T12:00:00+00:00", "0.6.0", "benchsuite scan --seed 7", "ab" * 32)


def view(found: tuple[Scan, Diagnosis] | None = None) -> scan_view.ScanView:
    return scan_view.build(*(found or scan_data.full()), ABOUT)


def terminal(shown: scan_view.ScanView) -> str:
    stream = io.StringIO()
    scan.show(shown, Console(file=stream, width=200, highlight=False))
    return stream.getvalue()


def drawn(made: Scan, diagnosis: Diagnosis) -> ElementTree.Element:
    return ElementTree.fromstring(heatmap.heatmap(relative.square(made, diagnosis), diagnosis))


@pytest.fixture(scope="module")
def text() -> str:
    return scan_page.page(view())


def test_the_sentence_comes_first_on_terminal_and_page(text: str) -> None:
    told = "node0003: receives at 61 % of its peers, confirmed twice."
    assert terminal(view()).replace("\u00a0", " ").splitlines()[0] == f"✖ {told}"
    assert re.search(r"<h1[^>]*>.*node0003: receives at 61", text)


def test_evidence_limit_remedy_and_blind_spots_are_told(text: str) -> None:
    for shown in (terminal(view()), text):
        words = shown.replace("\u00a0", " ")
        assert "24 of 24 rounds, confirmed in 12 of 12" in words
        assert "61 % of its peers (at most 64 %)" in words
        assert "Look at the cable and the adapter of this node." in words
        assert "A slowdown that all nodes share cannot be seen without a reference." in words
        assert "would have been found with 95 %" in words


def test_no_robust_z_is_ever_shown(text: str) -> None:
    assert not re.search(r"\bz[ -]?(score|>|=|rule)|standard deviations|MAD\b", terminal(view()) + text, re.IGNORECASE)


def test_the_page_is_closed(text: str) -> None:
    page = Page(text)
    assert page.policy().startswith("default-src 'none'")
    assert not any("style" in attributes or "onclick" in attributes for _, attributes in page.elements)
    remote = [a for _, a in page.elements for name in ("src", "href") if a.get(name, "#")[0] not in "#d"]
    assert remote == []
    assert "fetch(" not in text


def test_texts_of_a_scan_never_become_markup() -> None:
    made, diagnosis = scan_data.full()
    units = tuple(replace(unit, node=f"{EVIL}{unit.rank}", leaf=EVIL, device=EVIL) for unit in made.units)
    transfers = tuple(replace(one, reason=EVIL) for one in made.transfers)
    locals_ = tuple(replace(one, kernel=EVIL) for one in made.locals)
    groups = tuple(replace(one, left_out=EVIL, reason=EVIL) for one in made.groups)
    evil = replace(made, units=units, transfers=transfers, locals=locals_, groups=groups, transport=EVIL)
    findings = tuple(replace(one, sentence=EVIL, remedy=EVIL) for one in diagnosis.findings)
    shown = scan_view.build(evil, replace(diagnosis, findings=findings, blind=(EVIL,)), replace(ABOUT, id=EVIL))
    page = Page(scan_page.page(shown))
    assert not [tag for tag, _ in page.elements if tag == "img"]
    assert not [a for _, a in page.elements if "onload" in a or "onerror" in a]
    assert not [word for word in page.words if "\u202e" in word and not word.startswith("{")]
    assert "\u202e" not in shown.copy
    assert "\u202e" not in terminal(shown)


def test_the_json_is_whole_and_finite() -> None:
    told = json.loads(json.dumps(view().data, allow_nan=False))
    assert told["verdict"] == "accused"
    first = told["findings"][0]
    assert (first["culprit"], first["decision"], first["units"]) == ("receives", "accused", ["node0003"])
    assert first["rate"] == pytest.approx(0.61)
    assert (told["without_time"], told["wrong"]) == (2, 15)


def test_rows_send_and_columns_receive() -> None:
    made, diagnosis = scan_data.full()
    square = relative.square(made, diagnosis)
    into = [square.cells[at].slowdown for at in square.cells if at[1] == 3]
    out = [square.cells[at].slowdown for at in square.cells if at[0] == 3]
    assert all(y is not None and y > 0.4 for y in into)
    assert all(y is not None and abs(y) < 0.1 for y in out)


def test_what_was_not_measured_is_never_a_cell_and_what_failed_is_one() -> None:
    made, diagnosis = scan_data.full()
    made = replace(made, transfers=tuple(one for one in made.transfers if {one.sender, one.receiver} != {7, 8}))
    square = relative.square(made, diagnosis)
    assert (7, 8) not in square.cells
    assert square.cells[1, 2].slowdown is None
    assert square.cells[1, 2].failed == 1
    root = drawn(made, diagnosis)
    assert root.find(".//pattern") is not None
    boxes = {(box.get("x"), box.get("y")) for box in root.iter("rect") if (box.get("class") or "").startswith("s")}
    side = min(heatmap.WIDTH // 16, heatmap.MOST)
    assert (str(8 * side), str(7 * side)) not in boxes
    assert (str(2 * side), str(1 * side)) in boxes
    crossed = "".join(path.get("d") or "" for path in root.iter("path") if path.get("class") == "cross")
    assert f"M{2 * side + 1} {side + 1}" in crossed


@pytest.mark.parametrize(
    ("culprit", "starts"),
    [
        (Culprit.SENDS, ["M0 132"]),
        (Culprit.RECEIVES, ["M132 0"]),
        (Culprit.NODE, ["M0 132", "M132 0"]),
        (Culprit.COMPUTES, []),
    ],
)
def test_the_accused_is_outlined_as_row_or_column(culprit: Culprit, starts: list[str]) -> None:
    finding = replace(scan_data.slow_receiver(), culprit=culprit)
    root = drawn(scan_data.scan(16, 15), scan_data.diagnosis(finding))
    outlines = [path.get("d") or "" for path in root.iter("path") if path.get("class") == "accused"]
    assert [part for d in outlines for part in re.findall(r"M\d+ \d+", d)] == starts


def test_a_path_is_outlined_in_both_directions_and_dashed_while_undecided() -> None:
    root = drawn(scan_data.scan(16, 15), scan_data.diagnosis(scan_data.path(5, 6)))
    (d,) = [path.get("d") or "" for path in root.iter("path") if path.get("class") == "doubted"]
    assert re.findall(r"M\d+ \d+", d) == ["M264 220", "M220 264"]


def test_what_was_not_reproduced_is_not_outlined() -> None:
    gone = replace(scan_data.slow_receiver(), decision=Decision.NOT_REPRODUCED)
    root = drawn(scan_data.scan(16, 15), scan_data.diagnosis(gone))
    assert not [path for path in root.iter("path") if path.get("class") in {"accused", "doubted"}]


@pytest.mark.parametrize(
    ("nodes", "per_node", "leaf", "rows", "kind"),
    [(2, 1, 0, 2, "node"), (64, 8, 16, 64, "node"), (512, 1, 16, 512, "node"), (1024, 1, 16, 64, "leaf"),
     (1024, 1, 0, 64, "block of nodes")],
)  # fmt: skip
def test_maps_of_any_size_have_rows_that_can_be_told_apart(
    nodes: int, per_node: int, leaf: int, rows: int, kind: str
) -> None:
    made = scan_data.scan(nodes, 4, per_node=per_node, leaf=leaf, kernels=())
    square = relative.square(made)
    assert (len(square.places), square.kind) == (rows, kind)
    text = heatmap.heatmap(square, scan_data.diagnosis())
    root = ElementTree.fromstring(text)
    assert 0 < float(root.get("width") or 0) < 1400
    assert len(text) < 500_000
    labels = [label for label in root.iter("text") if label.get("text-anchor") == "end"]
    tops = sorted(float(label.get("y") or 0) for label in labels)
    assert all(b - a >= heatmap.LINE for a, b in itertools.pairwise(tops))


def test_an_accused_row_is_labelled_even_where_there_is_no_room_for_all() -> None:
    finding = replace(scan_data.slow_receiver(101, "node0101"))
    root = drawn(scan_data.scan(512, 4, kernels=()), scan_data.diagnosis(finding))
    guilty = {label.text for label in root.iter("text") if label.get("class") == "guilty"}
    assert guilty == {"node0101"}


def test_ranks_of_one_node_are_rows_of_their_own() -> None:
    made = scan_data.scan(8, 7)
    units = tuple(Unit(unit.rank, "host", unit.rank, f"GPU {unit.rank}") for unit in made.units)
    square = relative.square(replace(made, units=units))
    assert [place.name for place in square.places] == [f"GPU {number}" for number in range(8)]


def test_shades_darken_with_slowness() -> None:
    found = [shades.shade(-math.log(rate)) for rate in (0.3, 0.5, 0.8, 0.9, 0.95, 1.0, 1.1)]
    assert found == [0, 1, 2, 3, 4, 5, 6]
    assert found[5] == shades.MIDDLE
    assert len(shades.legend()) == 7


def verdict(made: Scan, diagnosis: Diagnosis) -> tuple[str, str]:
    shown = scan_view.build(made, diagnosis, ABOUT)
    return shown.code, shown.tone


def test_only_a_clean_conclusive_scan_is_good() -> None:
    clean = scan_data.scan(16, 15)
    assert verdict(clean, scan_data.diagnosis()) == ("nothing found", "good")
    assert verdict(clean, scan_data.diagnosis(conclusive=False))[1] == "unknown"
    assert verdict(clean, scan_data.diagnosis(scan_data.path(1, 2)))[1] == "caution"
    gone = replace(scan_data.slow_receiver(), decision=Decision.NOT_REPRODUCED)
    assert verdict(clean, scan_data.diagnosis(gone))[1] == "caution"
    failed = replace(clean, transfers=(*clean.transfers[1:], replace(clean.transfers[0], seconds=None)))
    assert verdict(failed, scan_data.diagnosis())[1] == "caution"
    wrong = replace(clean, transfers=(*clean.transfers[1:], replace(clean.transfers[0], wrong=1)))
    assert verdict(wrong, scan_data.diagnosis())[1] == "caution"


def test_strips_begin_with_who_is_named_and_never_call_a_failure_fast() -> None:
    made, diagnosis = scan_data.full()
    strips = unit_strips.of_rounds(made, diagnosis)
    assert [strip.name for strip in strips[:3]] == ["node0003", "node0005", "node0006"]
    assert (strips[0].slower, strips[0].measured) == (15, 15)
    lost = next(strip for strip in strips if strip.name == "node0001")
    assert "1 of them without a time" in lost.words


def test_a_group_that_is_faster_without_a_node_is_marked() -> None:
    found = {group.name: group for group in unit_strips.of_groups(*scan_data.full())}
    assert [name for name, group in found.items() if group.faster] == ["without node0003"]
    assert found["without node0007"].failures


def test_kernels_name_the_slow_and_the_unmeasured() -> None:
    made, diagnosis = scan_data.full()
    lost = tuple(one for one in made.locals if one.rank != 2)
    (gemm, _) = unit_strips.of_kernels(replace(made, locals=lost), diagnosis)
    assert [words.partition(" at")[0] for words in gemm.outliers] == ["node0009"]
    assert gemm.unmeasured == ("node0002",)


@pytest.mark.parametrize("nodes", [2, 3])
def test_tiny_scans_and_empty_ones_have_a_page(nodes: int) -> None:
    made = scan_data.scan(nodes, 1)
    assert "<h1" in scan_page.page(scan_view.build(made, scan_data.diagnosis(conclusive=False), ABOUT))
    empty = Scan(scan_data.units(nodes), 1, 8)
    shown = scan_view.build(empty, scan_data.diagnosis(smallest=None, conclusive=False), ABOUT)
    assert "not known" in terminal(shown)
    assert shown.map == ""
    nothing = replace(
        made, transfers=tuple(Transfer(t.stage, t.round, t.sender, t.receiver, None) for t in made.transfers)
    )
    assert scan_view.build(nothing, scan_data.diagnosis(), ABOUT).tone == "caution"


def test_findings_about_ranks_that_are_not_there_do_no_harm() -> None:
    strange = Finding(Culprit.NODE, Decision.ACCUSED, (99,), "rank 99 is slow")
    assert "rank 99 is slow." in terminal(scan_view.build(scan_data.scan(4, 3), scan_data.diagnosis(strange), ABOUT))


def test_drawings_take_known_elements_and_attributes_only() -> None:
    with pytest.raises(ValueError, match="no element"):
        drawing.element("script")
    with pytest.raises(ValueError, match="no attribute"):
        drawing.element("rect", style="fill:red")
