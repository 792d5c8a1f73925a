"""Backends: aligned, poisoned, named; the scripted one computes for real on an invented clock."""

from __future__ import annotations

import numpy as np
import pytest

from benchsuite.backends import NAMES, open_backend
from benchsuite.backends.fake import FakeBackend, Script
from benchsuite.errors import UsageError
from benchsuite.model import ArraySpec, Case
from benchsuite.world.solo import SoloWorld
from tests.conftest import toy


@pytest.mark.parametrize("name", NAMES)
def test_every_backend_obeys_the_contract(name: str) -> None:
    backend = open_backend(name, 2)
    assert backend.name == name
    assert "host" in backend.capabilities()
    assert backend.cache_bytes() > 0
    assert backend.memory_bytes() > 1 << 20
    assert all(isinstance(version, str) and version for version in backend.providers().values())
    timer = backend.timer()
    assert timer() <= timer()


@pytest.mark.parametrize("name", NAMES)
def test_uploads_are_copies_on_a_cache_line(name: str) -> None:
    array = np.arange(7.0)
    made = open_backend(name).upload({"x": array})["x"]
    assert np.array_equal(made, array)
    assert made.ctypes.data % 64 == 0
    made[0] = 5.0
    assert array[0] == 0.0


@pytest.mark.parametrize("dtype", ["fp64", "fp32", "fp16", "bf16", "int8", "int32", "uint64"])
def test_fresh_outputs_are_poisoned(dtype: str) -> None:
    made = open_backend("host").allocate({"y": ArraySpec((4, 3), dtype)})["y"]
    assert np.isnan(made).all() if made.dtype.kind == "f" else np.unique(made).size == 1
    assert not np.array_equal(made, np.zeros_like(made))


def test_an_unknown_backend_is_a_sentence() -> None:
    with pytest.raises(UsageError, match="Choose one of host, fake"):
        open_backend("tpu")


def test_the_script_is_found_by_part_of_the_key_and_cycles() -> None:
    script = Script(seconds={"kind=b": (1.0, 2.0)})
    backend, benchmark = FakeBackend(script), toy()
    case = Case.of("toy", n=8, kind="b")
    buffers = {**backend.upload({"x": np.ones(8)}), **backend.allocate(benchmark.outputs(case))}
    step = backend.bind(benchmark.implementations[0], buffers, case, SoloWorld())
    timer, moments = backend.timer(), []
    for _ in range(3):
        step()
        moments.append(timer())
    assert moments == [1.0, 3.0, 4.0]
    assert np.array_equal(buffers["y"], np.full(8, 2.0))
