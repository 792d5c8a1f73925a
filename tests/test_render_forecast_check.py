"""Forecasts beside what was measured, on a terminal: a run's steps, and a table of published results."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from benchsuite.cli import app
from benchsuite.commands import predict as commands
from benchsuite.errors import RefusedError
from benchsuite.predict import check, score
from benchsuite.predict.check import Checked
from benchsuite.render import forecast_check

STEPS = (
    Checked("transformer a", "numpy", "decode", 0.010, 0.011, 0.1, "measured", "compute"),
    Checked("transformer b", "numpy", "prefill", 0.020, 0.016, -0.2, "assumed", "compute"),
    Checked("transformer c", "torch", "decode", 0.030, refused="Nothing of torch was measured"),
)
HEADER = "model,gpu,gpus,parallelism,precision,engine,benchmark,scenario,isl,osl,tokens_per_s_per_gpu,metric"
ROW = "llama-3.1-8b,{gpu},1,TP1,fp8,TensorRT-LLM v0.17,perf overview,offline,128,128,{rate},{metric}"


def said(shown: object, *what: object) -> str:
    stream = io.StringIO()
    shown(*what, Console(file=stream, width=100, highlight=False))  # type: ignore[operator]
    return stream.getvalue().replace("\u00a0", " ")


def table(folder: Path, *rows: str) -> Path:
    path = folder / "table.csv"
    path.write_text("\n".join([HEADER, *rows]) + "\n")
    return path


def test_steps_stand_beside_their_forecasts() -> None:
    text = said(forecast_check.steps, STEPS)
    first, second, third = (line for line in text.splitlines() if line.startswith("transformer"))
    assert "10.0 ms" in first
    assert "+10.0 %" in first
    assert "−20.0 %" in second
    assert "✖ refused" in third
    assert "✖ Nothing of torch was measured." in text
    assert (
        "2 of 3 steps could be forecast from the other records of the run: 15 % off in the middle, 20 % at most."
        in text
    )


def test_a_step_is_told_in_words() -> None:
    key = (
        "transformer batch=6 dtype=fp32 ffn=1408 head_dim=64 heads=8 hidden=512 kv_heads=4 layers=4 phase=decode "
        "tokens=700 vocab=4096"
    )
    text = said(forecast_check.steps, [replace(STEPS[0], case=key)])
    assert "decode of 6 × 700 tokens, 4 layers of 512," in text
    assert "fp32" in text
    assert "head_dim" not in text


def test_nothing_forecast_says_so_without_a_number() -> None:
    text = said(forecast_check.steps, STEPS[2:])
    assert text.splitlines()[-1] == "0 of 1 step could be forecast from the other records of the run."


def test_a_scored_table_tells_errors_apart_and_the_worst(tmp_path: Path) -> None:
    plain, other = "output tokens/s", "tokens in and out"
    given = (("h100_sxm_80", 10000, plain), ("h200_sxm_141", 25000, plain), ("l40s", 5000, other))
    path = table(tmp_path, *(ROW.format(gpu=gpu, rate=rate, metric=metric) for gpu, rate, metric in given))
    text = said(forecast_check.table, score.document(path))
    assert next(line for line in text.splitlines() if line.startswith("all that count")).split()[3] == "2"
    for words in ("by gpu", "by precision", "h100_sxm_80", "The largest errors:", "left out", "E1: "):
        assert words in text
    assert "latency-limited, apart" not in text
    worst = text.split("The largest errors:")[1].splitlines()[1]
    assert "line 2: llama-3.1-8b fp8 on h100_sxm_80" in worst
    assert worst.strip().startswith("+")


def test_a_table_of_which_nothing_counts_is_refused(tmp_path: Path) -> None:
    path = table(tmp_path, ROW.format(gpu="nobody's card", rate=100, metric=""))
    with pytest.raises(RefusedError, match="No row of"):
        commands.score(path, (), as_json=True)
    found = CliRunner().invoke(app, ["predict", "--score", str(path), "--json"])
    assert '"overall":null' in found.output
    assert "is not in the catalogue" in found.output


def test_a_run_without_any_forecast_step_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    loaded = type("Loaded", (), {"campaign": type("Made", (), {"facts": {}, "cache": 0, "id": "r1"})})
    monkeypatch.setattr("benchsuite.results.load", lambda name, out: loaded)
    monkeypatch.setattr("benchsuite.results.scores_of", lambda loaded: [])
    with pytest.raises(RefusedError, match="holds no verified, steady step"):
        commands.check("r1", tmp_path, as_json=False)
    monkeypatch.setattr(check, "check", lambda *a, **k: STEPS[2:])
    with pytest.raises(RefusedError, match="No step of run r1 can be forecast"):
        commands.check("r1", tmp_path, as_json=False)


def test_cases_that_moved_while_measured_are_told() -> None:
    moved = (replace(STEPS[0], unsteady=7), STEPS[1])
    assert "7 cases behind them moved while measured (NOT_STEADY)" in said(forecast_check.steps, moved)
    assert "NOT_STEADY" not in said(forecast_check.steps, STEPS)
