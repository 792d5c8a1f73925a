"""One step of a transformer on one device of a mesh: where its time goes.

A product of ``rows x k`` by ``k x n`` takes the longer of reading its weight and of its tiles:

    (rows x n + lost) x (2 k / rate + fill / (h x TILE x processors)),    lost = wave x h x TILE x processors

where ``h``, a tile's rows, are TILE, or as many as there are where these are fewer, but 16 at least.
The last wave of tiles is not full, each row block is padded, and whoever begins a tile waits for memory and whoever
ends one writes it: a time that does not shrink when multiplying gets faster, and that short (``k``), narrow (``n``)
and many products with few rows each (experts) pay most for. docs/forecast.md has the whole set.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from benchsuite.catalog.models import Kind, ModelShape
from benchsuite.errors import RefusedError
from benchsuite.model.forecast import Bound, Ceiling, Ceilings, Footing, Mesh, Phase, Precision, Term
from benchsuite.predict import products as measured
from benchsuite.predict.engine import Engine
from benchsuite.predict.layers import Product, cache_elements, products, query_heads
from benchsuite.predict.links import joined
from benchsuite.predict.memory import element
from benchsuite.predict.precision import check, of, wide

TILE = 128
"""Rows and columns of the tile of the result that a processor computes at once."""

FEWEST = 16
"""Rows of the smallest tile: what one ``mma`` instruction takes. Libraries have tiles for few rows (cuBLAS; Marlin,
Frantar et al. 2024), which are bound by reading the weight."""

ACTIVATION = 2.0
"""Bytes of an activation: 16-bit between the products, whatever these multiply."""


FIRMEST = tuple(Footing)
"""In this order: a sum stands on the weakest of its parts."""

SCORE, PASSES = 4.0, 3.0
"""Bytes of a token's score, and how often all of them pass through memory."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What a step runs on: everything but its rows."""

    shape: ModelShape
    precision: Precision
    ceilings: Ceilings
    mesh: Mesh
    engine: Engine
    wide: str

    @property
    def read(self) -> float:
        """B/s at which the engine reads weights and activations."""
        return self.ceilings.bandwidth.value * self.engine.bandwidth

    def multiply(self, dtype: str) -> float:
        """FLOP/s of large products."""
        return self.ceilings.gemm[dtype].value * self.engine.gemm


def setting(shape: ModelShape, precision: Precision, ceilings: Ceilings, mesh: Mesh, engine: Engine) -> Setting:
    """Checked once: raises ``RefusedError`` for a type that the machine lacks, a rate of zero, too few devices."""
    rates = (ceilings.bandwidth.value, ceilings.memory)
    if not all(0 < rate < math.inf for rate in rates):
        raise RefusedError(f"{ceilings.name} has no bandwidth or no memory to reckon with.", "Measure it first.")
    if (
        mesh.devices > 1
        and mesh.tensor > 1
        and not (ceilings.link and ceilings.link.value > 0)
        and not ceilings.messages
    ):
        raise RefusedError(f"Nothing is known of what joins the devices of {ceilings.name}.", "Use one device a copy.")
    checked = check(of(shape, precision), ceilings)
    return Setting(shape, checked, ceilings, mesh, engine, wide(ceilings, checked))


def decode(
    shape: ModelShape,
    precision: Precision,
    ceilings: Ceilings,
    mesh: Mesh,
    engine: Engine,
    batch: float,
    context: float,
) -> Phase:
    """One token for each of ``batch`` sequences whose caches hold ``context`` tokens.

    With ``mesh.pipeline`` stages a step of the batch is that many steps of a part of it, and each reads the weights.
    """
    return decoding(setting(shape, precision, ceilings, mesh, engine), batch, context)


def prefill(
    shape: ModelShape,
    precision: Precision,
    ceilings: Ceilings,
    mesh: Mesh,
    engine: Engine,
    tokens: float,
    requests: float = 1.0,
) -> Phase:
    """The prompts of ``requests`` requests of ``tokens`` each, read at once, through all stages of a pipeline."""
    return prefilling(setting(shape, precision, ceilings, mesh, engine), tokens, requests)


def decoding(at: Setting, batch: float, context: float) -> Phase:
    """``decode`` where the setting has been checked."""
    rows = batch / at.mesh.pipeline
    terms = (
        *_products(at, rows, rows),
        _sampled(at, rows),
        _cached(at, rows, context),
        *_between(at, rows, rows, decoding=True),
        *joined(at.shape, at.ceilings, at.mesh, at.engine, rows * at.shape.hidden * ACTIVATION),
        *_overhead(at, rows),
    )
    return Phase("decode", tuple(term for term in terms if term.seconds > 0))


