"""How fast does a matrix multiplication with int4 or int8 weights read them, at the batch sizes of decoding?

y (m, n) = x (m, k) W (k, n) with m up to some dozens: W[i, j] = scale[i // group, j] * integer[i, j], symmetric,
two's complement. Each weight is read once and used m times, so the rate is a bandwidth: the packed
weights, their scales, x and y, each once.

The weights lie in the order in which tensor cores take them (``pack``): a model's weights are put into
it once, when it is loaded, so that this is no part of the time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchsuite import units
from benchsuite.model import (
    Array,
    Arrays,
    ArraySpec,
    Axis,
    Benchmark,
    Buffers,
    CacheMode,
    Case,
    CudaKernel,
    Device,
    Expected,
    HostCall,
    Implementation,
    Launch,
    Metric,
    Source,
    Tolerance,
    Work,
)

GROUP = 128  # k of one scale
STRIP = 16  # columns that lie together
BLOCK_BYTES = 512  # of a strip: 16 bytes for each lane of a warp
BITS = {"int4": 4, "int8": 8}
DEVIATION = {"int4": math.sqrt((16**2 - 1) / 12), "int8": math.sqrt((256**2 - 1) / 12)}  # of uniform integers
AT_ONCE = 64  # strips that are unpacked at a time


def shape(case: Case) -> tuple[int, int, int]:
    """m, n, k."""
    return case.integer("m"), case.integer("n"), case.integer("k")


# ---------------------------------------------------------------- the packed order


def pack(integers: Array, bits: int) -> Array:
    """Integers (k, n) as 32-bit words (n/16, k/64 or k/32, 32 lanes, 4) in the order of the mma's A fragments.

    A block is 16 columns (the mma's rows) by four (int4) or two (int8) steps of 16 k. Lane 4g + t holds of each
    step the columns g and g + 8 and the k 2t, 2t + 1, 2t + 8, 2t + 9 (PTX ISA, "Matrix Fragments for
    mma.m16n8k16"). The low halves of a step's words hold even k and the high halves the odd k beside them, so
    that one mask picks a pair: nibble or byte number 2 (k >= 8) + (column >= 8) of its half, for int8 with
    one word for k < 8 and one for the rest.
    """
    k, n = integers.shape
    parts: Array
    if bits == 8:  # strip, column >= 8, g, block, step, k >= 8, t, odd -> bytes of a word: odd, column >= 8
        parts = integers.T.astype(np.int8).view(np.uint8).reshape(n // STRIP, 2, 8, k // 32, 2, 2, 4, 2)
        parts = parts.transpose(0, 3, 2, 6, 4, 5, 7, 1)
    else:  # the columns g and g + 8 share a byte; bytes of a word: odd, k >= 8
        nibbles = (integers.T.astype(np.int8).view(np.uint8) & 15).reshape(n // STRIP, 2, 8, k)
        parts = (nibbles[:, 0] | nibbles[:, 1] << 4).reshape(n // STRIP, 8, k // 64, 4, 2, 4, 2)
        parts = parts.transpose(0, 2, 1, 5, 3, 6, 4)
    return np.ascontiguousarray(parts).reshape(-1).view(np.uint32).reshape(n // STRIP, -1, 32, 4)


def unpack(words: Array, bits: int) -> Array:
    """``pack`` undone, the same way: integers (k, n) as int8."""
    strips, blocks = words.shape[:2]
    octets = np.ascontiguousarray(words).view(np.uint8)
    if bits == 8:
        parts = octets.reshape(strips, blocks, 8, 4, 2, 2, 2, 2).transpose(0, 7, 2, 1, 4, 5, 3, 6)
        return np.ascontiguousarray(parts).view(np.int8).reshape(strips * STRIP, blocks * 32).T
    pairs = octets.reshape(strips, blocks, 8, 4, 4, 2, 2).transpose(0, 2, 1, 4, 6, 3, 5).reshape(strips, 8, -1)
    signed = np.stack((pairs << 4, pairs), axis=1).view(np.int8) >> 4
    return signed.reshape(strips * STRIP, blocks * 64).T


def fragment_places(bits: int) -> tuple[Array, Array]:
    """Byte and shift of every integer (column, k) of a block, from the fragments' definition, one at a time.

    Independent of ``pack``: the reference reads the weights with it.
    """
    span = 8 * BLOCK_BYTES // (STRIP * bits)
    byte, shift = np.zeros((STRIP, span), np.intp), np.zeros((STRIP, span), np.uint8)
    for column in range(STRIP):
        for k in range(span):
            lane = column % 8 * 4 + k % 8 // 2
            step, register, odd = k // 16, column // 8 + 2 * (k % 16 // 8), k % 2
            if bits == 4:
                byte[column, k] = 16 * lane + 4 * step + (register + 4 * odd) // 2
                shift[column, k] = 4 * (register % 2)
            else:
                byte[column, k] = 16 * lane + 8 * step + 4 * (register // 2) + register % 2 + 2 * odd
    return byte, shift


def pack_scales(scales: Array) -> Array:
    """Scales (k / group, n) with the columns c and c + 8 of each strip side by side."""
    groups, n = scales.shape
    return np.ascontiguousarray(scales.reshape(groups, n // STRIP, 2, 8).swapaxes(2, 3)).reshape(groups, n)


def unpack_scales(packed: Array) -> Array:
    """``pack_scales`` undone."""
    groups, n = packed.shape
    return packed.reshape(groups, n // STRIP, 8, 2).swapaxes(2, 3).reshape(groups, n)


# ---------------------------------------------------------------- the benchmark


def inputs(case: Case, rng: np.random.Generator) -> Arrays:
    """``x`` of N(0, 1), uniform integers, and scales that make y about N(0, 1): 0.5 to 1.5 over sqrt(k) deviations."""
    m, n, k = shape(case)
    dtype, weights = case.text("dtype"), case.text("weights")
    half = 2 ** (BITS[weights] - 1)
    integers = rng.integers(-half, half, (k, n), dtype=np.int8)
    scales = rng.uniform(0.5, 1.5, (k // GROUP, n)) / (DEVIATION[weights] * math.sqrt(k))
    return {
        "x": _rounded(rng.standard_normal((m, k), dtype=np.float32), dtype),
        "weights": pack(integers, BITS[weights]),
        "scales": pack_scales(_rounded(scales.astype(np.float32), dtype)),
    }


def _rounded(values: Array, dtype: str) -> Array:
    return units.to_bf16(values) if dtype == "bf16" else values.astype(np.float16)


def outputs(case: Case) -> Mapping[str, ArraySpec]:
    """``y`` (m, n) in x's type."""
    m, n, _ = shape(case)
    return {"y": ArraySpec((m, n), case.text("dtype"))}


def work(case: Case) -> Work:
    """2 m n k operations; packed weights, scales and x read once, y written once."""
    m, n, k = shape(case)
    weights = n * k * BITS[case.text("weights")] / 8
    return Work(flops=2.0 * m * n * k, read=weights + 2.0 * (k // GROUP * n + m * k), written=2.0 * m * n)


def reference(case: Case, ranks: Sequence[Arrays], rng: np.random.Generator) -> Mapping[str, Expected]:
    """The whole result in float64, with each integer taken from its place in the packed words."""
    arrays, dtype, bits = ranks[0], case.text("dtype"), BITS[case.text("weights")]
    m, n, k = shape(case)
    x = units.as_float(arrays["x"], dtype).astype(np.float64)
    scales = unpack_scales(units.as_float(arrays["scales"], dtype)).astype(np.float64)
    blocks = np.ascontiguousarray(arrays["weights"]).view(np.uint8).reshape(n // STRIP, -1, BLOCK_BYTES)
    byte, shift = fragment_places(bits)
    integer_of = np.where(np.arange(2**bits) < 2 ** (bits - 1), 0.0, -(2.0**bits)) + np.arange(2**bits)
    values = np.empty((m, n))
    for first in range(0, n // STRIP, AT_ONCE):
        codes = blocks[first : first + AT_ONCE][:, :, byte] >> shift & (2**bits - 1)
        integers = integer_of[codes.swapaxes(1, 2).reshape(-1, k)]
        columns = slice(first * STRIP, first * STRIP + len(integers))
        values[:, columns] = x @ (integers.T * np.repeat(scales[:, columns], GROUP, axis=0))
    return {"y": Expected(values)}


def by_numpy(buffers: Buffers, case: Case) -> None:
    """Some columns at a time: unpack, scale, multiply in float32."""
    dtype, bits = case.text("dtype"), BITS[case.text("weights")]
    x = units.as_float(buffers["x"], dtype).astype(np.float32)
    scales = unpack_scales(units.as_float(buffers["scales"], dtype)).astype(np.float32)
    words, y = buffers["weights"], buffers["y"]
    for first in range(0, len(words), AT_ONCE):
        columns = slice(first * STRIP, (first + AT_ONCE) * STRIP)
        integers = unpack(words[first : first + AT_ONCE], bits).astype(np.float32)
        y[:, columns] = _rounded(x @ (integers * np.repeat(scales[:, columns], GROUP, axis=0)), dtype)


def tolerance(case: Case) -> Tolerance:
    """Float32 sums of k products, rounded once: by up to 2**-9 (bf16) or 2**-11 (fp16) of y; twice that is allowed.

    The sums are those of the gemm benchmark with weights of size 1/sqrt(k): its 4 u k, u = 2**-23, becomes
    4 u sqrt(k). Integers times x are exact in float32, and so is the conversion of the integers.
    """
    relative = 2.0**-8 if case.text("dtype") == "bf16" else 2.0**-10
    return Tolerance(relative, 4 * 2.0**-23 * math.sqrt(case.integer("k")))


def invalid(case: Case) -> str:
    """Shapes that the packed order does not have."""
    m, n, k = shape(case)
    if min(m, n, k) < 1:
        return "a matrix has no elements"
    return "n is no multiple of 16 or k no multiple of the group of 128" if n % STRIP or k % GROUP else ""


# ---------------------------------------------------------------- our kernel: kernels/gemm/dequant.cu

THREADS, TILE_N = 256, 128
FEWEST_STAGES, MOST_STAGES = 4, 8


@dataclass(frozen=True, slots=True)
class Plan:
    """How the kernel is compiled and launched: see its macros."""

    m_tiles: int
    vectors: int
    stages: int
    blocks: int
    stage_bytes: int
    chunk_k: int


def plan(case: Case, device: Device) -> Plan:
    """Two blocks a processor and large chunks where shared memory and registers allow both, else two blocks, else one.

    From 17 rows of x on, its fragments and sums take more than half a processor's registers.
    """
    bits = BITS[case.text("weights")]
    m_tiles = next(tiles for tiles in (1, 2, 4, 8) if 8 * tiles >= case.integer("m") or tiles == 8)
    for vectors, blocks in ((2, 2), (1, 2)) if m_tiles <= 2 else ():
        room = (device.shared + units.KIB) // blocks - units.KIB  # each block costs 1 KiB that it cannot use
        if (made := _plan(bits, m_tiles, vectors, blocks, room)).stages >= FEWEST_STAGES:
            return made
    return _plan(bits, m_tiles, 1, 1, device.shared)


def _plan(bits: int, m_tiles: int, vectors: int, blocks: int, room: int) -> Plan:
    chunk_k = 2 * vectors * 8 * BLOCK_BYTES // (STRIP * bits)
    weights, x = TILE_N * chunk_k * bits // 8, 8 * m_tiles * chunk_k * 2
    stage = weights + x + max(1, chunk_k // GROUP) * TILE_N * 2
    return Plan(m_tiles, vectors, min(MOST_STAGES, room // stage), blocks, stage, chunk_k)


def source(case: Case, device: Device) -> Source:
    """Compiled for the element types and for 8, 16, 32 or 64 rows of x."""
    made = plan(case, device)
    return Source.of(
        "gemm/dequant.cu",
        WEIGHT_BITS=BITS[case.text("weights")],
        DTYPE_BF16=int(case.text("dtype") == "bf16"),
        M_TILES=made.m_tiles,
        VECTORS=made.vectors,
        STAGES=made.stages,
        BLOCKS=made.blocks,
    )


def grid(case: Case, device: Device) -> int:
    """As many blocks as run at once, and no more than there are chunks."""
    _, n, k = shape(case)
    made = plan(case, device)
    return min(device.processors * made.blocks, -(-n // TILE_N) * -(-k // made.chunk_k))


def scratch(case: Case, device: Device) -> Mapping[str, ArraySpec]:
    """Sums of shared column tiles, two for each block, and how many blocks of each tile have arrived."""
    rows = 8 * plan(case, device).m_tiles
    return {
        "partial": ArraySpec((grid(case, device), 2, rows, TILE_N), "fp32"),
        "arrived": ArraySpec((-(-case.integer("n") // TILE_N),), "uint32"),
    }


def launches(case: Case, device: Device) -> tuple[Launch, ...]:
    """One launch."""
    made = plan(case, device)
    buffers = ("y", "x", "weights", "scales", "partial", "arrived")
    sizes = tuple(np.int32(size) for size in shape(case))
    shared = made.stages * made.stage_bytes
    return (Launch("dequant_gemm", (grid(case, device), 1, 1), (THREADS, 1, 1), (*buffers, *sizes), shared),)


def tensor(case: Case) -> str:
    """``mma.m16n8k16`` with float32 sums."""
    return "HMMA.16816.F32.BF16" if case.text("dtype") == "bf16" else "HMMA.16816.F32"


BENCHMARK = Benchmark(
    name="dequant",
    question="How fast does a matrix multiplication with int4 or int8 weights read them?",
    metric=Metric.BANDWIDTH,
    axes=(
        Axis("m", (1, 16), "rows of x and y: tokens decoded at once"),
        Axis("n", (64, 4096), "columns of W and y, a multiple of 16"),
        Axis("k", (128, 4096), "columns of x, rows of W, a multiple of the group"),
        Axis("weights", ("int4",), "how W is stored", choices=tuple(BITS)),
        Axis("dtype", ("bf16",), "element type of x, y and the scales", choices=("bf16", "fp16")),
        Axis("group", (GROUP,), "k of one scale", choices=(GROUP,)),
    ),
    inputs=inputs,
    outputs=outputs,
    work=work,
    reference=reference,
    implementations=(
        Implementation(
            "stream-k",
            CudaKernel(source, launches, scratch, frozenset({"arrived"}), tensor=tensor),
            frozenset({"cuda"}),
            supports=lambda case: case.integer("m") <= 64,
        ),
        Implementation("numpy", HostCall(by_numpy), provider="numpy"),
    ),
    tolerance=tolerance,
    tags=frozenset({"gemm", "dram"}),
    cache=CacheMode.COLD,
    invalid=invalid,
)
