"""Vector arithmetic of the attention kernels: base-2 exponential, reductions, register tiles of a product.

LLVM does not keep a product's accumulators in registers when a nest of loops is written out in
Python, so each tile is one intrinsic: its accumulators are values, its rows are unrolled here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types

from benchsuite.backends.host.simd import VECTOR_BYTES, Code, emit_fma, intrinsic, pointer

LANES = VECTOR_BYTES // 4
PANEL = 4 * LANES
"""Columns of a tile: four vectors, so that every broadcast serves four multiply-adds."""
ROWS = 4
"""Rows of the largest tile: 16 accumulators hide the multiply-add's latency and leave registers free."""

# 2**r on [-1/2, 1/2], relative error 7.5e-8 before rounding: least maximum error by Lawson's iteration.
_EXP2 = (1.3276466800123791e-3, 9.675541293025369e-3, 5.550713289560086e-2, 0.2402211972487134, 0.693146967054926, 1.0)
_INT = ir.IntType(32)


def _constant(kind: ir.VectorType, number: float) -> ir.Constant:
    return ir.Constant(kind, [number] * kind.count)


def _call(builder: ir.IRBuilder, name: str, kind: ir.Type, *args: Any, result: ir.Type | None = None) -> Any:
    signature = ir.FunctionType(result or kind, [arg.type for arg in args])
    suffix = f"v{kind.count}f32" if isinstance(kind, ir.VectorType) else "f32"
    return builder.call(cgutils.get_or_insert_function(builder.module, signature, f"llvm.{name}.{suffix}"), args)


def _elementwise(emit: Callable[[ir.IRBuilder, Any, Any], Any]) -> Code:
    """An intrinsic of two vectors, element by element."""

    @intrinsic
    def made(typing: Any, x: Any, y: Any) -> tuple[Any, Code]:
        return x(x, y), lambda context, builder, signature, args: emit(builder, *args)

    return made


def _greater(builder: ir.IRBuilder, x: Any, y: Any) -> Any:
    return builder.select(builder.fcmp_ordered(">", x, y), x, y)


maximum = _elementwise(_greater)
plus = _elementwise(lambda builder, x, y: builder.fadd(x, y))
minus = _elementwise(lambda builder, x, y: builder.fsub(x, y))
times = _elementwise(lambda builder, x, y: builder.fmul(x, y))


@intrinsic
def exp2(typing: Any, x: Any) -> tuple[Any, Code]:
    """``2**x`` of a float32 vector for x <= 0; exactly 0 below -126, where float32 has no normal numbers."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = args[0].type
        whole = _call(builder, "rint", kind, args[0])
        rest = builder.fsub(args[0], whole)
        power = _constant(kind, _EXP2[0])
        for coefficient in _EXP2[1:]:
            power = emit_fma(builder, power, rest, _constant(kind, coefficient))
        integers = ir.VectorType(_INT, kind.count)
        exponent = builder.shl(builder.fptosi(whole, integers), ir.Constant(integers, [23] * kind.count))
        value = builder.bitcast(builder.add(builder.bitcast(power, integers), exponent), kind)
        tiny = builder.fcmp_ordered("<", args[0], _constant(kind, -126.0))
        return builder.select(tiny, _constant(kind, 0.0), value)

    return x(x), code


@intrinsic
def sum_of(typing: Any, x: Any) -> tuple[Any, Code]:
    """The sum of a vector's lanes."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _sum(builder, args[0])

    return types.float32(x), code


@intrinsic
def max_of(typing: Any, x: Any) -> tuple[Any, Code]:
    """The largest of a vector's lanes."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _call(builder, "vector.reduce.fmax", args[0].type, args[0], result=ir.FloatType())

    return types.float32(x), code


@intrinsic
def prefetch(typing: Any, array: Any, index: Any) -> tuple[Any, Code]:
    """Ask for the cache line of ``array[index]`` in the second-level cache."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = cgutils.create_struct_proxy(signature.args[0])(context, builder, args[0]).data
        address = builder.bitcast(builder.gep(data, [args[1]]), ir.IntType(8).as_pointer())
        kinds = [address.type, _INT, _INT, _INT]
        function = builder.module.declare_intrinsic(
            "llvm.prefetch", [address.type], ir.FunctionType(ir.VoidType(), kinds)
        )
        builder.call(function, [address, *(ir.Constant(_INT, number) for number in (0, 2, 1))])
        return context.get_dummy_value()

    return types.void(array, types.intp), code


