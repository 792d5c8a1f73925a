"""Published results against their forecasts: errors, coverage and ranks, row by row and in all.

A row that cannot be read, names what nobody knows, is left out by a rule fixed beforehand (``table.RULES``) or cannot
run is told with its reason; its forecast is shown where there is one and counts in no summary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchsuite.catalog import Catalog, load
from benchsuite.catalog.rows import nearest
from benchsuite.errors import RefusedError
from benchsuite.model.forecast import Band, Caution, Mesh, Traffic
from benchsuite.predict import interval, names
from benchsuite.predict.batching import Served
from benchsuite.predict.engine import FITTED, Engine
from benchsuite.predict.fit import Table, table
from benchsuite.predict.precision import PRECISIONS
from benchsuite.predict.table import RULES, Row, Unread, excluded, rows
from benchsuite.predict.tally import GROUPS, Score, Scored, Summary, spearman, summary

SCHEMA = 1


def score(
    given: Iterable[Row],
    known: Table | None = None,
    engine: Engine = FITTED,
    calibration: interval.Calibration | None = None,
    unread: tuple[Unread, ...] = (),
) -> Scored:
    """Each row with its forecast. ``known``: ceilings and shapes, the shipped catalogue's where not given."""
    looked = known or table(load(()))
    within = calibration or interval.shipped()
    seen: dict[Row, Score] = {}
    made = []
    for row in (_named(row, looked) for row in given):
        plain = _plain(row)
        if plain not in seen:
            seen[plain] = _one(plain, looked, engine, within)
        made.append(_against(row, seen[plain]))
    return Scored(tuple(made), unread, spearman(made))


def document(path: Path, catalog: Catalog | None = None) -> dict[str, Any]:
    """The whole answer to ``predict --score FILE --json``. Raises ``DataError`` for a file that is no such table."""
    given, unread = rows(path)
    return answer(score(given, table(catalog) if catalog else None, unread=unread))


def answer(scored: Scored) -> dict[str, Any]:
    """A score as a JSON document. Shares are fractions, rates output tokens per second of one device.

    calibrated_on: rows of a source that the engine was fitted on: their errors are in sample.
    """
    offline = [one for one in scored.rows if one.counts and not one.row.latency_limited]
    limited = [one for one in scored.rows if one.counts and one.row.latency_limited]
    return {
        "schema": SCHEMA,
        "engine": FITTED.name,
        "calibrated_on": sum(_fitted(one.row) for one in offline),
        "overall": _told(summary(offline)),
        "latency_limited": _told(summary(limited)),
        "rank_correlation": scored.ranks and {"mean": scored.ranks[0], "settings": scored.ranks[1]},
        "by": {name: _grouped(offline, key) for name, key in GROUPS.items()},
        "exclusions": {
            name: {"rule": words, **(_told(summary(_left(scored.rows, name))) or {"count": 0})}
            for name, (words, _) in RULES.items()
        },
        "rows": [_shown(one) for one in scored.rows],
        "unread": [{"line": one.line, "reason": one.why} for one in scored.unread],
    }


def _named(row: Row, known: Table) -> Row:
    """The row with the catalogue's keys for its names, where they can be told."""
    return replace(
        row,
        model=names.model(row.model, known.catalog.models),
        gpu=names.gpu(row.gpu, known.catalog.accelerators),
        precision=names.precision(row.precision),
    )


def _plain(row: Row) -> Row:
    """What a forecast depends on: rows that repeat a measurement are forecast once."""
    return replace(row, line=0, measured=1.0, submitter="", source="", confidence="", notes="", metric="")


def _one(row: Row, known: Table, engine: Engine, within: interval.Calibration) -> Score:
    if reason := _unknown(row, known):
        return Score(row, refused=reason)
    filled, assumed = _filled(row)
    if not (filled.isl and filled.osl):
        return Score(row, refused="Tokens read or written by a request are not published.")
    try:
        plan, what = (
            limited(filled, known, engine) if row.latency_limited and row.tpot else known.predict(filled, engine)
        )
    except RefusedError as error:
        return Score(row, refused=str(error))
    band, confidence, found, refused = _interval(filled, known, plan, what, within)
    return Score(
        row=row,
        band=band,
        confidence=confidence,
        plan=plan,
        bound=max(_phases(what, filled)).name,
        assumed=(*assumed, *_assumptions(row, plan)),
        cautions=found,
        refused=refused,
    )


@dataclass(frozen=True, slots=True, order=True)
class _Part:
    seconds: float
    name: str


def _phases(what: Served, row: Row) -> list[_Part]:
    """Seconds of one sequence by what they are spent on: prompts, and the terms of its steps."""
    share = row.osl / max(1.0, what.batch)
    parts = [_Part(what.prefill.seconds, "prefill")]
    parts += [_Part(term.seconds * share, term.name) for term in what.decode.terms if not term.hidden]
    return parts


