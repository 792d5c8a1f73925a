"""Rows about what the sensors see, and about sensors that see nothing, hang, or are refused."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchsuite import normalize, store
from benchsuite.backends.host.backend import HostBackend
from benchsuite.catalog import gpus
from benchsuite.errors import Exit
from benchsuite.execute import Execution
from benchsuite.model import Benchmark, Buffers, Case, Record, Samples, Score, Status
from benchsuite.plan import Options, build
from benchsuite.record import SCHEMA
from benchsuite.suite import parse
from benchsuite.telemetry import watch
from benchsuite.telemetry.__main__ import SLOW
from benchsuite.telemetry.archive import FILE, Archive
from benchsuite.telemetry.health import Health, health
from benchsuite.telemetry.kernel_log import KernelLog
from benchsuite.telemetry.reading import Reading
from benchsuite.telemetry.watch import Telemetry
from tests import nvml_double
from tests.conftest import toy
from tests.faults.injection import CGROUPS, assert_contained, begin, cgroup, run_campaign
from tests.inline import InlineRunner, Notes
from tests.nvml_double import BUS, IDLE, WORK
from tests.test_plan import HOST

TEXT = """[policy]
runs = 1
seconds = 0.3
warmup = 0.15
precision = 1e-9
max_samples = 2000
[[bench]]
select = ["toy"]
implementations = ["good"]
points = [{n = 1024, kind = "a"}]
"""
needs_double = pytest.mark.skipif(bool(nvml_double.unavailable()), reason=nvml_double.unavailable())


@dataclass(frozen=True)
class Seen:
    """A campaign of one task under sensors: its record, its score, every reading."""

    record: Record
    score: Score
    readings: list[Reading]

    @property
    def samples(self) -> Samples:
        """Of a task that was measured."""
        assert self.record.samples is not None, self.record.reason
        return self.record.samples

    @property
    def codes(self) -> set[str]:
        """Of its caveats."""
        return {caveat.code for caveat in self.record.caveats}

    @property
    def health(self) -> Health:
        """Between the first and the last reading."""
        return health(self.readings[0], self.readings[-1])


Observed = Callable[..., Seen]


@pytest.fixture
def observed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Observed:
    """Measures one task for real while a double of NVML replays these states."""

    def campaign(*states: str, benchmark: Benchmark | None = None, readings: int = 1) -> Seen:
        for name, value in (nvml_double.environment(tmp_path, states) if states else {}).items():
            monkeypatch.setenv(name, value)
        catalogue = {"toy": benchmark or toy()}
        suite = parse(TEXT, "toys", catalogue)
        plan = build(suite, catalogue, HOST, Options(seed=3))
        made = store.Campaign(SCHEMA, "id", store.now(), "0", "benchsuite run", "cuda", suite, plan)
        runner = InlineRunner(catalogue, backend=lambda: HostBackend(1))
        directory = store.RunDirectory(tmp_path / "id", made)
        with Telemetry(directory.path, BUS) as telemetry:
            wait_for((directory.path / FILE).exists)
            Execution(plan, catalogue, directory, runner.place, "cuda", Notes(), observer=telemetry).run()
            wait_for(lambda: len(Archive(directory.path / FILE).readings()) >= readings)
        loaded = store.load(directory.path)
        assert not loaded.problems
        (score,), _ = normalize.scores(loaded.records, plan, catalogue, 1 << 20)
        return Seen(loaded.records[0], score, Archive(directory.path / FILE).readings())

    return campaign


def wait_for(reached: Callable[[], object], within: float = 15.0) -> None:
    """Wait until it is true."""
    deadline = time.monotonic() + within
    while not reached():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.01)


@contextmanager
def processes(count: int, code: str) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes that do this meanwhile."""
    started = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(count)]
    try:
        yield started
    finally:
        for process in started:
            process.kill()
            process.wait()


def assert_all_kept(seen: Seen) -> None:
    """It was measured, and no sample was left out of the number."""
    assert seen.record.status is Status.OK
    assert seen.record.summary is not None
    assert seen.record.summary.n == len(seen.samples.seconds)


@needs_double
@pytest.mark.fault(27)
def test_another_process_on_the_gpu_is_told_and_left_alone(observed: Observed) -> None:
    with processes(2, "import time; time.sleep(60)") as others:
        pids = ",".join(str(other.pid) for other in others)
        seen = observed(IDLE, f"{WORK} processes={pids}")
        assert [other.poll() for other in others] == [None, None]
    assert_all_kept(seen)
    assert "CONTENDED" in seen.codes
    assert len(seen.samples.annotations["CONTENDED"]) == len(seen.samples.seconds)
    assert any("CONTENDED" in reason for reason in seen.score.unreportable)


