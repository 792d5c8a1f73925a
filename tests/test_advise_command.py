"""``advise`` and ``predict-training`` from the command line: answers, pages, and one sentence for what cannot be."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from benchsuite import catalog
from benchsuite.cli import app
from benchsuite.commands import advise as commands
from benchsuite.commands import predict_training as training_commands
from benchsuite.commands.advise import limits
from benchsuite.commands.predict_training import count
from benchsuite.errors import BenchsuiteError, RefusedError, UsageError
from benchsuite.model.forecast import Ceiling, Footing
from benchsuite.predict import datasheet
from benchsuite.predict.latency import Limits

OFFERS = """provider,instance,hardware,devices,usd_per_hour,kind,as_of,source,confidence
Mine,two cards,l40s,2,1.5,on-demand,2026-11,a mail,high
Mine,one card,h100_sxm_80,1,2.5,on-demand,2026-11,a mail,high
Mine,old,h100_sxm_80,1,0.5,on-demand,2019-01,a mail,high
Mine,spot,h100_sxm_80,1,0.5,spot,2026-11,a mail,high
"""
SMALL = ("--rate", "4", "--isl", "512", "--osl", "128", "--precision", "fp8", "--tensor", "1")
MESH = ("--machine", "h100_sxm_80:8", "--length", "8192", "--data", "8", "--sharded")


@pytest.fixture
def offers(tmp_path: Path) -> Path:
    path = tmp_path / "offers.csv"
    path.write_text(OFFERS)
    return path


def run(*words: str) -> str:
    found = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert found.exit_code == 0, found.output
    return found.output


def refused(*words: str) -> BenchsuiteError:
    with pytest.raises(BenchsuiteError) as caught:
        CliRunner().invoke(app, list(words), catch_exceptions=False)
    return caught.value


def test_offers_of_a_file_are_ranked_and_the_old_one_is_left_out(offers: Path) -> None:
    made = json.loads(run("advise", "llama-3.1-8b", *SMALL, "--offers", str(offers), "--json"))
    assert {one["instance"] for one in made["plans"]} == {"two cards", "one card"}
    assert [one["code"] for one in made["rejected"]] == ["OLD_PRICE"]
    assert "2019-01" in made["rejected"][0]["reason"]
    assert made["limits"] == {"ttft": 2.0, "tpot": 0.05, "share": 0.99}
    spot = json.loads(run("advise", "llama-3.1-8b", *SMALL, "--offers", str(offers), "--market", "spot", "--json"))
    assert {one["instance"] for one in spot["plans"]} == {"spot"}


def test_the_page_and_owning(offers: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    text = run(
        "advise", "llama-3.1-8b", *SMALL, "--offers", str(offers), "--own", "price=9000", "--html", str(page), "--all"
    )
    assert "Own or rent" in text
    assert "price = 9000: given" in text
    assert "power = 350: the board's limit" in text
    assert "<h1" in page.read_text()
    bad = refused(
        "advise", "llama-3.1-8b", *SMALL, "--offers", str(offers), "--html", str(tmp_path / "no" / "page.html")
    )
    assert "cannot be written" in bad.message


def test_when_nothing_keeps_the_limits_the_exit_says_so(offers: Path) -> None:
    told = refused("advise", "llama-3.1-8b", *SMALL, "--offers", str(offers), "--slo", "tpot=0.01ms")
    assert isinstance(told, RefusedError)
    assert int(told.exit_code) == 3


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("nothing", "--rate", "1"), "no model called 'nothing'"),
        (("llama-3.1-8b", "--rate", "0"), "is no rate"),
        (("llama-3.1-8b", "--rate", "1", "--slo", "tpot=5"), "is no limit"),
        (("llama-3.1-8b", "--rate", "1", "--slo", ""), "names no limit"),
        (("llama-3.1-8b", "--rate", "1", "--market", "barter"), "no market 'barter'"),
        (("llama-3.1-8b", "--rate", "1", "--tensor", "two"), "no count of devices"),
        (("llama-3.1-8b", "--rate", "1", "--precision", "fp7"), "'fp7' is no precision"),
        (("llama-3.1-8b", "--rate", "1", "--max-age", "0", "--market", "reserved"), "There is no reserved offer"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(words: tuple[str, ...], told: str) -> None:
    assert told in str(refused("advise", *words))


def test_a_run_replaces_its_card_and_adds_its_own_offer(offers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run's L40S reads twice as fast as the catalogue's, and its facts tell a price."""
    plain = json.loads(run("advise", "llama-3.1-8b", *SMALL, "--offers", str(offers), "--json"))
    known = catalog.load()
    card = datasheet.ceilings(known.accelerators["l40s"], known.figures)
    fast = replace(card, name="a-run", bandwidth=Ceiling(2 * card.bandwidth.value, Footing.MEASURED))
    facts = {
        "offer": {"provider": "Mine", "instance": "rented", "usd per hour": "0.25", "devices": "1", "as of": "2026-11"}
    }
    monkeypatch.setattr(commands.store, "find", lambda name, out: Path(name))
    monkeypatch.setattr(commands.store, "load", lambda path: SimpleNamespace(campaign=SimpleNamespace(facts=facts)))
    monkeypatch.setattr(commands.machines, "of_run", lambda path, known: fast)
    made = json.loads(run("advise", "llama-3.1-8b", *SMALL, "--offers", str(offers), "--measured", "a-run", "--json"))
    before, after = ({one["instance"]: one for one in document["plans"]} for document in (plain, made))
    assert after["rented"]["usd_per_hour"] == 0.25
    assert after["two cards"]["footing"] == "measured"
    assert after["two cards"]["tpot"]["p50"] < before["two cards"]["tpot"]["p50"]
    assert after["one card"]["tpot"] == before["one card"]["tpot"]
    monkeypatch.setattr(commands.machines, "of_run", lambda path, known: replace(fast, hardware=""))
    assert "no card that the catalogue knows" in str(
        refused("advise", "llama-3.1-8b", *SMALL, "--offers", str(offers), "--measured", "a-run")
    )


