"""``launch``: a job for Slurm or Kubernetes, or ranks over ssh, that runs another command."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from benchsuite import discovery, placing, store
from benchsuite import suite as suites
from benchsuite.errors import Exit, UnavailableError, UsageError
from benchsuite.launchers import batch, manifest, script
from benchsuite.launchers.mpi import MpiLauncher, per_node
from benchsuite.placing import Placing
from benchsuite.reading import printable

OURS = ("out", "launcher", "hosts", "nodes", "per_node", "resume", "wait")
"""Options of a command that the job decides, by the names they have there."""


def checked(words: Sequence[str], *, here: bool = True) -> tuple[str, ...]:
    """The command and its options, known to be ones before a job waits for hours to find out. Raises ``UsageError``.

    here: its suite is read where it will run; else a suite's file need not be on this host.
    """
    import typer

    from benchsuite.cli.app import app

    asked = tuple(words) if words[0] in script.COMMANDS else ("run", *words)
    commands: dict[str, Any] = vars(typer.main.get_command(app))["commands"]
    context = commands[asked[0]].make_context(f"benchsuite {asked[0]}", list(asked[1:]))
    sources = {name: context.get_parameter_source(name) for name in OURS}
    taken = [name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"]
    if taken:
        option = "--" + taken[0].replace("_", "-")
        raise UsageError(f"{option} is an option of the job here.", f"Write {option} before --.")
    suite = context.params.get("suite", "")
    if suite and (here or not suite.endswith(".toml")):
        suites.load(suite, discovery.discover())
    return asked


def slurm(asked: batch.Batch, *, wait: bool, dry_run: bool, as_json: bool) -> int:
    """Print the script, or submit it; with ``wait`` the exit code is that of the job."""
    made = batch.text(asked)
    if dry_run:
        print(json.dumps({"script": made}) if as_json else made, end="\n" if as_json else "")
        return int(Exit.DONE)
    store.prepare_folder(asked.out)
    command = ["sbatch", "--parsable", *(["--wait"] if wait else [])]
    try:
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            said = _submitted(process, made)
            if said:
                job = said.partition(";")[0]
                told = {"job": job, "out": str(asked.out / f"job-{job}"), "log": str(asked.out / f"slurm-{job}.out")}
                print(json.dumps(told) if as_json else _told(told), flush=True)
            code = process.wait()
    except FileNotFoundError as error:
        raise UnavailableError("There is no sbatch here.", "Log in to the cluster, or see --dry-run.") from error
    if not said:
        raise UnavailableError("Slurm did not take the job.", "Its own words are above; --dry-run shows the script.")
    return code


def _submitted(process: subprocess.Popen[str], text: str) -> str:
    """Hand the script over; the job's number as sbatch prints it, at once and not only at the job's end."""
    if process.stdin is None or process.stdout is None:
        return ""
    process.stdin.write(text)
    process.stdin.close()
    return process.stdout.readline().strip()


def _told(job: dict[str, str]) -> str:
    return f"Job {job['job']} is submitted. It says what it does in {job['log']}, and its results go to {job['out']}."


def kubernetes(asked: manifest.Pods, output: Path | None, *, as_json: bool) -> int:
    """Print or write the manifest; what a person should know of it goes to standard error."""
    made = manifest.document(asked)
    text = json.dumps(made, indent=2) + "\n" if as_json else manifest.yaml(made)
    if not manifest.pinned(asked.image):
        print(
            "benchsuite: the image has no digest, so it may be another one tomorrow: name it with @sha256:…",
            file=sys.stderr,
        )
    if not asked.claim:
        print("benchsuite: without --pvc the results end with the pod; only its log stays.", file=sys.stderr)
    if output is None:
        print(text, end="")
        return int(Exit.DONE)
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{output} cannot be written: {error.strerror}.", "Choose another file.") from error
    return int(Exit.DONE)


def ssh(words: Sequence[str], where: Placing, out: Path, *, dry_run: bool, as_json: bool) -> int:
    """Become the command on the hosts; or print what starts its ranks."""
    layout = placing.layout(where)[1]
    command = [*words, *_placed(where), "--out", str(out)]
    if not dry_run:
        _become([sys.executable, "-m", "benchsuite", *command, *(["--json"] if as_json else [])])
    ranks = per_node(0, layout) or 1
    tokens = MpiLauncher(layout=layout).tokens(ranks * layout.nodes)
    told = {"command": ["benchsuite", *command], "launcher": list(tokens), "hosts": list(layout.hosts)}
    shown = f"{shlex.join(told['command'])}\nstarts its ranks with\n{shlex.join(tokens)}"
    print(json.dumps(told) if as_json else printable_lines(shown))
    return int(Exit.DONE)


def _become(command: list[str]) -> NoReturn:
    """Replace this process, so that a signal to it reaches the one that measures."""
    sys.stdout.flush()
    os.execv(command[0], command)  # noqa: S606 - tokens, no shell


def printable_lines(text: str) -> str:
    """The text with nothing in it that could steer a terminal."""
    return "\n".join(printable(line) for line in text.splitlines())


def _placed(where: Placing) -> list[str]:
    words = ["--launcher", where.launcher, "--hosts", where.hosts]
    words += ["--nodes", str(where.nodes)] if where.nodes else []
    return words + (["--per-node", str(where.per_node)] if where.per_node else [])
