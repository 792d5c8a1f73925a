"""What executes on a rank: open one by name, or ask what it offers here."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from benchsuite.errors import UsageError

if TYPE_CHECKING:
    from benchsuite.backends.base import Backend, Description

NAMES = ("host", "cuda", "fake")


def open_backend(name: str, threads: int | None = None) -> Backend:
    """The backend called ``name``; ``UsageError`` for an unknown one.

    A backend imports its libraries when it is opened, not before.
    """
    match name:
        case "host":
            from benchsuite.backends.host.backend import HostBackend

            return HostBackend(threads)
        case "cuda":
            from benchsuite.backends.cuda.backend import CudaBackend

            return CudaBackend()
        case "fake":
            from benchsuite.backends.fake import FakeBackend

            return FakeBackend()
        case _:
            raise UsageError(f"There is no backend called {name!r}.", f"Choose one of {', '.join(NAMES)}.")


def claim(local_rank: int | None = None, backend: str = "cuda") -> None:
    """Choose this rank's GPU, if ``backend`` uses one: before the world is opened, and again when that is known."""
    from benchsuite.backends.cuda import devices

    if backend == "cuda":
        devices.claim(os.environ, local_rank)


def describe(name: str, device: int | None = None) -> Description:
    """What the backend called ``name`` offers here; of several GPUs, number ``device``.

    Nothing of CUDA is imported into this process. Raises ``UnavailableError`` with what is missing and how to
    get it, ``UsageError`` for an unknown name.
    """
    from benchsuite.backends.base import Description

    if name == "cuda":
        from benchsuite.backends.cuda.describe import describe as describe_gpu

        return describe_gpu(device)
    if device is not None:
        raise UsageError(f"--device chooses a GPU, and the backend {name!r} uses none.", "Choose --backend cuda.")
    opened = open_backend(name)
    return Description(opened.capabilities(), opened.cache_bytes(), opened.memory_bytes())
