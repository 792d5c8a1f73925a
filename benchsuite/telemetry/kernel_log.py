"""New XID messages in the kernel log: how the NVIDIA driver reports what went wrong on a GPU."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

_XID = re.compile(r"NVRM: Xid \(PCI:([0-9a-fA-F:.]+)\): (\d+)")
_RECORD = re.compile(r"^\d+,(\d+),\d+,[^;\n]*;(.*)$", re.MULTILINE)
"""Priority, number, time and flags, and the text."""
LONGEST = 1 << 13
"""More than a record of the log can be long (Documentation/ABI/testing/dev-kmsg)."""
MOST = 1 << 18
"""Records that are read at most: far more than a kernel keeps."""


class KernelLog:
    """Counts XIDs of the GPU at ``bus`` from now on. Where the log cannot be read there is no count: not 0."""

    def __init__(self, path: Path, bus: str) -> None:
        self._device = address(bus)
        self._count, self._last, self.reason = 0, 0, ""
        self._descriptor = -1
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            os.lseek(self._descriptor, 0, os.SEEK_END)
        except OSError as error:
            self.reason = f"the kernel log cannot be read: {error.strerror}"

    def read(self, values: dict[str, float], missing: dict[str, str]) -> None:
        """``xids``: how many there were; ``xid_last``: the number of the last one, if there was any."""
        while not self.reason:
            try:
                text = os.read(self._descriptor, LONGEST).decode(errors="replace")
            except BlockingIOError:
                break
            except BrokenPipeError:  # records were overwritten before we read them
                continue
            except OSError as error:
                self.reason = f"the kernel log cannot be read: {error.strerror}"
                break
            if not text:
                break
            for device, number in _XID.findall(text):
                if address(device) == self._device:
                    self._count, self._last = self._count + 1, int(number)
        if self.reason:
            missing["xids"] = self.reason
            return
        values["xids"] = float(self._count)
        if self._last:
            values["xid_last"] = float(self._last)


def address(bus: str) -> str:
    """A PCI address as far as the log tells it: domain without its leading zeros, bus, device."""
    domain, _, rest = bus.lower().partition(":")
    return f"{domain.lstrip('0')}:{rest.partition('.')[0]}"


@dataclass(frozen=True, slots=True)
class History:
    """What the log still holds. first, last: numbers of its oldest and newest record, -1 when it is empty.

    xids: number of the record, address of the GPU, number of the XID. reason: why the log cannot be read.
    """

    first: int = -1
    last: int = -1
    xids: tuple[tuple[int, str, int], ...] = ()
    reason: str = ""


def history(path: Path) -> History:
    """Everything the log holds now, from the oldest record on; ``path`` may be a copy of it for tests."""
    parts: list[bytes] = []
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            while len(parts) < MOST:
                try:
                    part = os.read(descriptor, LONGEST)
                except BlockingIOError:
                    break
                except BrokenPipeError:  # records were overwritten before we read them
                    continue
                if not part:
                    break
                parts.append(part)
        finally:
            os.close(descriptor)
    except OSError as error:
        return History(reason=f"the kernel log cannot be read: {error.strerror}")
    records = _RECORD.findall(b"".join(parts).decode(errors="replace"))
    xids = [(int(at), address(gpu), int(xid)) for at, text in records for gpu, xid in _XID.findall(text)]
    numbers = [int(at) for at, _ in records]
    return History(min(numbers, default=-1), max(numbers, default=-1), tuple(xids))
