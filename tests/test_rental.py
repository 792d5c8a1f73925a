"""What a machine is rented for: who wins, which of the catalogue's prices is taken, and when none is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchsuite import rental
from benchsuite.catalog.prices import Price
from benchsuite.catalog.rows import Confidence
from benchsuite.errors import DataError, UnavailableError, UsageError
from benchsuite.machine import metadata
from benchsuite.machine.place import Place
from benchsuite.rental import Rental

TODAY = "2026-01-02"
ROW = Price(
    provider="Example (Formerly Other)",
    instance="big.8x",
    hardware="h200_sxm_141",
    devices=8,
    usd_per_hour=28.0,
    kind="on-demand",
    as_of="2025-12",
    source="a list",
    confidence=Confidence.HIGH,
    region="north",
)
HERE = Place("example", "BIG.8x")


def test_what_the_user_says_wins_and_carries_its_date(tmp_path: Path) -> None:
    told = rental.facts(Rental("Lambda", "gpu_1x", "us-west-1", price=2.1), "h100_sxm_80", TODAY, tmp_path)
    assert told == {
        "provider": "Lambda",
        "instance": "gpu_1x",
        "region": "us-west-1",
        "place from": "the user",
        "devices": "1",
        "usd per hour": "2.1",
        "as of": TODAY,
        "source": "entered by the user",
    }


def test_a_machine_that_nobody_rents_out_has_no_offer(tmp_path: Path) -> None:
    assert rental.facts(Rental(), "", TODAY, tmp_path) == {}


@pytest.mark.parametrize("price", [0.0, -1.0, float("nan"), float("inf"), 1e6])
def test_a_price_that_is_none_is_refused(price: float, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no price"):
        rental.facts(Rental(price=price), "", TODAY, tmp_path)


@pytest.mark.parametrize("text", ["a\nb", "x" * 81, "\u202eabc", " padded "])
def test_a_name_that_could_steer_a_page_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no name of a place"):
        rental.facts(Rental(provider=text), "", TODAY, tmp_path)


def test_the_catalogue_s_price_is_taken_when_there_is_just_one() -> None:
    assert rental.listed([ROW], HERE, "h200_sxm_141") == ROW
    assert rental.listed([ROW], HERE, "") == ROW
    assert rental.listed([ROW], HERE, "h100_sxm_80") is None
    assert rental.listed([ROW], Place("example", "small"), "") is None
    assert rental.listed([ROW], Place("another", "big.8x"), "") is None


def test_a_spot_price_is_never_assumed() -> None:
    spot = replace(ROW, kind="preemptible", usd_per_hour=9.0)
    assert rental.listed([ROW, spot], HERE, "") == ROW
    assert rental.listed([spot], HERE, "") is None
    assert rental.listed([ROW, spot], replace(HERE, kind="spot"), "") == spot
    assert rental.listed([ROW, spot], replace(HERE, kind="nonsense"), "") is None


def test_prices_of_other_regions_are_taken_only_where_all_agree() -> None:
    south = replace(ROW, region="south", usd_per_hour=31.0)
    assert rental.listed([ROW, south], HERE, "") is None
    assert rental.listed([ROW, south], replace(HERE, region="south"), "") == south
    assert rental.listed([ROW, replace(south, usd_per_hour=28.0)], replace(HERE, region="west"), "") == ROW


def test_the_shipped_catalogue_prices_an_instance_by_a_metadata_document(tmp_path: Path) -> None:
    """AWS names its instance by document; the price is one of the catalogue's, of all its GPUs."""
    document = tmp_path / "identity.json"
    document.write_text(json.dumps({"instanceType": "p5.48xlarge", "region": "us-east-1", "accountId": "42"}))
    told = rental.facts(Rental(metadata=document), "h100_sxm_80", TODAY, tmp_path / "nothing")
    assert (told["provider"], told["instance"], told["region"]) == ("AWS", "p5.48xlarge", "us-east-1")
    assert told["place from"] == "metadata document"
    assert "42" not in told.values()
    assert told["devices"] == "8"
    assert told["kind"] == "on-demand"
    assert float(told["usd per hour"]) > 0.0
    assert told["as of"]
    assert told["source"]


def test_a_document_that_cannot_be_read_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        rental.facts(Rental(metadata=tmp_path / "none.json"), "", TODAY, tmp_path)


def test_nothing_is_asked_unless_wanted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(known: Place) -> Place:
        raise UnavailableError("asked")

    monkeypatch.setattr(metadata, "ask", refuse)
    rental.facts(Rental(), "", TODAY, tmp_path)
    with pytest.raises(UnavailableError, match="asked"):
        rental.facts(Rental(ask=True), "", TODAY, tmp_path)
