"""How many operations per second does one arithmetic instruction reach when its operands never leave the registers?

The third denominator beside the datasheet and the formula: GEMM and attention are held against what this very chip
does, at the clock and power it really keeps. ``mma.sync`` is the ceiling of kernels that use ``mma.sync``, not always
the card's: all there is on sm_80, sm_86, sm_89 and sm_120, but some two thirds of the tensor cores' peak on sm_90
(which takes ``wgmma``) and less on sm_100 (``tcgen05``). ``fma`` is the ceiling without tensor cores.

The sums check themselves. Rows of A come in pairs a and a' = e - a, columns of B in pairs b and b' = e - b, all whole
multiples of the grid e; every sum collects a b + a' b + a' b' + a b' = e e for each k, round after round. All of it
is exact in any order of addition, so a sum tells to the last bit how many products went into it, and the output is
the number of multiply-adds whose sum is right: no tolerance. (It cannot tell which rows met, and need not.)

Exact sums cost mantissa bits: the operands are N(0, 1) cut off at 2 and rounded to the grid of ``KINDS`` (int8:
uniform), 8 bits of bf16's 8, 9 of tf32's and fp16's 11, 4 of e4m3's 4, 3 of e2m1's numbers' bits, 11 of fp32's 24, 23
of fp64's 53. So power is that of random data, or less where bits are missing; with an fp16 sum only 3 are left, a
ceiling for cheap data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchsuite import units
from benchsuite.model import (
    ARCHITECTURES,
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
    Work,
)


@dataclass(frozen=True, slots=True)
class Kind:
    """One instruction's arithmetic.

    stored: element type of the operands. rows, columns, depth: shape of A (rows, depth) and B (columns, depth).
    grid: operands are multiples of e = 2**-grid. bits: significant bits of a sum. tensor: the SASS instruction.
    """

    stored: str
    rows: int
    columns: int
    depth: int
    grid: int
    bits: int
    tensor: str

    @property
    def step(self) -> float:
        """The grid e."""
        return 2.0**-self.grid

    @property
    def limit(self) -> float:
        """No operand is larger; of int8 all but the last value, so that e - a is one too."""
        return 127.0 if self.stored == "int8" else 2.0

    @property
    def stretch(self) -> int:
        """Rounds after which a sum may begin to lose bits: it must start again from zero.

        Beside ``depth`` e e for every round a sum holds at most one product of each k, at most limit
        (limit + 2 e) each; together they must stay below 2**bits e e.
        """
        largest = self.depth * self.limit * (self.limit + 2 * self.step)
        return min(2**15, int((2.0**self.bits * self.step**2 - largest) / (self.depth * self.step**2)))


KINDS: Mapping[str, Kind] = {
    "fp32": Kind("fp32", 64, 32, 1, 10, 24, ""),
    "fp64": Kind("fp64", 32, 16, 16, 22, 53, "DMMA"),
    "tf32": Kind("tf32", 64, 32, 8, 8, 24, "HMMA.1688.F32.TF32"),
    "bf16": Kind("bf16", 64, 32, 16, 7, 24, "HMMA.16816.F32.BF16"),
    "fp16": Kind("fp16", 64, 32, 16, 8, 24, "HMMA.16816.F32"),
    "fp16-sum16": Kind("fp16", 64, 32, 16, 2, 11, "HMMA.16816.F16"),
    "int8": Kind("int8", 64, 32, 32, 0, 31, "IMMA.16832.S8.S8"),
    # Tensor cores are reported to keep 1 + 13 significant bits of a sum of e4m3 products, whatever type it has.
    "e4m3": Kind("e4m3", 64, 32, 32, 3, 14, "QMMA.16832.F32.E4M3.E4M3"),
    # By the instructions that scale blocks, with scales of one. Of e2m1's numbers those up to 2 lie on a grid.
    "mxfp8": Kind("e4m3", 64, 32, 32, 3, 14, "QMMA.SF.16832.F32.E4M3.E4M3.E8"),
    "nvfp4": Kind("e2m1", 64, 32, 64, 1, 14, "OMMA.SF.16864.F32.E2M1.E2M1.UE4M3.4X"),
}
"""``fp16-sum16`` is fp16 summed in fp16: a type of its own, as no kernel that sums in fp32 may be held against it."""

WARPS, BLOCKS = 4, 4  # warps of a block, blocks of a processor: 4 warps on each of its quarters
LANE_SUMS = {"fp32": 64, "fp64": 32}  # sums of a lane without tensor cores
BLOCK_SCALED = frozenset({"mxfp8", "nvfp4"})
"""Types that only GeForce Blackwell has instructions for, as far as ``mma.sync`` goes."""
QUANTUM = 2**20
"""Operations of one warp's round with the largest instruction; that of every other one divides it."""


def kind(case: Case) -> Kind:
    """The arithmetic of the case."""
    return KINDS[case.text("dtype")]


def _paired(length: int, other: int, form: Kind, rng: np.random.Generator) -> Array:
    """Random numbers (length, depth) on the grid in which row i and row i ^ other add up to e everywhere."""
    size = (length, form.depth)
    top = round((form.limit - form.step) / form.step)
    if form.stored == "int8":
        steps = rng.integers(-top, top + 1, size)
    else:
        steps = np.clip(np.rint(rng.standard_normal(size) / form.step), -top, top).astype(np.int64)
    second = (np.arange(length) & other) != 0
    steps[second] = 1 - steps[np.flatnonzero(second) ^ other]
    return steps * form.step


