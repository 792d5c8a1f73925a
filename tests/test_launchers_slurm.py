"""The launcher through srun: which tokens, which plugin for which library; a wrong pair is a sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from benchsuite.errors import UnavailableError
from benchsuite.launchers import choose, library, slurm
from benchsuite.launchers.library import Library
from benchsuite.launchers.slurm import SlurmLauncher, cpus, parse_plugins, plugin
from benchsuite.model.fleet import Layout

NEW = "MPI plugin types are...\n\tpmix\n\tnone\n\tcray_shasta\n\tpmi2\nspecific pmix plugin versions available: pmix_v4"
OLD = "srun: MPI types are...\nsrun: none\nsrun: openmpi\nsrun: pmi2\nsrun: pmix_v3\n"
Site = Callable[..., None]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Makes a site: an srun of a version with plugins, an allocation, and a library that mpi4py loads."""
    for name in (slurm.CHOICE, "SLURM_STEP_ID", "SLURM_JOB_CPUS_PER_NODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SLURM_JOB_ID", "7")

    def make(kind: str = "mpich", plugins: str = NEW, version: str = "22.05.8", problem: str = "") -> None:
        program = tmp_path / "srun"
        program.write_text(
            f"#!/bin/sh\nif [ \"$1\" = --version ]; then echo 'slurm {version}'; exit; fi\n"
            f"cat >&2 <<'END'\n{plugins}\nEND\n"
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        monkeypatch.setattr(library, "loaded", lambda: Library(kind, problem=problem))
        slurm.offered.cache_clear()
        slurm.version.cache_clear()

    yield make  # type: ignore[misc]
    slurm.offered.cache_clear()
    slurm.version.cache_clear()


def test_tokens_on_two_nodes(site: Site) -> None:
    site()
    assert SlurmLauncher(Layout(("node1", "node2"), 3)).tokens(6) == (
        "srun",
        "--nodes=2",
        "--ntasks=6",
        "--ntasks-per-node=3",
        "--nodelist=node1,node2",
        "--distribution=block",
        "--mpi=pmi2",
        "--kill-on-bad-exit=1",
        "--cpu-bind=none",
        "--export=ALL",
        "--input=none",
        "--overlap",
    )


def test_an_old_slurm_knows_no_overlap(site: Site) -> None:
    site(plugins=OLD, version="20.02.7")
    assert "--overlap" not in SlurmLauncher(Layout(("node1",))).tokens(2)


def test_more_ranks_than_processors_are_told_to_share(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site()
    monkeypatch.setenv("SLURM_JOB_CPUS_PER_NODE", "2(x4)")
    layout = Layout(("node1", "node2"))
    assert "--overcommit" in SlurmLauncher(layout).tokens(6)
    assert "--overcommit" not in SlurmLauncher(layout).tokens(4)


@pytest.mark.parametrize(
    ("kind", "plugins", "chosen"),
    [
        ("mpich", NEW, "pmi2"),
        ("intel", NEW, "pmi2"),
        ("openmpi", NEW, "pmix"),
        ("openmpi", OLD, "pmix_v3"),
        ("cray", NEW, "cray_shasta"),
        ("cray", OLD, "pmi2"),
        ("", NEW, "pmix"),
        ("", "srun: none\nsrun: pmi2", "pmi2"),
    ],
)
def test_the_plugin_of_each_library(site: Site, kind: str, plugins: str, chosen: str) -> None:
    site(kind, plugins)
    assert f"--mpi={chosen}" in SlurmLauncher(Layout(("node1",))).tokens(2)
    assert SlurmLauncher(Layout(("node1",))).unavailable() == ""


@pytest.mark.parametrize(
    ("kind", "plugins", "names"),
    [
        ("openmpi", "srun: none\nsrun: pmi2", ("none, pmi2", "Open MPI", "pmix")),
        ("mpich", "\tnone\n\tpmix\n", ("none, pmix", "MPICH", "pmi2")),
        ("mpich", "srun: error: no configuration", ("nothing", "MPICH", "pmi2")),
    ],
)
def test_a_site_that_cannot_connect_this_library_is_refused(
    site: Site, kind: str, plugins: str, names: tuple[str, ...]
) -> None:
    site(kind, plugins)
    said = SlurmLauncher(Layout(("node1",))).unavailable()
    assert all(name in said for name in (*names, "--launcher mpiexec"))
    with pytest.raises(UnavailableError, match="cannot be started by srun"):
        SlurmLauncher(Layout(("node1",))).tokens(2)


@pytest.mark.parametrize("asked", ["none", "pmix", "pmi2x"])
def test_a_person_s_choice_that_does_not_fit_is_refused(
    site: Site, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    site("mpich")
    monkeypatch.setenv(slurm.CHOICE, asked)
    said = SlurmLauncher(Layout(("node1",))).unavailable()
    assert f"{slurm.CHOICE}={asked}" in said
    assert "MPICH" in said
    assert "pmi2" in said


def test_a_choice_that_fits_stands_and_one_of_an_outer_step_is_none(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site("openmpi")
    monkeypatch.setenv(slurm.CHOICE, "pmix_v4")
    assert plugin("openmpi", slurm.offered()) == ("pmix_v4", "")
    monkeypatch.setenv(slurm.CHOICE, "none")
    monkeypatch.setenv("SLURM_STEP_ID", "0")
    assert plugin("openmpi", slurm.offered()) == ("pmix", "")


def test_what_is_missing_is_said(site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    site(problem="mpi4py is not installed. Install it")
    assert SlurmLauncher().unavailable() == "mpi4py is not installed. Install it"
    monkeypatch.delenv("SLURM_JOB_ID")
    assert "no allocation" in SlurmLauncher().unavailable()
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    assert "no srun" in SlurmLauncher().unavailable()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (NEW, ("pmix", "none", "cray_shasta", "pmi2", "pmix_v4")),
        (OLD, ("none", "openmpi", "pmi2", "pmix_v3")),
        ("srun: fatal: Could not establish a configuration source", ()),
        ("", ()),
    ],
)
def test_plugins_are_read(text: str, found: tuple[str, ...]) -> None:
    assert parse_plugins(text) == found


@pytest.mark.parametrize(
    ("text", "count"), [("", 0), ("2(x4)", 2), ("64,2(x3),128", 2), ("1", 1), ("nonsense", 0), ("(null)", 0)]
)
def test_processors_of_the_smallest_node(text: str, count: int) -> None:
    assert cpus({"SLURM_JOB_CPUS_PER_NODE": text}) == count


def test_each_name_makes_its_launcher() -> None:
    assert [choose(name).name for name in ("auto", "mpiexec", "local", "slurm")] == [
        "mpiexec",
        "mpiexec",
        "local",
        "slurm",
    ]
