"""What was looked at on a GPU's machine, and the description when nothing is missing: one line of JSON."""

from __future__ import annotations

from dataclasses import dataclass

from benchsuite.backends.base import Description


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. ``detail`` is a phrase, or a sentence when it is missing; ``needed`` to run at all."""

    subject: str
    present: bool
    detail: str
    remedy: str = ""
    needed: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """Every check in order, up to the first needed one that failed, and the description when none did."""

    checks: tuple[Check, ...]
    description: Description | None = None

    @property
    def problem(self) -> Check | None:
        """What keeps the GPU from being used."""
        return next((check for check in self.checks if check.needed and not check.present), None)
