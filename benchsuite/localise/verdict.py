"""What a scan says: suspicions of the screen, what the second look made of them, and what could not be seen.

Leaf switches before nodes, nodes before units, units before single pairs, each without the faults above it. Nothing
is accused on the screen alone, except what is a fact (``facts``); what a second batch does not show again is
``NOT_REPRODUCED``, and where the data cannot name anybody it is said who it may be, and what would tell.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from benchsuite.localise import beside, computes, confirm, doubts, facts, families, paths, sentences, small, table
from benchsuite.localise.confirm import Second, Told
from benchsuite.localise.families import Screened
from benchsuite.localise.rankrule import percent
from benchsuite.localise.seats import Seats
from benchsuite.localise.settings import Settings
from benchsuite.localise.suspicion import Suspicion
from benchsuite.localise.table import Table
from benchsuite.model import Culprit, Decision, Diagnosis, Finding, Reference, Scan, Stage

__all__ = ["Settings", "diagnose", "suspects"]

UNCONFIRMED = ("it was not measured a second time", "Measure it again with partners known good.")
TWICE = sentences.outcome(Decision.ACCUSED, "")
LEAST = families.LEAF_MARGIN / 2
"""Nobody is accused whose median is not slower than this, however many of its rounds are: half the smallest margin."""
ORDER = (Decision.ACCUSED, Decision.CANNOT_TELL, Decision.NOT_REPRODUCED)
GRAVE = (Culprit.CORRUPTS, Culprit.FAILED, Culprit.STALLED)


@dataclass(frozen=True, slots=True)
class Looked:
    """The screen of a scan: suspicions of transfers and of kernels, and what is settled without a second look."""

    screen: Screened
    transfers: tuple[Suspicion, ...]
    kernels: tuple[Suspicion, ...]
    settled: tuple[Finding, ...]
    reference: Reference | None
    hopeless: bool = False

    @property
    def tests(self) -> int:
        """How many suspicions share the alpha of the second look."""
        return len(self.transfers) + len(self.kernels)


def suspects(scan: Scan, settings: Settings) -> tuple[Finding, ...]:
    """Whom a second look should be about (``design.confirmation``): nothing of it is an accusation yet.

    Suspicions that no second look can settle are not among them.
    """
    return suspected(scan, table.build(scan, Stage.SCREEN), settings)


def diagnose(scan: Scan, settings: Settings) -> Diagnosis:
    """The verdict of a scan, from all of its stages.

    Without a second look (``Stage.CONFIRM``) a suspicion is ``CANNOT_TELL``.
    """
    return judged(scan, {stage: table.build(scan, stage) for stage in Stage}, settings)


def suspected(scan: Scan, transfers: Table, settings: Settings) -> tuple[Finding, ...]:
    """``suspects`` with the transfers of the screen as arrays."""
    looked = _looked(scan, transfers, settings)
    seats = looked.screen.table.seats
    open_ = (one for one in (*looked.transfers, *looked.kernels) if not one.doubt)
    facts_ = (one for one in looked.settled if one.culprit is Culprit.CORRUPTS and one.decision is Decision.CANNOT_TELL)
    return (*(_finding(Second(one), seats) for one in open_), *facts_)


def judged(scan: Scan, tables: Mapping[Stage, Table], settings: Settings) -> Diagnosis:
    """``diagnose`` with the transfers of each stage as arrays."""
    looked = _looked(scan, tables[Stage.SCREEN], settings)
    screen = looked.screen
    seats = screen.table.seats
    seconds = [*_second(looked, tables, settings), *_paths(looked, tables[Stage.LINKS], settings)]
    kernels = computes.second(scan, looked.kernels, max(looked.tests, 1), settings)
    needed = max(LEAST, screen.margin / 2)
    found = [*looked.settled, *(_finding(one, seats, _least(one, needed)) for one in seconds)]
    found += _whole_nodes([_finding(one, seats) for one in kernels], seats)
    names, ratio = beside.hint(scan, screen)
    found = _not_by_computing(found)
    found = [_supported(one, seats, names, ratio) for one in found]
    blind = beside.blind(scan, screen, settings)
    if names and not any(_names(one, seats) & set(names) for one in found):
        hint = f"An all-reduce without {', '.join(names)} took {100 * ratio:.0f} % of the time of the others"
        blind = (*blind, f"{hint}, but no transfer of theirs is slow: a hint, no more.")
    least = None if looked.hopeless else beside.smallest(screen, scan, settings)
    return Diagnosis(
        findings=tuple(sorted(found, key=_gravity)),
        alpha=settings.alpha,
        margin=screen.margin,
        smallest=least,
        coverage=screen.table.coverage(),
        conclusive=least is not None and not screen.refused,
        blind=blind,
    )


def _looked(scan: Scan, transfers: Table, settings: Settings) -> Looked:
    """Judge the screen, and settle what no second look can change."""
    first = facts.spared(transfers, scan.pauses)
    usable = settings.reference if small.usable(settings.reference, scan.nbytes) else None
    screen = families.screened(first, settings)
    seats = first.seats
    settled = [*facts.found(scan, seats), *beside.fleet(scan, screen, settings)]
    kernels = _slowest(computes.screened(scan, seats, settings))
    compared = usable is not None and len(seats) < small.FEW
    if len(seats) > small.FEWEST and not compared and (shared := doubts.common(screen)) is not None:
        ranks, words, remedy = shared
        settled.append(Finding(Culprit.FLEET, Decision.CANNOT_TELL, ranks, words, remedy=remedy))
        return Looked(screen, (), kernels, tuple(settled), usable, hopeless=True)
    suspicions = screen.suspicions
    if len(seats) <= small.FEWEST or compared:
        named = small.against_reference(screen, usable, settings) if usable is not None else small.unexplained(screen)
        suspicions = (*named.suspicions, *(one for one in suspicions if one.rail >= 0))
        if named.candidates:
            settled.append(_candidates(named, seats, usable is not None))
    single = usable is None and len(seats) < small.FEW
    return Looked(screen, doubts.settled(screen, suspicions, single, compared), kernels, tuple(settled), usable)


def _second(looked: Looked, tables: Mapping[Stage, Table], settings: Settings) -> list[Second]:
    """What the second look says of each suspicion of transfers."""
    few = looked.reference is not None and len(looked.screen.table.seats) < small.FEW
    reference = looked.reference
    ranked = [one for one in looked.transfers if not (few and one.rail < 0) and one.culprit is not Culprit.PATH]
    found = confirm.look(looked.screen, tables[Stage.CONFIRM], ranked, max(looked.tests, 1), settings)
    for one in looked.transfers:
        if one not in ranked and reference is not None:
            data = tables[Stage.LINKS if one.culprit is Culprit.PATH else Stage.CONFIRM]
            data = small.levelled(looked.screen, data)
            told = small.confirmed(one, data, reference, looked.screen.margin, looked.tests, settings.alpha)
            found.append(Second(one, told))
    return found


def _paths(looked: Looked, again: Table, settings: Settings) -> list[Second]:
    """Pairs that were measured again and are slow beyond their ends."""
    screen = looked.screen
    if len(screen.table.seats) <= small.FEWEST or looked.hopeless or screen.refused:
        return []
    nodes = (one for one in looked.transfers if one.culprit is not Culprit.PATH)
    slow = {screen.table.seats.where[rank][0] for one in nodes for rank in one.ranks}
    told = {frozenset(one.ranks) for one in looked.transfers if one.culprit is Culprit.PATH}
    found = paths.judged(again, screen, slow, settings)
    return [one for one in found if frozenset(one.suspicion.ranks) not in told]


def _finding(second: Second, seats: Seats, least: float = LEAST) -> Finding:
    """A suspicion and its second look as a finding; ``least``: the median slowdown that an accusation needs."""
    one, told = second.suspicion, second.told
    decision, why, remedy = _decision(one, told, least)
    return Finding(
        one.culprit,
        decision,
        one.ranks,
        sentences.claim(one, seats) + sentences.outcome(decision, why),
        one.slowdown,
        one.lower,
        one.exceeded,
        one.rounds,
        (told.exceeded, told.rounds),
        remedy,
    )


def _not_by_computing(found: list[Finding]) -> list[Finding]:
    """A path or a direction of a unit that computes slowly may be slow for that reason: it is not accused as well."""
    slow = {
        r for one in found if one.decision is Decision.ACCUSED and one.culprit is Culprit.COMPUTES for r in one.ranks
    }
    moves = {Culprit.PATH, Culprit.SENDS, Culprit.RECEIVES}
    why = sentences.outcome(Decision.CANNOT_TELL, "a unit of it computes slowly, which may be why")
    first = "Mend what computes slowly, then scan again."
    return [
        replace(one, decision=Decision.CANNOT_TELL, sentence=one.sentence.removesuffix(TWICE) + why, remedy=first)
        if one.decision is Decision.ACCUSED and one.culprit in moves and slow & set(one.ranks)
        else one
        for one in found
    ]


def _least(second: Second, needed: float) -> float:
    """What a leaf must be slow by is less than what a node must: its value is a median of many pairs."""
    return LEAST if second.suspicion.culprit in confirm.LEAVES else needed


def _decision(one: Suspicion, told: Told, least: float) -> tuple[Decision, str, str]:
    if one.doubt:
        return Decision.CANNOT_TELL, one.doubt, one.remedy
    if not told.rounds:
        return Decision.CANNOT_TELL, *UNCONFIRMED
    if not told.able:
        few = "the second look has too few rounds or good nodes to decide"
        return Decision.CANNOT_TELL, few, "Scan with more rounds, or with more nodes known good."
    if told.slow and not one.slowdown > least:
        some = "it was slow in some rounds of either look, and in most of them not"
        return (
            Decision.CANNOT_TELL,
            some,
            "Look for what disturbs it now and then: a quota, a neighbour, a flapping link.",
        )
    if told.slow:
        return Decision.ACCUSED, "", sentences.REMEDIES[one.culprit]
    later = "What it was has passed, or came from elsewhere: scan again, best at the hour it was slow."
    return Decision.NOT_REPRODUCED, "", later


def _candidates(named: small.Named, seats: Seats, reference: bool) -> Finding:
    """The finding of a set among which nobody can be named."""
    ranks = tuple(rank for seat in named.candidates for rank in seats.ranks[seat])
    against = "the reference" if reference else "the fastest pair"
    third = "a third node" if len(seats) < 3 else "more nodes known good"
    remedy = f"Scan together with {third}{'' if reference else ', or with a reference (--reference)'}."
    return Finding(
        Culprit.FLEET if len(named.candidates) == len(seats) and not reference else Culprit.NODE,
        Decision.CANNOT_TELL,
        ranks,
        f"transfers at {percent(named.slowdown)} % of {against}; cannot tell who: {named.words}",
        named.slowdown,
        remedy=remedy,
    )


def _slowest(suspicions: Iterable[Suspicion]) -> tuple[Suspicion, ...]:
    """Of each unit that computes several kernels slowly, the slowest."""
    found: dict[tuple[int, ...], Suspicion] = {}
    for one in suspicions:
        if one.ranks not in found or found[one.ranks].slowdown < one.slowdown:
            found[one.ranks] = one
    return tuple(found.values())


def _whole_nodes(found: Sequence[Finding], seats: Seats) -> list[Finding]:
    """Findings about every unit of a node as one about the node."""
    bynode: dict[int, list[Finding]] = defaultdict(list)
    for one in found:
        bynode[seats.where[one.ranks[0]][0]].append(one)
    left = []
    for seat, own in bynode.items():
        row = seats.ranks[seat]
        accused = len(row) > 1 and {one.ranks[0] for one in own} == set(row)
        if accused and len({one.decision for one in own}) == 1:
            middle = sorted(own, key=lambda one: one.slowdown or 0.0)[len(own) // 2]
            words = middle.sentence.replace(seats.units[middle.ranks[0]].name, f"{seats.name(seat)}, all units")
            left.append(replace(middle, ranks=row, sentence=words))
        else:
            left += own
    return left


def _supported(one: Finding, seats: Seats, names: tuple[str, ...], ratio: float) -> Finding:
    """The finding with what all-reduces without its node say, when they say the same."""
    if one.decision is not Decision.ACCUSED or not _names(one, seats) & set(names):
        return one
    hint = f"An all-reduce without {', '.join(names)} took {100 * ratio:.0f} % of the time of the others."
    return replace(one, remedy=f"{one.remedy} {hint}")


def _names(one: Finding, seats: Seats) -> set[str]:
    return {seats.units[rank].node for rank in one.ranks}


def _gravity(one: Finding) -> tuple[int, int, float]:
    grave = GRAVE.index(one.culprit) if one.culprit in GRAVE else len(GRAVE)
    return ORDER.index(one.decision), grave, -(one.slowdown or 0.0)
