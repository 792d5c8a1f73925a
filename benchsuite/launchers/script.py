"""What a batch job runs: a command of benchsuite that goes on with what an earlier start of the same job began."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

COMMANDS = {
    "run": ("campaign.json", ("resume",)),
    "scan": ("scan.json", ("scan", "--resume")),
    "fleet": ("fleet.json", ("fleet", "--resume")),
}
"""Commands that a job can run: the file that tells a run directory of theirs, and what goes on with it."""
BODY = """\
mkdir -p "$out" || exit 2
child=
code=4
trap 'test -z "$child" || kill -TERM "$child"' TERM INT
follow() {{
  "$@" &
  child=$!
  wait "$child"; code=$?
  while kill -0 "$child" 2>/dev/null; do wait "$child"; code=$?; done
  wait "$child" 2>/dev/null; last=$?
  test "$last" = 127 || code=$last
  child=
}}
begun=
for file in "$out"/*/{file}; do test -e "$file" && begun=${{file%/*}}; done
if test -n "$begun"; then follow {resume} "$begun"; fi
if test -z "$begun" || test "$code" = 2; then follow {begin} --out "$out"; fi
exit "$code"
"""
"""A shell that hands SIGTERM on and waits for the end: what was measured is kept by then. Exit code 2 of going on means
that it cannot be gone on with (other nodes, another benchsuite), so it begins anew beside what was kept."""


def body(program: Sequence[str], words: Sequence[str]) -> str:
    """The job's commands; ``out`` must be set. words: a command of ``COMMANDS`` with its options."""
    file, resume = COMMANDS[words[0]]
    return BODY.format(file=file, resume=shlex.join([*program, *resume]), begin=shlex.join([*program, *words]))
