"""``benchsuite patterns``: the table, the JSON, and how it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchsuite.cli import app
from benchsuite.errors import UsageError

MINE = """[model.tiny]
hf_id = "me/tiny"
kind = "dense"
layers = 2
hidden = 8
heads = 2
kv_heads = 2
head_dim = 4
ffn = 16
vocab = 32
params_b = 0.000001792
active_params_b = 0.000001792
max_context = 128
source = "made up"
confidence = "high"
as_of = "2026-01-01"
"""


def said(*words: str) -> str:
    found = CliRunner().invoke(app, ["patterns", *words], catch_exceptions=False)
    assert found.exit_code == 0, found.output
    return found.output.replace("\u00a0", " ")


def patterns(*words: str) -> dict[str, dict]:  # type: ignore[type-arg]
    return {one["kind"]: one for one in json.loads(said(*words, "--json"))["patterns"]}


def test_every_parallelism_is_told_with_formulas_and_sources() -> None:
    text = said("qwen3-30b-a3b", "--ranks", "8", "--tokens", "4096")
    for words in ("Data parallel", "FSDP", "Tensor parallel", "Pipeline parallel", "Expert parallel"):
        assert words in text
    assert "4,096 tokens × 8 experts" in " ".join(text.split())
    assert "arXiv 1910.02054" in text


def test_totals_and_wire_of_the_json() -> None:
    found = patterns("llama-3.1-8b", "--ranks", "4")
    parameters = 8_029_995_008
    assert found["dp"]["bytes"] == 2 * parameters
    assert found["dp"]["wire"] == pytest.approx(1.5 * 2 * parameters)
    assert found["fsdp"]["bytes"] == 6 * parameters
    assert found["fsdp"]["wire"] == pytest.approx(0.75 * 6 * parameters)
    assert found["ep"]["refused"] == "llama-3.1-8b has no experts"
    assert found["ep"]["messages"] == []
    assert sum(one["total"] for one in found["tp"]["messages"]) == found["tp"]["bytes"]


def test_two_stages_have_no_stage_between_them() -> None:
    assert len(patterns("--ranks", "2")["pp"]["messages"]) == 1
    assert len(patterns("--ranks", "3")["pp"]["messages"]) == 2


def test_options_reach_the_messages() -> None:
    first = patterns("smollm2-135m")["dp"]
    assert patterns("smollm2-135m", "--dtype", "fp32")["dp"]["bytes"] == 2 * first["bytes"]
    assert sum(one["count"] for one in patterns("smollm2-135m", "--bucket", "1 GiB")["dp"]["messages"]) == 2
    assert "equal micro-batches" in patterns("--tokens", "100", "--micro-batches", "3")["pp"]["refused"]


def test_a_model_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(MINE)
    assert patterns("tiny", "--catalog", str(file))["dp"]["bytes"] == 2 * 1792


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["lama-3.1-8b"], "Did you mean 'llama-3.1-8b'"),
        (["--dtype", "int8"], "no element type that is trained with"),
        (["--bucket", "25 MB"], "is not a size"),
    ],
)
def test_a_mistake_is_a_sentence_with_a_remedy(words: list[str], hint: str) -> None:
    with pytest.raises(UsageError, match=hint):
        CliRunner().invoke(app, ["patterns", *words], catch_exceptions=False)


@pytest.mark.parametrize("words", [["--ranks", "1"], ["--tokens", "0"], ["--micro-batches", "0"]])
def test_numbers_have_a_least(words: list[str]) -> None:
    assert CliRunner().invoke(app, ["patterns", *words]).exit_code == 2


def test_json_is_one_line_and_text_has_no_escapes() -> None:
    assert len(said("--json").splitlines()) == 1
    assert "\x1b" not in said()
