"""cuBLASLt as a peer of our GEMM, through nvmath-python's bindings: every element type, fp8 and int8 included.

cuBLAS counts columns first, so the row-major C = A B is asked for as C^T = B^T A^T: our B is its first
matrix. Of the algorithms that its heuristic proposes the fastest of eight on this very case is taken,
so that the vendor is never beaten by a bad guess of its own.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from benchsuite.backends.cuda.runtime import Runtime
from benchsuite.errors import MeasureError, UnavailableError
from benchsuite.model import Buffers, Case, Step

CANDIDATES = 8
WORKSPACE = 64 << 20
"""Bytes that an algorithm may use; NVIDIA recommends 32 MiB for Hopper."""
TRIALS = 3


@dataclass(frozen=True, slots=True)
class Types:
    """Names of cuBLAS's types: of A and B, of C, of the sum, and of alpha and beta (with NumPy's name of it)."""

    element: str
    result: str
    compute: str
    scale: str
    numpy: str


TYPES = {
    "fp64": Types("CUDA_R_64F", "CUDA_R_64F", "COMPUTE_64F", "CUDA_R_64F", "float64"),
    "fp32": Types("CUDA_R_32F", "CUDA_R_32F", "COMPUTE_32F", "CUDA_R_32F", "float32"),
    "tf32": Types("CUDA_R_32F", "CUDA_R_32F", "COMPUTE_32F_FAST_TF32", "CUDA_R_32F", "float32"),
    "bf16": Types("CUDA_R_16BF", "CUDA_R_16BF", "COMPUTE_32F", "CUDA_R_32F", "float32"),
    "fp16": Types("CUDA_R_16F", "CUDA_R_16F", "COMPUTE_32F", "CUDA_R_32F", "float32"),
    "e4m3": Types("CUDA_R_8F_E4M3", "CUDA_R_16BF", "COMPUTE_32F", "CUDA_R_32F", "float32"),
    "int8": Types("CUDA_R_8I", "CUDA_R_32I", "COMPUTE_32I", "CUDA_R_32I", "int32"),
}
BLOCKED = {
    "mxfp8": (Types("CUDA_R_8F_E4M3", "CUDA_R_16BF", "COMPUTE_32F", "CUDA_R_32F", "float32"), "VEC32_UE8M0"),
    "nvfp4": (Types("CUDA_R_4F_E2M1", "CUDA_R_16BF", "COMPUTE_32F", "CUDA_R_32F", "float32"), "VEC16_UE4M3"),
}
"""Formats whose blocks share scales, and cuBLAS's name of how (cublasLtMatmulMatrixScale_t)."""
KINDS = {
    "CUDA_R_32F": 0,
    "CUDA_R_64F": 1,
    "CUDA_R_16F": 2,
    "CUDA_R_8I": 3,
    "CUDA_R_32I": 10,
    "CUDA_R_16BF": 14,
    "CUDA_R_8F_E4M3": 28,
    "CUDA_R_4F_E2M1": 33,
}
"""cudaDataType (CUDA's library_types.h)."""


def gemm(buffers: Buffers, case: Case, runtime: Runtime) -> Step:
    """C (m, n) = A (m, k) B; B is (k, n), or (n, k) where ``layout`` is ``nt``. ``UnavailableError`` if it cannot."""
    return _step(_Product(TYPES[case.text("dtype")], case, case.text("layout") == "nt"), buffers, runtime)


def gemm_blockscaled(buffers: Buffers, case: Case, runtime: Runtime) -> Step:
    """The same for formats whose blocks share scales; the matrices' own factors are its alpha. B is (n, k)."""
    types, mode = BLOCKED[case.text("dtype")]
    product = _Product(types, case, True, float(np.prod(runtime.download(buffers["factors"]), dtype=np.float64)))
    product.scale(mode, *(runtime.address(buffers[name]) for name in ("b_scales", "a_scales")))
    return _step(product, buffers, runtime)


def _step(product: _Product, buffers: Buffers, runtime: Runtime) -> Step:
    """The multiplication by the fastest of its algorithms."""
    workspace = runtime.empty((WORKSPACE,), "uint8", "device")
    b, a, c = (runtime.address(buffers[name]) for name in ("b", "a", "c"))
    launch = partial(product.enqueue, b, a, c, runtime.address(workspace), runtime.stream)
    steps: list[Step] = [partial(launch, algorithm) for algorithm in product.algorithms()]
    chosen = _fastest(steps, runtime)

    def step(keeps: tuple[object, ...] = (product, workspace, buffers)) -> None:
        chosen()

    return step


