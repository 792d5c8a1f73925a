"""What training a model takes on a machine: a step's time by what it is spent on, then days and dollars.

    step   = products + attention + activations + optimizer + exposed messages + bubble + waiting for the slowest node
    bubble = (p - 1) / v micro-batches of a stage        (Narayanan et al., SC 2021, arXiv 2104.04473, section 2.2)
    MFU    = 6 N + 12 L H d s, times tokens of a step / (step x devices x peak)        (PaLM, appendix B)

No published training was fitted: the band is this model at both ends of its assumptions (``Ends``), and says nothing
of how often a real training lies within it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from benchsuite.catalog import ModelShape
from benchsuite.errors import RefusedError
from benchsuite.model import Parallelism
from benchsuite.model.forecast import Band, Bound, Caution, Ceilings, Footing, Phase, Term
from benchsuite.predict import straggler
from benchsuite.predict.reliability import Reliability, stretched
from benchsuite.predict.training_job import (
    GRADIENT,
    OPTIMIZER,
    WEIGHT,
    Job,
    Recompute,
    Sharding,
    check,
    fit,
    flops,
    parameters,
    stage_layers,
)
from benchsuite.predict.training_messages import Sent, sent
from benchsuite.units import GIB, percent

FORWARD, BACKWARD = 1.0, 2.0
RESERVE = 5e9
"""Bytes of each device that context, workspaces and fragments take: assumed."""
READ, PASSES = 0.9, 2.0
"""Share of the read ceiling that small operations reach, and how often activations pass through memory, in units of
``traffic``: assumed, of operations that are partly fused."""
ATTENTION = 0.6
"""Share of the ceiling of large products that attention reaches where it was not measured: assumed."""
ROWS = 100.0
"""Rows that each product is padded by on average, as the serving engine's are."""
FLASH_BACKWARD = 2.5
"""Backward by forward of attention whose matrix is not kept: five products for two (Dao, arXiv 2307.08691)."""

NAMES = {
    Parallelism.TENSOR: "tensor parallel messages",
    Parallelism.EXPERT: "tokens to their experts and back",
    Parallelism.PIPELINE: "activations between stages",
    Parallelism.DATA: "gradients",
    Parallelism.SHARDED: "weights gathered, gradients scattered",
}


@dataclass(frozen=True, slots=True)
class Ends:
    """A set of assumptions. products: share of the ceiling of large products that a layer's products reach; hidden: of
    the messages that can run behind arithmetic; link: share of a link's rate that an unmeasured collective reaches.
    """

    products: float
    hidden: float
    link: float


GOOD, USUAL, POOR = Ends(0.95, 1.0, 0.95), Ends(0.75, 0.8, 0.8), Ends(0.6, 0.5, 0.6)
"""Assumed. The share of products was chosen in sight of twelve published trainings (docs/advise.md has the errors)."""


@dataclass(frozen=True, slots=True)
class TrainingForecast:
    """What a training will take. step: seconds; rate: tokens per second of all devices; days and usd: of the whole.

    memory: bytes of the fullest device. straggled: the share by which a step waits for the slowest node; stretched:
    the factor by which failures and checkpoints lengthen the training, 1 where none were asked about; interval:
    seconds between checkpoints that cost the least.
    """

    job: Job
    ceilings: Ceilings
    phase: Phase
    step: Band
    rate: Band
    days: Band
    memory: dict[str, float]
    mfu: Band | None = None
    usd: Band | None = None
    straggled: float = 0.0
    stretched: float = 1.0
    interval: float | None = None
    assumptions: tuple[str, ...] = ()
    cautions: tuple[Caution, ...] = ()


def forecast(
    job: Job,
    ceilings: Ceilings,
    *,
    peak: float | None = None,
    reliability: Reliability | None = None,
    usd_per_hour: float | None = None,
) -> TrainingForecast:
    """The forecast of a training. peak: dense FLOP/s of a device, of which MFU is a share; usd_per_hour: of a device.

    Raises ``UsageError`` for a job that cannot be dealt out, ``RefusedError`` where it does not fit into memory, where
    a rate that it needs is not known, and for a price that is none.
    """
    check(job)
    held = fit(job, ceilings, RESERVE)
    phase = step(job, ceilings, USUAL)
    took = Band(phase.seconds, step(job, ceilings, GOOD).seconds, step(job, ceilings, POOR).seconds)
    longer, interval = stretched(reliability, job.devices) if reliability else (1.0, None)
    days = took.times(job.steps * longer / 86400)
    if usd_per_hour is not None and not (math.isfinite(usd_per_hour) and usd_per_hour > 0):
        raise RefusedError(f"{usd_per_hour:g} dollars an hour are no price.", "Give --usd-per-hour of one device.")
    model = flops(job.shape, job.length) * job.batch / job.devices
    return TrainingForecast(
        job=job,
        ceilings=ceilings,
        phase=phase,
        step=took,
        rate=took.into(job.batch),
        days=days,
        memory=held,
        mfu=took.into(model / peak) if peak else None,
        usd=days.times(24 * job.devices * usd_per_hour) if usd_per_hour is not None else None,
        straggled=straggler.slow_node(job.slower, job.spread, nodes(job, ceilings)),
        stretched=longer,
        interval=interval,
        assumptions=tuple(_assumptions(job, ceilings, peak)),
        cautions=tuple(_cautions(job, ceilings, phase)),
    )


