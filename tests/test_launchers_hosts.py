"""Real ranks on several hosts, through the mpiexec of each MPI: ``ssh`` is a script that enters a host of its own name.

Each host is a name space of UTS with an empty environment, as ssh gives one; the file system may be seen or not.
"""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from benchsuite import allowlist, store
from benchsuite.attempt import End, ProcessRunner
from benchsuite.launchers import library
from benchsuite.launchers.library import Library
from benchsuite.launchers.mpi import MpiLauncher, identify, oversubscribed, per_node
from benchsuite.model import Policy
from benchsuite.model.fleet import Layout
from benchsuite.protocol import Job, Kind, Message
from tests.cluster import openmpi
from tests.mpirun import needs_mpi

SSH = """#!/bin/sh
while [ "${{1#-}}" != "$1" ]; do case "$1" in -o|-p|-l) shift;; esac; shift; done
host=$1; shift
exec env -i PATH=/usr/bin:/bin HOME=/root unshare --uts {mount} sh -c '
  hostname "$1"; shift; {hidden} exec sh -c "$*"' sh "$host" "$@"
"""
ALONE = """
import os
from benchsuite.errors import BenchsuiteError
from benchsuite.world import open_world
try:
    world = open_world("mpi", int(os.environ["RANKS"]), int(os.environ["HOSTS"]))
    mine = f"{world.rank} {world.host} {world.local_rank} {world.local_size} {os.environ.get('OMP_NUM_THREADS')}"
    told = world.share(mine)
    if world.rank == 0:
        print(chr(10).join(told))
except BenchsuiteError as error:
    print(error)
"""
Make = Callable[..., dict[str, str]]


def _can_unshare() -> bool:
    return os.geteuid() == 0 and subprocess.run(["unshare", "--uts", "--mount", "true"], check=False).returncode == 0


pytestmark = pytest.mark.skipif(not _can_unshare(), reason="name spaces need root")


@pytest.fixture
def ssh(tmp_path: Path) -> Make:
    """Makes the ssh of MPICH and of Open MPI one of ours; ``hidden``: a folder that the second host does not see."""

    def make(hidden: Path | None = None) -> dict[str, str]:
        path = tmp_path / "ssh"
        covered = f'if [ "$(hostname)" = beta ]; then mount -t tmpfs none {hidden}; fi;' if hidden else ""
        path.write_text(SSH.format(mount="--mount" if hidden else "", hidden=covered))
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        hydra = {"HYDRA_LAUNCHER": "ssh", "HYDRA_LAUNCHER_EXEC": str(path)}
        return {**hydra, "PRTE_MCA_plm_ssh_agent": str(path), "OMPI_MCA_plm_rsh_agent": str(path)}

    return make


