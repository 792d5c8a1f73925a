"""Brings the run directories of all nodes to the first one, where no file system is shared: over the world, once.

Started by a launcher, one rank a node, as ``python -m benchsuite.fleet.gathering WORLD RANKS FOLDER``. A node's folder
travels as one archive. What is already there is left as it is.
"""

from __future__ import annotations

import io
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchsuite.errors import BenchsuiteError, MeasureError
from benchsuite.fleet import nodework
from benchsuite.model import World

MOST = 512 << 20
"""Bytes of one node's archive, and of what it unpacks to: far more than a suite's records take."""
LEFT_OUT = {"attempts", ".lock"}
"""What only its own node needs."""


def main(arguments: Sequence[str]) -> int:
    """Gather into FOLDER on rank 0. The exit code is that of the error, if there was one."""
    from benchsuite.world import open_world

    name, ranks, folder = arguments
    try:
        gather(open_world(name, int(ranks)), Path(folder))
    except BenchsuiteError as error:
        print(error, file=sys.stderr)
        return int(error.exit_code)
    return 0


def gather(world: World, base: Path) -> list[str]:
    """Rank 0 gets the folder of every rank's node that it does not have; their names, on rank 0.

    Raises ``MeasureError`` when an archive is too large.
    """
    own = nodework.folder_name(world.host)
    here = {path.name for path in base.glob("*") if (path / nodework.NODE).is_file()} if world.rank == 0 else set()
    there: set[str] = world.share(here)[0]
    packed = pack(base / own) if world.rank and own not in there and (base / own).is_dir() else b""
    sizes = world.share((own, len(packed)))
    if too_large := [name for name, size in sizes if size > MOST]:
        raise MeasureError(f"The records of {too_large[0]} are too large to be gathered.", "Share a file system.")
    brought = []
    for rank, (name, size) in enumerate(sizes):
        if not size:
            continue
        if world.rank == rank:
            world.send(np.frombuffer(packed, np.uint8).copy(), 0)
        elif world.rank == 0:
            buffer = np.zeros(size, np.uint8)
            world.receive(buffer, rank)
            unpack(buffer.tobytes(), base / name)
            brought.append(name)
    world.barrier()
    return brought


def pack(folder: Path) -> bytes:
    """The files of a node's folder as an archive."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for path in sorted(folder.rglob("*")):
            inside = path.relative_to(folder)
            if path.is_file() and not path.is_symlink() and not LEFT_OUT & set(inside.parts):
                archive.add(path, arcname=str(inside), recursive=False)
    return stream.getvalue()


def unpack(data: bytes, folder: Path) -> None:
    """Write an archive's files below ``folder`` and nowhere else. Raises ``MeasureError`` for one that would not."""
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
            members = [one for one in archive if one.isfile()]
            if sum(one.size for one in members) > MOST:
                raise MeasureError("The records of a node are too large to be unpacked.", "Share a file system.")
            archive.extractall(folder, members=members, filter="data")
    except (tarfile.TarError, OSError, EOFError) as error:
        raise MeasureError(f"The records of {folder.name} could not be unpacked: {error}.", "Gather again.") from error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
