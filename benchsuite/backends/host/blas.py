"""Matrix multiplication by the libraries: NumPy's and SciPy's BLAS, MKL, torch (oneDNN).

Buffers: ``a`` (m, k) and ``b`` (k, n), or (n, k) with layout ``nt``, in the case's ``dtype``, output ``c`` (m, n), all
C-contiguous; bf16 as uint16 bits, int8 accumulated into int32. Binding sets the library's thread count, which is
the process's own afterwards.
"""

from __future__ import annotations

import ctypes
from functools import cache, partial
from typing import Any, cast

import numpy as np

from benchsuite.backends.host.providers import mkl_library
from benchsuite.backends.host.tensors import tensors
from benchsuite.errors import UnavailableError
from benchsuite.model import Array, Buffers, Case, Step


def numpy(buffers: Buffers, case: Case, threads: int) -> Step:
    """``np.matmul(a, b, out=c)``: float32 and float64."""
    limit("numpy", threads)
    right = buffers["b"].T if _transposed(case) else buffers["b"]
    return partial(np.matmul, buffers["a"], right, out=buffers["c"])


def scipy(buffers: Buffers, case: Case, threads: int) -> Step:
    """SciPy's own BLAS, asked for C' = B' A', so that its column-major interface copies nothing."""
    from scipy.linalg import blas

    a, b, c = (buffers[name] for name in "abc")
    limit("scipy", threads)
    gemm: Any = {"fp32": blas.sgemm, "fp64": blas.dgemm}[case.text("dtype")]
    step = partial(gemm, 1.0, b.T, a.T, c=c.T, overwrite_c=1, trans_a=_transposed(case))
    if step().ctypes.data != c.ctypes.data:
        raise UnavailableError("SciPy's gemm copied its output: it would be timed with the copy.")
    return cast(Step, step)  # its result is c itself


def mkl(buffers: Buffers, case: Case, threads: int) -> Step:
    """``cblas_sgemm`` and ``cblas_dgemm`` of the ``mkl`` wheel, called through ctypes."""
    path = mkl_library()
    if path is None:
        raise UnavailableError("MKL is not installed.", "Install the mkl wheel.")
    library = ctypes.CDLL(str(path))
    library.MKL_Set_Num_Threads(ctypes.c_int(threads))
    real, symbol = {"fp32": (ctypes.c_float, "cblas_sgemm"), "fp64": (ctypes.c_double, "cblas_dgemm")}[
        case.text("dtype")
    ]
    a, b, c = (buffers[name] for name in "abc")
    (m, k), n = a.shape, c.shape[1]
    row_major, plain, right, pitch = 101, 111, *((112, k) if _transposed(case) else (111, n))
    words = [row_major, plain, right, m, n, k, real(1.0), _address(a), k, _address(b), pitch, real(0.0), _address(c), n]
    return partial(getattr(library, symbol), *words)


def torch(buffers: Buffers, case: Case, threads: int) -> Step:
    """``torch.mm`` for fp32, fp64 and bf16, ``torch._int_mm`` for int8, on the same memory."""
    import torch

    a, b, c = (tensors(buffers, threads)[name] for name in "abc")
    b = b.t() if _transposed(case) else b
    product = torch._int_mm if case.text("dtype") == "int8" else torch.mm
    return partial(product, a, b, out=c)


def _transposed(case: Case) -> bool:
    return case.text("layout") == "nt"


@cache
def limit(library: str, threads: int) -> None:
    """Once for each library and number: a scan of what is loaded costs tens of milliseconds."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(threads, user_api="blas")


def _address(array: Array) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)
