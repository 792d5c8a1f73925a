"""``benchsuite predict``: what a person types, what comes out, how it refuses and with which exit code."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from benchsuite.catalog import load
from benchsuite.cli import app
from benchsuite.commands import machines
from benchsuite.commands import predict as commands
from benchsuite.errors import BenchsuiteError, RefusedError, UsageError
from benchsuite.model import Ceilings, Forecast, GemmPoint
from benchsuite.predict import datasheet
from benchsuite.render.forecast_table import Outcome

KNOWN = load()


def said(*words: str) -> str:
    found = CliRunner().invoke(app, ["predict", *words], catch_exceptions=False)
    assert found.exit_code == 0, found.output
    return found.output.replace("\u00a0", " ")


def document(*words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(said(*words, "--json"))
    return found


def refused(*words: str) -> BenchsuiteError:
    found = CliRunner().invoke(app, ["predict", *words])
    assert isinstance(found.exception, BenchsuiteError), found.output
    assert not any(digit in found.output for digit in "0123456789"), found.output
    assert found.exception.message.endswith(".")
    assert found.exception.remedy
    return found.exception


def test_the_answer_says_what_it_chose() -> None:
    text = said("llama-3.1-70b", "--machine", "h100_sxm_80:8", "--provider", "Nebius")
    first, second = text.splitlines()[:2]
    assert first.startswith("llama-3.1-70b, bf16, on")
    assert "tokens/s" in second
    assert "No precision was asked for: bf16, in which llama-3.1-70b was released." in text
    assert "No mesh was asked for: tensor parallel" in text
    assert "2 is the smallest that fits" in text
    assert "A device costs $2.95 an hour" in text
    assert "bound by" in text
    for words in ("Memory holds", "Where the time goes", "Assumptions"):
        assert words in text


def test_a_price_is_per_device_and_scales() -> None:
    one, ten = (
        document("llama-3.1-8b", "--machine", "h100_sxm_80", "--usd-per-hour", price)["forecasts"][0]
        for price in ("1", "10")
    )
    assert ten["usd_per_million_out"]["value"] == pytest.approx(10 * one["usd_per_million_out"]["value"])
    rate, isl, osl = one["tokens_per_second"]["value"], one["traffic"]["isl"], one["traffic"]["osl"]
    everything = one["usd_per_million_out"]["value"] + one["usd_per_million_in"]["value"] * isl / osl
    assert everything == pytest.approx(1.0 / 3600 / rate * 1e6)
    assert one["usd_per_million_out_all_paid"]["value"] == pytest.approx(everything)


@pytest.mark.parametrize("price", ["0", "-3", "nan", "1e308"])
def test_a_price_that_is_none_buys_nothing(price: str) -> None:
    text = said("llama-3.1-8b", "--machine", "h100_sxm_80", "--usd-per-hour", price)
    assert "No dollars:" in text
    assert "is no price" in text
    assert "$" not in text
    made = document("llama-3.1-8b", "--machine", "h100_sxm_80", "--usd-per-hour", price)["forecasts"][0]
    assert made["usd_per_million_in"] is made["usd_per_million_out"] is None


def test_without_a_price_the_catalogue_s_are_named() -> None:
    text = said("llama-3.1-8b", "--machine", "h100_sxm_80")
    assert "No dollars: nobody said what a device costs" in text
    (line,) = [line for line in text.splitlines() if "on-demand prices of it from $" in line]
    assert "an hour: add --provider NAME." in line
    assert "on-demand prices" not in said("llama-3.1-8b", "--machine", "h100_sxm_80", "--usd-per-hour", "2")
    assert "on-demand prices" not in said("llama-3.1-8b", "--machine", "a800_sxm_80")


def test_several_stand_side_by_side_and_what_is_refused_says_why() -> None:
    words = ("llama-3.1-70b", "--machine", "h100_sxm_80:2,a100_sxm_80:2", "--precision", "fp8,bf16")
    text = said(*words)
    assert text.startswith("llama-3.1-70b: 4 ways")
    (line,) = [line for line in text.splitlines() if line.startswith("  a100_sxm_80:2 fp8")]
    assert "✖ refused" in line
    assert "✖ a100_sxm_80:2 fp8: NVIDIA A100" in text
    found = document(*words)
    assert [one["precision"]["name"] for one in found["forecasts"]] == ["fp8", "bf16", "bf16"]
    (why,) = found["refused"]
    assert why["what"] == "a100_sxm_80:2 fp8"
    assert why["remedy"]


def test_the_page_is_written_and_named(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    text = said("llama-3.1-8b", "--machine", "h100_sxm_80", "--html", str(page))
    assert text.endswith(f"Page: {page}\n")
    assert "<svg" in page.read_text()
    assert document("llama-3.1-8b", "--machine", "h100_sxm_80", "--html", str(page))["page"] == str(page)
    nowhere = refused("llama-3.1-8b", "--machine", "h100_sxm_80", "--html", str(tmp_path / "no" / "page.html"))
    assert isinstance(nowhere, UsageError)


def test_a_config_is_a_model(tmp_path: Path) -> None:
    shape = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336,
        "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256,
        "max_position_embeddings": 131072, "tie_word_embeddings": False, "torch_dtype": "bfloat16",
    }  # fmt: skip
    path = tmp_path / "my-model" / "config.json"
    path.parent.mkdir()
    path.write_text(json.dumps(shape))
    ways = [("--config", str(path)), (str(path),), ("llama-3.1-8b",)]
    rates = [
        document(*words, "--machine", "h100_sxm_80", "--precision", "bf16")["forecasts"][0]["tokens_per_second"][
            "value"
        ]
        for words in ways
    ]
    assert said(str(path), "--machine", "h100_sxm_80").startswith("my-model, bf16, on")
    assert rates[0] == rates[1] == pytest.approx(rates[2])
    path.write_text(json.dumps(shape | {"architectures": ["NobodysForCausalLM"]}))
    assert isinstance(refused(str(path), "--machine", "h100_sxm_80"), RefusedError)


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ("llama-3.1-70b --machine h100_sxm_80 --precision bf16", 3, "2 devices would do: --machine h100_sxm_80:2."),
        ("llama-3.1-8b --machine a100_sxm_80 --precision fp8", 3, "is not known to multiply e4m3"),
        ("llama-3.1-8b --machine h100_sxm_80 --isl 131072", 3, "was made for 131,072 tokens"),
        ("llama-3.1-8b --machine h100_sxm_80:8 --tensor 3", 3, "32 query heads, which 3 devices"),
        ("llama-3.1-8b --machine h100_sxm_80 --tensor 2", 3, "--machine h100_sxm_80:2"),
        ("llama-3.1-8b --machine h100_sxm_80 --batch 100000", 3, "do not fit at once"),
        ("llama-3.1-8b --machine tpu_v4 --precision fp8", 3, "is not known to multiply e4m3"),
        ("lama-3.1-8b --machine h100_sxm_80", 2, "Did you mean 'llama-3.1-8b'?"),
        ("llama-3.1-8b --machine h100_sxn_80", 2, "Did you mean 'h100_sxm_80'?"),
        ("llama-3.1-8b --machine h100_sxm_80:none", 2, "has no count of devices"),
        ("llama-3.1-8b", 2, "No machine is named"),
        ("llama-3.1-8b --machine h100_sxm_80 --precision fp9", 2, "Did you mean 'fp8'?"),
        ("llama-3.1-8b --machine h100_sxm_80 --provider Nobody", 2, "It has some of"),
        ("llama-3.1-8b --machine h100_sxm_80 --engine none", 2, "Choose fitted or bare."),
        ("llama-3.1-8b --config x.json --machine h100_sxm_80", 2, "are two models"),
        ("no.json --machine h100_sxm_80", 2, "cannot be read"),
        ("llama-3.1-8b --check latest", 2, "Name one thing"),
        ("", 2, "Name one thing"),
        ("--check nowhere", 2, "There is no run"),
        ("--check nowhere --html x.html", 2, "--html draws forecasts"),
        ("--score nowhere.csv --html x.html", 2, "--html draws forecasts"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_an_exit_code(words: str, code: int, told: str) -> None:
    error = refused(*words.split())
    assert int(error.exit_code) == code
    assert told in str(error)


def test_a_json_of_nothing_but_refusals_still_says_why() -> None:
    found = CliRunner().invoke(app, ["predict", "llama-3.1-70b", "--machine", "h100_sxm_80,l4", "--json"])
    assert isinstance(found.exception, RefusedError)
    assert [one["what"] for one in json.loads(found.output)["refused"]] == ["h100_sxm_80 bf16", "l4 bf16"]
    assert json.loads(found.output)["forecasts"] == []


def test_options_reach_the_forecast() -> None:
    words = ("--tensor", "2", "--pipeline", "2", "--isl", "100", "--osl", "50", "--batch", "4", "--engine", "bare")
    (found,) = document("llama-3.1-8b", "--machine", "h100_sxm_80:4", *words)["forecasts"]
    assert found["mesh"] == {"tensor": 2, "pipeline": 2, "expert": 1, "devices": 4}
    assert found["traffic"] == {"isl": 100, "osl": 50, "requests": 0, "batch": 4}
    assert (found["engine"], found["batch"]) == ("bare", 4)
    assert found["confidence"] == 0.0


def test_a_machine_of_one_s_own_catalogue(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        '[[price]]\nprovider = "My Cloud"\ninstance = "big"\nhardware = "h100_sxm_80"\ndevices = 8\n'
        'usd_per_hour = 8.0\nkind = "on-demand"\nas_of = "2026-01-01"\nsource = "made up"\nconfidence = "high"\n'
    )
    text = said("llama-3.1-8b", "--machine", "h100_sxm_80:8", "--provider", "my cloud", "--catalog", str(file))
    assert "A device costs $1.00 an hour, at work or not (My Cloud big, on-demand, 2026-01-01, made up)." in text


def test_a_run_is_a_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made = replace(datasheet.ceilings(KNOWN.accelerators["l40s"], KNOWN.figures), name="a run's card", hardware="")
    monkeypatch.setattr("benchsuite.store.find", lambda name, out: tmp_path / name)
    monkeypatch.setattr(machines, "of_run", lambda path, known: made)
    for name in ("latest", str(tmp_path), "20261130-1"):
        assert machines.machine(name, KNOWN, tmp_path) is made
    (found,) = document("llama-3.1-8b", "--machine", "latest")["forecasts"]
    assert found["machine"]["name"] == "a run's card"
    with pytest.raises(UsageError, match="no on-demand price"):
        machines.priced(made, KNOWN, provider="Nebius")


def test_the_report_of_a_run_forecasts_well_known_models_where_it_measured_products(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = datasheet.ceilings(KNOWN.accelerators["h100_sxm_80"], KNOWN.figures)
    measured = replace(made, shapes={"bf16": (GemmPoint(8192, 8192, 8192, 7e14),)})
    campaign: Any = type("Made", (), {"id": "r1", "facts": {}, "cache": 0})

    def found(ceilings: Ceilings | None) -> tuple[Outcome, ...]:
        def of_campaign(*_: object) -> Ceilings:
            if ceilings is None:
                raise RefusedError("Nothing was measured.", "Measure it.")
            return ceilings

        monkeypatch.setattr(machines, "of_campaign", of_campaign)
        return commands.examples(campaign, [])

    told = found(measured)
    assert [one.title for one in told] == ["llama-3.1-8b bf16", "llama-3.1-70b bf16", "qwen3-32b bf16"]
    assert isinstance(told[0].made, Forecast)
    assert isinstance(told[1].made, RefusedError)  # 141 GB do not fit on one card
    assert found(made) == found(replace(measured, hardware="")) == found(None) == ()


def test_each_machine_has_its_own_price() -> None:
    """Or all have one; any other count is a slip of the pen."""
    words = ("llama-3.1-8b", "--machine", "h100_sxm_80,rtx_4090", "--precision", "bf16", "--usd-per-hour")
    prices = [one["machine"]["usd_per_hour"]["value"] for one in document(*words, "2.50,0.40")["forecasts"]]
    assert prices == [2.5, 0.4]
    assert [one["machine"]["usd_per_hour"]["value"] for one in document(*words, "2.50")["forecasts"]] == [2.5, 2.5]
    for text, told in (
        ("1,2,3", "has 3 prices, and --machine has 2"),
        ("cheap", "is no number"),
        ("1,", "is no number"),
    ):
        found = CliRunner().invoke(app, ["predict", *words, text])
        assert isinstance(found.exception, UsageError)
        assert told in found.exception.message
        assert found.exception.remedy


def test_who_has_no_such_price_is_told_what_there_is() -> None:
    """Prices of another kind are shown with it and never taken."""
    found = refused("llama-3.1-8b", "--machine", "rtx_4090", "--provider", "RunPod")
    assert re.search(r"only prices of other kinds: .*RunPod \$[\d.]+ \(unclear\)", found.remedy)
    assert re.search(r"Vast\.ai \$[\d.]+ \(marketplace\)", found.remedy)
    assert "some of" in refused("llama-3.1-8b", "--machine", "h100_sxm_80", "--provider", "Nobody").remedy
    assert "only prices of other kinds" in said("llama-3.1-8b", "--machine", "rtx_4090")


def test_bf16_has_no_scales_and_a_price_has_its_cents() -> None:
    text = said("llama-3.1-8b", "--machine", "h100_sxm_80", "--precision", "bf16", "--usd-per-hour", "2.5")
    assert "bf16: 2 B a weight, 2 B an element" in text
    assert "A device costs $2.50 an hour" in text
    assert "1 B a weight, scales included" in said("llama-3.1-8b", "--machine", "h100_sxm_80", "--precision", "fp8")


def test_a_model_released_in_eight_bits_is_forecast_so() -> None:
    text = said("deepseek-v3", "--machine", "h200_sxm_141:8")
    assert "fp8, in which deepseek-v3 was released" in text
