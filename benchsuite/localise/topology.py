"""On which leaf switch each node hangs, from Slurm's topology.conf or from a file of one line a switch.

Slurm (topology/tree):  ``SwitchName=leaf1 Nodes=node[01-16],gpu3``; switches above the leaves are let pass.
Simple:                 ``leaf1: node01 node02``.  Empty lines and what follows ``#`` mean nothing.

A file that is not understood in full is refused: half a topology would blame hosts for their switch.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from benchsuite import reading
from benchsuite.errors import DataError

LIMITS = reading.Limits(size=4 << 20, line=1 << 20)
MOST_NODES = 100_000
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}")
RANGE = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?")
SIMPLE = re.compile(r"([^\s:=]+)\s*:\s*(.*)")
UPPER = {"linkspeed"}


def read(path: Path) -> dict[str, str]:
    """The leaf switch of every node that the file names. Raises ``DataError``, with the line, for what is wrong."""
    found: dict[str, str] = {}
    switches: set[str] = set()
    for number, line in _lines(reading.text(path, LIMITS)):
        try:
            switch, nodes = _slurm(line) if "=" in line else _simple(line)
            if switch in switches:
                raise DataError(f"switch {switch} stands twice")
            switches.add(switch)
            for node in nodes:
                if node in found:
                    raise DataError(f"{node} hangs on {found[node]} already")
                found[node] = switch
            if len(found) > MOST_NODES:
                raise DataError(f"it names more than {MOST_NODES} nodes")
        except DataError as error:
            raise DataError(
                f"Line {number} of {path.name}: {error.message}.",
                "Write 'SwitchName=leaf Nodes=node[1-4]' as in Slurm's topology.conf, or 'leaf: node1 node2'.",
            ) from error
    if not found:
        raise DataError(f"{path.name} names no node.", "Write one line for each leaf switch: 'leaf: node1 node2'.")
    return found


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines that say something, with the number of their first; a backslash continues one, as Slurm has it."""
    held, begun = "", 0
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.split("#", 1)[0].rstrip()
        begun = begun or number
        if line.endswith("\\"):
            held += line[:-1] + " "
            continue
        if whole := (held + line).strip():
            yield begun, whole
        held, begun = "", 0
    if held.strip():
        yield begun, held.strip()


def _slurm(line: str) -> tuple[str, list[str]]:
    """The name of a switch, and the nodes that hang on it; none of one that has switches below it."""
    words: dict[str, str] = {}
    for word in line.split():
        key, equals, value = word.partition("=")
        if not equals or not value or key.lower() in words:
            raise DataError(f"{word[:80]!r} is not understood")
        words[key.lower()] = value
    unknown = set(words) - {"switchname", "nodes", "switches"} - UPPER
    if unknown:
        raise DataError(f"{sorted(unknown)[0][:80]!r} is not known")
    if "switchname" not in words or ("nodes" in words) == ("switches" in words):
        raise DataError("it needs SwitchName and either Nodes or Switches")
    return _name(words["switchname"]), list(expanded(words["nodes"])) if "nodes" in words else []


def _simple(line: str) -> tuple[str, list[str]]:
    """The name of a leaf and its nodes."""
    if not (found := SIMPLE.fullmatch(line)) or not found[2]:
        raise DataError(f"{line[:80]!r} is not understood")
    return _name(found[1]), [node for word in found[2].replace(",", " ").split() for node in expanded(word)]


def expanded(text: str) -> Iterator[str]:
    """The names in a host list of Slurm: ``node[01-03,7],gpu1`` is node01, node02, node03, node7, gpu1."""
    for item in re.split(r",(?![^\[]*\])", text):
        head, bracket, rest = item.partition("[")
        if not bracket:
            yield _name(item)
            continue
        inner, closed, end = rest.partition("]")
        if not closed or "[" in end:
            raise DataError(f"{item[:80]!r} is not a list of hosts")
        for one in inner.split(","):
            if not (found := RANGE.fullmatch(one)):
                raise DataError(f"{one[:80]!r} is not a range of numbers")
            first, last = found[1], found[2] or found[1]
            if not 0 <= int(last) - int(first) < MOST_NODES:
                raise DataError(f"{one!r} is not a range of numbers")
            yield from (_name(f"{head}{number:0{len(first)}d}{end}") for number in range(int(first), int(last) + 1))


def _name(text: str) -> str:
    if not NAME.fullmatch(text):
        raise DataError(f"{text[:80]!r} is not a name")
    return text
