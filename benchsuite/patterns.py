"""What a step of training sends, computed from a model's shape: pure, with formula and source of every message.

    data parallel       gradients in buckets                      all-reduce
    fsdp (ZeRO stage 3) weights and gradients, layer by layer     all-gather, reduce-scatter
    tensor parallel     activations                               all-reduce
    pipeline parallel   activations and their gradients           exchange with the neighbour
    expert parallel     tokens to their experts and back          all-to-all

Sizes are those of nccl-tests: of the whole buffer that is summed, gathered, scattered or exchanged, so that none of
them depends on the number of ranks. Norms and biases are left out, as ``ModelShape`` leaves them out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchsuite import units
from benchsuite.catalog import ModelShape
from benchsuite.model import Message, Parallelism

FIRST_BUCKET = units.MIB
BUCKET = 25 * units.MIB
"""The limits of PyTorch's buckets; DDP's first is small, so that the first message leaves early."""

DDP = (
    "PyTorch DistributedDataParallel: bucket_cap_mb=25, first bucket 1 MiB; a bucket is closed by the tensor that "
    "fills it (distributed.py, c10d/reducer.cpp); Li et al., VLDB 2020, arXiv 2006.15704"
)
ZERO = "Rajbhandari et al., ZeRO, SC 2020, arXiv 1910.02054, section 7: stage 3 moves three times the parameters"
MEGATRON = (
    "Shoeybi et al., Megatron-LM, 2019, arXiv 1909.08053, section 3: two all-reduces a layer forward, two backward"
)
PIPELINE = (
    "Narayanan et al., PipeDream, SOSP 2019, arXiv 1806.03377; Megatron-LM, SC 2021, arXiv 2104.04473, section 2.2"
)
MOE = "Lepikhin et al., GShard, 2020, arXiv 2006.16668; Rajbhandari et al., DeepSpeed-MoE, ICML 2022, arXiv 2201.05596"

NAMES: Mapping[Parallelism, str] = {
    Parallelism.DATA: "data parallel",
    Parallelism.SHARDED: "FSDP (ZeRO stage 3)",
    Parallelism.TENSOR: "tensor parallel",
    Parallelism.PIPELINE: "pipeline parallel",
    Parallelism.EXPERT: "expert parallel",
}
CAVEATS: Mapping[Parallelism, str] = {
    Parallelism.DATA: "Buckets leave while the backward pass goes on; only the last cannot be hidden behind it.",
    Parallelism.SHARDED: "Every unit is gathered forward and again backward; who keeps one spares the second.",
    Parallelism.TENSOR: "The loss's three messages of 4 B a token are left out. Sequence parallelism sends as much.",
    Parallelism.PIPELINE: "A stage between two others; the first and the last exchange half. No bubble is counted.",
    Parallelism.EXPERT: "Every expert gets as many tokens as the next; routers do not deal so evenly.",
}
"""What must be said beside the messages of each."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What is trained, and how. ``tokens``: as in ``model.Pattern``.

    dtype: of weights, gradients and activations; bucket: bytes that close a bucket of gradients; micro_batches: parts
    of the tokens that go through a pipeline one after the other.
    """

    model: ModelShape
    tokens: int
    dtype: str = "bf16"
    bucket: int = BUCKET
    micro_batches: int = 8

    @property
    def element(self) -> int:
        """Bytes of one number."""
        return units.dtype(self.dtype).bytes


def messages(kind: Parallelism, setup: Setup) -> tuple[Message, ...]:
    """What a rank takes part in during one step, in the order it first happens.

    Raises ``ValueError`` with a sentence for a model that cannot be trained so.
    """
    return tuple(_MAKERS[kind](setup))


def refusal(kind: Parallelism, model: ModelShape, ranks: int) -> str:
    """Why so many ranks cannot share this model in this way, as a phrase, or nothing."""
    if kind is Parallelism.TENSOR and model.heads % ranks:
        return f"{model.heads} heads cannot be dealt evenly to {ranks} ranks"
    if kind is Parallelism.PIPELINE and ranks > model.layers:
        return f"{model.layers} layers make no {ranks} stages"
    if kind is Parallelism.EXPERT and model.experts % ranks:
        return f"{model.experts} experts cannot be dealt evenly to {ranks} ranks"
    return ""


def tensors(model: ModelShape) -> list[int]:
    """Elements of every weight matrix, in the order of the forward pass. Their sum is ``model.parameters``."""
    found = [model.vocab * model.hidden]
    for layer in range(model.layers):
        found += [*_attention(model), *_feed_forward(model, layer)]
    if not model.tied_embeddings:
        found.append(model.vocab * model.hidden)
    return found


def _attention(model: ModelShape) -> list[int]:
    """Query, key, value and output; with latent attention what goes down, what comes up, and the output."""
    hidden, heads = model.hidden, model.heads
    if not model.kv_lora_rank:
        key = hidden * model.kv_heads * model.head_dim
        return [hidden * heads * model.head_dim, key, key, heads * model.head_dim * hidden]
    query = model.qk_nope_head_dim + model.qk_rope_head_dim
    return [
        hidden * model.q_lora_rank,
        model.q_lora_rank * heads * query,
        hidden * (model.kv_lora_rank + model.qk_rope_head_dim),
        model.kv_lora_rank * heads * (model.qk_nope_head_dim + model.v_head_dim),
        heads * model.v_head_dim * hidden,
    ]


def _feed_forward(model: ModelShape, layer: int) -> list[int]:
    """The three matrices of SwiGLU, once or for every expert after the router."""
    if not model.experts or layer < model.dense_layers:
        return [model.hidden * model.ffn] * 3
    matrices = 3 * (model.experts + model.shared_experts)
    return [model.hidden * model.experts, *[model.hidden * model.moe_ffn] * matrices]


def buckets(sizes: Sequence[int], limit: int, first: int = FIRST_BUCKET) -> list[int]:
    """Bytes of each bucket: tensors in the order given, a bucket closed by the one that fills it.

    The first is full at ``first`` bytes, the others at ``limit``, as in PyTorch's reducer.
    """
    made: list[int] = []
    filled = 0
    for size in sizes:
        filled += size
        if filled >= (limit if made else min(first, limit)):
            made.append(filled)
            filled = 0
    return [*made, filled] if filled else made


def _data(setup: Setup) -> Iterator[Message]:
    gradients = [count * setup.element for count in reversed(tensors(setup.model))]  # the last layer's are ready first
    for size, count in Counter(buckets(gradients, setup.bucket)).items():
        formula = f"{size // setup.element:,} gradients × {setup.element} B"
        yield Message("allreduce", size, count, "a bucket of gradients", formula, DDP)


def _sharded(setup: Setup) -> Iterator[Message]:
    model = setup.model
    ends = 1 if model.tied_embeddings else 2
    units_of = [("the embedding" if ends == 1 else "the embedding, and the head", model.vocab * model.hidden, ends)]
    layers = Counter(sum(_attention(model)) + sum(_feed_forward(model, layer)) for layer in range(model.layers))
    units_of += [("a layer", elements, count) for elements, count in layers.items()]
    for what, elements, count in units_of:
        size, formula = elements * setup.element, f"{elements:,} elements × {setup.element} B"
        yield Message("allgather", size, count, f"weights of {what}, forward", formula, ZERO)
        yield Message("allgather", size, count, f"weights of {what}, backward", formula, ZERO)
        yield Message("reduce_scatter", size, count, f"gradients of {what}", formula, ZERO)


def _activations(setup: Setup, tokens: int) -> tuple[int, str]:
    """Bytes of the activations between two layers, and how they come about."""
    hidden = setup.model.hidden
    return tokens * hidden * setup.element, f"{tokens:,} tokens × {hidden:,} × {setup.element} B"


def _tensor(setup: Setup) -> Iterator[Message]:
    size, formula = _activations(setup, setup.tokens)
    layers = setup.model.layers
    yield Message("allreduce", size, 1, "embedding, forward", formula, MEGATRON)
    yield Message("allreduce", size, 2 * layers, "attention and feed-forward of a layer, forward", formula, MEGATRON)
    yield Message("allreduce", size, 1, "head, backward", formula, MEGATRON)
    yield Message("allreduce", size, 2 * layers, "attention and feed-forward of a layer, backward", formula, MEGATRON)


def _pipeline(setup: Setup) -> Iterator[Message]:
    parts = setup.micro_batches
    if parts < 1 or setup.tokens % parts:
        raise ValueError(f"{setup.tokens} tokens do not make {parts} equal micro-batches")
    size, formula = _activations(setup, setup.tokens // parts)
    yield Message("exchange", size, parts, "activations to the next stage, gradients from it", formula, PIPELINE)
    yield Message("exchange", size, parts, "gradients to the stage before, activations from it", formula, PIPELINE, 3)


def _expert(setup: Setup) -> Iterator[Message]:
    model = setup.model
    if not model.experts:
        raise ValueError(f"{model.key} has no experts")
    size = setup.tokens * model.experts_active * model.hidden * setup.element
    formula = f"{setup.tokens:,} tokens × {model.experts_active} experts × {model.hidden:,} × {setup.element} B"
    layers = model.layers - model.dense_layers
    for way in ("forward", "backward"):
        yield Message("alltoall", size, layers, f"tokens to their experts, {way}", formula, MOE)
        yield Message("alltoall", size, layers, f"what the experts made of them, {way}", formula, MOE)


_MAKERS: Mapping[Parallelism, Callable[[Setup], Iterator[Message]]] = {
    Parallelism.DATA: _data,
    Parallelism.SHARDED: _sharded,
    Parallelism.TENSOR: _tensor,
    Parallelism.PIPELINE: _pipeline,
    Parallelism.EXPERT: _expert,
}
