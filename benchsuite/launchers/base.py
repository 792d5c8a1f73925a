"""How ranks start: the contract of a launcher."""

from __future__ import annotations

from typing import Protocol


class Launcher(Protocol):
    """Turns a number of ranks into the tokens that start them. Never a shell string."""

    name: str
    world: str
    """The world its ranks open: a name that ``world.open_world`` knows."""

    def unavailable(self) -> str:
        """Why it cannot start anything here, with the remedy; empty when it can."""

    def tokens(self, ranks: int) -> tuple[str, ...]:
        """What stands before the worker's command."""

    def environment(self, ranks: int) -> dict[str, str]:
        """Variables its ranks need."""
