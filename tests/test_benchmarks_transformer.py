"""A decoder's step and its small operations: references against a third computation, and faults that must be seen."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping

import numpy as np
import pytest

from benchsuite import units
from benchsuite.backends.host.backend import HostBackend
from benchsuite.benchmarks import pointwise, transformer
from benchsuite.measure.task import RankInputs
from benchsuite.measure.verify import check
from benchsuite.model import Array, Benchmark, Case, Implementation, Rejected
from benchsuite.world.solo import SoloWorld
from tests.subjects import expected, smallest

STEP, SMALL = transformer.BENCHMARK, pointwise.BENCHMARK
TORCH = importlib.util.find_spec("torch") is not None
NUMPY = next(one for one in STEP.implementations if one.name == "numpy")
DECODE = smallest(STEP, phase="decode", batch=3)
PREFILL = smallest(STEP)


def verdict(subject: Benchmark, case: Case, implementation: Implementation, spoil: object = None) -> float | Rejected:
    """What verification says of the outputs; ``spoil`` may change the buffers that the step sees."""
    backend = HostBackend(threads=2)
    buffers = dict(backend.upload(RankInputs(subject, case, 1)[0])) | dict(backend.allocate(subject.outputs(case)))
    if callable(spoil):
        spoil(buffers)
    step = backend.bind(implementation, buffers, case, SoloWorld())
    step()
    outputs = {name: buffers[name] for name in subject.outputs(case)}
    return check(outputs, expected(subject, case), subject.outputs(case), subject.tolerance(case))


@pytest.mark.parametrize("case", [DECODE, PREFILL], ids=["decode", "prefill"])
@pytest.mark.parametrize("kv_heads", [1, 4])
def test_queries_share_keys_as_they_should(case: Case, kv_heads: int) -> None:
    other = smallest(STEP, **{**dict(case.params), "kv_heads": kv_heads})
    assert not isinstance(verdict(STEP, other, NUMPY), Rejected)


def test_a_decode_continues_its_prefill() -> None:
    """Prefill of n tokens, and decode of the last with the cache of the others: the same logits."""
    backend, whole = HostBackend(threads=2), smallest(STEP, batch=2, tokens=9)
    buffers = dict(backend.upload(RankInputs(STEP, whole, 1)[0])) | dict(backend.allocate(STEP.outputs(whole)))
    backend.bind(NUMPY, buffers, whole, SoloWorld())()
    last = smallest(STEP, phase="decode", batch=2, tokens=9)
    again = buffers | {"ids": buffers["ids"][:, -1:], "logits": np.full_like(buffers["logits"], np.nan)}
    for name in "kv":
        again[name] = buffers[name].copy()
        again[name][:, :, :, -1] = np.nan
    backend.bind(NUMPY, again, last, SoloWorld())()
    np.testing.assert_allclose(again["logits"], buffers["logits"], atol=1e-5)
    np.testing.assert_allclose(again["k"], buffers["k"], atol=1e-5)


def zero(name: str, layer: int | None = None) -> Callable[[dict[str, Array]], None]:
    def spoil(buffers: dict[str, Array]) -> None:
        (buffers[name] if layer is None else buffers[name][layer])[...] = 0

    return spoil


def shifted(buffers: dict[str, Array]) -> None:
    """Positions one too far."""
    buffers["cos"][:-1], buffers["sin"][:-1] = buffers["cos"][1:].copy(), buffers["sin"][1:].copy()


FAULTS: Mapping[str, object] = {
    "a layer's attention is left out": zero("out", 1),
    "a layer's feed-forward is left out": zero("down", 0),
    "the last norm is left out": zero("norms", -1),
    "another token is read": lambda buffers: buffers["ids"].__iadd__(1),
    "the weights are another's": lambda buffers: buffers["qkv"].__imul__(1.01),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
@pytest.mark.parametrize("case", [DECODE, PREFILL], ids=["decode", "prefill"])
def test_a_step_that_leaves_something_out_is_rejected(case: Case, fault: object) -> None:
    def within(buffers: dict[str, Array]) -> None:
        assert callable(fault)
        fault(buffers)
        np.mod(buffers["ids"], 256, out=buffers["ids"])

    assert isinstance(verdict(STEP, case, NUMPY, within), Rejected)


def test_positions_matter() -> None:
    assert isinstance(verdict(STEP, PREFILL, NUMPY, shifted), Rejected)


def test_a_decode_that_does_not_fill_its_place_is_rejected() -> None:
    case = DECODE
    inputs = RankInputs(STEP, case, 1)[0]
    assert np.isnan(inputs["k"][:, :, :, -1]).all()
    assert not np.isnan(inputs["k"][:, :, :, :-1]).any()
    narrow = RankInputs(STEP, smallest(STEP, phase="decode", dtype="bf16"), 1)[0]
    assert np.isnan(units.from_bf16(narrow["v"][:, :, :, -1])).all()


def test_work_by_hand() -> None:
    """1 layer, 8 wide, 2 heads of 4 over 1 KV head, ffn 6, vocabulary 10, 3 sequences of 5 tokens."""
    sizes = {"layers": 1, "hidden": 8, "heads": 2, "kv_heads": 1, "head_dim": 4, "ffn": 6, "vocab": 10}
    weights = 16 * 8 + 8 * 8 + 12 * 8 + 8 * 6
    decode = STEP.work(smallest(STEP, phase="decode", batch=3, tokens=5, **sizes))
    assert decode.flops == 2 * 3 * (weights + 80) + 4 * 3 * 8 * 5
    assert decode.read == 4 * (weights + 80 + 3 * 8 + 2 * 3 * 4 * 5)
    prefill = STEP.work(smallest(STEP, batch=3, tokens=5, **sizes))
    assert prefill.flops == 2 * 15 * weights + 2 * 3 * 80 + 4 * 3 * 8 * 5 * 5 / 2
    assert prefill.written == 4 * (30 + 2 * 3 * 4 * 5)


@pytest.mark.parametrize(
    ("change", "words"),
    [({"kv_heads": 3}, "no multiple"), ({"head_dim": 63}, "even head_dim"), ({"tokens": 0}, "at least one")],
)
def test_impossible_models_are_refused(change: dict[str, int], words: str) -> None:
    assert words in STEP.invalid(smallest(STEP, **change))


@pytest.mark.parametrize("op", pointwise.OPS[1:])
def test_an_operation_that_was_not_done_is_rejected(op: str) -> None:
    case = smallest(SMALL, op=op)
    lazy = next(one for one in SMALL.implementations if one.name == "numpy")
    want, specs = expected(SMALL, case), SMALL.outputs(case)
    backend = HostBackend(threads=2)
    inputs = RankInputs(SMALL, case, 1)[0]
    buffers = dict(backend.upload(inputs)) | dict(backend.allocate(specs))
    backend.bind(lazy, buffers, case, SoloWorld())()
    y = buffers["y"]
    y[...] = inputs["x"].reshape(-1)[: y.size].reshape(y.shape)
    assert isinstance(check(buffers, want, specs, SMALL.tolerance(case)), Rejected)


def test_the_product_before_it_is_verified_too() -> None:
    case, numpy = smallest(SMALL, op="add"), next(one for one in SMALL.implementations if one.name == "numpy")
    assert not isinstance(verdict(SMALL, case, numpy), Rejected)
    assert isinstance(verdict(SMALL, case, numpy, zero("vector")), Rejected)


@pytest.mark.skipif(not TORCH, reason="needs torch")
@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
@pytest.mark.parametrize("phase", ["decode", "prefill"])
def test_the_route_of_cuda_on_a_processor(phase: str, dtype: str) -> None:
    from benchsuite.backends.cuda import decoder
    from tests.cuda_host import simulate

    case, runtime = smallest(STEP, phase=phase, dtype=dtype), simulate.SimulatedRuntime()
    buffers = {name: runtime.upload(array) for name, array in RankInputs(STEP, case, 1)[0].items()}
    for name, spec in STEP.outputs(case).items():
        buffers[name] = runtime.empty(spec.shape, units.dtype(spec.dtype).storage)
        runtime.fill(buffers[name], 0xA5)
    decoder.step(buffers, case, runtime)()
    assert not isinstance(check(buffers, expected(STEP, case), STEP.outputs(case), STEP.tolerance(case)), Rejected)


@pytest.mark.skipif(not TORCH, reason="needs torch")
@pytest.mark.parametrize("op", pointwise.OPS)
def test_small_operations_by_the_route_of_cuda(op: str) -> None:
    from benchsuite.backends.cuda import decoder
    from tests.cuda_host import simulate

    case, runtime = smallest(SMALL, op=op, dtype="bf16"), simulate.SimulatedRuntime()
    buffers = {name: runtime.upload(array) for name, array in RankInputs(SMALL, case, 1)[0].items()}
    for name, spec in SMALL.outputs(case).items():
        buffers[name] = runtime.empty(spec.shape, units.dtype(spec.dtype).storage)
    decoder.pointwise(buffers, case, runtime)()
    assert not isinstance(check(buffers, expected(SMALL, case), SMALL.outputs(case), SMALL.tolerance(case)), Rejected)
