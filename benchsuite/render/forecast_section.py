"""What well-known models would cost on the machine of a run: a small section of its report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchsuite import units
from benchsuite.model import Forecast
from benchsuite.render import forecast_words as words
from benchsuite.render.forecast_table import Outcome
from benchsuite.render.words import clean

SHOWN = (words.THROUGHPUT, words.FIRST, words.FURTHER, words.WRITTEN)


@dataclass(frozen=True, slots=True)
class SectionView:
    """A row for each model: its title, a cell for each label, and cautions or why there is no number."""

    traffic: str
    command: str
    interval: str
    labels: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...], str], ...]


def section(outcomes: Sequence[Outcome], run: str) -> SectionView | None:
    """The section; ``None`` where no model can be forecast."""
    made = [one.made for one in outcomes if isinstance(one.made, Forecast)]
    if not made:
        return None
    traffic = made[0].traffic
    return SectionView(
        traffic=f"each request reading {words.tokens(traffic.isl)} and writing {traffic.osl:,}",
        command=f"benchsuite predict {made[0].model} --machine {run}",
        interval=" ".join(dict.fromkeys(words.interval(one) for one in made)),
        labels=SHOWN,
        rows=tuple(_row(one) for one in outcomes),
    )


def _row(one: Outcome) -> tuple[str, tuple[str, ...], str]:
    title = clean(one.title)
    if not isinstance(one.made, Forecast):
        return title, ("✖ refused", *[units.DASH] * (len(SHOWN) - 1)), str(one.made)
    cells = {each.label: f"{each.value} ({each.ends})" if each.ends else each.value for each in words.numbers(one.made)}
    told = [text for _, text in words.cautions(one.made)]
    return title, tuple(cells[label] for label in SHOWN), " ".join(told)
