"""The CuPy runtime over a double of CuPy: order of gate, events and launches; arguments; memory; faults."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchsuite.backends.cuda import cupy_runtime, tensormap
from benchsuite.backends.cuda.cupy_runtime import CupyRuntime
from benchsuite.errors import DeviceLostError, MeasureError, UnavailableError
from benchsuite.model import Arg, Launch, Source, TensorMap
from tests import fake_cupy
from tests.fake_cupy import Cupy, Driver, World

SOURCE = Source.of("probe/gate.cu", N=1)


def runtime(driver: Driver | None = None, **world: Any) -> tuple[CupyRuntime, World]:
    cupy = Cupy(World(**world))
    made = CupyRuntime(cupy, driver or Driver(), lambda source, arch: Path(f"/cubin/{Path(source.path).stem}.{arch}"))
    return made, cupy.world


def launch(*args: Arg, device: int = 0, shared: int = 0, entry: str = "work") -> Launch:
    return Launch(entry, (2, 3, 1), (64, 1, 1), args, shared, device)


def test_the_device_is_described_for_our_choices_and_compiled_for_exactly() -> None:
    gpu, world = runtime(count=2)
    found = gpu.device()
    assert (found.name, found.arch, found.capability) == ("NVIDIA H100 80GB HBM3", "sm_90a", (9, 0))
    assert (found.processors, found.shared, found.l2, found.count) == (132, 232448, 50 << 20, 2)
    gpu.prepare(SOURCE, launch(), {})
    assert world.told("load") == [("load", "/cubin/gate.sm_90a")]
    assert gpu.free_memory() == world.free + 100


def test_capabilities_name_the_architecture_and_peers_that_reach_each_other() -> None:
    assert {"cuda", "sm_90a"} <= runtime()[0].capabilities()
    assert "peers" not in runtime()[0].capabilities()
    assert "peers" in runtime(count=2)[0].capabilities()
    assert "peers" not in runtime(count=2, peers=False)[0].capabilities()
    providers = runtime()[0].providers()
    assert providers["driver"] == "CUDA 13.0"
    assert providers["cupy"] == "14.2.0"
    assert providers["benchsuite"].startswith("NVRTC ")


# -- memory -----------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["device", "pinned", "pageable", "device:1"])
def test_memory_goes_up_and_comes_back_from_every_place(place: str) -> None:
    gpu, world = runtime(count=2)
    array = np.arange(24, dtype=np.float32).reshape(4, 6)[:, ::2]
    made: Any = gpu.upload(array, place)
    address = made.ctypes.data if isinstance(made, np.ndarray) else made.data.ptr
    assert address % (64 if place == "pinned" else 256) in range(0, 64, 16) or place != "pinned"
    assert np.array_equal(gpu.download(made), array)
    gpu.fill(made, 0xFF)
    assert np.isnan(gpu.download(made)).all()
    assert world.device == 0
    if place == "device:1":
        assert made.device.id == 1
        assert world.told("enable") == [("enable", 0, 1), ("enable", 1, 0)]


@pytest.mark.parametrize("place", ["nowhere", "device:x", "pinned:1", "device:"])
def test_an_unknown_place_is_a_sentence(place: str) -> None:
    with pytest.raises(MeasureError, match="No buffer can lie"):
        runtime()[0].empty((1,), "uint8", place)


def test_a_gpu_that_is_not_there_or_not_reached_is_named() -> None:
    with pytest.raises(UnavailableError, match="GPU 1 is needed, but only 1"):
        runtime()[0].empty((1,), "uint8", "device:1")
    with pytest.raises(UnavailableError, match="GPU 0 cannot reach the memory of GPU 1"):
        runtime(count=2, peers=False)[0].empty((1,), "uint8", "device:1")


@pytest.mark.parametrize(
    ("kind", "place", "error"),
    [
        ("empty", "device", fake_cupy.OutOfMemoryError("Out of memory allocating 4,096 bytes (allocated so far: 0)")),
        ("pin", "pinned", fake_cupy.CUDARuntimeError("cudaErrorMemoryAllocation: out of memory")),
    ],
)
def test_too_little_memory_tells_both_numbers(kind: str, place: str, error: Exception) -> None:
    gpu, world = runtime()
    world.refuse[kind] = error
    with pytest.raises(MeasureError) as caught:
        gpu.empty((1024,), "float32", place)
    assert "4 KiB (4096 B)" in str(caught.value).replace("\u00a0", " ")
    assert f"({world.free + 100} B)" in str(caught.value)
    assert "smaller case" in caught.value.remedy


# -- arguments --------------------------------------------------------------------------------


def test_arguments_are_passed_by_value_with_their_exact_size() -> None:
    driver = Driver()
    gpu, world = runtime(driver)
    buffers = {
        "x": gpu.empty((64, 64), "uint16"),
        "host": gpu.empty((8,), "float32", "pinned"),
    }
    mapped = TensorMap("x", "bf16", (64, 48), (64, 16))
    gpu.prepare(SOURCE, launch("x", np.int32(-5), np.float64(0.5), np.uint8(3), "host", mapped), buffers)()
    args = world.told("launch")[0][3]
    x: Any = buffers["x"]
    assert fake_cupy.bytes_of(args) == [
        np.uint64(x.data.ptr).tobytes(),
        np.int32(-5).tobytes(),
        np.float64(0.5).tobytes(),
        b"\x03",
        np.uint64(buffers["host"].ctypes.data).tobytes(),
        bytes(range(128)),
    ]
    assert args[5].ctypes.data % 128 == 0
    kind, rank, address, shape, strides, box, elements, *flags = driver.asked
    assert (kind, rank, address) == ("CU_TENSOR_MAP_DATA_TYPE_BFLOAT16", 2, x.data.ptr)
    assert (shape, strides, box, elements) == ([64, 48], [128], [64, 16], [1, 1])
    assert flags[:2] == ["CU_TENSOR_MAP_INTERLEAVE_NONE", "CU_TENSOR_MAP_SWIZZLE_128B"]


def test_strides_of_a_map_skip_the_innermost_dimension() -> None:
    assert tensormap.strides(TensorMap("x", "fp32", (8, 3, 5), (8, 1, 1))) == [32, 96]
    assert tensormap.strides(TensorMap("x", "int8", (64,), (64,))) == []


def test_a_refused_map_says_what_was_asked() -> None:
    gpu, _ = runtime(Driver(status=1))
    with pytest.raises(MeasureError, match=r"tensor map of fp32 \(3, 8\)"):
        gpu.prepare(SOURCE, launch(TensorMap("x", "fp32", (3, 8), (3, 8))), {"x": gpu.empty((8, 3), "float32")})


def test_an_unknown_or_pageable_buffer_is_refused_when_bound() -> None:
    gpu, _ = runtime()
    with pytest.raises(MeasureError, match="takes 'y', but the buffers are x"):
        gpu.prepare(SOURCE, launch("y"), {"x": gpu.empty((1,), "uint8")})
    with pytest.raises(MeasureError, match="pageable"):
        gpu.prepare(SOURCE, launch("x"), {"x": gpu.empty((1,), "uint8", "pageable")})


def test_shared_memory_is_opted_in_to_and_never_taken_back() -> None:
    gpu, world = runtime()
    most = gpu.prepare(SOURCE, launch(shared=200_000), {})
    gpu.prepare(SOURCE, launch(shared=50_000), {})()
    most()
    assert len(world.told("launch")) == 2
    assert world.told("load") == [("load", "/cubin/gate.sm_90a")]  # one source is loaded once


def test_scratch_lives_as_long_as_the_step() -> None:
    gpu, _ = runtime()
    buffers = {"x": gpu.empty((8,), "float32", "pinned")}
    step = gpu.prepare(SOURCE, launch("x"), buffers)
    address = buffers["x"].ctypes.data
    del buffers["x"]
    assert address in gpu._pinned
    step()


# -- time -------------------------------------------------------------------------------------


def names(world: World, *kinds: str) -> list[str]:
    """The story in words: kinds of calls, launches by their kernel's name."""
    wanted = kinds or ("launch", "record", "event-sync", "graph")
    return [str(words[1] if words[0] == "launch" else words[0]) for words in world.told(*wanted)]


