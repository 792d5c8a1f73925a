"""The sensor process and its controller: real processes, sensors that hang or end, and a controller that is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from benchsuite.model import Samples
from benchsuite.telemetry import together, watch
from benchsuite.telemetry.__main__ import Loop
from benchsuite.telemetry.archive import FILE, Archive
from benchsuite.telemetry.host import HostSensors
from benchsuite.telemetry.watch import Telemetry
from tests import nvml_double
from tests.nvml_double import BUS, IDLE, WORK

SCRIPTED = """
import sys, time
def say(**more):
    at = time.perf_counter()
    values = {"busy": at, "own": at, "steal": 0.0, **more}
    boot = "" if say.told else '"boot":"b",'
    say.told = True
    print('{%s"at":%f,"values":{%s}}' % (boot, at, ",".join('"%s":%f' % one for one in values.items())), flush=True)
say.told = False
gpu = len(sys.argv) > 2
"""
"""The beginning of a sensor process that says what a test wants."""
TALKS = "while True: say(); time.sleep(0.02)"
HANGS_WITH_GPU = """
while True:
    say(**({"sm_clock": 1.0, "throttle": 0.0} if gpu else {}))
    time.sleep(1000 if gpu else 0.02)
"""


def scripted(body: str) -> tuple[str, ...]:
    return (sys.executable, "-c", SCRIPTED + body)


def until(reached: Callable[[], object], within: float = 15.0) -> None:
    deadline = time.monotonic() + within
    while not reached():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.01)


def measured(seconds: float = 0.3) -> tuple[Samples, float]:
    """Samples of work that took this long, and when they began."""
    began = time.perf_counter()
    starts, lengths = [], []
    while time.perf_counter() - began < seconds:
        start = time.perf_counter()
        while time.perf_counter() - start < 0.02:
            pass
        starts.append(start - began)
        lengths.append(time.perf_counter() - start)
    return Samples(tuple(lengths), 1, starts=tuple(starts)), began


def codes(samples: Samples) -> list[str]:
    return [caveat.code for caveat in samples.caveats]


def sensors() -> list[psutil.Process]:
    """The sensor processes of this one; a child that has ended and was not waited for has no command any more."""
    found = []
    for child in psutil.Process().children():
        with suppress(psutil.Error):
            if "benchsuite.telemetry" in " ".join(child.cmdline()):
                found.append(child)
    return found


def test_a_measurement_is_observed_from_beginning_to_end(tmp_path: Path) -> None:
    with Telemetry(tmp_path) as telemetry:
        telemetry.own((os.getpid(),))
        until((tmp_path / FILE).exists)
        joined = telemetry.observe(*measured())
        [process] = sensors()
        assert os.getpgid(process.pid) != os.getpgid(0), "Ctrl-C is for the controller"
    assert "TELEMETRY_MISSING" not in codes(joined)
    assert joined.conditions["readings"] >= 1.0
    assert {"foreign_cores", "steal", "load", "memory_available"} <= set(joined.conditions)
    assert [one.source for one in joined.energy] == ["package"]
    assert not process.is_running()


def test_our_processes_are_those_it_is_told_of(tmp_path: Path) -> None:
    """A busy process counts as foreign until we say that it is ours."""
    burner = subprocess.Popen([sys.executable, "-c", "while True: pass"])

    def own() -> float:
        return Archive(tmp_path / FILE).readings()[-1].values["own"]

    try:
        with Telemetry(tmp_path) as telemetry:
            until((tmp_path / FILE).exists)
            assert telemetry.observe(*idle(0.5)).conditions["foreign_cores"] > 0.12
            before = own()
            telemetry.own((burner.pid,))
            until(lambda: own() > before + 0.2)
    finally:
        burner.kill()
        burner.wait()
    assert before < 0.2


def idle(seconds: float) -> tuple[Samples, float]:
    """One sample of doing nothing."""
    began = time.perf_counter()
    time.sleep(seconds)
    return Samples((time.perf_counter() - began,), 1, starts=(0.0,)), began


def test_a_run_that_is_gone_on_with_finds_the_earlier_readings(tmp_path: Path) -> None:
    with Telemetry(tmp_path) as telemetry:
        until((tmp_path / FILE).exists)
        before = idle(0.3)
        time.sleep(0.2)
    with Telemetry(tmp_path) as telemetry:
        found = telemetry.observe(*before)
    assert codes(found) in ([], ["CONTENDED"], ["CONTENDED", "HOST_STEAL"], ["HOST_STEAL"])
    (tmp_path / FILE).unlink()
    with Telemetry(tmp_path) as telemetry:
        assert "TELEMETRY_MISSING" in codes(telemetry.observe(*before))


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shorter patience."""
    monkeypatch.setattr(watch, "LISTEN", 0.1)


