"""A scan's verdict in one sentence, and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from benchsuite.model import Decision, Diagnosis, Finding, Group, Local, Scan, Transfer
from benchsuite.render import shades, unit_strips
from benchsuite.render.words import clean, sentence


@dataclass(frozen=True, slots=True)
class About:
    """Where a scan comes from. started: UTC; digest: of its data; problems: what of it could not be read.

    facts: what else is known of it, by name.
    """

    id: str = ""
    started: str = ""
    version: str = ""
    command: str = ""
    digest: str = ""
    simulated: bool = False
    problems: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)


def judgement(scan: Scan, diagnosis: Diagnosis) -> tuple[str, str, str, str]:
    """Code, glyph, tone and the sentence that stands above everything."""
    accused = [one for one in diagnosis.findings if one.decision is Decision.ACCUSED]
    doubted = [one for one in diagnosis.findings if one.decision is Decision.CANNOT_TELL]
    if accused:
        more = f" And {len(accused) - 1} more." if len(accused) > 1 else ""
        return "accused", "✖", "bad", headline_of(accused[0]) + more
    if doubted:
        return "cannot tell", "?", "caution", f"Cannot tell: {headline_of(doubted[0])}"
    if not diagnosis.conclusive:
        return "inconclusive", "?", "unknown", "Nobody is accused, and this scan could not have found much."
    if without_time(scan) or wrong_data(scan):
        return "cannot tell", "!", "caution", "Nobody is accused, but not everything could be measured."
    if diagnosis.findings:
        return "not reproduced", "~", "caution", "Nobody is accused: what was suspected did not happen again."
    return "nothing found", "✓", "good", f"No {kind_of(scan)} was found to be slower than its peers."


def kind_of(scan: Scan) -> str:
    """What is set against what: nodes, or on a single one its ranks."""
    return "node" if len({unit.node for unit in scan.units}) > 1 else "rank"


def headline_of(finding: Finding) -> str:
    """A finding's own sentence."""
    return sentence(clean(finding.sentence))


def without_time(scan: Scan) -> int:
    """How many measurements failed."""
    every: list[Transfer | Local | Group] = [*scan.transfers, *scan.locals, *scan.groups]
    return sum(one.seconds is None for one in every)


def wrong_data(scan: Scan) -> int:
    """How many measurements had wrong bytes or a wrong result."""
    every: list[Transfer | Local] = [*scan.transfers, *scan.locals]
    return sum(1 for one in every if one.wrong)


def document(scan: Scan, diagnosis: Diagnosis, about: About) -> dict[str, Any]:
    """The scan's verdict as JSON. Slowdowns are log time ratios; ``rate`` is the rate as a ratio to the peers'."""
    code, _, _, headline = judgement(scan, diagnosis)
    of = {unit.rank: unit for unit in scan.units}
    return {
        "scan": about.id,
        "started": about.started,
        "version": about.version,
        "verdict": code,
        "sentence": headline,
        "findings": [
            {
                "culprit": one.culprit.value,
                "decision": one.decision.value,
                "ranks": list(one.ranks),
                "units": [of[rank].name for rank in one.ranks if rank in of],
                "sentence": one.sentence,
                "slowdown": one.slowdown,
                "lower": one.lower,
                "rate": shades.rate(one.slowdown) if one.slowdown is not None else None,
                "exceeded": one.exceeded,
                "rounds": one.rounds,
                "confirmed": list(one.confirmed),
                "remedy": one.remedy,
            }
            for one in diagnosis.findings
        ],
        "blind": list(diagnosis.blind),
        "alpha": diagnosis.alpha,
        "margin": diagnosis.margin,
        "smallest": diagnosis.smallest,
        "coverage": diagnosis.coverage,
        "conclusive": diagnosis.conclusive,
        "nodes": len({unit.node for unit in scan.units}),
        "ranks": len(scan.units),
        "rounds": {stage.value: count for stage, count in unit_strips.stages(scan).items()},
        "nbytes": scan.nbytes,
        "seed": scan.seed,
        "seconds": scan.seconds,
        "transport": scan.transport,
        "without_time": without_time(scan),
        "wrong": wrong_data(scan),
        "problems": list(about.problems),
    }
