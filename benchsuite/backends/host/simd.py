"""Vectors for compiled kernels: one numba type and a few intrinsics, as wide as this CPU's registers.

Plain numba loops cannot ask for a non-temporal store: LLVM's vectoriser takes a scalar store marked
``!nontemporal`` only where its alignment covers a whole vector, and drops the mark otherwise. A
kernel that says ``stream(a, i, v)`` gets the instruction it asked for (``vmovntpd`` on x86-64,
``stnp`` on aarch64). The same vectors keep the accumulators of the FMA probe in registers.

Kernels are cached on disk (``NUMBA_CACHE_DIR``), keyed by CPU name and features, so nothing here
may be a ctypes object or a large global. numba stamps an entry with the kernel's own file only:
after an edit to this module, remove the cached kernels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba
from llvmlite import binding, ir
from numba.core import cgutils, types
from numba.extending import intrinsic as numba_intrinsic
from numba.extending import models, register_model

Function = TypeVar("Function", bound=Callable[..., Any])
Code = Callable[..., Any]

LINE_BYTES = 64
_FEATURES: dict[str, bool] = dict(binding.get_host_cpu_features())
_X86 = bool(_FEATURES.get("sse2"))
VECTOR_BYTES = 64 if _FEATURES.get("avx512f") else 32 if _FEATURES.get("avx2") else 16
REGISTERS = 16 if _X86 and VECTOR_BYTES < 64 else 32


def jit(*, parallel: bool = False, fastmath: bool | frozenset[str] = False) -> Callable[[Function], Function]:
    """``numba.njit`` with a type: cached on disk, no GIL, IEEE division."""
    flags = set(fastmath) if isinstance(fastmath, frozenset) else fastmath

    def compiled(function: Function) -> Function:
        dispatcher: Function = numba.njit(
            parallel=parallel, fastmath=flags, cache=True, nogil=True, error_model="numpy"
        )(function)
        return dispatcher

    return compiled


def intrinsic(function: Code) -> Code:
    """``numba.extending.intrinsic`` with a type: callers do not pass the typing context."""
    made: Code = numba_intrinsic(function)
    return made


def use_threads(threads: int) -> None:
    """Let the calling thread's parallel kernels run on ``threads`` threads, at most those numba started with.

    Call it in every step: the setting is the calling thread's own, and another kernel may have changed
    it. A parallel kernel loops ``for share in prange(threads)``: one contiguous share per thread.
    """
    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))


def lanes(element_bytes: int) -> int:
    """Elements of one vector register."""
    return VECTOR_BYTES // element_bytes


class Vector(types.Type):
    """The numba type of one register of ``element`` (float32 or float64)."""

    def __init__(self, element: types.Float) -> None:
        self.element = element
        self.lanes = lanes(element.bitwidth // 8)
        super().__init__(name=f"Vector({element}, {self.lanes})")


def _register(element_bits: int, count: int) -> ir.VectorType:
    return ir.VectorType(ir.DoubleType() if element_bits == 64 else ir.FloatType(), count)


class _VectorModel(models.PrimitiveModel):  # type: ignore[misc]
    """Stored as LLVM's vector, so that local variables become registers."""

    def __init__(self, manager: Any, vector: Vector) -> None:
        super().__init__(manager, vector, _register(vector.element.bitwidth, vector.lanes))


register_model(Vector)(_VectorModel)


def pointer(context: Any, builder: ir.IRBuilder, array: Any, value: Any, index: Any) -> Any:
    """The address of ``array[index]`` as a pointer to a vector (C-contiguous, no bounds check)."""
    data = cgutils.create_struct_proxy(array)(context, builder, value).data
    register = context.get_value_type(Vector(array.dtype))
    return builder.bitcast(builder.gep(data, [index]), register.as_pointer())


def emit_fma(builder: ir.IRBuilder, x: Any, y: Any, z: Any) -> Any:
    """``x * y + z`` of three vectors, rounded once."""
    kind = x.type
    bits = 64 if isinstance(kind.element, ir.DoubleType) else 32
    signature = ir.FunctionType(kind, [kind] * 3)
    return builder.call(
        cgutils.get_or_insert_function(builder.module, signature, f"llvm.fma.v{kind.count}f{bits}"), [x, y, z]
    )


@intrinsic
def load(typing: Any, array: Any, index: Any) -> tuple[Any, Code]:
    """The vector at ``array[index]``; any element alignment."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address = pointer(context, builder, signature.args[0], args[0], args[1])
        return builder.load(address, align=array.dtype.bitwidth // 8)

    return Vector(array.dtype)(array, types.intp), code


@intrinsic
def store(typing: Any, array: Any, index: Any, vector: Any) -> tuple[Any, Code]:
    """``array[index : index + lanes] = vector``; any element alignment."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address = pointer(context, builder, signature.args[0], args[0], args[1])
        builder.store(args[2], address, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), code


@intrinsic
def stream(typing: Any, array: Any, index: Any, vector: Any) -> tuple[Any, Code]:
    """As ``store`` but past the caches; the address must be a multiple of the vector's size."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address = pointer(context, builder, signature.args[0], args[0], args[1])
        stored = builder.store(args[2], address, align=VECTOR_BYTES)
        mark = builder.module.add_metadata([ir.Constant(ir.IntType(32), 1)])
        stored.set_metadata("nontemporal", mark)
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), code


@intrinsic
def splat(typing: Any, scalar: Any) -> tuple[Any, Code]:
    """A vector with ``scalar`` in every lane."""
    vector = Vector(scalar)

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        register, index = context.get_value_type(vector), ir.IntType(32)
        first = builder.insert_element(ir.Constant(register, ir.Undefined), args[0], ir.Constant(index, 0))
        every = ir.Constant(ir.VectorType(index, vector.lanes), [0] * vector.lanes)
        return builder.shuffle_vector(first, first, every)

    return vector(scalar), code


@intrinsic
def fma(typing: Any, x: Any, y: Any, z: Any) -> tuple[Any, Code]:
    """``x * y + z`` of three vectors, rounded once."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return emit_fma(builder, *args)

    return x(x, y, z), code


@intrinsic
def again(typing: Any) -> tuple[Any, Code]:
    """Tell the compiler that memory may have changed, so that a repeated pass is really repeated."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.asm(ir.FunctionType(ir.VoidType(), []), "", "~{memory}", [], True)
        return context.get_dummy_value()

    return types.void(), code


@intrinsic
def drain(typing: Any) -> tuple[Any, Code]:
    """Wait until streamed stores have left the core (x86 orders them only by ``sfence``)."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        if _X86:
            signature = ir.FunctionType(ir.VoidType(), [])
            builder.call(cgutils.get_or_insert_function(builder.module, signature, "llvm.x86.sse.sfence"), [])
        return context.get_dummy_value()

    return types.void(), code
