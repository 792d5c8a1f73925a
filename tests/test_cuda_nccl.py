"""NCCL's world over a double of NCCL that moves the data for real; what NCCL writes; which GPU a rank takes."""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchsuite import allowlist, discovery, units
from benchsuite.backends.cuda import collective, devices, nccl_log
from benchsuite.backends.cuda.cupy_runtime import CupyRuntime
from benchsuite.backends.cuda.nccl import KINDS, Nccl, version
from benchsuite.backends.cuda.nccl_log import Choice, Log, choice, connections, merged
from benchsuite.backends.cuda.nccl_world import NcclWorld
from benchsuite.backends.cuda.view import View, view
from benchsuite.errors import MeasureError
from benchsuite.model import TYPICAL, Buffers, Case, LocalOps, Plan, World
from benchsuite.plan import Capacity, Options, build
from benchsuite.suite import parse
from benchsuite.world.solo import SoloWorld
from benchsuite.world.threads import run as run_threads
from tests import fake_cupy, fake_nccl
from tests.cuda_host import simulate

sys.path.append(str(Path(__file__).parent / "conformance"))
from world_contract import CHECKS

simulated = pytest.mark.skipif(not simulate.available(), reason="needs g++")


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the double's ranks find each other."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


class Silent(Log):
    """No log: the variables of this process stay as they are."""

    def __init__(self) -> None:
        super().__init__({nccl_log.LEVEL: "WARN"}, lambda: None)


def opened(control: World, plan: fake_nccl.Plan | None = None, module: Any = None) -> NcclWorld:
    module = module or fake_nccl.Nccl(plan)
    return NcclWorld(Nccl(module, Silent()), simulate.SimulatedRuntime(), control)


def each_rank(ranks: int, check: Callable[[NcclWorld], None], plan: fake_nccl.Plan | None = None) -> fake_nccl.Nccl:
    """``check`` on every rank of a communicator; the double's log."""
    module = fake_nccl.Nccl(plan)

    def rank(control: World) -> None:
        world = opened(control, module=module)
        check(world)
        control.barrier()
        world.close()

    run_threads(ranks, rank)
    return module


# -- the world --------------------------------------------------------------------------------


LEFT_OUT = {
    "a_message_under_way_is_noticed": "NCCL does not tell",
    "a_subset_gives_back_what_it_held": "some thousand communicators; a few are tried below",
}
CHECKED = [check for check in CHECKS if check.__name__ not in LEFT_OUT]


@pytest.mark.parametrize("check", CHECKED, ids=lambda check: check.__name__)
@pytest.mark.parametrize("ranks", [1, 3])
def test_it_keeps_the_contract_of_worlds(check: Callable[[World], None], ranks: int) -> None:
    if ranks == 1:
        check(opened(SoloWorld()))
    else:
        each_rank(ranks, check)  # type: ignore[arg-type]


def test_every_collective_moves_what_it_should() -> None:
    def check(world: NcclWorld) -> None:
        n, rank = world.size, world.rank
        send = np.arange(6, dtype=np.float32) + 100 * rank
        every = [np.arange(6, dtype=np.float32) + 100 * r for r in range(n)]
        gathered = np.zeros(6 * n, np.float32)
        world.allgather(send, gathered)
        assert np.array_equal(gathered, np.concatenate(every))
        part = np.zeros(2, np.float32)
        world.reduce_scatter(send, part)
        assert np.array_equal(part, np.sum(every, axis=0)[2 * rank : 2 * rank + 2])
        crossed = np.zeros(6, np.float32)
        world.alltoall(send, crossed)
        assert np.array_equal(crossed, np.concatenate([one[2 * rank : 2 * rank + 2] for one in every]))
        world.broadcast(crossed, 1)
        assert np.array_equal(crossed, np.concatenate([one[2:4] for one in every]))
        wait = world.start_allreduce(send, gathered[:6])
        wait()
        assert np.array_equal(gathered[:6], np.sum(every, axis=0))

    each_rank(3, check)


def test_unequal_parts_go_where_they_are_wanted() -> None:
    def check(world: NcclWorld) -> None:
        out = [0, 1, 3]
        send = np.arange(4.0) + 10 * world.rank
        mine = out[world.rank]
        receive = np.zeros(3 * mine + 1)
        world.alltoallv(send, out, receive, [mine] * 3)
        start = sum(out[: world.rank])
        expected = np.concatenate([np.arange(4.0)[start : start + mine] + 10 * r for r in range(3)])
        assert np.array_equal(receive[:-1], expected)
        assert receive[-1] == 0.0

    each_rank(3, check)


