"""What is trained and how it is spread: the job, what each device of it holds, and what it computes. Pure.

    data x tensor x pipeline devices; of a step each copy (a "data rank") works on batch / data tokens, in micro-batches

Memory per device follows ZeRO's mixed-precision Adam, 2 + 2 + 12 bytes of a parameter (Rajbhandari et al., SC 2020,
arXiv 1910.02054, section 3.1), and counts what the backward pass reads again as Korthikanti et al. do (MLSys 2023,
arXiv 2205.05198, sections 4.1 and 4.2: sequence parallelism divides it by the tensor degree; the matrix of attention
is never kept). A GPU of a pipeline's first stage keeps the activations of as many micro-batches as there are stages.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from benchsuite.catalog import ModelShape
from benchsuite.errors import RefusedError, UsageError
from benchsuite.model import Parallelism
from benchsuite.model.forecast import Ceilings
from benchsuite.patterns import refusal
from benchsuite.units import GIB

WEIGHT, GRADIENT, OPTIMIZER = 2.0, 2.0, 12.0
"""Bytes of a parameter: bf16 weight and gradient; fp32 copy, momentum and variance of Adam (ZeRO, section 3.1)."""


class Sharding(StrEnum):
    """What the data ranks share instead of each having its own: nothing, Adam's state (ZeRO 1), everything (ZeRO 3)."""

    NONE = "none"
    OPTIMIZER = "optimizer"
    ALL = "all"


class Recompute(StrEnum):
    """What the backward pass computes again: attention only, as flash attention does anyway, or every layer."""

    ATTENTION = "attention"
    LAYERS = "layers"


@dataclass(frozen=True, slots=True)
class Job:
    """A training. tokens: of the whole; batch: tokens of one step, of all devices together; length: of a sequence.

    expert: over how many of the data ranks experts are spread. micro: sequences of a micro-batch. interleave: chunks of
    layers that each stage has (1: one). network: B/s of one device to another node, one direction. hidden: the share
    of data-parallel communication that runs behind arithmetic where there is room for it. spread: standard deviation
    of the nodes' step times over their mean; slower: the share of its rate that the slowest node lacks.
    """

    shape: ModelShape
    tokens: float
    batch: int
    length: int
    data: int = 1
    tensor: int = 1
    pipeline: int = 1
    expert: int = 1
    sharding: Sharding = Sharding.NONE
    recompute: Recompute = Recompute.ATTENTION
    micro: int = 1
    interleave: int = 1
    dtype: str = "bf16"
    network: float | None = None
    hidden: float | None = None
    spread: float = 0.0
    slower: float = 0.0

    @property
    def devices(self) -> int:
        """All that take part."""
        return self.data * self.tensor * self.pipeline

    @property
    def micro_tokens(self) -> int:
        """Tokens of a micro-batch of one data rank."""
        return self.micro * self.length

    @property
    def micro_batches(self) -> int:
        """Micro-batches of a step that one data rank puts through its pipeline."""
        return self.batch // (self.data * self.micro_tokens)

    @property
    def steps(self) -> float:
        """Steps of the whole training."""
        return self.tokens / self.batch

    @property
    def bubble(self) -> float:
        """Share of a pipeline's time in which a stage waits: (p-1)/(v m + p-1) (Narayanan et al., arXiv 2104.04473)."""
        waits = self.pipeline - 1
        return waits / (self.interleave * self.micro_batches + waits)


def check(job: Job) -> Job:
    """The job, if it can be dealt out. Raises ``UsageError`` for numbers that do not divide each other."""
    counts = {"data": job.data, "tensor": job.tensor, "pipeline": job.pipeline, "expert": job.expert}
    counts |= {"micro": job.micro, "interleave": job.interleave, "batch": job.batch, "length": job.length}
    for name, count in counts.items():
        if count < 1:
            raise UsageError(f"--{name} {count} is none.", "Give at least 1.")
    if not (math.isfinite(job.tokens) and job.tokens > 0):
        raise UsageError(f"{job.tokens:g} tokens are none to train with.", "Give for example --tokens 1T.")
    whole = job.data * job.micro_tokens
    if job.batch % whole:
        near = max(1, round(job.batch / whole)) * whole
        raise UsageError(
            f"{job.batch} tokens of a step are no whole number of micro-batches of {whole} tokens on all data ranks.",
            f"Give for example --batch {near}.",
        )
    if job.expert > 1 and (not job.shape.experts or job.data % job.expert):
        why = f"{job.data} data ranks" if job.shape.experts else f"{job.shape.key} has no experts"
        raise UsageError(f"Experts cannot be spread over {job.expert} devices: {why}.", "Choose another --expert.")
    for kind, ranks in (
        (Parallelism.TENSOR, job.tensor),
        (Parallelism.PIPELINE, job.pipeline * job.interleave),
        (Parallelism.EXPERT, job.expert),
    ):
        if ranks > 1 and (why := refusal(kind, job.shape, ranks)):
            raise UsageError(f"{why[:1].upper()}{why[1:]}.", f"Choose another --{kind.value}.")
    if job.hidden is not None and not 0.0 <= job.hidden <= 1.0:
        raise UsageError(f"--hidden {job.hidden:g} is no share.", "Give a number from 0 to 1.")
    if job.network is not None and not (math.isfinite(job.network) and job.network > 0):
        raise UsageError(f"--network {job.network:g} is no bandwidth.", "Give Gb/s of one device: --network 400.")
    return job


