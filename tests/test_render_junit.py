"""JUnit: what a CI job shows is red unless all was accepted, and of the shape that a CI server checks."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import acceptance_data as data
import certificate_data as made
import pytest
from test_render_certificate import Case, poison

from benchsuite.model import Decision, Probed, State, Word
from benchsuite.render import junit

SUITES = {"name", "tests", "failures", "errors"}
SUITE = {"name", "tests", "failures", "errors", "skipped", "id", "package", "hostname", "timestamp"}
"""Attributes that Jenkins' junit-10.xsd knows, of those written here; the first four of a suite are required."""


def parsed(case: Case) -> ElementTree.Element:
    """The document, after it was checked against the schema: elements, attributes, and counts that add up."""
    root = ElementTree.fromstring(junit.text(*case))
    assert root.tag == "testsuites"
    assert set(root.attrib) == SUITES
    totals = dict.fromkeys(("tests", "failures", "errors"), 0)
    for suite in root:
        assert suite.tag == "testsuite"
        assert set(suite.attrib) <= SUITE
        assert set(suite.attrib) >= SUITES
        cases = list(suite.iter("testcase"))
        assert [one.tag for one in suite] == ["properties", *["testcase"] * len(cases)]
        assert all(set(one.attrib) == {"name", "value"} for one in suite.iter("property"))
        counts = {name: len(list(suite.iter(tag))) for name, tag in (("failures", "failure"), ("errors", "error"))}
        assert {name: int(suite.get(name, "")) for name in totals} == {"tests": len(cases), **counts}
        assert int(suite.get("skipped", "")) == len(list(suite.iter("skipped")))
        for name in totals:
            totals[name] += int(suite.get(name, ""))
        for one in cases:
            assert {"name", "classname"} <= set(one.attrib) <= {"name", "classname", "time"}
            assert [child.tag for child in one] in ([], ["failure"], ["error"], ["skipped"])
            assert all(set(child.attrib) == {"message", "type"} for child in one)
    assert {name: int(root.get(name, "")) for name in totals} == totals
    return root


def red(suite: ElementTree.Element) -> bool:
    return any(one.tag in {"failure", "error"} for case in suite for one in case)


def test_a_suite_is_red_unless_its_device_was_accepted() -> None:
    case = made.every()
    suites = parsed(case)
    assert [suite.get("name") for suite in suites][:2] == ["node0, GPU 0", "node0, GPU 1"]
    for suite, part in zip(suites, case[0].parts, strict=False):
        assert red(suite) is (part.word is not Word.ACCEPT), suite.get("name")
    assert red(suites[-1])


def test_a_good_device_is_green_throughout() -> None:
    root = parsed(made.good())
    assert not any(red(suite) for suite in root)
    assert int(root.get("tests", "")) > 15


@pytest.mark.parametrize("word", [word for word in Word if word is not Word.ACCEPT])
def test_any_other_word_is_red_even_where_no_check_shows_why(word: Word) -> None:
    fleet, contract, about = made.good()
    part = replace(fleet.parts[0], word=word, reason="for a reason of its own")
    first, last = parsed((replace(fleet, word=word, parts=(part,)), contract, about))
    assert red(first)
    assert red(last)


def test_what_was_agreed_is_never_skipped() -> None:
    """A skipped case is shown as good: nothing with a weight may be one unless there is no such thing."""
    contract = data.contract()
    states = {"xid": State.UNKNOWN, "ecc": State.FAILED, "persistence": State.FAILED, "power-limit": State.UNKNOWN}
    evidence = data.evidence(contract, "node3", 0, states=states, probes={"processors": None})
    suite = parsed(made.single(evidence, contract))[0]
    kinds = {case.get("name", ""): [one.tag for one in case] for case in suite.iter("testcase")}
    told = {name: kind[0] for name, kind in kinds.items() if kind}
    assert told["check: no error of the hardware in the kernel log (XID)"] == "error"
    assert told["check: no uncorrected memory error"] == "failure"
    assert told["check: the power limit is the board's own"] == "error"
    assert [name for name, kind in told.items() if kind == "skipped"] == [
        "check: the driver stays loaded (persistence mode)"
    ]
    assert [kind for name, kind in told.items() if name.startswith("identity")] == ["error"]


def test_a_requirement_or_check_that_is_not_there_is_an_error() -> None:
    fleet, contract, about = made.good()
    part = replace(fleet.parts[0], decided=(), observations=(), burned=None)
    suite = parsed((replace(fleet, parts=(part,)), contract, about))[0]
    lost = [case.get("name", "") for case in suite.iter("testcase") if case.find("error") is not None]
    assert sum(name.startswith("requirement") for name in lost) == len(contract.requirements)
    assert sum(name.startswith("check") for name in lost) >= len(contract.gates)
    assert "burn-in" in lost


def test_missing_devices_and_findings_stand_in_a_suite_of_their_own() -> None:
    last = parsed(made.fleet(4, 2))[-1]
    names = [case.get("name", "") for case in last.iter("testcase")]
    assert last.get("name") == "all together"
    assert "claimed: node3, GPU 1 to 1" in names
    assert any(name.startswith("between nodes: node3, GPU 5: receives") for name in names)


def test_no_text_breaks_the_document() -> None:
    fleet, contract, about = (poison(one) for one in made.every())
    text = junit.text(fleet, contract, about)
    assert "<img" not in text
    assert "\u202e" not in text
    parsed((fleet, contract, about))
    strange = replace(fleet, parts=tuple(replace(part, reason="a\x00b\x1b[31m\ufffe") for part in fleet.parts))
    parsed((strange, contract, about))


def test_what_decides_nothing_makes_nothing_red() -> None:
    """A probe that nobody agreed on, and a suspicion that did not come again."""
    fleet, contract, about = made.good()
    part = replace(fleet.parts[0], probes=(*fleet.parts[0].probes, (Probed("fp64", 1.0), None)))
    once = data.finding(Decision.NOT_REPRODUCED)
    root = parsed((replace(fleet, parts=(part,), findings=(once,)), contract, about))
    assert not any(red(suite) for suite in root)
    for decision in (Decision.ACCUSED, Decision.CANNOT_TELL):
        assert red(parsed((replace(fleet, findings=(data.finding(decision),)), contract, about))[-1])