def test_in_place_of_reduce_scatter_is_mpi_s() -> None:
    def check(world: NcclWorld) -> None:
        whole = np.arange(6.0) + world.rank
        world.reduce_scatter(whole, whole[:2])
        assert np.array_equal(whole[:2], (3 * np.arange(6.0) + 3)[2 * world.rank : 2 * world.rank + 2])

    each_rank(3, check)


def test_bf16_is_summed_as_the_numbers_it_stands_for() -> None:
    def check(world: NcclWorld) -> None:
        send = units.to_bf16(np.full(4, 1.5 + world.rank, np.float32))
        total = np.zeros(4, np.uint16)
        world.of("bf16").allreduce(send, total)
        assert np.array_equal(units.from_bf16(total), np.full(4, 4.0, np.float32))
        with pytest.raises(MeasureError, match="NCCL sums no uint16"):
            world.allreduce(send, total)

    log = each_rank(2, check).log
    assert ("allReduce", 4, KINDS["bf16"], 0) in log


def test_parts_of_the_ranks_get_a_communicator_of_their_own() -> None:
    def check(world: NcclWorld) -> None:
        part = world.subset([2, 0])
        assert (part is None) == (world.rank == 1)
        if part is not None:
            total = np.zeros(1)
            part.allreduce(np.array([10.0**world.rank]), total)
            assert total[0] == 101.0
            assert (part.rank, part.size) == (0 if world.rank == 2 else 1, 2)
            part.close()

    each_rank(3, check)


def test_what_is_under_way_is_not_guessed() -> None:
    with pytest.raises(MeasureError, match="does not tell"):
        opened(SoloWorld()).arrived(0)


def test_a_subset_that_is_dropped_is_given_back() -> None:
    def check(world: NcclWorld) -> None:
        for _ in range(3):
            assert world.subset([world.rank]) is not None

    log = each_rank(2, check).log
    assert log.count(("destroy",)) == 2 * (3 + 1)


def test_lengths_that_do_not_fit_are_refused() -> None:
    world = opened(SoloWorld())
    for call in (world.allgather, world.reduce_scatter, world.alltoall, world.allreduce):
        with pytest.raises(ValueError, match="do not fit"):
            call(np.zeros(3), np.zeros(4))


def test_a_barrier_waits_for_the_last_rank() -> None:
    def check(world: NcclWorld) -> None:
        if world.rank == 1:
            time.sleep(0.2)
        world.share(None)
        start = time.monotonic()
        if world.rank == 1:
            time.sleep(0.2)
        world.barrier()
        assert time.monotonic() - start > 0.1

    each_rank(2, check)


# -- faults -----------------------------------------------------------------------------------


def test_an_error_of_nccl_is_a_sentence_with_a_remedy() -> None:
    with pytest.raises(MeasureError) as caught:
        opened(SoloWorld(), fake_nccl.Plan(refuse={"allReduce"}))
    assert caught.value.message == (
        "NCCL 2.32.3 could not all-reduce: unhandled cuda error (NCCL_ERROR_UNHANDLED_CUDA_ERROR)."
    )
    assert "Xid" in caught.value.remedy


def test_a_communicator_that_cannot_be_joined_says_so() -> None:
    with pytest.raises(MeasureError, match="could not join the other ranks: unhandled cuda error"):
        opened(SoloWorld(), fake_nccl.Plan(refuse={"init"}))


def test_a_communicator_that_sums_wrongly_never_measures() -> None:
    with pytest.raises(MeasureError, match="first sum is wrong on rank 1"):
        each_rank(2, lambda world: None, fake_nccl.Plan(wrong=True))


def test_an_error_elsewhere_ends_a_wait_and_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchsuite.backends.cuda.nccl.POLL", 0.05)
    module = fake_nccl.Nccl(fake_nccl.Plan(fails_later=True))

    def rank(control: World) -> None:
        world = opened(control, module=module)
        if world.rank == 0:
            with pytest.raises(MeasureError, match="REMOTE_ERROR"):
                world.receive(np.zeros(4), 1)  # which rank 1 never sends
        time.sleep(1.0)
        with pytest.raises(MeasureError, match=r"could not go on: gone .*: look at the other ranks"):
            world.check()
        with pytest.raises(MeasureError, match="could not go on"):
            world.allreduce(np.zeros(4), np.zeros(4))

    run_threads(2, rank)
    assert module.log.count(("abort",)) == 2