@pytest.mark.fault(28)
def test_a_neighbour_on_the_processor_is_told(tmp_path: Path) -> None:
    with processes(2, "while True: pass"):
        ended = run_campaign(tmp_path, cases=1, backend="host", policy={"seconds": 0.3})
    assert_contained(ended)
    assert ended.exit_code == Exit.DONE
    for record in ended.records:
        assert record.samples is not None
        assert {caveat.code for caveat in record.caveats} & {"CONTENDED", "HOST_STEAL"}
        assert record.samples.annotations["CONTENDED"]
        assert record.summary is not None
        assert record.summary.clean < record.summary.n == len(record.samples.seconds)


@pytest.mark.long
@pytest.mark.fault(28)
def test_a_quota_that_stops_us_is_told(tmp_path: Path) -> None:
    """A tenth of a core, from the moment when something is measured until it is recorded."""
    policy = {"seconds": 0.5, "warmup": 0.2}
    with (
        cgroup("cpu", {"cpu.cfs_period_us": "50000"}) as inside,
        begin(tmp_path, cases=1, backend="host", preexec=inside, policy=policy) as running,
    ):
        quota = group(running.process.pid) / "cpu.cfs_quota_us"
        running.until(lambda: running.doing("measure"))
        quota.write_text("5000")
        running.until(running.lines, within=40)
        quota.write_text("-1")
        ended = running.wait()
    assert_contained(ended, within=55)
    first = ended.records[0]
    assert first.samples is not None, first.reason
    assert "CGROUP_THROTTLED" in {caveat.code for caveat in first.caveats}
    assert first.samples.annotations["CGROUP_THROTTLED"]
    assert first.samples.conditions["throttled"] > 0.0


def group(pid: int) -> Path:
    """The control group of a process that shares out the processor."""
    lines = [line.split(":", 2) for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines()]
    path = next(path for _, controllers, path in lines if controllers == "cpu")
    return CGROUPS / "cpu" / path.lstrip("/")


@pytest.mark.fault(29)
def test_without_nvml_it_is_measured_and_not_reportable(observed: Observed) -> None:
    seen = observed()
    assert_all_kept(seen)
    assert "GPU_TELEMETRY_MISSING" in seen.codes
    assert "TELEMETRY_MISSING" not in seen.codes, "the processor was watched"
    assert "sm_clock" not in seen.samples.conditions
    assert any("GPU_TELEMETRY_MISSING" in reason for reason in seen.score.unreportable)


@needs_double
@pytest.mark.fault(30)
def test_a_driver_that_does_not_match_skips_the_gpu_and_the_processor_is_measured(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    double = nvml_double.environment(tmp_path, ["init=!18"])
    source = Path(__file__).parents[1] / "fake_libcuda.c"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(tmp_path / "lib" / "libcuda.so.1"), str(source)], check=True)
    double["LD_LIBRARY_PATH"] += f":{tmp_path / 'lib'}"
    ended = run_campaign(tmp_path, cases=1, backend="auto", environment={**double, "FAKE_CUDA_STATUS": "803"})
    assert_contained(ended)
    assert ended.exit_code == Exit.DONE
    assert "driver's library and its kernel module are of different versions" in ended.stdout + ended.stderr
    assert {record.backend for record in ended.records} == {"host"}
    assert {record.status for record in ended.records} == {Status.OK}


@needs_double
@pytest.mark.fault(31)
def test_a_gpu_that_is_lost_meanwhile_is_told_and_fails_hard(observed: Observed) -> None:
    seen = observed(IDLE, WORK, "sm=!15")
    assert "GPU_TELEMETRY_MISSING" in seen.codes
    told = next(caveat.text for caveat in seen.record.caveats if caveat.code == "GPU_TELEMETRY_MISSING")
    assert "GPU is lost" in told
    assert seen.health.faults == ("The driver lost the GPU while it was measured.",)
    assert any("GPU_TELEMETRY_MISSING" in reason for reason in seen.score.unreportable)


@needs_double
@pytest.mark.fault(32)
def test_a_driver_call_that_hangs_costs_the_sensors_and_not_the_run(
    observed: Observed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "LISTEN", 0.1)
    began = time.monotonic()
    seen = observed(IDLE, WORK, "power=hang")
    assert time.monotonic() - began < 30
    assert_all_kept(seen)
    assert "GPU_TELEMETRY_MISSING" in seen.codes
    told = " ".join(caveat.text for caveat in seen.record.caveats)
    assert "the GPU's driver did not answer the sensor process" in told
    assert "busy" in seen.readings[-1].values, "the processor is watched again"
    assert sum(reading.first for reading in seen.readings) == 2


