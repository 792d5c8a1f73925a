"""Published serving results: a CSV file with the columns of a table of them -> rows, and which are left out and why.

What is left out is decided by fields of the row alone, before any forecast of it is made (``RULES``): whoever looks at
residuals first can make every table look good.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchsuite.errors import DataError
from benchsuite.model.forecast import Mesh
from benchsuite.reading import Limits, printable, text

NEEDED = ("model", "gpu", "precision", "osl")
"""Columns without which no row says anything."""

LIMITS = Limits(size=64 << 20)
MOST = 100_000
"""Rows of one file."""

QUEUED: Mapping[tuple[int, int], int] = {
    (128, 128): 30_000,
    (128, 2048): 3000,
    (2048, 128): 3000,
    (1000, 1000): 3000,
    (500, 2000): 3000,
    (128, 4096): 1500,
    (2048, 2048): 1500,
    (5000, 500): 1500,
    (20_000, 2000): 1000,
}
"""Requests that TensorRT-LLM's tables queue at once, by tokens in and out (its performance overview)."""

LATENCY = ("server", "interactive")
LONGEST = 100_000_000
"""Tokens of a request."""

LARGEST = 1e9
"""Beyond this no count or rate of one device is believed."""


@dataclass(frozen=True, slots=True)
class Row:
    """A published result. ``line``: in its file; isl, osl: tokens of a request, 0 where not published; requests: that
    wait at once, 0 where not published; batch: sequences at once in all copies, 0 where not limited; mesh: ``None``
    where not published; measured: output tokens per second of one device, 0 where not published; tpot: seconds, median.
    """

    line: int
    model: str
    gpu: str
    precision: str
    isl: float
    osl: float
    measured: float
    gpus: int = 1
    nodes: int = 1
    mesh: Mesh | None = None
    requests: int = 0
    batch: int = 0
    engine: str = ""
    benchmark: str = ""
    scenario: str = ""
    metric: str = ""
    submitter: str = ""
    source: str = ""
    confidence: str = ""
    notes: str = ""
    tpot: float = 0.0

    @property
    def latency_limited(self) -> bool:
        """Whether the rate was taken under a limit of latency: another question, scored apart."""
        return self.scenario.lower() in LATENCY or "latency" in self.metric

    @property
    def version(self) -> str:
        """Source and version of the engine: what is new to a fit that has not seen it."""
        return self.engine if "perf-overview" in self.benchmark else self.benchmark or self.engine

    @property
    def cell(self) -> tuple[object, ...]:
        """Rows that repeat one measurement share it: submitters of one machine with one engine's version."""
        plan = (self.mesh, self.gpus) if self.mesh is None else (self.mesh,)
        return (self.version, self.model, self.gpu, self.precision, *plan, self.isl, *self._lengths, self.scenario)

    @property
    def _lengths(self) -> tuple[float, ...]:
        """Mean lengths differ a little between submissions of one data set; those that were set are exact."""
        return (self.osl, float(self.requests)) if self.mesh else ()


@dataclass(frozen=True, slots=True)
class Unread:
    """A row that says too little or nonsense, and why."""

    line: int
    why: str


def rows(path: Path) -> tuple[tuple[Row, ...], tuple[Unread, ...]]:
    """The rows of a file, and those that cannot be read. Raises ``DataError`` for a file that is no such table."""
    found: list[Row] = []
    unread: list[Unread] = []
    for line, fields in _fields(path):
        try:
            found.append(_row(line, fields))
        except ValueError as error:
            unread.append(Unread(line, printable(str(error))))
    return tuple(found), tuple(unread)


