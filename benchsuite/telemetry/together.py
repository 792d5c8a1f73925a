"""Campaigns that belong together name their processes to each other, so that none takes another for a neighbour.

Whoever starts several at once on one host, one for each GPU say, gives them a folder by ``VARIABLE``. Each of them has
a file there, by the number of its controller, to which the numbers of its processes are added.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

VARIABLE = "BENCHSUITE_TOGETHER"
LONGEST = 1 << 16


def tell(pids: Iterable[int]) -> None:
    """These are processes of the campaign that this process controls. Nothing where there is no folder."""
    if folder := os.environ.get(VARIABLE):
        with suppress(OSError), (Path(folder) / str(os.getpid())).open("a") as file:
            file.write("".join(f"{pid}\n" for pid in pids))


def others(controller: int) -> set[int]:
    """The processes of the other campaigns, and their controllers. Nothing where there is no folder."""
    found: set[int] = set()
    folder = os.environ.get(VARIABLE)
    for path in Path(folder).iterdir() if folder and Path(folder).is_dir() else ():
        if path.name.isdigit() and int(path.name) != controller:
            with suppress(OSError), path.open(errors="replace") as file:
                found |= {int(word) for word in (path.name, *file.read(LONGEST).split()) if word.isdigit()}
    return found
