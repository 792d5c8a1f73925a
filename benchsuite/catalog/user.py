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
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from benchsuite import reading
from benchsuite.catalog import check
from benchsuite.catalog.hardware import Accelerator, accelerator
from benchsuite.catalog.prices import Price
from benchsuite.catalog.published import Figure, Row, figure
from benchsuite.catalog.rows import nearest, read
from benchsuite.catalog.shipped import Catalog, model, shipped
from benchsuite.errors import DataError

VARIABLE = "BENCHSUITE_CATALOG"
LIMITS = reading.Limits(size=4 << 20)
TABLES = ("gpu", "price", "figure", "model")


def load(files: Sequence[Path] = ()) -> Catalog:
    """The shipped catalogue with the user's files added: those of the configuration folder, of the variable
    ``BENCHSUITE_CATALOG``, then ``files``.

    Raises ``DataError`` naming file and table for what cannot be read, is unknown, contradicts itself or is there twice.
    """
    made = shipped()
    for path in (*configured(), *files):
        made = added(made, path)
    return made


def configured() -> tuple[Path, ...]:
    """The user's files that no command line names: ``$XDG_CONFIG_HOME/benchsuite/catalog/*.toml``, then the variable's."""
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    named = (part for part in os.environ.get(VARIABLE, "").split(os.pathsep) if part)
    return (*sorted((Path(base) / "benchsuite" / "catalog").glob("*.toml")), *map(Path, named))


def added(catalog: Catalog, path: Path) -> Catalog:
    """``catalog`` with the entries of one file. Raises ``DataError``."""
    return _File(path).added_to(catalog)


class _File:
    """One user's file: knows its text, so that a complaint names the line of its table."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.lines = reading.text(path.expanduser(), LIMITS).splitlines()
            self.tables: dict[str, Any] = tomllib.loads("\n".join(self.lines))
        except DataError as error:
            raise DataError(f"The catalogue file {path} cannot be read. {error.message}", error.remedy) from error
        except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
            raise DataError(f"The catalogue file {path} is not valid TOML: {error}.", "Mend that line.") from error
        self.as_of = str(self.tables.pop("as_of", ""))
        if (schema := self.tables.pop("schema", 1)) != 1:
            raise DataError(f"{path} has schema {schema!r}, and only 1 is known.", "Take a newer benchsuite.")
        for name in self.tables:
            if name not in TABLES:
                raise DataError(
                    f"{path}: {name!r} is unknown.", nearest(name, TABLES) or f"Known are {', '.join(TABLES)}."
                )

    def added_to(self, catalog: Catalog) -> Catalog:
        """``catalog`` with what the file says; hardware first, since prices and figures refer to it."""
        accelerators = dict(catalog.accelerators)
        for key, table, where in self._named("gpu"):
            new = self._new(table, key in accelerators, where, f"hardware {key!r}")
            accelerators[key] = accelerator(key, new, where, self.as_of)
            self._sound(check.accelerator(accelerators[key]), where)
        models = dict(catalog.models)
        for key, table, where in self._named("model"):
            new = self._new(table, key in models, where, f"model {key!r}")
            models[key] = model(key, new, where, self.as_of)
            self._sound(check.model(models[key]), where)
        prices = catalog.prices
        for table, where in self._listed("price"):
            prices = self._priced(prices, table, where, accelerators)
        figures = catalog.figures
        for table, where in self._listed("figure"):
            figures = self._published(figures, table, where, accelerators)
        files = (*catalog.files, str(self.path))
        return Catalog(MappingProxyType(accelerators), prices, figures, MappingProxyType(models), files)

    def _priced(
        self, prices: tuple[Price, ...], table: Mapping[str, Any], where: str, hardware: Mapping[str, Accelerator]
    ) -> tuple[Price, ...]:
        one = read(Price, {"as_of": self.as_of, **_without(table)}, where)
        old = [price for price in prices if price.identity == one.identity]
        self._new(table, bool(old), where, f"the price of {one.provider} {one.instance}")
        self._sound(check.price(one, hardware), where)
        return (*(price for price in prices if price not in old), one)

    def _published(
        self, figures: tuple[Figure, ...], table: Mapping[str, Any], where: str, hardware: Mapping[str, Accelerator]
    ) -> tuple[Figure, ...]:
        one = figure(read(Row, {"as_of": self.as_of, **_without(table)}, where), where)
        old = [each for each in figures if each.identity == one.identity]
        self._new(table, bool(old), where, "this very figure")
        self._sound(check.figure(one, hardware), where)
        return (*(each for each in figures if each not in old), one)

    def _new(self, table: Mapping[str, Any], there: bool, where: str, what: str) -> dict[str, Any]:
        """The table without ``replaces``, which must be true where the entry is there already, and only there."""
        replaces = table.get("replaces", False)
        if there and replaces is not True:
            raise DataError(f"{where}: {what} is there already.", "Give it another name, or add replaces = true.")
        if replaces and not there:
            raise DataError(f"{where}: {what} replaces nothing.", "Take replaces out.")
        return _without(table)

    def _sound(self, problems: Sequence[str], where: str) -> None:
        if problems:
            raise DataError(f"{where}: {problems[0]}", "Correct the figure or its source.")

    def _named(self, kind: str) -> Iterator[tuple[str, Mapping[str, Any], str]]:
        tables = self.tables.get(kind, {})
        if not isinstance(tables, dict):
            raise DataError(f"{self.path}: {kind} is no table.", f"Write [{kind}.a_name].")
        for key, table in tables.items():
            where = self._where(rf"\[\s*{kind}\s*\.\s*[\"']?{re.escape(key)}[\"']?\s*\]", f"[{kind}.{key}]", 0)
            if not isinstance(table, dict):
                raise DataError(f"{where}: it is no table.", f"Write [{kind}.{key}].")
            yield reading.identifier(key), table, where

    def _listed(self, kind: str) -> Iterator[tuple[Mapping[str, Any], str]]:
        tables = self.tables.get(kind, [])
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            raise DataError(f"{self.path}: {kind} is no list of tables.", f"Write [[{kind}]].")
        for number, table in enumerate(tables):
            yield table, self._where(rf"\[\[\s*{kind}\s*\]\]", f"[[{kind}]] {number + 1}", number)

    def _where(self, header: str, name: str, number: int) -> str:
        """``machines.toml, line 12, [gpu.mine]``; without the line where the table is written in another form."""
        lines = [i for i, line in enumerate(self.lines, 1) if re.match(rf"\s*{header}", line)]
        return f"{self.path}, line {lines[number]}, {name}" if number < len(lines) else f"{self.path}, {name}"


def _without(table: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in table.items() if name != "replaces"}
