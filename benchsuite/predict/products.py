"""Seconds of a decoder's kernels at any shape, interpolated between shapes that were measured.

A *curve* is a measured sweep: seconds over the rows of a product with one weight, over the tokens of one kind of
attention, over the elements of a small operation. Between two points time follows a power of the size, a straight line
in logarithms; points that contradict "more work takes no less time" are averaged (pool adjacent violators: Barlow et
al., Statistical Inference under Order Restrictions, 1972), so every curve rises. Beyond its ends nothing was measured:
below, time stays (a weight is read however few rows it meets), above, it grows with the work (the rate stays), and the
footing says ``ASSUMED``. Where a weight has not been measured itself, the curves of the ``NEAREST`` are averaged as
seconds per element of it, the nearer the more; within ``HULL`` that is still called measured.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from benchsuite.catalog.models import ModelShape
from benchsuite.model.forecast import Ceiling, Ceilings, Footing, GemmPoint, KernelPoint

NEAREST = 3
"""Weights whose curves are averaged."""
HULL = 2.0
"""How many times larger or smaller than every measured weight, in either direction, one may be and be interpolated."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Seconds over a size, both rising. At least one point."""

    sizes: tuple[float, ...]
    seconds: tuple[float, ...]

    def at(self, size: float) -> float:
        """Seconds at a size."""
        if size <= self.sizes[0]:
            return self.seconds[0]
        if size >= self.sizes[-1]:
            return self.seconds[-1] * size / self.sizes[-1]
        right = bisect_right(self.sizes, size)
        (x0, x1), (y0, y1) = self.sizes[right - 1 : right + 1], self.seconds[right - 1 : right + 1]
        share = math.log(size / x0) / math.log(x1 / x0)
        return math.exp(math.log(y0) * (1 - share) + math.log(y1) * share)

    def covers(self, size: float) -> bool:
        """Whether it was measured on both sides of a size."""
        return self.sizes[0] <= size <= self.sizes[-1]


def curve(points: Iterable[tuple[float, float]]) -> Curve:
    """The rising curve nearest to ``(size, seconds)``; several measurements of one size are averaged."""
    blocks: list[tuple[list[float], list[float]]] = []  # sizes, logarithms of seconds
    for size, seconds in sorted(points):
        block = ([size], [math.log(seconds)])
        while blocks and (blocks[-1][0][-1] == size or _mean(blocks[-1][1]) > _mean(block[1])):
            before = blocks.pop()
            block = (before[0] + block[0], before[1] + block[1])
        blocks.append(block)
    fitted = {size: math.exp(_mean(logs)) for sizes, logs in blocks for size in sizes}
    return Curve(tuple(fitted), tuple(fitted.values()))


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def rate(ceilings: Ceilings, dtype: str, m: int, n: int, k: int) -> Ceiling | None:
    """FLOP/s of a product of ``m x k`` by ``k x n``, weights ``n x k``; ``None`` where none of the type was measured.

    More rows never take less time.
    """
    points = ceilings.shapes.get(dtype, ())
    if not points or min(m, n, k) < 1:
        return None
    curves = _weights(tuple(points))
    near = _nearest((n, k), list(curves))
    seconds = n * k * sum(share * curves[weight].at(m) / math.prod(weight) for weight, share in near)
    inside = all(curves[weight].covers(m) for weight, _ in near) and _within((n, k), list(curves))
    return Ceiling(2.0 * m * n * k / seconds, *_footing(inside, f"{dtype} products", [weight for weight, _ in near]))


def prefill(
    ceilings: Ceilings, dtype: str, batch: int, tokens: int, heads: int, kv_heads: int, head_dim: int
) -> Ceiling | None:
    """SECONDS of one layer's causal attention of ``batch`` prompts; ``None`` where none of the type was measured.

    Sequences are as good as heads: what was measured of four prompts stands for four times the heads.
    """
    return _attention(ceilings, "attention", dtype, (batch, tokens), (heads, kv_heads, head_dim))


def cached(
    ceilings: Ceilings, dtype: str, batch: int, context: int, heads: int, kv_heads: int, head_dim: int
) -> Ceiling | None:
    """SECONDS of one layer's attention of one token of ``batch`` sequences to caches of ``context`` tokens."""
    return _attention(ceilings, "decode", dtype, (batch, context), (heads, kv_heads, head_dim))


def between(
    ceilings: Ceilings, dtype: str, shape: ModelShape, batch: int, rows: int, *, decoding: bool
) -> Ceiling | None:
    """SECONDS of what lies between the products and the attention of one layer, for ``rows`` tokens.

    Two norms and two residuals, rotary positions of q and k, keys and values into the cache, the gate; of a prefill
    also the attended values back from head-first order. ``None`` unless each was measured.
    """
    kv, query = shape.kv_heads * shape.head_dim, shape.heads * shape.head_dim
    ffn = shape.ffn or shape.moe_ffn * max(1, shape.experts_active)
    parts = [("norm", shape.hidden, 2), ("add", shape.hidden, 2), ("rope", query + kv, 1), ("store", kv, 2)]
    parts += [("gate", 2 * ffn, 1), ("store", query, 0 if decoding else 1)]
    found = [(pointwise(ceilings, dtype, op, rows, width), times) for op, width, times in parts]
    known = [(each, times) for each, times in found if each is not None]
    if len(known) < len(found):
        return None
    inside = all(each.footing is Footing.MEASURED for each, _ in known)
    return Ceiling(
        sum(each.value * times for each, times in known),
        Footing.MEASURED if inside else Footing.ASSUMED,
        "norms, positions, gates, residuals and stores, each measured by itself",
    )


