"""cuBLASLt's route: shapes, transposes and leading dimensions judged by the product they make."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from benchsuite import units
from benchsuite.backends.cuda import cublaslt
from benchsuite.benchmarks import gemm_blockscaled
from benchsuite.benchmarks.gemm import BENCHMARK
from benchsuite.errors import MeasureError, UnavailableError
from benchsuite.measure.verify import check
from benchsuite.model import Array, Benchmark, Case, CudaLibrary, Rejected, Tolerance
from tests import fake_nvmath
from tests.cuda_host import simulate


class Runtime(simulate.SimulatedRuntime):
    """With the two words that a library needs: where a buffer lies and which stream is ours."""

    def address(self, array: Array) -> int:
        return int(array.ctypes.data)

    def stream(self) -> int:
        return 0


def judged(
    case: Case, library: fake_nvmath.Library, patch: pytest.MonkeyPatch, benchmark: Benchmark = BENCHMARK
) -> float | Rejected:
    runtime = Runtime()
    inputs = dict(benchmark.inputs(case, np.random.default_rng(0)))
    buffers = {name: runtime.upload(array) for name, array in inputs.items()}
    spec = benchmark.outputs(case)["c"]
    op = next(item.op for item in benchmark.implementations if item.name == "cublaslt")
    assert isinstance(op, CudaLibrary)
    buffers["c"] = runtime.empty(spec.shape, units.dtype(spec.dtype).storage)
    with fake_nvmath.installed(library, patch):
        getattr(cublaslt, op.entry.split(":")[1])(buffers, case, runtime)()
    expected = benchmark.reference(case, [inputs], np.random.default_rng(1))
    return check(buffers, expected, benchmark.outputs(case), benchmark.tolerance(case) or Tolerance())


@pytest.mark.parametrize("layout", ["nn", "nt"])
@pytest.mark.parametrize("dtype", sorted(cublaslt.TYPES))
def test_the_product_is_the_benchmark_s(dtype: str, layout: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case.of("gemm", m=7, n=5, k=12, dtype=dtype, layout=layout, data="normal")
    library = fake_nvmath.Library()
    assert not isinstance(judged(case, library, monkeypatch), Rejected)
    assert set(library.algorithms_run) == {0, 1}, "every good algorithm is tried, a bad one is not"


@pytest.mark.parametrize("dtype", sorted(cublaslt.BLOCKED))
def test_blocks_scales_and_factors_are_handed_over(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case.of("gemm-blockscaled", m=130, n=72, k=288, dtype=dtype)
    found = judged(case, fake_nvmath.Library(), monkeypatch, gemm_blockscaled.BENCHMARK)
    assert isinstance(found, float), found


def test_a_binding_without_scales_of_blocks_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    library = fake_nvmath.Library()
    del library.MatmulMatrixScale
    case = Case.of("gemm-blockscaled", m=8, n=8, k=32, dtype="nvfp4")
    with pytest.raises(UnavailableError, match="no scales of blocks"):
        judged(case, library, monkeypatch, gemm_blockscaled.BENCHMARK)


def test_an_algorithm_that_fails_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case.of("gemm", m=7, n=5, k=12, dtype="fp32", layout="nn", data="normal")
    library = fake_nvmath.Library()
    library.refuse = {0}
    assert not isinstance(judged(case, library, monkeypatch), Rejected)
    assert library.algorithms_run[-1] == 1


@pytest.mark.parametrize(("states", "refuse"), [((15,), set()), ((), set()), ((0, 0), {0, 1})])
def test_no_algorithm_is_a_sentence(states: tuple[int, ...], refuse: set[int], monkeypatch: pytest.MonkeyPatch) -> None:
    library = fake_nvmath.Library()
    library.states, library.refuse = states, refuse
    with pytest.raises((MeasureError, UnavailableError), match="cuBLASLt"):
        judged(Case.of("gemm", m=7, n=5, k=12, dtype="fp32", layout="nn", data="normal"), library, monkeypatch)


def test_the_bindings_do_not_need_the_rest_of_nvmath(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its package imports FFTs and tensors first, which want a cuda-core of certain versions."""
    (tmp_path / "nvmath" / "bindings").mkdir(parents=True)
    (tmp_path / "nvmath" / "__init__.py").write_text("import nowhere_to_be_found\n")
    (tmp_path / "nvmath" / "bindings" / "__init__.py").write_text("cublas, cublasLt = 1, 2\n")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("nvmath", "nvmath.bindings"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
        del sys.modules[name]  # what is imported now is forgotten afterwards
    assert cublaslt._bindings() == (1, 2)
