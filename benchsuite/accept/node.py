"""One node of an acceptance: what a launcher starts on each, and how the contract gets there.

``benchsuite accept --part-of BUNDLE`` does this node's part below ``BUNDLE/nodes``; ``fleet.nodework`` starts it on
every node. Before that ``python -m benchsuite.accept.node WORLD RANKS BUNDLE``, one rank a node, gives each node the
contract and what is set out to do, where no file system is shared.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from benchsuite import identity, reading
from benchsuite.accept import deriving, layout
from benchsuite.accept.layout import Made
from benchsuite.accept.stages import Watcher, Work
from benchsuite.errors import BenchsuiteError, UsageError
from benchsuite.fleet.nodework import folder_name
from benchsuite.interrupt import Stop
from benchsuite.journal import replace_file
from benchsuite.model import World
from benchsuite.world.place import host_name

GIVEN = (layout.ACCEPTANCE, layout.CONTRACT, layout.JOURNAL)


def here() -> str:
    """This node's name, as that of its folder."""
    return folder_name(host_name())


def work(path: Path, watcher: Watcher, stop: Stop) -> None:
    """Do this node's part of the newest attempt. Raises what ends it early."""
    made = layout.read(path)
    same_code(made)
    contract, node = deriving.contract_of(path, made), here()
    if deriving.tested(contract, node, made.attempt):
        folder = layout.attempt_folder(path, node, made.attempt.number)
        Work(folder, made, made.attempt, contract, node, watcher, stop).run()


def same_code(made: Made) -> None:
    """Refuse to mix what two programs measured. Raises ``UsageError``."""
    if made.code != identity.code():
        raise UsageError(
            "This acceptance was begun with another benchsuite (code, kernels or benchmarks).",
            "Go on with that one, or begin a new acceptance.",
        )


def give(world: World, path: Path) -> None:
    """Every rank gets the files that rank 0 has and it has not."""
    own = {name: reading.content(path / name) for name in GIVEN} if world.rank == 0 else {}
    given: dict[str, bytes] = world.share(own)[0]
    for name in GIVEN:
        if (path / name).exists() and (path / name).read_bytes() == given[name]:
            continue
        path.mkdir(parents=True, exist_ok=True)
        replace_file(path / name, given[name])
    world.barrier()


def main(arguments: Sequence[str]) -> int:
    """Give the files. The exit code is that of the error, if there was one."""
    from benchsuite.world import open_world

    name, ranks, path = arguments
    try:
        give(open_world(name, int(ranks)), Path(path))
    except BenchsuiteError as error:
        print(error, file=sys.stderr)
        return int(error.exit_code)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
