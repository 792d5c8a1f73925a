"""A launcher for tests: starts what it is told to on so many nodes of this host, each a machine of ``accept_double``.

NODES says in JSON how fast each is compared with what was agreed; one that is ``null`` is down: nothing starts there.
"""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

NODES = "ACCEPT_NODES"


@dataclass(frozen=True)
class OnNodes:
    """The launcher."""

    name: str = "double"
    world: str = "solo"

    def unavailable(self) -> str:
        """It can."""
        return ""

    def tokens(self, ranks: int) -> tuple[str, ...]:
        """This file, with the number of nodes."""
        return (sys.executable, str(Path(__file__).resolve()), str(ranks))

    def environment(self, ranks: int) -> dict[str, str]:
        """Where the modules of the tests are."""
        return {"PYTHONPATH": str(Path(__file__).resolve().parents[1])}


def main(words: Sequence[str]) -> int:
    speeds = json.loads(os.environ[NODES])
    if words[0] == "--as":
        return _as_node(words[1], speeds[words[1]], words[2:])
    module = words[3]
    if module != "benchsuite.fleet.nodework":
        return 0  # all nodes share this file system
    started = [
        subprocess.Popen(
            [sys.executable, __file__, "--as", node, *words[1:]], env={**os.environ, "SLURMD_NODENAME": node}
        )
        for node, speed in list(speeds.items())[: int(words[0])]
        if speed is not None
    ]
    return max(process.wait() for process in started)


def _as_node(name: str, speed: float, words: Sequence[str]) -> int:
    from benchsuite.accept import node
    from tests import accept_double as double

    machine = double.Machine(lambda part, benchmark, run: speed * (1.0 + (0.001 if run % 2 else -0.001)))
    node.work = double.on(machine, name)
    sys.argv = [words[2], *words[3:]]
    runpy.run_module(words[2], run_name="__main__")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
