"""What CuPy raises, as sentences with a remedy: out of memory, an error of one call, a device that is lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from benchsuite.errors import DeviceLostError, MeasureError
from benchsuite.units import size


class Faults:
    """Explains the exceptions of one ``cupy`` module."""

    def __init__(self, cupy: Any) -> None:
        self._cupy = cupy
        cuda = cupy.cuda
        self.kinds: tuple[type[Exception], ...] = (
            cuda.runtime.CUDARuntimeError,
            cuda.driver.CUDADriverError,
            cuda.memory.OutOfMemoryError,
        )

    @contextmanager
    def explained(self, doing: str) -> Iterator[None]:
        """Within it, an error of CUDA becomes a ``MeasureError``: "The GPU could not <doing>: …"."""
        try:
            yield
        except self.kinds as error:
            self.explain(error, doing)

    def explain(self, error: Exception, doing: str) -> NoReturn:
        """Raise the sentence: ``DeviceLostError`` when the error stays, as after a stray address."""
        if self._lost():
            raise DeviceLostError(
                f"The GPU was lost (could not {doing}: {_text(error)}).",
                "If it was not the kernel, see dmesg for Xid messages and nvidia-smi -q for memory errors.",
            ) from error
        raise MeasureError(f"The GPU could not {doing}: {_text(error)}.") from error

    @contextmanager
    def room(self, nbytes: int, free: int, where: str) -> Iterator[None]:
        """Within it, ``nbytes`` are allocated ``where``, of which ``free`` were free on the device before."""
        try:
            yield
        except self.kinds as error:
            if "ut of memory" not in str(error) and "emoryAllocation" not in str(error):
                self.explain(error, f"allocate {size(nbytes)}")
            raise MeasureError(
                f"{size(nbytes)} ({nbytes} B) of {where} memory could not be allocated; "
                f"{size(free)} ({free} B) of device memory are free.",
                "Choose a smaller case, or end other programs that use this GPU (nvidia-smi lists them).",
            ) from error

    def _lost(self) -> bool:
        """Whether the device answers every call with an error by now: errors of one call do not come back.

        While a graph is captured nothing may wait for the device, which is no loss.
        """
        try:
            self._cupy.cuda.runtime.deviceSynchronize()
        except self.kinds as error:
            return "StreamCapture" not in str(error)
        return False


def _text(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")
