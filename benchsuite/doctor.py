"""What this machine has, what is missing and how to get it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass

from benchsuite.backends import open_backend
from benchsuite.backends.cuda.describe import ask
from benchsuite.launchers import library, slurm
from benchsuite.launchers.mpi import MpiLauncher, find, identify
from benchsuite.machine import cpu
from benchsuite.units import size


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked for. ``remedy`` is empty when nothing need be done; ``needed`` for the main job."""

    subject: str
    present: bool
    detail: str
    remedy: str = ""
    needed: bool = False


def examine() -> list[Finding]:
    """Every finding, in the order a person would ask."""
    return [_cores(), _memory(), *_libraries(), *_mpi(), *_gpu(), _browser()]


def _cores() -> Finding:
    count = cpu.available_cores()
    detail = f"{count} usable by this process (affinity and container quota respected)"
    return Finding("processor cores", True, detail, needed=True)


def _memory() -> Finding:
    free = cpu.memory_limit()
    enough = free >= 2 << 30
    remedy = "" if enough else "Stop other programs or choose smaller cases: the quick suite wants 2 GiB."
    return Finding("memory", enough, f"{size(free)} usable", remedy, needed=True)


_OPTIONAL = {
    "numba": ("compiled host kernels", "pip install numba", True),
    "scipy": ("BLAS for attention, statistics", "pip install scipy", True),
    "torch": ("bf16 and int8 GEMM, a second opinion on attention", "pip install torch (CPU build suffices)", False),
    "mkl": ("Intel's BLAS as a further implementation", "pip install mkl", False),
}


def _libraries() -> list[Finding]:
    capabilities = open_backend("host").capabilities()
    found = []
    for name, (use, remedy, needed) in _OPTIONAL.items():
        present = name in capabilities
        found.append(Finding(name, present, use, "" if present else remedy, needed))
    for name, instructions in (("torch-bf16", "AVX512-BF16 or AMX"), ("torch-int8", "VNNI or AMX")):
        present = name in capabilities
        detail = f"{name.removeprefix('torch-')} GEMM at useful speed"
        found.append(
            Finding(name, present, detail, "" if present else f"needs torch and a processor with {instructions}")
        )
    return found


def _mpi() -> list[Finding]:
    """What starts ranks here: mpiexec, whose it is and whose library mpi4py loads; and Slurm's srun."""
    problem = MpiLauncher().unavailable()
    found = [Finding("MPI", not problem, _pair() if not problem else "all-reduce between ranks", problem)]
    if shutil.which("srun"):
        plugins = ", ".join(slurm.offered())
        told = ".".join(f"{number:02d}" for number in slurm.version())
        detail = f"{told}; srun --mpi offers {plugins}" if plugins else "srun is installed, but reaches no cluster"
        found.append(Finding("Slurm", bool(plugins), detail, "" if plugins else "Log in to a node of the cluster."))
    return found


def _pair() -> str:
    """Whose mpiexec starts the ranks, and whose library they load."""
    launcher = library.NAMES[identify(find())]
    loaded = library.loaded()
    return f"{launcher}'s mpiexec; mpi4py loads {loaded.name if loaded.kind else 'the library that goes with it'}"


def _gpu() -> list[Finding]:
    """What the GPU's backend looks at; none of it is needed to measure the processor."""
    answer = ask()
    found = [Finding(one.subject, one.present, one.detail, one.remedy) for one in answer.checks]
    caveats = answer.description.caveats if answer.description else ()
    return found + [Finding("GPU", True, caveat.text) for caveat in caveats]


def _browser() -> Finding:
    names = ("chromium", "google-chrome", "firefox")
    present = next((name for name in names if shutil.which(name)), "")
    return Finding("browser", bool(present), present or "none here; the report opens in any browser elsewhere")
