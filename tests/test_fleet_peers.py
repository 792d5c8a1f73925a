"""Nodes set against each other: who is slow, who cannot be told, and that nothing missing ever looks healthy."""

from __future__ import annotations

import re
from pathlib import Path

import fleet_data
import pytest
from fleet_data import TASKS, Faults
from hypothesis import given, settings
from hypothesis import strategies as st

from benchsuite.fleet import peers
from benchsuite.fleet.peers import Standing
from benchsuite.model import Status

SLOW = 0.342  # 71 % of its peers


def judged(count: int, runs: int, faults: Faults | None = None, **options: object) -> dict[str, peers.Verdict]:
    table = peers.table(fleet_data.records(count, runs, faults, **options), runs)
    return {one.node: one for one in peers.verdicts(table, {})}


def test_one_slow_node_is_named_and_no_other() -> None:
    found = judged(16, 5, Faults(slow={("node3", 0): SLOW}))
    assert {node for node, one in found.items() if one.standing is Standing.SLOW} == {"node3"}
    ((task, cell),) = found["node3"].cells
    assert (task.case, task.implementation) == TASKS[0]
    assert (cell.exceeded, cell.runs) == (5, 5)
    assert cell.slowdown == pytest.approx(SLOW, abs=0.03)
    assert cell.lower is not None
    assert 0.25 < cell.lower < SLOW + 0.02
    assert all(one.standing is Standing.LIKE for node, one in found.items() if node != "node3")


def test_a_node_slower_by_less_than_the_margin_is_not_called_slow() -> None:
    assert judged(16, 5, Faults(slow={("node3", 0): 0.04}), noise=0.002)["node3"].standing is Standing.LIKE
    assert judged(16, 5, Faults(slow={("node3", 0): 0.08}), noise=0.002)["node3"].standing is Standing.SLOW


def test_a_quarter_of_the_fleet_may_be_slow_at_the_same_task() -> None:
    slow = {(node, 1): SLOW for node in ("node1", "node9")}
    found = judged(32, 6, Faults(slow=slow))
    assert {node for node, one in found.items() if one.standing is Standing.SLOW} == {"node1", "node9"}


def test_healthy_fleets_are_rarely_accused() -> None:
    """60 fleets at the bound of 1 %, with noise as large as the margin: more than 4 would be odd (chance 0.0004)."""
    accused = sum(
        any(one.standing is Standing.SLOW for one in judged(16, 5, noise=0.05, seed=seed).values())
        for seed in range(60)
    )
    assert accused <= 4


@pytest.mark.parametrize(("count", "runs"), [(1, 5), (2, 20), (4, 3), (8, 1)])
def test_too_few_nodes_or_runs_cannot_tell_and_say_so(count: int, runs: int) -> None:
    table = peers.table(fleet_data.records(count, runs, Faults(slow={("node0", 0): SLOW})), runs)
    assert {one.standing for one in peers.verdicts(table, {})} == {Standing.UNDECIDED}
    assert not any(task.decidable for task in table.tasks)


def test_what_would_tell_is_the_fewest_runs_that_do() -> None:
    needed = peers.needed(4, 0.01 / len(TASKS))
    assert needed is not None
    fault = Faults(slow={("node0", 0): SLOW})
    assert judged(4, needed, fault)["node0"].standing is Standing.SLOW
    assert judged(4, needed - 1, fault)["node0"].standing is Standing.UNDECIDED
    assert peers.needed(2, 0.01) is None


@pytest.mark.parametrize(
    ("status", "standing"),
    [(Status.REJECTED, Standing.WRONG), (Status.FAILED, Standing.FAILED), (Status.SKIPPED, Standing.SKIPPED)],
)
def test_a_bad_result_is_the_node_s_verdict_and_never_a_number(status: Status, standing: Standing) -> None:
    found = judged(16, 5, Faults(bad={("node5", 2): status}))
    assert found["node5"].standing is standing
    (pair,) = found["node5"].cells
    assert pair[1].reason
    assert all(one.standing is Standing.LIKE for node, one in found.items() if node != "node5")


def test_a_node_without_records_is_missing_and_one_with_too_few_runs_failed() -> None:
    records = fleet_data.records(16, 5, Faults(gone=("node7",)))
    records["node2"] = tuple(one for one in records["node2"] if one.run < 4)
    found = {one.node: one for one in peers.verdicts(peers.table(records, 5), {})}
    assert found["node7"].standing is Standing.MISSING
    assert found["node2"].standing is Standing.FAILED
    assert "4 of 5 runs" in found["node2"].cells[0][1].reason


def test_a_run_that_broke_is_a_failure_whatever_its_records_say() -> None:
    table = peers.table(fleet_data.records(16, 5), 5)
    found = {one.node: one for one in peers.verdicts(table, {"node1": "the disk was full", "node99": "no run came"})}
    assert (found["node1"].standing, found["node1"].reason) == (Standing.FAILED, "the disk was full")
    assert (found["node99"].standing, found["node99"].reason) == (Standing.MISSING, "no run came")


@given(st.permutations(range(12)), st.integers(0, 3))
@settings(max_examples=8, deadline=None)
def test_names_do_not_matter(order: list[int], seed: int) -> None:
    records = fleet_data.records(12, 6, Faults(slow={("node4", 1): SLOW}), seed=seed)
    names = list(records)
    shuffled = {f"other{order[number]}": records[name] for number, name in enumerate(names)}
    first = {one.node: one.standing for one in peers.verdicts(peers.table(records, 6), {})}
    second = {one.node: one.standing for one in peers.verdicts(peers.table(shuffled, 6), {})}
    assert second == {f"other{order[number]}": first[name] for number, name in enumerate(names)}


@given(st.floats(0.0, 0.5), st.floats(0.0, 0.5))
@settings(max_examples=10, deadline=None)
def test_slower_never_looks_better(one: float, other: float) -> None:
    less, more = sorted((one, other))
    slow = {delta: judged(12, 6, Faults(slow={("node4", 1): delta}))["node4"].standing for delta in (less, more)}
    assert not (slow[less] is Standing.SLOW and slow[more] is not Standing.SLOW)


def test_nodes_are_sorted_as_a_person_would() -> None:
    assert sorted(["node10", "node9", "a", "node9b"], key=peers.natural) == ["a", "node9", "node9b", "node10"]


def test_the_guide_s_table_of_runs_is_what_the_rule_gives() -> None:
    text = (Path(__file__).parents[1] / "docs" / "fleet.md").read_text()
    rows = re.findall(r"^\| (\d+) \| (\d+) \|$", text, flags=re.MULTILINE)
    assert len(rows) == 5
    for nodes, runs in rows:
        assert peers.needed(int(nodes), peers.ALPHA / 40) == int(runs)