def _fields(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.DictReader(text(path, LIMITS).splitlines(), restkey="", restval="", strict=False)
    try:
        header = [name.strip() for name in reader.fieldnames or ()]
        if missing := [name for name in NEEDED if name not in header]:
            raise DataError(f"{path.name} has no column {', '.join(missing)}.", "The first line names the columns.")
        if not {"tokens_per_s", "tokens_per_s_per_gpu"} & {*header}:
            raise DataError(f"{path.name} has no column tokens_per_s_per_gpu.", "Without a rate nothing is scored.")
        for count, row in enumerate(reader, 1):
            if count > MOST:
                raise DataError(f"{path.name} has more than {MOST} rows.", "Score it in parts.")
            yield reader.line_num, {k.strip(): v.strip() for k, v in row.items() if k and isinstance(v, str)}
    except csv.Error as error:
        raise DataError(f"{path.name} is no CSV file: {error}.", "Save it as CSV with a header.") from error


def _row(line: int, fields: Mapping[str, str]) -> Row:
    for name in ("model", "gpu", "precision"):
        if not fields.get(name):
            raise ValueError(f"It names no {name}.")
    mesh, copies = _plan(fields.get("parallelism", ""))
    spread = mesh.devices * copies if mesh else 1
    gpus = _count(fields, "gpus") or spread
    rate = _number(fields.get("tokens_per_s_per_gpu", ""), "tokens_per_s_per_gpu")
    if not rate:
        if gpus < spread:
            raise ValueError(f"gpus is {gpus}, and {fields['parallelism'][:40]!r} takes {spread}: per GPU is not told.")
        rate = _number(fields.get("tokens_per_s", ""), "tokens_per_s") / gpus
    isl, osl = _length(fields.get("isl", ""), "isl"), _length(fields.get("osl", ""), "osl")
    asked = fields.get("concurrency", "").lower()
    return Row(
        line=line,
        model=fields["model"].lower(),
        gpu=fields["gpu"].lower(),
        precision=fields["precision"].lower(),
        isl=isl,
        osl=osl,
        measured=rate,
        gpus=max(gpus, spread),
        nodes=_count(fields, "nodes") or 1,
        mesh=mesh,
        requests=QUEUED.get((int(isl), int(osl)), 0) if "queued" in asked else 0,
        batch=_at_once(asked),
        tpot=_number(fields.get("tpot_p50_ms", ""), "tpot_p50_ms") / 1e3,
        **{name: printable(fields.get(name, ""))[:200] for name in _TEXTS},
    )


_TEXTS = ("engine", "benchmark", "scenario", "metric", "submitter", "source", "confidence", "notes")


NOTHING = frozenset({"", "-", "none", "n/a", "na", "unknown", "not published"})
"""How a table says that it does not say."""

UNLIMITED = frozenset({"inf", "max", "maximum", "unlimited"})


def _at_once(given: str) -> int:
    """Sequences at once; 0 where they are not limited, or not told."""
    if given in NOTHING | UNLIMITED or "queued" in given:
        return 0
    told = re.fullmatch(r"([0-9]{1,7})(?:\.0)?( (?:concurrent )?(?:users?|clients?|requests?|sequences?))?", given)
    if told is None:
        raise ValueError(f"concurrency is {given[:40]!r}, which is no number of sequences.")
    return int(told[1])


def _number(given: str, name: str) -> float:
    """A number that is not negative, 0 where there is none. Its thousands may be parted by commas."""
    if given.lower() in NOTHING:
        return 0.0
    try:
        value = float(given.replace(",", "") if re.fullmatch(r"[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?", given) else given)
    except ValueError:
        raise ValueError(f"{name} is {given[:40]!r}, which is no number.") from None
    if not 0 <= value < LARGEST:
        raise ValueError(f"{name} is {given[:40]!r}: not a number from 0 to {LARGEST:g}.")
    return value


def _count(fields: Mapping[str, str], name: str) -> int:
    value = _number(fields.get(name, ""), name)
    if value != int(value) or value > 4096:
        raise ValueError(f"{name} is {fields[name][:40]!r}: not a whole number up to 4096.")
    return int(value)


def _length(given: str, name: str) -> float:
    """Tokens: a number, or the mean of a data set (``~294 mean (...)``); 0 where a mixture has none."""
    if (exact := re.fullmatch(r"[~≈]?\s*([0-9][0-9,]*(?:\.[0-9]+)?)(?:\s.*)?", given)) is not None:
        tokens = _number(exact[1], name)
        if not 1 <= tokens <= LONGEST:
            raise ValueError(f"{name} is {given[:40]!r}: not from 1 to {LONGEST} tokens.")
        return tokens
    if given.lower() not in NOTHING and not given.startswith("mixed"):
        raise ValueError(f"{name} is {given[:40]!r}, which is no number of tokens.")
    return 0.0


def _plan(given: str) -> tuple[Mesh | None, int]:
    """``TP8``, ``TP=4 PP=2``, ``TP8/EP8``, ``TP2 DP4``: mesh and copies; ``None`` where the plan is not published."""
    if given.lower() in NOTHING:
        return None, 1
    parts = {name: int(size) for name, size in re.findall(r"([A-Z]+)[\s=:_-]*([0-9]{1,3})(?![0-9])", given.upper())}
    if not parts or set(parts) - {"TP", "PP", "EP", "DP"} or not all(0 < size <= 256 for size in parts.values()):
        raise ValueError(f"parallelism is {given[:40]!r}; written as TP8, TP4 PP2 or TP8 EP8.")
    mesh = Mesh(parts.get("TP", 1), parts.get("PP", 1), parts.get("EP", 1))
    if mesh.expert > mesh.tensor or mesh.tensor % mesh.expert:
        raise ValueError(f"parallelism is {given[:40]!r}: experts are spread over the tensor group here.")
    return mesh, parts.get("DP", 1)


TOLD = re.compile(r"(total )?output tokens(/s| per second)((/| per )gpu)?( under latency limit)?", re.IGNORECASE)
"""How tables name what is forecast. Whatever else they count is another thing."""


def _undefined(row: Row) -> bool:
    told = not row.metric or TOLD.fullmatch(row.metric) is not None
    aggregator = row.benchmark.lower() in {"blog", "inferencex"}
    return (
        not told or aggregator or "single stream" in row.scenario or " tok/s/user" in row.scenario or not row.measured
    )


RULES: Mapping[str, tuple[str, Callable[[Row], bool]]] = {
    "E1": ("no primary log, or its metric is not output tokens per second at full load", _undefined),
    "E2": ("a length that the forecast needs is not published", lambda row: not (row.isl and row.osl)),
    "E3": ("a power cap: the machine is not the catalogue's", lambda row: "maxq" in row.notes.lower()),
    "E4": ("a reference harness that nobody tuned", lambda row: "-reference-" in row.source),
    "E5": ("a part with other cooling than the catalogue's", lambda row: row.notes.startswith("CTS")),
    "E6": ("several nodes, whose network is not described", lambda row: row.nodes > 1),
}
"""Why a row is left out, in the order in which they are asked. Fixed before the first score."""


def excluded(row: Row) -> str:
    """The rule that leaves it out, empty where none does."""
    return next((name for name, (_, rule) in RULES.items() if rule(row)), "")


def usable(row: Row) -> bool:
    """Whether it was measured and can be compared."""
    return math.isfinite(row.measured) and row.measured > 0