@pytest.mark.usefixtures("hasty")
def test_a_sensor_that_hangs_is_ended_and_the_rest_goes_on_without_it(tmp_path: Path) -> None:
    with Telemetry(tmp_path, BUS, scripted(HANGS_WITH_GPU)) as telemetry:
        until(lambda: telemetry.blind)
        lines = (tmp_path / FILE).read_bytes().count(b"\n")
        until(lambda: (tmp_path / FILE).read_bytes().count(b"\n") > lines + 1)
        joined = telemetry.observe(*measured(0.1))
    assert codes(joined) == ["GPU_TELEMETRY_MISSING"]
    assert "did not answer the sensor process" in joined.caveats[0].text


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(
    ("command", "words"),
    [
        (scripted("say(); sys.exit(3)"), "the sensor process ended (exit code 3)"),
        (scripted("say(); time.sleep(1000)"), "it said nothing for"),
        (("/none/at/all",), "the sensor process could not be started: No such file"),
    ],
)
def test_sensors_that_never_come_back_leave_the_reason(tmp_path: Path, command: tuple[str, ...], words: str) -> None:
    with Telemetry(tmp_path, None, command) as telemetry:
        until(lambda: not telemetry.watching)
        joined = telemetry.observe(*measured(0.05))
    assert codes(joined) == ["TELEMETRY_MISSING"]
    assert words in joined.caveats[0].text


@pytest.mark.usefixtures("hasty")
def test_a_process_that_ended_once_is_started_again_and_told_who_we_are(tmp_path: Path) -> None:
    flag, told = tmp_path / "ended", tmp_path / "told"
    body = f"""
from pathlib import Path
flag, told = Path({str(flag)!r}), Path({str(told)!r})
if not flag.exists():
    say()
    sys.stdin.readline()
    flag.touch()
    sys.exit(1)
told.write_text(sys.stdin.readline())
{TALKS}"""
    with Telemetry(tmp_path, None, scripted(body)) as telemetry:
        until((tmp_path / FILE).exists)
        telemetry.own((7, 5))
        until(flag.exists)
        until(lambda: told.exists() and (tmp_path / FILE).read_bytes().count(b"\n") > 2)
        assert codes(telemetry.observe(*measured(0.1))) == []
    assert told.read_text() == "own 5 7\n"


CONTROLLER = """
import sys, time
from pathlib import Path
from benchsuite.telemetry.watch import Telemetry
with Telemetry(Path(sys.argv[1]), *sys.argv[2:]):
    time.sleep(1000)
"""


@pytest.mark.parametrize("states", [[], [IDLE, WORK, "power=hang"]], ids=["alone", "with a driver that hangs"])
def test_a_controller_that_is_killed_leaves_no_sensor_process(tmp_path: Path, states: list[str]) -> None:
    if states and nvml_double.unavailable():
        pytest.skip(nvml_double.unavailable())
    double = nvml_double.environment(tmp_path, states) if states else {}
    words = [sys.executable, "-c", CONTROLLER, str(tmp_path), *([BUS] if states else [])]
    controller = subprocess.Popen(words, env={**os.environ, **double})
    try:
        until(lambda: (tmp_path / FILE).exists() and (tmp_path / FILE).read_bytes().count(b"\n") >= 2)
        children = psutil.Process(controller.pid).children()
        assert len(children) == 1
    finally:
        controller.send_signal(signal.SIGKILL)
        controller.wait()
    until(lambda: not any(alive(child) for child in children), within=5.0)


def alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_the_sensor_process_is_small_and_ends_with_its_input() -> None:
    """No numerical library, and little time: 0.5 % of a core is what it takes, ten times that is a mistake."""
    words = [sys.executable, "-m", "benchsuite.telemetry", str(os.getpid())]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdout.readline()
        loaded = Path(f"/proc/{process.pid}/maps").read_text()
        used = sum(psutil.Process(process.pid).cpu_times()[:2])
        for _ in range(15):
            process.stdout.readline()
        used = sum(psutil.Process(process.pid).cpu_times()[:2]) - used
        process.stdin.close()
        assert process.wait(5) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    assert not [name for name in ("numpy", "scipy", "numba", "psutil") if name in loaded]
    assert used < 0.05 * 1.5


def test_a_sensor_process_without_its_parent_ends_at_once() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchsuite.telemetry", "1"], stdin=subprocess.DEVNULL, check=True, timeout=20
    )
    assert done.returncode == 0


def test_processes_of_campaigns_that_run_together_are_no_neighbours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their time is ours, as the other campaign names them in the folder; on our GPU they would be strangers."""
    monkeypatch.setenv(together.VARIABLE, str(tmp_path))
    burner = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    host = HostSensors()
    loop = Loop(host, None)
    try:
        assert loop.read().values["own"] == 0.0
        (tmp_path / str(burner.pid - 1)).write_text(f"{burner.pid}\nno number\n")
        until(lambda: loop.read().values["own"] > 0.1)
        assert burner.pid in host.together.pids
        assert host.own.pids == frozenset()
    finally:
        burner.kill()
        burner.wait()


def test_each_campaign_names_its_processes_to_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(together.VARIABLE, str(tmp_path))
    with Telemetry(tmp_path / "run") as telemetry:
        assert together.others(0) == {os.getpid()}
        telemetry.own((7, 5))
    assert together.others(0) == {os.getpid(), 7, 5}
    assert together.others(os.getpid()) == set()
    monkeypatch.delenv(together.VARIABLE)
    together.tell((9,))
    assert together.others(0) == set()
