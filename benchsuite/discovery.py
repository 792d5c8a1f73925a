"""Finds every benchmark by scanning a folder: no registry, nothing to edit elsewhere."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import ModuleType

from benchsuite import benchmarks
from benchsuite.errors import UsageError
from benchsuite.model import Benchmark

EXTRA = "BENCHSUITE_BENCHMARKS"
"""Environment variable: folders (separated as in PATH) with further benchmark files."""


@cache
def discover() -> Mapping[str, Benchmark]:
    """Every benchmark by name, in name order.

    Raises ``UsageError`` if two files claim one name or a file in a ``BENCHSUITE_BENCHMARKS`` folder
    cannot be imported.
    """
    found: dict[str, Benchmark] = {}
    for module in _modules():
        for benchmark in _declared(module):
            if benchmark.name in found:
                raise UsageError(f"Two files declare the benchmark {benchmark.name!r}.", "Rename one of them.")
            found[benchmark.name] = benchmark
    return dict(sorted(found.items()))


@cache
def shipped() -> Mapping[str, Benchmark]:
    """Those of benchsuite itself by name: the only ones whose own words may be published."""
    found = {benchmark.name: benchmark for module in _own() for benchmark in _declared(module)}
    return dict(sorted(found.items()))


def _own() -> Iterator[ModuleType]:
    home = Path(benchmarks.__file__).parent
    for path in sorted(home.glob("[!_]*.py")):
        yield importlib.import_module(f"{benchmarks.__name__}.{path.stem}")


def _modules() -> Iterator[ModuleType]:
    yield from _own()
    for folder in extra_folders():
        if not folder.is_dir():
            raise UsageError(f"{EXTRA} names {folder}, which is not a folder.", "Correct or unset it.")
        for path in sorted(folder.glob("[!_]*.py")):
            yield _load(path)


def extra_folders() -> list[Path]:
    """The folders that ``BENCHSUITE_BENCHMARKS`` names."""
    return [Path(folder) for folder in os.environ.get(EXTRA, "").split(os.pathsep) if folder]


def _load(path: Path) -> ModuleType:
    name = f"benchsuite_extra_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} cannot be imported as a benchmark.", "It must be a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        message = f"{path} cannot be imported: {type(error).__name__}: {error}"
        raise UsageError(message, f"Mend it or unset {EXTRA}.") from error
    return module


def _declared(module: ModuleType) -> tuple[Benchmark, ...]:
    several = getattr(module, "BENCHMARKS", ())
    one = getattr(module, "BENCHMARK", None)
    return (*several, one) if one is not None else tuple(several)