@needs_double
@pytest.mark.fault(33)
def test_a_sensor_that_is_not_there_has_a_reason_and_no_value(observed: Observed) -> None:
    seen = observed(f"{IDLE} {WORK} power=!3 energy=!3 uncorrected=!4")
    assert_all_kept(seen)
    assert "GPU_TELEMETRY_MISSING" not in seen.codes
    assert seen.samples.conditions["sm_clock"] == 1.98e9
    assert "power" not in seen.samples.conditions
    card = next(one for one in seen.samples.energy if one.source == "gpu")
    assert (card.joules, card.per_iteration) == (None, None)
    assert "Not Supported" in card.reason
    assert "Insufficient Permissions" in seen.health.unknown["ecc_uncorrected"]
    assert not seen.health.faults


@needs_double
@pytest.mark.fault(34)
def test_a_throttled_gpu_is_annotated_and_every_sample_is_kept(observed: Observed) -> None:
    seen = observed(IDLE, f"{WORK} sm=600 throttle=0x44")
    assert_all_kept(seen)
    assert seen.record.summary is not None
    assert seen.record.summary.clean == 0
    assert seen.samples.conditions["sm_clock"] == 6e8
    for code in ("THERMAL", "POWER_CAP"):
        assert code in seen.codes
        assert len(seen.samples.annotations[code]) == len(seen.samples.seconds)
        assert not any(code in reason for reason in seen.score.unreportable), "a hot card is slower: that is its speed"


@needs_double
@pytest.mark.fault(35)
def test_without_persistence_the_first_call_is_slow_and_no_sample_is(observed: Observed) -> None:
    calls: list[int] = []

    def good(buffers: Buffers, case: Case) -> None:
        if not calls:
            time.sleep(1.0)
        calls.append(1)
        buffers["y"][:] = 2.0 * buffers["x"]

    seen = observed(f"{IDLE} {WORK} persistence=0", benchmark=toy(good=good))
    assert_all_kept(seen)
    assert seen.samples.conditions["persistence"] == 0.0
    assert max(seen.samples.seconds) * seen.samples.iterations < 0.9
    assert seen.samples.setup_seconds > 0.9


@needs_double
@pytest.mark.fault(36)
@pytest.mark.parametrize(
    ("states", "narrow"),
    [([IDLE, WORK], False), ([IDLE, f"{WORK} width=4"], True)],
    ids=["widens under load", "four lanes"],
)
def test_a_narrow_link_is_judged_under_load_only(observed: Observed, states: Sequence[str], narrow: bool) -> None:
    seen = observed(*states)
    assert_all_kept(seen)
    assert ("LINK_NARROW" in seen.codes) == narrow
    assert ("LINK_NARROW" in seen.samples.annotations) == narrow


@pytest.mark.fault(37)
@pytest.mark.parametrize(
    ("name", "memory", "processors"),
    [("NVIDIA H100 80GB HBM3", 85e9, 114), ("NVIDIA H100 80GB HBM3", 25e9, 132), ("NVIDIA H100 80GB HBM3", 12e9, 16)],
    ids=["other multiprocessors", "other memory", "a slice"],
)
def test_a_gpu_that_is_not_what_its_name_says_is_contradicted(name: str, memory: float, processors: int) -> None:
    assert gpus.contradictions(name, 85e9, 132) == ()
    assert gpus.contradictions(name, memory, processors)


@needs_double
@pytest.mark.fault(38)
def test_new_errors_of_memory_or_links_fail_hard(observed: Observed) -> None:
    seen = observed(IDLE, f"{WORK} corrected=9 uncorrected=1 remapped=2 retired=3 link_errors=1", readings=SLOW + 2)
    told = " ".join(seen.health.faults)
    assert len(seen.health.faults) == 4
    assert "uncorrected memory errors: 1." in told
    assert "rows of memory remapped after uncorrected errors: 2." in told
    assert "pages of memory retired: 3." in told
    assert "errors of the NVLinks: 72." in told
    assert seen.health.notes == ("New corrected memory errors: 9.",)


@pytest.mark.fault(38)
def test_an_xid_in_the_kernel_log_fails_hard_and_a_log_that_cannot_be_read_is_unknown(tmp_path: Path) -> None:
    path = tmp_path / "kmsg"
    path.touch()
    log, blind = KernelLog(path, BUS), KernelLog(tmp_path / "none", BUS)

    def told(log: KernelLog) -> Reading:
        values: dict[str, float] = {}
        missing: dict[str, str] = {}
        log.read(values, missing)
        return Reading(0.0, values, missing)

    before = told(log)
    path.write_text("3,9,9,-;NVRM: Xid (PCI:0000:01:00): 48, pid=7, name=x, DBE at partition 1\n")
    assert "number 48" in health(before, told(log)).faults[0]
    unseen = health(told(blind), told(blind))
    assert not unseen.faults
    assert "cannot be read" in unseen.unknown["xids"]