def _stored(values: Array, dtype: str) -> Array:
    """``values`` as they are stored; exact, as they lie on the type's grid."""
    match dtype:
        case "bf16":
            return units.to_bf16(values.astype(np.float32))
        case "e4m3":
            return units.to_e4m3(values.astype(np.float32))
        case "e2m1":
            return units.to_e2m1(values.astype(np.float32))
        case _:
            return values.astype(units.dtype(dtype).storage)


def inputs(case: Case, rng: np.random.Generator) -> Arrays:
    """``a`` (rows, depth), row i paired with i ^ 16, and ``b`` (columns, depth), column j paired with j ^ 8."""
    form = kind(case)
    return {
        "a": _stored(_paired(form.rows, 16, form, rng), form.stored),
        "b": _stored(_paired(form.columns, 8, form, rng), form.stored),
    }


def outputs(case: Case) -> Mapping[str, ArraySpec]:
    """``counted``: multiply-adds whose sum is right."""
    return {"counted": ArraySpec((1,), "uint64")}


def work(case: Case) -> Work:
    """A multiply-add is two operations; there is no traffic."""
    return Work(flops=float(case.integer("flops")))


def reference(case: Case, ranks: Sequence[Arrays], rng: np.random.Generator) -> Mapping[str, Expected]:
    """All of them, exactly."""
    return {"counted": Expected(np.array([case.integer("flops") // 2], np.uint64))}


def invalid(case: Case) -> str:
    """Work comes in whole rounds of a warp."""
    return "" if case.integer("flops") % QUANTUM == 0 else f"flops is no multiple of {QUANTUM}"


def numpy_sums(buffers: Buffers, case: Case) -> None:
    """The same rounds in float64, one matrix product after another."""
    form = kind(case)
    a, b = (units.as_float(buffers[name], form.stored).astype(np.float64) for name in ("a", "b"))
    other_a, other_b = a[np.arange(form.rows) ^ 16], b[np.arange(form.columns) ^ 8]
    round_adds = 4 * form.rows * form.columns * form.depth
    rounds = case.integer("flops") // 2 // round_adds
    sums = np.zeros((form.rows, form.columns))
    for _ in range(rounds):
        for left, right in ((a, b), (other_a, b), (other_a, other_b), (a, other_b)):
            sums += left @ right.T
    correct = np.count_nonzero(sums == rounds * form.depth * form.step**2)
    buffers["counted"][0] = correct * rounds * 4 * form.depth


def _kernel(tensor: bool, archs: frozenset[str] = frozenset(ARCHITECTURES)) -> CudaKernel:
    def source(case: Case, device: Device) -> Source:
        name = case.text("dtype").upper().replace("-", "_")
        return Source.of("probe/peak.cu", **{f"{'MMA' if tensor else 'FMA'}_{name}": 1})

    def rounds(case: Case) -> int:
        form = kind(case)
        sums = form.rows * form.columns * form.depth if tensor else 32 * LANE_SUMS[case.text("dtype")]
        return case.integer("flops") // (2 * 4 * sums)

    def blocks(case: Case, device: Device) -> int:
        """Every processor's four, unless there are fewer rounds than warps."""
        return max(1, min(BLOCKS * device.processors, rounds(case) // WARPS))

    def launches(case: Case, device: Device) -> tuple[Launch, ...]:
        form = kind(case)
        numbers = (np.uint64(rounds(case)), np.uint32(form.stretch), np.float32(form.step**2))
        args = ("a", "b", "counted", "partial", "finished", *numbers)
        return (Launch("peak", (blocks(case, device), 1, 1), (32 * WARPS, 1, 1), args),)

    def scratch(case: Case, device: Device) -> Mapping[str, ArraySpec]:
        return {"partial": ArraySpec((blocks(case, device),), "uint64"), "finished": ArraySpec((1,), "uint32")}

    def instruction(case: Case) -> str:
        return kind(case).tensor if tensor else {"fp32": "FFMA", "fp64": "DFMA"}[case.text("dtype")]

    return CudaKernel(source, launches, scratch, frozenset({"finished"}), archs, instruction)


CUDA = frozenset({"cuda"})
BENCHMARK = Benchmark(
    name="peak",
    question="How many operations per second does one arithmetic instruction reach on registers alone?",
    metric=Metric.FLOPS,
    axes=(
        Axis("flops", (2**22,), "operations of one iteration"),
        Axis("dtype", tuple(KINDS), "operands; fp16-sum16 also sums in fp16", choices=tuple(KINDS)),
    ),
    inputs=inputs,
    outputs=outputs,
    work=work,
    reference=reference,
    implementations=(
        Implementation("fma", _kernel(False), CUDA, supports=lambda case: case.text("dtype") in LANE_SUMS),
        Implementation(
            "mma.sync",
            _kernel(True),
            CUDA,
            supports=lambda case: case.text("dtype") not in {"fp32", "e4m3", *BLOCK_SCALED},
        ),
        Implementation(  # other chips have no such instruction: the compiler would quietly make it fp16
            "mma.sync-e4m3",
            _kernel(True, frozenset({"sm_89", "sm_120a"})),
            CUDA,
            supports=lambda case: case.text("dtype") == "e4m3",
        ),
        Implementation(
            "mma.sync-scaled",
            _kernel(True, frozenset({"sm_120a"})),
            CUDA,
            supports=lambda case: case.text("dtype") in BLOCK_SCALED,
        ),
        Implementation("numpy", HostCall(numpy_sums), supports=lambda case: case.integer("flops") <= 2**28),
    ),
    tags=frozenset({"probe", "ceiling", "gpu"}),
    cache=CacheMode.HOT,
    invalid=invalid,
)
