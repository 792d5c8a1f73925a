"""Rows about ranks: killed, frozen, slow, early, at odds, wrong; without a launcher, a common clock, or each other."""

from __future__ import annotations

import os
import re
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from benchsuite import beat
from benchsuite.errors import Exit
from benchsuite.model import Record, Status
from tests.faults.injection import Ended, Running, assert_contained, assert_others_measured
from tests.faults.ranks import begin, run_ranks
from tests.mpirun import MISSING

pytestmark = pytest.mark.mpi
needs_mpi = pytest.mark.skipif(bool(MISSING), reason=MISSING or "MPI is here")


def the_faulty(ended: Ended) -> Record:
    """The record of the task with the fault; the other one must have been measured."""
    assert_contained(ended)
    assert ended.exit_code == Exit.FAILED, ended.stderr
    assert_others_measured(ended)
    (record,) = ended.of("faulty")
    assert record.status is Status.FAILED
    return record


def pid_of(running: Running, rank: int) -> int:
    """The process of a rank of the newest attempt."""
    return next(sign.pid for sign in running.signs() if sign.rank == rank)


ENDLESS = "def faulty(world, buffers, case, ops):\n    good(world, buffers, case, ops)\n    time.sleep(0.02)\n"


@needs_mpi
@pytest.mark.fault(3)
def test_a_killed_rank_ends_the_attempt_at_once(tmp_path: Path) -> None:
    """The other rank waits for it in a collective, for ever if nobody ended it."""
    fault = ENDLESS + "    while world.rank == 0 and measuring(world): good(world, buffers, case, ops)\n"
    with begin(tmp_path, fault) as running:
        running.until(lambda: running.doing("measure: summed n=64 ranks=2 [faulty]"))
        os.kill(pid_of(running, 1), signal.SIGKILL)
        ended = running.wait()
    record = the_faulty(ended)
    assert "ended" in record.reason
    assert ended.seconds < 25.0


@needs_mpi
@pytest.mark.fault(4)
def test_a_frozen_rank_is_ended_at_the_deadline_and_named(tmp_path: Path) -> None:
    fault = """
def faulty(world, buffers, case, ops):
    if world.rank == 1 and measuring(world):
        os.kill(os.getpid(), signal.SIGSTOP)
    good(world, buffers, case, ops)
"""
    record = the_faulty(run_ranks(tmp_path, fault, policy={"deadline": 1.0}))
    assert "nothing was heard for 1 s" in record.reason
    assert re.search(r"rank 1 is stopped \(measure: summed .*\[faulty\]\); rank 0 is ", record.reason), record.reason


@needs_mpi
@pytest.mark.fault(6)
def test_a_rank_that_leaves_with_0_is_a_failure(tmp_path: Path) -> None:
    fault = """
def faulty(world, buffers, case, ops):
    if world.rank == 1 and measuring(world):
        os._exit(0)
    good(world, buffers, case, ops)
"""
    record = the_faulty(run_ranks(tmp_path, fault, policy={"deadline": 2.0}))
    assert record.reason


@needs_mpi
@pytest.mark.fault(7)
def test_ranks_in_different_collectives_are_ended_and_their_places_written_down(tmp_path: Path) -> None:
    fault = """
def faulty(world, buffers, case, ops):
    if not measuring(world):
        good(world, buffers, case, ops)
    elif world.rank == 0:
        sum_of_rank_0(world, buffers)
    else:
        message_of_rank_1(world, buffers)

def sum_of_rank_0(world, buffers):
    world.allreduce(buffers["x"], buffers["y"])

def message_of_rank_1(world, buffers):
    world.sendrecv(buffers["x"], 0, buffers["y"], 0)
"""
    ended = run_ranks(tmp_path, fault, policy={"deadline": 1.0})
    record = the_faulty(ended)
    assert "rank 0 is " in record.reason
    assert "rank 1 is " in record.reason
    assert record.reason.count("(measure: summed") == 2
    stacks = [
        {rank: beat.stack_path(folder, rank).read_text() for rank in (0, 1)}
        for folder in (ended.folder / "attempts").iterdir()
    ]
    assert any("in sum_of_rank_0" in one[0] and "in message_of_rank_1" in one[1] for one in stacks), stacks


@needs_mpi
@pytest.mark.fault(7)
def test_a_collective_of_another_size_on_one_rank_is_no_result(tmp_path: Path) -> None:
    """What the library makes of it is its own affair: an error, a hang or a wrong sum, but never a time."""
    fault = """
def faulty(world, buffers, case, ops):
    n = 64 - 32 * world.rank
    world.allreduce(buffers["x"][:n], buffers["y"][:n])
"""
    ended = run_ranks(tmp_path, fault, policy={"deadline": 2.0, "compile_deadline": 2.0})
    assert_contained(ended)
    assert ended.exit_code in {Exit.REJECTED, Exit.FAILED}
    assert_others_measured(ended)
    (record,) = ended.of("faulty")
    assert record.status in {Status.REJECTED, Status.FAILED}
    assert record.samples is None