def prefilling(at: Setting, tokens: float, requests: float = 1.0) -> Phase:
    """``prefill`` where the setting has been checked."""
    rows = tokens * requests
    terms = (
        *_products(at, rows, requests),
        _sampled(at, requests),
        _prompts(at, tokens, requests),
        *_between(at, rows, requests, decoding=False),
        *joined(at.shape, at.ceilings, at.mesh, at.engine, rows * at.shape.hidden * ACTIVATION),
        *_overhead(at, requests),
    )
    return Phase("prefill", tuple(term for term in terms if term.seconds > 0))


def activations(shape: ModelShape, mesh: Mesh) -> float:
    """Bytes that one token's activations move on one device, each operation between two products for itself.

    Of a layer: two norms with their residuals, read and written whole by every device; what attention takes and
    gives, and the gate's two inputs and output, sliced; with experts, the copies of each row to and from them.
    """
    heads = 2 * query_heads(shape, mesh) * (shape.v_head_dim or shape.head_dim)
    dense = shape.dense_layers if shape.experts else shape.layers
    routed = shape.experts_active * shape.moe_ffn / mesh.tensor
    shared = shape.shared_experts * shape.moe_ffn / mesh.tensor
    copies = 3.0 * shape.experts_active * shape.hidden / mesh.expert
    elements = shape.layers * (6.0 * shape.hidden + heads) + dense * 3.0 * shape.ffn / mesh.tensor
    elements += (shape.layers - dense) * (3.0 * (routed + shared) + copies)
    return ACTIVATION * elements


def touched(experts: int, active: int, rows: float) -> float:
    """Experts, of all, that at least one of ``rows`` rows is routed to, chosen evenly: 1-(1-k/E)^rows of them."""
    return experts * -math.expm1(rows * math.log1p(-active / experts)) if active < experts else float(experts)


def _products(at: Setting, rows: float, last: float) -> tuple[Term, ...]:
    """Time spent reading weights, time spent multiplying, and what is hidden behind either."""
    spent = {True: 0.0, False: 0.0}  # by whether reading is the longer part
    hidden = {True: 0.0, False: 0.0}
    footing = {True: [at.ceilings.bandwidth.footing], False: [at.ceilings.gemm[at.precision.gemm].footing]}
    for item in products(at.shape, at.mesh):
        dtype = at.wide if _is_wide(item, at.precision) else at.precision.gemm
        passing, groups = (last, 1.0) if item.last else _routed(at, item, rows)
        read = groups * item.n * item.k * element(item, at.precision) / at.read
        multiply = _multiplied(at, item, dtype, passing, groups)
        reads = read >= multiply
        whole = _whole(at, item, dtype, passing, groups)
        if whole is None:
            spent[reads] += item.count * max(read, multiply)
            hidden[not reads] += item.count * min(read, multiply)
        else:  # measured, with reading its weight
            spent[reads] += item.count * whole.value
            footing[reads].append(whole.footing)
    grounds = {reads: max(found[1:] or found, key=FIRMEST.index) for reads, found in footing.items()}
    return (
        Term("weights", spent[True], Bound.BANDWIDTH, grounds[True]),
        Term("products", spent[False], Bound.COMPUTE, grounds[False]),
        Term("products beside weights", hidden[False], Bound.COMPUTE, grounds[False], hidden=True),
        Term("weights beside products", hidden[True], Bound.BANDWIDTH, grounds[True], hidden=True),
    )


def _is_wide(item: Product, precision: Precision) -> bool:
    return item.wide or (precision.experts_only and not item.experts)


def _routed(at: Setting, item: Product, rows: float) -> tuple[float, float]:
    """Rows that pass through a product on the busiest device, and how many weights they are spread over.

    Where experts are spread over devices, the busiest of them has the mean of its rows and what chance adds to it
    (the largest of ``e`` Poisson numbers, to first order).
    """
    if not item.experts:
        return rows, 1.0
    shape, spread = at.shape, at.mesh.expert
    passing = rows * shape.experts_active / spread
    if spread > 1:
        busiest = passing + math.sqrt(2.0 * passing * math.log(spread))
        passing = min(busiest, rows * min(shape.experts_active, item.experts))
    return passing, touched(shape.experts, shape.experts_active, rows) * item.experts / shape.experts


def _whole(at: Setting, item: Product, dtype: str, rows: float, groups: float) -> Ceiling | None:
    """Seconds of a product as measured at its shape, reading of its weight included; ``None`` where none was."""
    each = rows / groups if groups else 0.0
    if not at.ceilings.shapes or each <= 0:
        return None
    found = measured.rate(at.ceilings, dtype, max(1, round(each)), item.n, item.k)
    if found is None:
        return None
    return Ceiling(groups * 2.0 * each * item.n * item.k / (found.value * at.engine.gemm), found.footing)