def test_giving_up_aborts_and_closing_destroys_once() -> None:
    module = fake_nccl.Nccl()
    world = opened(SoloWorld(), module=module)
    world.close()
    world.give_up()
    assert [words[0] for words in module.log][-1] == "destroy"
    world = opened(SoloWorld(), module=module)
    world.give_up()
    world.close()
    assert [words[0] for words in module.log][-1] == "abort"


def test_versions_read_as_nccl_counts_them() -> None:
    assert version(23203) == "NCCL 2.32.3"
    assert version(2708) == "NCCL 2.7.8"


# -- the library itself, where it is installed ------------------------------------------------


def test_the_real_library_is_called_heard_and_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    """It makes identities without a GPU; what it says of a communicator without one is its own warning."""
    binding = pytest.importorskip("cupy.cuda.nccl")
    if not hasattr(binding, "get_version") or shutil.which("nvidia-smi"):
        pytest.skip("needs NCCL and no GPU")
    for name in (nccl_log.LEVEL, nccl_log.SUBSYSTEMS, nccl_log.FILE):
        monkeypatch.setenv(name, "")  # so that they are put back
        monkeypatch.delenv(name)
    library = Nccl(binding, Log())
    assert library.version.startswith("NCCL 2.")
    with library.log.listening() as heard:
        one = library.unique_id()
    assert "NCCL INFO" in heard[0]
    other = library.unique_id()
    assert len(one) == 128
    assert one != other
    said = []
    for _ in range(2):
        with library.log.listening() as heard, pytest.raises(MeasureError, match=r"could not join .*UNHANDLED_CUDA"):
            library.join(1, one, 0)
        said.append(heard[0])
        with pytest.raises(MeasureError, match="CUDA"):
            library.join(1, one, 0)
    assert all("NCCL WARN" in text for text in said)


# -- what NCCL writes -------------------------------------------------------------------------

NEW = """
node:7:7 [0] NCCL INFO NVLS multicast support is available on dev 0 (NVLS_NCHANNELS 16)
node:7:7 [0] NCCL INFO Pattern 4, crossNic 0, nChannels 12, bw 40.000000/40.000000, type NVL/PIX, sameChannels 1
node:7:9 [0] NCCL INFO Channel 00/24 : 0 1 2 3 4 5 6 7
node:7:9 [0] NCCL INFO Channel 03/0 : 0[0] -> 1[1] via P2P/CUMEM/read
node:7:9 [0] NCCL INFO Channel 03/0 : 7[7] -> 8[0] [send] via NET/IB/3/GDRDMA
node:7:9 [0] NCCL INFO 24 coll channels, 24 collnet channels, 16 nvls channels, 32 p2p channels, 2 p2p channels per peer
node:7:7 [0] NCCL INFO AllReduce: 1048576 Bytes -> Algo NVLS proto SIMPLE channel{Lo..Hi}={0..15}
"""
OLD = """
node:7:7 [0] NCCL INFO Channel 00 : 0[1a000] -> 1[3d000] via SHM/direct/direct
node:7:7 [0] NCCL INFO NVLS multicast support is not available on dev 0
node:7:7 [0] NCCL INFO 2 coll channels, 0 nvls channels, 2 p2p channels, 1 p2p channels per peer
node:7:7 [0] NCCL INFO 8 Bytes -> Algo 0 proto 0 time 25.200924
node:7:7 [0] NCCL INFO 805306368 Bytes -> Algo 1 proto 2 time 3970.683594
"""


def test_connections_are_read_from_the_log_of_either_age() -> None:
    assert connections(NEW) == {
        "transports": "NET IB, P2P",
        "channels": "24",
        "NVLS channels": "16",
        "NVLS": "available",
        "links within a host": "NVL",
        "links between hosts": "PIX",
    }
    assert connections(OLD) == {
        "transports": "SHM", "channels": "2", "NVLS channels": "0", "NVLS": "not available",
    }  # fmt: skip
    assert connections("nothing of this kind") == {}