# -- faults between a rank and its library -----------------------------------------------------


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> str:
    """``pmpi.c``, compiled against the MPI beside this Python."""
    prefix, compiler = Path(sys.prefix), shutil.which("cc") or shutil.which("gcc")
    if MISSING or compiler is None:
        pytest.skip(MISSING or "there is no C compiler")
    if not (prefix / "include" / "mpi.h").exists() or not (prefix / "lib" / "libmpi.so.12").exists():
        pytest.skip("there is no MPICH with its header beside this Python (pip install mpich)")
    library = tmp_path_factory.mktemp("pmpi") / "pmpi.so"
    paths = [f"-I{prefix}/include", f"-L{prefix}/lib", "-l:libmpi.so.12", f"-Wl,-rpath,{prefix}/lib"]
    source = str(Path(__file__).with_name("pmpi.c"))
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", source, "-o", str(library), *paths], check=True)
    return str(library)


@pytest.mark.fault(5)
@pytest.mark.parametrize("slow", [pytest.param(0, marks=pytest.mark.long), 1])
def test_a_slow_rank_is_measured_and_named(tmp_path: Path, shim: str, slow: int) -> None:
    """Its sleep makes every rank's time as long: only who waits for whom tells them apart."""
    environment = {"LD_PRELOAD": shim, "FAULT_RANK": str(slow), "FAULT_SLEEP": "10000"}
    policy = {"seconds": 6.0, "warmup": 0.1, "precision": 0.5}
    ended = run_ranks(tmp_path, backend="host", environment=environment, policy=policy, only="good")
    assert_contained(ended)
    assert ended.exit_code == Exit.DONE
    (record,) = ended.of("good")
    assert record.status is Status.OK
    assert record.samples is not None
    assert min(record.samples.seconds) > 9e-3
    named = [caveat.text for caveat in record.samples.caveats if caveat.code == "STRAGGLER"]
    assert len(named) == 1, record.samples.caveats
    assert named[0].startswith(f"The others wait for rank {slow}: ")


@pytest.mark.fault(8)
@pytest.mark.parametrize(("call", "when"), [(1, ""), (8, "after timing: ")], ids=["at once", "while timed"])
def test_one_wrong_bit_on_one_rank_is_rejected_with_its_place(tmp_path: Path, shim: str, call: int, when: str) -> None:
    environment = {"LD_PRELOAD": shim, "FAULT_RANK": "1", "FAULT_FLIP": str(call)}
    ended = run_ranks(tmp_path, environment=environment, only="good")
    assert_contained(ended)
    assert ended.exit_code == Exit.REJECTED
    (record,) = ended.of("good")
    assert record.status is Status.REJECTED
    assert record.samples is None
    assert record.reason.startswith(f"{when}1 of 64 compared values of y are wrong")
    assert "at rank 1: y[0]" in record.reason


@pytest.mark.fault(40)
def test_ranks_that_never_meet_are_ended_at_the_deadline_of_the_setup(tmp_path: Path, shim: str) -> None:
    """The operations' own deadline is a minute; a world that does not come up is not waited for that long."""
    environment = {"LD_PRELOAD": shim, "FAULT_RANK": "1", "FAULT_ABSENT": "1"}
    policy = {"deadline": 60.0, "compile_deadline": 60.0, "setup_deadline": 3.0}
    ended = run_ranks(tmp_path, environment=environment, policy=policy, only="good")
    assert_contained(ended)
    assert ended.exit_code == Exit.FAILED
    (record,) = ended.of("good")
    assert record.status is Status.FAILED
    assert "nothing was heard for 3 s" in record.reason
    assert record.reason.count("(open the world)") == 2
    assert "The ranks did not find each other" in record.reason
    assert "firewall" in record.reason


# -- launchers ---------------------------------------------------------------------------------


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Python with the same packages and nothing else beside it, and an empty PATH; its folder of programs."""
    home = tmp_path / "python"
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "python").symlink_to(Path(sys.executable).resolve())
    shutil.copy(Path(sys.prefix) / "pyvenv.cfg", home)
    (home / "lib").symlink_to(Path(sys.prefix) / "lib")
    monkeypatch.setattr(sys, "executable", str(home / "bin" / "python"))
    (tmp_path / "nothing").mkdir()
    return home / "bin"


@pytest.mark.fault(9)
def test_without_a_launcher_collectives_are_skipped_with_the_remedy(tmp_path: Path, bare: Path) -> None:
    ended = run_ranks(tmp_path, environment={"PATH": str(tmp_path / "nothing")})
    assert_contained(ended)
    assert ended.exit_code != Exit.DONE
    assert not ended.run or not ended.records
    said = ended.stdout + ended.stderr
    assert "no mpiexec" in said
    assert "pip install 'benchsuite[mpi]'" in said


@needs_mpi
@pytest.mark.fault(9)
def test_a_launcher_of_another_mpi_is_a_failure_and_not_two_worlds_of_one(tmp_path: Path, bare: Path) -> None:
    fake = bare / "mpiexec"
    fake.write_text(
        '#!/bin/sh\nif [ "$1" = --version ]; then echo "mpirun (Open MPI) 4.1.4"; exit; fi\n'
        'while [ "$1" != -n ]; do shift; done; export OMPI_COMM_WORLD_SIZE=$2; shift 2\n'
        'OMPI_COMM_WORLD_RANK=0 "$@" & OMPI_COMM_WORLD_RANK=1 "$@"; code=$?; wait $!; exit $code\n'
    )
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    ended = run_ranks(tmp_path, only="good")
    assert_contained(ended)
    assert ended.exit_code == Exit.FAILED
    (record,) = ended.of("good")
    assert record.status is Status.FAILED
    assert "launcher and library" in record.reason
    assert "are from different MPIs" in record.reason


# -- clocks and networks -----------------------------------------------------------------------

SHIFTED = """
ahead = [7.0]
if os.environ.get("PMI_RANK") == "1":
    true = time.perf_counter
    time.perf_counter = lambda: true() * 1.0002 + ahead[0]
