"""Ranks in one case as ranges: by ``ranking`` where every pair can be tested, by intervals where there are too many."""

from __future__ import annotations

from collections.abc import Sequence

from benchsuite import ranking
from benchsuite.model import PUBLIC_SCHEMA, Exhibit, Machine, Publication, Score, Status
from benchsuite.render.site import population
from benchsuite.render.site.collection import Measured
from benchsuite.render.site.context import Site

TESTED = 200
"""Machines up to which every pair is tested: some twenty thousand pairs."""

Range = tuple[int, int] | None

BY_TESTS = (
    "A rank is a range: at best one after all that are shown to be better, at worst one before all that are shown to "
    "be worse. Every pair was tested as compare does, with 5 % for any false one among all of them. No rank: fewer "
    "than three runs, or a condition under which nothing clean can be concluded."
)
BY_INTERVALS = "A rank is a range: only a machine whose whole 95 % interval lies beyond another’s is ahead of it."


def ranks(site: Site, measured: Measured, chosen: Sequence[int]) -> tuple[list[Range], str]:
    """The best and worst rank that each chosen position may have, ``None`` without one, and the rule in words."""
    if len(chosen) <= TESTED:
        return _tested(site, measured, chosen), BY_TESTS
    lows, highs = ([ends[at] for at in chosen] for ends in (measured.lows, measured.highs))
    return list(population.rank_ranges(lows, highs, higher_is_better=measured.metric.higher_is_better)), BY_INTERVALS


def _tested(site: Site, measured: Measured, chosen: Sequence[int]) -> list[Range]:
    sound = [at for at in chosen if measured.sound[at]]
    boards = ranking.boards([_exhibit(site, measured, at) for at in sound]) if sound else []
    found: dict[str, Range] = {}
    for place in (place for board in boards for place in board.ranked):
        if place.first is not None and place.last is not None:
            found[place.label] = place.first, place.last
    return [found.get(str(at)) for at in chosen]


def _exhibit(site: Site, measured: Measured, at: int) -> Exhibit:
    """One number as a campaign of its own: all that a board asks for."""
    entry, how = site.entry(measured.entries[at]), site.collection.ways[measured.how[at]]
    score = Score(
        measured.case,
        how.implementation,
        how.library,
        measured.metric,
        Status.OK,
        measured.work,
        value=measured.values[at],
        low=measured.lows[at],
        high=measured.highs[at],
        run_values=measured.run_values(at),
        conditions={"readings": 1.0},
        backend=how.backend,
        cache=how.cache,
        sync=how.sync,
    )
    machine = Machine(entry.machine, entry.name)
    told = Publication(PUBLIC_SCHEMA, entry.id, entry.origin, machine, entry.started, entry.suite, (score,))
    return Exhibit(told, str(at))