def _multiplied(at: Setting, item: Product, dtype: str, rows: float, groups: float) -> float:
    """Seconds of the arithmetic of one weight, or of the ``groups`` experts that ``rows`` rows are spread over.

    Where there are few rows a tile has few, down to ``FEWEST``: else one row would be charged as a whole tile of them.
    """
    engine, processors = at.engine, at.ceilings.processors
    height = min(max(rows / groups, FEWEST), TILE) if groups > 0 else TILE
    columns = math.ceil(item.n / TILE) * TILE if processors else item.n
    area = (rows + engine.rows * groups * height / TILE) * columns
    if not processors:
        return 2.0 * item.k * area / at.multiply(dtype)
    wave = height * TILE * processors
    return (area + engine.wave * wave) * (2.0 * item.k / at.multiply(dtype) + engine.tile / wave)


def _cached(at: Setting, rows: float, context: float) -> Term:
    """Attention of one token to what the caches hold: reading them, or multiplying where many queries share a key."""
    shape, ceilings = at.shape, at.ceilings
    heads = query_heads(shape, at.mesh)
    if ceilings.kernels and shape.kind is not Kind.MOE_MLA and rows >= 1 and context >= 1:
        kv = max(1, math.ceil(shape.kv_heads / at.mesh.tensor))
        size = (round(rows), round(context), heads, kv, shape.head_dim)
        found = measured.cached(ceilings, at.wide, *size)
        if found:
            return Term("cached attention", shape.layers * found.value, Bound.BANDWIDTH, found.footing)
    seen = _seen(shape, context) * rows
    rate = ceilings.decode or ceilings.bandwidth
    read = cache_elements(shape, at.mesh) * at.precision.cache * seen / (rate.value * at.engine.bandwidth)
    width = shape.kv_lora_rank * 2 + shape.qk_rope_head_dim if shape.kind is Kind.MOE_MLA else 2 * shape.head_dim
    multiply = 2.0 * heads * width * seen / (ceilings.gemm[at.wide].value * at.engine.attention)
    if read >= multiply:
        return Term("cached attention", read, Bound.BANDWIDTH, rate.footing)
    return Term("cached attention", multiply, Bound.COMPUTE, ceilings.gemm[at.wide].footing)


def _seen(shape: ModelShape, context: float) -> float:
    """Cached tokens that one new token attends to, summed over the layers."""
    near = min(context, shape.sliding_window) if shape.sliding_window else context
    return (shape.layers - shape.sliding_layers) * context + shape.sliding_layers * near


def _prompts(at: Setting, tokens: float, requests: float) -> Term:
    """Causal attention of whole prompts: half of the square."""
    shape, ceilings = at.shape, at.ceilings
    heads = query_heads(shape, at.mesh)
    if ceilings.kernels and shape.kind is not Kind.MOE_MLA and requests >= 1 and tokens >= 1:
        kv = max(1, math.ceil(shape.kv_heads / at.mesh.tensor))
        size = (round(requests), round(tokens), heads, kv, shape.head_dim)
        found = measured.prefill(ceilings, at.wide, *size)
        if found:
            return Term("attention", shape.layers * found.value, Bound.COMPUTE, found.footing)
    keys = shape.qk_nope_head_dim + shape.qk_rope_head_dim or shape.head_dim
    width = keys + (shape.v_head_dim or shape.head_dim)
    pairs = _seen(shape, tokens / 2.0) * tokens * requests
    rate = ceilings.attention.get(at.wide)
    share = at.engine.bandwidth if rate else at.engine.attention
    ceiling = rate or ceilings.gemm[at.wide]
    return Term("attention", 2.0 * heads * width * pairs / (ceiling.value * share), Bound.COMPUTE, ceiling.footing)


def _between(at: Setting, rows: float, sequences: float, *, decoding: bool) -> tuple[Term, ...]:
    """Norms, positions, gates, residuals: as measured, else their bytes."""
    if at.ceilings.kernels and rows >= 1:
        size = (max(1, round(sequences)), round(rows))
        found = measured.between(at.ceilings, at.wide, at.shape, *size, decoding=decoding)
        if found:
            return (Term("activations", at.shape.layers * found.value, Bound.BANDWIDTH, found.footing),)
    moved = at.engine.traffic * rows * activations(at.shape, at.mesh) / at.read
    return (Term("activations", moved, Bound.BANDWIDTH, at.ceilings.bandwidth.footing),)


def _sampled(at: Setting, rows: float) -> Term:
    """Choosing a token: scores in 32 bits, gathered on each device, made, turned into chances and drawn from."""
    moved = 0.0 if at.ceilings.kernels else rows * at.shape.vocab * SCORE * PASSES
    return Term("sampling", moved / at.read, Bound.BANDWIDTH, at.ceilings.bandwidth.footing)


def _overhead(at: Setting, sequences: float) -> tuple[Term, Term, Term]:
    engine, launch = at.engine, at.ceilings.launch
    started = engine.launches * launch.value if launch else 0.0
    return (
        Term("launches", at.shape.layers * started, Bound.LATENCY, launch.footing if launch else Footing.ASSUMED),
        Term("layers", at.shape.layers * engine.layer, Bound.LATENCY, Footing.ASSUMED),
        Term("host", sequences * engine.sequence, Bound.LATENCY, Footing.ASSUMED),
    )
