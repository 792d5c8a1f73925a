"""A suite is data: TOML -> Suite. Unknown keys and values are refused with their line and the nearest name.

title = "…"
ranks = 0                       # of collectives; 0 = as many as cores, two at least
[policy]                        # fields of model.Policy
runs = 3
[[bench]]
select = ["gemm"]               # names or patterns of benchmarks, or "tag:memory"
implementations = ["numpy*"]    # optional
share = 1.0                     # optional: of policy.seconds
dtype = ["fp32", "fp64"]        # an axis: every combination of axes …
points = [{m = 256, n = 256, k = 256}]   # … with every one of these points
[[pattern]]                     # the messages of a step of training (patterns.py)
kind = "dp"                     # dp, fsdp, tp, pp or ep
model = "llama-3.1-8b"          # a shape of the catalogue
tokens = 4096                   # of a rank in a step; of tp and pp: of the group
dtype = "bf16"                  # optional: what is trained with, which makes the bytes …
sent = "fp32"                   # … and the element type of the messages measured in its place
bucket = "25 MiB"               # optional, of dp
micro_batches = 8               # optional, of pp
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from benchsuite import assets, catalog, patterns, reading, units
from benchsuite.errors import DataError, UsageError
from benchsuite.model import Axis, Benchmark, Entry, Parallelism, Pattern, Policy, Scalar, Suite

ENTRY_KEYS = ("select", "implementations", "share", "points")
PATTERN_KEYS = (
    "kind", "model", "tokens", "dtype", "sent", "bucket", "micro_batches", "implementations", "share",
)  # fmt: skip
TRAINED = ("bf16", "fp16", "fp32", "e4m3")
"""Element types that weights, gradients and activations are sent as."""
BUCKET = Axis("bucket", (patterns.BUCKET,), unit="bytes")
SUITE_KEYS = ("title", "ranks", "policy", "bench", "pattern")
SUITE_LIMITS = reading.Limits(size=1 << 20)
CACHE_MULTIPLE = re.compile(r"^(\d+)xLLC$")


def available() -> dict[str, Path]:
    """The shipped suites by name."""
    return {path.stem: path for path in sorted(assets.folder("suites").glob("*.toml"))}


def load(name_or_path: str, benchmarks: Mapping[str, Benchmark]) -> Suite:
    """The suite called so, or in the file given.

    Raises ``UsageError`` naming line and remedy for an unknown suite, malformed TOML, an unknown
    benchmark, key or value.
    """
    known = available()
    path = Path(name_or_path)
    if name_or_path in known:
        path = known[name_or_path]
    elif path.suffix != ".toml":
        hint = nearest(name_or_path, known)
        raise UsageError(
            f"There is no suite called {name_or_path!r}.", f"{hint} 'benchsuite list' shows them all.".strip()
        )
    try:
        text = reading.text(path.resolve(), SUITE_LIMITS)
    except DataError as error:
        raise UsageError(f"The suite {path.name} cannot be read. {error.message}", error.remedy) from error
    return parse(text, path.stem, benchmarks)


def parse(text: str, name: str, benchmarks: Mapping[str, Benchmark]) -> Suite:
    """The suite written in ``text``."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"The suite {name} is not valid TOML: {error}.", "Mend that line.") from error
    return _Reader(name, text, benchmarks).suite(table)