def _sum(builder: ir.IRBuilder, vector: Any) -> Any:
    """By halves: log2(lanes) additions."""
    count = vector.type.count
    while count > 1:
        count //= 2
        index = ir.VectorType(_INT, count)
        low = builder.shuffle_vector(vector, vector, ir.Constant(index, list(range(count))))
        high = builder.shuffle_vector(vector, vector, ir.Constant(index, list(range(count, 2 * count))))
        vector = builder.fadd(low, high)
    return builder.extract_element(vector, ir.Constant(_INT, 0))


def _sums(builder: ir.IRBuilder, vectors: list[Any]) -> Any:
    """The sum of each of several vectors (a power of two, at most their lanes), as the lanes of one.

    Two vectors' halves are added into one, and so on: a third of the work of one reduction each.
    """
    width = vectors[0].type.count
    while width > 1:
        groups = [group * width for group in range(vectors[0].type.count // width)]
        low = [start + lane for start in groups for lane in range(width // 2)]
        if len(vectors) > 1:
            low += [vectors[0].type.count + place for place in low]
            vectors = [_fold(builder, x, y, low, width // 2) for x, y in zip(vectors[::2], vectors[1::2], strict=True)]
        else:
            vectors = [_fold(builder, vectors[0], vectors[0], low, width // 2)]
        width //= 2
    return vectors[0]


def _fold(builder: ir.IRBuilder, x: Any, y: Any, low: list[int], distance: int) -> Any:
    """The lanes ``low`` of x and y, each added to the lane ``distance`` above it."""
    index = ir.VectorType(_INT, len(low))
    parts = (ir.Constant(index, [place + step for place in low]) for step in (0, distance))
    return builder.fadd(*(builder.shuffle_vector(x, y, part) for part in parts))


def _index(value: int) -> ir.Constant:
    return ir.Constant(ir.IntType(64), value)


def _broadcast(builder: ir.IRBuilder, scalar: Any, kind: ir.VectorType) -> Any:
    first = builder.insert_element(ir.Constant(kind, ir.Undefined), scalar, ir.Constant(_INT, 0))
    every = ir.Constant(ir.VectorType(_INT, kind.count), [0] * kind.count)
    return builder.shuffle_vector(first, first, every)


class _Memory:
    """Loads and stores of flat float32 arrays at computed indices."""

    def __init__(self, context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> None:
        self.context, self.builder, self.signature, self.args = context, builder, signature, args
        self.kind = ir.VectorType(ir.FloatType(), LANES)

    def at(self, base: Any, *steps: tuple[Any, Any]) -> Any:
        """``base`` plus each product of the pairs."""
        for count, stride in steps:
            base = self.builder.add(base, self.builder.mul(count, stride))
        return base

    def offset(self, base: Any, distance: int) -> Any:
        """``base + distance``."""
        return self.builder.add(base, ir.Constant(base.type, distance))

    def vector(self, array: int, index: Any) -> Any:
        """The vector at ``index`` of the argument number ``array``."""
        address = pointer(self.context, self.builder, self.signature.args[array], self.args[array], index)
        return self.builder.load(address, align=4)

    def put(self, array: int, index: Any, value: Any) -> None:
        """Store a vector."""
        address = pointer(self.context, self.builder, self.signature.args[array], self.args[array], index)
        self.builder.store(value, address, align=4)

    def scalar(self, array: int, index: Any) -> Any:
        """One element, in every lane."""
        data = cgutils.create_struct_proxy(self.signature.args[array])(
            self.context, self.builder, self.args[array]
        ).data
        return _broadcast(self.builder, self.builder.load(self.builder.gep(data, [index])), self.kind)


def _tile(rows: int) -> Code:
    """``c[m] = factor[m] * c[m] + sum over k of a[m, k] * b[k]`` for ``rows`` rows of ``PANEL`` columns.

    All arrays are flat; ``c0, a0, b0, f0`` are first elements, ``cm, am, ak, bk`` strides. A factor
    of 0 starts afresh, whatever ``c`` holds, NaN included.
    """

    @intrinsic
    def made(
        typing: Any,
        c: Any,
        c0: Any,
        cm: Any,
        a: Any,
        a0: Any,
        am: Any,
        ak: Any,
        b: Any,
        b0: Any,
        bk: Any,
        n: Any,
        f: Any,
        f0: Any,
    ) -> tuple[Any, Code]:
        i = types.intp
        return types.void(c, i, i, a, i, i, i, b, i, i, i, f, i), lambda *given: _emit_tile(rows, *given)

    return made


def _emit_tile(rows: int, context: Any, builder: Any, signature: Any, args: Any) -> Any:
    memory = _Memory(context, builder, signature, args)
    _, c0, cm, _, a0, am, ak, _, b0, bk, count, _, f0 = args
    sums = [[cgutils.alloca_once(builder, memory.kind) for _ in range(4)] for _ in range(rows)]
    zero = _constant(memory.kind, 0.0)
    for m in range(rows):
        factor = memory.scalar(11, memory.offset(f0, m))
        fresh = builder.fcmp_ordered("==", factor, zero)
        for j in range(4):
            old = memory.vector(0, memory.offset(memory.at(c0, (_index(m), cm)), j * LANES))
            builder.store(builder.select(fresh, zero, builder.fmul(old, factor)), sums[m][j])
    with cgutils.for_range(builder, count) as loop:
        columns = [memory.vector(7, memory.offset(memory.at(b0, (loop.index, bk)), j * LANES)) for j in range(4)]
        for m in range(rows):
            weight = memory.scalar(3, memory.at(a0, (_index(m), am), (loop.index, ak)))
            for j in range(4):
                builder.store(emit_fma(builder, weight, columns[j], builder.load(sums[m][j])), sums[m][j])
    for m in range(rows):
        for j in range(4):
            memory.put(0, memory.offset(memory.at(c0, (_index(m), cm)), j * LANES), builder.load(sums[m][j]))
    return context.get_dummy_value()


tile1, tile2, tile4 = (_tile(rows) for rows in (1, 2, 4))


def _dots(heads: int, keys: int) -> Code:
    """``s[h * sh + j] = q[h] . k[j]`` for ``heads`` queries and ``keys`` keys of ``n`` contiguous elements each.

    Flat arrays; ``s0, q0, k0`` are first elements, ``sh, qh, kj`` strides. Each vector of a key is
    loaded once for all queries: what decoding with grouped queries gains.
    """

    @intrinsic
    def made(
        typing: Any, s: Any, s0: Any, sh: Any, q: Any, q0: Any, qh: Any, k: Any, k0: Any, kj: Any, n: Any
    ) -> tuple[Any, Code]:
        i = types.intp
        return types.void(s, i, i, q, i, i, k, i, i, i), lambda *given: _emit_dots(heads, keys, *given)

    return made


def _emit_dots(heads: int, keys: int, context: Any, builder: Any, signature: Any, args: Any) -> Any:
    memory = _Memory(context, builder, signature, args)
    s, s0, sh, _, q0, qh, _, k0, kj, count = args
    sums = [[cgutils.alloca_once(builder, memory.kind) for _ in range(keys)] for _ in range(heads)]
    for row in sums:
        for one in row:
            builder.store(_constant(memory.kind, 0.0), one)
    with cgutils.for_range(builder, builder.udiv(count, _index(LANES))) as loop:
        step = builder.mul(loop.index, _index(LANES))
        queries = [memory.vector(3, memory.at(builder.add(q0, step), (_index(h), qh))) for h in range(heads)]
        for j in range(keys):
            key = memory.vector(6, memory.at(builder.add(k0, step), (_index(j), kj)))
            for h in range(heads):
                builder.store(emit_fma(builder, queries[h], key, builder.load(sums[h][j])), sums[h][j])
    data = cgutils.create_struct_proxy(signature.args[0])(context, builder, s).data
    handful = min(keys, LANES)
    for h in range(heads):
        for j in range(0, keys, handful):
            totals = _sums(builder, [builder.load(one) for one in sums[h][j : j + handful]])
            address = builder.gep(data, [memory.offset(memory.at(s0, (_index(h), sh)), j)])
            builder.store(totals, builder.bitcast(address, totals.type.as_pointer()), align=4)
    return context.get_dummy_value()


dots1, dots2, dots4 = _dots(1, 8), _dots(2, 4), _dots(4, 4)
