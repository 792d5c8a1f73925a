"""Which GPU each rank takes: one process a GPU, in the order in which ``CUDA_VISIBLE_DEVICES`` names them.

CUDA reads that variable once, when it is first used, and an MPI that knows CUDA may do so when it is opened. So the
order is set before the world is opened, by the number that the launcher gave this rank among those of its host.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, MutableMapping, Sequence

from benchsuite.errors import MeasureError

VISIBLE = "CUDA_VISIBLE_DEVICES"
LOCAL_RANKS = (
    "OMPI_COMM_WORLD_LOCAL_RANK",
    "MPI_LOCALRANKID",
    "MV2_COMM_WORLD_LOCAL_RANK",
    "PALS_LOCAL_RANKID",
    "SLURM_LOCALID",
)
"""In which Open MPI, MPICH and Intel MPI, MVAPICH, Cray's PALS and Slurm tell it. Slurm's comes last: a batch script
has one too, and an mpiexec that it starts hands it to every rank."""
GIVEN = "BENCHSUITE_VISIBLE_DEVICES"
"""What was visible before a GPU was chosen; ``ALL`` where the variable was not set."""
ALL = "all"
MOST = 64
"""GPUs of a host, at most."""
REMEDY = "Start at most as many ranks a host as it has GPUs (--ranks, --per-node)."


def claim(environment: MutableMapping[str, str], local_rank: int | None = None) -> None:
    """Put this rank's GPU first in ``CUDA_VISIBLE_DEVICES``; the others stay visible behind it.

    local_rank: its number among the ranks of its host; ``None``, before a world tells: as the launcher's variables
    have it. Of a single visible GPU nothing is changed: a launcher may have given each rank its own. Raises
    ``MeasureError`` when a world tells and there are fewer GPUs.
    """
    given = environment.setdefault(GIVEN, environment.get(VISIBLE, ALL))
    number = told(environment) if local_rank is None else local_rank
    names = [] if given == ALL else [word.strip() for word in given.split(",") if word.strip()]
    if given == ALL and number == 0:
        environment.pop(VISIBLE, None)
    elif given == ALL or (len(names) > 1 and number < len(names)):
        environment[VISIBLE] = ",".join(first(number, names))
    else:
        environment[VISIBLE] = given
        if local_rank is not None and len(names) > 1:
            raise MeasureError(f"Rank {number} of this host has no GPU: {VISIBLE} names {len(names)}.", REMEDY)


def told(environment: Mapping[str, str]) -> int:
    """The number that the launcher gave this rank among those of its host; 0 without one."""
    words = (environment.get(name, "") for name in LOCAL_RANKS)
    return next((int(word) for word in words if word.isdigit()), 0)


def first(number: int, names: Sequence[str]) -> list[str]:
    """The names with that of ``number`` first.

    Without names all GPUs are visible, and how many these are cannot be asked without opening CUDA. CUDA looks at
    the list up to the first number that is none of a GPU, so that more of them may follow.
    """
    known = list(names) or [str(i) for i in range(MOST)]
    return [known[number], *known[:number], *known[number + 1 :]]


def shared(held: Sequence[tuple[str, str]]) -> str:
    """What is wrong with the GPUs that the ranks hold, each a host and an address, as a phrase; or nothing."""
    counts = Counter(held)
    (host, _), most = max(counts.items(), key=lambda item: item[1])
    if most == 1:
        return ""
    gpus = len({address for place, address in counts if place == host})
    ranks = sum(count for (place, _), count in counts.items() if place == host)
    return f"{ranks} ranks on {host} share {gpus} GPU{'s' if gpus > 1 else ''}, but each needs its own"
