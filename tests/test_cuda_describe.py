"""What a machine's GPU lacks, said in sentences: a matrix of faults over a driver of our own making."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

import benchsuite
from benchsuite import backends, campaign, doctor
from benchsuite.backends.cuda import checks, cupy_runtime, describe, driver, libraries
from benchsuite.backends.cuda.answer import Answer, Check
from benchsuite.discovery import discover
from benchsuite.errors import UnavailableError
from benchsuite.units import size
from tests.test_docs import benchsuite as command

HERE = Path(__file__).parent
H100, A100, T4 = "NVIDIA H100 80GB HBM3|9|0", "NVIDIA A100-SXM4-80GB|8|0", "Tesla T4|7|5"
SLICE = "NVIDIA A100-SXM4-80GB MIG 1g.10gb|8|0"
WHEELS = {"cupy-cuda13x": "14.2.0", "cuda-bindings": "13.5.0"}

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler for the driver's double")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a ``libcuda.so.1``."""
    made = tmp_path_factory.mktemp("driver")
    subprocess.run(
        ["cc", "-shared", "-fPIC", "-o", str(made / "libcuda.so.1"), str(HERE / "fake_libcuda.c")], check=True
    )
    return made


@pytest.fixture
def machine(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with one H100, its driver and every package; ``proc`` below the path returned tells of two GPUs."""
    monkeypatch.setattr(driver, "LIBRARY", str(folder / "libcuda.so.1"))
    monkeypatch.setattr(libraries, "version", lambda name: WHEELS.get(name, ""))
    monkeypatch.setattr(libraries, "importable", lambda name: True)
    monkeypatch.setattr(libraries, "nvrtc_version", lambda: "13.5")
    monkeypatch.setattr(checks, "others_on", lambda card: 0)
    for name in ("CUDA_VISIBLE_DEVICES", "FAKE_CUDA_STATUS", "FAKE_CUDA_VERSION", "FAKE_CUDA_DOES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FAKE_CUDA_CARDS", H100)
    for bus in ("0000:01:00.0", "0000:41:00.0"):
        information = tmp_path / "proc/driver/nvidia/gpus" / bus / "information"
        information.parent.mkdir(parents=True)
        information.write_text("Model: \t\t NVIDIA H100 80GB HBM3\nIRQ:   \t 43\n")
    version = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build\nGCC version: x\n"
    (tmp_path / "proc/driver/nvidia/version").write_text(version)
    return tmp_path


def problem(root: Path, number: int = 0) -> Check:
    """The one thing that keeps the GPU from being used; a sentence with a remedy."""
    answer = checks.examine(os.environ, number, root)
    assert answer.description is None
    found = answer.problem
    assert found is not None
    assert found.detail.endswith(".")
    assert found.remedy.endswith((".", "]'"))
    return found


def opened(monkeypatch: pytest.MonkeyPatch, root: Path) -> Answer:
    """The answer where nothing is missing, up to what only a GPU could add."""
    from tests.fake_cupy import Cupy, Driver, World

    runtime = cupy_runtime
    real = runtime.CupyRuntime
    count = len(driver.look().cards)
    monkeypatch.setattr(runtime, "CupyRuntime", lambda: real(Cupy(World(count=count)), Driver()))
    answer = checks.examine(os.environ, 0, root)
    assert answer.problem is None
    assert answer.description is not None
    return answer


# -- the driver -------------------------------------------------------------------------------


def test_without_a_driver_the_library_looked_for_is_named(
    machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "LIBRARY", "libcuda-of-nowhere.so.1")
    found = problem(machine)
    assert "kernel module is loaded" in found.detail
    assert "NVIDIA_DRIVER_CAPABILITIES" in found.remedy
    found = problem(tmp_path / "bare")
    assert found.detail.startswith("No NVIDIA driver was found")
    assert "--backend host" in found.remedy


def test_without_a_driver_the_packages_are_looked_at_all_the_same(
    tmp_path: Path, machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "LIBRARY", "libcuda-of-nowhere.so.1")
    subjects = {check.subject: check.present for check in checks.examine(os.environ, 0, machine).checks}
    assert subjects == {"NVIDIA driver": False, "CuPy": True, "NVRTC": True}


@pytest.mark.parametrize(
    ("version", "packages", "nvrtc", "said", "remedy"),
    [
        (
            12040,
            WHEELS,
            "13.5",
            "580.65.06 supports CUDA up to 12.4; cupy-cuda13x 14.2.0 needs 13.0",
            "benchsuite[cuda12]",
        ),
        (12040, {"cupy-cuda12x": "14.2.0", "cuda-bindings": "13.5.0"}, "13.5", "NVRTC 13.5", "benchsuite[cuda12]"),
        (11080, WHEELS, "13.5", "supports CUDA up to 11.8; 12.0 is needed", "driver 580"),
    ],
)
def test_a_driver_older_than_the_toolkit_names_both_versions(
    version: int,
    packages: Mapping[str, str],
    nvrtc: str,
    said: str,
    remedy: str,
    machine: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FAKE_CUDA_VERSION", str(version))
    monkeypatch.setattr(libraries, "version", lambda name: packages.get(name, ""))
    monkeypatch.setattr(libraries, "nvrtc_version", lambda: nvrtc)
    found = problem(machine)
    assert said in found.detail
    assert remedy in found.remedy


def test_a_driver_newer_than_the_toolkit_is_fine(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packages = {"cupy-cuda12x": "14.2.0", "cuda-bindings": "12.9.4"}
    monkeypatch.setattr(libraries, "version", lambda name: packages.get(name, ""))
    monkeypatch.setattr(libraries, "nvrtc_version", lambda: "12.9")
    opened(monkeypatch, machine)


@pytest.mark.parametrize(
    ("status", "said"),
    [(802, "fabric"), (803, "different versions"), (46, "exclusive"), (999, "unknown error"), (401, "error 401")],
)
def test_what_the_driver_answers_is_explained(
    status: int, said: str, machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_CUDA_STATUS", str(status))
    assert said in problem(machine).detail


# -- which GPU --------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["", "-1", "7", "garbage", "GPU-00000000"])
def test_a_wrong_choice_of_devices_is_quoted_with_how_many_there_are(
    value: str, machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
    found = problem(machine)
    assert f'CUDA_VISIBLE_DEVICES is set to "{value}"' in found.detail
    assert "2 are installed" in found.detail
    assert "from 0 to 1" in found.remedy


def test_a_driver_without_a_gpu_is_said(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_CUDA_CARDS", "")
    assert problem(machine).detail == "The NVIDIA driver sees no GPU."


def test_a_gpu_that_is_too_old_is_named_and_a_better_one_offered(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_CUDA_CARDS", T4)
    found = problem(machine)
    assert "Tesla T4 has compute capability 7.5" in found.detail
    assert "--backend host" in found.remedy
    monkeypatch.setenv("FAKE_CUDA_CARDS", f"{T4};{A100}")
    assert problem(machine).remedy == "Choose NVIDIA A100-SXM4-80GB with --device 1."
    assert checks.examine(os.environ, 1, machine).problem is None


def test_a_device_that_is_not_there_is_said(machine: Path) -> None:
    assert "There is no GPU 3: 1 can be seen" in problem(machine, 3).detail


def test_a_chosen_device_is_put_first_and_its_peers_kept() -> None:
    assert checks.first(1, None, 3) == "1,0,2"
    assert checks.first(2, "5, 3,7", 3) == "7,5,3"
    assert checks.first(1, "0,1,9", 2) == "1,0"  # the driver stops at the first that names no GPU


# -- what is measured all the same ------------------------------------------------------------


def test_a_whole_machine_is_described_with_facts(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = opened(monkeypatch, machine).description
    assert told is not None
    assert {"cuda", "sm_90a"} <= told.capabilities
    assert told.device is not None
    assert (told.device.name, told.cache) == ("NVIDIA H100 80GB HBM3", 50 << 20)
    assert told.caveats == ()
    wanted = {
        "name": "NVIDIA H100 80GB HBM3",
        "arch": "sm_90a",
        "compute capability": "9.0",
        "processors": "132",
        "memory bytes": str(1 << 30),
        "count": "1",
        "driver": "580.65.06 (CUDA 13.0)",
        "CuPy": "14.2.0",
    }
    assert {name: told.facts[name] for name in wanted} == wanted


@pytest.mark.parametrize(
    ("cards", "others", "codes"),
    [
        (SLICE, 0, ["MIG_SLICE"]),
        (f"{H100};{A100}", 0, ["MIXED_GPUS"]),
        (f"{H100};{H100}", 0, []),
        (H100, 2, ["GPU_SHARED"]),
        (f"{SLICE};{A100}", 1, ["MIG_SLICE", "MIXED_GPUS", "GPU_SHARED"]),
    ],
)
def test_what_a_reader_must_know_is_a_caveat(
    cards: str, others: int, codes: list[str], machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_CUDA_CARDS", cards)
    monkeypatch.setattr(checks, "others_on", lambda card: others)
    told = opened(monkeypatch, machine).description
    assert told is not None
    assert [caveat.code for caveat in told.caveats] == codes
    assert ("all names" in told.facts) == ("MIXED_GPUS" in codes)


# -- packages ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("packages", "said", "remedy"),
    [
        ({"cuda-bindings": "13.5.0"}, "CuPy is not installed", "pip install 'benchsuite[cuda13]'"),
        ({**WHEELS, "cupy-cuda12x": "14.0.0"}, "both installed", "pip uninstall cupy-cuda13x cupy-cuda12x"),
        ({**WHEELS, "cupy-cuda13x": "13.6.0"}, "14 or newer is needed", "--upgrade"),
        ({"cupy-cuda13x": "14.2.0"}, "cuda-bindings is not installed", "pip install 'benchsuite[cuda13]'"),
    ],
)
def test_a_missing_package_is_named_with_its_command(
    packages: Mapping[str, str], said: str, remedy: str, machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(libraries, "version", lambda name: packages.get(name, ""))
    found = problem(machine)
    assert said in found.detail
    assert remedy in found.remedy


def test_a_compiler_that_does_not_load_is_said(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> str:
        raise UnavailableError("The CUDA compiler NVRTC cannot be loaded: no libnvrtc.so.13.")

    monkeypatch.setattr(libraries, "nvrtc_version", missing)
    assert "no libnvrtc.so.13" in problem(machine).detail


# -- in a process of its own ------------------------------------------------------------------


@pytest.fixture
def process(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a started process finds: the driver's double, and CuPy's as an installed package."""
    packages = tmp_path / "packages"
    (packages / "cupy_cuda13x-14.2.0.dist-info").mkdir(parents=True)
    (packages / "cupy_cuda13x-14.2.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: cupy-cuda13x\nVersion: 14.2.0\n"
    )
    (packages / "cupy.py").write_text(
        "from tests.fake_cupy import Cupy, World\n_double = Cupy(World(count=2))\n__version__ = _double.__version__\n"
        "cuda = _double.cuda\nempty = _double.empty\nget_default_memory_pool = _double.get_default_memory_pool\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{packages}:{HERE.parent}")
    monkeypatch.setenv("LD_LIBRARY_PATH", str(folder))
    monkeypatch.setenv("FAKE_CUDA_CARDS", f"{H100};{H100}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return packages


def test_a_process_of_its_own_describes_the_gpu_and_the_chosen_one(process: Path) -> None:
    pytest.importorskip("cuda.bindings.nvrtc")
    told = backends.describe("cuda")
    assert told.device is not None
    assert told.device.arch == "sm_90a"
    shared = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_LAUNCH_BLOCKING": "0"}
    assert told.environment == shared
    chosen = backends.describe("cuda", device=1)
    assert chosen.environment == {**shared, "CUDA_VISIBLE_DEVICES": "1,0"}


def test_auto_takes_the_gpu_and_its_suite_and_says_so(process: Path) -> None:
    pytest.importorskip("cuda.bindings.nvrtc")
    settled, found, line = campaign.settle(campaign.Request())
    assert (settled.backend, settled.suite) == ("cuda", "gpu")
    assert found.device is not None
    assert line == f"Measured is the GPU (NVIDIA H100 80GB HBM3, 132 multiprocessors, {size(1 << 30)}, number 0 of 2)."
    chosen, _, line = campaign.settle(campaign.Request(device=1))
    assert chosen.backend == "cuda"
    assert "number 1 of 2" in line
    assert campaign.settle(campaign.Request(suite="quick"))[0].suite == "quick"
    assert campaign.settle(campaign.Request(backend="host"))[0].suite == "quick"


def test_a_campaign_on_a_gpu_plans_its_kernels_and_keeps_its_facts(
    process: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("cuda.bindings.nvrtc")
    monkeypatch.setenv("FAKE_CUDA_CARDS", f"{H100};{A100}")
    settled, found, _ = campaign.settle(campaign.Request(only=("memory", "allreduce"), suite="full", seed=1))
    made, plan = campaign.make_plan(settled, found)
    memory = discover()["memory"]
    kernels = {item.name for item in memory.implementations if "cuda" in item.requires}
    assert {task.implementation for task in plan.tasks} <= kernels
    skipped = [skip for skip in plan.skips if skip.case.benchmark == "allreduce"]
    assert {skip.case.ranks for skip in skipped} == {2}, "a rank for each GPU"
    assert "needs nccl, which this machine does not offer" in {skip.reason for skip in skipped}
    assert made.facts["gpu"]["arch"] == "sm_90a"
    assert (made.backend, made.cache, made.caches) == ("cuda", 50 << 20, {"L2": 50 << 20})
    assert "--backend cuda" in made.command
    place = campaign.place(1, made, found)
    assert place.world == "solo"
    assert [caveat.code for caveat in place.caveats] == ["MIXED_GPUS"]


def test_auto_takes_the_processor_and_says_why(process: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    settled, found, line = campaign.settle(campaign.Request())
    assert (settled.backend, settled.suite, found.device) == ("host", "quick", None)
    assert line.startswith("Measured is the processor (")
    assert 'CUDA_VISIBLE_DEVICES is set to "7"' in line
    with pytest.raises(UnavailableError, match="CUDA_VISIBLE_DEVICES"):
        campaign.settle(campaign.Request(backend="cuda"))
    with pytest.raises(UnavailableError, match="CUDA_VISIBLE_DEVICES"):
        campaign.settle(campaign.Request(device=1))  # a GPU was asked for


@pytest.mark.parametrize(("does", "said"), [("hang", "did not answer within 2 s"), ("crash", "fallen off the bus")])
def test_a_driver_that_hangs_or_crashes_costs_only_its_own_process(
    does: str, said: str, process: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_CUDA_DOES", does)
    with pytest.raises(UnavailableError, match=said) as caught:
        describe.describe(deadline=2.0)
    assert "nvidia-smi" in caught.value.remedy


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_asking_for_a_gpu_that_cannot_be_used_is_one_sentence_and_exit_code_4(
    words: tuple[str, ...], process: Path, tmp_path: Path
) -> None:
    done = command("run", "quick", "--backend", "cuda", *words, cwd=tmp_path, CUDA_VISIBLE_DEVICES="-1")
    assert done.returncode == 4
    assert 'CUDA_VISIBLE_DEVICES is set to "-1"' in done.stderr
    assert done.stderr.count("benchsuite:") == 1
    assert not list(tmp_path.glob("runs/*/records.jsonl"))


def test_doctor_tells_each_thing_with_its_remedy(process: Path, tmp_path: Path) -> None:
    done = command("doctor", "--json", cwd=tmp_path, CUDA_VISIBLE_DEVICES="7")
    findings = {one["subject"]: one for one in json.loads(done.stdout)}
    assert findings["GPU"]["present"] is False
    assert "CUDA_VISIBLE_DEVICES" in findings["GPU"]["remedy"]
    assert findings["CuPy"]["present"] is True
    assert done.returncode in {0, 4}  # what the processor's side lacks decides


def test_the_controller_imports_no_cupy() -> None:
    code = (
        "import sys\nfrom benchsuite import cli, campaign, backends, doctor, results\n"
        "from benchsuite.commands import measure, show\n"
        "from benchsuite.backends.cuda import describe\n"
        "print(sorted({'cupy', 'cuda', 'pynvml'} & {name.split('.')[0] for name in sys.modules}))"
    )
    python = Path(benchsuite.__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=python,
    )
    assert done.stdout.strip() == "[]"
    assert doctor.ask is describe.ask
