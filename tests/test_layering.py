"""Who may import whom. Reads every module's syntax tree, so a lazy import inside a function counts too."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import benchsuite

PACKAGE = Path(benchsuite.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

OWNERS = {
    "cupy": "backends/cuda/cupy_runtime.py",
    "cupyx": "backends/cuda/cupy_runtime.py",
    "mpi4py": "world/mpi.py",
    "pynvml": "telemetry/nvml.py",
}
"""The one module that may import each of these."""

ABOVE = {
    "errors": set(),
    "units": set(),
    "model": {"units"},
    "statistics": {"model", "units", "errors"},
    "measure": {"model", "units", "errors", "statistics", "backends.base"},
    "telemetry": {"model", "reading", "units", "errors"},
    "world": {"model", "units", "errors"},
    "launchers": {"model", "units", "errors"},
    "backends": {"assets", "model", "units", "errors", "machine", "telemetry", "tuned"},
    "tuned": {"assets", "errors", "model", "reading"},
    "tuning": {"backends.base", "errors", "measure", "model", "statistics", "world"},
    "machine": {"model", "units", "errors"},
    "doctor": {"backends", "launchers", "machine", "units"},
    "placing": {"errors", "launchers", "model", "reading"},
    "patterns": {"catalog", "model", "units"},
    "suite": {"model", "reading", "units", "errors", "assets", "catalog", "patterns"},
    "bandwidths": {"model"},
    "training": {"model", "statistics"},
    "plan": {"model", "units", "errors", "suite"},
    "predict": {
        "assets",
        "catalog",
        "errors",
        "model",
        "normalize",
        "patterns",
        "reading",
        "reportable",
        "statistics",
        "units",
    },
    "catalog": {"errors", "model", "reading", "units"},
    "kernels": {"errors", "model", "plan", "suite"},
    "awareness": {"backends", "errors", "launchers", "model", "suite", "world"},
    "inspection": {"backends", "errors", "kernels", "machine", "model", "units"},
    "reportable": {"model"},
    "selftest": {
        "backends",
        "campaign",
        "results",
        "compare",
        "discovery",
        "errors",
        "execute",
        "measure",
        "model",
        "render",
        "reportable",
        "statistics",
        "store",
        "suite",
        "units",
        "world",
    },
    "normalize": {"catalog", "model", "units", "errors", "reportable", "statistics"},
    "gate": {"model", "units"},
    "imports": {"catalog", "errors", "model", "reading", "units"},
    "frame": {"bandwidths", "errors", "model", "reading"},
    "allowlist": {"model", "reading", "units"},
    "plausible": {"allowlist", "catalog", "errors", "model", "reading", "reportable"},
    "publication": {
        "allowlist",
        "errors",
        "model",
        "normalize",
        "plausible",
        "reading",
        "store",
        "suite",
        "worth",
    },
    "samples": {"errors", "model", "reading"},
    "keys": {"errors", "reading"},
    "provenance": {"errors", "keys", "model", "publication", "reading"},
    "localise": {"errors", "model", "reading", "units"},
    "lint": {"model", "reportable"},
    "results": {
        "appraisal",
        "bandwidths",
        "catalog",
        "discovery",
        "errors",
        "model",
        "normal",
        "normalize",
        "patterns",
        "publication",
        "statistics",
        "store",
        "training",
        "worth",
    },
    "aggregate": {"model"},
    "worth": {"model"},
    "references": {"catalog", "comparability", "model", "normalize", "reportable"},
    "bands": {"model", "references"},
    "verdicts": {"bands", "model", "reportable", "units"},
    "normal": {"bands", "model", "references", "reportable", "units", "verdicts"},
    "appraisal": {"bands", "model", "normal", "references", "worth"},
    "comparability": {"model"},
    "compare": {"comparability", "model", "units", "errors", "reportable", "statistics"},
    "outcome": {"compare", "errors", "statistics"},
    "ranking": {"aggregate", "comparability", "compare", "model", "reportable", "statistics", "worth"},
    "exhibits": {"errors", "keys", "model", "provenance", "publication", "results", "store"},
    "reading": {"errors", "units"},
    "record": {"model", "reading", "units", "errors", "statistics"},
    "protocol": {"model", "errors"},
    "journal": {"errors", "protocol", "reading"},
    "store": {"errors", "journal", "model", "protocol", "reading", "record"},
    "beat": {"errors", "protocol", "world"},
    "ending": {"beat", "errors", "protocol"},
    "identity": {"assets", "discovery"},
    "lock": {"errors"},
    "interrupt": {"errors"},
    "attempt": {"beat", "ending", "errors", "launchers", "machine", "protocol", "model", "reading"},
    "execute": {"attempt", "errors", "model", "protocol", "record", "store"},
    "scan": {
        "attempt",
        "backends",
        "beat",
        "campaign",
        "discovery",
        "ending",
        "errors",
        "execute",
        "identity",
        "interrupt",
        "journal",
        "launchers",
        "localise",
        "lock",
        "machine",
        "measure",
        "model",
        "placing",
        "protocol",
        "reading",
        "store",
        "world",
    },
    "accept": {
        "assets",
        "backends.cuda.devices",
        "backends.cuda.driver",
        "benchmarks.cores",
        "burn",
        "catalog",
        "comparability",
        "discovery",
        "errors",
        "fleet",
        "identity",
        "interrupt",
        "journal",
        "keys",
        "launchers",
        "localise",
        "lock",
        "machine",
        "model",
        "placing",
        "plan",
        "protocol",
        "provenance",
        "reading",
        "record",
        "reportable",
        "scan",
        "statistics",
        "store",
        "suite",
        "telemetry",
        "units",
        "world",
    },
    "hooks": {"errors", "model", "reading", "units"},
    "burn": {
        "attempt",
        "backends",
        "campaign",
        "discovery",
        "errors",
        "execute",
        "identity",
        "journal",
        "launchers",
        "machine",
        "measure",
        "model",
        "protocol",
        "reading",
        "store",
        "telemetry",
        "units",
    },
    "fleet": {
        "campaign",
        "cli",
        "errors",
        "interrupt",
        "journal",
        "launchers",
        "localise",
        "machine.cpu",
        "model",
        "placing",
        "protocol",
        "reading",
        "results",
        "scan",
        "store",
        "units",
        "world",
    },
}
"""What each module or folder of ours may import of ours (besides itself): the arrows of the data's road."""


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and dotted name of every import in the file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def unit(path: Path) -> str:
    """The module or folder that a file belongs to in ``ABOVE``."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_each_library_of_a_device_is_imported_in_one_module(path: Path) -> None:
    for line, name in imports(path):
        owner = OWNERS.get(name.split(".")[0])
        assert owner in {None, str(path.relative_to(PACKAGE))}, f"{path}:{line} imports {name}; only {owner} may"


@pytest.mark.parametrize("library", sorted(set(OWNERS) - {"cupyx"}))
def test_each_of_them_is_imported_where_the_rule_says(library: str) -> None:
    """A rule about a module that no longer exists would protect nothing."""
    assert any(name.split(".")[0] == library for _, name in imports(PACKAGE / OWNERS[library]))


@pytest.mark.parametrize("path", sorted((PACKAGE / "benchmarks").glob("*.py")), ids=lambda path: path.stem)
def test_benchmarks_import_model_units_and_numpy_only(path: Path) -> None:
    import sys

    for line, name in imports(path):
        top = name.split(".")[0]
        allowed = top in {"numpy", *sys.stdlib_module_names} or name.startswith(
            (
                "benchsuite.model",
                "benchsuite.units",
                "benchsuite.benchmarks._collective",
                f"benchsuite.benchmarks._{path.stem.strip('_').split('_')[0]}_",
            )
        )
        assert allowed or name == "benchsuite.units", f"{path}:{line} imports {name}"


@pytest.mark.parametrize(
    "path", [p for p in MODULES if unit(p) in ABOVE], ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_imports_follow_the_data(path: Path) -> None:
    own = unit(path)
    for line, name in imports(path):
        if not name.startswith("benchsuite."):
            continue
        target = name.removeprefix("benchsuite.")
        allowed = {own, *ABOVE[own], "__version__"}
        assert any(target == one or target.startswith(f"{one}.") for one in allowed), f"{path}:{line} imports {name}"


def test_only_render_knows_html() -> None:
    for path in MODULES:
        if unit(path) not in {"render", "commands"}:
            for line, name in imports(path):
                assert name.split(".")[0] not in {"jinja2", "altair", "vl_convert"}, f"{path}:{line} imports {name}"


def test_modules_and_functions_stay_small() -> None:
    for path in MODULES:
        text = path.read_text()
        assert len(text.splitlines()) <= 350, f"{path} is too long: a room with two purposes wants a wall"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno
                assert length <= 60, f"{path}:{node.lineno} {node.name} has {length} lines"
