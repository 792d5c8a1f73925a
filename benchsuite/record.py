"""Records: assembled from a message, written and read as JSON lines.

Format history, newest first:
  1  first version
"""

from __future__ import annotations

import inspect
import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import msgspec

from benchsuite import reading
from benchsuite.errors import DataError, NewerError
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
from benchsuite.statistics.skew import skew

SCHEMA = 1
CLOCKS_APART = 1.1
"""How far the device's clock may run ahead of the host's before a record is disbelieved. Two per cent are noted by
``CLOCK_DISAGREE``; this only catches what cannot be."""


@dataclass(frozen=True, slots=True)
class Version:
    """The part of any document that says which format it has."""

    schema: int


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
                summary = replace(summarise(outcome.seconds, outcome.annotations), skew=skew(outcome))
            except ValueError as error:
                return replace(record, reason=str(error))
            caveats = (*record.caveats, *outcome.caveats)
            made = replace(record, status=Status.OK, samples=outcome, summary=summary, caveats=caveats)
            problem = implausible(made)  # what a reader would leave out is no result
            return replace(record, reason=problem) if problem else made
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

    Raises ``NewerError`` for a newer schema, ``DataError`` for a malformed line or an implausible record.
    """
    try:
        version = msgspec.json.decode(line, type=Version).schema
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"A record cannot be read: {error}.", reading.REMEDY) from error
    if version > SCHEMA:
        message = f"A record has schema {version}; this benchsuite knows schemas up to {SCHEMA}."
        raise NewerError(message, "Read it with a newer benchsuite (pip install --upgrade benchsuite).")
    record = reading.value(line, Stored).record
    if problem := implausible(record):
        raise DataError(f"A record cannot be true: {problem}.", "The file was edited.")
    return record


def implausible(record: Record) -> str:
    """Why these numbers cannot have been measured; nothing when they can."""
    samples, summary = record.samples, record.summary
    if (samples is None) != (record.status is not Status.OK) or (samples is None) != (summary is None):
        return f"a result that is {record.status.value} has {'no' if samples is None else 'its'} samples"
    if samples is None or summary is None:
        return ""
    if not samples.seconds or not all(0.0 < one < math.inf for one in (*samples.seconds, *samples.warmup)):
        return "a duration is zero, negative or not finite"
    if not summary.median > 0.0 or not math.isclose(summary.median, median(samples.seconds), rel_tol=1e-9):
        return "the summary does not follow from the samples"
    if samples.iterations < 1 or not 0 <= samples.steady_from <= len(samples.seconds):
        return "the numbers of iterations or samples are impossible"
    return _impossible_times(samples)


def _impossible_times(samples: Samples) -> str:
    """Samples that overlap in time cannot all have been taken."""
    for starts, seconds in ((samples.starts, samples.seconds), (samples.warmup_starts, samples.warmup)):
        if starts and len(starts) != len(seconds):
            return "some samples have no beginning, or some beginnings no sample"
        if any(not after > before for before, after in itertools.pairwise(starts)):
            return "a sample began before the one ahead of it"
    if len(samples.starts) < 2:
        return ""
    span = samples.starts[-1] - samples.starts[0]
    # Beginnings are rank 0's: of several ranks it may have been the last to begin the first sample.
    work = samples.iterations * math.fsum(samples.seconds[1 if samples.by_rank else 0 : -1])
    return "the samples took longer than the time they were taken in" if work > CLOCKS_APART * span else ""


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