def ranks(launcher: MpiLauncher, count: int, hosts: int, environment: dict[str, str]) -> list[str]:
    told = {**launcher.environment(count), "RANKS": str(count), "HOSTS": str(hosts), "OMP_NUM_THREADS": "3"}
    done = subprocess.run(
        [*launcher.tokens(count), sys.executable, "-c", ALONE],
        env={**os.environ, **environment, **told},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return sorted(done.stdout.splitlines()) or [done.stderr]


EXPORTED = ("OMP_NUM_THREADS", "RANKS", "HOSTS")
FOUR = ["0 alpha 0 2 3", "1 alpha 1 2 3", "2 beta 0 2 3", "3 beta 1 2 3"]


@needs_mpi
def test_mpich_s_ranks_lie_on_the_hosts_of_the_layout(ssh: Make) -> None:
    launcher = MpiLauncher(layout=Layout(("alpha", "beta"), 2), exported=EXPORTED)
    assert ranks(launcher, 4, 2, ssh()) == FOUR


@needs_mpi
def test_fewer_hosts_than_asked_for_are_noticed(ssh: Make) -> None:
    launcher = MpiLauncher(layout=Layout(("alpha", "beta"), 1))
    said = "".join(ranks(launcher, 2, 3, ssh()))
    assert "3 hosts were asked for, but the 2 ranks run on 2 (alpha, beta)." in said


@needs_mpi
def test_open_mpi_s_ranks_too_and_it_carries_what_they_need(ssh: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    openmpi.needed()
    for name, value in openmpi.chosen().items():
        monkeypatch.setenv(name, value)
    launcher = MpiLauncher(layout=Layout(("alpha", "beta"), 2), exported=EXPORTED)
    assert launcher.tokens(4)[0] == str(openmpi.MPIEXEC), "it belongs to the chosen library"
    assert ranks(launcher, 4, 2, ssh()) == FOUR


def attempt(folder: Path, environment: dict[str, str]) -> tuple[End, list[Message]]:
    """A job without tasks, on two hosts: what remains is how ranks come up, greet and end."""
    job = Job(1, 0, "host", "mpi", 2, 1, 0, Policy(), (), str(folder / "results.jsonl"), "secret", nodes=2)
    heard: list[Message] = []
    end = ProcessRunner(MpiLauncher(layout=Layout(("alpha", "beta"), 1)), environment)(job, folder, heard.append)
    return end, heard


@needs_mpi
def test_ranks_need_no_shared_folder(ssh: Make, tmp_path: Path) -> None:
    """The second host does not see the attempt's folder: it gets the job from rank 0, and leaves no sign."""
    folder = tmp_path / "attempt"
    folder.mkdir()
    end, heard = attempt(folder, ssh(hidden=folder))
    assert end == End()
    assert [message.kind for message in heard] == [Kind.HELLO, Kind.BYE]
    assert heard[0].facts["world"]["hosts"] == "2"
    assert set(heard[0].facts["hosts"]) == {"alpha", "beta"}
    assert sorted(file.name for file in folder.glob("rank-*.beat")) == ["rank-0.beat"]


@needs_mpi
def test_rank_0_where_the_job_cannot_be_read_is_a_sentence(ssh: Make, tmp_path: Path) -> None:
    folder = tmp_path / "attempt"
    folder.mkdir()
    job = Job(1, 0, "host", "mpi", 2, 1, 0, Policy(), (), str(folder / "results.jsonl"), "secret", nodes=2)
    launcher = MpiLauncher(layout=Layout(("beta", "alpha"), 1))
    end = ProcessRunner(launcher, ssh(hidden=folder))(job, folder, lambda message: None)
    assert "Rank 0 runs on beta, where job.json cannot be read" in end.reason
    assert "first host" in end.reason


@needs_mpi
def test_a_run_on_two_hosts_says_where_it_ran_and_its_command_names_none(ssh: Make, tmp_path: Path) -> None:
    where = ("--hosts", "alpha,beta", "--per-node", "1", "--out", str(tmp_path))
    what = ("--only", "allreduce bytes=8", "--backend", "host", "--runs", "1", "--budget", "3", "--no-report")
    done = subprocess.run(
        [sys.executable, "-m", "benchsuite", "run", "allreduce", *what, *where, "--wait", "60"],
        env={**os.environ, **ssh()},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Ranks run on 2 hosts (alpha, beta), 1 on each, started by mpiexec" in done.stderr
    (path,) = tmp_path.glob("*/campaign.json")
    campaign = store.load(path.parent).campaign
    assert (campaign.launcher, campaign.layout) == ("mpiexec", Layout(("alpha", "beta"), 1))
    assert campaign.facts["world"]["hosts"] == "2"
    assert set(campaign.facts["hosts"]) == {"alpha", "beta"}
    assert "--per-node 1" in campaign.command
    assert "alpha" not in campaign.command
    assert "hosts" not in allowlist.facts(campaign.facts)


def test_tokens_of_each_mpi(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchsuite.launchers.mpi.identify", lambda path: path.partition("-")[0])
    for name in (*library.CHOICES, "LD_LIBRARY_PATH", "PYTHONPATH"):
        monkeypatch.delenv(name, raising=False)
    two = Layout(("a", "b"), 2)
    assert MpiLauncher("mpich-x", two).tokens(4) == ("mpich-x", "-hosts", "a,b", "-ppn", "2", "-n", "4")
    assert MpiLauncher("intel-x", Layout(("a", "b"))).tokens(4)[1:5] == ("-hosts", "a,b", "-ppn", "2")
    tokens = MpiLauncher("openmpi-x", two, ("OMP_NUM_THREADS",)).tokens(4)
    assert tokens[:7] == ("openmpi-x", "--bind-to", "none", "--host", "a:2,b:2", "--map-by", "ppr:2:node")
    carried = {tokens[index + 1] for index, token in enumerate(tokens) if token == "-x"}
    assert {"OMP_NUM_THREADS", "PATH", "MPI4PY_MPIABI"} <= carried
    assert MpiLauncher("openmpi-x").tokens(4) == ("openmpi-x", "--oversubscribe", "--bind-to", "none", "-n", "4")


def test_ranks_of_each_host() -> None:
    assert [per_node(7, Layout(("a", "b"))), per_node(6, Layout(("a", "b"), 3)), per_node(5, Layout())] == [4, 3, 5]


def test_crowds_are_counted_on_each_host() -> None:
    assert oversubscribed(16, 8, nodes=2) is None
    caveat = oversubscribed(16, 4, nodes=2)
    assert caveat is not None
    assert caveat.text == "8 ranks of each host share 4 cores: times include waiting for a core."


@pytest.mark.parametrize(
    ("launcher", "loaded", "refused"),
    [
        ("mpich-x", "openmpi", True),
        ("openmpi-x", "mpich", True),
        ("openmpi-x", "intel", True),
        ("mpich-x", "intel", False),
        ("intel-x", "cray", False),
        ("openmpi-x", "openmpi", False),
        ("unknown", "mpich", False),
        ("mpich-x", "", False),
    ],
)
def test_a_launcher_of_another_mpi_than_the_chosen_library_is_refused(
    monkeypatch: pytest.MonkeyPatch, launcher: str, loaded: str, refused: bool
) -> None:
    kinds = {"unknown": ""}
    monkeypatch.setattr("benchsuite.launchers.mpi.identify", lambda path: kinds.get(path, path.partition("-")[0]))
    monkeypatch.setattr(library, "missing", lambda: "")
    monkeypatch.setattr(library, "loaded", lambda: Library(loaded))
    monkeypatch.setenv("MPI4PY_MPIABI", "mine")
    said = MpiLauncher(launcher).unavailable()
    assert bool(said) == refused
    if refused:
        assert library.NAMES[loaded] in said
        assert library.NAMES[launcher.partition("-")[0]] in said
    monkeypatch.delenv("MPI4PY_MPIABI")
    assert MpiLauncher(launcher).unavailable() == "", "nobody chose: the ranks are told the launcher's own"


@pytest.mark.parametrize(
    ("version", "kind"),
    [
        ("Open MPI v5.0.11, package: Open MPI x@y Distribution", "openmpi"),
        ("MPICH Version:      5.0.2", "mpich"),
        ("Intel(R) MPI Library 2021.18 for Linux* OS", "intel"),
        ("MPI VERSION    : CRAY MPICH version 8.1.29.22 (ANL base 3.4a2)", "cray"),
        ("MVAPICH Version:\t4.0", "mpich"),
        ("prterun (PRRTE) 3.0.13", "openmpi"),
        ("something new", ""),
    ],
)
def test_a_library_says_whose_it_is(version: str, kind: str) -> None:
    assert library.kind_of(version) == kind
    assert Library(kind).name == library.NAMES[kind]


@needs_mpi
def test_the_library_is_asked_in_a_process_of_its_own() -> None:
    found = library.loaded()
    assert found.kind
    assert not found.problem
    assert "mpi4py.MPI" not in sys.modules or "MPI" in vars(sys.modules["mpi4py"])
    beside = library.launcher_of(found)
    assert beside is None or library.FAMILY[identify(str(beside))] == library.FAMILY[found.kind]


def test_a_library_that_is_not_there_is_a_sentence() -> None:
    found = library.loaded(MPI4PY_MPIABI="nonsense")
    assert found.kind == ""
    assert "pip install" in found.problem