def test_the_last_choice_is_the_one_that_was_made() -> None:
    assert choice(NEW) == Choice("NVLS", "Simple")
    assert choice(OLD) == Choice("Ring", "Simple")
    assert str(choice("Broadcast: 8 Bytes -> Algo RING proto LL128")) == "Ring, LL128"
    assert choice("x Bytes -> Algo 1") == Choice()
    assert choice("8 Bytes -> Algo 99 proto 7") == Choice()
    assert choice("8 Bytes -> Algo NVLS_TREE proto SIMPLE") == Choice("NVLSTree", "Simple")


def test_all_ranks_transports_are_told() -> None:
    assert merged([{"transports": "P2P", "channels": "2"}, {"transports": "NET IB, P2P", "channels": "4"}]) == {
        "transports": "NET IB, P2P",
        "channels": "2",
    }
    assert merged([{}, {}]) == {}


def test_settings_of_a_user_are_kept_but_no_path() -> None:
    private = {"NCCL_NET": "/home/me/net.so", "NCCL_GRAPH_FILE": "/home/me/graph.xml"}
    told = nccl_log.settings({"NCCL_ALGO": "Ring", "NCCL_PROTO": "^LL", **private})
    assert told == {"NCCL_ALGO": "Ring", "NCCL_PROTO": "^LL", "NCCL_GRAPH_FILE": "given"}


def test_what_is_told_of_nccl_may_be_published_and_nothing_else() -> None:
    told = {**connections(NEW), **connections(OLD), "version": "NCCL 2.32.3", "NCCL_ALGO": "^Tree,Ring"}
    assert {name: allowlist.fact("nccl", name, value) for name, value in told.items()} == told
    for name, value in {
        "NCCL_ALGO": "node17", "NCCL_TOPO_FILE": "/home/me/topo.xml", "NCCL_PROTO": "secret",
        "transports": "NET /home/me", "NCCL_NET": "mine",
    }.items():  # fmt: skip
        assert allowlist.fact("nccl", name, value) == "", name
    for chosen in ("NCCL 2.32.3", "NCCL 2.32.3 (Ring, LL128)", "NCCL 2.32.3 (NVLSTree, Simple)"):
        assert allowlist.library(chosen) == chosen
    assert "(" not in allowlist.library("NCCL 2.32.3 (my, host)")
    assert collective.NVLS.code in allowlist.CAVEATS


def written(environment: dict[str, str], level: str, text: str) -> None:
    """What NCCL would do: append ``text`` if its level is wanted."""
    if environment[nccl_log.LEVEL] == level:
        with open(environment[nccl_log.FILE], "a") as file:
            file.write(text)


def test_the_log_is_heard_while_it_is_listened_to_and_no_longer() -> None:
    environment: dict[str, str] = {}
    resets: list[str] = []
    log = Log(environment, lambda: resets.append(environment[nccl_log.LEVEL]))
    written(environment, "INFO", "before\n")
    with log.listening() as heard:
        written(environment, "INFO", "within\n")
    written(environment, "INFO", "after\n")
    assert heard == ["within\n"]
    with log.listening() as heard:
        written(environment, "INFO", "again\n")
    assert heard == ["again\n"]
    assert resets == ["WARN", "INFO", "WARN", "INFO", "WARN"]


def test_a_warning_explains_an_error() -> None:
    environment: dict[str, str] = {}
    log = Log(environment, lambda: None)
    assert log.warning() == ""
    written(environment, "WARN", "x misc/socket.cc:1 NCCL WARN first\nx NCCL WARN Cuda failure 'bad   luck'\n")
    assert log.warning() == "Cuda failure 'bad luck'"


def test_an_nccl_that_cannot_be_switched_tells_how_it_is_connected_and_never_writes_while_it_is_timed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(nccl_log, "_reset", lambda: None)
    environment: dict[str, str] = {}
    log = Log(environment)
    assert environment[nccl_log.LEVEL] == "INFO"
    assert "TUNING" not in environment[nccl_log.SUBSYSTEMS]
    with log.listening() as heard:
        written(environment, "INFO", NEW)
    assert connections(heard[0])["channels"] == "24"


def test_a_log_that_the_user_asked_for_is_left_alone() -> None:
    environment = {nccl_log.LEVEL: "TRACE"}
    with Log(environment, lambda: None).listening() as heard:
        pass
    assert environment == {nccl_log.LEVEL: "TRACE"}
    assert "".join(heard) == ""


