"""Arguments only: each command calls one function. Heavy modules wait until a command needs them."""

from __future__ import annotations

import errno
import io
import os
import sys

from benchsuite.cli import (
    accept,
    advise,
    baseline,
    burn,
    catalog,
    contract,
    describe,
    evidence,
    exchange,
    fleet,
    hooks,
    launch,
    measure,
    patterns,
    predict,
    predict_training,
    scan,
    show,
    site,
)
from benchsuite.cli.app import app
from benchsuite.errors import BenchsuiteError, Exit

__all__ = [
    "accept",
    "advise",
    "app",
    "baseline",
    "burn",
    "catalog",
    "contract",
    "describe",
    "evidence",
    "exchange",
    "fleet",
    "hooks",
    "launch",
    "main",
    "measure",
    "patterns",
    "predict",
    "predict_training",
    "scan",
    "show",
    "site",
]


def main() -> None:
    """Run the command line; an expected failure is one sentence on standard error and an exit code."""
    _readable()
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except BenchsuiteError as error:
        from benchsuite.reading import printable

        print(f"benchsuite: {printable(str(error))}", file=sys.stderr)
        sys.exit(int(error.exit_code))
    except KeyboardInterrupt:
        print("benchsuite: interrupted.", file=sys.stderr)
        sys.exit(int(Exit.INTERRUPTED))
    except SystemExit as stop:
        if isinstance(stop.__context__, BrokenPipeError):  # Rich and Typer leave with 1, which is a wrong result here
            sys.exit(int(Exit.DONE))
        raise
    except BrokenPipeError:  # the reader of a pipe went away: nothing more to say
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(int(Exit.DONE))
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print(f"benchsuite: The output could not be written: {error.strerror}.", file=sys.stderr)
        sys.exit(int(Exit.FAILED))


def _readable() -> None:
    """Let no locale stop the output: a pipe or file gets UTF-8, a terminal ``?`` for what it cannot show."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.encoding.lower() not in {"utf-8", "utf8"}:
            if stream.isatty():
                stream.reconfigure(errors="replace")
            else:
                stream.reconfigure(encoding="utf-8")
