"""A whole fleet in an allocation of a real Slurm: every node at once, then in pairs, then all together; and resumed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cluster.campaigns import BENCHSUITE, words
from tests.cluster.needs import lacking
from tests.cluster.slurm import NODES, Slurm
from tests.mpirun import MISSING

SMALL = ("quick", "--backend", "fake", "--only", "gemm m=256", "--runs", "1")
SCAN = ("--rounds", "3", "--bytes", "64 KiB", "--per-node", "1")
TOGETHER = """
title = "one collective"
[policy]
runs = 1
seconds = 0.05
warmup = 0.01
deadline = 60.0
[[bench]]
select = ["allreduce"]
implementations = ["mpi"]
dtype = ["fp32"]
bytes = ["64 B"]
"""
pytestmark = pytest.mark.mpi


def test_a_fleet_of_four_nodes_is_measured_in_one_go(slurm: Slurm, tmp_path: Path) -> None:
    if MISSING:
        lacking(MISSING)
    suite = tmp_path / "small.toml"
    suite.write_text(TOGETHER)
    salloc = ("salloc", "--quiet", "--nodes=4", "--ntasks-per-node=1")
    fleet = (*BENCHSUITE, "fleet", *SMALL, "--together", str(suite), *SCAN, "--out", str(tmp_path), "--json")
    done = slurm(*salloc, *fleet, timeout=240.0)
    assert done.returncode == 3, words(done)  # one run, and four nodes without a reference: nobody can be accused
    told = json.loads(done.stdout)
    assert all(phase["complete"] for phase in told["phases"]), told["phases"]
    assert {node["node"] for node in told["nodes"]} == set(NODES)
    assert {node["standing"] for node in told["nodes"]} == {"cannot tell"}
    assert told["scan"]["nodes"] == 4
    assert {(one["ranks"], one["status"]) for one in told["together"]} == {(4, "ok")}
    run = tmp_path / told["fleet"]
    assert {path.name for path in (run / "nodes").iterdir()} == set(NODES)
    assert (run / "report.html").is_file()

    again = slurm(*salloc, *BENCHSUITE, "fleet", "--resume", str(run), "--json", timeout=120.0)
    assert again.returncode == 3, words(again)
    assert [f"{phase}: complete already." in again.stderr for phase in ("nodes", "scan", "together")] == [True] * 3
