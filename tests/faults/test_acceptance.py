"""Rows about acceptance: a contract is written for this machine and kept; then it is hurt, and never accepted.

The margins are wide, since neighbours of a virtual machine come and go: good is 30 % less than agreed, bad 60 %.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchsuite import discovery, store
from benchsuite.accept import layout
from benchsuite.accept.rule import OUTSIDE, UNSTEADY
from benchsuite.errors import Exit
from benchsuite.machine import cpu
from tests.faults.injection import Ended, assert_contained, assert_once_each, cgroup, run_command, start

SUITE = """
[policy]
runs = 3
seconds = 0.15
warmup = 0.05
min_samples = 10
[[bench]]
select = ["memory"]
implementations = ["stream"]
op = ["read"]
bytes = ["128 MiB"]
[[bench]]
select = ["gemm"]
implementations = ["numpy"]
dtype = ["fp32"]
points = [{m = 512, n = 512, k = 512}]
"""
TERMS = ("--good", "0.3", "--bad", "0.6", "--minutes", "0", "--retests", "0", "--seconds", "0.15")
LOOKS = "looks = [3, 5, 8]"
TRIES = 2
"""How often the neighbours of this machine may disturb what must be undisturbed."""
BLAS = b"scipy_cblas_sgemm64_"
HOG = """
import numpy as np
one = np.ones(32 << 20)
other = np.empty_like(one)
print("hogs", flush=True)
while True:
    np.copyto(other, one)
"""


@dataclass(frozen=True)
class Place:
    """Where this machine was measured, a contract about it, and the variables of its commands: of the user's cache."""

    folder: Path
    contract: Path
    environment: dict[str, str]


@dataclass(frozen=True)
class Outcome:
    """An acceptance that has ended: what was printed, and its folder."""

    ended: Ended
    told: dict[str, Any]

    @property
    def bundle(self) -> Path:
        """Its folder."""
        return Path(self.told["path"])

    @property
    def why(self) -> str:
        """All that speaks against it."""
        return " ".join([self.told["reason"], *(reason for part in self.told["parts"] for reason in part["reasons"])])

    @property
    def disturbed(self) -> bool:
        """Whether nothing but others' use of this machine speaks against it."""
        return self.ended.exit_code == Exit.INCONCLUSIVE and any(code in self.why for code in {*OUTSIDE, UNSTEADY})


def accepting(place: Place, folder: Path, **more: Any) -> Outcome:
    """``benchsuite accept`` of the contract, on this machine as it is now."""
    return outcome_of(place, folder, str(place.contract), **more)


def outcome_of(place: Place, folder: Path, *words: str, **more: Any) -> Outcome:
    """``benchsuite accept`` with these words, and what it says."""
    folder.mkdir(exist_ok=True)
    environment = {**place.environment, **more.pop("environment", {})}
    with start(folder, "accept", *words, "--json", environment=environment, **more) as running:
        ended = running.wait(180.0)
    assert not ended.alive, f"left behind: {', '.join(ended.alive)}"
    assert "Traceback" not in ended.stderr, ended.stderr
    assert ended.stdout, ended.stderr
    found = Outcome(ended, json.loads(ended.stdout))
    assert found.told["exit"] == ended.exit_code
    return found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """This machine measured, and a contract about it; by hand where neighbours leave no clean number for it."""
    folder = tmp_path_factory.mktemp("acceptance")
    (folder / "small.toml").write_text(SUITE)
    found = Place(folder, folder / "own.toml", {"XDG_CACHE_HOME": "", discovery.EXTRA: ""})
    run = ("run", str(folder / "small.toml"), "--backend", "host", "--no-report", "--json")
    measured = run_command(folder, *run, environment=found.environment, timeout=120.0)
    assert measured.exit_code == Exit.DONE, measured.stderr
    written = ("contract", "new", "--from-run", "latest", *TERMS, "--to", str(found.contract))
    made = run_command(folder, *written, environment=found.environment).exit_code == Exit.DONE
    text = found.contract.read_text() if made else ""
    if all(f'benchmark = "{name}"' in text for name in ("gemm", "memory")):  # else a number was not clean
        without_identity(found.contract)
    else:
        found.contract.write_text(by_hand(json.loads(measured.stdout)))
    return found