def nodes(job: Job, ceilings: Ceilings) -> int:
    """Nodes that take part."""
    return -(-job.devices // max(1, ceilings.devices))


def step(job: Job, ceilings: Ceilings, ends: Ends) -> Phase:
    """One step of the fullest stage, by what its time is spent on."""
    work = _work(job, ceilings, ends)
    messages = sent(job, ceilings, ends.link)
    inside = [one for one in messages if not one.window]
    micro = math.fsum(term.seconds for term in work) + math.fsum(one.seconds for one in inside)
    waits = (job.pipeline - 1) / (job.interleave * job.micro_batches) * micro
    exposed = [_exposed(job, one, math.fsum(term.seconds for term in work), ends) for one in messages if one.window]
    terms = [
        *work,
        _optimizer(job, ceilings),
        *(Term(NAMES[one.kind], one.seconds, Bound.LINK, one.footing) for one in inside),
        *(term for pair in exposed for term in pair),
        Term("pipeline bubble", waits, Bound.IDLE, Footing.ASSUMED),
    ]
    tax = straggler.slow_node(job.slower, job.spread, nodes(job, ceilings))
    whole = math.fsum(term.seconds for term in terms if not term.hidden)
    terms.append(Term("waiting for the slowest node", tax * whole, Bound.IDLE, Footing.ASSUMED))
    return Phase("training step", tuple(term for term in terms if term.seconds > 0))


def _work(job: Job, ceilings: Ceilings, ends: Ends) -> list[Term]:
    """Arithmetic and memory traffic of all micro-batches of a step."""
    ceiling = ceilings.gemm.get(job.dtype) or ceilings.gemm.get({"bf16": "fp16", "fp16": "bf16"}.get(job.dtype, ""))
    if ceiling is None:
        raise RefusedError(
            f"The rate of {job.dtype} products of {ceilings.name} is not known.",
            f"Known are {', '.join(sorted(ceilings.gemm))}." if ceilings.gemm else "Measure it first.",
        )
    shape, tokens = job.shape, float(job.micro_tokens * job.micro_batches)
    again = FORWARD if job.recompute is Recompute.LAYERS else 0.0
    products = 2 * (FORWARD + BACKWARD + again) * tokens * _multiplied(job) / job.tensor
    attention = ceilings.attention.get(job.dtype)
    width = shape.heads * (_head(shape) / 2) * stage_layers(job) / job.tensor
    causal = 2 * width * job.length * (FORWARD + FLASH_BACKWARD + again) * tokens
    rate = attention.value if attention else ceiling.value * ATTENTION
    passes = FORWARD + BACKWARD + again
    moved = PASSES * traffic(shape) * stage_layers(job) * passes * tokens / job.tensor
    bandwidth = ceilings.bandwidth
    return [
        Term("products", products / (ceiling.value * ends.products), Bound.COMPUTE, ceiling.footing),
        Term("attention", causal / rate, Bound.COMPUTE, attention.footing if attention else Footing.ASSUMED),
        Term("activations", moved / (bandwidth.value * READ), Bound.BANDWIDTH, bandwidth.footing),
    ]


def _head(shape: ModelShape) -> float:
    """Elements of a head in both products of attention together: twice its width, or those of latent attention."""
    if shape.kv_lora_rank:
        return float(shape.qk_nope_head_dim + shape.qk_rope_head_dim + shape.v_head_dim)
    return 2.0 * shape.head_dim


def _multiplied(job: Job) -> float:
    """Parameters that one token is multiplied by in the fullest stage, products padded by ``ROWS``."""
    shape, layers = job.shape, stage_layers(job)
    rows = 1.0 + ROWS / job.micro_tokens
    dense = shape.attention * rows + 3.0 * shape.hidden * shape.ffn * rows
    if shape.experts:
        each = job.micro_tokens * job.expert * shape.experts_active / shape.experts
        routed = shape.experts_active * (1.0 + ROWS / each) + shape.shared_experts * rows
        dense = shape.attention * rows + 3.0 * shape.hidden * shape.moe_ffn * routed + shape.hidden * shape.experts
    head = shape.vocab * shape.hidden * rows
    if job.pipeline == 1:
        return layers * dense + head
    return max(layers * dense, shape.layers // job.pipeline * dense + head)


def traffic(shape: ModelShape) -> float:
    """Bytes of activations that one token moves in one layer forward, each written and read once, 16-bit."""
    width = shape.ffn
    if shape.experts:
        width = (shape.experts_active + shape.shared_experts) * shape.moe_ffn
    return 2.0 * (6 * shape.hidden + 2 * shape.heads * shape.head_dim + 3 * width)


def _optimizer(job: Job, ceilings: Ceilings) -> Term:
    """Adam: its state and the gradient are read, the state and the weight written."""
    common, routed = parameters(job)
    if job.sharding is not Sharding.NONE:
        common, routed = common / job.data, routed / (job.data / job.expert)
    moved = (2 * OPTIMIZER + GRADIENT + WEIGHT) * (common + routed)
    bandwidth = ceilings.bandwidth
    return Term("optimizer", moved / (bandwidth.value * READ), Bound.BANDWIDTH, bandwidth.footing)


def _exposed(job: Job, one: Sent, work: float, ends: Ends) -> tuple[Term, Term]:
    """Messages that run behind arithmetic, as far as there is any: what is left of them, and what is hidden.

    Sharded weights come and go all along; gradients that every rank has leave while the last micro-batch goes back.
    """
    window = work
    if job.sharding is not Sharding.ALL:
        window = work / job.micro_batches * BACKWARD / (FORWARD + BACKWARD)
    share = ends.hidden if job.hidden is None else job.hidden
    hidden = min(one.seconds * share, window)
    footing = one.footing
    return (
        Term(NAMES[one.kind], one.seconds - hidden, Bound.LINK, footing),
        Term(f"{NAMES[one.kind]}, behind arithmetic", hidden, Bound.LINK, footing, hidden=True),
    )


def _assumptions(job: Job, ceilings: Ceilings, peak: float | None) -> list[str]:
    known = ceilings.gemm.get(job.dtype)
    told = [
        (
            f"Products reach {percent(USUAL.products)} of {(known and known.source) or 'the ceiling'} "
            f"(band: {percent(POOR.products)} to {percent(GOOD.products)})."
        ),
        f"Activations pass through memory {PASSES:g} times as often as written and read once.",
        (
            f"Unmeasured messages go at {percent(USUAL.link)} of the link (band: {percent(POOR.link)} to "
            f"{percent(GOOD.link)}); tensor, expert and pipeline messages hide behind nothing."
        ),
        f"Adam in fp32 beside bf16 weights and gradients; {RESERVE / GIB:.1f} GiB of each device are reserved.",
    ]
    if job.data > 1:
        share = USUAL.hidden if job.hidden is None else job.hidden
        where = f"assumed, band: {percent(POOR.hidden)} to {percent(GOOD.hidden)}" if job.hidden is None else "given"
        told.append(f"Of the data ranks' messages {percent(share)} run behind arithmetic where it lasts ({where}).")
    if job.data > 1 and job.sharding is Sharding.ALL:
        told.append("Sharded weights are gathered again for every micro-batch, and gradients scattered after each.")
    if job.spread > 0:
        count = nodes(job, ceilings)
        told.append(f"Step times of {count} nodes are normal with a spread of {percent(job.spread)}.")
    if peak is None:
        told.append("The datasheet's peak is not known, so there is no MFU.")
    return told


def _cautions(job: Job, ceilings: Ceilings, phase: Phase) -> list[Caution]:
    told = [Caution("UNCALIBRATED", "No published training was fitted: the band is that of the assumptions.")]
    if job.shape.experts:
        told.append(Caution("BALANCED", "Every expert is taken to get as many tokens as the next."))
    if job.sharding is Sharding.ALL and job.pipeline > 1:
        told.append(
            Caution("GATHERED_OFTEN", "Each micro-batch gathers its stage's weights: --sharded-optimizer does not.")
        )
    if job.tensor > ceilings.devices:
        told.append(Caution("TENSOR_ACROSS_NODES", "Tensor parallel messages leave the node: nobody trains so."))
    if any(term.footing is Footing.ASSUMED and term.bound is not Bound.IDLE for term in phase.terms):
        told.append(Caution("UNMEASURED", "Some rates are the datasheet's times what is usual, not measured."))
    return told
