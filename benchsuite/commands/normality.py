"""What every command that prints a run's numbers says of them: are they normal, and what are they worth?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from benchsuite import results, store
from benchsuite.appraisal import Appraisal
from benchsuite.errors import DataError
from benchsuite.model import Exhibit, Score


@dataclass(frozen=True, slots=True)
class Against:
    """What the user wants numbers set against, besides the shipped catalogue: records, and files of the catalogue."""

    exhibits: tuple[Exhibit, ...] = ()
    catalog: tuple[Path, ...] = ()


SHIPPED = Against()
"""The shipped catalogue, and the user's own files that are always added to it."""


def appraised(
    made: store.Campaign, scores: Sequence[Score], against: Against
) -> tuple[Appraisal | None, tuple[str, ...]]:
    """The scores set against what is known; ``None`` for scripted time. A catalogue that cannot be read is a sentence:
    it must not take the numbers from whoever measured them."""
    if made.backend == "fake":
        return None, ()
    try:
        return results.appraised(made, scores, against.exhibits, against.catalog), ()
    except DataError as error:
        return None, (f"Is this normal? {error}",)


def section(appraisal: Appraisal | None, console: Console) -> None:
    """Print both answers."""
    if appraisal is not None:
        from benchsuite.render import normality

        normality.section(appraisal, console)