def stage_layers(job: Job) -> int:
    """Layers of the fullest stage."""
    return -(-job.shape.layers // job.pipeline)


def parameters(job: Job) -> tuple[float, float]:
    """Parameters of the fullest device: those that all data ranks have, and those of experts that are spread."""
    shape, layers = job.shape, stage_layers(job)
    sparse = min(layers, shape.layers - shape.dense_layers) if shape.experts else 0
    routed = sparse * shape.experts * 3 * shape.hidden * shape.moe_ffn
    shared = sparse * shape.hidden * (shape.experts + 3 * shape.shared_experts * shape.moe_ffn)
    dense = (layers - sparse) * 3 * shape.hidden * shape.ffn
    ends = 1 if job.pipeline > 1 or shape.tied_embeddings else 2
    common = layers * shape.attention + shared + dense + ends * shape.vocab * shape.hidden
    return common / job.tensor, routed / (job.tensor * job.expert)


def activations(shape: ModelShape) -> float:
    """Bytes that one token leaves in one layer for the backward pass, 16-bit: inputs of every product and norm.

    Two norms' inputs and outputs 8 h, queries and attention's output 4 H d, keys and values, gate, up and their
    product 6 f (of experts: of each that the token is routed to).
    """
    width = shape.ffn
    if shape.experts:
        width = (shape.experts_active + shape.shared_experts) * shape.moe_ffn
    return 8.0 * shape.hidden + 4.0 * shape.heads * shape.head_dim + 2.0 * shape.kv_elements + 6.0 * width


def memory(job: Job, reserve: float) -> dict[str, float]:
    """Bytes of the fullest device by what they hold. reserve: what software and fragments take."""
    common, routed = parameters(job)
    ranks, spread = job.data, job.data // job.expert
    shared = job.sharding is not Sharding.NONE
    everything = job.sharding is Sharding.ALL

    def held(each: float, divided: bool) -> float:
        """Bytes of both kinds of parameters; experts have fewer ranks to share with."""
        return each * (common / (ranks if divided else 1) + routed / (spread if divided else 1))

    found = {
        "weights": held(WEIGHT, everything),
        "gradients": held(GRADIENT, everything),
        "optimizer": held(OPTIMIZER, shared),
        "activations": _kept(job),
        "logits": _logits(job),
        "reserve": reserve,
    }
    if everything:  # the layer at work and the next one, gathered
        found["gathered layers"] = 2 * WEIGHT * (common + routed) / stage_layers(job)
    return found


def _kept(job: Job) -> float:
    """Activations of the first stage: of as many micro-batches as there are stages; more when chunks interleave."""
    layers = stage_layers(job)
    in_flight = min(job.pipeline, job.micro_batches)
    more = 1.0 + (job.pipeline - 1) / (job.pipeline * job.interleave) if job.interleave > 1 else 1.0
    tokens = job.micro_tokens / job.tensor
    if job.recompute is Recompute.LAYERS:
        return tokens * (2.0 * job.shape.hidden * layers * in_flight * more + activations(job.shape))
    return tokens * activations(job.shape) * layers * in_flight * more


def _logits(job: Job) -> float:
    """What the loss of one micro-batch needs, 16 bits and 32 bits of every logit; not beside a full first stage."""
    return 6.0 * job.micro_tokens * job.shape.vocab / job.tensor if job.pipeline == 1 else 0.0


def fit(job: Job, ceilings: Ceilings, reserve: float) -> dict[str, float]:
    """What ``memory`` says. Raises ``RefusedError`` where a device does not hold it."""
    found = memory(job, reserve)
    needed = sum(found.values())
    if needed > ceilings.memory:
        most = max(found, key=lambda name: found[name])
        raise RefusedError(
            f"{job.shape.key} does not fit: {needed / GIB:.0f} GiB on each device (data {job.data} × tensor "
            f"{job.tensor} × pipeline {job.pipeline}), most of it {most} with {found[most] / GIB:.0f} GiB, and "
            f"{ceilings.name} has {ceilings.memory / GIB:.1f} GiB.",
            _remedy(job, most),
        )
    return found


def _remedy(job: Job, most: str) -> str:
    if most == "activations" and job.recompute is Recompute.ATTENTION:
        return "Recompute layers (--recompute layers), or use more --tensor or --pipeline."
    if job.sharding is not Sharding.ALL and job.data > 1:
        return "Share more of it among the data ranks (--sharded), or use more --tensor or --pipeline."
    return "Use more --tensor, --pipeline or --data."


def flops(shape: ModelShape, length: int) -> float:
    """FLOP of the model for one token, forward and backward: 6 N + 12 L H d s (Chowdhery et al., PaLM, appendix B).

    N: active parameters that are multiplied, the embedding left out. Attention is counted over the whole square, as
    the published figures of model FLOP utilisation do; nothing that is computed again counts.
    """
    looked_up = 0 if shape.tied_embeddings else shape.vocab * shape.hidden
    return 6.0 * (shape.active_parameters - looked_up) + 12.0 * shape.layers * shape.heads * shape.head_dim * length
