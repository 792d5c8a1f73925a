"""All-reduce by reading peers' memory: executed on the CPU for every number of GPUs, with faults planted."""

from __future__ import annotations

from itertools import groupby, pairwise

import numpy as np
import pytest

from benchsuite import units
from benchsuite.benchmarks import peer_allreduce
from benchsuite.model import TYPICAL, Case, CudaKernel, Rejected
from tests.cuda_host import simulate

GPP = pytest.mark.skipif(not simulate.available(), reason="g++ is not installed")
BENCHMARK = peer_allreduce.BENCHMARK
BOTH = ("oneshot", "twoshot")
SIZES = (2, 8, 100, 4096, 30_002)
"""Bytes: an element or less, a share empty, a tail in one share, whole vectors, several rounds of the grid, a tail."""


def case(gpus: int, nbytes: int = 4096, dtype: str = "fp32", spread: bool = False) -> Case:
    return Case.of("peer-allreduce", gpus=gpus, bytes=nbytes, dtype=dtype, spread=spread)


def result(name: str, wanted: Case, **how: object) -> float | Rejected:
    """On two processors, so that a grid goes round several times."""
    return simulate.run(BENCHMARK, name, wanted, on=simulate.device("sm_90a", processors=2, count=8), **how)  # type: ignore[arg-type]


@GPP
@pytest.mark.parametrize("gpus", range(2, 9))
@pytest.mark.parametrize("name", BOTH)
def test_every_gpu_has_the_sum(name: str, gpus: int) -> None:
    for nbytes in SIZES:
        assert result(name, case(gpus, nbytes), seed=gpus) == 0.0, nbytes


@GPP
@pytest.mark.parametrize("dtype", ["bf16", "fp16"])
@pytest.mark.parametrize("name", BOTH)
def test_sixteen_bit_messages(name: str, dtype: str) -> None:
    for gpus in (2, 3, 8):
        for nbytes in SIZES:
            assert result(name, case(gpus, nbytes, dtype), seed=gpus) == 0.0, (gpus, nbytes)


@GPP
@pytest.mark.parametrize("name", BOTH)
def test_gpus_of_their_own(name: str) -> None:
    assert result(name, case(4, spread=True)) == 0.0


FAULTS = {
    "a message left out": ({"m < count) v[m]": "m < count - 1) v[m]", "m >= count": "m >= count - 1"}, BOTH),
    "a message twice": ({"load_once(messages[m] + at)": "load_once(messages[m & 6] + at)"}, BOTH),
    "the second half word": ({"add_word(total + PER_WORD, v[m].y)": "add_word(total + PER_WORD, v[m].x)"}, BOTH),
    "the tail": ({"if (at >= last) return;": "if (at >= last - 1) return;"}, BOTH),
    "a stride too long": ({"at < whole; at += stride": "at < whole; at += 2 * stride"}, BOTH),
    "another GPU's share": ({"(rank + peer) % count": "(rank + peer + 1) % count"}, ("twoshot",)),
    "the wrong GPU's memory": ({"if (m == peer)": "if (m == (peer ^ 1))"}, ("twoshot",)),
    "a copy left out": (
        {"if (at + i * stride < whole) store": "if (i < 1 && at + i * stride < whole) store"},
        ("twoshot",),
    ),
    "the tail of a copy": ({"at >= first && at < last": "at >= first && at + 1 < last"}, ("twoshot",)),
}


@GPP
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found(fault: str) -> None:
    edit, names = FAULTS[fault]
    for name in names:
        assert isinstance(result(name, case(3, 200_004), edit=edit), Rejected), name


@pytest.mark.parametrize("gpus", [2, 5, 8])
def test_two_shots_are_two_rounds_of_all_gpus(gpus: int) -> None:
    """A device's second launch is what makes the runtime wait for all: so each round names every GPU once."""
    launches = peer_allreduce.twoshot(case(gpus, units.MIB, spread=True), TYPICAL["sm_90a"])
    rounds = [(entry, [launch.device for launch in group]) for entry, group in groupby(launches, lambda one: one.entry)]
    assert rounds == [("reduce", list(range(gpus))), ("gather", list(range(gpus)))]


@pytest.mark.parametrize("name", BOTH)
def test_each_gpu_starts_with_its_own_message_and_writes_its_own_sum(name: str) -> None:
    op = next(item.op for item in BENCHMARK.implementations if item.name == name)
    assert isinstance(op, CudaKernel)
    spread = case(4, units.MIB, spread=True)
    assert op.devices(spread) == 4
    assert op.devices(case(4)) == 1
    for launch in op.launches(spread, TYPICAL["sm_90a"]):
        assert launch.args[0] in {f"x{launch.device}", f"y{launch.device}"}
        assert launch.args[peer_allreduce.MOST] == f"y{launch.device}"
    assert {launch.device for launch in op.launches(case(4), TYPICAL["sm_90a"])} == {0}


def test_shares_cover_the_message_once() -> None:
    for gpus in range(2, 9):
        for nbytes in (4, 12, 100, 4096, 30_004):
            adds = [
                one for one in peer_allreduce.twoshot(case(gpus, nbytes), TYPICAL["sm_80"]) if one.entry == "reduce"
            ]
            ends = [(int(one.args[-3]), int(one.args[-2])) for one in adds]  # type: ignore[arg-type]
            assert ends[0][0] == 0
            assert ends[-1][1] == nbytes // 4
            assert all(before[1] == after[0] for before, after in pairwise(ends))


def test_buffers_lie_where_they_are_read() -> None:
    assert peer_allreduce.places(case(3)) == {}
    found = peer_allreduce.places(case(3, spread=True))
    assert found == {f"{kind}{g}": f"device:{g}" for kind in "xy" for g in range(3)}


@pytest.mark.parametrize("dtype", ["fp32", "bf16", "fp16"])
def test_sums_of_eight_are_exact(dtype: str) -> None:
    """All inputs as large as they come: their sum is stored as it is."""
    top = peer_allreduce.LARGEST[dtype]
    full = np.full(4, -top, np.float32)
    stored = units.to_bf16(full) if dtype == "bf16" else full.astype(units.dtype(dtype).storage)
    total = peer_allreduce.total(case(8, 16, dtype), {f"x{g}": stored for g in range(8)})
    assert np.all(units.as_float(total, dtype)[:4] == -8 * top)


def test_the_wire_factor_is_nccls() -> None:
    work = peer_allreduce.work(case(4, units.MIB))
    assert work.wire == 2 * 3 / 4 * units.MIB
    assert work.payload == units.MIB
