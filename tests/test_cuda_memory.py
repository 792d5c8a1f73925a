"""The memory kernels, executed on the CPU: every operation, tails, several passes, schedules and planted faults."""

from __future__ import annotations

import numpy as np
import pytest

from benchsuite import units
from benchsuite.backends.cuda import memcpy
from benchsuite.benchmarks import atomics, gpu_cache, latency, memory, p2p, transfer
from benchsuite.errors import UnavailableError
from benchsuite.measure.verify import check
from benchsuite.model import TYPICAL, Benchmark, Case, CudaKernel, CudaLibrary, Device, Rejected, Scalar
from tests.cuda_host import simulate

pytestmark = pytest.mark.skipif(not simulate.available(), reason="needs g++")

SEEDS = (1, 2)
TWO_GPUS = simulate.device("sm_90a", count=2)


def right(
    benchmark: Benchmark, implementation: str, seed: int = 1, on: Device | None = None, **params: Scalar
) -> float | Rejected:
    return simulate.run(benchmark, implementation, Case.of(benchmark.name, **params), "sm_90a", seed=seed, on=on)


@pytest.fixture
def passes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """So many passes over the set, whatever its size."""
    count: int = request.param
    monkeypatch.setattr(units, "passes", lambda nbytes: count)
    return count


@pytest.mark.parametrize("implementation", ["wide", "wide-once"])
@pytest.mark.parametrize("op", list(memory.SOURCES))
@pytest.mark.parametrize("passes", [1, 3], indirect=True)
def test_stream_operations(passes: int, op: str, implementation: str) -> None:
    # A line of each array; less than a tile; whole tiles; tiles and a tail; more tiles than resident blocks.
    for number, nbytes in enumerate([192, 64 * 23, 3 * 2**16, 3 * 2**16 + 64 * 17, 2_000_064]):
        assert right(memory.BENCHMARK, implementation, number, op=op, bytes=nbytes) == 0.0


