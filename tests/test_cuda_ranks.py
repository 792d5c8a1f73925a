"""A rank a GPU, from the command line to verified records.

The ranks are real MPI processes; the doubles of CUDA and NCCL move the data.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchsuite import store
from benchsuite.backends.cuda import compiler
from benchsuite.model import Status
from tests import gpu_machine
from tests.mpirun import needs_mpi

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler for the driver's double")
pytest.importorskip("cuda.bindings.nvrtc")

SUITE = """title = "Ranks"
[policy]
runs = 1
seconds = 0.02
warmup = 0.002
min_samples = 3
max_samples = 5
setup_deadline = {setup}
deadline = 20.0
[[bench]]
select = ["allreduce"]
bytes = [20004]
place = ["out", "in"]
implementations = {implementations}
"""


class Machine:
    """Runs benchsuite where it finds GPUs."""

    def __init__(self, folder: Path, gpus: int = 2) -> None:
        self.folder, self.environment = folder, gpu_machine.environment(folder, gpus)

    def run(
        self, *options: str, implementations: str = '["nccl"]', setup: float = 20.0, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        suite = self.folder / "ranks.toml"
        suite.write_text(SUITE.format(implementations=implementations, setup=setup))
        command = [
            sys.executable,
            "-m",
            "benchsuite",
            "run",
            str(suite),
            "--backend",
            "cuda",
            "--no-report",
            "--seed",
            "1",
        ]
        return subprocess.run(
            [*command, "--out", str(self.folder / "runs"), *options],
            env={**self.environment, **variables},
            cwd=self.folder,
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def loaded(self) -> store.Loaded:
        (directory,) = (self.folder / "runs").iterdir()
        return store.load(directory)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@needs_mpi
def test_collectives_of_two_gpus_are_verified_timed_and_described(machine: Machine) -> None:
    done = machine.run(implementations='["nccl", "device-*"]', NCCL_MIN_NCHANNELS="8", FAKE_NCCL="algorithm=NVLS")
    assert done.returncode == 0, done.stderr[-3000:]
    loaded = machine.loaded()
    names = {(record.implementation, record.case["place"]) for record in loaded.records}
    assert names == {("nccl", "out"), ("nccl", "in"), ("device-ring", "out"), ("device-doubling", "out")}
    for record in loaded.records:
        assert record.status is Status.OK, f"{record.implementation}: {record.reason}"
        assert record.samples is not None
        assert {len(ranks) for ranks in record.samples.by_rank} == {2}
        assert min(record.samples.seconds) > 0.0
        by_nccl = record.implementation == "nccl"
        assert record.provider == ("NCCL 2.32.3 (NVLS, LL128)" if by_nccl else f"NVRTC {compiler.version()}")
        assert ("NVLS" in {caveat.code for caveat in record.caveats}) == by_nccl
    facts = loaded.campaign.facts
    assert facts["nccl"] == {
        "version": "NCCL 2.32.3",
        "NCCL_MIN_NCHANNELS": "8",
        "NVLS": "available",
        "NVLS channels": "16",
        "channels": "24",
        "links within a host": "NVL",
        "transports": "P2P",
    }
    assert facts["world"]["ranks"] == "2"
    assert facts["mpi-cuda"] == {"device memory": "the library says that it takes no device memory"}


@needs_mpi
def test_an_error_of_nccl_fails_with_its_sentence(machine: Machine) -> None:
    done = machine.run(FAKE_NCCL="refuse=allReduce")
    assert done.returncode == 4
    for record in machine.loaded().records:
        assert record.status is Status.FAILED
        assert "NCCL 2.32.3 could not all-reduce: unhandled cuda error" in record.reason


@needs_mpi
def test_a_rank_that_never_joins_is_ended_in_time_and_named(machine: Machine) -> None:
    done = machine.run(setup=10.0, FAKE_NCCL="absent=1")
    assert done.returncode == 4
    for record in machine.loaded().records:
        assert record.status is Status.FAILED
        assert "nothing was heard for 10 s" in record.reason
        assert "join the other ranks' devices through nccl" in record.reason
