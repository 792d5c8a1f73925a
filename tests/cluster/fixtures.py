"""The fixtures of a cluster: one Slurm for the whole session, started when the first test asks for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster.needs import lacking
from tests.cluster.slurm import Slurm, running, unavailable


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    """Slurm with four nodes; ended with the session, however that ends."""
    if reason := unavailable():
        lacking(reason)
    with running(tmp_path_factory.mktemp("slurm")) as slurm:
        yield slurm


@pytest.fixture
def slurm(cluster: Slurm) -> Slurm:
    """The cluster with four idle nodes and no job, whatever the test before did to it."""
    cluster.ready()
    return cluster
