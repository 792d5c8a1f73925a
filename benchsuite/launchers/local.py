"""One rank, started directly."""

from __future__ import annotations


class LocalLauncher:
    """Starts the worker as it is."""

    name = "local"
    world = "solo"

    def unavailable(self) -> str:
        """Always available."""
        return ""

    def tokens(self, ranks: int) -> tuple[str, ...]:
        """Nothing before the worker's command."""
        if ranks != 1:
            raise ValueError(f"the local launcher starts one rank, not {ranks}")
        return ()

    def environment(self, ranks: int) -> dict[str, str]:
        """No variables."""
        return {}
