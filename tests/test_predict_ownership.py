"""Own or rent: by hand, and laws of the break-even."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchsuite.errors import UsageError
from benchsuite.predict.ownership import HOURS, SOURCES, Owning, compare, parse


def plain(**changed: float) -> Owning:
    """Nothing but a price and energy, so that a pencil suffices."""
    told = {"price": 8760.0, "power": 1000.0, "usd_per_kwh": 0.1, "years": 2.0, "failures_per_year": 0.0}
    return Owning(**(told | {"utilisation": 1.0, "pue": 1.0} | changed))


def test_by_hand() -> None:
    found = compare(plain(), 1.0)
    assert found.depreciation == pytest.approx(4380.0)
    assert found.energy == pytest.approx(876.0)  # 1 kW, all year, 10 cents
    assert found.owned == pytest.approx((4380 + 876) / HOURS)  # 60 cents an hour
    assert found.months == pytest.approx(12 * 8760 / (8760 - 876))
    assert found.hours == pytest.approx(8760 / (1.0 - 0.1))
    assert found.cheaper == "own"


def test_failures_cost_repair_and_a_rented_substitute() -> None:
    found = compare(plain(failures_per_year=0.5, repair=0.2, days_out=10.0), 2.0)
    assert found.failures == pytest.approx(0.5 * (0.2 * 8760 + 10 * 24 * 2.0))


def test_a_device_at_rest_draws_too_and_is_replaced_only_while_it_would_work() -> None:
    found = compare(plain(utilisation=0.5, idle=0.2, pue=1.5, failures_per_year=1.0, repair=0.0, days_out=10.0), 2.0)
    assert found.energy == pytest.approx(876.0 * 1.5 * 0.6)
    assert found.failures == pytest.approx(10 * 24 * 0.5 * 2.0)


def test_the_break_even_utilisation_makes_both_equal() -> None:
    found = compare(plain(), 1.0)
    assert found.even is not None
    there = compare(plain(utilisation=found.even), 1.0)
    assert there.owned == pytest.approx(1.0)


def test_a_rent_below_the_energy_is_never_reached() -> None:
    found = compare(plain(), 0.09)
    assert (found.months, found.hours, found.even, found.cheaper) == (None, None, None, "rent")


def test_beyond_the_years_there_is_no_break_even() -> None:
    assert compare(plain(years=1.0), 1.0).months is None
    assert compare(plain(years=1.2), 1.0).months is not None


@given(rent=st.floats(0.2, 20.0), price=st.floats(100, 100_000), use=st.floats(0.05, 1.0), factor=st.floats(1.01, 5.0))
@settings(deadline=None, max_examples=60)
def test_everything_dearer_keeps_the_break_even(rent: float, price: float, use: float, factor: float) -> None:
    """All prices times a factor: hours and utilisation stay, dollars follow."""
    one = compare(plain(price=price, utilisation=use, years=5.0), rent)
    more = compare(plain(price=price * factor, utilisation=use, years=5.0, usd_per_kwh=0.1 * factor), rent * factor)
    assert more.owned == pytest.approx(one.owned * factor)
    assert more.months == (pytest.approx(one.months) if one.months is not None else None)


@given(rent=st.floats(0.5, 20.0), more=st.floats(1.01, 3.0))
@settings(deadline=None, max_examples=40)
def test_a_dearer_rent_breaks_even_sooner(rent: float, more: float) -> None:
    one, other = compare(plain(years=40.0), rent), compare(plain(years=40.0), rent * more)
    assert one.months is not None
    assert other.months is not None
    assert other.months < one.months


def test_every_default_is_told_with_its_source() -> None:
    owning, given_ = parse("price=30000", power=700.0)
    found = compare(owning, 2.5, given_)
    told = {name: source for name, _, source in found.assumptions}
    assert set(told) == set(Owning.__dataclass_fields__)
    assert told["price"] == "given"
    assert all(told[name] == SOURCES[name] for name in SOURCES)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("power=700", "needs price"),
        ("price=1", "needs power"),
        ("price=1,power=1,colour=3", "has no 'colour'"),
        ("price=much,power=1", "is no number"),
        ("price=0,power=1", "cannot be"),
        ("price=nan,power=1", "cannot be"),
        ("price=inf,power=1", "cannot be"),
        ("price=1,power=1,utilisation=1.2", "cannot be"),
        ("price=1,power=1,utilisation=0", "cannot be"),
        ("price=1,power=1,pue=0.5", "cannot be"),
        ("price=1,power=1,failures_per_year=-1", "cannot be"),
    ],
)
def test_what_cannot_be_is_said(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse(text)


@pytest.mark.parametrize("rent", [0.0, -1.0, float("nan"), float("inf")])
def test_a_rent_that_is_none_is_refused(rent: float) -> None:
    with pytest.raises(UsageError):
        compare(plain(), rent)
