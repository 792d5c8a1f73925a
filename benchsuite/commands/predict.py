"""``predict``: a forecast printed or written, a table of results scored, a run's steps checked."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
from rich.console import Console

from benchsuite import __version__, results, store
from benchsuite import catalog as catalogs
from benchsuite.catalog import Catalog, ModelShape
from benchsuite.catalog.rows import nearest
from benchsuite.commands import machines
from benchsuite.errors import RefusedError, UsageError
from benchsuite.model import Ceilings, Forecast, Mesh, Precision, Score, Traffic
from benchsuite.predict import choose
from benchsuite.predict import precision as precisions
from benchsuite.predict.engine import BARE, FITTED, Engine
from benchsuite.predict.forecast import forecast
from benchsuite.render import forecast_terminal
from benchsuite.render.forecast_table import Outcome, document

EXAMPLES = ("llama-3.1-8b", "llama-3.1-70b", "qwen3-32b")
"""Models of the report of a run."""
ENGINES = {"fitted": FITTED, "bare": BARE}


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line asks for. machines, precisions, usd_per_hour: lists by comma; tensor, batch: 0 is open."""

    model: str = ""
    config: Path | None = None
    machines: str = ""
    precisions: str = ""
    isl: int = 2048
    osl: int = 512
    batch: int = 0
    tensor: int = 0
    pipeline: int = 1
    expert: int = 1
    usd_per_hour: str = ""
    provider: str = ""
    engine: str = "fitted"
    catalog: tuple[Path, ...] = ()
    out: Path = Path("runs")


def predict(asked: Asked, html: Path | None, *, as_json: bool) -> None:
    """Print the forecasts, or write their page too. Raises ``RefusedError`` where not one can be given."""
    found = outcomes(asked)
    made = [one for one in found if isinstance(one.made, Forecast)]
    if not made:
        _refuse(found, as_json=as_json)
    if html is not None:
        _page(found, html)
    if as_json:
        print(msgspec.json.encode({**document(found), "page": str(html) if html else None}).decode())
        return
    console = Console(highlight=False)
    if len(found) == 1:
        forecast_terminal.answer(made[0].made, console)  # type: ignore[arg-type]
    else:
        forecast_terminal.side_by_side(found, console)
    if html is not None:
        print(f"Page: {html}")


def _refuse(found: Sequence[Outcome], *, as_json: bool) -> None:
    if as_json:
        print(msgspec.json.encode(document(found)).decode())
    reasons = list(dict.fromkeys(str(one.made) for one in found))
    raise RefusedError(" ".join(reasons)) if len(found) > 1 else found[0].made  # type: ignore[misc]


def _page(found: Sequence[Outcome], html: Path) -> None:
    from benchsuite.render import forecast_page, forecast_view

    command = shlex.join(["benchsuite", *sys.argv[1:]])
    page = forecast_page.page(forecast_view.build(found, __version__, command))
    try:
        html.write_text(page, encoding="utf-8", newline="\n")
    except OSError as error:
        message = f"The page cannot be written to {html}: {error.strerror}."
        raise UsageError(message, "Choose another file with --html.") from error


def outcomes(asked: Asked) -> list[Outcome]:
    """Each machine with each precision. Raises ``UsageError`` for what is unknown or makes no sense."""
    known = catalogs.load(asked.catalog)
    shape, engine = _shape(asked, known), _engine(asked.engine)
    names = _split(asked.machines)
    if not names:
        raise UsageError("No machine is named.", "Add --machine with a run or a key of 'benchsuite catalog hardware'.")
    prices = _prices(asked.usd_per_hour, len(names))
    found = [(name, _machine(name, price, asked, known)) for name, price in zip(names, prices, strict=True)]
    named: list[Precision | None] = [*map(precisions.precision, _split(asked.precisions))]
    made = [_outcome(asked, shape, name, machine, one, engine) for name, machine in found for one in named or [None]]
    return [_with_prices(one, known) for one in made]


def _with_prices(one: Outcome, known: Catalog) -> Outcome:
    """With what the catalogue knows of prices, where nobody named one."""
    if not isinstance(one.made, Forecast):
        return one
    told = machines.asked_elsewhere(one.made.ceilings, known)
    return replace(one, made=replace(one.made, assumptions=(*one.made.assumptions, *filter(None, (told,)))))


def _split(text: str) -> list[str]:
    return list(dict.fromkeys(filter(None, (part.strip() for part in text.split(",")))))


