"""What every discovered subject inherits: its smallest case, on every implementation this machine offers."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest

from benchsuite.backends.host.backend import HostBackend
from benchsuite.measure.task import RankInputs
from benchsuite.measure.verify import check
from benchsuite.model import Axis, Benchmark, Case, CollectiveCall, Implementation, Rejected, World
from benchsuite.world.solo import SoloWorld
from benchsuite.world.threads import run as run_threads
from tests.subjects import BENCHMARKS, cases, expected, on_gpu, smallest

CAPABILITIES = HostBackend().capabilities()
EACH = [pytest.param(subject, id=name) for name, subject in BENCHMARKS.items()]
PAIRS = [
    pytest.param(subject, implementation, id=f"{name}-{implementation.name}")
    for name, subject in BENCHMARKS.items()
    for implementation in subject.implementations
    if not on_gpu(implementation)  # those run in test_cuda.py
]


def computed(subject: Benchmark, implementation: Implementation, case: Case) -> list[dict[str, np.ndarray]]:
    """Every rank's outputs after two steps (a step must not depend on having run before)."""

    def rank(world: World) -> dict[str, np.ndarray]:
        backend = HostBackend(threads=2)
        buffers = backend.upload(RankInputs(subject, case, 1)[world.rank])
        made = backend.allocate(subject.outputs(case))
        step = backend.bind(implementation, {**buffers, **made}, case, world)
        if isinstance(implementation.op, CollectiveCall) and implementation.op.before:
            before = replace(implementation, op=replace(implementation.op, function=implementation.op.before))
            backend.bind(before, {**buffers, **made}, case, world)()
        for _ in range(2):
            step()
        return dict(backend.download(made))

    return run_threads(case.ranks, rank) if case.ranks > 1 else [rank(SoloWorld())]


def test_the_sweep_is_not_empty() -> None:
    assert {"gemm", "attention", "decode", "memory", "latency", "allreduce", "fma"} <= set(BENCHMARKS)


@pytest.mark.parametrize("subject", EACH)
def test_it_says_what_it_asks(subject: Benchmark) -> None:
    assert subject.question.endswith("?")
    assert all(isinstance(axis, Axis) and axis.values for axis in subject.axes)
    assert len({item.name for item in subject.implementations}) == len(subject.implementations)
    for axis in subject.axes:
        assert not axis.choices or set(axis.values) <= set(axis.choices)


@pytest.mark.parametrize("subject", EACH)
def test_one_seed_makes_one_set_of_inputs(subject: Benchmark) -> None:
    case = smallest(subject)
    one, again, other = (RankInputs(subject, case, seed)[0] for seed in (1, 1, 2))
    assert all(np.array_equal(one[name], again[name]) for name in one)
    if one:
        assert any(not np.array_equal(one[name], other[name]) for name in one) or subject.name == "fma"


@pytest.mark.parametrize("subject", EACH)
def test_work_is_positive_and_does_not_shrink(subject: Benchmark) -> None:
    case = smallest(subject)
    work = subject.work(case)
    amounts = (work.flops, work.read, work.written, work.payload, work.wire, work.steps)
    assert min(amounts) >= 0
    assert subject.metric.quantity(work, 1.0) > 0
    for axis in subject.axes:
        numbers = [value for value in axis.values if isinstance(value, int) and not isinstance(value, bool)]
        for value in numbers[1:]:
            larger = smallest(subject, **{axis.name: value})
            if not subject.invalid(larger):
                grown = subject.work(larger)
                assert (
                    max(grown.flops, grown.bytes, grown.wire, grown.steps)
                    >= max(work.flops, work.bytes, work.wire, work.steps) * 0.99
                )


@pytest.mark.parametrize(("subject", "implementation"), PAIRS)
def test_every_implementation_is_right(subject: Benchmark, implementation: Implementation) -> None:
    missing = implementation.requires - CAPABILITIES
    if missing:
        pytest.skip(f"this machine lacks {', '.join(sorted(missing))}")
    checked = 0
    for case in cases(subject):
        if not implementation.supports(case):
            continue
        for rank, outputs in enumerate(computed(subject, implementation, case)):
            want = expected(subject, case, rank=rank)
            result = check(outputs, want, subject.outputs(case), subject.tolerance(case))
            assert not isinstance(result, Rejected), f"{case.key}: {result}"
            checked += 1
    if not checked:
        pytest.skip("none of the smallest cases is offered by this implementation")


@pytest.mark.parametrize("subject", EACH)
def test_one_wrong_element_is_noticed(subject: Benchmark) -> None:
    """The reference, laid out as an output, passes; with one compared element off or NaN it does not."""
    case = smallest(subject)
    runnable = [item for item in subject.implementations if not item.requires - CAPABILITIES and item.supports(case)]
    assert runnable, "no implementation runs the smallest case here"
    right = computed(subject, runnable[0], case)[0]
    want, specs, tolerance = expected(subject, case), subject.outputs(case), subject.tolerance(case)
    assert not isinstance(check(right, want, specs, tolerance), Rejected)
    for name in want:
        for position in {0, right[name].size // 2, right[name].size - 1}:
            wrong = copy.deepcopy(right)
            flat = wrong[name].reshape(-1)
            if np.issubdtype(flat.dtype, np.floating):
                flat[position] = np.nan
                assert isinstance(check(wrong, want, specs, tolerance), Rejected)
                flat[position] = right[name].reshape(-1)[position] * 1.5 + 1.0
            else:
                flat[position] ^= 0x40
            assert isinstance(check(wrong, want, specs, tolerance), Rejected), f"{name}[{position}] went unnoticed"
