"""What executes on a rank: open one by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchsuite.errors import UsageError

if TYPE_CHECKING:
    from benchsuite.backends.base import Backend

NAMES = ("host", "fake")


def open_backend(name: str, threads: int | None = None) -> Backend:
    """The backend called ``name``; ``UsageError`` for an unknown one.

    A backend imports its libraries when it is opened, not before.
    """
    match name:
        case "host":
            from benchsuite.backends.host.backend import HostBackend

            return HostBackend(threads)
        case "fake":
            from benchsuite.backends.fake import FakeBackend

            return FakeBackend()
        case _:
            raise UsageError(f"There is no backend called {name!r}.", f"Choose one of {', '.join(NAMES)}.")