# -- links and steps --------------------------------------------------------------------------

CASE = Case.of("allreduce", ranks=2, bytes=16, dtype="fp32", place="out")


def summed(world: World, buffers: Buffers, case: Case, ops: LocalOps) -> None:
    world.allreduce(buffers["x"], buffers["y"])


def link(control: World, module: fake_nccl.Nccl, log: Log) -> collective.Link:
    runtime = simulate.SimulatedRuntime(nccl=module)
    library = Nccl(module, log)
    world = NcclWorld(library, runtime, control)
    return collective.Link(runtime, world, library.version, {}, log)


@pytest.mark.parametrize(
    ("algorithm", "shown", "codes"),
    [
        ("RING proto LL128", "NCCL 2.32.3 (Ring, LL128)", []),
        ("NVLS proto SIMPLE", "NCCL 2.32.3 (NVLS, Simple)", ["NVLS"]),
    ],
)
def test_what_was_chosen_stands_beside_the_version_and_nvls_is_explained(
    algorithm: str, shown: str, codes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (nccl_log.LEVEL, nccl_log.SUBSYSTEMS, nccl_log.FILE):
        monkeypatch.setenv(name, "")  # so that they are put back
        monkeypatch.delenv(name)
    log = Log(reset=lambda: None)
    module = fake_nccl.Nccl(fake_nccl.Plan(algorithm=algorithm))

    def rank(control: World) -> None:
        made = link(control, module, log if control.rank == 0 else Silent())
        send, total = np.ones(4, np.float32), np.zeros(4, np.float32)
        step = made.step(summed, {"x": send, "y": total}, CASE, control)
        for _ in range(3):
            step()
        assert np.array_equal(total, np.full(4, 2.0))
        if control.rank == 0:
            assert made.provider(CASE) == shown
            assert [caveat.code for caveat in made.caveats(CASE)] == codes
            assert made.provider(Case.of("broadcast")) == "NCCL 2.32.3"
        made.world.close()

    run_threads(2, rank)


def test_a_part_of_the_ranks_has_no_link() -> None:
    made = link(SoloWorld(), fake_nccl.Nccl(), Silent())

    class Two(SoloWorld):
        size = 2

    with pytest.raises(MeasureError, match="1 ranks were joined, not 2"):
        made.step(summed, {}, CASE, Two())


def test_ranks_that_share_a_gpu_are_refused() -> None:
    class Same(simulate.SimulatedRuntime):
        def bus(self) -> str:
            return "0000:01:00.0"

    def rank(control: World) -> None:
        with collective.joined(Same(), control, ()):
            pass

    with pytest.raises(MeasureError, match=r"2 ranks on .* share 1 GPU, but each needs its own\. Start at most"):
        run_threads(2, rank)


def test_what_fails_within_is_aborted_not_waited_for() -> None:
    module = fake_nccl.Nccl()
    with (
        pytest.raises(MeasureError, match="planted"),
        collective.joined(simulate.SimulatedRuntime(nccl=module), SoloWorld(), ["nccl"]),
    ):
        raise MeasureError("planted.")
    assert ("abort",) in module.log
    assert ("destroy",) not in module.log


@simulated
@settings(max_examples=40, deadline=None)
@given(st.sampled_from(collective.SUMMED), st.integers(0, 9), st.integers(0, 9), st.integers(0, 9000))
def test_parts_that_begin_anywhere_are_added(dtype: str, low: int, other: int, count: int) -> None:
    runtime = RUNTIME
    kind = units.dtype(dtype).storage

    def stored(values: Any) -> Any:
        return units.to_bf16(values.astype(np.float32)) if dtype == "bf16" else values.astype(kind)

    rng = np.random.default_rng(count)
    y = runtime.upload(stored(rng.integers(-60, 60, low + count + 8)))
    x = runtime.upload(stored(rng.integers(-60, 60, other + count + 8)))
    before = units.as_float(y.copy(), dtype)
    expected = before.copy()
    expected[low : low + count] += units.as_float(x[other : other + count].copy(), dtype)
    collective.DeviceOps(runtime, dtype).add_into(y[low : low + count], x[other : other + count])
    assert np.array_equal(units.as_float(y, dtype), expected), "neither wrong inside nor changed outside"


@simulated
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("at < head; at += stride", "at + 1 < head; at += stride"),
        ("skipped = head * sizeof(Element)", "skipped = head"),
        ("add_vectors(y + skipped, a + skipped", "add_vectors(y + skipped, a"),
    ],
)
def test_faults_planted_in_the_kernel_are_found(before: str, after: str) -> None:
    runtime = simulate.SimulatedRuntime(edit={before: after})
    y, x = runtime.upload(np.arange(300, dtype=np.float32)), runtime.upload(np.arange(7, 307, dtype=np.float32))
    expected = np.arange(300, dtype=np.float32)
    expected[1:290] += np.arange(12, 301, dtype=np.float32)
    with contextlib.suppress(MeasureError):  # the simulator may find a stray address
        collective.DeviceOps(runtime, "fp32").add_into(y[1:290], x[5:294])
    assert not np.array_equal(y, expected)


