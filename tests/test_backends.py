"""Backends: aligned, poisoned, named; the scripted one computes for real on an invented clock."""

from __future__ import annotations

import numpy as np
import pytest

from benchsuite.backends import NAMES, describe, open_backend
from benchsuite.backends.fake import FakeBackend, Script
from benchsuite.errors import UnavailableError, UsageError
from benchsuite.model import ArraySpec, Case, CudaKernel, Implementation, Source
from benchsuite.world.solo import SoloWorld
from tests.conftest import toy

HERE = [name for name in NAMES if name != "cuda"]
"""Those that run on any machine; the CUDA backend has a file of its own."""


@pytest.mark.parametrize("name", HERE)
def test_every_backend_obeys_the_contract(name: str) -> None:
    backend = open_backend(name, 2)
    assert backend.name == name
    assert "host" in backend.capabilities()
    assert backend.cache_bytes() > 0
    assert backend.memory_bytes() > 1 << 20
    assert all(isinstance(version, str) and version for version in backend.providers().values())
    timer = backend.timer()
    assert timer() <= timer()
    calls: list[int] = []
    assert backend.elapsed([lambda: calls.append(1), lambda: calls.append(2)]).seconds >= 0.0
    assert calls == [1, 2]


@pytest.mark.parametrize("name", HERE)
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
    with pytest.raises(UsageError, match="Choose one of host, cuda, fake"):
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
    assert backend.elapsed([step, step]) == (3.0, None)
    assert np.array_equal(buffers["y"], np.full(8, 2.0))


@pytest.mark.parametrize("name", HERE)
def test_a_description_tells_what_the_backend_would(name: str) -> None:
    backend, told = open_backend(name), describe(name)
    assert (told.capabilities, told.cache) == (backend.capabilities(), backend.cache_bytes())
    assert told.memory == pytest.approx(backend.memory_bytes(), rel=0.2)
    assert told.device is None
    with pytest.raises(UsageError, match="--backend cuda"):
        describe(name, device=1)


def test_a_gpu_s_implementation_is_unavailable_on_a_processor() -> None:
    kernel = CudaKernel(lambda case, device: Source.of("x.cu"), lambda case, device: ())
    with pytest.raises(UnavailableError, match="--backend cuda"):
        open_backend("host").bind(Implementation("raw", kernel), {}, Case.of("toy"), SoloWorld())
