"""Training forecasts: by hand, against published formulas and trainings, and laws that hold for every mesh."""

from __future__ import annotations

import math
import statistics
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchsuite import catalog
from benchsuite.catalog import ModelShape
from benchsuite.catalog.models import Kind
from benchsuite.catalog.rows import Confidence
from benchsuite.errors import RefusedError, UsageError
from benchsuite.model import Parallelism
from benchsuite.model.forecast import Bound, Ceiling, Ceilings, Footing, MessagePoint
from benchsuite.predict import datasheet, training_job, training_messages
from benchsuite.predict.reliability import Reliability
from benchsuite.predict.training import ATTENTION, GOOD, POOR, READ, USUAL, forecast, step
from benchsuite.predict.training_job import Job, Recompute, Sharding

KNOWN = catalog.load()
LLAMA = KNOWN.models["llama-3.1-8b"]
RATE = 5e14


def ceilings(**changed: object) -> Ceilings:
    told = {
        "name": "made up", "devices": 8, "memory": 80e9, "bandwidth": Ceiling(3e12, Footing.MEASURED),
        "gemm": {"bf16": Ceiling(RATE, Footing.MEASURED, "a product")}, "link": Ceiling(4e11, Footing.ASSUMED),
    }  # fmt: skip
    return Ceilings(**(told | changed))  # type: ignore[arg-type]


def job(**changed: object) -> Job:
    told = {
        "shape": LLAMA, "tokens": 1e12, "batch": 2**22, "length": 8192, "data": 8, "sharding": Sharding.ALL,
    }  # fmt: skip
    return Job(**(told | changed))  # type: ignore[arg-type]


def terms(made: Job, machine: Ceilings | None = None) -> dict[str, float]:
    phase = step(training_job.check(made), machine or ceilings(), USUAL)
    return {term.name: term.seconds for term in phase.terms if not term.hidden}


def test_flops_are_palms_formula() -> None:
    n = LLAMA.active_parameters - LLAMA.vocab * LLAMA.hidden
    assert training_job.flops(LLAMA, 8192) == pytest.approx(6 * n + 12 * 32 * 4096 * 8192)


def test_flops_are_megatrons_formula_for_its_models() -> None:
    """72 B s l h^2 (1 + s / 6h + V / 12 l h), without what is computed again (Narayanan et al., 2021, appendix)."""
    layers, hidden, length, vocab = 96, 12288, 2048, 51200
    made = gpt(hidden, layers, 96)
    theirs = 72 * layers * hidden**2 * (1 + length / (6 * hidden) + vocab / (12 * layers * hidden))
    assert training_job.flops(made, length) == pytest.approx(theirs, rel=1e-4)


def test_memory_is_zeros_sixteen_bytes_of_a_parameter() -> None:
    held = training_job.memory(job(data=64, sharding=Sharding.NONE), 0.0)
    model = held["weights"] + held["gradients"] + held["optimizer"]
    assert model == pytest.approx(16 * LLAMA.parameters)
    shared = training_job.memory(job(data=64, sharding=Sharding.OPTIMIZER), 0.0)
    assert shared["weights"] + shared["gradients"] == pytest.approx(4 * LLAMA.parameters)
    assert shared["optimizer"] == pytest.approx(12 * LLAMA.parameters / 64)
    every = training_job.memory(job(data=64), 0.0)
    assert every["weights"] + every["gradients"] + every["optimizer"] == pytest.approx(16 * LLAMA.parameters / 64)


def test_activations_by_hand_and_near_megatrons_34_h() -> None:
    assert training_job.activations(LLAMA) == 8 * 4096 + 4 * 4096 + 4 * 1024 + 6 * 14336
    assert training_job.activations(KNOWN.models["llama-3.1-70b"]) / 8192 == pytest.approx(34, abs=1)


def test_a_first_stage_keeps_as_many_micro_batches_as_there_are_stages() -> None:
    one, four = (training_job.memory(job(data=1, pipeline=p), 0.0)["activations"] for p in (1, 4))
    assert one == pytest.approx(four)  # a quarter of the layers, four times
    divided = training_job.memory(job(data=1, tensor=4), 0.0)["activations"]
    assert divided == pytest.approx(one / 4)


def test_recomputing_layers_keeps_their_inputs_only() -> None:
    held = training_job.memory(job(recompute=Recompute.LAYERS), 0.0)["activations"]
    assert held == 8192 * (2 * 4096 * 32 + training_job.activations(LLAMA))