def test_a_gated_batch_is_enqueued_between_events_behind_the_gate_and_then_released() -> None:
    gpu, world = runtime(milliseconds=3.0)
    step = gpu.prepare(SOURCE, launch(), {})
    gpu.elapsed([step])  # makes the gate
    world.log.clear()
    assert gpu.elapsed([step, step]).device == pytest.approx(3e-3)
    assert names(world) == ["gate", "record", "work", "work", "record", "event-sync"]


def test_the_gate_is_open_when_the_host_waits() -> None:
    gpu, world = runtime()
    step = gpu.prepare(SOURCE, launch(), {})
    gpu.elapsed([step])
    words = gpu._gate._words  # type: ignore[union-attr]
    seen: list[tuple[int, bool]] = []
    tell = world.tell

    def spying(*said: Any) -> None:
        tell(*said)
        if said[0] in {"launch", "event-sync"}:
            seen.append((int(words[0]), said[0] == "event-sync"))

    world.tell = spying  # type: ignore[method-assign]
    gpu.elapsed([step])
    assert seen == [(2, False), (2, False), (3, True)]  # closed at gate and step, open when waited for


def test_more_launches_than_the_queue_holds_take_several_gates() -> None:
    gpu, world = runtime(milliseconds=1.0)
    step = gpu.prepare(SOURCE, launch(), {})
    gpu.elapsed([step])
    world.log.clear()
    count = 2 * cupy_runtime.GATED + 1
    assert gpu.elapsed([step] * count).device == pytest.approx(3e-3)
    assert names(world).count("gate") == 3
    assert names(world).count("work") == count


