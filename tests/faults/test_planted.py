"""Rows about a fleet with one culprit: a scan of four hosts, on real links, names it and nobody else.

``scripts/scan-planted --tries 20`` does each many times; here each is done once, elsewhere each time.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import replace

import pytest

from benchsuite.errors import Exit
from benchsuite.model import Culprit, Reference
from benchsuite.scan import scan
from tests.faults import hosts, planted

MISSING = hosts.missing()
FAST = replace(planted.PLAN, rounds=12, repeats=3, confirm_rounds=6)
"""Faults of factor five and ten need no long second look: scans judged by half of theirs say the same."""
COMPUTING = replace(FAST, rounds=10, repeats=1)
"""A quota shows in what a rank computes, so that transfers may be few."""
NUMBER = int(time.time()) % 24
"""Which host or pair it is this time."""

pytestmark = [pytest.mark.mpi, pytest.mark.skipif(bool(MISSING), reason=MISSING or "can be had")]


@pytest.fixture(scope="module")
def reference() -> Reference:
    """What such hosts do when nothing is wrong; not how fast they compute, which neighbours of this machine change."""
    return replace(planted.learned(plan=FAST), kernels={})


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("clean", marks=pytest.mark.fault(55)),
        pytest.param("quota", marks=pytest.mark.fault(56)),
        pytest.param("pause", marks=pytest.mark.fault(57)),
        pytest.param("link", marks=pytest.mark.fault(58)),
        pytest.param("sender", marks=[pytest.mark.fault(58), pytest.mark.long]),
        pytest.param("flip", marks=pytest.mark.fault(59)),
    ],
)
def test_the_planted_culprit_is_named_and_nobody_else(kind: str, reference: Reference) -> None:
    one = planted.attempt(kind, NUMBER, reference, COMPUTING if kind == "quota" else FAST)
    if not one.proved:
        pytest.skip(f"the fault could not be brought about: {kind}")
    assert one.right, one.said
    assert (scan.exit_code(one.diagnosis) is Exit.REJECTED) == (kind != "clean")
    shutil.rmtree(one.folder.parents[1], ignore_errors=True)


@pytest.mark.long
@pytest.mark.fault(4)
def test_a_rank_that_never_goes_on_costs_one_round_and_its_pair_is_told() -> None:
    plan = replace(FAST, rounds=6, deadline=4.0)
    one = planted.attempt("hang", NUMBER, None, plan)
    measured = scan.load(one.folder)[0]
    rank = NUMBER % planted.COUNT
    failed = [sent for sent in measured.transfers if sent.seconds is None]
    assert len(failed) == 2, one.said
    assert all(rank in {sent.sender, sent.receiver} and "nothing was heard" in sent.reason for sent in failed)
    assert len(measured.rounds) == 6, "the others went on in another attempt"
    (finding,) = planted.suspected(one.diagnosis)
    assert finding.culprit is Culprit.FAILED
    assert rank in finding.ranks
    assert len(finding.ranks) == 2
    assert scan.exit_code(one.diagnosis) is Exit.INCONCLUSIVE
    shutil.rmtree(one.folder.parents[1], ignore_errors=True)