def test_what_does_not_fit_is_no_number() -> None:
    with pytest.raises(RefusedError, match=r"does not fit: .* GiB .* most of it optimizer"):
        forecast(job(shape=KNOWN.models["llama-3.1-405b"]), ceilings())
    with pytest.raises(RefusedError, match="Recompute layers"):
        forecast(job(length=131072, batch=2**22), ceilings())


def test_products_by_hand() -> None:
    """6 N tokens / rate, a hundredth more for the rows that products are padded by."""
    multiplied = LLAMA.active_parameters - LLAMA.vocab * LLAMA.hidden
    seconds = 6 * multiplied * 2**22 / 8 / (RATE * USUAL.products) * (1 + 100 / 8192)
    assert terms(job())["products"] == pytest.approx(seconds)


def test_attention_and_optimizer_by_hand() -> None:
    """Forward 2 H d s a token and layer of causal attention, 3.5 times that in all; Adam moves 28 bytes a parameter."""
    found = terms(job())
    causal = 3.5 * 2 * 32 * 4096 * 8192 * (2**22 / 8)
    assert found["attention"] == pytest.approx(causal / (RATE * ATTENTION))
    assert found["optimizer"] == pytest.approx(28 * LLAMA.parameters / 8 / (3e12 * READ))


def test_gradients_hide_behind_the_last_backward_pass_only() -> None:
    made = job(data=16, sharding=Sharding.NONE, network=1e8)  # a network so slow that nothing else matters
    phase = step(made, ceilings(memory=1e12), USUAL)
    hidden = next(term.seconds for term in phase.terms if term.hidden)
    working = sum(term.seconds for term in phase.terms if term.name in {"products", "attention", "activations"})
    assert hidden == pytest.approx(working / made.micro_batches * 2 / 3)


def test_it_fits_to_the_byte() -> None:
    needed = sum(training_job.memory(job(), 0.0).values())
    training_job.fit(job(), ceilings(memory=needed * 1.001), 0.0)
    with pytest.raises(RefusedError):
        training_job.fit(job(), ceilings(memory=needed * 0.999), 0.0)


def test_ranks_apart_are_on_other_nodes() -> None:
    """Two data ranks of eight tensor ranks each are on two nodes of eight devices."""
    assert training_messages.group(job(tensor=8), Parallelism.DATA).within(64)
    assert not training_messages.group(job(data=2, tensor=8), Parallelism.DATA).within(8)
    assert training_messages.group(job(data=2, tensor=8), Parallelism.TENSOR).within(8)


def test_recomputing_layers_sums_their_activations_again() -> None:
    made = job(data=1, tensor=4, sharding=Sharding.NONE, batch=8192)
    plain, again = (terms(replace(made, recompute=one)) for one in (Recompute.ATTENTION, Recompute.LAYERS))
    name = "tensor parallel messages"
    assert again[name] == pytest.approx(1.5 * plain[name])
    assert again["products"] == pytest.approx(4 / 3 * plain["products"])


def test_the_bubble_is_narayanans() -> None:
    made = job(data=1, tensor=1, pipeline=4, batch=32 * 8192, sharding=Sharding.NONE)
    found = terms(made)
    working = sum(found[name] for name in ("products", "attention", "activations", "activations between stages"))
    assert found["pipeline bubble"] == pytest.approx(3 / 32 * working)
    assert made.bubble == pytest.approx(3 / 35)
    assert replace(made, interleave=2).bubble == pytest.approx(3 / 67)


def test_messages_take_wire_by_link() -> None:
    """Four all-reduces a layer and one at each end of the model, 2 (t-1)/t of 2 B h a token."""
    made = job(data=1, tensor=4, sharding=Sharding.NONE, batch=8192)
    size = 8192 * 4096 * 2
    each = 2 * training_messages.LATENCY + size * 1.5 / (4e11 * USUAL.link)
    assert terms(made)["tensor parallel messages"] == pytest.approx((4 * 32 + 2) * each)


def test_measured_messages_replace_the_link() -> None:
    points = (MessagePoint(2**20, 4, 1e-3), MessagePoint(2**26, 4, 2e-3), MessagePoint(2**26, 8, 9.0))
    machine = ceilings(messages={"allreduce": points})
    made = job(data=1, tensor=4, sharding=Sharding.NONE, batch=8192)
    assert terms(made, machine)["tensor parallel messages"] == pytest.approx(130 * 2e-3)  # 64 MiB exactly
    twice = terms(replace(made, micro=2, batch=2 * 8192), machine)["tensor parallel messages"]
    assert twice == pytest.approx(130 * 4e-3)  # beyond the largest at its rate
    found = {term.name: term.footing for term in step(made, machine, USUAL).terms}
    assert found["tensor parallel messages"] is Footing.MEASURED


