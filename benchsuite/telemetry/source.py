"""A file in which the kernel tells something: kept open, read again and again."""

from __future__ import annotations

import os
from pathlib import Path

LONGEST = 1 << 17


class Source:
    """``reason``: why it cannot be read; empty when it can."""

    def __init__(self, path: Path) -> None:
        self.reason = ""
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            self.text()
        except OSError as error:
            self.reason = error.strerror or "it cannot be read"

    def text(self) -> str:
        """Its content now. Raises ``OSError``."""
        return os.pread(self._descriptor, LONGEST, 0).decode(errors="replace")

    def words(self) -> dict[str, str]:
        """Its lines of the form ``name value``. Raises ``OSError``."""
        pairs = (line.split(maxsplit=1) for line in self.text().splitlines())
        return {pair[0].rstrip(":"): pair[1] for pair in pairs if len(pair) == 2}


def first(paths: list[Path]) -> Source:
    """The first of these files that can be read; the reason of the first one when none can."""
    sources = [Source(path) for path in paths]
    return next((source for source in sources if not source.reason), sources[0])
