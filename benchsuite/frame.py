"""Results as pandas tables: for notebooks, and for the CSV, JSON and Parquet files that an analyst takes along."""

from __future__ import annotations

import json as encoder
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from io import BytesIO
from typing import TYPE_CHECKING, Any

from benchsuite.bandwidths import algbw
from benchsuite.errors import UsageError
from benchsuite.model import Exhibit, Offer, Origin, Score
from benchsuite.reading import printable

if TYPE_CHECKING:
    from pandas import DataFrame

FORMULA = ("=", "+", "-", "@", "\t", "\r")
PREAMBLE = "# Written by benchsuite. One row a task; numbers in SI units without prefix; an empty cell is not known."
CONDITION = "condition_"
COLUMNS = frozenset(
    {
        "exhibit", "publication", "origin", "level", "signer", "machine", "device", "hardware", "devices", "started",
        "suite", "version", "code", "cloud", "instance", "region", "usd_per_hour", "price_kind", "price_as_of",
        "benchmark", "ranks", "implementation", "provider", "status", "value", "low", "high", "unit", "runs",
        "of_ceiling", "best", "notes", "reason", "of_datasheet", "of_clock", "clean", "backend", "cache", "sync",
        "joules", "source", "algbw", "busbw_factor",
    }
)  # fmt: skip
"""Columns that no parameter may be called like."""
REMEDY = "pip install 'benchsuite[parquet]'"


def frame(scores: Sequence[Score]) -> DataFrame:
    """One row a task: benchmark, parameters (a column each), ranks, implementation, value and interval in SI units."""
    import pandas

    return pandas.DataFrame([_row(score) for score in scores])


def rows(exhibits: Sequence[Exhibit]) -> list[dict[str, Any]]:
    """A row for each task of each exhibit: first what was measured and who vouches for it, then ``frame``'s columns,
    then mode, conditions and energy. ``usd_per_hour`` buys all devices of the offer."""
    return [
        {**_origin(exhibit), **_row(score), **_mode(exhibit, score)}
        for exhibit in exhibits
        for score in exhibit.publication.results
    ]


def table(exhibits: Sequence[Exhibit]) -> DataFrame:
    """``rows`` as a table: whole numbers stay whole where some rows lack them."""
    import pandas

    found = rows(exhibits)
    names = dict.fromkeys(name for row in found for name in row)
    return pandas.DataFrame({name: _column([row.get(name) for row in found]) for name in names})


def _column(values: list[Any]) -> Any:
    """The values as pandas holds them best."""
    import pandas

    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return pandas.array(values, dtype="boolean")
    if kinds == {int} and all(value is None or abs(value) < 1 << 63 for value in values):
        return pandas.array(values, dtype="Int64")
    if float in kinds and kinds <= {int, float}:
        return pandas.Series(values, dtype="float64")
    mixed = [value if value is None else str(value) for value in values]
    return pandas.Series(mixed, dtype="object")


def csv(scores: Sequence[Score]) -> str:
    """The table as CSV; a text that a spreadsheet would take for a formula gets a ``'`` before it (OWASP)."""
    return _csv(frame(scores))


def csv_of(exhibits: Sequence[Exhibit]) -> str:
    """``table`` as CSV, after lines with ``#`` that say where each exhibit comes from."""
    return "\n".join([PREAMBLE, *(_provenance(exhibit) for exhibit in exhibits), _csv(table(exhibits))])


def json_of(exhibits: Sequence[Exhibit]) -> str:
    """``rows`` as a JSON array of objects; what is not known is null, or is not there."""
    return encoder.dumps(rows(exhibits), ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def parquet_of(exhibits: Sequence[Exhibit]) -> bytes:
    """``table`` as a Parquet file. Raises ``UsageError`` without pyarrow."""
    if find_spec("pyarrow") is None:
        raise UsageError("Parquet needs pyarrow, which is not installed.", REMEDY)
    stream = BytesIO()
    table(exhibits).to_parquet(stream, index=False, engine="pyarrow")
    return stream.getvalue()


def _row(score: Score) -> dict[str, Any]:
    found = algbw(score)
    return {
        "benchmark": score.case.benchmark,
        **{f"parameter_{name}" if _taken(name) else name: value for name, value in score.case.params},
        "ranks": score.case.ranks,
        "implementation": score.implementation,
        "provider": score.provider,
        "status": score.status.value,
        "value": score.value,
        "low": score.low,
        "high": score.high,
        "unit": score.metric.value,
        "algbw": found.value if found else None,
        "busbw_factor": found.factor if found else None,
        "runs": score.runs,
        "of_ceiling": score.of_ceiling,
        "best": score.best,
        "notes": " ".join(caveat.code for caveat in score.caveats),
        "reason": score.reason,
    }


def _origin(exhibit: Exhibit) -> dict[str, Any]:
    told, offer = exhibit.publication, exhibit.publication.offer or Offer()
    return {
        "exhibit": exhibit.label,
        "publication": told.id,
        "origin": told.origin.value,
        "level": exhibit.level.value,
        "signer": exhibit.signer,
        "machine": told.machine.id,
        "device": told.machine.name,
        "hardware": told.machine.hardware,
        "devices": told.machine.devices,
        "started": told.started,
        "suite": told.suite,
        "version": told.version,
        "code": told.code,
        "cloud": offer.provider,
        "instance": offer.instance,
        "region": offer.region,
        "usd_per_hour": offer.usd_per_hour,
        "price_kind": offer.kind,
        "price_as_of": offer.as_of,
    }


def _mode(exhibit: Exhibit, score: Score) -> dict[str, Any]:
    measured = exhibit.publication.origin is Origin.MEASURED
    return {
        "of_datasheet": score.of_datasheet,
        "of_clock": score.of_clock,
        "clean": not score.unreportable if measured else None,
        "backend": score.backend,
        "cache": score.cache,
        "sync": score.sync,
        "joules": score.joules,
        "source": score.source,
        **{f"{CONDITION}{name}": value for name, value in sorted(score.conditions.items())},
    }


def _provenance(exhibit: Exhibit) -> str:
    """One line of a CSV's preamble."""
    told = exhibit.publication
    digests: Mapping[str, str] = {"records": told.digest, "samples": told.samples}
    named = [f"{name} sha256:{digest}" for name, digest in digests.items() if digest]
    signer = f" ({exhibit.signer})" if exhibit.signer else ""
    words = [exhibit.label, told.id, told.origin.value, f"{exhibit.level.value}{signer}", told.started, told.source]
    return printable("# " + "; ".join([*filter(None, words), *named]))


def _csv(made: DataFrame) -> str:
    for name in made.columns:
        if any(isinstance(value, str) for value in made[name]):
            made[name] = [harmless(value) for value in made[name]]
    made.columns = [harmless(name) for name in made.columns]
    return str(made.to_csv(index=False, lineterminator="\n"))


def harmless(value: Any) -> Any:
    """A number as it is; a text without line breaks and other hidden characters, and never a formula."""
    if not isinstance(value, str):
        return value
    return f"'{printable(value)}" if value.startswith(FORMULA) else printable(value)


def _taken(name: str) -> bool:
    """Whether a parameter's name would hide another column."""
    return name in COLUMNS or name.startswith(CONDITION)
