"""One node's own suite, as a launcher starts it once on each: ``python -m benchsuite.fleet.nodework FOLDER -- run …``.

It is no rank: it opens no world, and what it starts must not believe to be one. It always exits with 0, for a launcher
ends all nodes when one of them fails; how the run ended is in the node's ``node.json``.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchsuite.errors import Exit
from benchsuite.placing import MACHINE_FILES
from benchsuite.protocol import decode, encode
from benchsuite.store import CAMPAIGN
from benchsuite.world.place import host_name

NODE, LOG, TOLD = "node.json", "node.log", "run.json"
LAUNCHERS = ("PMI", "OMPI_", "PRTE_", "HYDRA_", "HYDI_", "MPI_LOCAL", "MPIEXEC_", "SLURM_", "LSB_", "K_MPI_")
"""How variables begin by which a process is told that it is a rank, and where others are. A run that inherits them
would start its own ranks as if they were these, or on the hosts of its neighbours."""
GOOD = {Exit.DONE, Exit.REJECTED, Exit.INCONCLUSIVE}
"""Exit codes of a run that measured all it could."""
STOPPED = {Exit.INTERRUPTED, Exit.TERMINATED}
"""Those of a run that was ended early and can be gone on with; so can one that left no code at all."""


@dataclass(frozen=True, slots=True)
class Node:
    """How a node's run went. began, ended: seconds since 1970 by the node's own clock; code: its exit code.

    run: the name of its run directory, empty when there is none.
    """

    node: str
    code: int
    began: float
    ended: float
    run: str = ""

    @property
    def complete(self) -> bool:
        """Whether everything was measured, whatever the result."""
        return self.code in GOOD and bool(self.run)


def folder_name(node: str) -> str:
    """The node's name as that of a folder."""
    kept = "".join(one if one.isalnum() or one in "._-" else "_" for one in node)
    return kept.lstrip(".") or "_"


def read(folder: Path) -> Node | None:
    """How the node of this folder ended; nothing while it has not, or when that cannot be read."""
    from benchsuite.errors import DataError

    try:
        return decode((folder / NODE).read_bytes(), Node)
    except (OSError, DataError):
        return None


def newest(folder: Path) -> Path | None:
    """The newest run directory in a node's folder."""
    return max((path.parent for path in folder.glob(f"*/{CAMPAIGN}")), default=None)


def main(arguments: Sequence[str]) -> int:
    """Run the command after ``--`` for this node below the folder before it.

    What was ended early is gone on with; what failed is run again.
    """
    base, dashes, *command = arguments
    if dashes != "--" or not command:
        raise SystemExit("usage: python -m benchsuite.fleet.nodework FOLDER -- run SUITE …")
    node = host_name()
    folder = Path(base) / folder_name(node)
    folder.mkdir(parents=True, exist_ok=True)
    before = read(folder)
    if before is not None and before.complete:
        return 0
    _be_nobodys_rank(node)
    began = time.time()
    begun = newest(folder) if before is None or before.code in STOPPED else None
    code = _run(["resume", str(begun), "--no-report", "--json"], folder) if begun else int(Exit.USAGE)
    if code == Exit.USAGE:  # nothing was begun, or on another machine or with another benchsuite
        code = _run([*command, "--out", str(folder)], folder)
    made = newest(folder)
    whole = folder / f".{NODE}"
    whole.write_bytes(encode(Node(node, code, began, time.time(), made.name if made else "")) + b"\n")
    whole.replace(folder / NODE)
    return 0


def _be_nobodys_rank(node: str) -> None:
    """Forget what launcher and scheduler said, but for the node's name."""
    for name in [name for name in os.environ if name.startswith(LAUNCHERS) or name in MACHINE_FILES]:
        del os.environ[name]
    os.environ["SLURMD_NODENAME"] = node


def _run(words: Sequence[str], folder: Path) -> int:
    """The exit code of the command, run in this process so that it is told of signals itself; its words in files."""
    from benchsuite import cli

    for stream, name in ((sys.stdout, TOLD), (sys.stderr, LOG)):
        with (folder / name).open("wb") as target:
            stream.flush()
            os.dup2(target.fileno(), stream.fileno())
    sys.argv = ["benchsuite", *words]
    try:
        cli.main()
    except SystemExit as stopped:
        return (
            stopped.code if isinstance(stopped.code, int) else int(Exit.DONE if stopped.code is None else Exit.FAILED)
        )
    except Exception:
        traceback.print_exc()
        return int(Exit.FAILED)
    return int(Exit.DONE)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
