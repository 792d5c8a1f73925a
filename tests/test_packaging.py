"""The wheel holds what the checkout shows: suites, templates and kernels are found in both."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from benchsuite import assets

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The content of a freshly built wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(folder),
        str(ROOT),
    ]
    built = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert built.returncode == 0, built.stderr
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as archive:
        archive.extractall(folder / "content")
    return folder / "content"


def test_the_wheel_finds_its_data_and_lists_its_suites(unpacked: Path, tmp_path: Path) -> None:
    code = "from benchsuite import assets, suite; print(assets.folder('suites')); print(*sorted(suite.available()))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(unpacked), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    where, names = done.stdout.splitlines()
    assert Path(where) == unpacked / "benchsuite" / "_data" / "suites"
    assert names.split() == sorted(path.stem for path in (ROOT / "suites").glob("*.toml"))


def test_the_wheel_holds_every_module_and_asset(unpacked: Path) -> None:
    packed = {path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*") if path.is_file()}
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "benchsuite").rglob("*.py")}
    assert modules <= packed
    assert {"benchsuite/py.typed", "benchsuite/benchmarks/tuned.toml"} <= packed
    assert {
        f"benchsuite/catalog/{name}" for name in ("gpus.toml", "prices.csv", "figures.csv", "models.toml")
    } <= packed
    for name in ("suites", "reports", "kernels"):
        for path in (each for each in (ROOT / name).rglob("*") if each.is_file()):
            assert f"benchsuite/_data/{path.relative_to(ROOT).as_posix()}" in packed
    assert not any("test" in Path(name).parts[0] for name in packed)


def test_a_checkout_finds_its_own_folders() -> None:
    assert assets.folder("suites") == ROOT / "suites"
    with pytest.raises(FileNotFoundError, match="install it again"):
        assets.folder("nothing")


def test_the_wheel_finds_its_contracts(unpacked: Path, tmp_path: Path) -> None:
    code = "from benchsuite.accept import contract as c; print(*[c.read(one).name for one in c.shipped().values()])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(unpacked), "PATH": "", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    names = sorted(path.stem for path in (ROOT / "suites" / "contracts").glob("*.toml"))
    assert len(names) >= 9
    assert done.stdout.split() == names
