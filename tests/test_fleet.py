"""All nodes in one go: three phases, each gone on with; a node that is missing is named, and run again."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import fake_srun
import fleet_data
import pytest

from benchsuite.errors import MeasureError, UsageError
from benchsuite.fleet import fleet, forecast, gathering, nodework, subcommand
from benchsuite.fleet.fleet import Phase
from benchsuite.fleet.nodework import Node
from benchsuite.interrupt import Stop
from benchsuite.launchers.mpi import find
from benchsuite.model import Layout, World
from benchsuite.placing import Placing
from benchsuite.protocol import encode
from benchsuite.world import threads

SMALL = ("quick", "--backend", "fake", "--only", "gemm m=256", "--runs", "1")
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
bytes = ["64 B", "1 KiB"]
"""


def benchsuite(*words: str, cwd: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchsuite", "fleet", *words, "--json"]
    return subprocess.run(
        command, cwd=cwd, env=dict(environment), capture_output=True, text=True, timeout=240, check=False
    )


def test_nodes_run_at_once_and_a_missing_one_is_named_and_run_again(tmp_path: Path) -> None:
    job = fake_srun.allocation(tmp_path / "bin", 3)
    done = benchsuite(*SMALL, "--phase", "nodes", cwd=tmp_path, environment={**job, "NODE_FAILS": "node2"})
    assert done.returncode == 4, done.stderr
    told = json.loads(done.stdout)
    assert {one["node"]: one["standing"] for one in told["nodes"]}["node2"] == "missing"
    assert told["sentence"].startswith("node2 is missing")
    assert not told["phases"][0]["complete"]
    path = tmp_path / "runs" / told["fleet"]
    kept = (path / "nodes" / "node1" / "node.json").read_bytes()

    again = benchsuite("--resume", str(path), cwd=tmp_path, environment=job)
    assert again.returncode == 3, again.stderr  # one run cannot tell three nodes apart
    told = json.loads(again.stdout)
    assert {one["standing"] for one in told["nodes"]} == {"cannot tell"}
    assert told["phases"][0]["complete"]
    assert (path / "nodes" / "node1" / "node.json").read_bytes() == kept
    assert (path / "report.html").is_file()
    nothing = benchsuite("--resume", str(path), cwd=tmp_path, environment=job)
    assert "nodes: complete already." in nothing.stderr
    spans = [nodework.read(path / "nodes" / name) for name in ("node1", "node3")]
    assert all(spans)
    assert max(one.began for one in spans if one) < min(one.ended for one in spans if one), "not at the same time"


@pytest.mark.long
@pytest.mark.skipif(not find() or not fake_srun.names_are_possible(), reason="needs MPI, and root for host names")
def test_the_three_phases_of_an_allocation(tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(TOGETHER)
    job = fake_srun.allocation(tmp_path / "bin", 2)
    scan = ("--rounds", "2", "--bytes", "8 KiB", "--per-node", "1")
    done = benchsuite(*SMALL, "--together", "small.toml", *scan, cwd=tmp_path, environment=job)
    assert done.returncode == 3, done.stderr  # two nodes cannot be told apart
    told = json.loads(done.stdout)
    assert all(one["complete"] for one in told["phases"]), told["phases"]
    assert [one["phase"] for one in told["phases"]] == ["nodes", "scan", "together"]
    assert {one["node"] for one in told["nodes"]} == {"node1", "node2"}
    assert told["scan"]["nodes"] == 2
    assert {one["status"] for one in told["together"]} == {"ok"}
    assert {one["ranks"] for one in told["together"]} == {2}
    text = (tmp_path / "runs" / told["fleet"] / "report.html").read_text()
    assert "Simulated data" in text
    assert "In pairs:" in text


def made(tmp_path: Path, hosts: tuple[str, ...] = ("node1.example", "node2.example")) -> tuple[Path, fleet.Made]:
    asked = replace(fleet_data.made(2, 1), layout=Layout(hosts, 1))
    return fleet.create(tmp_path, asked), asked


def finished(path: Path, name: str, code: int = 0) -> None:
    folder = path / "nodes" / name
    folder.mkdir()
    (folder / nodework.NODE).write_bytes(encode(Node(name, code, 1.0, 2.0, "run")))


def test_a_short_name_and_a_full_one_are_one_node(tmp_path: Path) -> None:
    path, asked = made(tmp_path)
    finished(path, "node1")
    assert fleet.absent(path, asked) == ["node2.example"]
    finished(path, "node2")
    assert fleet.absent(path, asked) == []
    assert fleet.broken(path, asked) == {}


def test_hosts_by_address_are_counted_where_no_name_fits(tmp_path: Path) -> None:
    path, asked = made(tmp_path, ("10.0.0.1", "10.0.0.2"))
    finished(path, "node1")
    assert fleet.absent(path, asked) == ["1 of 2 nodes"]


def test_a_node_whose_run_failed_is_broken_with_its_last_words(tmp_path: Path) -> None:
    path, asked = made(tmp_path)
    finished(path, "node1")
    finished(path, "node2", code=4)
    (path / "nodes" / "node2" / nodework.LOG).write_text("starting\nbenchsuite: The disk is full. Free some space.\n")
    assert fleet.broken(path, asked) == {"node2": "The disk is full. Free some space"}


def test_hosts_that_are_left_replace_those_that_were_asked_for() -> None:
    placed = fleet._placed_on(
        ["a", "c"], ("--launcher", "slurm", "--hosts", "a,b,c", "--nodes", "3", "--per-node", "2")
    )
    assert placed == ("--launcher", "slurm", "--per-node", "2", "--hosts", "a,c")


def test_a_node_s_own_run_is_nobody_s_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"PMI_RANK": "3", "SLURM_JOB_ID": "7", "OMPI_COMM_WORLD_SIZE": "4", "MPI_LOCALNRANKS": "1", "KEPT": "yes"}
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SLURMD_NODENAME", "other")
    nodework._be_nobodys_rank("node3")
    assert not set(told) & set(os.environ) - {"KEPT"}
    assert os.environ["KEPT"] == "yes"
    assert os.environ["SLURMD_NODENAME"] == "node3"


@pytest.mark.parametrize("name", ["node-1.example", "../../etc", ".hidden", "a b/c", ""])
def test_a_node_s_folder_lies_where_it_should(name: str, tmp_path: Path) -> None:
    folder = (tmp_path / nodework.folder_name(name)).resolve()
    assert folder.parent == tmp_path.resolve()


def test_a_command_that_hangs_is_ended(tmp_path: Path) -> None:
    began = time.monotonic()
    command = [sys.executable, "-c", "import time; print('begun', flush=True); time.sleep(60)"]
    assert subcommand.execute(command, {}, tmp_path / "slow", Stop(), limit=1.0) != 0
    assert time.monotonic() - began < 30
    assert (tmp_path / "slow.log").read_text() == "begun\n"


def test_a_stop_ends_the_command(tmp_path: Path) -> None:
    stop = Stop(terminated=True)
    assert subcommand.execute([sys.executable, "-c", "import time; time.sleep(60)"], {}, tmp_path / "x", stop) != 0


def test_a_command_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(MeasureError, match="could not be started"):
        subcommand.execute([str(tmp_path / "nothing")], {}, tmp_path / "x", Stop())


def test_an_archive_brings_the_records_and_nothing_else(tmp_path: Path) -> None:
    own = tmp_path / "node1"
    (own / "run" / "attempts" / "0001").mkdir(parents=True)
    (own / "run" / "records.jsonl").write_text("one\n")
    (own / "run" / "attempts" / "0001" / "stdout.log").write_text("words\n")
    (own / nodework.NODE).write_text("{}")
    gathering.unpack(gathering.pack(own), tmp_path / "there")
    found = {str(path.relative_to(tmp_path / "there")) for path in (tmp_path / "there").rglob("*") if path.is_file()}
    assert found == {"node.json", "run/records.jsonl"}


def test_an_archive_cannot_leave_its_folder(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        one = tarfile.TarInfo("../outside")
        one.size = 3
        archive.addfile(one, io.BytesIO(b"bad"))
    (tmp_path / "inside").mkdir()
    with pytest.raises(MeasureError, match="could not be unpacked"):
        gathering.unpack(stream.getvalue(), tmp_path / "inside")
    assert not (tmp_path / "outside").exists()


def request(**options: object) -> forecast.Request:
    known = {"suite": "quick", "backend": "fake", "only": ("gemm m=256",), "phases": (Phase.NODES,), "seed": 5}
    return forecast.Request(**{**known, **options})  # type: ignore[arg-type]


def test_few_nodes_get_the_runs_that_tell_them_apart() -> None:
    assert forecast.prepare(request(placing=Placing("mpiexec", "a,b,c,d"))).runs == 5
    assert forecast.prepare(request(placing=Placing("mpiexec", "a,b"))).runs == 3  # no number would do
    assert forecast.prepare(request(placing=Placing("mpiexec", "a,b,c,d"), runs=2)).runs == 2


def test_every_node_gets_the_same_seed_and_the_forecast_is_that_of_one() -> None:
    asked = forecast.prepare(request(placing=Placing("mpiexec", "n[1-64]")))
    assert asked.words[:6] == ("--backend", "fake", "--runs", "3", "--seed", "5")
    told = forecast.forecast(asked)
    assert told["all"] == told["one"] > 0
    assert told["one by one"] == 64 * told["one"]


@pytest.mark.parametrize(
    ("nbytes", "hosts", "per_node", "least", "most"),
    [
        ("8 KiB", "a,b,c,d", 1, 5, 15),  # starting is nearly all
        ("16 MiB", "a,b,c,d", 1, 25, 45),
        ("16 MiB", "n[1-64]", 1, 40, 70),  # not longer with more nodes, but for links and groups
        ("16 MiB", "a,b,c,d", 8, 30, 120),
        ("1 GiB", "a,b,c,d", 1, 200, 400),  # a few transfers are made whatever they take
    ],
)
def test_the_forecast_of_a_scan_ends_by_the_clock(
    nbytes: str, hosts: str, per_node: int, least: float, most: float
) -> None:
    scan = forecast.ScanOptions(nbytes=nbytes)
    placed = Placing("mpiexec", hosts, per_node=per_node)
    asked = forecast.prepare(request(placing=placed, phases=(Phase.SCAN,), scan=scan))
    assert least < asked.predicted["scan"] < most


def test_a_long_phase_says_now_and_then_that_it_goes_on(tmp_path: Path) -> None:
    path, asked = made(tmp_path)
    finished(path, "node1")
    said: list[str] = []
    heard = lambda text: said.append(text.replace("\xa0", " "))  # noqa: E731
    news = fleet.Work(path, replace(asked, predicted={"nodes": 60.0}), heard)._news(path / "nodes")
    for spent in (1.0, 29.0, 31.0, 45.0, 61.0):
        news(spent)
    assert said == [
        "nodes: 1 of 2 have ended; 31.0 s so far, forecast 1 min 0 s.",
        "nodes: 1 of 2 have ended; 1 min 1 s so far, forecast 1 min 0 s.",
    ]


def test_a_suite_s_file_is_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own.toml").write_text(TOGETHER.replace("allreduce", "gemm").replace('implementations = ["mpi"]\n', ""))
    monkeypatch.chdir(tmp_path)
    assert forecast._file("own.toml") == str(tmp_path / "own.toml")
    with pytest.raises(UsageError, match="no file"):
        forecast._file("other.toml")


def test_records_of_other_nodes_come_over_the_world_once(tmp_path: Path) -> None:
    """Three nodes without a shared file system: threads, each with a folder of its own."""

    def rank(world: World) -> list[str]:
        world.host = f"node{world.rank}"
        base = tmp_path / f"disk{world.rank}"
        own = base / world.host
        own.mkdir(parents=True)
        (own / "records.jsonl").write_text(world.host)
        (own / nodework.NODE).write_text("{}")
        return gathering.gather(world, base) + gathering.gather(world, base)

    brought = threads.run(3, rank)
    assert brought == [["node1", "node2"], [], []]
    assert [(tmp_path / "disk0" / f"node{n}" / "records.jsonl").read_text() for n in range(3)] == [
        "node0", "node1", "node2"
    ]  # fmt: skip
    assert not (tmp_path / "disk1" / "node0").exists()
