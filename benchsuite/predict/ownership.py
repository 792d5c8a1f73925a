"""Own a device or rent it: what each costs, and from when on the bought one is the cheaper.

    owned, per year      = (price - resale) / years + energy + failures
    energy, per year     = watts x 8760 h x PUE x (idle + (1 - idle) x utilisation) x $/kWh
    failures, per year   = rate x (repair x price + days out x 24 h x utilisation x rent)
    break-even, months   = price / (rent of a month - energy and failures of a month)

Depreciation is straight; money has no interest unless ``interest`` is given, which is charged on the mean value.
A device is rented for the hours in which it works, and owned in all of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from benchsuite.errors import UsageError

HOURS = 8760.0
"""Hours of a year."""
MONTHS = 12.0
GIVEN = "given"


@dataclass(frozen=True, slots=True)
class Owning:
    """What owning one device means. Money in US dollars.

    price: of the device with its share of the server, network and installation; power: watts at work; years: over
    which it is written off; failures_per_year: of one device; repair: what a failure costs, as a share of the price;
    days_out: without the device after a failure, for which another is rented; utilisation: share of the hours in which
    it works; idle: power at rest as a share of that at work; pue: watts of the building for each watt of the device;
    resale: what it brings at the end, as a share of the price; interest: per year; hosting: rack, hands and network,
    per month.
    """

    price: float
    power: float
    usd_per_kwh: float = 0.10
    years: float = 5.0
    failures_per_year: float = 0.111
    repair: float = 0.5
    days_out: float = 7.0
    utilisation: float = 0.7
    idle: float = 0.15
    pue: float = 1.56
    resale: float = 0.0
    interest: float = 0.0
    hosting: float = 0.0


SOURCES: Mapping[str, str] = {
    "power": "the board's limit on the datasheet",
    "usd_per_kwh": "assumed: put your own tariff",
    "years": "five years: Amazon's 10-K of February 2025 for a part of its servers; others write them off over six",
    "failures_per_year": "268 failures of GPUs on 16,384 H100 in 54 days (The Llama 3 Herd of Models, table 5)",
    "repair": "assumed: half of the failures are repaired at the price of a new device, half under guarantee",
    "days_out": "assumed: a week until a device is back",
    "utilisation": "assumed: put your own share of hours at work",
    "idle": "assumed: a data-centre GPU at rest draws about 70 to 100 W of 700 W",
    "pue": "average of the Uptime Institute's survey of data centres, 2024",
    "resale": "none is counted: nobody knows what it will bring",
    "interest": "none is counted",
    "hosting": "none is counted: put rack, hands and network of a month",
}
"""Where each default comes from. ``price`` has none: only the user can give it."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Owning against renting at one price an hour. ``assumptions``: name, value and source of every input.

    owned, rented: dollars per hour at work. depreciation, interest, energy, failures, hosting: dollars per year of the
    owned device. months, hours: until what was bought has cost less than what would have been rented, in months of the
    calendar and in hours at work; ``None``: never within ``years``. even: the utilisation at which both cost the same
    over ``years``; ``None``: not even at all hours.
    """

    usd_per_hour: float
    owned: float
    rented: float
    depreciation: float
    interest: float
    energy: float
    failures: float
    hosting: float
    months: float | None
    hours: float | None
    even: float | None
    assumptions: tuple[tuple[str, float, str], ...]

    @property
    def cheaper(self) -> str:
        """``own`` or ``rent``, whichever costs less over the years."""
        return "own" if self.owned < self.rented else "rent"


def parse(text: str, power: float | None = None) -> tuple[Owning, frozenset[str]]:
    """``price=30000,power=700,…`` and the names that were given. power: the datasheet's, where none is given.

    Raises ``UsageError`` for a name that is unknown, a value that is no number or out of its range, no price or power.
    """
    known = {item.name for item in fields(Owning)}
    given: dict[str, float] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, _, number = part.partition("=")
        if name not in known:
            raise UsageError(f"--own has no {name!r}.", f"Known are {', '.join(sorted(known))}.")
        try:
            given[name] = float(number)
        except ValueError:
            raise UsageError(f"--own {name}={number!r} is no number.", "Write for example price=30000.") from None
    told = frozenset(given)
    if power is not None:
        given.setdefault("power", power)
    for needed in ("price", "power"):
        if needed not in given:
            raise UsageError(f"--own needs {needed}=…", "Write for example --own price=30000,power=700.")
    made = Owning(**given)
    _check(made)
    return made, told


def _check(owning: Owning) -> None:
    ends = {
        "price": (0.0, math.inf, False),
        "power": (0.0, math.inf, False),
        "years": (0.0, 50.0, False),
        "utilisation": (0.0, 1.0, False),
        "pue": (1.0, 10.0, True),
        "idle": (0.0, 1.0, True),
        "resale": (0.0, 1.0, True),
        "interest": (0.0, 1.0, True),
    }
    for item in fields(Owning):
        value = getattr(owning, item.name)
        low, high, closed = ends.get(item.name, (0.0, math.inf, True))
        if not math.isfinite(value) or not (low <= value <= high) or (value == low and not closed):
            told = "between" if closed else "above"
            most = f" and {high:g}" if closed and high < math.inf else f", at most {high:g}" if high < math.inf else ""
            if closed and high == math.inf:
                told, most = "at least", ""
            raise UsageError(f"--own {item.name}={value:g} cannot be.", f"It is {told} {low:g}{most}.")


def compare(owning: Owning, usd_per_hour: float, given: frozenset[str] = frozenset()) -> Verdict:
    """What the device costs owned and rented. Raises ``UsageError`` for a rent that is no positive price."""
    if not (math.isfinite(usd_per_hour) and usd_per_hour > 0.0):
        raise UsageError(f"A rent of {usd_per_hour:g} dollars an hour is no price.", "Give a positive one.")
    fixed, running = _fixed(owning), _running(owning, usd_per_hour)
    yearly = fixed["depreciation"] + fixed["interest"] + sum(running.values())
    worked = HOURS * owning.utilisation
    saved = usd_per_hour * worked - fixed["interest"] - sum(running.values())
    months = owning.price / saved * MONTHS if saved > 0.0 else math.inf
    within = months <= owning.years * MONTHS
    return Verdict(
        usd_per_hour=usd_per_hour,
        owned=yearly / worked,
        rented=usd_per_hour,
        depreciation=fixed["depreciation"],
        interest=fixed["interest"],
        energy=running["energy"],
        failures=running["failures"],
        hosting=running["hosting"],
        months=months if within else None,
        hours=months / MONTHS * worked if within else None,
        even=_even(owning, usd_per_hour),
        assumptions=tuple(
            (item.name, getattr(owning, item.name), GIVEN if item.name in given else SOURCES.get(item.name, GIVEN))
            for item in fields(Owning)
        ),
    )


def _fixed(owning: Owning) -> dict[str, float]:
    lost = owning.price * (1.0 - owning.resale)
    mean = owning.price * (1.0 + owning.resale) / 2
    return {"depreciation": lost / owning.years, "interest": mean * owning.interest}


def _running(owning: Owning, rent: float) -> dict[str, float]:
    """Dollars per year beside the purchase."""
    load = owning.idle + (1.0 - owning.idle) * owning.utilisation
    energy = owning.power / 1000 * HOURS * owning.pue * load * owning.usd_per_kwh
    out = owning.days_out * 24 * owning.utilisation * rent
    failures = owning.failures_per_year * (owning.repair * owning.price + out)
    return {"energy": energy, "failures": failures, "hosting": owning.hosting * MONTHS}


def _even(owning: Owning, rent: float) -> float | None:
    """The utilisation at which owning costs what renting does. Both are straight lines in it."""

    def excess(utilisation: float) -> float:
        """Dollars per year by which owning is the dearer."""
        at = replace(owning, utilisation=utilisation)
        return sum(_fixed(at).values()) + sum(_running(at, rent).values()) - rent * HOURS * utilisation

    least, most = excess(0.0), excess(1.0)
    if most >= 0.0:
        return None
    return least / (least - most)
