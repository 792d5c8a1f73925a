"""What a step of training sends: totals by law, buckets by PyTorch's rule, refusals with a reason."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchsuite import bandwidths, catalog, discovery, patterns, units
from benchsuite.catalog import ModelShape
from benchsuite.model import Message, Parallelism
from benchsuite.patterns import Setup, buckets, messages, refusal, tensors

MODELS = catalog.load().models
EVERY = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
EXPERTS = [model for model in MODELS.values() if model.experts]


def sent(kind: Parallelism, model: ModelShape, tokens: int = 4096, **changes: object) -> tuple[Message, ...]:
    return messages(kind, replace(Setup(model, tokens), **changes))  # type: ignore[arg-type]


def total(found: tuple[Message, ...], benchmark: str = "") -> int:
    return sum(one.total for one in found if benchmark in {"", one.benchmark})


@EVERY
def test_the_matrices_of_a_model_are_its_parameters(model: ModelShape) -> None:
    assert sum(tensors(model)) == model.parameters
    assert min(tensors(model)) > 0


@EVERY
@pytest.mark.parametrize(("dtype", "size"), [("bf16", 2), ("fp32", 4)])
def test_data_parallel_sums_every_gradient_once(model: ModelShape, dtype: str, size: int) -> None:
    assert total(sent(Parallelism.DATA, model, dtype=dtype), "allreduce") == size * model.parameters


@EVERY
@pytest.mark.parametrize("limit", [1, units.MIB, 200 * units.MIB, 1 << 50])
def test_the_size_of_a_bucket_changes_no_total(model: ModelShape, limit: int) -> None:
    found = sent(Parallelism.DATA, model, bucket=limit)
    assert total(found) == 2 * model.parameters
    if limit == 1:
        assert sum(one.count for one in found) == len(tensors(model))


@EVERY
def test_fsdp_moves_three_times_the_parameters(model: ModelShape) -> None:
    """ZeRO, section 7: gathered forward and backward, scattered once."""
    found = sent(Parallelism.SHARDED, model)
    assert total(found, "allgather") == 2 * 2 * model.parameters
    assert total(found, "reduce_scatter") == 2 * model.parameters


@EVERY
def test_fsdp_sends_one_and_a_half_times_what_data_parallel_sends(model: ModelShape) -> None:
    """On the wire: an all-reduce is a reduce-scatter and an all-gather (ZeRO, section 7.2.2)."""
    wire = {
        kind: sum(bandwidths.FACTORS[one.benchmark].of(8) * one.total for one in sent(kind, model))  # type: ignore[misc]
        for kind in (Parallelism.DATA, Parallelism.SHARDED)
    }
    assert wire[Parallelism.SHARDED] == pytest.approx(1.5 * wire[Parallelism.DATA])


@EVERY
def test_tensor_parallel_sums_activations_four_times_a_layer(model: ModelShape) -> None:
    found = sent(Parallelism.TENSOR, model, tokens=1000)
    assert {one.bytes for one in found} == {1000 * model.hidden * 2}
    assert sum(one.count for one in found) == 4 * model.layers + 2  # and once for the embedding and for the head


@EVERY
@pytest.mark.parametrize("parts", [1, 8, 64])
def test_a_pipeline_sends_every_activation_on_and_every_gradient_back(model: ModelShape, parts: int) -> None:
    found = sent(Parallelism.PIPELINE, model, tokens=6400, micro_batches=parts)
    assert [one.count for one in found] == [parts, parts]
    assert total(found) == 2 * 6400 * model.hidden * 2
    assert [one.ranks for one in found] == [2, 3]  # two stages have no stage between them


@pytest.mark.parametrize("model", EXPERTS, ids=lambda model: model.key)
def test_expert_parallel_sends_tokens_there_and_back_forward_and_backward(model: ModelShape) -> None:
    found = sent(Parallelism.EXPERT, model, tokens=512)
    layers = model.layers - model.dense_layers
    assert total(found, "alltoall") == total(found) == 4 * layers * 512 * model.experts_active * model.hidden * 2


@EVERY
@pytest.mark.parametrize("kind", [Parallelism.TENSOR, Parallelism.PIPELINE])
def test_activations_grow_with_tokens_and_weights_do_not(model: ModelShape, kind: Parallelism) -> None:
    assert total(sent(kind, model, 8192)) == 2 * total(sent(kind, model, 4096))
    for weights in (Parallelism.DATA, Parallelism.SHARDED):
        assert sent(weights, model, 8192) == sent(weights, model, 4096)


sizes = st.lists(st.integers(1, 1000), min_size=1, max_size=60)


@given(sizes, st.integers(1, 2000), st.integers(1, 2000))
@settings(max_examples=200, deadline=None)
def test_buckets_keep_every_byte_and_are_closed_by_the_tensor_that_fills_them(
    tensors_: list[int], limit: int, first: int
) -> None:
    made = buckets(tensors_, limit, first)
    assert sum(made) == sum(tensors_)
    bounds = [min(first, limit), *[limit] * len(made)]
    ends = {sum(tensors_[: i + 1]) for i in range(len(tensors_))}
    position = 0
    for number, size in enumerate(made):
        start, position = position, position + size
        assert position in ends
        within = [end - start for end in ends if start < end < position]
        assert all(filled < bounds[number] for filled in within)
        assert size >= bounds[number] or number == len(made) - 1


def test_buckets_as_pytorch_makes_them() -> None:
    """``_compute_bucket_assignment_by_size`` of three layers of 512 x 512 fp32 with biases, limits of 1 MiB."""
    weight, bias = 512 * 512 * 4, 512 * 4
    made = buckets([weight, bias, weight, bias, weight, bias], units.MIB)
    assert made == [weight, bias + weight, bias + weight, bias]


def test_a_matrix_larger_than_a_bucket_is_one_message() -> None:
    """The head of an 8-billion model is a gigabyte, whatever ``bucket_cap_mb`` says."""
    first = sent(Parallelism.DATA, MODELS["llama-3.1-8b"])[0]
    assert first.bytes == 2 * 128256 * 4096


def test_the_last_layer_s_gradients_leave_first_and_the_embedding_s_last() -> None:
    small = MODELS["smollm2-135m"]
    first, *_, last = sent(Parallelism.DATA, small)
    assert first.bytes == 2 * small.hidden * small.ffn
    assert last.bytes > 2 * small.vocab * small.hidden


def test_what_cannot_be_trained_so_is_refused() -> None:
    small = MODELS["smollm2-135m"]
    with pytest.raises(ValueError, match="smollm2-135m has no experts"):
        sent(Parallelism.EXPERT, small)
    with pytest.raises(ValueError, match="1000 tokens do not make 3 equal micro-batches"):
        sent(Parallelism.PIPELINE, small, tokens=1000, micro_batches=3)
    assert refusal(Parallelism.TENSOR, small, 2) == "9 heads cannot be dealt evenly to 2 ranks"
    assert refusal(Parallelism.TENSOR, small, 3) == ""
    assert refusal(Parallelism.TENSOR, small, 9) == ""  # its three KV heads are then kept by three ranks each
    assert refusal(Parallelism.PIPELINE, small, 31) == "30 layers make no 31 stages"
    assert refusal(Parallelism.PIPELINE, small, 30) == ""
    assert refusal(Parallelism.EXPERT, MODELS["mixtral-8x7b"], 3) == "8 experts cannot be dealt evenly to 3 ranks"
    assert refusal(Parallelism.DATA, small, 1000) == ""


def test_every_message_can_be_measured_and_says_who_sends_it() -> None:
    known = discovery.discover()
    for kind in Parallelism:
        for one in sent(kind, MODELS["qwen3-30b-a3b"]):
            axes = {axis.name for axis in known[one.benchmark].axes}
            assert {"bytes", "dtype"} <= axes
            assert "arXiv" in one.source
            assert one.what
            assert f"{2} B" in one.formula
        assert patterns.CAVEATS[kind].endswith(".")
        assert patterns.NAMES[kind]
