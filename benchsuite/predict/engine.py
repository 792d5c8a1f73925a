"""The software that serves: what it makes of a machine's ceilings, and what it costs besides.

Every rate is relative to a ceiling (``Ceilings``), so the same engine holds on a machine whose ceilings were measured
and on one that only a datasheet describes.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib import resources
from typing import Any

from benchsuite.errors import DataError

FILE = "engine.toml"
"""Fitted parameters and the calibration of intervals: written by ``scripts/fit-forecast``, by nobody's hand."""


@dataclass(frozen=True, slots=True)
class Engine:
    """Parameters of serving software. Times in seconds, memory in bytes, everything else without unit.

    gemm, bandwidth, link: shares of the ceilings of large products, of reading memory, and of the link. attention:
    prefill attention's share of the 16-bit product ceiling. rows: rows that each product is padded by on average;
    wave: share of one wave of tiles that each product wastes; tile: seconds in which a processor that begins or ends
    a tile multiplies nothing. traffic: how often activations pass through memory, in units of ``step.activations``.
    reserve: memory of each device that holds neither weights nor cache; kept: the share of the rest that the cache
    gets. reduce: seconds of one round of messages that joins devices, beyond its bytes; layer: of each layer of a step;
    sequence: of each sequence in a step, on the host. launches: kernel launches of a layer that are waited for, where
    their time was measured. cap: most sequences decoded at once.
    """

    name: str
    gemm: float = 1.0
    bandwidth: float = 1.0
    link: float = 1.0
    attention: float = 1.0
    rows: float = 0.0
    wave: float = 0.0
    tile: float = 0.0
    traffic: float = 1.0
    reserve: float = 0.0
    kept: float = 1.0
    reduce: float = 0.0
    layer: float = 0.0
    sequence: float = 0.0
    launches: float = 0.0
    cap: int = 4096


BARE = Engine("bare")
"""Kernels one after another as they were measured: nothing is lost between them, nothing reserved."""


def engine(table: Mapping[str, Any]) -> Engine:
    """The engine in a table of the data file. Raises ``DataError`` for a parameter that is unknown."""
    known = {item.name for item in fields(Engine)}
    if strange := sorted(set(table) - known):
        raise DataError(f"The engine has no parameter {strange[0]!r}.", f"Known are {', '.join(sorted(known))}.")
    return Engine(**table)


@cache
def data() -> Mapping[str, Any]:
    """The shipped data file."""
    return tomllib.loads(resources.files(__package__).joinpath(FILE).read_text(encoding="utf-8"))


FITTED = engine(data()["engine"])
"""Published serving engines: fitted to published results (docs/forecast-residuals.md)."""
