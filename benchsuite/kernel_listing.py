"""`benchsuite list --kernels`: every kernel compiled for every architecture, and what came of it."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import msgspec
from rich.console import Console

from benchsuite import discovery, inspection
from benchsuite import kernels as known
from benchsuite import suite as suites
from benchsuite.errors import Exit, UsageError
from benchsuite.model import ARCHITECTURES
from benchsuite.render import kernels as shown
from benchsuite.render import progress

PIPED_WIDTH = 160
"""Columns of the table in a file or a pipe."""


def listing(archs: Sequence[str], only: Sequence[str], *, as_json: bool) -> int:
    """Print what every kernel needs and holds; 1 when something is wrong with one of them.

    Raises ``UsageError`` where nothing matches, ``UnavailableError`` without a compiler.
    """
    unknown = next((arch for arch in archs if arch not in ARCHITECTURES), None)
    if unknown is not None:
        hint = suites.nearest(unknown, ARCHITECTURES) or f"Choose of {', '.join(ARCHITECTURES)}."
        raise UsageError(f"No kernel is written for {unknown!r}.", hint)
    benchmarks = discovery.discover()
    wanted = [arch for arch in ARCHITECTURES if arch in archs or not archs]
    variants = known.variants(benchmarks, wanted, known.asked(benchmarks))
    chosen = [one for one in variants if not only or any(one.matches(pattern) for pattern in only)]
    if not chosen:
        raise UsageError("No kernel matches.", "'benchsuite list --kernels' without --only shows them all.")
    with progress.counter("Compiling kernels", len(chosen), sys.stderr) as advance:
        found = inspection.inspect(chosen, advance)
    if as_json:
        print(msgspec.json.encode(_document(found)).decode())
    else:
        shown.table(found, Console(highlight=False, width=None if sys.stdout.isatty() else PIPED_WIDTH))
    return int(Exit.REJECTED if any(one.faults for one in found) else Exit.DONE)


def _document(found: Sequence[inspection.Inspection]) -> dict[str, object]:
    faulty = [one for one in found if one.faults]
    return {
        "kernels": [kernel for one in found for kernel in one.kernels],
        "faults": [
            {"source": one.variant.source.label, "arch": one.variant.arch, "faults": one.faults} for one in faulty
        ],
    }