def test_beyond_a_node_the_network_must_be_known() -> None:
    with pytest.raises(RefusedError, match="What joins the nodes is not known"):
        forecast(job(data=16), ceilings())
    near, far = (terms(job(data=16, network=rate))["weights gathered, gradients scattered"] for rate in (1e11, 1e10))
    assert far > near


def test_hidden_messages_are_shown_and_not_added() -> None:
    phase = step(job(), ceilings(), USUAL)
    hidden = [term for term in phase.terms if term.hidden]
    assert hidden
    assert phase.seconds == pytest.approx(sum(term.seconds for term in phase.terms if not term.hidden))
    name = "weights gathered, gradients scattered"
    nothing, everything = (terms(job(hidden=share)).get(name, 0.0) for share in (0.0, 1.0))
    assert everything == 0.0
    assert nothing == pytest.approx(terms(job(hidden=0.5))[name] * 2)


def test_the_tax_of_a_spread_is_added_as_waiting() -> None:
    made = job(data=64, network=5e10, spread=0.03)
    phase = step(made, ceilings(), USUAL)
    waits = next(term for term in phase.terms if term.name == "waiting for the slowest node")
    assert waits.bound is Bound.IDLE
    assert waits.seconds == pytest.approx(0.03 * 1.4236 * (phase.seconds - waits.seconds), rel=1e-3)  # 8 nodes


def test_dollars_days_and_mfu_follow_from_the_step() -> None:
    found = forecast(job(), ceilings(), peak=1e15, usd_per_hour=2.0)
    seconds = found.step.value * 1e12 / 2**22
    assert found.days.value == pytest.approx(seconds / 86400)
    assert found.usd is not None
    assert found.mfu is not None
    assert found.usd.value == pytest.approx(seconds / 3600 * 8 * 2.0)
    assert found.mfu.value == pytest.approx(training_job.flops(LLAMA, 8192) * 2**22 / 8 / found.step.value / 1e15)
    assert found.mfu.low < found.mfu.value < found.mfu.high < 1.0
    assert found.rate.value == pytest.approx(2**22 / found.step.value)


def test_failures_lengthen_it() -> None:
    plain, failing = (forecast(job(), ceilings(), reliability=one) for one in (None, Reliability()))
    assert failing.stretched > 1.0
    assert failing.days.value == pytest.approx(plain.days.value * failing.stretched)


