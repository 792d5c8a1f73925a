"""What a model keeps in a device's memory, and how many sequences fit beside it."""

from __future__ import annotations

import math

from benchsuite.catalog.models import ModelShape
from benchsuite.errors import RefusedError
from benchsuite.model.forecast import Ceilings, Mesh, Precision
from benchsuite.predict.engine import Engine
from benchsuite.predict.layers import Product, cache_elements, products
from benchsuite.predict.precision import of
from benchsuite.units import GIB

WIDE_BYTES = 2.0
"""Of an element that narrow models keep wide."""

ALONE = Mesh()


def element(product: Product, precision: Precision) -> float:
    """Bytes of one weight, as the precision keeps it there."""
    wide = product.wide or (precision.experts_only and not product.experts)
    return max(WIDE_BYTES, precision.weights) if wide and precision.weights < WIDE_BYTES else precision.weights


def weights(shape: ModelShape, precision: Precision, mesh: Mesh = ALONE) -> float:
    """Bytes of weights on each device: its slice of the layers and of the embedding."""
    precision = of(shape, precision)
    held = math.fsum(item.weights * element(item, precision) for item in products(shape, mesh))
    if not shape.tied_embeddings:
        held += shape.vocab * shape.hidden / mesh.tensor * max(WIDE_BYTES, precision.weights)
    return held / mesh.pipeline


def cache(shape: ModelShape, precision: Precision, mesh: Mesh = ALONE, length: float = 1.0) -> float:
    """Bytes that a sequence of ``length`` tokens keeps on each device; of one token where none is given.

    Layers with a sliding window keep no more than the window.
    """
    full = (shape.layers - shape.sliding_layers) * length
    sliding = shape.sliding_layers * (min(length, shape.sliding_window) if shape.sliding_window else length)
    return cache_elements(shape, mesh) * precision.cache * (full + sliding) / mesh.pipeline


def room(shape: ModelShape, precision: Precision, ceilings: Ceilings, mesh: Mesh, engine: Engine) -> float:
    """Bytes of each device that are left for caches, negative where the weights alone do not fit."""
    return engine.kept * (ceilings.memory - engine.reserve - weights(shape, precision, mesh))


def fitting(
    shape: ModelShape, precision: Precision, ceilings: Ceilings, mesh: Mesh, engine: Engine, length: float
) -> int:
    """Sequences of ``length`` tokens whose caches fit at once: whole ones are reserved, so that none is put out.

    Raises ``RefusedError`` where not even one fits.
    """
    left = room(shape, precision, ceilings, mesh, engine)
    count = int(left / cache(shape, precision, mesh, length))
    if count >= 1:
        return count
    held = weights(shape, precision, mesh)
    needs = f"{held / GIB:.1f} GiB of weights and {cache(shape, precision, mesh, length) / GIB:.2f} GiB of cache"
    raise RefusedError(
        f"{shape.key or shape.hf_id} in {precision.name} with {length:.0f} tokens does not fit on {mesh.devices} x "
        f"{ceilings.name}: {needs}, {engine.reserve / GIB:.1f} GiB of workspace, in {ceilings.memory / GIB:.1f} GiB.",
        "Use more devices, fewer bytes a weight or shorter sequences.",
    )


def longest(shape: ModelShape, precision: Precision, ceilings: Ceilings, mesh: Mesh, engine: Engine) -> int:
    """Tokens of the longest single sequence that fits; 0 where none does. Never beyond what the model was made for."""
    left = room(shape, precision, ceilings, mesh, engine)
    limit = shape.max_context
    if left <= 0 or cache(shape, precision, mesh) > left:
        return 0
    if cache(shape, precision, mesh, limit) <= left:
        return limit
    low, high = 1, limit  # fits, does not
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if cache(shape, precision, mesh, middle) <= left else (low, middle)
    return low
