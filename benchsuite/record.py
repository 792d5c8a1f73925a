"""Records: assembled from a message, written and read as JSON lines.

Format history, newest first:
  1  first version
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from benchsuite.errors import DataError
from benchsuite.model import (
    Benchmark,
    Caveat,
    Failed,
    Outcome,
    Record,
    Rejected,
    Samples,
    Skipped,
    Status,
    Task,
)
from benchsuite.statistics.describe import summarise

SCHEMA = 1
LONGEST_LINE = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Stored:
    """A line of ``records.jsonl``: the record with the version of its format."""

    schema: int
    record: Record


def assemble(
    benchmark: Benchmark,
    task: Task,
    outcome: Outcome,
    *,
    campaign: str,
    run: int,
    position: int,
    backend: str,
    provider: str,
    started: str,
    caveats: Iterable[Caveat] = (),
) -> Record:
    """The record of one task of one run. A sample that is zero, negative or not finite makes it failed."""
    record = Record(
        campaign=campaign,
        run=run,
        position=position,
        case=task.case,
        implementation=task.implementation,
        provider=provider,
        backend=backend,
        metric=benchmark.metric,
        status=Status.FAILED,
        work=benchmark.work(task.case),
        started=started,
        caveats=tuple(caveats),
    )
    match outcome:
        case Samples():
            try:
                summary = summarise(outcome.seconds)
            except ValueError as error:
                return replace(record, reason=str(error))
            caveats = (*record.caveats, *outcome.caveats)
            return replace(record, status=Status.OK, samples=outcome, summary=summary, caveats=caveats)
        case Rejected(reason, _, where):
            return replace(record, status=Status.REJECTED, reason=f"{reason} at {where}" if where else reason)
        case Failed(reason, phase):
            return replace(record, reason=f"{reason} (during {phase})" if phase else reason)
        case Skipped(reason):
            return replace(record, status=Status.SKIPPED, reason=reason)


def to_line(record: Record) -> bytes:
    """One line of JSON, keys sorted; ``ValueError`` if a number is not finite (JSON has no such thing)."""
    if record.samples and not all(map(math.isfinite, record.samples.seconds)):
        raise ValueError("a record with a duration that is not finite is not written")
    return msgspec.json.encode(Stored(SCHEMA, record), order="deterministic")


def from_line(line: bytes) -> Record:
    """The record of one line.

    Raises ``DataError`` for a newer schema, a malformed line or an implausible number.
    """
    if len(line) > LONGEST_LINE:
        raise DataError("A record is longer than 32 MiB.", "It was not written by benchsuite; leave it out.")
    _check_schema(line)
    try:
        record = msgspec.json.decode(line, type=Stored).record
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"A record cannot be read: {error}.", "The file was damaged or edited.") from error
    if record.samples and not all(0.0 < value < math.inf for value in record.samples.seconds):
        raise DataError("A record holds a duration that is zero, negative or not finite.", "The file was edited.")
    return record


def _check_schema(line: bytes) -> None:
    @dataclass(frozen=True, slots=True)
    class Version:
        schema: int

    try:
        version = msgspec.json.decode(line, type=Version).schema
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"A record cannot be read: {error}.", "The file was damaged or edited.") from error
    if version > SCHEMA:
        message = f"A record has schema {version}; this benchsuite knows schemas up to {SCHEMA}."
        raise DataError(message, "Read it with a newer benchsuite (pip install --upgrade benchsuite).")


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a line of ``records.jsonl``, as published in docs/record.schema.json."""
    schema = _cleaned(msgspec.json.schema(Stored))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "benchsuite record", **schema}


def _cleaned(value: Any) -> Any:
    """Every text without the indentation of a docstring, which Python keeps only up to 3.12."""
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    if isinstance(value, dict):
        return {key: _cleaned(item) for key, item in value.items()}
    return inspect.cleandoc(value) if isinstance(value, str) else value
