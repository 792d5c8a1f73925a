"""The catalogue: what ships with benchsuite, read once.

Four files lie beside this module: ``gpus.toml``, ``prices.csv``, ``figures.csv`` and ``models.toml``.
"""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any

from benchsuite.catalog.hardware import Accelerator, accelerator
from benchsuite.catalog.models import ModelShape
from benchsuite.catalog.prices import Price
from benchsuite.catalog.published import Figure, Row, figure
from benchsuite.catalog.rows import read


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything that is known of hardware, prices, published figures and model shapes.

    accelerators, models: by key; files: the users' files that were added, in order.
    """

    accelerators: Mapping[str, Accelerator]
    prices: tuple[Price, ...]
    figures: tuple[Figure, ...]
    models: Mapping[str, ModelShape]
    files: tuple[str, ...] = ()


@cache
def shipped() -> Catalog:
    """What ships with benchsuite, without anybody's own files."""
    hardware, models = toml("gpus.toml"), toml("models.toml")
    return Catalog(
        accelerators=MappingProxyType(
            {
                key: accelerator(key, table, f"gpus.toml, [gpu.{key}]", hardware["as_of"])
                for key, table in hardware["gpu"].items()
            }
        ),
        prices=tuple(read(Price, row, where, text=True) for where, row in _csv("prices.csv")),
        figures=tuple(figure(read(Row, row, where, text=True), where) for where, row in _csv("figures.csv")),
        models=MappingProxyType(
            {
                key: model(key, table, f"models.toml, [model.{key}]", models["as_of"])
                for key, table in models["model"].items()
            }
        ),
    )


def model(key: str, table: Mapping[str, Any], where: str, as_of: str = "") -> ModelShape:
    """The shape in one table; ``where`` names it in an error. Raises ``DataError``."""
    made = read(ModelShape, table, where)
    return replace(made, key=key, as_of=made.as_of or as_of)


def toml(name: str) -> dict[str, Any]:
    """A shipped TOML file."""
    return tomllib.loads(_text(name))


def _csv(name: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Each row of a shipped CSV file with its place: ``prices.csv, line 2``."""
    reader = csv.DictReader(_text(name).splitlines(), restkey="more columns than the header")
    for row in reader:
        yield f"{name}, line {reader.line_num}", row


def _text(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
