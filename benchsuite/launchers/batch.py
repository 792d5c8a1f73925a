"""An sbatch script: what is asked of Slurm for a job of benchsuite, and what the job does. Pure."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchsuite.errors import UsageError
from benchsuite.launchers import script

WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.,+@-]{0,127}")
FEATURES = re.compile(r"[A-Za-z0-9_.,:&|*()\[\]!+=@-]{1,255}")
TIME = re.compile(r"\d{1,6}|\d{1,4}(?::\d{2}){1,2}|\d{1,4}-\d{1,2}(?::\d{2}){0,2}")
PATH = re.compile(r"[^\x00-\x1f\x7f\"'\\%]{1,1024}")
"""A folder that can stand on an ``#SBATCH`` line: ``%`` means something there, and quotes do."""
NOTICE = 60
"""Seconds before its end at which a job is told, to end what it measures."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What ``benchsuite launch slurm`` asks for. words: a command of benchsuite with its options (``script.COMMANDS``).

    gpus: of each node; per_node: ranks on each node, 0: one a GPU, or as many as there are cores. out: an absolute
    folder that all nodes see. Empty texts are left to the site's defaults.
    """

    words: tuple[str, ...]
    nodes: int
    out: Path
    gpus: int = 0
    per_node: int = 0
    partition: str = ""
    account: str = ""
    time: str = ""
    qos: str = ""
    constraint: str = ""
    nodelist: str = ""
    exclude: str = ""
    exclusive: bool = True
    name: str = "benchsuite"


def text(batch: Batch, program: tuple[str, ...] = (sys.executable, "-m", "benchsuite")) -> str:
    """The script. Raises ``UsageError`` for a value that cannot stand in it."""
    lines = "\n".join(f"#SBATCH {option}" for option in _options(batch))
    out = f'out={shlex.quote(str(batch.out))}/job-"$SLURM_JOB_ID"'
    return (
        f"#!/bin/bash\n# Written by 'benchsuite launch slurm'.\n{lines}\n\n{out}\n{script.body(program, batch.words)}"
    )


def _options(batch: Batch) -> Iterator[str]:
    """Each option of sbatch, checked."""
    each = batch.per_node or batch.gpus
    yield f"--job-name={_fit('name', batch.name, WORD)}"
    yield f"--nodes={_positive('nodes', batch.nodes)}"
    yield from [f"--ntasks-per-node={each}"] if each else []
    yield from [f"--gpus-per-node={batch.gpus}"] if batch.gpus else []
    yield from ["--exclusive", "--mem=0"] if batch.exclusive else []
    told = (
        ("partition", batch.partition, WORD),
        ("account", batch.account, WORD),
        ("time", batch.time, TIME),
        ("qos", batch.qos, WORD),
        ("constraint", batch.constraint, FEATURES),
        ("nodelist", batch.nodelist, FEATURES),
        ("exclude", batch.exclude, FEATURES),
    )
    yield from (f"--{name}={_fit(name, value, form)}" for name, value, form in told if value)
    yield f'--output="{_fit("out", str(batch.out), PATH)}/slurm-%j.out"'
    yield from ("--open-mode=append", "--requeue", f"--signal=B:TERM@{NOTICE}")


def _fit(name: str, value: str, form: re.Pattern[str]) -> str:
    if not form.fullmatch(value):
        raise UsageError(
            f"--{name} {value[:80]!r} cannot stand in a script of sbatch.", f"See 'man sbatch' for --{name}."
        )
    return value


def _positive(name: str, number: int) -> int:
    if number < 1:
        raise UsageError(f"--{name} must be 1 or more.", "For example --nodes 16.")
    return number
