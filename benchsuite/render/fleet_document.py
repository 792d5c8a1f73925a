"""A fleet's run as JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchsuite import bandwidths
from benchsuite.fleet import forecast, outcomes
from benchsuite.fleet.fleet import Phase
from benchsuite.fleet.nodework import folder_name
from benchsuite.fleet.outcomes import Fleet
from benchsuite.fleet.peers import Task, Verdict
from benchsuite.model import Score
from benchsuite.render import fleet_words, shades
from benchsuite.render.scan_view import ScanView


def document(found: Fleet, headline: str, scan: ScanView | None) -> dict[str, Any]:
    """The fleet's run as JSON. ``rate``: as a ratio to the peers'; slowdowns are log time ratios."""
    made, code = found.made, outcomes.exit_code(found)
    return {
        "fleet": made.id,
        "started": made.started,
        "version": made.version,
        "backend": made.backend,
        "verdict": code.name.lower(),
        "exit": int(code),
        "sentence": headline,
        "alpha": found.table.alpha,
        "margin": found.table.margin,
        "runs": made.runs,
        "phases": [_phase_document(found, phase) for phase in made.phases],
        "forecast": dict(forecast.forecast(made)),
        "nodes": [_node_document(one, found) for one in found.verdicts],
        "tasks": [_task_document(task) for task in found.table.tasks],
        "scan": dict(scan.data) if scan is not None else None,
        "together": [_together(score) for score in found.together.scores] if found.together else None,
        "problems": list(found.problems),
    }


def _phase_document(found: Fleet, phase: Phase) -> dict[str, Any]:
    spell = found.spell(phase)
    return {
        "phase": phase.value,
        "complete": spell is not None and spell.complete,
        "began": _moment(spell.began) if spell else None,
        "seconds": sum(one.ended - one.began for one in found.spells if one.phase is phase),
        "forecast": found.made.predicted.get(phase.value),
        "reason": spell.reason if spell else "it was not done",
    }


def _together(score: Score) -> dict[str, Any]:
    found = bandwidths.algbw(score)
    return {
        "benchmark": score.case.benchmark,
        "parameters": dict(score.case.params),
        "ranks": score.case.ranks,
        "implementation": score.implementation,
        "status": score.status.value,
        "value": score.value,
        "interval": [score.low, score.high] if score.value is not None else None,
        "unit": score.metric.value,
        "algbw": found.value if found else None,
        "reason": score.reason,
    }


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def _node_document(one: Verdict, found: Fleet) -> dict[str, Any]:
    node = found.nodes.get(one.node)
    return {
        "node": one.node,
        "standing": one.standing.value,
        "reason": one.reason,
        "sentences": fleet_words.told(one)[0],
        "counts": {standing.value: count for standing, count in one.counts.items() if count},
        "seconds": node.ended - node.began if node else None,
        "exit": node.code if node else None,
        "run": str(Path(Phase.NODES) / folder_name(one.node) / node.run) if node and node.run else None,
    }


def _task_document(task: Task) -> dict[str, Any]:
    return {
        "benchmark": task.case.benchmark,
        "parameters": dict(task.case.params),
        "implementation": task.implementation,
        "seconds": task.seconds,
        "decidable": task.decidable,
        "runs_needed": task.needed,
        "nodes": {
            node: {
                "standing": cell.standing.value,
                "slowdown": cell.slowdown,
                "rate": shades.rate(cell.slowdown) if cell.slowdown is not None else None,
                "lower": cell.lower,
                "exceeded": cell.exceeded,
                "runs": cell.runs,
                "reason": cell.reason,
            }
            for node, cell in task.cells.items()
        },
    }
