"""How long does a small operation take that follows a decoder's product?

``norm``: RMSNorm of rows of ``width``. ``rope``: rotary positions of heads of ``HEAD`` elements. ``gate``: SwiGLU of
the two halves of a row. ``add``: a residual. ``store``: rows reordered by head, as a cache keeps them. What a step of
a decoder spends on its eight or nine of them a layer is what a forecast from products alone would miss.

Alone in a loop, such an operation finds its instructions and data in the first cache. In a step it follows a product
that has just driven them out, which makes it two times as long or more where it is short. So one iteration is a product
of one row with a weight of 8 MiB, a copy of ``x`` (which is then as near as what a product wrote), and the operation.
``none`` is the same without the operation: the difference is what it takes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from benchsuite import units
from benchsuite.model import (
    Array,
    Arrays,
    ArraySpec,
    Axis,
    Benchmark,
    Buffers,
    Case,
    CudaLibrary,
    Expected,
    HostCall,
    HostKernel,
    Implementation,
    Metric,
    Tolerance,
    Work,
)

HEAD = 64
"""Elements of a head that rotates."""
EPSILON = 1e-5
OPS = ("none", "norm", "rope", "gate", "add", "store")
WEIGHT = (2048, 1024)
"""Shape of the weight, fp32 whatever the operation's type."""
ROUNDING = {"bf16": 2.0**-7, "fp32": 2.0**-21}
"""Of a result, several times: the element type rounds every intermediate one."""