"""


@needs_mpi
@pytest.mark.fault(24)
def test_a_rank_whose_clock_is_ahead_is_not_taken_for_a_late_one(tmp_path: Path) -> None:
    ended = run_ranks(tmp_path, SHIFTED, backend="host", policy={"seconds": 0.1}, only="good")
    assert_contained(ended)
    assert ended.exit_code == Exit.DONE
    (record,) = ended.of("good")
    samples = record.samples
    assert samples is not None
    assert samples.sync in {"window", "barrier"}
    assert samples.sync_error is not None
    assert 0.0 < samples.sync_error < 0.05
    assert len(samples.rank_starts) == len(samples.seconds)
    assert all(abs(first - second) < 1.0 for first, second in samples.rank_starts), "7 s apart"


@needs_mpi
@pytest.mark.long
@pytest.mark.fault(24)
def test_a_rank_whose_clock_is_stepped_meanwhile_leaves_the_barrier(tmp_path: Path) -> None:
    """Of what the ranks' clocks said of each other nothing is kept, and the result says so."""
    fault = f"""{SHIFTED}
calls = [0]

def good(world, buffers, case, ops):
    world.allreduce(buffers["x"], buffers["y"])
    time.sleep(0.002)
    calls[0] += 1
    ahead[0] += calls[0] == 60
"""
    policy = {"seconds": 0.4, "warmup": 0.02, "precision": 1e-6}
    ended = run_ranks(tmp_path, fault, backend="host", policy=policy, only="good")
    assert_contained(ended)
    (record,) = ended.of("good")
    samples = record.samples
    assert samples is not None
    assert max(samples.seconds) > 0.9, "it was stepped before or after the samples"
    assert (samples.sync, samples.sync_error, samples.rank_starts) == ("barrier", None, ())
    assert any("clocks of the ranks" in caveat.text for caveat in samples.caveats)


SHAPED = (
    "ip link set lo mtu 1500 up && tc qdisc add dev lo root tbf rate 100mbit burst 128kb limit 80kb || exit 77; "
    '"$@"; code=$?; tc -s qdisc show dev lo > {file}; exit $code'
)
RATE = 100e6 / 8.0
OVER_TCP = {"MPIR_CVAR_NOLOCAL": "1", "MPIR_CVAR_CH4_NETMOD": "ofi", "FI_PROVIDER": "tcp"}
"""Has MPICH send between ranks of one host as between hosts: through sockets."""


@needs_mpi
@pytest.mark.fault(41)
def test_a_slow_and_lossy_network_is_measured_as_what_it_is(tmp_path: Path) -> None:
    """A loopback of 100 Mbit/s that drops what does not fit its queue, in a network namespace of its own."""
    if shutil.which("tc") is None or shutil.which("unshare") is None:
        pytest.skip("there is no tc or no unshare")
    file, n = tmp_path / "queue.txt", 1 << 15
    wrapper = ("unshare", "--net", "sh", "-c", SHAPED.format(file=file), "sh")
    probe = subprocess.run([*wrapper, "true"], capture_output=True, text=True, check=False)
    if probe.returncode:
        pytest.skip(f"no network namespace with a token bucket can be made here: {probe.stderr.strip()}")
    policy = {"seconds": 0.4, "warmup": 0.05, "max_samples": 20}
    ended = run_ranks(tmp_path, backend="host", environment=OVER_TCP, wrapper=wrapper, policy=policy, only="good", n=n)
    assert_contained(ended)
    assert ended.exit_code == Exit.DONE, ended.stderr
    (record,) = ended.of("good")
    assert record.samples is not None
    assert record.samples.max_error == 0.0
    dropped = re.search(r"dropped (\d+)", file.read_text())
    assert dropped is not None
    assert int(dropped[1]) > 0, "nothing was lost"
    wire = 2 * 8 * n / RATE  # each of the two ranks sends its vector over the same loopback
    assert sorted(record.samples.seconds)[len(record.samples.seconds) // 2] > 0.5 * wire
