"""A user's own machines, prices, published figures and models: TOML files beside the shipped catalogue.

    [gpu.my_card]                # the columns of gpus.toml
    name = "…"
    [[price]]                    # the columns of prices.csv
    provider = "…"
    [[figure]]                   # the columns of figures.csv
    hardware = "my_card"
    [model.my_model]             # the columns of models.toml

An entry that is there already is an error, unless it says ``replaces = true``: nothing is replaced silently.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from benchsuite import reading
from benchsuite.catalog import check, check_hardware
from benchsuite.catalog.hardware import accelerator
from benchsuite.catalog.prices import Price
from benchsuite.catalog.published import Row, figure
from benchsuite.catalog.rows import nearest, read
from benchsuite.catalog.shipped import Catalog, model, shipped
from benchsuite.errors import DataError

VARIABLE = "BENCHSUITE_CATALOG"
LIMITS = reading.Limits(size=4 << 20)
SCHEMA = 1


def load(files: Sequence[Path] = ()) -> Catalog:
    """The shipped catalogue with the user's files added: those of the configuration folder, of the variable
    ``BENCHSUITE_CATALOG``, then ``files``.

    Raises ``DataError`` naming file, line and table of what cannot be read, is unknown, contradicts itself or is there
    already.
    """
    made = shipped()
    for path in (*configured(), *files):
        made = added(made, path)
    return made


def configured() -> tuple[Path, ...]:
    """The files that no command names: ``$XDG_CONFIG_HOME/benchsuite/catalog/*.toml``, then the variable's."""
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    named = (part for part in os.environ.get(VARIABLE, "").split(os.pathsep) if part)
    return (*sorted((Path(base) / "benchsuite" / "catalog").glob("*.toml")), *map(Path, named))


def added(catalog: Catalog, path: Path) -> Catalog:
    """``catalog`` with the entries of one file. Raises ``DataError`` for the first that cannot be taken."""
    made, errors = merged(catalog, path)
    if errors:
        more = f" {len(errors) - 1} more: benchsuite catalog check {path}." if len(errors) > 1 else ""
        raise DataError(errors[0].message, f"{errors[0].remedy}{more}")
    return made


def merged(catalog: Catalog, path: Path) -> tuple[Catalog, list[DataError]]:
    """``catalog`` with the entries of one file that can be taken, and what is wrong with the others.

    Raises ``DataError`` for a file that cannot be read at all.
    """
    return _File(path).merged(catalog)


class _File:
    """One user's file: knows its text, so that a complaint names the line of its table."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.lines = reading.text(path.expanduser(), LIMITS).splitlines()
            self.tables: dict[str, Any] = tomllib.loads("\n".join(self.lines))
        except DataError as error:
            named = error.message.startswith(str(path.expanduser()))
            words = error.message if named else f"{path} cannot be read. {error.message}"
            raise DataError(f"The catalogue file {words}", error.remedy) from error
        except (ValueError, RecursionError) as error:
            raise DataError(f"The catalogue file {path} is not valid TOML: {error}.", "Mend that line.") from error
        for text in _texts(self.tables):
            if hidden := reading.FORBIDDEN.search(text):
                words = f"A text holds the hidden character U+{ord(hidden[0]):04X}."
                raise DataError(f"The catalogue file {path} cannot be read. {words}", "Take it out.")
        self.as_of = str(self.tables.pop("as_of", ""))
        if (schema := self.tables.pop("schema", SCHEMA)) != SCHEMA:
            raise DataError(f"{path} has schema {schema!r}, and only {SCHEMA} is known.", "Take a newer benchsuite.")
        for name in self.tables:
            if name not in TABLES:
                raise DataError(
                    f"{path}: {name[:80]!r} is unknown.", nearest(name, TABLES) or f"Known: {', '.join(TABLES)}."
                )

    def merged(self, catalog: Catalog) -> tuple[Catalog, list[DataError]]:
        """Hardware first, since prices and figures refer to it."""
        errors = []
        for kind, (named, add) in _KINDS.items():
            for key, table, where in self._named(kind) if named else self._listed(kind):
                try:
                    catalog = add(catalog, key, {"as_of": self.as_of, **_table(table, where)}, where)
                except DataError as error:
                    errors.append(error)
        return replace(catalog, files=(*catalog.files, str(self.path))), errors

    def _named(self, kind: str) -> Iterator[tuple[str, object, str]]:
        tables = self.tables.get(kind, {})
        if not isinstance(tables, dict):
            raise DataError(f"{self.path}: {kind} is no table.", f"Write [{kind}.a_name].")
        for key, table in tables.items():
            header = rf"\[\s*{kind}\s*\.\s*[\"']?{re.escape(key)}[\"']?\s*\]"
            yield key, table, self._where(header, f"[{kind}.{key}]", 0)

    def _listed(self, kind: str) -> Iterator[tuple[str, object, str]]:
        tables = self.tables.get(kind, [])
        if not isinstance(tables, list):
            raise DataError(f"{self.path}: {kind} is no list of tables.", f"Write [[{kind}]].")
        for number, table in enumerate(tables):
            yield "", table, self._where(rf"\[\[\s*{kind}\s*\]\]", f"[[{kind}]] {number + 1}", number)

    def _where(self, header: str, name: str, number: int) -> str:
        """``machines.toml, line 12, [gpu.mine]``; without the line where the table is written in another form."""
        lines = [i for i, line in enumerate(self.lines, 1) if re.match(rf"\s*{header}", line)]
        return f"{self.path}, line {lines[number]}, {name}" if number < len(lines) else f"{self.path}, {name}"


def _hardware(catalog: Catalog, key: str, table: dict[str, Any], where: str) -> Catalog:
    _settled(table, key in catalog.accelerators, where, f"hardware {key!r}")
    one = accelerator(_key(key, where), table, where)
    _sound(check_hardware.accelerator(one), where)
    return replace(catalog, accelerators=MappingProxyType({**catalog.accelerators, key: one}))


def _model(catalog: Catalog, key: str, table: dict[str, Any], where: str) -> Catalog:
    _settled(table, key in catalog.models, where, f"model {key!r}")
    one = model(_key(key, where), table, where)
    _sound(check.model(one), where)
    return replace(catalog, models=MappingProxyType({**catalog.models, key: one}))


def _price(catalog: Catalog, key: str, table: dict[str, Any], where: str) -> Catalog:
    replaces = table.pop("replaces", False)
    one = read(Price, table, where)
    kept = tuple(each for each in catalog.prices if each.identity != one.identity)
    what = f"the price of {one.provider} {one.instance}"
    _settled({"replaces": replaces}, len(kept) < len(catalog.prices), where, what)
    _sound(check.price(one, catalog.accelerators), where)
    return replace(catalog, prices=(*kept, one))


def _figure(catalog: Catalog, key: str, table: dict[str, Any], where: str) -> Catalog:
    replaces = table.pop("replaces", False)
    one = figure(read(Row, table, where), where)
    kept = tuple(each for each in catalog.figures if each.identity != one.identity)
    _settled({"replaces": replaces}, len(kept) < len(catalog.figures), where, "this very figure")
    _sound(check.figure(one, catalog.accelerators), where)
    return replace(catalog, figures=(*kept, one))


_KINDS: Mapping[str, tuple[bool, Callable[[Catalog, str, dict[str, Any], str], Catalog]]] = {
    "gpu": (True, _hardware),
    "model": (True, _model),
    "price": (False, _price),
    "figure": (False, _figure),
}
"""The kinds of table: whether its tables have names, and how one is added."""

TABLES = tuple(_KINDS)


def _texts(value: object) -> Iterator[str]:
    """All texts of a parsed file, names included: an escape may have put into them what no line shows."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield name
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, str):
        yield value


def _table(table: object, where: str) -> Mapping[str, Any]:
    if not isinstance(table, dict):
        raise DataError(f"{where}: it is no table.", "Write its columns below its header.")
    return table


def _key(key: str, where: str) -> str:
    try:
        return reading.identifier(key)
    except DataError as error:
        raise DataError(f"{where}: {error.message}", error.remedy) from error


def _settled(table: dict[str, Any], there: bool, where: str, what: str) -> None:
    """Take ``replaces`` out of the table: it must be true where the entry is there already, and only there."""
    replaces = table.pop("replaces", False)
    if there and replaces is not True:
        raise DataError(f"{where}: {what} is there already.", "Give it another name, or add replaces = true.")
    if replaces and not there:
        raise DataError(f"{where}: {what} replaces nothing.", "Take replaces out.")


def _sound(problems: Sequence[str], where: str) -> None:
    if problems:
        raise DataError(f"{where}: {problems[0]}", "Correct the figure or its source.")
