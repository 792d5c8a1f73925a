"""Which offer to take: ranking, ties, smaller devices, refusals; and offers of a file."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import advice_data as data
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchsuite.catalog.prices import Market
from benchsuite.errors import DataError, UsageError
from benchsuite.model.forecast import Mesh
from benchsuite.predict import latency, step
from benchsuite.predict.advise import MONTH, advise
from benchsuite.predict.capacity import SCORE, capacity, sketch
from benchsuite.predict.latency import Limits
from benchsuite.predict.offers import from_file, usable


def plan(rate: float = 4.0, offers: tuple = data.OFFERS, **changed: object):
    return advise(data.wanted(rate=rate, **changed), offers, data.machine)


def test_the_cheapest_comes_first_and_dollars_add_up() -> None:
    found = plan().plans
    assert [one.usd_per_month.value for one in found] == sorted(one.usd_per_month.value for one in found)
    for one in found:
        month = one.instances * one.price.usd_per_hour * MONTH
        assert one.usd_per_month.value == pytest.approx(month)
        assert one.usd_per_mtok.value == pytest.approx(month / (4.0 * 128 * MONTH * 3600) * 1e6)
        assert one.copies * one.capacity.rate.value >= 4.0 * (1 - 1e-9)
        assert one.devices == one.instances * one.price.devices
        assert one.usd_per_month.low <= one.usd_per_month.value <= one.usd_per_month.high


def test_the_latency_of_each_plan_keeps_the_limits() -> None:
    for one in plan(40.0).plans:
        assert one.at.kept
        assert one.at.ttft_p99 <= 2.0
        assert one.at.tpot_p99 <= 0.05
        assert one.at.load < 1.0


def test_a_smaller_device_that_suffices_is_named() -> None:
    assert plan().plans[0].price.hardware == "small"
    assert any("smaller Example small suffices" in text for text in plan().sentences)
    dear = tuple(replace(one, usd_per_hour=9.0) if one.hardware == "small" else one for one in data.OFFERS)
    assert not any("smaller" in text for text in plan(offers=dear).sentences)


def test_bands_that_overlap_are_not_told_apart() -> None:
    near = (
        data.price("small", 1.0),
        data.price("small", 1.3, provider="Near"),  # dearer than the cheapest's estimate, not than its upper end
        data.price("small", 50.0, provider="Far"),
    )
    found = {one.price.provider: one for one in plan(60.0, near).plans}
    assert found["Near"].undecided
    assert not found["Far"].undecided
    assert not found["Example"].undecided


@pytest.mark.parametrize("rate", [30.0, 300.0, 1200.0])
def test_an_instance_holds_as_many_copies_as_its_devices_allow(rate: float) -> None:
    (found,) = plan(rate, data.OFFERS[1:2], degrees=(2,)).plans
    assert found.copies == math.ceil(rate / found.capacity.rate.value)
    assert found.instances == math.ceil(found.copies / 4)


def test_of_all_degrees_the_cheapest_is_taken() -> None:
    limits = Limits(2.0, 0.01)
    for degrees in ((1, 2), (2, 1)):
        (found,) = plan(600.0, data.OFFERS[1:2], limits=limits, degrees=degrees).plans
        alone = [plan(600.0, data.OFFERS[1:2], limits=limits, degrees=(degree,)).plans for degree in degrees]
        assert alone[0][0].instances != alone[1][0].instances
        assert found.usd_per_month.value == min(one.usd_per_month.value for plans in alone for one in plans)


def test_the_band_is_never_narrower_than_published_rates_were_off() -> None:
    (found,) = plan(300.0, data.OFFERS[:1]).plans
    rate = found.capacity.rate
    assert rate.low <= rate.value * math.exp(-SCORE) * (1 + 1e-9)
    assert rate.high >= rate.value * math.exp(SCORE) * (1 - 1e-9)


@pytest.mark.parametrize(("rate", "tpot"), [(4.0, 0.05), (300.0, 0.05), (300.0, 0.012), (4.0, 0.012)])
def test_the_ends_of_a_band_are_those_of_a_full_search(rate: float, tpot: float) -> None:
    """Whole searches for both ends, each to 0.8 %: what is saved by asking only what matters changes nothing."""
    wanted = replace(data.wanted(), rate=rate, limits=Limits(2.0, tpot))
    drawn = sketch(wanted, data.machine("large", 1), "bf16", 1)
    found, band = capacity(wanted, drawn, 1).rate, drawn.made.throughput

    def searched(faster: float) -> float:
        sped = replace(drawn.copy, step=lambda n: drawn.copy.step(n) / faster, prompt=drawn.copy.prompt / faster)
        fitting = latency.fitted(sped, wanted.limits)
        made = fitting and latency.highest(fitting, wanted.limits, wanted.seed, rate * math.exp(SCORE))
        return made.rate if made else 0.0

    low, high = searched(band.low / band.value), searched(band.high / band.value)
    assert found.low == pytest.approx(min(low, found.value * math.exp(-SCORE)), rel=0.02)
    assert found.high == pytest.approx(max(high, found.value * math.exp(SCORE)), rel=0.02)


def test_a_copy_steps_at_its_mean_context() -> None:
    (found,) = plan(4.0, data.OFFERS[:1]).plans
    wanted = data.wanted()
    machine, precision = data.machine("large", 1), found.capacity.precision
    told = step.decode(wanted.shape, precision, machine, Mesh(), wanted.engine, 7, 512 + 64).seconds
    assert found.capacity.copy.step(7) == told
    assert (
        found.capacity.copy.prompt == step.prefill(wanted.shape, precision, machine, Mesh(), wanted.engine, 512).seconds
    )


def test_an_instance_is_paid_whole() -> None:
    found = next(one for one in plan().plans if one.price.devices == 8)
    assert found.devices == 8
    assert found.instances == 1
    assert found.usd_per_month.value == pytest.approx(40.0 * MONTH)


def test_what_is_left_out_says_why() -> None:
    reasons = {(one.hardware, one.precision): one for one in plan(precisions=("bf16", "fp8")).rejected}
    assert reasons["tiny", "bf16"].code == "DOES_NOT_FIT"
    assert reasons["small", "fp8"].code == "NO_TYPE"
    slow = plan(limits=Limits(2.0, 0.001)).rejected
    assert {one.code for one in slow if one.hardware != "tiny"} == {"TOO_SLOW"}
    assert all("allowed 1 ms" in one.words for one in slow if one.code == "TOO_SLOW")
    assert not plan(limits=Limits(0.0001, 1.0)).plans


def test_a_device_that_nobody_knows_is_left_out() -> None:
    def nobody(hardware: str, devices: int):
        raise UsageError("It is not known.")

    found = advise(data.wanted(), data.OFFERS, nobody)
    assert not found.plans
    assert {one.code for one in found.rejected} == {"UNKNOWN"}


@given(factor=st.floats(0.1, 20.0))
@settings(deadline=None, max_examples=8)
def test_dollars_are_in_proportion_to_the_price(factor: float) -> None:
    one = plan(offers=data.OFFERS[:1]).plans[0]
    other = plan(offers=(replace(data.OFFERS[0], usd_per_hour=4.0 * factor),)).plans[0]
    assert other.usd_per_month.value == pytest.approx(one.usd_per_month.value * factor)
    assert other.usd_per_mtok.high == pytest.approx(one.usd_per_mtok.high * factor)


def test_a_higher_rate_never_costs_less() -> None:
    costs = [plan(rate).plans[0].usd_per_month.value for rate in (1.0, 10.0, 100.0)]
    assert costs == sorted(costs)
    assert costs[2] > costs[0]


def test_tighter_limits_never_cost_less() -> None:
    costs = [plan(80.0, limits=Limits(2.0, tpot)).plans[0].usd_per_month.value for tpot in (0.1, 0.03, 0.02)]
    assert costs == sorted(costs)


def test_who_rents_it_out_is_not_simulated_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []
    real = latency.at

    def counted(copy: latency.Copy, rate: float, limits: Limits, seed: int = 0) -> latency.Latency:
        asked.append(rate)
        return real(copy, rate, limits, seed)

    monkeypatch.setattr(latency, "at", counted)
    alone = plan(4.0, data.OFFERS[:1])
    once = len(asked)
    several = plan(4.0, (data.OFFERS[0], replace(data.OFFERS[0], provider="Third", usd_per_hour=5.0)))
    assert len(asked) == 2 * once
    assert several.plans[0].at == several.plans[1].at == alone.plans[0].at


def test_the_answer_is_the_same_twice() -> None:
    assert plan().plans == plan().plans or [str(one.usd_per_month) for one in plan().plans] == [
        str(one.usd_per_month) for one in plan().plans
    ]


@pytest.mark.parametrize("rate", [0.0, -1.0, math.nan, math.inf])
def test_a_rate_that_is_none_is_refused(rate: float) -> None:
    with pytest.raises(UsageError, match="is no rate"):
        plan(rate)


@pytest.mark.parametrize("changed", [{"limits": Limits(0.0, 1.0)}, {"precisions": ("fp9",)}])
def test_limits_and_precisions_that_cannot_be(changed: dict) -> None:
    with pytest.raises(UsageError):
        plan(**changed)


HEADER = "provider,instance,hardware,devices,usd_per_hour,kind,as_of,source,confidence"


def file(folder: Path, *rows: str) -> Path:
    path = folder / "offers.csv"
    path.write_text("\n".join((HEADER, *rows)) + "\n")
    return path


def test_offers_of_a_file(tmp_path: Path) -> None:
    found = from_file(file(tmp_path, "Mine,one,l40s,2,1.5,on-demand,2026-11,a mail,high"))
    assert (found[0].provider, found[0].per_device, found[0].market) == ("Mine", 0.75, Market.ON_DEMAND)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("Mine,one,l40s,2,much,on-demand,2026-11,a mail,high", "line 2"),
        ("Mine,one,l40s,2,1.5,on-demand,last week,a mail,high", "is no date"),
        ("Mine,one,l40s,2,1.5,barter,2026-11,a mail,high", "is no kind of price"),
        ("Mine,one,l40s,2,1.5,on-demand,2026-11,a mail,high,more", "is unknown"),
        ("Mine,one", "is missing"),
        ("Mi\u202ene,one,l40s,2,1.5,on-demand,2026-11,a mail,high", "hidden character"),
    ],
)
def test_offers_that_cannot_be_read_name_the_line(tmp_path: Path, row: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        from_file(file(tmp_path, row))


def test_an_empty_file_holds_no_offer(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no offer"):
        from_file(file(tmp_path))


def test_old_prices_and_none_are_left_out_with_their_date() -> None:
    offers = (
        data.price("small", 1.0, as_of="2026-11-01"),
        data.price("small", 1.0, as_of="2024-01..2025-01"),
        data.price("small", 0.0),
        data.price("small", math.nan),
        data.price("small", 1.0, kind="spot"),
    )
    kept, left = usable(offers, Market.ON_DEMAND, "2026-11-30", 18)
    assert kept == [offers[0]]
    assert [one.code for one in left] == ["OLD_PRICE", "NO_PRICE", "NO_PRICE"]
    assert left[0].words == "Its price is 22 months old, of 2024-01..2025-01."
    assert usable(offers, Market.ON_DEMAND, "2026-11-30", 22)[0] == list(offers[:2])
