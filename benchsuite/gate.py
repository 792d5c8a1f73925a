"""What our kernels must reach, and whether they did: ours against the vendor's in one campaign, floors and goals.

A floor missed is printed with its figure; nothing is left out because it looks bad.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from benchsuite import units
from benchsuite.model import Case, Score, Status

PCIE_LANE = {1: 0.25e9, 2: 0.5e9, 3: 0.985e9, 4: 1.969e9, 5: 3.938e9, 6: 7.563e9}
"""Bytes per second and direction of one lane after line coding: 8b/10b up to 2, 128b/130b up to 5 (PCI-SIG)."""
SYNCHRONOUS = ("sm_90a", "sm_100a")
"""Chips whose tensor cores run at full speed for wgmma and tcgen05 only: mma.sync reaches about two thirds.

It is excused there where nothing better of ours was measured, and nothing else is."""


class Against(StrEnum):
    """What a result is held against."""

    VENDOR = "the vendor's best"
    READ = "measured read bandwidth"
    DATASHEET = "datasheet"
    LINK = "PCIe link"


class Verdict(StrEnum):
    """How a row ended. ``SYNCHRONOUS``: no floor applies, since the instruction cannot reach the chip's peak."""

    GOAL = "goal reached"
    FLOOR = "floor reached"
    BELOW = "below the floor"
    NO_PEER = "nothing to hold it against"
    BOUND = "bound by mma.sync"
    FAILED = "no result"


@dataclass(frozen=True, slots=True)
class Goal:
    """Cases (``"gemm dtype=fp64"``, each word a pattern) on ``arch``, what they are held against, floor and goal."""

    cases: str
    against: Against
    floor: float
    goal: float
    tensor: bool = False
    arch: str = "*"

    def fits(self, case: Case, arch: str) -> bool:
        """Whether the goal is about this case on this architecture."""
        if not fnmatchcase(arch, self.arch):
            return False
        name, *words = self.cases.split()
        given = case.key.split()
        return name == case.benchmark and all(any(fnmatchcase(each, word) for each in given) for word in words)


GOALS = (
    Goal("gemm dtype=fp64", Against.VENDOR, 0.80, 0.92),
    Goal("gemm dtype=fp32", Against.VENDOR, 0.85, 0.93),
    Goal("gemm m=16", Against.VENDOR, 0.80, 0.90),
    Goal("gemm dtype=*", Against.VENDOR, 0.88, 0.95, tensor=True),
    Goal("attention head_dim=64", Against.VENDOR, 0.80, 0.92, tensor=True, arch="sm_90a"),
    Goal("attention head_dim=*", Against.VENDOR, 0.80, 0.95, tensor=True, arch="sm_90a"),
    Goal("attention dtype=*", Against.VENDOR, 0.90, 1.00, tensor=True),
    Goal("dequant m=1?", Against.READ, 0.75, 0.85),
    Goal("dequant m=1", Against.READ, 0.75, 0.85),
    Goal("paged-decode context=*", Against.READ, 0.80, 0.90),
    Goal("memory op=read", Against.DATASHEET, 0.88, 0.93),
    Goal("memory op=copy", Against.DATASHEET, 0.85, 0.90),
    Goal("memory op=triad", Against.DATASHEET, 0.87, 0.91),
    Goal("transfer direction=?2? host=pinned", Against.LINK, 0.85, 0.88),
)
"""The first that fits a case is its goal."""


@dataclass(frozen=True, slots=True)
class Row:
    """One case: our value, what it is held against, and the ratio of the two."""

    name: str
    implementation: str
    value: float | None
    unit: str
    against: str
    peer: str
    ratio: float | None
    floor: float | None
    goal: float | None
    verdict: Verdict
    reason: str = ""


def rows(scores: Sequence[Score], facts: Mapping[str, Mapping[str, str]]) -> list[Row]:
    """A row for the best of our implementations of every case that has a goal; worst ratio first within a verdict."""
    by_case: dict[Case, list[Score]] = {}
    for score in scores:
        by_case.setdefault(score.case, []).append(score)
    read = max((score.value or 0.0 for score in scores if _reads(score)), default=0.0)
    arch = facts.get("gpu", {}).get("arch", "")
    found = []
    for case, several in by_case.items():
        goal = next((goal for goal in GOALS if goal.fits(case, arch)), None)
        if goal is not None and any(_ours(score) and score.status is not Status.SKIPPED for score in several):
            found.append(_row(case, several, goal, read, arch))
    return sorted(found, key=lambda row: (list(Verdict).index(row.verdict), row.ratio or 0.0))


