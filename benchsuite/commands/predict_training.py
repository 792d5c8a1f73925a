"""``predict-training``: what training a model will take, printed or written as a page."""

from __future__ import annotations

import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec
from rich.console import Console

from benchsuite import __version__, results, store, training
from benchsuite import catalog as catalogs
from benchsuite.commands import machines
from benchsuite.errors import UsageError
from benchsuite.predict.reliability import Reliability
from benchsuite.predict.training import TrainingForecast, forecast
from benchsuite.predict.training_job import Job, Recompute, Sharding
from benchsuite.render import training_forecast_terminal as terminal
from benchsuite.render.training_forecast import View, build

COUNT = re.compile(r"(\d+(?:\.\d+)?)\s*(Ki|Mi|Gi|K|M|B|G|T)?", re.ASCII)
SCALES = {None: 1.0, "K": 1e3, "M": 1e6, "B": 1e9, "G": 1e9, "T": 1e12, "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30}
GBIT = 1e9 / 8


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line asks for, named as in ``training_job.Job``. network: Gb/s; failures: unset, none count."""

    model: str
    machine: str
    tokens: str = "1T"
    batch: str = "4Mi"
    length: int = 4096
    data: int = 1
    tensor: int = 1
    pipeline: int = 1
    expert: int = 1
    micro: int = 1
    interleave: int = 1
    sharding: str = "none"
    recompute: str = "attention"
    network: float | None = None
    hidden: float | None = None
    spread: float = 0.0
    slower: float = 0.0
    failures: float | None = None
    checkpoint: float = 60.0
    restart: float = 600.0
    usd_per_hour: float | None = None
    catalog: tuple[Path, ...] = ()
    out: Path = Path("runs")


def predict_training(asked: Asked, html: Path | None, *, as_json: bool) -> None:
    """Print the forecast, or write its page too. Raises ``RefusedError`` where there is none."""
    made = answer(asked)
    view = build(made, __version__, shlex.join(["benchsuite", *sys.argv[1:]]))
    if html is not None:
        _write(view, html)
    if as_json:
        print(msgspec.json.encode({**view.data, "page": str(html) if html else None}).decode())
        return
    terminal.show(view, Console(highlight=False))
    if html is not None:
        print(f"Page: {html}")


def answer(asked: Asked) -> TrainingForecast:
    """The forecast. Raises ``UsageError`` for what is unknown or cannot be dealt out."""
    known = catalogs.load(asked.catalog)
    if asked.recompute not in set(Recompute):
        raise UsageError(f"Nothing called {asked.recompute!r} is recomputed.", f"Choose {' or '.join(Recompute)}.")
    ceilings = machines.machine(asked.machine, known, asked.out)
    job = Job(
        shape=machines.shape(asked.model, known),
        tokens=count(asked.tokens, "tokens"),
        batch=round(count(asked.batch, "batch")),
        length=asked.length,
        data=asked.data,
        tensor=asked.tensor,
        pipeline=asked.pipeline,
        expert=asked.expert,
        sharding=Sharding(asked.sharding),
        recompute=Recompute(asked.recompute),
        micro=asked.micro,
        interleave=asked.interleave,
        network=asked.network * GBIT if asked.network is not None else None,
        hidden=asked.hidden if asked.hidden is not None else _overlapped(asked, ceilings.name),
        spread=asked.spread,
        slower=asked.slower,
    )
    reliability = Reliability(asked.failures, asked.checkpoint, asked.restart) if asked.failures is not None else None
    accelerator = known.accelerators.get(ceilings.hardware)
    peak = accelerator.peaks.get(job.dtype) if accelerator else None
    return forecast(job, ceilings, peak=peak, reliability=reliability, usd_per_hour=asked.usd_per_hour)


def _overlapped(asked: Asked, name: str) -> float | None:
    """The share of communication that the overlap benchmark of run ``name`` found hidden, the least of all; else
    nothing, as of a machine of the catalogue."""
    try:
        path = store.find(asked.machine, asked.out)
    except UsageError:
        return None
    if path.name != name:
        return None
    found = training.exposures(results.scores_of(store.load(path)))
    return min((min(1.0, max(0.0, one.hidden.value)) for one in found), default=None)


def count(text: str, name: str) -> float:
    """``1T``, ``4Mi``, ``4194304``. Raises ``UsageError`` for anything else, and for none."""
    match = COUNT.fullmatch(text.strip())
    if match is None or not float(match[1]) > 0:
        raise UsageError(f"--{name} {text!r} is no count.", "Write for example 300B, 1T or 4Mi.")
    return float(match[1]) * SCALES[match[2]]


def _write(view: View, html: Path) -> None:
    from benchsuite.render import training_forecast_page

    try:
        html.write_text(training_forecast_page.page(view), encoding="utf-8", newline="\n")
    except OSError as error:
        message = f"The page cannot be written to {html}: {error.strerror}."
        raise UsageError(message, "Choose another file with --html.") from error