RUNTIME = simulate.SimulatedRuntime()


def test_all_of_a_message_goes_at_once_on_a_gpu() -> None:
    def check(world: NcclWorld) -> None:
        runtime, module = simulate.SimulatedRuntime(), discovery.discover()["allreduce"]
        x = runtime.upload(np.ones(3 << 20, np.float32))
        y = runtime.upload(np.zeros_like(x))
        op = next(item.op for item in module.implementations if item.name == "device-ring")
        op.function(world, {"x": x, "y": y}, CASE, collective.DeviceOps(runtime, "fp32"))  # type: ignore[union-attr]
        assert np.all(y == 2.0)

    sent = [words[1] for words in each_rank(2, check).log if words[0] == "send"]
    assert set(sent) == {6 << 20}, "half of 12 MiB each time"


def test_another_element_type_is_refused() -> None:
    ops = collective.DeviceOps(RUNTIME, "fp64")
    with pytest.raises(MeasureError, match="Our kernel adds no fp64"):
        ops.add_into(np.zeros(1), np.zeros(1))


# -- memory and streams -----------------------------------------------------------------------


@pytest.fixture
def gpu() -> tuple[CupyRuntime, fake_cupy.World]:
    cupy = fake_cupy.Cupy(fake_cupy.World())
    return CupyRuntime(cupy, fake_cupy.Driver(), lambda source, arch: Path(f"/{source.label}")), cupy.world


def test_views_cut_and_fill_device_memory(gpu: tuple[CupyRuntime, fake_cupy.World]) -> None:
    runtime, _ = gpu
    held: Any = runtime.upload(np.arange(10, dtype=np.float32))
    other: Any = view(runtime, runtime.upload(np.arange(100, 110, dtype=np.float32)))
    whole: Any = view(runtime, held)
    assert isinstance(whole, View)
    whole[2:5] = other[7:]
    whole[9] = 7
    part = whole[1:8][2:]
    assert (part.size, part.nbytes, part.itemsize, part.shape) == (5, 20, 4, (5,))
    assert part.__cuda_array_interface__["data"][0] == held.data.ptr + 12
    assert np.array_equal(runtime.download(held), [0, 1, 107, 108, 109, 5, 6, 7, 8, 7])
    whole[...] = other
    assert runtime.download(held)[9] == 109
    whole[4:4] = other[:0]
    with pytest.raises(ValueError, match="adjacent"):
        whole[::2]
    with pytest.raises(IndexError):
        whole[10]
    plain = np.zeros(3)
    assert view(runtime, plain) is plain


def test_what_goes_on_beside_begins_after_and_is_waited_for(gpu: tuple[CupyRuntime, fake_cupy.World]) -> None:
    runtime, world = gpu
    own = runtime.stream()
    world.log.clear()
    seen: list[int] = []
    wait = runtime.beside(lambda: seen.append(runtime.stream()))
    assert runtime.stream() == own
    assert seen[0] != own
    (_, begin, recorded), (_, waiting, waited), (_, end, ended) = world.told("record", "wait")
    assert (recorded, waiting, waited, ended) == (own, seen[0], begin, seen[0])
    wait()
    assert world.told("wait")[-1] == ("wait", own, end)
    runtime.beside(lambda: seen.append(runtime.stream()))
    assert seen[1] == seen[0], "in the order in which they are begun"


