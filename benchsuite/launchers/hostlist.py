"""Names of hosts as schedulers and machine files write them: ``node[01-03,7]``, one a line, with slots behind."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

from benchsuite.errors import UsageError

MOST = 100_000
"""More names than this are a mistake, or meant to fill the memory."""
NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9])?|::1|[0-9a-fA-F:]{3,39}")
"""A name of a host or an address. Nothing that an option, a shell or a manifest could take for something else."""
SLOTS = re.compile(r"(?:slots|max_slots|max-slots)=(\d+)")
NUMBER = re.compile(r"\d{1,18}")


@dataclass(frozen=True, slots=True)
class Machine:
    """A host of a machine file and how many ranks it may take; 0 where the file does not say."""

    host: str
    slots: int = 0


def checked(host: str) -> str:
    """``host`` if it can be the name of one; else ``UsageError``."""
    if not NAME.fullmatch(host):
        raise UsageError(f"{host[:80]!r} is not the name of a host.", "Names hold a-z, 0-9, '.', '_' and '-'.")
    return host


def expand(text: str) -> tuple[str, ...]:
    """The hosts of a list as Slurm writes it, in its order: ``a,rack[1-2]n[01-03,7]``; zeros in front are kept.

    Raises ``UsageError`` when it is not such a list, or of more than ``MOST`` hosts.
    """
    found: list[str] = []
    for word in _words(text):
        parts = [_part(part) for part in re.split(r"(\[[^\[\]]*\])", word) if part]
        size = 1
        for part in parts:
            size *= len(part)
        if len(found) + size > MOST:
            raise UsageError(f"The list names more than {MOST} hosts.", "Check its ranges.")
        found += (checked("".join(chosen)) for chosen in itertools.product(*parts))
    return tuple(found)


def machines(text: str) -> tuple[Machine, ...]:
    """The hosts of a machine file: a line each as Open MPI (``host slots=4``), MPICH (``host:4``) or a scheduler
    (a host's name once for each of its ranks) write it; ``#`` begins a comment. Raises ``UsageError``.
    """
    slots: dict[str, int] = {}
    times: dict[str, int] = {}
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if not words:
            continue
        host, colon, number = words[0].rpartition(":")
        if not colon or ":" in host or not number.isdigit():
            host, number = words[0], ""
        said = number or next((found[1] for word in words[1:] if (found := SLOTS.fullmatch(word))), "")
        for name in expand(host):
            slots[name] = slots.get(name, 0) + (int(said) if NUMBER.fullmatch(said) else 0)
            times[name] = times.get(name, 0) + 1
        if len(times) > MOST:
            raise UsageError(f"The file names more than {MOST} hosts.", "Check it.")
    return tuple(Machine(name, slots[name] or (count if count > 1 else 0)) for name, count in times.items())


def _words(text: str) -> Iterator[str]:
    """The list's members: commas and spaces between them, but not within brackets."""
    depth, word = 0, ""
    for one in text:
        depth += (one == "[") - (one == "]")
        if depth not in {0, 1}:
            break
        if depth == 0 and one in ", \t\n":
            if word:
                yield word
            word = ""
        else:
            word += one
    if depth != 0:
        raise UsageError(f"The brackets of {text[:80]!r} do not match.", "For example: node[01-16],login.")
    if word:
        yield word


def _part(text: str) -> list[str]:
    """What stands for one piece of a name: itself, or each number of its brackets."""
    if not text.startswith("["):
        return [text]
    found: list[str] = []
    for item in text[1:-1].split(","):
        first, dash, last = item.partition("-")
        last = last if dash else first
        ordered = NUMBER.fullmatch(first) and NUMBER.fullmatch(last) and int(first) <= int(last)
        if not ordered or int(last) - int(first) >= MOST:
            raise UsageError(f"{item[:40]!r} is not a range of numbers.", "For example: node[01-16,20].")
        found += (f"{number:0{len(first)}d}" for number in range(int(first), int(last) + 1))
        if len(found) > MOST:
            raise UsageError(f"The list names more than {MOST} hosts.", "Check its ranges.")
    return found