def test_the_host_s_time_begins_when_the_gate_opens_and_counts_every_wait() -> None:
    gpu, _ = runtime(milliseconds=1.0)
    step = gpu.prepare(SOURCE, launch(), {})
    spent = gpu.elapsed([lambda: time.sleep(0.2), step])
    assert 0.0 < spent.host < 0.2, "what enqueueing took is outside"
    assert spent.waits == 1
    assert gpu.elapsed([step] * (cupy_runtime.GATED + 1)).waits == 2
    assert gpu.elapsed([]).waits == 1, "an empty batch is waited for too"
    assert gpu.elapsed([lambda: time.sleep(0.05)], gated=False).host >= 0.05


def test_without_a_gate_nothing_is_held_back() -> None:
    gpu, world = runtime()
    step = gpu.prepare(SOURCE, launch(), {})
    gpu.elapsed([step], gated=False)
    assert names(world) == ["record", "work", "record", "event-sync"]


def test_a_gate_that_opened_by_itself_is_no_measurement() -> None:
    gpu, world = runtime()
    step = gpu.prepare(SOURCE, launch(), {})
    gpu.elapsed([step])
    world.opens = False
    with pytest.raises(MeasureError, match="gated=False"):
        gpu.elapsed([step])


def test_a_step_that_fails_leaves_the_gate_open() -> None:
    gpu, _ = runtime()
    gpu.elapsed([gpu.prepare(SOURCE, launch(), {})])

    def explodes() -> None:
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        gpu.elapsed([explodes])
    words = gpu._gate._words  # type: ignore[union-attr]
    assert words[0] == gpu._gate._number  # type: ignore[union-attr]


def test_a_graph_is_captured_once_and_replayed() -> None:
    gpu, world = runtime()
    step = gpu.prepare(SOURCE, launch(), {})
    replay = gpu.graph([step, step])
    assert names(world, "begin-capture", "launch", "end-capture", "upload") == [
        "begin-capture",
        "work",
        "work",
        "end-capture",
        "upload",
    ]
    world.log.clear()
    replay()
    replay()
    assert names(world) == ["graph", "graph"]


def test_copies_go_to_the_current_stream_and_together_to_streams_of_their_own() -> None:
    gpu, world = runtime()
    one, other = gpu.upload(np.arange(8.0)), gpu.upload(np.zeros(8), "pinned")
    copies = [gpu.copy(other, one), gpu.copy(one, other)]
    with pytest.raises(MeasureError, match="does not fill"):
        gpu.copy(other, gpu.empty((4,), "float64"))
    copies[0]()
    assert np.array_equal(other, np.arange(8.0))
    main = world.told("memcpy")[0][3]
    both = gpu.together(copies)
    world.log.clear()
    both()
    lanes = [words[3] for words in world.told("memcpy")]
    assert len({main, *lanes}) == 3
    begin, *middle, _ = world.told("record", "wait", "memcpy")
    assert begin == ("record", begin[1], main)
    assert middle[:2] == [("wait", lanes[0], begin[1]), ("wait", lanes[1], begin[1])]
    ends = {words[2]: words[1] for words in world.told("record")[1:]}
    assert [words for words in world.told("wait") if words[1] == main] == [("wait", main, ends[lane]) for lane in lanes]
    copies[0]()
    assert world.told("memcpy")[-1][3] == main == gpu.stream(), "what comes next is ordered after both again"


# -- several devices --------------------------------------------------------------------------


def two() -> tuple[CupyRuntime, World, Any, Any]:
    gpu, world = runtime(count=2)
    first, second = (gpu.prepare(SOURCE, launch(device=i, entry=f"on{i}"), {}) for i in (0, 1))
    return gpu, world, first, second


