"""Arguments only: each command calls one function. Heavy modules wait until a command needs them."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from benchsuite import __version__
from benchsuite.errors import BenchsuiteError, Exit, UsageError

app = typer.Typer(
    name="benchsuite",
    help="Measure GEMM, attention, memory bandwidth and all-reduce on this machine: verified, with intervals.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 1 wrong result or difference, 2 usage, 3 inconclusive, 4 not measured, 130 stopped.",
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
Out = Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Folder that holds the run directories.")]
All = Annotated[bool, typer.Option("--all", help="Show every implementation, not only the best of each case.")]
Wait = Annotated[
    float, typer.Option(metavar="SECONDS", min=0.0, help="How long to wait for another run on the device to end.")
]
Report = Annotated[bool, typer.Option(help="Write report.html into the run directory.")]
RunName = Annotated[str, typer.Argument(metavar="RUN", help="A run's id or its beginning, a path, or 'latest'.")]


@app.command()
def run(
    suite: Annotated[
        str,
        typer.Argument(help="A suite's name or a .toml file; default gpu on a GPU, else quick.", show_default=False),
    ] = "",
    only: Annotated[
        list[str] | None, typer.Option(help="Benchmarks or cases by pattern: gemm, 'memory op=triad', tag:attention.")
    ] = None,
    budget: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="About how long the whole run may take.")
    ] = None,
    runs: Annotated[int | None, typer.Option(help="Fresh processes per case; 3 or more allow comparisons.")] = None,
    out: Out = Path("runs"),
    backend: Annotated[
        str,
        typer.Option(
            help="What executes: cuda, host, fake (scripted time, to try things out); auto is a GPU if there is one."
        ),
    ] = "auto",
    device: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="Which GPU, as nvidia-smi counts them; default the first.")
    ] = None,
    ranks: Annotated[
        int | None, typer.Option(help="MPI ranks of collectives; default one per core, at least 2.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Repeat the data and order of an earlier run.")] = None,
    wait: Wait = 0.0,
    all_implementations: All = False,
    json: Json = False,
    report: Report = True,
) -> None:
    """Measure a suite on this machine, print a table and write a report."""
    from benchsuite import commands
    from benchsuite.campaign import Request

    request = Request(suite, tuple(only or ()), budget, runs, out, backend, ranks, seed, device, wait)
    raise typer.Exit(commands.run(request, as_json=json, with_report=report, all_implementations=all_implementations))


@app.command()
def resume(
    name: RunName = "latest",
    out: Out = Path("runs"),
    wait: Wait = 0.0,
    all_implementations: All = False,
    json: Json = False,
    report: Report = True,
) -> None:
    """Go on with a run that ended early: what is finished stays, the rest is measured."""
    from benchsuite import commands

    shown = {"as_json": json, "with_report": report, "all_implementations": all_implementations}
    raise typer.Exit(commands.resume(name, out, wait, **shown))


@app.command("list")
def list_(
    kernels: Annotated[
        bool, typer.Option("--kernels", help="Compile the GPU kernels; list registers, shared memory, instructions.")
    ] = False,
    arch: Annotated[list[str] | None, typer.Option(help="Of kernels: only this architecture, such as sm_90a.")] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Of kernels: benchmark, implementation, file or entry by pattern.")
    ] = None,
    json: Json = False,
) -> None:
    """List benchmarks, suites, implementations and devices, or the GPU kernels."""
    if kernels:
        from benchsuite import kernel_listing

        raise typer.Exit(kernel_listing.listing(arch or (), only or (), as_json=json))
    if arch or only:
        raise UsageError("--arch and --only choose among kernels.", "Add --kernels.")
    from benchsuite import commands

    commands.listing(as_json=json)


@app.command()
def show(
    name: RunName = "latest",
    out: Out = Path("runs"),
    all_implementations: All = False,
    json: Json = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print every task as CSV.")] = False,
) -> None:
    """Show a run's results again, computed from its records."""
    from benchsuite import commands

    form = "csv" if csv else "json" if json else "text"
    raise typer.Exit(commands.show(name, out, form=form, all_implementations=all_implementations))


@app.command()
def report(
    name: RunName = "latest",
    out: Out = Path("runs"),
    to: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to write; default report.html in the run.")
    ] = None,
    json: Json = False,
) -> None:
    """Render a run's HTML report: one file that opens offline."""
    from benchsuite import commands

    commands.report(name, out, to, as_json=json)


@app.command()
def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="The run compared with.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The run judged.")],
    out: Out = Path("runs"),
    fail_on: Annotated[
        str, typer.Option(metavar="VERDICT", help="Exit 1 if any case is so: slower, faster or different.")
    ] = "",
    explore: Annotated[
        bool, typer.Option("--explore", help="Find more: 5 % of what is found may be false, not 5 % of comparisons.")
    ] = False,
    json: Json = False,
) -> None:
    """Compare two runs case by case: faster, slower, same, undecided."""
    from benchsuite import commands

    raise typer.Exit(commands.compare(a, b, out, fail_on=fail_on, explore=explore, as_json=json))


@app.command()
def doctor(json: Json = False) -> None:
    """Say what this machine has, what is missing and how to get it."""
    from benchsuite import commands

    raise typer.Exit(commands.doctor(as_json=json))


@app.command()
def selftest(
    pairs: Annotated[
        int, typer.Option(metavar="N", min=1, help="Pairs of campaigns of unchanged code; 20 tell something.")
    ] = 4,
    suite: Annotated[str, typer.Option(help="What a pair measures; default one small benchmark.")] = "",
    budget: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="About how long all pairs together may take.")
    ] = None,
    out: Out = Path("runs/selftest"),
    wait: Wait = 0.0,
    json: Json = False,
) -> None:
    """Measure the suite itself on this machine: clock, overhead, intervals, false alarms, telemetry."""
    from benchsuite.campaign import Request
    from benchsuite.selftest import command

    request = Request(suite, (), budget, None, out, "auto", wait=wait)
    raise typer.Exit(command.run(request, pairs, as_json=json))


@app.command()
def schema() -> None:
    """Print the JSON Schema of a record."""
    from benchsuite import commands

    commands.schema()


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"benchsuite {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Measure GEMM, attention, memory bandwidth and all-reduce on this machine: verified, with intervals."""


def main() -> None:
    """Run the command line; an expected failure is one sentence on standard error and an exit code."""
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
    except BrokenPipeError:  # the reader of a pipe went away: nothing more to say
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(int(Exit.DONE))
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print(f"benchsuite: The output could not be written: {error.strerror}.", file=sys.stderr)
        sys.exit(int(Exit.FAILED))


if __name__ == "__main__":
    main()
