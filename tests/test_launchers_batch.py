"""The job's script: what is asked of Slurm, what may stand in it, and that it goes on with what was begun."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchsuite.errors import UsageError
from benchsuite.launchers import script
from benchsuite.launchers.batch import Batch, text

JOB = Batch(("run", "collectives", "--budget", "300"), 16, Path("/shared/runs"), gpus=8)
SHELLS = [shell for shell in ("bash", "dash") if shutil.which(shell)]
PROGRAM = """
import pathlib, signal, sys, time
words = sys.argv[1:]
log = pathlib.Path(__file__).with_name("log")
with log.open("a") as stream:
    stream.write(" ".join(words) + chr(10))
if words[0] == "resume":
    sys.exit(int(pathlib.Path(words[1], "code").read_text()))
out = pathlib.Path(words[words.index("--out") + 1]) / "20300101-000000-x"
out.mkdir(parents=True)
(out / "campaign.json").write_text("{}")
(out / "code").write_text("0")
def stop(number, frame):
    with log.open("a") as stream:
        stream.write("stopped" + chr(10))
    time.sleep(0.3)
    sys.exit(7)
signal.signal(signal.SIGTERM, stop)
if "--hang" in words:
    print("ready", flush=True)
    time.sleep(60)
sys.exit(3)
"""


def options(job: Batch) -> list[str]:
    return [line.removeprefix("#SBATCH ") for line in text(job).splitlines() if line.startswith("#SBATCH ")]


def test_what_is_asked_of_slurm() -> None:
    told = replace(JOB, partition="gpu", account="a-1", time="1-12:00", qos="high", constraint="h100&ib", name="x")
    assert options(told) == [
        "--job-name=x",
        "--nodes=16",
        "--ntasks-per-node=8",
        "--gpus-per-node=8",
        "--exclusive",
        "--mem=0",
        "--partition=gpu",
        "--account=a-1",
        "--time=1-12:00",
        "--qos=high",
        "--constraint=h100&ib",
        '--output="/shared/runs/slurm-%j.out"',
        "--open-mode=append",
        "--requeue",
        "--signal=B:TERM@60",
    ]
    assert options(replace(JOB, gpus=0, exclusive=False, per_node=4))[2:4] == [
        "--ntasks-per-node=4",
        '--output="/shared/runs/slurm-%j.out"',
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"partition": "a b"},
        {"partition": "a\n#SBATCH --uid=0"},
        {"account": "$(id)"},
        {"time": "tomorrow"},
        {"time": "1:00:00:00"},
        {"qos": '"'},
        {"constraint": "a;b"},
        {"nodelist": "`id`"},
        {"name": "-x"},
        {"name": ""},
        {"nodes": 0},
        {"out": Path('/a"b')},
        {"out": Path("/a%jb")},
        {"out": Path("/a\nb")},
    ],
)
def test_what_could_mean_something_else_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError) as refused:
        text(replace(JOB, **wrong))  # type: ignore[arg-type]
    assert next(iter(wrong)) in str(refused.value)


@pytest.mark.parametrize("time", ["30", "30:00", "1:30:00", "2-0", "2-12:30", "2-12:30:00"])
def test_every_form_of_time_that_sbatch_knows(time: str) -> None:
    assert f"--time={time}" in options(replace(JOB, time=time))


@pytest.mark.skipif(not SHELLS, reason="there is no shell")
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12), max_size=4))
@settings(max_examples=25, deadline=None)
def test_any_word_reaches_the_command_as_it_is(words: list[str]) -> None:
    """The script prints its command's arguments instead of running benchsuite."""
    show = (sys.executable, "-c", "import json, sys; print(json.dumps(sys.argv[1:-1]))")
    made = "set -u\nout=/dev/null/nothing\nmkdir() { true; }\n" + script.body(show, ("run", *words))
    done = subprocess.run([SHELLS[-1], "-c", made], capture_output=True, text=True, timeout=30, check=False)
    import json

    assert json.loads(done.stdout) == ["run", *words, "--out"]


@pytest.fixture(params=SHELLS)
def job(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[list[str], Path]:
    """The script of a job in a shell, with a program in benchsuite's place that writes down what it is asked."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    made = text(replace(JOB, out=tmp_path / "a b"), (sys.executable, str(program)))
    file = tmp_path / "job.sh"
    file.write_text(made)
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return [request.param, str(file)], tmp_path


def run(command: list[str]) -> int:
    done = subprocess.run(command, env={**os.environ, "SLURM_JOB_ID": "12"}, timeout=30, check=False)
    return done.returncode


def log(folder: Path) -> list[str]:
    return (folder / "log").read_text().splitlines()


def test_it_begins_once_and_then_goes_on(job: tuple[list[str], Path]) -> None:
    command, folder = job
    begun = folder / "a b/job-12/20300101-000000-x"
    first = f"run collectives --budget 300 --out {folder}/a b/job-12"
    assert run(command) == 3
    assert log(folder) == [first]
    assert run(command) == 0
    assert log(folder) == [first, f"resume {begun}"]


def test_what_cannot_be_gone_on_with_is_begun_anew_beside_it(job: tuple[list[str], Path]) -> None:
    command, folder = job
    run(command)
    begun = folder / "a b/job-12/20300101-000000-x"
    (begun / "code").write_text("2")
    begun.rename(begun.with_name("20290101-000000-x"))
    assert run(command) == 3
    assert [line.split()[0] for line in log(folder)] == ["run", "resume", "run"]
    (begun / "code").write_text("4")
    assert run(command) == 4, "a run that failed is not begun anew"
    assert [line.split()[0] for line in log(folder)] == ["run", "resume", "run", "resume"]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_notice_reaches_the_command_and_its_end_is_waited_for(shell: str, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    hanging = replace(JOB, words=("run", "x", "--hang"), out=tmp_path / "runs")
    file = tmp_path / "job.sh"
    file.write_text(text(hanging, (sys.executable, str(program))))
    environment = {**os.environ, "SLURM_JOB_ID": "1"}
    with subprocess.Popen([shell, str(file)], env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        assert process.wait(20.0) == 7, "the command's own code, not that of the shell's wait"
    assert log(tmp_path)[-1] == "stopped"
    assert time.monotonic() - began < 15.0


@pytest.mark.parametrize(("words", "going_on"), [(("scan",), "scan --resume"), (("fleet", "gpu"), "fleet --resume")])
def test_each_command_goes_on_in_its_own_way(words: tuple[str, ...], going_on: str) -> None:
    made = script.body(("benchsuite",), words)
    assert f"follow benchsuite {going_on} " in made
    assert f"/{words[0]}.json" in made
