"""Where ranks shall run: what was said on the command line and what a scheduler says become launcher and layout."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchsuite import reading
from benchsuite.errors import UsageError
from benchsuite.launchers import NAMES, hostlist, slurm
from benchsuite.launchers.hostlist import Machine
from benchsuite.model.fleet import Layout

MACHINE_FILES = (
    "OMPI_MCA_orte_default_hostfile",
    "PRTE_MCA_prte_default_hostfile",
    "I_MPI_HYDRA_HOST_FILE",
    "HYDRA_HOST_FILE",
    "PBS_NODEFILE",
    "LSB_DJOB_HOSTFILE",
)
"""Variables in which the MPI Operator and schedulers tell the file with a job's hosts."""
OPERATOR_FILE = Path("/etc/mpi/hostfile")
"""Where the MPI Operator of Kubernetes puts it, in the pod of the launcher."""
MOST_PER_HOST = 8
"""Ranks of a host with more cores, unless more are asked for: as many as a plan gives one host."""
TEXTS = {".txt", ".lst", ".list", ".cfg", ".conf", ".csv", ".hosts"}
"""How files of hosts end, and no host does: a path that is mistyped must not become a host of that name."""
STARTED = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS")
"""Variables in which a launcher tells a process that it is one of so many."""


@dataclass(frozen=True, slots=True)
class Placing:
    """What ``--launcher --hosts --nodes --per-node`` say. hosts: a file or a list; 0: as many as there are."""

    launcher: str = "auto"
    hosts: str = ""
    nodes: int = 0
    per_node: int = 0


def layout(placing: Placing, environment: Mapping[str, str] | None = None) -> tuple[str, Layout]:
    """The launcher's name and the layout of its ranks.

    ``auto``: inside an allocation Slurm's ``srun``; with hosts told, by the command line, the MPI Operator or another
    scheduler, ``mpiexec`` on them; else this host. Raises ``UsageError`` when that is impossible, and ``DataError``
    when the file of hosts cannot be read.
    """
    told = os.environ if environment is None else environment
    if placing.launcher not in NAMES:
        raise UsageError(f"There is no launcher {placing.launcher!r}.", f"Choose one of {', '.join(NAMES)}.")
    if placing.launcher == "local":
        if placing.hosts or placing.nodes > 1:
            raise UsageError("The local launcher knows this host only.", "Leave --hosts and --nodes out.")
        return "local", Layout(per_node=placing.per_node)
    _once(told)
    allocated = allocation(told)
    name = placing.launcher
    if name == "auto":
        step = bool(allocated) and not placing.hosts and bool(shutil.which("srun", path=told.get("PATH")))
        name = "slurm" if step else "mpiexec"
    if name == "slurm" and not allocated:
        raise UsageError(
            "There is no allocation of Slurm around this process, so srun has no nodes.",
            "Use 'benchsuite launch slurm', or begin with salloc or sbatch.",
        )
    return name, _laid_out(placing, name, allocated, told)