def nearest(word: str, known: Iterable[str]) -> str:
    """A suggestion such as ``Did you mean 'gemm'?``, or nothing when no known name is close."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"Did you mean {close[0]!r}?" if close else ""


def select(patterns: Iterable[str], benchmarks: Mapping[str, Benchmark]) -> list[Benchmark]:
    """Benchmarks whose name matches a pattern or that carry a tag ``tag:…``, in name order.

    A pattern that begins with ``!`` takes away what it matches.
    """
    asked = list(patterns)
    wanted = [pattern for pattern in asked if not pattern.startswith("!")]
    unwanted = [pattern[1:] for pattern in asked if pattern.startswith("!")]
    return [each for each in benchmarks.values() if _matches(each, wanted) and not _matches(each, unwanted)]


def _matches(benchmark: Benchmark, patterns: Iterable[str]) -> bool:
    names = [benchmark.name, *(f"tag:{tag}" for tag in benchmark.tags)]
    return any(fnmatchcase(word, pattern) for pattern in patterns for word in names)


def axis_value(axis: Axis, value: Any) -> Scalar:
    """A value that a file gives an axis: of sizes in bytes, ``16xLLC`` as it stands. ``ValueError``: why not."""
    if axis.unit == "bytes" and isinstance(value, str):
        return value if CACHE_MULTIPLE.match(value) else units.parse_size(value)
    kind = type(axis.values[0])
    open_number = kind is int and not axis.choices  # choices say themselves whether 0 is one
    if type(value) is not kind or (open_number and isinstance(value, int) and value <= 0):
        raise ValueError(f"{axis.name} takes a positive {kind.__name__}, not {value!r}")
    if axis.choices and value not in axis.choices:
        raise ValueError(f"{axis.name} is one of {', '.join(map(str, axis.choices))}")
    chosen: Scalar = value
    return chosen


class _Reader:
    """Checks one suite's tables; knows the text, so that a complaint names its line."""

    def __init__(self, name: str, text: str, benchmarks: Mapping[str, Benchmark]) -> None:
        self.name, self.lines, self.benchmarks = name, text.splitlines(), benchmarks
        self.starts = {kind: self._headers(kind) for kind in ("bench", "pattern")}

    def _headers(self, kind: str) -> list[int]:
        return [i for i, line in enumerate(self.lines) if re.match(rf"\s*\[\[\s*{kind}\s*\]\]", line)]

    def _start(self, kind: str, number: int) -> int:
        return self.starts[kind][number] if number < len(self.starts[kind]) else 0

    def suite(self, table: Mapping[str, Any]) -> Suite:
        self._known(table, SUITE_KEYS, "the suite", 0)
        entries, steps = table.get("bench", []), table.get("pattern", [])
        if not isinstance(entries, list) or not isinstance(steps, list) or not (entries or steps):
            raise UsageError(f"The suite {self.name} selects nothing.", "Add a [[bench]] table with select = [...].")
        ranks = table.get("ranks", 0)
        if isinstance(ranks, bool) or not isinstance(ranks, int) or ranks < 0:
            raise self._error("ranks", ranks, "ranks must be a whole number, 0 or more", 0)
        chosen = [self._entry(entry, i) for i, entry in enumerate(entries)]
        found = [self._pattern(step, i) for i, step in enumerate(steps)]
        return Suite(
            name=self.name,
            title=str(table.get("title", self.name)),
            entries=(*chosen, *(entry for _, sent in found for entry in sent)),
            policy=self._policy(table.get("policy", {})),
            ranks=ranks,
            source="\n".join(self.lines) + "\n",
            patterns=tuple(pattern for pattern, _ in found),
        )

    def _policy(self, table: Mapping[str, Any]) -> Policy:
        kinds = {item.name: type(item.default) for item in fields(Policy)}
        self._known(table, kinds, "[policy]", 0)
        for key, value in table.items():
            kind = kinds[key]
            right = isinstance(value, str) if kind is str else _number(value, whole=kind is int)
            if not right or (kind is not str and not value > 0):
                raise self._error(key, value, f"{key} must be a positive {kind.__name__}", 0)
        policy = Policy(**table)
        if policy.isolation not in {"run", "case"}:
            raise self._error("isolation", policy.isolation, "isolation is 'run' or 'case'", 0)
        return policy

    def _entry(self, table: Mapping[str, Any], number: int) -> Entry:
        start = self._start("bench", number)
        wanted = self._texts(table, "select", start)
        if not wanted:
            raise self._error("select", "", "a [[bench]] table needs select = [...]", start)
        for pattern in wanted:
            if not select([pattern.removeprefix("!")], self.benchmarks):
                raise self._error("select", pattern, f"no benchmark is called {pattern!r}", start, self.benchmarks)
        chosen = select(wanted, self.benchmarks)
        axes = {axis.name: axis for benchmark in chosen for axis in benchmark.axes}
        self._known(table, (*ENTRY_KEYS, *axes), f"[[bench]] for {', '.join(wanted)}", start)
        return Entry(
            select=wanted,
            axes={key: self._values(axes[key], table[key], start) for key in table if key in axes},
            points=tuple(self._point(point, axes, start) for point in table.get("points", [])),
            implementations=self._texts(table, "implementations", start),
            share=self._share(table, start),
        )

    def _share(self, table: Mapping[str, Any], start: int) -> float:
        share = table.get("share", 1.0)
        if not _number(share) or not share > 0:
            raise self._error("share", share, "share must be a positive number", start)
        return float(share)

    def _pattern(self, table: Mapping[str, Any], number: int) -> tuple[Pattern, list[Entry]]:
        """A step of training, and the tables that measure its messages."""
        start = self._start("pattern", number)
        self._known(table, PATTERN_KEYS, "[[pattern]]", start)
        for key in ("kind", "model", "tokens"):
            if key not in table:
                message = f"Suite {self.name}, line {start + 1}: a [[pattern]] table needs {key} = ..."
                raise UsageError(f"{message}.", "See docs/suites.md.")
        kind = Parallelism(self._one_of(table, "kind", [each.value for each in Parallelism], start))
        setup = patterns.Setup(
            model=_models()[self._one_of(table, "model", _models(), start)],
            tokens=self._whole(table, "tokens", 0, start),
            dtype=self._one_of(table, "dtype", TRAINED, start, "bf16"),
            bucket=self._bucket(table, start),
            micro_batches=self._whole(table, "micro_batches", 8, start),
        )
        try:
            messages = patterns.messages(kind, setup)
        except ValueError as error:
            raise self._error("kind", kind, str(error), start) from error
        names = dict.fromkeys(one.benchmark for one in messages)
        sizes = {name: tuple(dict.fromkeys(one.bytes for one in messages if one.benchmark == name)) for name in names}
        sent = self._one_of(table, "sent", tuple(units.DTYPES), start, "fp32")
        chosen, share = self._texts(table, "implementations", start), self._share(table, start)
        entries = [Entry((name,), self._axes(name, sizes[name], sent, start), (), chosen, share) for name in names]
        return Pattern(kind, setup.model.key, setup.tokens, setup.dtype, sent, messages), entries

    def _axes(self, name: str, sizes: tuple[int, ...], sent: str, start: int) -> dict[str, tuple[Scalar, ...]]:
        """Every axis of a collective fixed but its size: a step of training asks for one case of each message."""
        if name not in self.benchmarks:
            raise self._error("kind", "", f"this pattern needs the benchmark {name!r}, which there is not", start)
        benchmark = self.benchmarks[name]
        kind = next(replace(axis, name="sent") for axis in benchmark.axes if axis.name == "dtype")
        fixed = {axis.name: axis.values[:1] for axis in benchmark.axes}
        return {**fixed, "bytes": sizes, "dtype": self._values(kind, [sent], start)}

    def _bucket(self, table: Mapping[str, Any], start: int) -> int:
        value = self._value(BUCKET, table.get("bucket", patterns.BUCKET), start)
        if not isinstance(value, int):
            raise self._error("bucket", value, "bucket is a size such as '25 MiB'", start)
        return value

    def _one_of(self, table: Mapping[str, Any], key: str, known: Iterable[str], start: int, default: str = "") -> str:
        value, words = table.get(key, default), list(known)
        if not isinstance(value, str) or value not in words:
            raise self._error(key, value, f"{key} is one of {', '.join(words)}", start, words)
        return value

    def _whole(self, table: Mapping[str, Any], key: str, default: int, start: int) -> int:
        value = table.get(key, default)
        if not _number(value, whole=True) or value < 1:
            raise self._error(key, value, f"{key} must be a whole number, 1 or more", start)
        return int(value)

    def _point(self, point: Any, axes: Mapping[str, Axis], start: int) -> tuple[tuple[str, Scalar], ...]:
        if not isinstance(point, dict):
            raise self._error("points", point, "each of points is a table such as {m = 256, n = 256, k = 256}", start)
        self._known(point, axes, "points", start)
        return tuple((key, self._values(axes[key], [value], start)[0]) for key, value in point.items())

    def _values(self, axis: Axis, raw: Any, start: int) -> tuple[Scalar, ...]:
        values = raw if isinstance(raw, list) else [raw]
        if not values:
            raise self._error(axis.name, "", f"{axis.name} has no value", start)
        return tuple(self._value(axis, value, start) for value in values)

    def _value(self, axis: Axis, value: Any, start: int) -> Scalar:
        try:
            return axis_value(axis, value)
        except ValueError as error:
            raise self._error(axis.name, value, str(error), start, map(str, axis.choices)) from error

    def _texts(self, table: Mapping[str, Any], key: str, start: int) -> tuple[str, ...]:
        values = table.get(key, [])
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise self._error(key, values, f"{key} is a list of texts", start)
        return tuple(values)

    def _known(self, table: Any, known: Iterable[str], where: str, start: int) -> None:
        if not isinstance(table, dict):
            raise UsageError(f"In the suite {self.name}, {where} is not a table.", "See docs/suites.md.")
        for key in table:
            if key not in known:
                raise self._error(key, "", f"unknown key {key!r} in {where}", start, known)

    def _error(self, key: str, value: Any, problem: str, start: int, known: Iterable[str] = ()) -> UsageError:
        hint = nearest(str(value) if value != "" else key, known)
        return UsageError(
            f"Suite {self.name}, line {self._line(key, value, start)}: {problem}.", hint or "See docs/suites.md."
        )

    def _line(self, key: str, value: Any, start: int) -> int:
        """The line, from 1, that sets ``key`` at or after ``start``; of a list, the one that holds ``value``."""
        code = [line.split("#")[0] for line in self.lines]
        setting = re.compile(rf"(?<![\w-]){re.escape(key)}\s*=")
        first = next((number for number in range(start, len(code)) if setting.search(code[number])), start)
        word = re.compile(rf"(?<![\w.-]){re.escape(str(value))}(?![\w.-])")
        for number in range(first, len(code) if str(value) else first):
            if number > first and re.match(r"\s*(\[|\w+\s*=)", code[number]):
                break
            if word.search(code[number]):
                return number + 1
        return first + 1


def _models() -> Mapping[str, catalog.ModelShape]:
    """The catalogue's shapes and the user's own."""
    return catalog.load().models


def _number(value: Any, whole: bool = False) -> bool:
    return not isinstance(value, bool) and isinstance(value, int if whole else int | float)
