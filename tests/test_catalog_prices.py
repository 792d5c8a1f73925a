"""Prices: an instance's and a device's, and no spot price where an on-demand one was asked for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchsuite.catalog import Basis, Confidence, Market, Price, offers
from benchsuite.catalog.prices import KINDS
from benchsuite.catalog.shipped import shipped
from benchsuite.model import Offer

PRICES = shipped().prices


def test_rows_keep_source_date_confidence_and_basis() -> None:
    one = next(price for price in PRICES if price.instance == "gpu-h200-sxm_8gpu-128vcpu-1600gb")
    assert one == Price(
        provider="Nebius",
        instance="gpu-h200-sxm_8gpu-128vcpu-1600gb",
        hardware="h200_sxm_141",
        devices=8,
        usd_per_hour=28.0,
        kind="on-demand",
        as_of="2025-09..2026-09",
        source="github:skypilot-org/skypilot-catalog catalogs/v8/nebius/vms.csv@0082b043",
        confidence=Confidence.HIGH,
        basis=Basis.FOUND,
        usd_per_device_hour=3.5,
        interconnect="InfiniBand NDR",
        interconnect_gbps=3200,
        region="us-central1",
        precision="catalog schema v8; commit date not visible",
        notes="IB rate from memory",
    )


def test_every_kind_is_sorted_into_a_market() -> None:
    assert {price.kind for price in PRICES} <= set(KINDS)
    assert {price.market for price in PRICES} == set(Market)


def test_spot_never_stands_among_on_demand() -> None:
    plain = offers(PRICES, hardware="h200_sxm_141")
    assert plain
    assert {price.market for price in plain} == {Market.ON_DEMAND}
    spot = offers(PRICES, hardware="h200_sxm_141", market=Market.SPOT)
    assert {price.kind for price in spot} == {"spot", "preemptible"}
    every = offers(PRICES, hardware="h200_sxm_141", market=None)
    assert set(every) > {*plain, *spot}


def test_an_unknown_kind_is_no_on_demand_price() -> None:
    odd = replace(PRICES[0], kind="whatever")
    assert odd.market is Market.UNCLEAR
    assert offers([odd]) == ()


def test_offers_are_found_by_provider_and_instance_and_the_cheapest_device_first() -> None:
    found = offers(PRICES, provider="nebius", instance="GPU-H100-SXM_8GPU-128VCPU-1600GB")
    assert [price.usd_per_hour for price in found] == [23.6]
    per_device = [price.per_device for price in offers(PRICES, hardware="h100_sxm_80")]
    assert per_device == sorted(per_device)
    assert len(per_device) > 5
    assert offers(PRICES, provider="nobody") == ()


@pytest.mark.parametrize("price", PRICES, ids=lambda price: f"{price.provider} {price.instance} {price.kind}")
def test_an_offer_says_the_same(price: Price) -> None:
    offer = price.offer
    assert isinstance(offer, Offer)
    assert (offer.provider, offer.instance, offer.region) == (price.provider, price.instance, price.region)
    assert (offer.devices, offer.usd_per_hour, offer.kind) == (price.devices, price.usd_per_hour, price.kind)
    assert (offer.as_of, offer.source) == (price.as_of, price.source)
    assert offer.usd_per_device_hour == price.per_device
