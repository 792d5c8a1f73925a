"""``hooks``: what schedulers and monitors are told of an acceptance, printed, or done when that is asked for.

The verdict is derived again from the bundle's raw files: what somebody wrote into ``verdict.json`` drains no node.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchsuite import hooks
from benchsuite.accept import deriving, layout
from benchsuite.commands import bundle as verifying
from benchsuite.commands.bundle import State
from benchsuite.errors import Exit, MeasureError, UnavailableError, UsageError
from benchsuite.hooks import Command
from benchsuite.keys import Trust
from benchsuite.model import FleetVerdict
from benchsuite.reading import printable
from benchsuite.scan import ledger

SECONDS = 60
"""How long one command may take."""


def run(name: str, asked: Sequence[str], prometheus: Path | None, out: Path, *, apply: bool, as_json: bool) -> int:
    """Print the one thing that was asked for, or do it. Returns the exit code.

    Raises ``UsageError`` unless exactly one was asked for, and ``MeasureError`` when not all could be done.
    """
    wanted = [*asked, *(["prometheus"] if prometheus else [])]
    if len(wanted) != 1:
        raise UsageError(
            f"Asked for: {', '.join(wanted) or 'nothing'}.",
            "Choose one of --slurm, --kubernetes, --nhc, --prometheus FILE.",
        )
    if apply and wanted == ["nhc"]:
        raise UsageError("Nobody's nhc.conf is edited here.", "Append the lines to it yourself.")
    path = layout.find(name, out)
    if not (path / layout.VERDICT).is_file():
        raise UsageError(
            f"The acceptance {path.name} has not ended yet.",
            f"Go on with it: benchsuite accept --resume {shlex.quote(str(path))}",
        )
    judged = deriving.judged(path)
    if apply:
        _intact(path)
    accused = _accused(path, judged.verdict)
    match wanted[0]:
        case "nhc":
            return _said(hooks.health_check(judged.verdict, accused), as_json=as_json)
        case "prometheus":
            text = hooks.prometheus(judged.verdict, judged.made.started, accused)
            target = prometheus or Path()
            if not apply:
                print(f"Nothing is written: --apply writes {printable(str(target))}.", file=sys.stderr)
            return _written(text, target, as_json=as_json) if apply else _said(text, as_json=as_json)
        case _:
            fleet, started = judged.verdict, judged.made.started
            slurm = wanted[0] == "slurm"
            commands = hooks.slurm(fleet, accused) if slurm else hooks.kubernetes(fleet, started, accused)
            if not commands:
                print(f"No node is to be blamed. {printable(fleet.reason)}", file=sys.stderr)
            return _applied(commands, as_json=as_json) if apply else _printed(commands, as_json=as_json)


def _intact(path: Path) -> None:
    """Raises ``UsageError`` unless the verdict follows from files that are as they were sealed."""
    found = verifying.check(path, Trust())
    if found.state in {State.BAD, State.UNKNOWN}:
        why = found.problems[0] if found.problems else found.state.value
        raise UsageError(f"{path.name} cannot be relied on: {why}", "Nothing was done. See 'benchsuite verify'.")


def _accused(path: Path, fleet: FleetVerdict) -> Mapping[str, str]:
    """The nodes that the scan between them accuses."""
    run = deriving.newest_scan(path)
    if run is None or not fleet.findings:
        return {}
    return hooks.accused_nodes(fleet.findings, ledger.load(run)[0].units)


def _said(text: str, *, as_json: bool) -> int:
    print(json.dumps({"text": text}) if as_json else text, end="\n" if as_json else "")
    return int(Exit.DONE)


def _printed(commands: Sequence[Command], *, as_json: bool) -> int:
    if as_json:
        print(json.dumps({"commands": [{"node": one.node, "words": one.words} for one in commands], "applied": False}))
        return int(Exit.DONE)
    for one in commands:
        print(shlex.join(one.words))
    return int(Exit.DONE)


def _applied(commands: Sequence[Command], *, as_json: bool) -> int:
    """Run all of them; one that fails stops no other. Raises ``MeasureError`` when any failed."""
    program = _program(commands)
    failed = {}
    for one in commands:
        if reason := _done(program, one):
            failed[shlex.join(one.words[:4])] = reason
    if as_json:
        told = [{"node": one.node, "words": one.words} for one in commands]
        print(json.dumps({"commands": told, "applied": True, "failed": failed}))
    else:
        print(f"{len(commands) - len(failed)} of {len(commands)} commands done.")
    if failed:
        first, reason = next(iter(failed.items()))
        raise MeasureError(
            f"{len(failed)} of {len(commands)} commands failed; {first}: {reason.rstrip('.')}.",
            "Mend that, and repeat it.",
        )
    return int(Exit.DONE)


def _program(commands: Sequence[Command]) -> str:
    """Where the program is that they all begin with. Raises ``UnavailableError``."""
    if not commands:
        return ""
    name = commands[0].words[0]
    found = shutil.which(name)
    if found is None:
        raise UnavailableError(
            f"There is no {name} on PATH.", "Run it where the cluster is managed, or leave out --apply."
        )
    return found


def _done(program: str, command: Command) -> str:
    """Why it failed; empty when it did not."""
    try:
        done = subprocess.run(
            [program, *command.words[1:]],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired:
        return f"it did not end within {SECONDS} s"
    except OSError as error:
        return f"it could not be started: {error.strerror}"
    said = printable((done.stderr or done.stdout).strip())[:300]
    return (said or f"exit code {done.returncode}") if done.returncode else ""


def _written(text: str, target: Path, *, as_json: bool) -> int:
    """Write the metrics whole or not at all: a collector may read at any moment. Raises ``UsageError``."""
    if target.suffix != ".prom":
        raise UsageError(f"{target} does not end in .prom.", "The textfile collector reads no other file.")
    beside = target.with_name(f".{target.name}.new")
    try:
        beside.write_text(text, encoding="utf-8")
        os.replace(beside, target)
    except OSError as error:
        raise UsageError(f"{target} cannot be written: {error.strerror}.", "Choose another file.") from error
    print(json.dumps({"written": str(target)}) if as_json else f"Written: {printable(str(target))}")
    return int(Exit.DONE)