def shape(case: Case) -> tuple[int, ...]:
    """Of ``x``."""
    rows, width = case.integer("rows"), case.integer("width")
    return (rows, width // HEAD, HEAD) if case.text("op") in {"rope", "store"} else (rows, width)


def inputs(case: Case, rng: np.random.Generator) -> Arrays:
    """Normally distributed numbers; for ``rope`` the cosines and sines of an angle for each row and pair."""
    made: dict[str, Array] = {"x": rng.standard_normal(shape(case), dtype=np.float32)}
    match case.text("op"):
        case "norm":
            made["factor"] = rng.uniform(0.5, 1.5, case.integer("width")).astype(np.float32)
        case "rope":
            angles = rng.uniform(0.0, 6.28, (case.integer("rows"), 1, HEAD // 2))
            made |= {"cos": np.cos(angles).astype(np.float32), "sin": np.sin(angles).astype(np.float32)}
    if case.text("dtype") == "bf16":
        made = {name: units.to_bf16(array) for name, array in made.items()}
    product = {"weight": rng.standard_normal(WEIGHT, np.float32), "vector": rng.standard_normal(WEIGHT[1], np.float32)}
    return {**made, **product}


def outputs(case: Case) -> Mapping[str, ArraySpec]:
    """``y``: as ``x``, half as wide for ``gate``, heads first for ``store``; ``z``: the product."""
    rows, width = case.integer("rows"), case.integer("width")
    made = {"gate": (rows, width // 2), "store": (width // HEAD, rows, HEAD)}.get(case.text("op"), shape(case))
    return {"y": ArraySpec(made, case.text("dtype")), "z": ArraySpec(WEIGHT[:1], "fp32")}


def work(case: Case) -> Work:
    """The weight, ``x`` and ``y``; an iteration is one step."""
    element, (columns, rows) = float(units.dtype(case.text("dtype")).bytes), WEIGHT
    read = element * math.prod(shape(case)) + 4.0 * (columns + 1) * rows
    written = element * math.prod(outputs(case)["y"].shape) + 4.0 * columns
    return Work(flops=2.0 * columns * rows, read=read, written=written, steps=1.0)


def reference(case: Case, ranks: Sequence[Arrays], rng: np.random.Generator) -> Mapping[str, Expected]:
    """In float64, from complex numbers and hyperbolic tangents where the implementations use neither."""
    own = {"weight", "vector"}
    given = {
        name: units.as_float(array, "fp32" if name in own else case.text("dtype")).astype(np.float64)
        for name, array in ranks[0].items()
    }
    product = Expected(np.einsum("nk,k->n", given["weight"], given["vector"]), tolerance=Tolerance(1e-5, 1e-3))
    return {"y": Expected(_exact(case, given)), "z": product}


def _exact(case: Case, given: Mapping[str, Array]) -> Array:
    x, half = given["x"], shape(case)[-1] // 2
    made: Array = x
    match case.text("op"):
        case "norm":
            made = x * given["factor"] / np.sqrt(np.einsum("rw,rw->r", x, x)[:, None] / x.shape[1] + EPSILON)
        case "rope":
            turned = (x[..., :half] + 1j * x[..., half:]) * (given["cos"] + 1j * given["sin"])
            made = np.concatenate((turned.real, turned.imag), axis=-1)
        case "gate":
            made = x[:, :half] * x[:, half:] * 0.5 * (1.0 + np.tanh(x[:, :half] / 2))
        case "add":
            made = 2.0 * x
        case "store":
            made = np.moveaxis(x, 1, 0)
    return made


def tolerance(case: Case) -> Tolerance:
    """A few roundings of each intermediate result: of numbers of size 1, and of products of two."""
    u = ROUNDING[case.text("dtype")]
    return Tolerance(relative=2 * u, absolute=4 * u)


def by_numpy(buffers: Buffers, case: Case) -> None:
    """In NumPy calls."""
    np.matmul(buffers["weight"], buffers["vector"], out=buffers["z"])
    x, y = buffers["x"].copy(), buffers["y"]
    half = x.shape[-1] // 2
    low, high = x[..., :half], x[..., half:]
    match case.text("op"):
        case "norm":
            scale = 1.0 / np.sqrt(np.mean(np.square(x), axis=-1, keepdims=True) + np.float32(EPSILON))
            np.multiply(x * scale, buffers["factor"], out=y)
        case "rope":
            cos, sin = buffers["cos"], buffers["sin"]
            np.subtract(low * cos, high * sin, out=y[..., :half])
            np.add(high * cos, low * sin, out=y[..., half:])
        case "gate":
            np.multiply(low / (1.0 + np.exp(-low)), high, out=y)
        case "add":
            np.add(x, x, out=y)
        case "store":
            np.copyto(y, x.swapaxes(0, 1))
        case _:
            np.copyto(y, x)


def invalid(case: Case) -> str:
    """Heads are whole."""
    width = case.integer("width")
    if min(case.integer("rows"), width) < 1:
        return "there is nothing to compute"
    return f"the width is no multiple of {HEAD}, a head" if width % HEAD else ""


def of(dtype: str, case: Case) -> bool:
    """Whether the case is of this element type."""
    return case.text("dtype") == dtype


BENCHMARK = Benchmark(
    name="pointwise",
    question="How long does a small operation take that lies between a decoder's products?",
    metric=Metric.LATENCY,
    axes=(
        Axis("op", OPS, choices=OPS),
        Axis("rows", (3, 256), "tokens"),
        Axis("width", (128, 1024), "elements of a row of x"),
        Axis("dtype", ("fp32",), choices=("fp32", "bf16")),
    ),
    inputs=inputs,
    outputs=outputs,
    work=work,
    reference=reference,
    tolerance=tolerance,
    invalid=invalid,
    implementations=(
        Implementation(
            "torch",
            HostKernel("decoder:pointwise"),
            frozenset({"host", "torch"}),
            "torch",
            lambda case: of("fp32", case),
        ),
        Implementation(
            "torch-bf16",
            HostKernel("decoder:pointwise"),
            frozenset({"host", "torch-bf16"}),
            "torch",
            lambda case: of("bf16", case),
        ),
        Implementation("torch-cuda", CudaLibrary("decoder:pointwise"), frozenset({"cuda", "torch-cuda"}), "torch"),
        Implementation("numpy", HostCall(by_numpy), provider="numpy", supports=lambda case: of("fp32", case)),
    ),
    tags=frozenset({"transformer"}),
)
