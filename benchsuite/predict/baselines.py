"""What a forecast must beat: the roofline with two parameters.

A step takes the longer of its arithmetic at one share of the ceiling of products and of its bytes at one share of the
ceiling of bandwidth (Williams, Waterman and Patterson, Commun. ACM 52, 2009). It has the same ceilings, memory and
batches as the forecast and the link at its full rate: what it lacks is what the forecast adds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from benchsuite.predict.engine import Engine
from benchsuite.predict.fit import Cell, Prior, Table, fit

PRIORS: Mapping[str, Prior] = MappingProxyType(
    {
        "gemm": Prior(0.8, 1.0, "share of the ceiling of products"),
        "bandwidth": Prior(0.8, 1.0, "share of the ceiling of bandwidth"),
    }
)

ROOFLINE = Engine("roofline", gemm=0.8, bandwidth=0.8, attention=0.75, traffic=1.0, reserve=4e9, kept=0.95)


def plain(known: Table) -> Table:
    """The table without processors: no tiles, no waves."""
    ceilings = {key: replace(one, processors=0) for key, one in known.ceilings.items()}
    return Table(MappingProxyType(ceilings), known.catalog)


def roofline(chosen: Sequence[Cell], flat: Table) -> Engine:
    """Both shares, fitted to the cells as the forecast's parameters are."""
    return fit(chosen, flat, ROOFLINE, PRIORS)
