"""Capabilities follow the CPU's flags and the installed packages, and are found without heavy imports."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchsuite.backends.host import providers

INSTALLED = {"numba", "scipy", "torch"}


def cpuinfo(root: Path, line: str) -> Path:
    (root / "proc").mkdir()
    (root / "proc/cpuinfo").write_text(f"processor\t: 0\n{line}\n\nprocessor\t: 1\n{line}\n")
    return root


@pytest.mark.parametrize(
    ("line", "typed"),
    [
        ("flags\t\t: fpu sse2 avx2 fma", set()),
        ("flags\t\t: avx512f avx512_bf16 avx512_vnni", {"torch-bf16", "torch-int8"}),
        ("flags\t\t: avx2 avx_vnni", {"torch-int8"}),
        ("Features\t: fp asimd bf16 i8mm", {"torch-bf16"}),
    ],
)
def test_flags_decide_torch_types(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, typed: set[str]) -> None:
    monkeypatch.setattr(providers, "find_spec", lambda name: name in INSTALLED)
    monkeypatch.setattr(providers, "mkl_library", lambda: None)
    assert providers.capabilities(cpuinfo(tmp_path, line)) == {"host"} | INSTALLED | typed


def test_nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "find_spec", lambda name: None)
    monkeypatch.setattr(providers, "mkl_library", lambda: None)
    assert providers.capabilities(cpuinfo(tmp_path, "flags : avx512_bf16 avx512_vnni")) == {"host"}
    assert providers.cpu_flags(tmp_path / "elsewhere") == frozenset()


def test_capabilities_import_nothing_heavy() -> None:
    code = (
        "import sys; from benchsuite.backends.host import providers; providers.capabilities(); "
        "print(sorted({'torch', 'scipy', 'numba', 'mkl'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_versions_name_the_blas() -> None:
    found = providers.providers()
    assert found["numpy"].split()[0] in {"OpenBLAS", "MKL", "BLIS", "numpy"}
    assert set(found) <= {"numba", "numpy", "scipy", "torch", "mkl", "python"}
    assert all(any(letter.isdigit() for letter in version) for version in found.values())