def test_launches_on_different_devices_are_one_round_and_meet_before_the_next() -> None:
    gpu, world, first, second = two()
    world.log.clear()
    gpu.elapsed([first, second, first, second], gated=False)
    assert names(world, "launch", "record", "wait") == [
        "record",  # start
        *("record", "wait"),  # device 1 begins after it
        *("on0", "on1"),
        *("record", "record", "wait", "wait"),  # both meet
        *("on0", "on1"),
        *("record", "wait"),  # device 0 goes on after device 1
        "record",  # stop
    ]
    streams = {words[1]: words[2] for words in world.told("launch")}
    assert len(set(streams.values())) == 2
    assert world.device == 0


def test_launches_on_one_device_are_ordered_by_its_stream_alone() -> None:
    gpu, world, first, second = two()
    world.log.clear()
    gpu.elapsed([first, first, first], gated=False)
    assert names(world, "launch", "record", "wait") == ["record", "on0", "on0", "on0", "record"]
    world.log.clear()
    second()
    second()
    assert names(world, "launch", "record", "wait") == ["on1", "on1"]


def test_a_graph_over_two_devices_forks_and_joins_within_the_capture() -> None:
    gpu, world, first, second = two()
    world.log.clear()
    gpu.graph([first, second])
    story = names(world, "begin-capture", "launch", "record", "wait", "end-capture")
    assert story == ["begin-capture", "record", "wait", "on0", "on1", "record", "wait", "end-capture"]


# -- faults -----------------------------------------------------------------------------------


def test_a_launch_that_cannot_be_is_a_sentence_and_costs_only_itself() -> None:
    gpu, world = runtime()
    step = gpu.prepare(SOURCE, launch(), {})
    world.refuse["launch"] = fake_cupy.CUDADriverError("CUDA_ERROR_INVALID_VALUE: invalid argument")
    with pytest.raises(MeasureError) as caught:
        step()
    assert not isinstance(caught.value, DeviceLostError)
    assert "launch work of probe/gate.cu N=1 with grid (2, 3, 1)" in str(caught.value)
    assert "invalid argument" in str(caught.value)


@pytest.mark.parametrize("doing", ["elapsed", "download", "synchronize", "fill"])
def test_a_lost_device_is_said_to_be_lost(doing: str) -> None:
    gpu, world = runtime()
    array = gpu.upload(np.zeros(4))
    step = gpu.prepare(SOURCE, launch(), {})
    world.lost = "cudaErrorIllegalAddress: an illegal memory access was encountered"
    if doing == "fill":
        world.refuse["memset"] = fake_cupy.CUDARuntimeError(world.lost)
    with pytest.raises(DeviceLostError, match="illegal memory access") as caught:
        {
            "elapsed": lambda: gpu.elapsed([step], gated=False),
            "download": lambda: gpu.download(array),
            "synchronize": gpu.synchronize,
            "fill": lambda: gpu.fill(array, 0),
        }[doing]()
    assert "dmesg" in caught.value.remedy


def test_a_failure_while_a_graph_is_captured_is_told_and_is_no_loss() -> None:
    """While capturing nothing may wait for the device: that answer must not be taken for a lost one."""
    gpu, world = runtime()
    step = gpu.prepare(SOURCE, launch(), {})
    world.refuse |= {
        "launch": fake_cupy.CUDADriverError("CUDA_ERROR_INVALID_VALUE: invalid argument"),
        "sync-device": fake_cupy.CUDARuntimeError("cudaErrorStreamCaptureUnsupported: not while capturing"),
        "end-capture": fake_cupy.CUDARuntimeError("cudaErrorStreamCaptureInvalidated: invalidated"),
    }
    with pytest.raises(MeasureError, match=r"launch work of .*invalid argument") as caught:
        gpu.graph([step])
    assert not isinstance(caught.value, DeviceLostError)
    assert world.told("end-capture")


def test_a_kernel_that_does_not_compile_keeps_its_own_words() -> None:
    def broken(source: Source, arch: str) -> Path:
        raise MeasureError(f"{source.label} does not compile for {arch}: line 3.")

    gpu = CupyRuntime(Cupy(), Driver(), broken)
    with pytest.raises(MeasureError, match="does not compile for sm_90a: line 3"):
        gpu.prepare(SOURCE, launch(), {})


def test_without_cupy_the_remedy_is_named() -> None:
    try:
        import cupy  # noqa: F401
    except ImportError:
        with pytest.raises(UnavailableError, match=r"benchsuite\[cuda13\]"):
            CupyRuntime()
