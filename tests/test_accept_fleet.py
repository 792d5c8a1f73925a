"""An acceptance of several nodes: all at once through a launcher; who is missing is named, and measured when back."""

from __future__ import annotations

import json
from pathlib import Path

import fake_srun
import pytest

from benchsuite import discovery
from benchsuite.accept import contract as contracts
from benchsuite.accept import deriving, layout, node
from benchsuite.accept.acceptance import Work
from benchsuite.accept.deriving import Judged
from benchsuite.fleet import nodework
from benchsuite.launchers.mpi import find
from benchsuite.model import Word, World
from benchsuite.placing import Placing
from benchsuite.world import threads
from tests.accept_double import Silent, begun, host
from tests.accept_nodes import NODES, OnNodes
from tests.faults.injection import run_command

WITHOUT_SCAN = "[between]\nscan = false\n"
HOSTS = ("node0", "node1", "node2", "node3")


def four(out: Path) -> Path:
    """An acceptance of four hosts, without a scan between them."""
    contract = contracts.loads((host(nodes=4).source + WITHOUT_SCAN).encode())
    return begun(out, contract, placing=Placing("mpiexec", ",".join(HOSTS)))


def done(path: Path) -> Judged:
    """Do what is left of it on its nodes."""
    made = layout.read(path)
    return Work(path, made, deriving.contract_of(path, made), Silent(), OnNodes()).run()


def test_four_nodes_at_once_one_slow_and_one_down_and_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = four(tmp_path)
    speeds = {"node0": 1.0, "node1": 0.92, "node2": None, "node3": 1.0}
    monkeypatch.setenv(NODES, json.dumps(speeds))
    found = done(path)
    assert found.missing == ("node2",)
    words = {one.subject.node: one.word for one in found.verdict.parts}
    assert words == {"node0": Word.ACCEPT, "node1": Word.REJECT, "node3": Word.ACCEPT}
    assert found.verdict.word is Word.REJECT
    spans = [nodework.read(path / layout.NODES / name) for name in ("node0", "node3")]
    assert max(one.began for one in spans if one) < min(one.ended for one in spans if one), "not at the same time"
    kept = {one: one.read_bytes() for one in path.glob("nodes/node[013]/attempt-1/host/*/*/records.jsonl")}
    assert len(kept) == 3

    monkeypatch.setenv(NODES, json.dumps({**speeds, "node2": 1.0}))
    found = done(path)
    assert found.missing == ()
    assert {one.subject.node: one.word for one in found.verdict.parts} == {**words, "node2": Word.ACCEPT}
    assert all(one.read_bytes() == data for one, data in kept.items()), "what was measured was measured again"
    assert not found.problems


def test_the_contract_reaches_nodes_without_a_shared_file_system(tmp_path: Path) -> None:
    path = four(tmp_path / "disk0")

    def rank(world: World) -> None:
        node.give(world, path if world.rank == 0 else tmp_path / f"disk{world.rank}" / path.name)

    threads.run(3, rank)
    for number in (1, 2):
        there = tmp_path / f"disk{number}" / path.name
        made = layout.read(there)
        assert made == layout.read(path)
        assert deriving.contract_of(there, made).claim.nodes == 4


@pytest.mark.long
@pytest.mark.mpi
@pytest.mark.skipif(not find() or not fake_srun.names_are_possible(), reason="needs MPI, and root for host names")
def test_two_nodes_for_real_with_the_scan_between_them(tmp_path: Path) -> None:
    """All of it as a person starts it in an allocation; two nodes are too few for the scan to say anything."""
    contract = tmp_path / "two.toml"
    source = host(nodes=2).source.replace("10 GB/s", "1 MB/s").replace("100 ns", "1 ms")
    contract.write_text(f"{source}[run]\nseconds = 0.1\nwarmup = 0.05\n[between]\nrounds = 2\n")
    job = fake_srun.allocation(tmp_path / "bin", 2)
    ended = run_command(
        tmp_path, "accept", str(contract), "--json", environment={**job, discovery.EXTRA: ""}, timeout=240.0
    )
    assert ended.stdout, ended.stderr
    told = json.loads(ended.stdout)
    assert {part["subject"]["node"] for part in told["parts"]} == {"node1", "node2"}
    assert ended.exit_code == 3, told["reason"]
    path = Path(told["path"])
    assert list((path / layout.SCAN).glob("*/scan.json"))
    assert "scan" in " ".join([told["reason"], *told["notes"]])
    assert told["missing"] == []
