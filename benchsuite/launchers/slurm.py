"""Ranks through Slurm's srun, as a step of the allocation around this process."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache

from benchsuite.errors import UnavailableError
from benchsuite.launchers import library
from benchsuite.launchers.mpi import HERE, per_node
from benchsuite.model.fleet import Layout

PLUGINS = {"openmpi": ("pmix",), "mpich": ("pmi2",), "intel": ("pmi2",), "cray": ("cray_shasta", "pmi2")}
"""The plugins of ``srun --mpi`` through which each library's ranks find each other, the best first. With another one
every rank is silently a world of one, or MPI_Init aborts."""
OVERLAP = (20, 11)
"""The version since which a step waits for others of its job, unless it is told to share."""
CHOICE = "SLURM_MPI_TYPE"


class SlurmLauncher:
    """``srun`` on the layout's nodes."""

    name = "slurm"
    world = "mpi"

    def __init__(self, layout: Layout = HERE) -> None:
        self._layout = layout

    def unavailable(self) -> str:
        """Why no ranks can be started, with the remedy; empty when they can."""
        if not shutil.which("srun"):
            return "there is no srun on PATH. Use --launcher mpiexec, or install Slurm's client"
        if "SLURM_JOB_ID" not in os.environ:
            return (
                "there is no allocation of Slurm around this process. Begin with salloc, sbatch or 'benchsuite launch'"
            )
        found = library.loaded()
        return found.problem or plugin(found.kind, offered())[1]

    def tokens(self, ranks: int) -> tuple[str, ...]:
        """``srun`` for ``ranks`` tasks; whichever fails ends all others. Raises ``UnavailableError``."""
        if problem := self.unavailable():
            raise UnavailableError(f"Ranks cannot be started by srun: {problem}.")
        each = per_node(ranks, self._layout)
        nodes = self._layout.nodes
        return (
            "srun",
            f"--nodes={nodes}",
            f"--ntasks={ranks}",
            f"--ntasks-per-node={each}",
            *((f"--nodelist={','.join(self._layout.hosts)}",) if self._layout.hosts else ()),
            "--distribution=block",
            f"--mpi={plugin(library.loaded().kind, offered())[0]}",
            "--kill-on-bad-exit=1",
            "--cpu-bind=none",
            *(("--overcommit",) if 0 < cpus(os.environ) < each else ()),
            "--export=ALL",
            "--input=none",
            *(("--overlap",) if version() >= OVERLAP else ()),
        )

    def environment(self, ranks: int) -> dict[str, str]:
        """Nothing: srun hands its own environment on."""
        return {}


def plugin(kind: str, offers: tuple[str, ...]) -> tuple[str, str]:
    """The plugin of ``srun --mpi`` for a library of this kind, and why there is none.

    ``SLURM_MPI_TYPE`` is a person's choice, and stands if that library can use it; within a step it is only what that
    step was started with.
    """
    wanted = PLUGINS.get(kind, ("pmix", "pmi2"))
    asked = "" if "SLURM_STEP_ID" in os.environ else os.environ.get(CHOICE, "")
    if asked:
        fits = any(asked == one or asked.startswith(f"{one}_v") for one in wanted)
        problem = f"{CHOICE}={asked} does not connect ranks of {library.NAMES[kind]}, which needs {wanted[0]}. Unset it"
        return (asked, "") if fits else ("", problem)
    for one in wanted:
        versions = sorted(offer for offer in offers if offer.startswith(f"{one}_v"))
        if one in offers or versions:
            return (one if one in offers else versions[-1]), ""
    return "", (
        f"srun --mpi offers {', '.join(offers) or 'nothing'} here, but mpi4py loads {library.NAMES[kind]}, which needs "
        f"{' or '.join(wanted)}. Use --launcher mpiexec, or another MPI (MPI4PY_MPIABI chooses)"
    )


def cpus(environment: Mapping[str, str]) -> int:
    """Processors that the allocation has on its smallest node; 0 when it does not say."""
    counts = re.sub(r"\(x\d+\)", "", environment.get("SLURM_JOB_CPUS_PER_NODE", "")).split(",")
    return min((int(count) for count in counts if count.isdigit()), default=0)


@cache
def offered() -> tuple[str, ...]:
    """The plugins that this site's srun has."""
    return parse_plugins(_said("--mpi=list"))


def parse_plugins(text: str) -> tuple[str, ...]:
    """The plugins in what ``srun --mpi=list`` prints: one a line, and a line with the versions of PMIx."""
    found: list[str] = []
    for line in text.splitlines():
        words = line.removeprefix("srun:").strip()
        if re.fullmatch(r"[a-z0-9_]+", words):
            found.append(words)
        elif ":" in words:
            found += re.findall(r"pmix_v\d+", words)
    return tuple(dict.fromkeys(found))


@cache
def version() -> tuple[int, ...]:
    """Slurm's version as numbers; ``()`` when it does not say."""
    found = re.search(r"(\d+)\.(\d+)", _said("--version"))
    return (int(found[1]), int(found[2])) if found else ()


def _said(option: str) -> str:
    try:
        done = subprocess.run(
            ["srun", option],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout + done.stderr
