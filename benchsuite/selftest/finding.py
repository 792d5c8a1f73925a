"""What a part of the selftest found out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Figure = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Finding:
    """One subject: whether it can be trusted here, what was found in sentences, and the figures behind them."""

    subject: str
    trusted: bool
    told: tuple[str, ...]
    figures: Mapping[str, Figure] = field(default_factory=dict)