def limited(row: Row, known: Table, engine: Engine) -> tuple[Mesh, Served]:
    """The largest batch whose tokens come as fast as the row's median: its own latency is taken, not foretold."""
    plan, what = known.predict(row, engine)
    low, high = 1, max(1, int(what.batch) * (row.gpus // plan.devices or 1))
    while low < high:
        middle = (low + high + 1) // 2
        plan, what = known.predict(replace(row, batch=middle), engine)
        between = what.decode.seconds + what.batch / row.osl * what.prefill.seconds
        low, high = (middle, high) if between <= row.tpot else (low, middle - 1)
    return known.predict(replace(row, batch=low), engine)


def _interval(
    row: Row, known: Table, plan: Mesh, what: Served, within: interval.Calibration
) -> tuple[Band, float, tuple[Caution, ...], str]:
    shape, ceilings = known.catalog.models[row.model], known.ceilings[row.gpu]
    traffic = Traffic(round(row.isl), round(row.osl))
    precision = PRECISIONS[row.precision]
    rate = what.throughput * (row.isl + row.osl) / row.osl
    try:
        running = (what.throughput, what.batch)
        found = interval.cautions(
            shape, precision, ceilings, plan, traffic, *running, version=row.version, within=within
        )
    except RefusedError as error:
        return Band(what.throughput, 0.0, what.throughput), 0.0, (), str(error)
    if row.mesh is None:
        found = (*found, Caution("UNKNOWN_PLAN", "How the model is spread over the devices is not published."))
    if row.latency_limited:
        found = (*found, Caution("LATENCY_LIMITED", "Taken under a limit of latency, where queues decide."))
    band, confidence = interval.band(what.throughput, found, within=within, rate=rate)
    return band, confidence, found, ""


def _unknown(row: Row, known: Table) -> str:
    """Why a name of the row means nothing here; empty where all are known."""
    for word, name, known_names in (
        ("model", row.model, known.catalog.models),
        ("GPU", row.gpu, known.ceilings),
        ("precision", row.precision, PRECISIONS),
    ):
        if name not in known_names:
            several = sorted(names.gpus(name, known.catalog.accelerators)) if word == "GPU" else []
            if several:
                return f"The GPU {name[:60]!r} may be {' or '.join(several[:6])}, which differ."
            return f"The {word} {name[:60]!r} is not in the catalogue. {nearest(name, known_names)}".strip()
    return ""


def _filled(row: Row) -> tuple[Row, tuple[str, ...]]:
    """The row with what a rule left open filled in, so that what it would have scored can be shown."""
    if row.isl or not row.osl:
        return row, ()
    return replace(row, isl=UNKNOWN_ISL), (f"tokens read are not published; {UNKNOWN_ISL:.0f} taken",)


UNKNOWN_ISL = 300.0
"""Tokens read where a table does not say: for rows that count in no summary. Never tuned."""


def _assumptions(row: Row, plan: Mesh) -> tuple[str, ...]:
    said = []
    if row.mesh is None:
        said.append(f"the plan is not published: TP{plan.tensor} is forecast to be the fastest")
    if not row.requests and not row.latency_limited:
        said.append("the number of requests is not published: steady state")
    if row.precision in {"fp8", "nvfp4", "mxfp4"}:
        said.append("keys and values are kept in 8 bits, embedding and last product in 16")
    return tuple(said)


def _against(row: Row, made: Score) -> Score:
    """The forecast set against what this row measured."""
    rule = excluded(row)
    error = made.band.value / row.measured - 1.0 if made.band and row.measured > 0 else None
    why = f"{rule}: {RULES[rule][0]}" if rule else ""
    return replace(made, row=row, error=error, excluded=why)


def _left(scores: Iterable[Score], rule: str) -> list[Score]:
    return [one for one in scores if one.excluded.startswith(f"{rule}:") and one.error is not None]


def _grouped(scores: Sequence[Score], key: Callable[[Score], str]) -> dict[str, Any]:
    groups = sorted({key(one) for one in scores})
    return {name: _told(summary([one for one in scores if key(one) == name])) for name in groups}


def _told(found: Summary | None) -> dict[str, Any] | None:
    return None if found is None else asdict(found)


def _fitted(row: Row) -> bool:
    seen = interval.fitted_on(row.version, row.gpu) in interval.shipped().fitted
    return seen and not (row.latency_limited or excluded(row))


def _shown(one: Score) -> dict[str, Any]:
    row, band = one.row, one.band
    return {
        "line": row.line,
        **{name: getattr(row, name) for name in ("model", "gpu", "precision", "gpus", "isl", "osl", "benchmark")},
        **{name: getattr(row, name) for name in ("engine", "scenario", "submitter")},
        "plan": None if one.plan is None else {"tensor": one.plan.tensor, "pipeline": one.plan.pipeline},
        "measured": row.measured or None,
        "predicted": band and band.value,
        "low": band and band.low,
        "high": band and band.high,
        "confidence": one.confidence,
        "error": one.error,
        "inside": one.covered if band and row.measured else None,
        "bound": one.bound,
        "latency_limited": row.latency_limited,
        "calibrated_on": _fitted(row),
        "assumptions": list(one.assumed),
        "cautions": [asdict(caution) for caution in one.cautions],
        "excluded": one.excluded or None,
        "refused": one.refused or None,
    }
