"""Published rows against their forecasts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchsuite.catalog import load
from benchsuite.model.forecast import Band, Mesh
from benchsuite.predict import interval, score, tally
from benchsuite.predict.engine import FITTED
from benchsuite.predict.fit import table
from benchsuite.predict.table import Row

KNOWN = table(load(()))
PUBLISHED = Path(__file__).parents[1].parent / "shared" / "data" / "serving.csv"
SEEN = "TensorRT-LLM v0.17"


def row(**changed: object) -> Row:
    plain = Row(2, "llama-3.1-70b", "h200_sxm_141", "fp8", 1000, 1000, 1.0, mesh=Mesh(2), engine=SEEN, requests=3000)
    return replace(plain, benchmark="trtllm perf-overview", **changed)  # type: ignore[arg-type]


def of(*rows: Row) -> tally.Scored:
    return score.score(rows, KNOWN)


def predicted(asked: Row) -> float:
    band = of(asked).rows[0].band
    assert band is not None
    return band.value


def test_error_and_cover_are_against_the_measured() -> None:
    value = predicted(row())
    exact, half, far = of(row(measured=value), row(measured=value * 0.8), row(measured=value * 10)).rows
    assert exact.error == pytest.approx(0)
    assert exact.covered
    assert exact.counts
    assert half.error == pytest.approx(0.25)
    assert far.error == pytest.approx(-0.9)
    assert not far.covered
    assert exact.confidence == interval.NOMINAL


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"model": "llama-3.1-71b"}, "Did you mean 'llama-3.1-70b'"),
        ({"gpu": "h201"}, "GPU 'h201' is not in the catalogue"),
        ({"gpu": "rtx pro 6000"}, "may be rtx_pro_6000_se or rtx_pro_6000_ws, which differ."),
        ({"precision": "fp7"}, "precision 'fp7'"),
        ({"osl": 0.0}, "not published"),
        ({"gpu": "a100_sxm_80"}, "not known to multiply e4m3"),
        ({"mesh": Mesh(1), "precision": "bf16", "gpu": "h100_sxm_80"}, "does not fit"),
    ],
)
def test_what_cannot_be_forecast_says_why(changed: dict[str, object], words: str) -> None:
    found = of(row(**changed)).rows[0]
    assert words in found.refused
    assert found.band is None
    assert found.error is None
    assert not found.counts


def test_an_excluded_row_is_shown_and_does_not_count() -> None:
    capped = of(row(measured=1000.0, notes="MaxQ")).rows[0]
    assert capped.excluded.startswith("E3: a power cap")
    assert capped.error is not None
    assert not capped.counts
    unknown = of(row(isl=0.0, measured=1000.0)).rows[0]
    assert unknown.excluded.startswith("E2")
    assert unknown.band is not None
    assert any("300 taken" in words for words in unknown.assumed)


def test_a_plan_that_is_not_published_is_searched_and_widens() -> None:
    found = of(row(mesh=None, gpus=8)).rows[0]
    assert found.plan is not None
    assert found.confidence == 0
    assert {one.code for one in found.cautions} == {"UNKNOWN_PLAN"}
    assert any("fastest" in words for words in found.assumed)


def test_a_new_engine_or_gpu_gets_the_wide_band() -> None:
    for changed in ({"engine": "TensorRT-LLM v9"}, {"gpu": "b200_sxm_180"}):
        found = of(row(**changed)).rows[0]
        assert found.band is not None
        assert found.confidence == 0
        assert found.band.high / found.band.value == pytest.approx(2.718281828 ** interval.shipped().unseen)


def test_a_rate_under_a_limit_keeps_to_its_latency() -> None:
    offline = row(mesh=None, gpus=8, requests=0)
    tight = replace(offline, scenario="Server", tpot=0.02)
    plan, what = score.limited(tight, KNOWN, FITTED)
    between = what.decode.seconds + what.batch / tight.osl * what.prefill.seconds
    assert between <= 0.02
    assert predicted(tight) == what.throughput < predicted(offline)
    assert plan.devices <= 8


def test_the_order_of_gpus_is_scored_within_a_setting() -> None:
    gpus = ("h200_sxm_141", "h100_sxm_80", "l40s")
    values = [predicted(row(gpu=gpu, mesh=Mesh(4))) for gpu in gpus]
    right = [row(gpu=gpu, mesh=Mesh(4), measured=value) for gpu, value in zip(gpus, values, strict=True)]
    wrong = [replace(one, measured=1 / one.measured) for one in right]
    assert of(*right).ranks == (pytest.approx(1), 1)
    assert of(*wrong).ranks == (pytest.approx(-1), 1)
    assert of(*right[:2]).ranks is None
    equal = [replace(one, measured=5.0) for one in right]
    assert of(*equal).ranks == (0.0, 1)


def test_a_summary_by_hand() -> None:
    made = [
        tally.Score(row(measured=100.0), Band(100 * (1 + error), 90, 110), error=error)
        for error in (-0.1, 0.0, 0.2, 0.3)
    ]
    found = tally.summary(made)
    assert found is not None
    assert (found.count, found.coverage) == (4, 1.0)
    assert (found.median, found.p90, found.bias) == (pytest.approx(0.15), pytest.approx(0.27), pytest.approx(0.1))
    assert tally.summary([]) is None
    outside = tally.Score(row(measured=100.0), Band(200.0, 150.0, 250.0), error=1.0)
    found = tally.summary([*made, outside])
    assert found is not None
    assert found.coverage == 0.8


def test_repeated_rows_are_forecast_once(monkeypatch: pytest.MonkeyPatch) -> None:
    count = []
    real = score._one
    monkeypatch.setattr(score, "_one", lambda *given: count.append(1) or real(*given))
    of(*(row(line=line, measured=float(line), submitter=str(line)) for line in range(2, 500)))
    assert len(count) == 1


def test_a_hostile_file_gives_an_answer(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text(
        "model,gpu,precision,isl,osl,parallelism,tokens_per_s_per_gpu,engine,unknown\n"
        "llama-3.1-8b,h100_sxm_80,fp8,128,128,TP1,10000,x,y\n"
        "llama-3.1-8b,h100_sxm_80,fp8,128,128,TP1,nan,x,y\n"
        "nobody,h100_sxm_80,fp8,128,128,TP1,5,x,y\n"
        "llama-3.1-8b,h100_sxm_80,fp8,1e8,1e8,TP1,5,x,y\n"
        "llama-3.1-8b,h100_sxm_80,fp8,0.1,0.1,TP1,5,x,y\n"
        "llama-3.1-8b,h100_sxm_80,fp8,128,999999999,TP1,5,x,y\n"
        "llama-3.1-8b\n"
        ",,,,,,,,\n"
        '"<script>alert(1)</script>",h100_sxm_80,fp8,128,128,TP1,5,x,y,more,more\n'
    )
    told = score.document(file)
    again = json.loads(json.dumps(told, allow_nan=False))
    assert again["overall"]["count"] == 1
    assert len(again["rows"]) + len(again["unread"]) == 9
    assert all(one["refused"] or one["predicted"] or one["excluded"] for one in again["rows"])
    assert {"line", "predicted", "low", "high", "error", "assumptions", "cautions"} <= again["rows"][0].keys()


@pytest.mark.skipif(not PUBLISHED.exists(), reason="the published table is not here")
def test_the_published_table_in_sample() -> None:
    """In sample, each row for itself: no claim about anything new, but what it was fitted on must not get worse."""
    told = score.document(PUBLISHED)
    assert told["overall"]["count"] == 286
    assert told["overall"]["median"] < 0.08
    assert told["overall"]["p90"] < 0.18
    assert told["rank_correlation"]["mean"] > 0.95
    assert not told["unread"]
    assert sum(one["latency_limited"] for one in told["rows"] if not one["excluded"]) == 80
    assert {name: told["exclusions"][name]["count"] for name in ("E3", "E4", "E5", "E6")} == {
        "E3": 2,
        "E4": 2,
        "E5": 4,
        "E6": 20,
    }


def test_names_are_understood_and_rows_of_the_fit_are_told() -> None:
    loose = of(row(model="meta-llama/llama-3.3-70b-instruct", gpu="nvidia h200 sxm 141gb", measured=1000.0))
    assert (loose.rows[0].row.model, loose.rows[0].row.gpu) == ("llama-3.1-70b", "h200_sxm_141")
    told = score.answer(loose)
    assert told["calibrated_on"] == 1
    assert score.answer(of(row(gpu="gh200_96", measured=1.0)))["calibrated_on"] == 0
