"""The name of a machine is stable, tells nothing, and differs by device; the name of the code by every byte."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from benchsuite import identity


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def test_the_same_machine_has_the_same_name_and_another_device_another() -> None:
    assert identity.machine(["cuda", "H100"]) == identity.machine(["cuda", "H100"])
    assert identity.machine(["cuda", "H100"]) != identity.machine(["cuda", "H200"])


def test_without_the_key_of_this_host_the_name_cannot_be_made_again(cache: Path) -> None:
    before = identity.machine(["host"])
    (cache / "benchsuite" / identity.KEY).unlink()
    assert identity.machine(["host"]) != before


def test_the_key_is_for_its_owner_only(cache: Path) -> None:
    identity.machine([])
    mode = (cache / "benchsuite" / identity.KEY).stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


def test_two_hosts_have_two_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    names = set()
    for word in ("one", "two"):
        (tmp_path / word).write_text(word)
        monkeypatch.setattr(identity, "MACHINE_ID", tmp_path / word)
        names.add(identity.machine(["host"]))
    assert len(names) == 2


def test_the_code_s_name_depends_on_kernels_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = identity.code()
    identity.code.cache_clear()
    assert identity.code() == before
    (tmp_path / "k.cu").write_text("// a kernel")
    monkeypatch.setattr(identity.assets, "folder", lambda name: tmp_path)
    identity.code.cache_clear()
    other = identity.code()
    identity.code.cache_clear()
    assert other != before
