"""An MPI that takes device memory: whether it does is tried, and then every collective goes through it."""

from __future__ import annotations

import ctypes
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchsuite import awareness, discovery
from benchsuite.awareness import Awareness
from benchsuite.backends.base import Description
from benchsuite.backends.cuda.mpi_world import DeviceMpiWorld
from benchsuite.errors import MeasureError
from benchsuite.model import TYPICAL
from benchsuite.plan import Capacity, Options, build
from benchsuite.suite import parse
from benchsuite.world.solo import SoloWorld
from tests.cuda_host import simulate
from tests.mpirun import mpirun, needs_mpi

SCRIPT = Path(__file__).with_name("mpi_device.py")
SUITE = '[[bench]]\nselect = ["allreduce", "memory"]\nbytes = ["1 MiB"]\n'


@needs_mpi
def test_every_collective_of_device_memory_is_right() -> None:
    done = mpirun(2, "-m", "tests.mpi_device", "2", timeout=100)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout)
    assert found.pop("exchanged") is True
    assert found.pop("claimed") in {True, False}
    assert found.pop("facts") == {"device memory": "exchanged correctly"}
    names = {key.split()[0] for key in found}
    assert names >= {"allreduce", "allgather", "reduce_scatter", "alltoall", "alltoallv", "broadcast", "shift"}
    assert any("place=in" in key for key in found)
    assert set(found.values()) == {0.0}, found


def test_only_what_it_says_no_to_is_not_tried() -> None:
    assert awareness.claim(SimpleNamespace(MPIX_Query_cuda_support=lambda: 1)) is True  # type: ignore[arg-type]
    assert awareness.claim(SimpleNamespace(MPIX_Query_cuda_support=lambda: 0)) is False  # type: ignore[arg-type]
    assert awareness.claim(ctypes.CDLL(None)) is None
    assert awareness.claim(None) is None


@pytest.mark.parametrize(
    ("script", "detail"),
    [
        ('echo noise; echo \'mpi-cuda: {"works": true, "detail": "exchanged correctly"}\'', "exchanged correctly"),
        ("kill -SEGV $$", "ended with exit code"),
        ("echo 'mpi-cuda: {broken'; exit 3", "ended with exit code 3"),
        ("sleep 30", "did not end within 1 s"),
    ],
)
def test_whatever_the_library_does_there_is_an_answer(
    script: str, detail: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mpiexec = tmp_path / "mpiexec"
    mpiexec.write_text(f"#!/bin/sh\ncase $1 in --version) echo HYDRA;; *) {script};; esac\n")
    mpiexec.chmod(0o755)
    monkeypatch.setattr("benchsuite.launchers.mpi.find", lambda: str(mpiexec))
    answer = awareness.ask({}, deadline=1.0)
    assert detail in answer.detail
    assert answer.works == (detail == "exchanged correctly")


@pytest.mark.parametrize(("works", "planned"), [(True, {"nccl", "mpi-cuda"}), (False, {"nccl"})])
def test_it_is_planned_only_where_it_works(works: bool, planned: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, str]] = []

    def answer(environment: dict[str, str]) -> Awareness:
        asked.append(environment)
        return Awareness(works, "so it went")

    monkeypatch.setattr(awareness, "ask", answer)
    benchmarks = discovery.discover()
    suite = parse(SUITE, "two", benchmarks)
    gpu = simulate.device("sm_90a", count=2)
    given = Description(frozenset({"cuda", "sm_90a", "nccl"}), 1 << 20, 1 << 33, gpu, environment={"A": "B"})
    found, told = awareness.offered(given, suite, benchmarks)
    capacity = Capacity(found.capabilities, cores=64, cache=1 << 20, memory=1 << 33, device=gpu)
    plan = build(suite, benchmarks, capacity, Options(seed=1))
    chosen = {task.implementation for task in plan.tasks if task.case.benchmark == "allreduce"}
    assert {name for name in chosen if not name.startswith("device-")} == planned
    assert told == {"mpi-cuda": {"device memory": "so it went"}}
    assert asked == [{"A": "B"}]
    for nobody in (
        Description(frozenset({"host"}), 1, 1),
        Description(frozenset({"cuda"}), 1, 1, TYPICAL["sm_90a"]),
    ):
        assert awareness.offered(nobody, suite, benchmarks) == (nobody, {})
    plain = parse('[[bench]]\nselect = ["memory"]\n', "one", benchmarks)
    assert awareness.offered(given, plain, benchmarks) == (given, {})
    assert len(asked) == 1


def test_mpi_is_not_asked_to_sum_what_it_would_take_for_integers() -> None:
    world = DeviceMpiWorld(simulate.SimulatedRuntime(), SoloWorld()).of("bf16")
    for call in (world.allreduce, world.start_allreduce, world.reduce_scatter):
        with pytest.raises(MeasureError, match="MPI sums no bf16"):
            call(np.zeros(2, np.uint16), np.zeros(2, np.uint16))