def _outcome(
    asked: Asked,
    shape: ModelShape,
    name: str,
    machine: Ceilings | RefusedError,
    wanted: Precision | None,
    engine: Engine,
) -> Outcome:
    title = f"{name} {wanted.name}" if wanted else name
    if isinstance(machine, RefusedError):
        return Outcome(title, machine)
    try:
        precision, why = (precisions.check(wanted, machine), "") if wanted else choose.precision(shape, machine)
        title = f"{name} {precision.name}"
        made, how = _made(asked, shape, machine, precision, engine)
    except RefusedError as error:
        return Outcome(title, error)
    return Outcome(title, replace(made, assumptions=(*filter(None, (why, how)), *made.assumptions)))


def _made(
    asked: Asked, shape: ModelShape, machine: Ceilings, precision: Precision, engine: Engine
) -> tuple[Forecast, str]:
    """The forecast, and how its mesh was chosen where none was asked for."""
    traffic = Traffic(asked.isl, asked.osl, batch=asked.batch)
    if asked.tensor or asked.pipeline > 1 or asked.expert > 1:
        mesh = Mesh(asked.tensor or 1, asked.pipeline, asked.expert)
        return forecast(shape, machine, precision, mesh, traffic, engine), ""
    return choose.fitted(shape, machine, precision, traffic, engine)


def _shape(asked: Asked, known: Catalog) -> ModelShape:
    if asked.config is not None and asked.model:
        raise UsageError("MODEL and --config are two models.", "Name one of them.")
    return machines.config(asked.config) if asked.config is not None else machines.shape(asked.model, known)


def _engine(name: str) -> Engine:
    if name not in ENGINES:
        raise UsageError(f"There is no engine {name!r}.", nearest(name, ENGINES) or f"Choose {' or '.join(ENGINES)}.")
    return ENGINES[name]


def _prices(text: str, machines: int) -> list[float | None]:
    """The price of each machine: one for all of them, or one for each. Raises ``UsageError`` for another count."""
    given = [part.strip() for part in text.split(",")] if text.strip() else []
    try:
        prices: list[float | None] = [*map(float, given)]
    except ValueError:
        message = f"--usd-per-hour {text[:40]!r} is no number."
        raise UsageError(message, "Write for example 2.50, or 2.50,0.40.") from None
    if len(prices) not in {0, 1, machines}:
        message = f"--usd-per-hour has {len(prices)} prices, and --machine has {machines}."
        raise UsageError(message, "Give one price for all machines, or one for each, in the same order.")
    return prices if len(prices) == machines else (prices or [None]) * machines


def _machine(name: str, price: float | None, asked: Asked, known: Catalog) -> Ceilings | RefusedError:
    try:
        return machines.priced(machines.machine(name, known, asked.out), known, price, asked.provider)
    except RefusedError as error:
        return error


def examples(made: store.Campaign, scores: Sequence[Score]) -> tuple[Outcome, ...]:
    """What well-known models would take on the GPUs of a run; nothing where it measured none, or too little of them."""
    known = catalogs.load()
    try:
        machine = machines.of_campaign(made, scores, known)
    except RefusedError:
        return ()
    if not machine.hardware or not machine.shapes:
        return ()
    return tuple(_outcome(Asked(), known.models[name], name, machine, None, FITTED) for name in EXAMPLES)


def check(name: str, out: Path, *, as_json: bool) -> None:
    """Print a run's transformer steps beside their forecasts. Raises ``RefusedError`` where not one can be forecast."""
    from benchsuite.predict import check as checking
    from benchsuite.render import forecast_check

    loaded = results.load(name, out)
    made = loaded.campaign
    checked = checking.check(made.facts, results.scores_of(loaded), cache=made.cache, name=made.id)
    if as_json:
        print(msgspec.json.encode(checking.document(checked)).decode())
    else:
        forecast_check.steps(checked, Console(highlight=False))
    if all(one.predicted is None for one in checked):
        raise RefusedError(f"No step of run {made.id} can be forecast.", checked[0].refused)


def score(path: Path, files: Sequence[Path], *, as_json: bool) -> None:
    """Print how far forecasts are from a table of published results. Raises ``RefusedError`` where no row counts."""
    from benchsuite.predict import score as scoring
    from benchsuite.render import forecast_check

    found = scoring.document(path, catalogs.load(files))
    if as_json:
        print(msgspec.json.encode(found).decode())
    else:
        forecast_check.table(found, Console(highlight=False))
    if not found["overall"] and not found["latency_limited"]:
        raise RefusedError(f"No row of {path} can be scored.", "See --json for the reason of each.")
