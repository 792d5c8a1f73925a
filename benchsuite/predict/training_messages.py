"""What communication takes in a step of training: measured where it was, else the message by the link.

    seconds = latency x log2(ranks) + bytes x factor / (share x link)       factor: of nccl-tests, 2 (n-1)/n of a sum

Messages are those of ``patterns``. Groups lie as Megatron-LM places them (Narayanan et al., SC 2021, arXiv 2104.04473):
tensor innermost, then data, then pipeline; a group whose members are on several nodes goes at the network's rate.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from benchsuite.errors import RefusedError
from benchsuite.model import Message, Parallelism
from benchsuite.model.forecast import Ceiling, Ceilings, Footing, MessagePoint
from benchsuite.patterns import Setup, messages
from benchsuite.predict.training_job import Job, Recompute, Sharding, parameters, stage_layers

FACTORS: Mapping[str, tuple[float, float]] = {
    "allreduce": (2.0, 1.0),
    "allgather": (1.0, 1.0),
    "reduce_scatter": (1.0, 1.0),
    "alltoall": (1.0, 1.0),
    "exchange": (1.0, 0.0),
}
"""a and b of what each rank sends of a message of S bytes: a S (n - b) / n."""

LATENCY = 10e-6
"""Seconds for each doubling of the ranks that an unmeasured message takes: assumed."""


@dataclass(frozen=True, slots=True)
class Group:
    """Ranks that send to each other, and how far apart they are: every ``stride``-th device."""

    ranks: int
    stride: int

    def within(self, devices: int) -> bool:
        """Whether all of them are on one node of so many devices."""
        return self.ranks * self.stride <= devices


def group(job: Job, kind: Parallelism) -> Group:
    """Who takes part in the messages of this kind."""
    match kind:
        case Parallelism.TENSOR:
            return Group(job.tensor, 1)
        case Parallelism.EXPERT:
            return Group(job.expert, job.tensor)
        case Parallelism.PIPELINE:
            return Group(job.pipeline, job.tensor * job.data)
        case _:
            return Group(job.data, job.tensor)


def seconds(ceilings: Ceilings, job: Job, message: Message, among: Group, share: float) -> Ceiling:
    """One message. share: of the link's rate that a collective reaches where it was not measured.

    Raises ``RefusedError`` where the ranks are on several nodes and nobody said what joins these.
    """
    local = among.within(ceilings.devices)
    if local and (found := _measured(ceilings.messages.get(message.benchmark, ()), message.bytes, among.ranks)):
        return Ceiling(found, Footing.MEASURED, f"{message.benchmark} among {among.ranks} ranks, measured")
    link = ceilings.link.value if local and ceilings.link else job.network
    if link is None:
        what = "devices of one node" if local else "nodes"
        raise RefusedError(
            f"What joins the {what} is not known, and {message.what} must pass it.",
            "Give --network, Gb/s of one device to another node.",
        )
    sent, less = FACTORS[message.benchmark]
    rounds = math.log2(among.ranks) if less else 1.0
    wire = sent * message.bytes * (among.ranks - less) / among.ranks
    where = "the link's rate" if local else "the network's rate"
    return Ceiling(LATENCY * rounds + wire / (link * share), Footing.ASSUMED, f"{share:.0%} of {where}")


def _measured(points: tuple[MessagePoint, ...], size: int, ranks: int) -> float | None:
    """Seconds of a message of ``size``: between measured sizes on a double logarithm, beyond them at the last rate."""
    known = sorted((one.bytes, one.seconds) for one in points if one.ranks == ranks and one.bytes > 0)
    if not known:
        return None
    if size <= known[0][0]:
        return known[0][1]
    for (low, short), (high, long) in pairwise(known):
        if size <= high:
            part = math.log(size / low) / math.log(high / low)
            return math.exp(math.log(short) + part * math.log(long / short))
    return known[-1][1] * size / known[-1][0]


@dataclass(frozen=True, slots=True)
class Sent:
    """The communication of one kind in a step of the fullest stage. window: it runs beside arithmetic."""

    kind: Parallelism
    seconds: float
    footing: Footing
    local: bool
    window: bool


def sent(job: Job, ceilings: Ceilings, share: float) -> tuple[Sent, ...]:
    """What a device spends on each kind of message in a step when none of it is hidden."""
    return tuple(
        _sent(job, ceilings, share, kind)
        for kind in (Parallelism.TENSOR, Parallelism.EXPERT, Parallelism.PIPELINE, *_data(job))
        if group(job, kind).ranks > 1
    )


def _data(job: Job) -> tuple[Parallelism, ...]:
    return (Parallelism.SHARDED,) if job.sharding is Sharding.ALL else (Parallelism.DATA,)


def _sent(job: Job, ceilings: Ceilings, share: float, kind: Parallelism) -> Sent:
    among = group(job, kind)
    tokens = job.micro_tokens * (job.pipeline if kind is Parallelism.PIPELINE else 1)
    setup = Setup(job.shape, tokens, job.dtype, micro_batches=job.pipeline)
    total, footing = 0.0, Footing.MEASURED
    for message in messages(kind, setup):
        if message.ranks > among.ranks:
            continue
        scaled = Message(message.benchmark, _bytes(job, kind, message), message.count, message.what, "", "")
        one = seconds(ceilings, job, scaled, among, share)
        total += one.value * message.count * _often(job, kind)
        footing = footing if one.footing is Footing.MEASURED else one.footing
    hides = kind in {Parallelism.DATA, Parallelism.SHARDED}
    return Sent(kind, total, footing, among.within(ceilings.devices), hides)


def _bytes(job: Job, kind: Parallelism, message: Message) -> int:
    """Of one message: a layer is divided among the tensor ranks, its experts further; activations among the former."""
    if kind is Parallelism.SHARDED:
        return max(1, message.bytes // (job.tensor * job.expert))
    return max(1, message.bytes // (job.tensor if kind in {Parallelism.PIPELINE, Parallelism.EXPERT} else 1))


def _often(job: Job, kind: Parallelism) -> float:
    """How often a step sends what ``patterns`` lists of a whole model: the fullest stage's part, each micro-batch.

    Buckets of gradients are sent once a step, so many as the device's parameters fill. The pipeline's messages were
    asked for with as many micro-batches as there are stages.
    """
    part = stage_layers(job) / job.shape.layers
    match kind:
        case Parallelism.DATA:
            return sum(parameters(job)) / job.shape.parameters
        case Parallelism.PIPELINE:
            return job.micro_batches / job.pipeline
        case Parallelism.TENSOR:
            return part * job.micro_batches * (1.5 if job.recompute is Recompute.LAYERS else 1.0)
        case _:
            return part * job.micro_batches