def allocation(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The nodes of the Slurm job around this process, in Slurm's order; none without one."""
    listed = environment.get("SLURM_JOB_NODELIST", "") if "SLURM_JOB_ID" in environment else ""
    return hostlist.expand(listed)


def spread(placing: Placing, where: Layout, asked: int | None, wanted: int, cores: int) -> tuple[int | None, Layout]:
    """Ranks of collectives, as many on each host, and the layout that says so; ``None``: whoever plans decides.

    asked, wanted: by the command line, by the suite; cores: of a host. Raises ``UsageError`` when the ranks cannot lie
    evenly.
    """
    if not where.hosts:
        return asked or where.per_node or None, where
    nodes = where.nodes
    least = 2 if nodes == 1 else 1
    each = where.per_node or max(least, (wanted or min(cores, MOST_PER_HOST) * nodes) // nodes)
    if asked:
        each = placing.per_node or max(1, asked // nodes)
        if asked != each * nodes:
            told = f" with {each} on each" if placing.per_node else ""
            raise UsageError(
                f"{asked} ranks cannot lie evenly on {nodes} hosts{told}.", f"For example --ranks {each * nodes}."
            )
    return each * nodes, replace(where, per_node=each)


def cores(launcher: str, here: int, environment: Mapping[str, str] | None = None) -> int:
    """Cores of a host for ranks: those of this one, or fewer where Slurm gave fewer."""
    given = slurm.cpus(os.environ if environment is None else environment) if launcher == "slurm" else 0
    return min(here, given) if given else here


def sentence(launcher: str, where: Layout) -> str:
    """On which hosts ranks run, for a person; empty when it is this one."""
    if not where.hosts:
        return ""
    program = "srun" if launcher == "slurm" else launcher
    hosts = f"{where.nodes} hosts ({_listed(where.hosts)})" if where.nodes > 1 else where.hosts[0]
    each = f", {where.per_node} on each" if where.per_node else ""
    return f"Ranks run on {hosts}{each}, started by {program}; what needs no ranks runs on this host alone."


def same_hosts(launcher: str, begun: Layout, command: str, environment: Mapping[str, str] | None = None) -> None:
    """Refuse to go on where a run's nodes are not: its rest would be measured on others.

    Where no scheduler says which hosts are here, those of the run are taken. Raises ``UsageError``.
    """
    told = os.environ if environment is None else environment
    here = [machine.host for machine in _machines("", allocation(told), told)[0]]
    if not here and launcher != "slurm":
        return
    if gone := [host for host in begun.hosts if host not in here]:
        now = f"this allocation has {_listed(here)}" if here else "there is no allocation of Slurm here"
        raise UsageError(
            f"This run was begun on {_listed(begun.hosts)}, but {now}: the rest would not compare.",
            f"Go on in an allocation with {gone[0]}, or begin a new run: {command}",
        )


def _listed(hosts: Sequence[str], most: int = 8) -> str:
    return ", ".join(hosts[:most]) + (f" and {len(hosts) - most} more" if len(hosts) > most else "")


def _laid_out(placing: Placing, name: str, allocated: tuple[str, ...], told: Mapping[str, str]) -> Layout:
    """The layout over the hosts that are known, cut to those asked for."""
    machines, file = _machines(placing.hosts, allocated, told)
    if name == "slurm" and (unknown := [one.host for one in machines if one.host not in allocated]):
        raise UsageError(f"{unknown[0]} is not a node of this allocation.", f"It has {_listed(allocated)}.")
    known = len(machines) or 1
    if placing.nodes > known:
        where = "this host only is known" if known == 1 else f"{known} hosts are known"
        raise UsageError(
            f"{placing.nodes} nodes were asked for, but {where}.", "Name them with --hosts, or ask Slurm for more."
        )
    chosen = machines[: placing.nodes or known]
    slots = {one.slots for one in chosen}
    offered = _tasks_per_node(told, name) or (slots.pop() if len(slots) == 1 else 0)
    if len(chosen) == 1 and offered == 1:
        offered = 0  # what one process gets by default says nothing of how many ranks are wanted
    return Layout(tuple(one.host for one in chosen), placing.per_node or offered, file)


def _machines(hosts: str, allocated: tuple[str, ...], told: Mapping[str, str]) -> tuple[tuple[Machine, ...], str]:
    """The hosts with their slots, and the file they are from: told first, then Slurm's, then a machine file's."""
    if Path(hosts).suffix in TEXTS and not Path(hosts).is_file():
        raise UsageError(f"There is no file {hosts}.", "Check the path, or list hosts: --hosts node[01-04].")
    if hosts and not ("/" in hosts or Path(hosts).is_file()):
        return tuple(map(Machine, dict.fromkeys(hostlist.expand(hosts)))), ""
    if allocated and not hosts:
        return tuple(map(Machine, allocated)), ""
    file = hosts or _machine_file(told)
    if not file:
        return hostlist.machines("\n".join(told.get("LSB_HOSTS", "").split())), ""
    machines = hostlist.machines(reading.text(Path(file).resolve()))
    if not machines:
        raise UsageError(f"{file} names no host.", "A line for each, for example: node1 slots=8.")
    return machines, file


def _machine_file(told: Mapping[str, str]) -> str:
    files = [path for variable in MACHINE_FILES if (path := told.get(variable, "")) and Path(path).is_file()]
    if not files and "K_MPI_JOB_ROLE" in told and OPERATOR_FILE.is_file():
        return str(OPERATOR_FILE)
    return files[0] if files else ""


def _tasks_per_node(told: Mapping[str, str], name: str) -> int:
    """What the job was given by ``--ntasks-per-node``; 0 when it was not."""
    said = told.get("SLURM_NTASKS_PER_NODE", "") if name == "slurm" else ""
    return int(said) if said.isdigit() else 0


def _once(told: Mapping[str, str]) -> None:
    """Refuse to be one of many: each would measure beside the others."""
    for variable in STARTED:
        if told.get(variable, "").isdigit() and int(told[variable]) > 1:
            raise UsageError(
                f"benchsuite was itself started {told[variable]} times by a launcher.",
                "Start it once: it starts its ranks itself, on all nodes of the allocation. What each node is to "
                "measure alone, 'benchsuite fleet' starts on all of them, or --launcher local.",
            )