def test_limits_are_read_with_their_units() -> None:
    assert limits("ttft=2s,tpot=50ms", 0.9) == Limits(2.0, 0.05, 0.9)
    assert limits("tpot=1.5ms", 0.99).tpot == pytest.approx(0.0015)
    with pytest.raises(UsageError):
        limits("speed=2s", 0.99)


def test_a_training_is_forecast_and_its_page_written(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    words = (
        "predict-training",
        "llama-3.1-8b",
        *MESH,
        "--tokens",
        "300B",
        "--usd-per-hour",
        "2",
        "--failures",
        "0.173",
    )
    text = run(*words, "--html", str(page))
    assert "days" in text.splitlines()[0]
    assert "UNCALIBRATED" in text
    assert "<h1" in page.read_text()
    made = json.loads(run(*words, "--json"))
    assert made["tokens"] == 3e11
    assert made["usd"]["value"] == pytest.approx(made["days"]["value"] * 24 * 8 * 2)
    assert made["memory_of_device"] > sum(made["memory"].values())
    assert 0.2 < made["mfu"]["value"] < 0.7


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("llama-3.1-405b", "--machine", "h100_sxm_80:8", "--data", "8"), "does not fit"),
        (("llama-3.1-8b", "--machine", "h100_sxm_80:8", "--data", "16", "--sharded"), "What joins the nodes"),
        (("llama-3.1-8b", *MESH, "--tokens", "many"), "is no count"),
        (("llama-3.1-8b", *MESH, "--sharded-optimizer"), "Give one of the two"),
        (("llama-3.1-8b", *MESH, "--recompute", "all"), "is recomputed"),
        (("llama-3.1-8b", *MESH, "--usd-per-hour", "0"), "no price"),
        (("llama-3.1-8b", "--machine", "abacus"), "abacus"),
    ],
)
def test_a_training_that_cannot_be_is_one_sentence(words: tuple[str, ...], told: str) -> None:
    assert told in str(refused("predict-training", *words))


def test_the_overlap_that_a_run_measured_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """The least hidden share of the run's overlaps; never of another run, and what was given goes before it."""
    known = catalog.load()
    card = datasheet.ceilings(known.accelerators["h100_sxm_80"], known.figures, 8)
    monkeypatch.setattr(training_commands.machines, "machine", lambda *_: replace(card, name="a-run"))
    monkeypatch.setattr(training_commands.store, "find", lambda name, out: Path(name))
    monkeypatch.setattr(training_commands.store, "load", lambda path: None)
    monkeypatch.setattr(training_commands.results, "scores_of", lambda loaded: ())
    shares = [SimpleNamespace(hidden=SimpleNamespace(value=value)) for value in (0.9, 0.3, 1.4)]
    monkeypatch.setattr(training_commands.training, "exposures", lambda scores: shares)
    words = ("predict-training", "llama-3.1-8b", "--length", "8192", "--data", "8", "--sharded", "--json", "--machine")
    assert json.loads(run(*words, "a-run"))["hidden"] == 0.3
    assert json.loads(run(*words, "a-run", "--hidden", "0.7"))["hidden"] == 0.7
    assert json.loads(run(*words, "another"))["hidden"] is None


def test_counts_are_decimal_or_binary() -> None:
    assert (count("1T", "tokens"), count("4Mi", "batch"), count("15.6T", "tokens")) == (1e12, 2**22, 15.6e12)
    with pytest.raises(UsageError):
        count("0", "tokens")


def test_what_cannot_be_is_told_before_anything_is_simulated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "advised", lambda *_: pytest.fail("simulated"))
    words = ("advise", "llama-3.1-8b", "--rate", "5")
    assert "has no 'prize'" in refused(*words, "--own", "prize=3").message
    monkeypatch.undo()
    too_long = refused(*words, "--isl", "200000")
    assert isinstance(too_long, RefusedError)
    assert "131,072 tokens" in too_long.message
    assert "--isl" in too_long.remedy


def test_a_training_says_its_tokens_as_they_were_given_and_what_is_missing() -> None:
    text = run("predict-training", "llama-3.1-8b", *MESH, "--tokens", "300B")
    assert "llama-3.1-8b, 300B tokens" in text
    assert "No dollars: nobody said what a device costs (--usd-per-hour)." in text
    assert "of 79.6 GiB" in text
    assert "No dollars" not in run("predict-training", "llama-3.1-8b", *MESH, "--usd-per-hour", "2")