def _reads(score: Score) -> bool:
    """A measured read of memory: only sets well beyond the cache have a ceiling."""
    return score.case.benchmark == "memory" and score.ceiling is not None and "op=read" in score.case.key.split()


def _ours(score: Score) -> bool:
    """Our kernels are compiled by us: their provider is the compiler, no library; a mere name if the process ended."""
    return "NVRTC" in score.provider or score.provider in {"", "benchsuite", "simulated"}


def _row(case: Case, several: Sequence[Score], goal: Goal, read: float, arch: str) -> Row:
    ours = [score for score in several if _ours(score)]
    bad = next((score for score in ours if score.status in {Status.REJECTED, Status.FAILED}), None)
    good = [score for score in ours if score.value is not None]
    if goal.against is Against.LINK:  # the link is reached by the copy engine: any implementation counts
        good = [score for score in several if score.value is not None]
    if bad is not None or not good:
        reason = bad.reason if bad is not None else "not measured"
        return Row(case.key, "", None, "", goal.against.value, "", None, goal.floor, goal.goal, Verdict.FAILED, reason)
    best = max(good, key=lambda score: score.value or 0.0)
    peer, rival = _peer(best, several, goal, read)
    ratio = (best.value or 0.0) / rival if rival else None
    return Row(
        name=case.key,
        implementation=best.implementation,
        value=best.value,
        unit=best.metric.value,
        against=goal.against.value,
        peer=peer,
        ratio=ratio,
        floor=goal.floor,
        goal=goal.goal,
        verdict=_verdict(ratio, goal, arch if best.implementation.startswith("mma") else ""),
    )


def _peer(best: Score, several: Sequence[Score], goal: Goal, read: float) -> tuple[str, float]:
    """The name and the value that ours is divided by; 0 where it is not known."""
    match goal.against:
        case Against.VENDOR:
            theirs = [score for score in several if not _ours(score) and score.value is not None]
            rival = max(theirs, key=lambda score: score.value or 0.0, default=None)
            return (rival.implementation, rival.value or 0.0) if rival is not None else ("", 0.0)
        case Against.READ:
            return "read", read
        case Against.DATASHEET:
            return "datasheet", (best.value or 0.0) / best.of_datasheet if best.of_datasheet else 0.0
        case Against.LINK:
            lanes, generation = (int(best.conditions.get(name, 0)) for name in ("pcie_width", "pcie_generation"))
            return f"PCIe {generation} x{lanes}", lanes * PCIE_LANE.get(generation, 0.0)


def _verdict(ratio: float | None, goal: Goal, arch: str) -> Verdict:
    """``arch``: where mma.sync was the best that we had, and nothing where it was not."""
    if ratio is None:
        return Verdict.NO_PEER
    if ratio >= goal.goal:
        return Verdict.GOAL
    if ratio >= goal.floor:
        return Verdict.FLOOR
    return Verdict.BOUND if goal.tensor and arch in SYNCHRONOUS else Verdict.BELOW


def document(row: Row) -> dict[str, Any]:
    """The row as JSON."""
    return {**asdict(row), "verdict": row.verdict.value}


def lines(table: Sequence[Row]) -> list[str]:
    """The short table: ratio, floor, goal and verdict of every row, then the counts."""
    width = max((len(row.name) for row in table), default=0)
    made = [f"{'case':{width}}  {'ours':>14}  {'ratio':>6}  floor  goal  verdict"]
    for row in table:
        value = units.quantity(row.value, row.unit).replace(units.NO_BREAK_SPACE, " ") if row.value else "–"
        ratio = f"{row.ratio:6.3f}" if row.ratio is not None else "     –"
        words = f"{row.verdict.value} ({row.against}{f': {row.peer}' if row.peer else ''})"
        told = f" {row.reason}" if row.reason else ""
        made.append(f"{row.name:{width}}  {value:>14}  {ratio}   {row.floor:.2f}  {row.goal:.2f}  {words}{told}")
    counts = {verdict: sum(row.verdict is verdict for row in table) for verdict in Verdict}
    return [*made, ", ".join(f"{count} {verdict.value}" for verdict, count in counts.items() if count) or "no row"]