@dataclass(frozen=True)
class Resumed:
    """An acceptance that was ended early, and what became of it when it was gone on with."""

    folder: Path
    first: Ended
    last: Outcome


@pytest.fixture(scope="module")
def resumed(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Resumed:
    """Ended by SIGTERM when the first result was there, and gone on with."""
    folder = tmp_path_factory.mktemp("resumed")
    with start(folder, "accept", str(place.contract), "--json", environment=place.environment) as running:
        records = lambda: list(folder.glob(f"runs/*/nodes/*/attempt-1/host/stage-1/*/{store.RECORDS}"))  # noqa: E731
        running.until(records, within=60.0)
        running.send(signal.SIGTERM)
        first = running.wait(30.0, patience=5.0)
    (bundle,) = (path.parent for path in folder.glob(f"runs/*/{layout.ACCEPTANCE}"))
    assert not (bundle / layout.VERDICT).exists()
    return Resumed(folder, first, outcome_of(place, folder, "--resume", str(bundle)))


@pytest.fixture(scope="module")
def accepted(place: Place, resumed: Resumed, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """This machine accepted by its contract."""
    found = resumed.last
    for _ in range(TRIES):
        if found.ended.exit_code == Exit.DONE:
            return found
        assert found.disturbed, found.why
        found = accepting(place, tmp_path_factory.mktemp("try"))
    pytest.skip(f"neighbours of this machine disturbed every try: {found.why}")


def by_hand(told: dict[str, Any]) -> str:
    """The contract in its simplest form, about what a run found."""
    tables = [
        f'[[require]]\nname = "{case["benchmark"]}"\nbenchmark = "{case["benchmark"]}"\n'
        f'implementation = "{case["implementation"]}"\n'
        f"axes = {{{', '.join(f'{name} = {json.dumps(value)}' for name, value in case['parameters'].items())}}}\n"
        f'reference = {case["median"]!r}\ngrounds = "own"\nsource = "a run of this machine"\n'
        for case in told["cases"]
    ]
    rule = f"[rule]\ngood = 0.3\nbad = 0.6\nretests = 0\n{LOOKS}\n[run]\nseconds = 0.15\nwarmup = 0.05\n"
    claim = f'[claim]\nkind = "host"\nmodel = "*"\nprocessors = {cpu.available_cores()}\n'
    return f'schema = 1\nname = "own"\ntitle = "by hand"\n{claim}{rule}{"".join(tables)}'


def without_identity(contract: Path) -> None:
    """Few runs, and no identity: what neighbours leave of a processor is not what it is."""
    text = contract.read_text()
    text = re.sub(r"^looks = .*$", LOOKS, text, flags=re.MULTILINE)
    text = re.sub(r"^\[\[identity\]\]\n(?:(?!\[).*\n)*", "", text, flags=re.MULTILINE)
    assert LOOKS in text
    assert "[[identity]]" not in text
    contract.write_text(text)


@pytest.mark.fault(65)
def test_this_machine_is_accepted_and_anybody_can_verify_it(place: Place, accepted: Outcome, tmp_path: Path) -> None:
    command = ("verify", str(accepted.bundle), "--contract", str(place.contract), "--json")
    done = subprocess.run([sys.executable, "-m", "benchsuite", *command], capture_output=True, check=False, timeout=60)
    told = json.loads(done.stdout)
    assert done.returncode == Exit.INCONCLUSIVE, told
    assert (told["state"], told["verdict"], told["problems"]) == ("unsigned", "accept", [])
    copy = Path(shutil.copytree(accepted.bundle, tmp_path / accepted.bundle.name))
    (records,) = copy.glob(f"nodes/*/attempt-1/host/stage-1/*/{store.RECORDS}")
    records.write_bytes(records.read_bytes().replace(b'"median":', b'"median":1', 1))
    command = ("verify", str(copy))
    done = subprocess.run([sys.executable, "-m", "benchsuite", *command], capture_output=True, check=False, timeout=60)
    assert done.returncode == Exit.REJECTED
    assert b"records.jsonl was changed" in done.stdout


@pytest.mark.fault(65)
def test_with_a_quota_it_is_rejected_for_the_cores_that_are_missing(place: Place, tmp_path: Path) -> None:
    if cpu.available_cores() < 2:
        pytest.skip("a quota takes no core away where there is one")
    with cgroup("cpu", {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "60000"}) as inside:
        found = accepting(place, tmp_path, preexec=inside)
    assert found.ended.exit_code == Exit.REJECTED, found.why
    assert re.search(r"1 cores can be used; \d+ were claimed. Look at the CPU quota", found.why)


@pytest.mark.long
@pytest.mark.fault(65)
def test_with_a_quota_and_no_claim_to_cores_it_is_not_accepted(place: Place, tmp_path: Path) -> None:
    text = place.contract.read_text()
    claimed = re.sub(r"^processors = .*$", "", text, flags=re.MULTILINE)
    other = Place(place.folder, tmp_path / "other.toml", place.environment)
    other.contract.write_text(claimed)
    with cgroup("cpu", {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "30000"}) as inside:
        found = accepting(other, tmp_path / "run", preexec=inside)
    assert found.ended.exit_code in {Exit.REJECTED, Exit.INCONCLUSIVE}, found.why
    assert "CGROUP_THROTTLED" in found.why or found.ended.exit_code == Exit.REJECTED


@contextmanager
def hog() -> Iterator[None]:
    """Something that copies memory without pause, on a core."""
    core = max(os.sched_getaffinity(0))
    command = [sys.executable, "-c", f"import os\nos.sched_setaffinity(0, {{{core}}})\n{HOG}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == b"hogs\n"
            yield
        finally:
            process.kill()


@pytest.mark.fault(66)
def test_beside_a_hog_of_memory_it_is_not_valid_and_says_so(place: Place, tmp_path: Path) -> None:
    with hog():
        found = accepting(place, tmp_path)
    assert found.ended.exit_code in {Exit.REJECTED, Exit.INCONCLUSIVE}, found.why
    assert "CONTENDED" in found.why, found.why


@pytest.mark.fault(67)
def test_with_a_library_that_flips_a_bit_it_is_rejected_for_good(place: Place, tmp_path: Path) -> None:
    shim, library = flipping(tmp_path)
    variables = {"LD_PRELOAD": str(shim), "FLIP_BLAS": str(library), "FLIP_AFTER": "8"}
    found = accepting(place, tmp_path / "run", environment=variables)
    assert found.ended.exit_code == Exit.REJECTED, found.why
    assert "wrong" in found.told["reason"]
    assert {part["hard"] for part in found.told["parts"]} == {True}


def flipping(folder: Path) -> tuple[Path, Path]:
    """The shim, compiled, and the BLAS of numpy that it stands before."""
    base = Path(np.__file__).parents[1] / "numpy.libs"
    found = [path for path in base.glob("*openblas*") if BLAS in path.read_bytes()]
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not found or compiler is None:
        pytest.skip("needs a C compiler, and a numpy with its own BLAS of 64-bit sizes")
    shim = folder / "flip_blas.so"
    source = Path(__file__).with_name("flip_blas.c")
    words = (compiler, "-shared", "-fPIC", "-O1", f"-DSGEMM={BLAS.decode()}", str(source), "-o", str(shim), "-ldl")
    subprocess.run(words, check=True, capture_output=True, timeout=30)
    return shim, found[0]


@pytest.mark.fault(68)
def test_ended_by_the_machine_s_owner_it_is_gone_on_with(resumed: Resumed) -> None:
    first, last = resumed.first, resumed.last
    assert first.exit_code == Exit.TERMINATED, first.stderr
    assert_contained(first)
    assert f"benchsuite accept --resume {last.bundle}" in first.stderr
    assert last.ended.exit_code == Exit.DONE or last.disturbed, last.why
    stages = sorted(last.bundle.glob("nodes/*/attempt-1/host/stage-*"))
    assert stages
    for stage in stages:
        (campaign,) = stage.glob(f"*/{store.CAMPAIGN}")
        assert_once_each(campaign.parent)
