"""``advise``: which offer to take, printed or written as a page."""

from __future__ import annotations

import math
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from rich.console import Console

from benchsuite import __version__, store, worth
from benchsuite import catalog as catalogs
from benchsuite.catalog import Catalog
from benchsuite.catalog.prices import KINDS, Market, Price
from benchsuite.catalog.rows import Confidence, nearest
from benchsuite.commands import machines
from benchsuite.errors import RefusedError, UsageError
from benchsuite.model import Ceilings
from benchsuite.predict import datasheet, ownership
from benchsuite.predict import offers as offering
from benchsuite.predict.advise import Advice
from benchsuite.predict.advise import advise as advised
from benchsuite.predict.capacity import Wanted
from benchsuite.predict.latency import Limits
from benchsuite.predict.offers import Rejected
from benchsuite.render import advice_terminal
from benchsuite.render.advice_view import View, build

DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|ms)")
SCALES = {"s": 1.0, "ms": 1e-3}


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line asks for. percentile: share of the requests that keep the limits, in per cent."""

    model: str
    rate: float
    isl: int = 2048
    osl: int = 512
    slo: str = "ttft=2s,tpot=50ms"
    percentile: float = 99.0
    precision: str = "bf16,fp8,w4a16"
    tensor: str = "1,2,4,8"
    batch: int = 0
    offers: Path | None = None
    market: str = "on-demand"
    max_age: int = offering.MOST_MONTHS
    measured: tuple[str, ...] = ()
    own: str = ""
    seed: int = 0
    catalog: tuple[Path, ...] = ()
    out: Path = Path("runs")


def advise(asked: Asked, html: Path | None, *, every: bool, as_json: bool) -> None:
    """Print the plans, or write their page too. Raises ``RefusedError`` where no offer keeps the limits."""
    today = datetime.now(UTC).date().isoformat()
    found, own = answer(asked, today)
    view = build(found, own, asked.market, __version__, shlex.join(["benchsuite", *sys.argv[1:]]), today)
    if html is not None:
        _write(view, html)
    if as_json:
        print(msgspec.json.encode({**view.data, "page": str(html) if html else None}).decode())
    else:
        advice_terminal.show(view, Console(highlight=False), every=every)
        if html is not None:
            print(f"Page: {html}")
    if not found.plans:
        raise RefusedError("No offer keeps these limits at this rate.", "Loosen --slo, or allow other --precision.")


def answer(asked: Asked, today: str) -> tuple[Advice, ownership.Verdict | None]:
    """The advice, and owning against renting where that was asked. Raises ``UsageError`` for what is unknown."""
    known = catalogs.load(asked.catalog)
    if asked.own:
        ownership.parse(asked.own, power=1.0)  # a slip of the pen is told before anything is simulated
    wanted = Wanted(
        shape=machines.shape(asked.model, known),
        rate=asked.rate,
        isl=asked.isl,
        osl=asked.osl,
        limits=limits(asked.slo, asked.percentile / 100),
        precisions=tuple(_split(asked.precision)),
        degrees=_counts(asked.tensor),
        batch=asked.batch,
        seed=asked.seed,
    )
    prices = offering.from_file(asked.offers) if asked.offers is not None else known.prices
    kept, left = offering.usable(prices, _market(asked.market), today, asked.max_age)
    own, runs = _measured(asked, known)
    kept += own
    if not kept:
        raise UsageError(f"There is no {asked.market} offer.", "Choose another --market, or give --offers.")
    if asked.offers is None:
        left += _unpriced(known, kept, asked.market)
    found = advised(wanted, kept, _machine(known, runs), left)
    return found, _owned(asked, known, found) if asked.own else None


def limits(text: str, share: float) -> Limits:
    """``ttft=2s,tpot=50ms``. Raises ``UsageError`` with what cannot be read."""
    found: dict[str, float] = {}
    for part in _split(text):
        name, _, value = part.partition("=")
        match = DURATION.fullmatch(value.strip())
        if name not in {"ttft", "tpot"} or match is None:
            raise UsageError(f"--slo {part!r} is no limit.", "Write for example --slo ttft=2s,tpot=50ms.")
        found[name] = float(match[1]) * SCALES[match[2]]
    if not found:
        raise UsageError("--slo names no limit.", "Write for example --slo ttft=2s,tpot=50ms.")
    return Limits(found.get("ttft", math.inf), found.get("tpot", math.inf), share)


def _split(text: str) -> list[str]:
    return list(dict.fromkeys(filter(None, (part.strip() for part in text.split(",")))))


def _counts(text: str) -> tuple[int, ...]:
    for part in _split(text):
        if not (part.isascii() and part.isdecimal() and 0 < int(part) <= machines.MOST):
            raise UsageError(f"--tensor {part!r} is no count of devices.", "Write for example --tensor 1,2,4,8.")
    return tuple(sorted(int(part) for part in _split(text)))


def _market(text: str) -> Market:
    if text not in set(Market):
        raise UsageError(f"There is no market {text!r}.", nearest(text, Market) or f"Choose {', '.join(Market)}.")
    return Market(text)


def _machine(known: Catalog, runs: dict[str, Ceilings]) -> Callable[[str, int], Ceilings]:
    def found(hardware: str, devices: int) -> Ceilings:
        if hardware in runs:
            return replace(runs[hardware], devices=devices)
        if hardware not in known.accelerators:
            hint = nearest(hardware, known.accelerators) or "'benchsuite catalog hardware' lists what is known."
            raise UsageError(f"The catalogue has no device called {hardware!r}.", hint)
        return datasheet.ceilings(known.accelerators[hardware], known.figures, devices)

    return found


def _measured(asked: Asked, known: Catalog) -> tuple[list[Price], dict[str, Ceilings]]:
    """Offers of the runs that know their price, and what each measured, by key of its card."""
    offers: list[Price] = []
    runs: dict[str, Ceilings] = {}
    for name in asked.measured:
        path = store.find(name, asked.out)
        made = machines.of_run(path, known)
        if not made.hardware:
            raise UsageError(f"Run {made.name} measured no card that the catalogue knows.", "Leave --measured out.")
        runs[made.hardware] = made
        offer = worth.offer_of(store.load(path).campaign.facts)
        if offer and offer.usd_per_hour:
            kind = offer.kind if offer.kind in KINDS else "on-demand"
            offers.append(
                Price(
                    offer.provider or "the run's own", offer.instance or made.name, made.hardware, offer.devices,
                    offer.usd_per_hour, kind, offer.as_of, offer.source or "the run", Confidence.HIGH,
                )
            )  # fmt: skip
    return [one for one in offers if one.market is _market(asked.market)], runs


def _unpriced(known: Catalog, kept: Sequence[Price], market: str) -> Iterable[Rejected]:
    """Devices of the catalogue that nobody offers here."""
    offered = {price.hardware for price in kept}
    return [
        Rejected(None, key, "NO_PRICE", f"The catalogue has no {market} price of {one.name} that is recent enough.")
        for key, one in known.accelerators.items()
        if key not in offered
    ]


def _owned(asked: Asked, known: Catalog, found: Advice) -> ownership.Verdict:
    """Owning the device of the cheapest plan against renting it. Raises ``RefusedError`` without a plan."""
    if not found.plans:
        raise RefusedError("No offer keeps the limits, so there is nothing to own instead.", "Loosen --slo.")
    best = found.plans[0].price
    watts = known.accelerators[best.hardware].watts if best.hardware in known.accelerators else None
    owning, given = ownership.parse(asked.own, watts)
    return ownership.compare(owning, best.per_device, given)


def _write(view: View, html: Path) -> None:
    from benchsuite.render import advice_page

    try:
        html.write_text(advice_page.page(view), encoding="utf-8", newline="\n")
    except OSError as error:
        message = f"The page cannot be written to {html}: {error.strerror}."
        raise UsageError(message, "Choose another file with --html.") from error
