"""What the cluster tests need: skipped with the reason where it is missing, failed where it must be there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).parents[2]
SETUP = "scripts/cluster-setup installs it"
REQUIRED = "BENCHSUITE_CLUSTER"
"""Set to ``required`` where a missing part is a failure and not a skip: in CI (``.ci/run``)."""
FOREIGN = ("SLURM", "SBATCH_", "SALLOC_", "SQUEUE_", "SINFO_", "PMI", "OMPI_", "PRTE_", "HYDRA_", "MPI", "FI_")
"""How variables begin that another scheduler, launcher or library left where the tests run."""


def lacking(reason: str) -> NoReturn:
    """Skip, or fail where the part is required."""
    if os.environ.get(REQUIRED) == "required":
        pytest.fail(f"{reason}; here it must be there ({REQUIRED}=required)", pytrace=False)
    pytest.skip(reason)


def clean_environment(**more: str) -> dict[str, str]:
    """This process's environment without another scheduler's or launcher's variables, with ``more``."""
    return {**{name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}, **more}