@pytest.mark.parametrize("passes", [1, 2, 5], indirect=True)
def test_tiles_cover_the_set_on_every_card(passes: int) -> None:
    for device in TYPICAL.values():
        for op in memory.SOURCES:
            for nbytes in (192, 16 * units.KIB, 8 * units.MIB, 256 * units.MIB):
                case = Case.of("memory", op=op, bytes=nbytes)
                blocks, tile = memory.tiling(case, device)
                tiles = -(-memory.elements(case) // 2 // tile)
                assert 1 <= blocks <= tiles
                assert tile <= 2048 // max(1, len(memory.SOURCES[op]))
                if passes > 1:
                    assert blocks <= device.processors * memory.RESIDENT


def test_many_passes_over_a_small_set() -> None:
    assert right(memory.BENCHMARK, "wide", op="read", bytes=48 * units.KIB) == 0.0
    assert right(memory.BENCHMARK, "wide", op="triad", bytes=48 * units.KIB) == 0.0


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("level", ["l2", "l1", "shared"])
def test_cache_levels(level: str, seed: int) -> None:
    for nbytes, passes in [(16, 1), (80, 7), (65536, 5), (100_016, 3), (393_232, 2)]:
        assert right(gpu_cache.BENCHMARK, "passes", seed, level=level, bytes=nbytes, passes=passes) == 0.0


def test_more_tiles_than_blocks_turn_through_the_second_level() -> None:
    one = simulate.device("sm_80", processors=1)
    case: dict[str, Scalar] = {"level": "l2", "bytes": 600_000, "passes": 9}
    assert right(gpu_cache.BENCHMARK, "passes", on=one, **case) == 0.0
    blocks, tile = gpu_cache.share(Case.of("cache", **case), one)
    assert -(-600_000 // 16 // tile) > blocks


def test_a_set_too_large_for_shared_memory_is_a_reason() -> None:
    case = Case.of("cache", level="shared", bytes=units.GIB, passes=1)
    assert "shared memory" in gpu_cache.KERNEL.lacks(case, TYPICAL["sm_90a"])
    eight = Case.of("cache", level="shared", bytes=8 * units.MIB, passes=1)
    assert all(not gpu_cache.KERNEL.lacks(eight, device) for device in TYPICAL.values())


@pytest.mark.parametrize("implementation", ["lane", "lane-l2"])
@pytest.mark.parametrize("nbytes", [128, 16 * units.KIB, 64 * 1031 + 17])
def test_chase(implementation: str, nbytes: int) -> None:
    assert right(latency.BENCHMARK, implementation, bytes=nbytes) == 0.0


def test_a_chase_goes_on_from_where_it_ended() -> None:
    case = Case.of("latency", bytes=64 * 4099)
    step, inputs, buffers = simulate.bound(latency.BENCHMARK, "lane", case, simulate.SimulatedRuntime())
    lines = inputs["next"].reshape(-1, latency.WORDS)
    visited = []
    for _ in range(3):
        step()
        ring = buffers["ring"].reshape(-1, latency.WORDS)
        visited.append(int(lines[(int(buffers["place"][0]) - ring.ctypes.data) // 64, 1]))
    start = int(lines[0, 1])
    assert visited == [(start + k * latency.STEPS) % 4099 for k in (1, 2, 3)]


@pytest.mark.parametrize("direction", list(transfer.WAYS))
@pytest.mark.parametrize("nbytes", [1, 15, 4096, 32 * 1024, 300_007])
def test_transfers_by_our_kernel(direction: str, nbytes: int) -> None:
    assert right(transfer.BENCHMARK, "kernel", nbytes % 5, direction=direction, host="pinned", bytes=nbytes) == 0.0


@pytest.mark.parametrize(("implementation", "direction"), [("read", "uni"), ("write", "uni"), ("duplex", "bi")])
def test_copies_between_devices(implementation: str, direction: str) -> None:
    for nbytes in (3, 70_001):
        case: dict[str, Scalar] = {"source": 1, "target": 0, "direction": direction, "bytes": nbytes}
        assert right(p2p.BENCHMARK, implementation, on=TWO_GPUS, **case) == 0.0


def test_who_launches_and_where_the_ends_lie() -> None:
    case = Case.of("p2p", source=2, target=5, direction="uni", bytes=4096)
    ops = {item.name: item.op for item in p2p.BENCHMARK.implementations}
    read, write = ops["read"], ops["write"]
    assert isinstance(read, CudaKernel)
    assert isinstance(write, CudaKernel)
    assert [launch.device for launch in read.launches(case, TWO_GPUS)] == [5]
    assert [launch.device for launch in write.launches(case, TWO_GPUS)] == [2]
    assert p2p.places(case)["at_target"] == "device:5"
    assert read.lacks(case, TWO_GPUS) == "needs 6 GPUs, and 2 can be seen"
    assert "same GPU" in p2p.invalid(Case.of("p2p", source=1, target=1, direction="uni", bytes=1))


@pytest.mark.parametrize(
    ("subject", "function", "params"),
    [
        *((transfer.BENCHMARK, memcpy.transfer, {"direction": way, "host": "pageable"}) for way in transfer.WAYS),
        *((p2p.BENCHMARK, memcpy.p2p, {"source": 0, "target": 1, "direction": way}) for way in ("uni", "bi")),
    ],
)
def test_the_drivers_copies(subject: Benchmark, function, params: dict[str, Scalar]) -> None:  # type: ignore[no-untyped-def]
    case = Case.of(subject.name, bytes=5001, **params)
    runtime = simulate.SimulatedRuntime(TWO_GPUS)
    inputs = subject.inputs(case, np.random.default_rng(3))
    outputs = {name: np.zeros(spec.shape, np.uint8) for name, spec in subject.outputs(case).items()}
    function({**inputs, **outputs}, case, runtime)()
    want = subject.reference(case, [inputs], np.random.default_rng(0))
    assert check(outputs, want, subject.outputs(case), subject.tolerance(case)) == 0.0


def test_the_drivers_copy_within_a_device_is_one_pass_of_copy() -> None:
    item = next(item for item in memory.BENCHMARK.implementations if item.name == "memcpy")
    case = Case.of("memory", op="copy", bytes=256 * units.MIB)
    assert item.supports(case)
    assert not item.supports(Case.of("memory", op="copy", bytes=64 * units.MIB))
    assert not item.supports(Case.of("memory", op="scale", bytes=256 * units.MIB))
    a, b = np.zeros(8), np.arange(8.0)
    memcpy.within({"a": a, "b": b}, case, simulate.SimulatedRuntime())()
    assert (a == b).all()


def test_a_copy_to_a_device_that_is_not_there_is_a_reason() -> None:
    case = Case.of("p2p", source=0, target=7, direction="uni", bytes=1)
    with pytest.raises(UnavailableError, match="8 GPUs, and 2"):
        memcpy.p2p({}, case, simulate.SimulatedRuntime(TWO_GPUS))


def test_pageable_copies_are_never_gated() -> None:
    """They may keep the host until the device has done them: behind a gate that opens later, for ever."""
    for host in ("pinned", "pageable"):
        case = Case.of("transfer", direction="both", host=host, bytes=4096)
        libraries = [
            item.op
            for item in transfer.BENCHMARK.implementations
            if isinstance(item.op, CudaLibrary) and item.supports(case)
        ]
        assert [op.gated for op in libraries] == [host == "pinned"]


@pytest.mark.parametrize("implementation", ["red", "atom"])
@pytest.mark.parametrize("pattern", list(atomics.SHIFT))
@pytest.mark.parametrize("dtype", atomics.DTYPES)
def test_atomics(dtype: str, pattern: str, implementation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atomics, "ENOUGH", 5_000)
    monkeypatch.setattr(atomics, "MOST_EACH", 4_999)
    for nbytes in (8, 24, 8 * 257, 40_000):
        params: dict[str, Scalar] = {"dtype": dtype, "pattern": pattern, "bytes": nbytes}
        assert right(atomics.BENCHMARK, implementation, **params) == 0.0


def test_fp32_counters_stay_exact() -> None:
    for nbytes in (4, 256, units.MIB, units.GIB):
        case = Case.of("atomics", dtype="fp32", pattern="warp", bytes=nbytes)
        each = -(-atomics.additions(case) // atomics.counters(case)) + 32
        assert 2**20 + each < 2**24


STREAM = {"op": "triad", "bytes": 300_000}
READ = {"op": "read", "bytes": 300_000}
CACHE = {"bytes": 100_000, "passes": 3}
FAULTS: list[tuple[Benchmark, str, dict[str, Scalar], tuple[str, str]]] = [
    (memory.BENCHMARK, "wide", STREAM, ("blockIdx.x) * span; first", "blockIdx.x) * (span - 8); first")),
    (memory.BENCHMARK, "wide", STREAM, ("first < vectors;", "first + span < vectors;")),
    (memory.BENCHMARK, "wide", STREAM, ("low(x) + factor * low(y)", "low(x) + factor * high(y)")),
    (memory.BENCHMARK, "wide", READ, ("pass < passes", "pass + 1 < passes")),
    (memory.BENCHMARK, "wide", READ, ("w = 1; w <", "w = 2; w <")),
    (memory.BENCHMARK, "wide", READ, ("by = WARP / 2", "by = WARP / 4")),
    (
        memory.BENCHMARK,
        "wide",
        READ,
        ("atomicExch(reinterpret_cast<u64*>(running), 0ull)", "*reinterpret_cast<u64*>(running)"),
    ),
    (gpu_cache.BENCHMARK, "passes", {"level": "l2", **CACHE}, ("t < tiles; t +=", "t + 1 < tiles; t +=")),
    (gpu_cache.BENCHMARK, "passes", {"level": "l1", **CACHE}, ("other = other + v.z + v.w", "other = other + v.z")),
    (gpu_cache.BENCHMARK, "passes", {"level": "l1", **CACHE}, ("own % depth", "own % depth / 2")),
    (gpu_cache.BENCHMARK, "passes", {"level": "shared", **CACHE}, ("x[first + i]);", "x[first]);")),
    (latency.BENCHMARK, "lane", {"bytes": 64 * 1031}, ("here)[1]", "here)[0]")),
    (latency.BENCHMARK, "lane", {"bytes": 16384}, ("for (; steps; steps--)", "for (; steps > 1; steps--)")),
    (
        transfer.BENCHMARK,
        "kernel",
        {"direction": "both", "host": "pinned", "bytes": 70_001},
        ("rest < bytes", "rest + 1 < bytes"),
    ),
    (
        transfer.BENCHMARK,
        "kernel",
        {"direction": "both", "host": "pinned", "bytes": 70_001},
        ("back ? back_from : from", "from"),
    ),
    (atomics.BENCHMARK, "red", {"dtype": "uint32", "pattern": "warp", "bytes": 24}, ("at -= count", "at = 0")),
]


@pytest.mark.parametrize("fault", FAULTS, ids=[fault[3][1][:40] for fault in FAULTS])
def test_a_planted_fault_is_found(fault: tuple, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[type-arg]
    benchmark, implementation, params, (before, after) = fault
    monkeypatch.setattr(units, "passes", lambda nbytes: 2)
    monkeypatch.setattr(atomics, "MOST_EACH", 4_999)
    case = Case.of(benchmark.name, **params)
    verdict = simulate.run(benchmark, implementation, case, "sm_90a", seed=1, edit={before: after}, iterations=3)
    assert isinstance(verdict, Rejected)