def test_nccl_is_a_capability_only_where_it_can_be_called(gpu: tuple[CupyRuntime, fake_cupy.World]) -> None:
    assert "nccl" not in gpu[0].capabilities()
    cupy = fake_cupy.Cupy(nccl=fake_nccl.Nccl())
    assert "nccl" in CupyRuntime(cupy, fake_cupy.Driver()).capabilities()


# -- which GPU --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "visible"),
    [
        ({}, None),
        ({"MPI_LOCALRANKID": "0"}, None),
        ({"MPI_LOCALRANKID": "2", "SLURM_LOCALID": "0"}, "2,0,1,3"),
        ({"OMPI_COMM_WORLD_LOCAL_RANK": "1", "CUDA_VISIBLE_DEVICES": "4,7,5"}, "7,4,5"),
        ({"SLURM_LOCALID": "1", "CUDA_VISIBLE_DEVICES": "GPU-aa, GPU-bb"}, "GPU-bb,GPU-aa"),
        ({"SLURM_LOCALID": "3", "CUDA_VISIBLE_DEVICES": "6"}, "6"),
        ({"SLURM_LOCALID": "1", "CUDA_VISIBLE_DEVICES": ""}, ""),
    ],
)
def test_a_rank_s_own_gpu_comes_first(environment: dict[str, str], visible: str | None) -> None:
    given = dict(environment)
    devices.claim(given)
    found = given.get("CUDA_VISIBLE_DEVICES")
    assert (found or "").split(",")[:4] == (visible or "").split(",")
    assert (found is None) == (visible is None)


def test_what_the_world_says_goes_before_what_the_launcher_said() -> None:
    environment = {"SLURM_LOCALID": "1", "CUDA_VISIBLE_DEVICES": "4,7"}
    devices.claim(environment)
    assert environment["CUDA_VISIBLE_DEVICES"] == "7,4"
    devices.claim(environment, 0)
    assert environment["CUDA_VISIBLE_DEVICES"] == "4,7"
    unset = {"SLURM_LOCALID": "1"}
    devices.claim(unset)
    devices.claim(unset, 0)
    assert "CUDA_VISIBLE_DEVICES" not in unset


def test_more_ranks_than_gpus_are_refused_with_a_sentence() -> None:
    with pytest.raises(MeasureError, match=r"Rank 2 of this host has no GPU: CUDA_VISIBLE_DEVICES names 2\."):
        devices.claim({"CUDA_VISIBLE_DEVICES": "0,1"}, 2)
    held = [("a", "1"), ("a", "2"), ("b", "1"), ("b", "1"), ("b", "2")]
    assert devices.shared(held) == "3 ranks on b share 2 GPUs, but each needs its own"
    assert devices.shared(held[:3]) == ""


# -- planning ---------------------------------------------------------------------------------

SUITE = '[[bench]]\nselect = ["allreduce"]\nbytes = ["1 GiB"]\nimplementations = ["nccl"]\n'


def planned(gpus: int, ranks: int | None, nodes: int = 1) -> Plan:
    benchmarks = discovery.discover()
    device = replace(TYPICAL["sm_90a"], count=gpus)
    offered = frozenset({"cuda", "nccl"})
    capacity = Capacity(offered, cores=4, cache=1 << 20, memory=8 << 30, device=device, nodes=nodes)
    return build(parse(SUITE, "s", benchmarks), benchmarks, capacity, Options(ranks=ranks, seed=1))


def test_a_rank_for_each_gpu_unless_told_otherwise() -> None:
    for gpus in (2, 8, 16):
        (task,) = planned(gpus, None).tasks
        assert task.case.ranks == gpus, "and the message fits each GPU, whatever their number"
    assert planned(8, 4).tasks[0].case.ranks == 4


@pytest.mark.parametrize(
    ("gpus", "ranks", "nodes", "reason"),
    [
        (8, 16, 2, ""),
        (8, 17, 2, "9 ranks a host need a GPU each, and 8 can be seen"),
        (8, 9, 1, "9 ranks a host need a GPU each, and 8 can be seen"),
        (1, None, 1, "2 ranks a host need a GPU each, and 1 can be seen"),
        (1, 4, 4, ""),
    ],
)
def test_more_ranks_than_gpus_are_not_planned(gpus: int, ranks: int | None, nodes: int, reason: str) -> None:
    made = planned(gpus, ranks, nodes)
    assert [skip.reason.partition(":")[0] for skip in made.skips] == ([reason] if reason else [])
    assert len(made.tasks) == (0 if reason else 1)
