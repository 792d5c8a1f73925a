"""``patterns``: what a step of training sends, from a model's shape."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console

from benchsuite import bandwidths, catalog, units
from benchsuite import patterns as computed
from benchsuite import suite as suites
from benchsuite.catalog import ModelShape
from benchsuite.errors import UsageError
from benchsuite.model import Message, Parallelism
from benchsuite.render import terminal_patterns


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line asks for."""

    model: str
    ranks: int
    tokens: int
    dtype: str
    bucket: str
    micro_batches: int
    catalog: tuple[Path, ...] = ()


def patterns(asked: Asked, *, as_json: bool) -> None:
    """Print the messages of every parallelism, or why the model cannot be trained so."""
    setup = _setup(asked)
    document = {
        "model": setup.model.key,
        "parameters": setup.model.parameters,
        "ranks": asked.ranks,
        "tokens": asked.tokens,
        "dtype": asked.dtype,
        "patterns": [_document(kind, setup, asked.ranks) for kind in Parallelism],
    }
    if as_json:
        print(msgspec.json.encode(document).decode())
    else:
        terminal_patterns.table(document, Console(highlight=False))


def _setup(asked: Asked) -> computed.Setup:
    if asked.dtype not in suites.TRAINED:
        hint = suites.nearest(asked.dtype, suites.TRAINED)
        raise UsageError(f"{asked.dtype!r} is no element type that is trained with.", hint or "Choose bf16 or fp32.")
    try:
        bucket = units.parse_size(asked.bucket)
    except ValueError as error:
        raise UsageError(f"{error}.", "Write for example --bucket '25 MiB'.") from error
    return computed.Setup(_model(asked), asked.tokens, asked.dtype, bucket, asked.micro_batches)


def _model(asked: Asked) -> ModelShape:
    known = catalog.load(asked.catalog).models
    if asked.model not in known:
        hint = f"{suites.nearest(asked.model, known)} 'benchsuite catalog models' shows them all.".strip()
        raise UsageError(f"The catalogue has no model called {asked.model!r}.", hint)
    return known[asked.model]


def _document(kind: Parallelism, setup: computed.Setup, ranks: int) -> dict[str, Any]:
    """One parallelism. ``bytes``: of all messages of a step; ``wire``: of them what each rank must at least send."""
    refused, found = computed.refusal(kind, setup.model, ranks), []
    if not refused:
        try:
            found = list(_messages(kind, setup, ranks))
        except ValueError as error:
            refused = str(error)
    return {
        "kind": kind.value,
        "name": computed.NAMES[kind],
        "refused": refused,
        "bytes": sum(one["total"] for one in found),
        "wire": sum(one["wire"] for one in found),
        "caveat": computed.CAVEATS[kind],
        "messages": found,
    }


def _messages(kind: Parallelism, setup: computed.Setup, ranks: int) -> Iterator[dict[str, Any]]:
    for one in computed.messages(kind, setup):
        if one.ranks <= ranks:
            yield {**asdict(one), "total": one.total, "wire": _wire(one, ranks)}


def _wire(one: Message, ranks: int) -> float:
    """Bytes that each rank must at least send in a step."""
    factor = bandwidths.FACTORS[one.benchmark].of
    return factor(ranks) * one.total if factor else float(one.total)