def pointwise(ceilings: Ceilings, dtype: str, op: str, rows: int, width: int) -> Ceiling | None:
    """SECONDS of one small operation (the benchmark ``pointwise``), over the elements of its operand."""
    made = _elements(ceilings.kernels).get((op, dtype))
    if made is None:
        return None
    footing = _footing(made.covers(rows * width), f"{op} of {dtype}", [])
    return Ceiling(made.at(rows * width), *footing)


@lru_cache(maxsize=64)
def _weights(points: tuple[GemmPoint, ...]) -> Mapping[tuple[int, ...], Curve]:
    """Seconds over the rows, of each weight."""
    sweeps: dict[tuple[int, ...], list[tuple[float, float]]] = {}
    for one in points:
        sweeps.setdefault((one.n, one.k), []).append((one.m, 2.0 * one.m * one.n * one.k / one.rate))
    return {weight: curve(sweep) for weight, sweep in sweeps.items()}


@lru_cache(maxsize=64)
def _elements(points: tuple[KernelPoint, ...]) -> Mapping[tuple[str, str], Curve]:
    """Seconds over the elements, of each small operation and type."""
    sweeps: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for one in points:
        if not one.heads:
            sweeps.setdefault((one.kernel, one.dtype), []).append((one.rows * one.width, one.seconds))
    return {name: curve(sweep) for name, sweep in sweeps.items()}


@lru_cache(maxsize=256)
def _heads(points: tuple[KernelPoint, ...], kernel: str, dtype: str) -> Mapping[tuple[int, ...], Curve]:
    """Seconds over the tokens, of each number of sequences with KV heads, of queries sharing one, of its elements."""
    sweeps: dict[tuple[int, ...], list[tuple[float, float]]] = {}
    for one in points:
        if (one.kernel, one.dtype) == (kernel, dtype):
            key = (one.rows * one.kv_heads, one.heads // one.kv_heads, one.head_dim)
            sweeps.setdefault(key, []).append((_asked(kernel, one.width), one.seconds))
    return {key: curve(sweep) for key, sweep in sweeps.items()}


def _asked(kernel: str, tokens: int) -> int:
    """What a kernel's time grows with: of a prefill every token asks all others, of a decode one does."""
    return tokens * tokens if kernel == "attention" else tokens


def _attention(
    ceilings: Ceilings, kernel: str, dtype: str, asked: tuple[int, int], head: tuple[int, int, int]
) -> Ceiling | None:
    (batch, tokens), (heads, kv_heads, dim) = asked, head
    curves = _heads(ceilings.kernels, kernel, dtype)
    if not curves or min(*asked, *head) < 1:
        return None
    wanted = (batch * kv_heads, heads // kv_heads, dim)
    near, size = _nearest(wanted, list(curves)), _asked(kernel, tokens)
    seconds = math.prod(wanted) * sum(share * curves[key].at(size) / math.prod(key) for key, share in near)
    inside = all(curves[key].covers(size) for key, _ in near) and _within(wanted, list(curves))
    return Ceiling(seconds, *_footing(inside, f"{kernel} of {dtype}", [key for key, _ in near]))


def _nearest(wanted: tuple[int, ...], known: Sequence[tuple[int, ...]]) -> list[tuple[tuple[int, ...], float]]:
    """The nearest of ``known`` in logarithms, with shares by inverse square distance (Shepard 1968); itself alone."""
    distance = {one: sum(math.log(a / b) ** 2 for a, b in zip(wanted, one, strict=True)) for one in known}
    chosen = sorted(known, key=lambda one: (distance[one], one))[:NEAREST]
    if not distance[chosen[0]]:
        return [(chosen[0], 1.0)]
    inverse = {one: 1.0 / distance[one] for one in chosen}
    return [(one, inverse[one] / sum(inverse.values())) for one in chosen]


def _within(wanted: tuple[int, ...], known: Sequence[tuple[int, ...]]) -> bool:
    """Whether each size is at most ``HULL`` times beyond what was measured of it."""
    columns = zip(wanted, zip(*known, strict=True), strict=True)
    return all(min(column) / HULL <= size <= max(column) * HULL for size, column in columns)


def _footing(inside: bool, what: str, near: Sequence[tuple[int, ...]]) -> tuple[Footing, str]:
    beside = " and ".join("x".join(map(str, one)) for one in near)
    told = f"measured {what}" + (f" of {beside}" if beside else "")
    return (Footing.MEASURED, told) if inside else (Footing.ASSUMED, f"beyond the {told}")
