"""What stands around a tool's lines and is none of its output: marks of quoting, times of a log, labels of a launcher.

A launcher, a container's log and an issue tracker each put something in front of every line. It is taken away before a
format is told and read, line for line, so that places keep their numbers.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter

STEERING = re.compile(rb"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]{0,400}(?:\x07|\x1b\\)|[@-Z\\-_])")
"""Sequences by which a program colours or clears a terminal (ECMA-48): CSI, OSC, and the two-byte ones."""
FENCE = re.compile(r"[ >]{0,12}(?:```|~~~)`*[\w+-]{0,20} *")
QUOTE = re.compile(r" {0,3}> ?")
TIME = re.compile(
    r"\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?\]?(?: std(?:out|err) [FP]\b)? ?"
)
LABEL = re.compile(
    r"\[[^\[\]\s]{1,120}\](?:<std(?:out|err)>:?)? ?"  # [0] and [1,0]<stdout>: of MPI, [pod/name/container] of kubectl
    r"| {0,6}\d{1,6}:(?: |$)"  # srun --label
    r"|(?=[\w.-]*[\d-])[A-Za-z][\w.-]{0,63}: (?!\d{1,4}:)"  # pdsh: a host, which has a digit or a hyphen
)
SHARE = 0.5
"""Of the lines with anything in them that must begin alike before it is taken away."""


def decoded(data: bytes) -> bytes:
    """The bytes in UTF-8 without a byte-order mark, which editors add, and without what steered a terminal."""
    for mark, coding in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        if data.startswith(mark):  # what PowerShell's > writes
            data = data.removeprefix(mark).decode(coding, "replace").encode("utf-8", "replace")
    return STEERING.sub(b"", data.removeprefix(codecs.BOM_UTF8))


def without(text: str) -> str:
    """The lines as the tool printed them. Their number does not change."""
    plain = text.replace("\r\n", "\n").replace("\xa0", " ").replace("\t", "    ")
    lines = ["" if FENCE.fullmatch(line) else line for line in plain.split("\n")]
    for _ in range(3):  # each may stand inside another
        before, lines = lines, _unlabelled(_cut(_cut(lines, QUOTE), TIME))
        if lines is before:
            break
    return "\n".join(lines)


def labels(text: str) -> set[str]:
    """The labels of ranks or hosts in front of most lines of a text that ``without`` gave back: those of several."""
    lines = [line for line in text.split("\n") if line.strip()]
    found = [match[0].strip() for line in lines if (match := LABEL.match(line))]
    return set(found) if len(found) > SHARE * len(lines) else set()


def _cut(lines: list[str], pattern: re.Pattern[str]) -> list[str]:
    """The lines without what the pattern matches at their begin, if it does in most of them."""
    ends = [found.end() if (found := pattern.match(line)) else 0 for line in lines]
    filled = sum(bool(line.strip()) for line in lines)
    if sum(map(bool, ends)) <= SHARE * filled:
        return lines
    return [line[end:] for line, end in zip(lines, ends, strict=True)]


def _unlabelled(lines: list[str]) -> list[str]:
    """The lines without their label, if all that have one have the same: with several, ranks must be kept apart."""
    found = Counter(match[0].strip() for line in lines if (match := LABEL.match(line)))
    return _cut(lines, LABEL) if len(found) == 1 else lines