def _fastest(steps: Sequence[Step], runtime: Runtime) -> Step:
    """The step with the least time of a few trials; an algorithm that fails on this case is left out."""
    timed: list[tuple[float, Step]] = []
    problem: Exception | None = None
    for step in steps:
        try:
            step()
            runtime.synchronize()
            timed.append((min(runtime.elapsed([step], True).device for _ in range(TRIALS)), step))
        except Exception as error:  # the binding raises its own kind, which cannot be named without importing it
            problem = error
    if not timed:
        raise MeasureError(f"cuBLASLt runs none of its algorithms on this case: {problem}.") from problem
    return min(timed, key=lambda pair: pair[0])[1]


def _bindings() -> tuple[Any, Any]:
    """cuBLAS's and cuBLASLt's bindings, also where the rest of nvmath (which wants cuda-core) cannot be imported."""
    try:
        import nvmath  # noqa: F401
    except Exception:  # whatever a cuda-core of another version raises; the bindings need none of it
        spec = importlib.util.find_spec("nvmath")
        if spec is None:
            raise
        sys.modules["nvmath"] = importlib.util.module_from_spec(spec)
    from nvmath.bindings import cublas, cublasLt

    return cublas, cublasLt


class _Product:
    """The descriptors of one multiplication, kept as long as its steps."""

    def __init__(self, types: Types, case: Case, transposed: bool, alpha: float = 1.0) -> None:
        cublas, cublasLt = _bindings()
        self._lt: Any = cublasLt
        m, n, k = (case.integer(name) for name in "mnk")
        element, result, scale = (KINDS[name] for name in (types.element, types.result, types.scale))
        self._handle = cublasLt.create()
        self._operation = cublasLt.matmul_desc_create(getattr(cublas.ComputeType, types.compute), scale)
        if transposed:
            self._set("TRANSA", int(cublas.Operation.T))
        rows, columns = (k, n) if transposed else (n, k)
        self._b = cublasLt.matrix_layout_create(element, rows, columns, rows)
        self._a = cublasLt.matrix_layout_create(element, k, m, k)
        self._c = cublasLt.matrix_layout_create(result, n, m, n)
        self._alpha, self._zero = np.full(1, alpha, types.numpy), np.zeros(1, types.numpy)

    def scale(self, mode: str, b: int, a: int) -> None:
        """Blocks of B and A share scales, which lie at these addresses; ``UnavailableError`` of an older cuBLAS."""
        try:
            kind = int(getattr(self._lt.MatmulMatrixScale, mode))
            for name, address in (("A", b), ("B", a)):  # cuBLAS's first matrix is our second
                self._set(f"{name}_SCALE_MODE", kind)
                self._set(f"{name}_SCALE_POINTER", address)
        except AttributeError as error:
            remedy = "pip install a newer nvmath-python."
            raise UnavailableError("nvmath-python knows no scales of blocks.", remedy) from error

    def _set(self, name: str, value: int) -> None:
        attribute = getattr(self._lt.MatmulDescAttribute, name)
        held = np.array([value], self._lt.get_matmul_desc_attribute_dtype(attribute))
        self._lt.matmul_desc_set_attribute(self._operation, attribute, held.ctypes.data, held.nbytes)

    def algorithms(self) -> list[int]:
        """Addresses of the algorithms proposed, best guess first; ``UnavailableError`` where there is none."""
        lt = self._lt
        preference = lt.matmul_preference_create()
        attribute = lt.MatmulPreferenceAttribute.MAX_WORKSPACE_BYTES
        room = np.array([WORKSPACE], lt.get_matmul_preference_attribute_dtype(attribute))
        lt.matmul_preference_set_attribute(preference, attribute, room.ctypes.data, room.nbytes)
        self._found = lt.MatmulHeuristicResult(CANDIDATES)
        count = np.zeros(1, np.int32)
        shapes = (self._b, self._a, self._c, self._c)
        lt.matmul_algo_get_heuristic(
            self._handle, self._operation, *shapes, preference, CANDIDATES, self._found.ptr, count.ctypes.data
        )
        lt.matmul_preference_destroy(preference)
        size = lt.matmul_heuristic_result_dtype.itemsize
        good = [i for i in range(int(count[0])) if int(np.atleast_1d(self._found.state)[i]) == 0]
        if not good:
            raise UnavailableError("cuBLASLt has no algorithm for this case.")
        return [self._found.ptr + i * size for i in good]  # each result begins with its algorithm

    def enqueue(self, b: int, a: int, c: int, workspace: int, stream: Callable[[], int], algorithm: int) -> None:
        """One multiplication on the current stream."""
        scales = self._alpha.ctypes.data, self._zero.ctypes.data
        matrices = (scales[0], b, self._b, a, self._a, scales[1], c, self._c, c, self._c)
        self._lt.matmul(self._handle, self._operation, *matrices, algorithm, workspace, WORKSPACE, stream())
