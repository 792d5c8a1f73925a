"""What a number is worth: the arithmetic, its inputs, and every way in which it cannot be known."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchsuite.model import Case, Metric, Offer, Score, Status, Work
from benchsuite.worth import devices, of, offer_of

few = settings(max_examples=80, deadline=None)
OFFER = Offer("Nebius", "one", "eu", 1, 2.10, "on-demand", "2026-11-30", "entered by the user")
WORK = Work(flops=2.0e12, read=8.0e9, written=4.0e9, wire=1.5e9, steps=100.0)
GEMM = Score(
    Case.of("gemm", m=10000, n=10000, k=10000, dtype="bf16"),
    "mma",
    "",
    Metric.FLOPS,
    Status.OK,
    WORK,
    runs=5,
    value=612e12,
    low=609e12,
    high=615e12,
    backend="cuda",
    conditions={"power": 500.0},
    joules=2.0,
)


def test_one_teraflop_a_second_for_a_dollar_an_hour_is_3_6_petaflop_for_a_dollar() -> None:
    score = replace(GEMM, value=1e12, low=None, high=None)
    bought = of(score, replace(OFFER, usd_per_hour=1.0)).per_dollar
    assert bought.value == pytest.approx(3.6e15)
    assert bought.unit == "FLOP/$"
    assert bought.low is None


def test_the_interval_is_that_of_the_rate_and_every_input_is_carried() -> None:
    worth = of(GEMM, OFFER, 720e12)
    assert worth.per_dollar.value == pytest.approx(612e12 * 3600 / 2.10)
    assert worth.per_dollar.low == pytest.approx(609e12 * 3600 / 2.10)
    assert worth.per_dollar.high == pytest.approx(615e12 * 3600 / 2.10)
    assert (worth.offer, worth.devices, worth.usd_per_hour) == (OFFER, 1, 2.10)
    assert (worth.watts, worth.joules, worth.middle) == (500.0, 2.0, 720e12)


def test_per_watt_is_rate_over_power_and_per_joule_is_work_over_energy() -> None:
    worth = of(GEMM)
    assert worth.per_watt.value == pytest.approx(612e12 / 500.0)
    assert worth.per_watt.unit == "FLOP/s/W"
    assert worth.per_joule.value == pytest.approx(2.0e12 / 2.0)
    assert worth.per_joule.unit == "FLOP/J"
    assert worth.per_joule.low is None


def test_a_processors_power_is_its_energy_over_time() -> None:
    host = replace(GEMM, backend="host", conditions={"power": 90.0}, value=1e12)  # 2 TFLOP take 2 s and 2 J
    assert of(host).watts == pytest.approx(1.0)
    assert of(replace(host, joules=None)).watts is None


def test_effective_and_break_even_prices() -> None:
    """$2.10 for 85 % of the usual is as dear as $2.47; at $1.785 a dollar would buy the usual."""
    worth = of(GEMM, OFFER, 720e12)
    assert worth.effective.value == pytest.approx(2.10 / (612 / 720))
    assert worth.break_even.value == pytest.approx(2.10 * 612 / 720)
    assert worth.effective.low == pytest.approx(2.10 / (615 / 720))
    assert worth.effective.high == pytest.approx(2.10 / (609 / 720))
    assert worth.break_even.low == pytest.approx(2.10 * 609 / 720)
    usual = 720e12 * 3600 / 2.10
    assert worth.per_dollar.value is not None
    assert worth.break_even.value is not None
    assert 612e12 * 3600 / worth.break_even.value == pytest.approx(usual)


LATENCY = replace(GEMM, metric=Metric.LATENCY, value=100e-9, low=95e-9, high=110e-9)


def test_a_latency_buys_nothing_but_can_be_set_against_the_usual() -> None:
    worth = of(LATENCY, OFFER, 80e-9)
    for amount in (worth.per_dollar, worth.per_joule, worth.per_watt):
        assert amount.value is None
        assert "latency" in amount.reason
    assert worth.effective.value == pytest.approx(2.10 / 0.8)
    assert worth.effective.high == pytest.approx(2.10 / (80 / 110))
    assert worth.break_even.value == pytest.approx(2.10 * 0.8)


@pytest.mark.parametrize("metric", [Metric.CLOCK, Metric.POWER, Metric.TEMPERATURE, Metric.COUNT, Metric.RATIO])
def test_what_is_no_work_has_no_worth(metric: Metric) -> None:
    worth = of(replace(GEMM, metric=metric), OFFER, 1.0)
    for amount in (worth.per_dollar, worth.per_joule, worth.per_watt, worth.effective, worth.break_even):
        assert amount.value is None
        assert amount.reason


@pytest.mark.parametrize(
    "bad",
    [
        {"status": Status.REJECTED, "value": None},
        {"status": Status.REJECTED},
        {"value": None},
        {"value": 0.0},
        {"value": math.nan},
    ],
)
def test_without_a_verified_number_there_is_nothing(bad: dict[str, object]) -> None:
    worth = of(replace(GEMM, **bad), OFFER, 1e12)  # type: ignore[arg-type]
    for amount in (worth.per_dollar, worth.per_joule, worth.per_watt, worth.effective, worth.break_even):
        assert amount.value is None
        assert amount.reason == "there is no verified number"


@pytest.mark.parametrize("price", [None, 0.0, -1.0, math.nan, math.inf])
def test_without_a_price_there_is_nothing_per_dollar(price: float | None) -> None:
    worth = of(GEMM, replace(OFFER, usd_per_hour=price), 720e12)
    assert worth.per_dollar.value is None
    assert worth.effective.value is None
    assert worth.per_dollar.reason == worth.effective.reason == "the offer has no price"
    assert of(GEMM).per_dollar.reason == "no price was given"
    assert of(GEMM).per_watt.value is not None


def test_without_a_reference_there_is_no_effective_price() -> None:
    worth = of(GEMM, OFFER)
    assert worth.per_dollar.value is not None
    assert worth.effective.value is None
    assert "no reference" in worth.effective.reason


def test_only_the_devices_that_took_part_are_paid() -> None:
    eight = replace(OFFER, devices=8, usd_per_hour=16.0)
    assert of(GEMM, eight).usd_per_hour == pytest.approx(2.0)
    peers = replace(GEMM, case=Case.of("peer-allreduce", gpus=4, spread=True), metric=Metric.BUSBW)
    assert of(peers, eight).usd_per_hour == pytest.approx(8.0)
    assert devices(replace(peers, case=Case.of("peer-allreduce", gpus=4, spread=False)), eight) == 1
    assert devices(replace(GEMM, case=Case.of("p2p", source=0, target=1)), eight) == 2
    assert devices(replace(GEMM, case=Case.of("allreduce", 8)), eight) == 8
    assert of(replace(GEMM, backend="host"), eight).usd_per_hour == pytest.approx(16.0)


def test_more_devices_than_the_price_buys_have_no_price() -> None:
    many = of(replace(GEMM, case=Case.of("allreduce", 8), metric=Metric.BUSBW), OFFER)
    assert many.per_dollar.value is None
    assert many.per_dollar.reason == "8 devices took part, and the price buys 1 device"


def test_one_devices_sensors_say_nothing_of_eight() -> None:
    many = of(replace(GEMM, case=Case.of("allreduce", 8), metric=Metric.BUSBW), replace(OFFER, devices=8))
    assert many.watts is None
    assert many.per_watt.value is None
    assert many.per_joule.value is None
    assert "one device only" in many.per_watt.reason


def test_other_tools_rates_have_no_known_work() -> None:
    imported = replace(GEMM, metric=Metric.ALGBW, work=Work(), backend="")
    assert of(imported, OFFER).per_dollar.unit == "B/$"
    assert of(imported, OFFER).per_joule.value is None


@few
@given(st.floats(1e6, 1e15), st.floats(1.01, 100.0), st.floats(0.01, 1000.0))
def test_faster_is_never_dearer(value: float, factor: float, price: float) -> None:
    """Of a rate; of a latency, shorter."""
    offer, middle = replace(OFFER, usd_per_hour=price), 1e12
    for metric, better in ((Metric.FLOPS, factor), (Metric.LATENCY, 1.0 / factor)):
        here = replace(GEMM, metric=metric, value=value, low=None, high=None)
        slow, fast = of(here, offer, middle), of(replace(here, value=value * better), offer, middle)
        assert fast.effective.value is not None
        assert slow.effective.value is not None
        assert fast.effective.value < slow.effective.value
        assert (fast.break_even.value or 0) > (slow.break_even.value or 0)


@few
@given(st.floats(0.01, 1000.0), st.floats(0.01, 1000.0), st.floats(1e-3, 1e3))
def test_dollars_scale_with_the_price_and_nothing_with_the_unit(price: float, other: float, scale: float) -> None:
    one, two = (of(GEMM, replace(OFFER, usd_per_hour=usd), 720e12) for usd in (price, other))
    assert (one.effective.value or 0) / (two.effective.value or 1) == pytest.approx(price / other)
    assert (one.per_dollar.value or 0) / (two.per_dollar.value or 1) == pytest.approx(other / price)
    scaled = replace(GEMM, value=612e12 * scale, low=609e12 * scale, high=615e12 * scale)
    assert of(scaled, OFFER, 720e12 * scale).effective.value == pytest.approx(of(GEMM, OFFER, 720e12).effective.value)


TOLD = {
    "provider": "RunPod",
    "instance": "h100",
    "region": "eu",
    "devices": "8",
    "usd per hour": "23.60",
    "kind": "spot",
    "as of": "2026-09-01",
    "source": "the catalogue",
}


def test_an_offer_is_read_from_the_facts() -> None:
    assert offer_of({"offer": TOLD}) == Offer("RunPod", "h100", "eu", 8, 23.60, "spot", "2026-09-01", "the catalogue")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("usd per hour", ""),
        ("usd per hour", "cheap"),
        ("usd per hour", "0"),
        ("usd per hour", "-2"),
        ("usd per hour", "nan"),
        ("usd per hour", "inf"),
        ("devices", "many"),
        ("devices", "0"),
        ("devices", "-8"),
        ("devices", "²"),
    ],
)
def test_a_price_that_cannot_be_read_is_no_price(name: str, text: str) -> None:
    offer = offer_of({"offer": {**TOLD, name: text}})
    assert offer is not None
    assert offer.usd_per_hour is None
    assert offer.provider == "RunPod"


def test_without_an_offer_there_is_none() -> None:
    assert offer_of({}) is None
    assert offer_of({"offer": {}}) is None
    assert offer_of({"offer": {"provider": ""}}) is None
    alone = offer_of({"offer": {"usd per hour": "2.1"}})
    assert alone is not None
    assert alone.usd_per_device_hour == pytest.approx(2.1)
