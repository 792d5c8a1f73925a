"""The four parts of the overlap benchmark: who is started when, and that none of them may leave its work out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from benchsuite.backends.host.backend import HostBackend, NumpyOps
from benchsuite.benchmarks import overlap
from benchsuite.measure.task import RankInputs, generator
from benchsuite.measure.verify import check
from benchsuite.model import Array, Case, Rejected, World
from benchsuite.world.threads import run as run_threads

BENCHMARK = overlap.BENCHMARK
N, NBYTES, RANKS = 48, 4096, 3


def case(part: str, dtype: str = "fp32") -> Case:
    return Case.of("overlap", RANKS, part=part, n=N, bytes=NBYTES, dtype=dtype)


class Watched:
    """A world that notes when its all-reduce is begun and waited for, and what of the product was there by then."""

    def __init__(self, product: Array | None) -> None:
        self.product, self.events = product, []  # type: ignore[var-annotated]

    def _note(self, event: str) -> None:
        done = self.product is not None and bool(np.isfinite(self.product).all())
        self.events.append(f"{event}, {'multiplied' if done else 'not multiplied'}")

    def start_allreduce(self, send: Array, receive: Array) -> Callable[[], None]:
        self._note("begun")
        return lambda: self._note("waited")


def events(part: str) -> list[str]:
    backend = HostBackend(threads=1)
    of = case(part)
    buffers = {**backend.upload(RankInputs(BENCHMARK, of, 1)[0]), **backend.allocate(BENCHMARK.outputs(of))}
    world: Any = Watched(buffers.get("c"))
    overlap.step(world, buffers, of, NumpyOps())
    return list(world.events)


def test_the_message_is_begun_before_the_multiplication_and_waited_for_after_it() -> None:
    assert events("overlapped") == ["begun, not multiplied", "waited, multiplied"]


def test_one_after_the_other_and_each_alone() -> None:
    assert events("serial") == ["begun, multiplied", "waited, multiplied"]
    assert events("communicate") == ["begun, not multiplied", "waited, not multiplied"]
    assert events("compute") == []


def outputs(part: str, dtype: str = "fp32") -> list[dict[str, np.ndarray]]:
    of = case(part, dtype)

    def rank(world: World) -> dict[str, np.ndarray]:
        backend = HostBackend(threads=1)
        made = backend.allocate(BENCHMARK.outputs(of))
        buffers = {**backend.upload(RankInputs(BENCHMARK, of, 3)[world.rank]), **made}
        overlap.step(world, buffers, of, NumpyOps())
        return dict(made)

    return run_threads(RANKS, rank)


def verdict(of: Case, found: dict[str, np.ndarray], rank: int) -> float | Rejected:
    want = BENCHMARK.reference(of, RankInputs(BENCHMARK, of, 3, rank=rank), generator(of, 3, 99))
    return check(found, want, BENCHMARK.outputs(of), BENCHMARK.tolerance(of))


@pytest.mark.parametrize("part", overlap.PARTS)
@pytest.mark.parametrize("dtype", ["fp32", "fp64"])
def test_every_part_is_exact_on_every_rank(part: str, dtype: str) -> None:
    for rank, found in enumerate(outputs(part, dtype)):
        assert verdict(case(part, dtype), found, rank) == 0.0


@pytest.mark.parametrize("part", ["overlapped", "serial"])
@pytest.mark.parametrize("name", ["c", "y"])
def test_work_left_out_is_found(part: str, name: str) -> None:
    """What an overlap that computes or sends nothing would be the fastest at."""
    found = outputs(part)[1]
    found[name][...] = np.nan
    assert isinstance(verdict(case(part), found, 1), Rejected)


def test_the_product_of_another_rank_is_found() -> None:
    first, second, _ = outputs("compute")
    assert isinstance(verdict(case("compute"), first, 1), Rejected)
    assert verdict(case("compute"), second, 1) == 0.0


def test_the_work_of_both_at_once_is_that_of_each_alone() -> None:
    alone = [BENCHMARK.work(case(part)) for part in ("compute", "communicate")]
    for part in ("serial", "overlapped"):
        work = BENCHMARK.work(case(part))
        assert work.flops == sum(one.flops for one in alone) == 2 * N**3
        assert work.wire == sum(one.wire for one in alone) == 2 * 2 / 3 * NBYTES
        assert work.bytes == sum(one.bytes for one in alone)
        assert work.steps == 1


def test_sums_that_are_not_exact_are_refused() -> None:
    assert BENCHMARK.invalid(Case.of("overlap", 2, part="compute", n=2**22, bytes=8, dtype="fp32"))
