"""What a person names on the command line of a forecast, found: a machine with its price, a model's shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchsuite import results, store, worth
from benchsuite.catalog import Catalog, Market, ModelShape, Price, explain, offers
from benchsuite.catalog.rows import nearest
from benchsuite.errors import UsageError
from benchsuite.model import Ceiling, Ceilings, Footing, Score
from benchsuite.normalize import card
from benchsuite.predict import config as configs
from benchsuite.predict import datasheet, measured
from benchsuite.reading import printable

MOST = 4096
"""Devices of a machine beyond which a count is a slip of the pen."""


def shape(name: str, known: Catalog) -> ModelShape:
    """The model with this key of the catalogue, or that of a Hugging Face ``config.json``.

    Raises ``UsageError`` with the nearest key, ``DataError`` and ``RefusedError`` as ``config.shape``.
    """
    if name.endswith(".json"):
        return config(Path(name))
    if name not in known.models:
        hint = f"{nearest(name, known.models)} 'benchsuite catalog models' lists them.".strip()
        raise UsageError(f"The catalogue has no model called {name!r}.", f"{hint} Or give a config.json.")
    return known.models[name]


def config(path: Path) -> ModelShape:
    """The model of a ``config.json``, called as its folder where the file has everybody's name."""
    made, folder = configs.shape(path), path.parent.name if path.name == "config.json" else ""
    return replace(made, key=printable(folder)[:80]) if folder else made


def machine(text: str, known: Catalog, out: Path) -> Ceilings:
    """The ceilings of a run, or of ``KEY:N``: N devices of the catalogue.

    Raises ``UsageError`` for a name that is neither, ``RefusedError`` for a device of which too little is known.
    """
    if text == "latest" or Path(text).is_dir():
        return of_run(store.find(text, out), known)
    name, colon, count = text.rpartition(":")
    devices = _count(count, text) if colon else 1
    try:
        found = explain.find(known, name if colon else text)
    except UsageError as unknown:
        try:
            path = store.find(text, out)
        except UsageError:
            raise UsageError(unknown.message, f"{unknown.remedy} Or name a run in {out}.") from None
        return of_run(path, known)
    return datasheet.ceilings(found, known.figures, devices)


def _count(text: str, whole: str) -> int:
    if not (text.isascii() and text.isdecimal() and 0 < int(text) <= MOST):
        raise UsageError(f"{whole!r} has no count of devices.", "Write for example h100_sxm_80:8.")
    return int(text)


def of_run(path: Path, known: Catalog) -> Ceilings:
    """The ceilings of the machine of a run."""
    loaded = store.load(path)
    return of_campaign(loaded.campaign, results.scores_of(loaded), known)


def of_campaign(made: store.Campaign, scores: Sequence[Score], known: Catalog) -> Ceilings:
    """What a campaign measured; what it did not measure comes from its card's entry in the catalogue."""
    found = card(made.facts)
    fallback = datasheet.ceilings(found.gpu, known.figures) if found else None
    offer = worth.offer_of(made.facts)
    return measured.ceilings(made.facts, scores, cache=made.cache, name=made.id, fallback=fallback, offer=offer)


def priced(made: Ceilings, known: Catalog, usd_per_hour: float | None = None, provider: str = "") -> Ceilings:
    """The machine with the price that was given, else the provider's cheapest on-demand one for as many devices.

    A given price is kept whatever it is: the forecast says why one that is not positive buys nothing. Raises
    ``UsageError`` where the provider asks no on-demand price for it.
    """
    if usd_per_hour is not None:
        return replace(made, usd_per_hour=Ceiling(usd_per_hour, Footing.PUBLISHED, "given with --usd-per-hour"))
    if not provider:
        return made
    rows = offers(known.prices, hardware=made.hardware) if made.hardware else ()
    fits = [one for one in rows if _plain(one.provider) == _plain(provider)]
    enough = [one for one in fits if one.devices >= made.devices] or fits
    if not enough:
        raise UsageError(
            f"The catalogue has no on-demand price of {made.name} at {provider!r}.",
            f"{_offered(made, known, rows)} Or give --usd-per-hour.".strip(),
        )
    best = enough[0]
    source = f"{best.provider} {best.instance}, {best.kind}, {best.as_of}, {best.source}"
    return replace(made, usd_per_hour=Ceiling(best.per_device, Footing.PUBLISHED, source))


def asked_elsewhere(made: Ceilings, known: Catalog) -> str:
    """What providers ask for such a device, where nobody said what this one costs; empty where nobody is known."""
    if not made.hardware or made.usd_per_hour is not None:
        return ""
    rows = offers(known.prices, hardware=made.hardware)
    if not rows:
        others = _offered(made, known, rows)
        return f"The catalogue has no on-demand price of it. {others} Give --usd-per-hour." if others else ""
    least, most = rows[0], rows[-1]
    told = f"from ${least.per_device:.2f} ({least.provider}) to ${most.per_device:.2f} ({most.provider})"
    return f"The catalogue has on-demand prices of it {told} an hour: add --provider NAME."


def _offered(made: Ceilings, known: Catalog, rows: Sequence[Price]) -> str:
    """Who asks an on-demand price; where nobody does, what others ask, each with its kind: those are another thing."""
    if rows:
        return f"It has some of {', '.join(dict.fromkeys(one.provider for one in rows))}."
    cheapest: dict[tuple[str, Market], float] = {}
    for one in offers(known.prices, hardware=made.hardware, market=None) if made.hardware else ():
        cheapest.setdefault((one.provider, one.market), one.per_device)
    told = ", ".join(f"{provider} ${usd:.2f} ({market})" for (provider, market), usd in cheapest.items())
    return f"It has only prices of other kinds: {told}." if told else ""


def _plain(name: str) -> str:
    return name.partition("(")[0].strip().casefold()
