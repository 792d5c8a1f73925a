"""A certificate as JSON: what a program reads, and the page carries."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from benchsuite.errors import Exit
from benchsuite.model import Contract, Evidence, FleetVerdict, Verdict, Word
from benchsuite.render.certificate_parts import About

EXITS = {
    Word.ACCEPT: Exit.DONE,
    Word.REJECT: Exit.REJECTED,
    Word.MARGINAL: Exit.INCONCLUSIVE,
    Word.INCONCLUSIVE: Exit.INCONCLUSIVE,
    Word.INVALID: Exit.INCONCLUSIVE,
}
"""The exit code that each verdict ends with."""


def document(fleet: FleetVerdict, contract: Contract, about: About, *, whole: bool = True) -> dict[str, Any]:
    """Verdict, reasons, evidence and origin. Deviations are logs of measured over agreed (docs/acceptance.md).

    whole: every device in full, with its single runs; else those that were not accepted, without runs, and of the
    others the verdict alone: a fleet's ``verdict.json`` and ``evidence.json`` have the rest.
    """
    shown = [
        msgspec.to_builtins(part) if whole or part.word is not Word.ACCEPT else _brief(part) for part in fleet.parts
    ]
    told = {
        "id": about.id,
        "started": about.started,
        "ended": about.ended,
        "version": about.version,
        "code": about.code,
        "kernels": dict(about.kernels),
        "nonce": about.nonce,
        "seed": about.seed,
        "signer": about.signer,
        "level": about.level.value,
        "contract": {"name": contract.name, "title": contract.title, "digest": fleet.digest or contract.digest},
        "verdict": fleet.word.value,
        "exit": int(EXITS[fleet.word]),
        "reason": fleet.reason,
        "missing": list(fleet.missing),
        "notes": list(fleet.notes),
        "findings": msgspec.to_builtins(fleet.findings),
        "parts": shown,
    }
    if whole:
        told["evidence"] = [_evidence(one) for one in about.evidences if _of(one, fleet)]
    finite: dict[str, Any] = _finite(told)
    return finite


def _brief(part: Verdict) -> dict[str, Any]:
    return {"subject": msgspec.to_builtins(part.subject), "word": part.word.value, "reason": part.reason}


def _of(one: Evidence, fleet: FleetVerdict) -> bool:
    places = {(part.subject.node, part.subject.device) for part in fleet.parts}
    return (one.subject.node, one.subject.device) in places


def _evidence(one: Evidence) -> dict[str, Any]:
    """The single runs; what else the evidence holds stands in the verdict."""
    measured = [msgspec.to_builtins(each) for each in one.measured]
    return {"subject": msgspec.to_builtins(one.subject), "attempt": one.attempt, "measured": measured}


def _finite(value: Any) -> Any:
    """Numbers that JSON does not have become ``null``."""
    match value:
        case float() if not math.isfinite(value):
            return None
        case dict():
            return {name: _finite(one) for name, one in value.items()}
        case list() | tuple():
            return [_finite(one) for one in value]
        case _:
            return value
