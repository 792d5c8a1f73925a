"""A fleet on page and terminal: who stands out comes first, and what is missing is never called healthy."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import fleet_data
import pytest
from fleet_data import Faults
from rich.console import Console
from test_render_html import EVIL, Page

from benchsuite.errors import Exit
from benchsuite.fleet import outcomes, peers
from benchsuite.fleet.fleet import Phase, Spell
from benchsuite.fleet.nodework import Node
from benchsuite.fleet.outcomes import Fleet
from benchsuite.model import Status
from benchsuite.render import fleet, fleet_page, fleet_view, fleet_words, scan_view, task_map
from benchsuite.render.fleet_view import FleetView

SLOW = Faults(slow={("node3", 0): 0.342})


def view(found: Fleet) -> FleetView:
    scanned = found.scanned
    about = scan_view.About("scan", version="0.6.0")
    return fleet_view.build(found, scan_view.build(scanned.scan, scanned.diagnosis, about) if scanned else None)


def terminal(found: Fleet) -> str:
    stream = io.StringIO()
    fleet.show(view(found), Console(file=stream, width=220, highlight=False))
    return stream.getvalue().replace("\u00a0", " ")


def test_the_slow_node_is_the_first_sentence() -> None:
    found = fleet_data.fleet(16, 5, SLOW)
    first = terminal(found).splitlines()[0]
    assert first.startswith("✖ node3: Memory bandwidth, triad 256 MiB [numpy] at 71 % of its peers (at most ")
    assert first.endswith("in 5 of 5 runs.")
    assert outcomes.exit_code(found) is Exit.REJECTED


def test_an_accused_of_the_scan_is_the_first_sentence_where_nodes_alone_are_well() -> None:
    found = fleet_data.fleet(16, 5, guilty=True)
    assert terminal(found).startswith("✖ node0003: receives at 61 % of its peers, confirmed twice.")
    assert outcomes.exit_code(found) is Exit.REJECTED


def test_only_a_whole_and_clean_fleet_is_good() -> None:
    good = fleet_data.fleet(16, 5)
    assert (view(good).tone, outcomes.exit_code(good)) == ("good", Exit.DONE)
    cases = {
        "missing": fleet_data.fleet(16, 5, Faults(gone=("node7",))),
        "broke": fleet_data.fleet(16, 5, Faults(broke=("node9",))),
        "failed": fleet_data.fleet(16, 5, Faults(bad={("node5", 2): Status.FAILED})),
        "unfinished": fleet_data.fleet(16, 5, whole=False),
        "unread": replace(good, problems=("node1: a line was changed",)),
        "crashed": replace(good, spells=(*good.spells[:2], Spell(Phase.TOGETHER, 1.0, 2.0, 4, "it crashed"))),
    }
    for name, found in cases.items():
        assert view(found).tone in {"bad", "caution"}, name
        assert outcomes.exit_code(found) is Exit.FAILED, name
    skipped = fleet_data.fleet(16, 5, Faults(bad={("node5", 2): Status.SKIPPED}))
    assert (view(skipped).tone, outcomes.exit_code(skipped)) == ("unknown", Exit.INCONCLUSIVE)
    few = fleet_data.fleet(4, 2)
    assert (view(few).tone, outcomes.exit_code(few)) == ("unknown", Exit.INCONCLUSIVE)
    assert "6 runs would" in terminal(few)


def test_a_missing_node_is_named_and_hatched() -> None:
    found = fleet_data.fleet(16, 5, Faults(gone=("node7",)))
    assert "node7 is missing: no run came back from it." in terminal(found)
    root = ElementTree.fromstring(view(found).map)
    titles = [one.text or "" for one in root.iter("title")]
    missing = [text for text in titles if text.startswith("node7,")]
    assert len(missing) == len(fleet_data.TASKS)
    assert all("missing" in text for text in missing)
    hatched = [box for box in root.iter("rect") if box.get("class") == "none"]
    assert len(hatched) == len(fleet_data.TASKS)


def test_a_task_of_which_runs_are_missing_has_no_shade() -> None:
    records = fleet_data.records(16, 5)
    records["node2"] = tuple(one for one in records["node2"] if one.run < 4)
    table = peers.table(records, 5)
    root = ElementTree.fromstring(task_map.task_map(table, list(records), {}))
    assert len([box for box in root.iter("rect") if box.get("class") == "none"]) == len(fleet_data.TASKS)


def test_the_cell_of_a_slow_node_is_outlined_and_of_a_wrong_one_crossed() -> None:
    faults = Faults(slow={("node3", 0): 0.342}, bad={("node5", 2): Status.REJECTED})
    root = ElementTree.fromstring(view(fleet_data.fleet(16, 5, faults)).map)
    assert len([path for path in root.iter("path") if path.get("class") == "accused"]) == 1
    assert len([path for path in root.iter("path") if path.get("class") == "cross"]) == 1


@pytest.mark.parametrize("count", [1, 2, 64, 512])
def test_fleets_of_any_size_have_a_page(count: int) -> None:
    found = fleet_data.fleet(count, 2, whole=False)
    text = fleet_page.page(view(found))
    assert len(text) < 1_500_000
    assert text.count("<h1") == 1


def test_the_page_is_closed_and_takes_no_markup_from_names() -> None:
    found = fleet_data.fleet(16, 5, Faults(slow={("node3", 0): 0.342}, gone=("node7",)), guilty=True)
    evil = replace(
        found,
        made=replace(found.made, id=EVIL, command=EVIL, version=EVIL),
        nodes={EVIL: Node(EVIL, 4, 1.0, 2.0, EVIL), **found.nodes},
        verdicts=tuple(replace(one, node=f"{EVIL}{one.node}", reason=EVIL) for one in found.verdicts),
        spells=tuple(replace(one, reason=EVIL) for one in found.spells),
        problems=(EVIL,),
    )
    page = Page(fleet_page.page(view(evil)))
    assert page.policy().startswith("default-src 'none'")
    assert not [tag for tag, _ in page.elements if tag == "img"]
    assert not [a for _, a in page.elements if {"style", "onload", "onerror", "onclick"} & set(a)]
    assert not [word for word in page.words if "\u202e" in word and not word.startswith("{")]
    assert "\u202e" not in terminal(evil)


def test_the_json_says_what_the_page_says() -> None:
    found = fleet_data.fleet(16, 5, SLOW, guilty=True)
    told = json.loads(json.dumps(view(found).data, allow_nan=False))
    assert (told["verdict"], told["exit"]) == ("rejected", 1)
    assert told["nodes"][0]["node"] == "node3"
    assert told["nodes"][0]["standing"] == "slow"
    assert told["tasks"][0]["nodes"]["node3"]["rate"] == pytest.approx(0.71, abs=0.02)
    assert told["scan"]["verdict"] == "accused"
    assert [one["phase"] for one in told["phases"]] == ["nodes", "scan", "together"]
    assert told["forecast"]["one by one"] == 16 * told["forecast"]["one"]


def test_simulated_times_wear_a_band() -> None:
    assert "Simulated data" in fleet_page.page(view(fleet_data.simulated(fleet_data.fleet(4, 2))))
    assert "Simulated data" not in fleet_page.page(view(fleet_data.fleet(4, 2)))


def test_curves_hold_both_bandwidths(tmp_path: Path) -> None:
    (curve,) = view(fleet_data.fleet(16, 5)).curves
    root = ElementTree.fromstring(curve.svg)
    kinds = [path.get("class") for path in root.iter("path")]
    assert kinds.count("busbw") == kinds.count("algbw") == 1
    assert kinds.count("point") == 11


def test_long_times_are_told_in_hours_and_reasons_follow_a_colon() -> None:
    assert fleet_words.duration(125.0).replace("\u00a0", " ") == "2 min 5 s"
    assert fleet_words.duration(161_536.0).replace("\u00a0", " ") == "44 h 52 min"
    found = fleet_data.fleet(16, 5, Faults(bad={("node5", 2): Status.REJECTED}))
    assert "[chase]: wrong result: the result differs from the reference." in terminal(found)
