"""What every reader of another tool's output gives: rows with unit, meaning and place, and what could not be read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from benchsuite.model import Metric, Scalar, Status


@dataclass(frozen=True, slots=True)
class Row:
    """One value of another tool. ``value``: SI units, no prefix; ``None`` unless ``status`` is OK.

    benchmark: ``tool/test``, such as ``nccl-tests/all_reduce_perf``; params: what makes the case (size, dtype, op,
    ranks, in place …); meaning: what the number is, in words with the tool's own name of it; text: the value as it was
    printed, with its unit; line: where (1-based; 0 for a JSON document); samples: values of single iterations, if
    there are; reason: why there is no value, or why it is wrong (a ``#wrong`` above 0 is REJECTED, never OK).
    """

    benchmark: str
    metric: Metric
    value: float | None
    text: str
    meaning: str
    params: Mapping[str, Scalar] = field(default_factory=dict)
    ranks: int = 1
    status: Status = Status.OK
    reason: str = ""
    line: int = 0
    samples: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Imported:
    """One file of another tool. ``devices``: names of the devices as printed; facts: what else it says that is public
    (versions, options by allowlist: never the whole environment, no host names, no paths, no serial numbers).

    problems: a sentence for each thing that could not be read or is missing (a truncated table, a failure).
    """

    tool: str
    rows: tuple[Row, ...]
    version: str = ""
    started: str = ""
    devices: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    def count(self, status: Status) -> int:
        """How many rows have this status."""
        return sum(row.status is status for row in self.rows)


@dataclass(frozen=True, slots=True)
class Format:
    """A format: its name as ``--format`` takes it, how to tell it (from the text), and how to read it.

    ``read`` takes the text and raises ``DataError`` with one sentence when there is nothing in it to read.
    """

    name: str
    title: str
    tells: Callable[[str], bool]
    read: Callable[[str], Imported]