@given(
    data=st.sampled_from([1, 2, 4, 8, 16]), tensor=st.sampled_from([1, 2, 4, 8]), pipeline=st.sampled_from([1, 2, 4]),
    faster=st.floats(1.0, 4.0),
)  # fmt: skip
@settings(deadline=None, max_examples=40)
def test_faster_machines_never_take_longer(data: int, tensor: int, pipeline: int, faster: float) -> None:
    made = training_job.check(job(data=data, tensor=tensor, pipeline=pipeline, network=5e10, spread=0.02))
    slow = ceilings()
    for better in (
        replace(slow, gemm={"bf16": Ceiling(RATE * faster, Footing.MEASURED)}),
        replace(slow, bandwidth=Ceiling(3e12 * faster, Footing.MEASURED)),
        replace(slow, link=Ceiling(4e11 * faster, Footing.ASSUMED)),
    ):
        for ends in (GOOD, USUAL, POOR):
            assert step(made, better, ends).seconds <= step(made, slow, ends).seconds * (1 + 1e-9)
    order = [step(made, slow, ends).seconds for ends in (GOOD, USUAL, POOR)]
    assert order == sorted(order)
    held = training_job.memory(made, 0.0)
    assert all(size >= 0 for size in held.values())


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"batch": 2**22 + 1}, "no whole number of micro-batches"),
        ({"tensor": 3, "data": 8}, "heads cannot be dealt"),
        ({"pipeline": 64, "data": 1}, "layers make no 64 stages"),
        ({"expert": 2}, "has no experts"),
        ({"tokens": math.nan}, "are none"),
        ({"hidden": 1.5}, "is no share"),
        ({"network": 0.0}, "is no bandwidth"),
        ({"data": 0}, "is none"),
    ],
)
def test_what_cannot_be_dealt_out_is_said(changed: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        forecast(job(**changed), ceilings())


@pytest.mark.parametrize("price", [0.0, -1.0, math.nan, math.inf])
def test_a_price_that_is_none_gives_no_dollars(price: float) -> None:
    with pytest.raises(RefusedError, match="no price"):
        forecast(job(), ceilings(), usd_per_hour=price)


def test_an_unknown_type_is_refused() -> None:
    with pytest.raises(RefusedError, match="fp32"):
        forecast(job(dtype="fp32"), ceilings())


def test_experts_are_spread_and_said_to_be_balanced() -> None:
    made = job(shape=KNOWN.models["mixtral-8x7b"], data=8, expert=8, sharding=Sharding.OPTIMIZER, length=4096)
    found = forecast(made, ceilings(memory=160e9))
    assert "BALANCED" in {one.code for one in found.cautions}
    assert {term.name for term in found.phase.terms} >= {"tokens to their experts and back"}
    common, routed = training_job.parameters(made)
    assert common + 8 * routed == pytest.approx(made.shape.parameters)


def gpt(hidden: int, layers: int, heads: int) -> ModelShape:
    """Megatron-LM's models: two matrices of 4 h, here three of 8/3 h; embedding and head are one."""
    return ModelShape(
        "gpt", Kind.DENSE, layers, hidden, heads, heads, hidden // heads, 51200, 0.0, 0.0, 2048, "", Confidence.HIGH,
        key="gpt", ffn=round(8 * hidden / 3), tied_embeddings=True,
    )  # fmt: skip


MEGATRON = (
    # heads, hidden, layers, tensor, pipeline, GPUs, sequences a step, TFLOP/s of a GPU with recomputation
    (24, 2304, 24, 1, 1, 32, 512, 137),
    (32, 3072, 30, 2, 1, 64, 512, 138),
    (32, 4096, 36, 4, 1, 128, 512, 142),
    (48, 6144, 40, 8, 1, 256, 1024, 135),
    (64, 8192, 48, 8, 2, 512, 1536, 138),
    (80, 10240, 60, 8, 4, 1024, 1792, 140),
    (96, 12288, 80, 8, 8, 1536, 2304, 148),
    (128, 16384, 96, 8, 16, 1920, 2160, 155),
    (128, 20480, 105, 8, 35, 2520, 2520, 163),
    (160, 25600, 128, 8, 64, 3072, 3072, 163),
)
"""Narayanan et al., SC 2021, arXiv 2104.04473, table 1: A100 80 GB, sequences of 2048."""


def published() -> list[tuple[str, float, float, float, float]]:
    """Name, TFLOP/s of one device as published, as forecast, and its ends. Micro-batches are not published: 4 or 1."""
    found = []
    a100 = datasheet.ceilings(KNOWN.accelerators["a100_sxm_80"], KNOWN.figures, 8)
    for heads, hidden, layers, tensor, pipeline, gpus, sequences, reached in MEGATRON:
        shape = gpt(hidden, layers, heads)
        made = Job(
            shape, 1e12, sequences * 2048, 2048, gpus // (tensor * pipeline), tensor, pipeline,
            micro=1 if pipeline > 1 else 4,
            sharding=Sharding.OPTIMIZER, recompute=Recompute.LAYERS, network=25e9,
        )  # fmt: skip
        work = training_job.flops(shape, 2048) * 4 / 3 * made.batch / gpus
        found.append((f"{shape.parameters / 1e9:.1f}B on {gpus} A100", *_rates(made, a100, work), float(reached)))
    h100 = datasheet.ceilings(KNOWN.accelerators["h100_sxm_80"], KNOWN.figures, 8)
    for data, reached in ((64, 430.0), (128, 400.0)):
        shape = KNOWN.models["llama-3.1-405b"]
        made = Job(
            shape, 15.6e12, 2**24, 8192, data, 8, 16, interleave=4, sharding=Sharding.OPTIMIZER, network=50e9
        )  # interleaved, by how many chunks is not published
        work = training_job.flops(shape, 8192) * made.batch / made.devices
        found.append((f"405B on {made.devices} H100", *_rates(made, h100, work), reached))
    return found


def _rates(made: Job, machine: Ceilings, work: float) -> tuple[float, float, float]:
    return tuple(work / step(made, machine, ends).seconds / 1e12 for ends in (USUAL, POOR, GOOD))  # type: ignore[return-value]


def test_published_trainings_are_met_as_the_docs_say() -> None:
    """No test of skill: the share of products was chosen in sight of these."""
    errors = [value / reached - 1 for _, value, _, _, reached in published()]
    assert statistics.median(map(abs, errors)) < 0.15
    assert max(map(abs, errors)) < 0.45
    within = sum(low <= reached <= high for _, _, low, high, reached in published())
    assert within >= 10


if __name__ == "__main__":
    for name, value, low, high, reached in published():
        print(f"| {name} | {reached:.0f} | {value:.0f} ({low:.0f}-{high:.0f}) | {value / reached - 1:+.0%} |")
