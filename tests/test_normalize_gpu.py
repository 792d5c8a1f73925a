"""A GPU's scores: three denominators, each of what it says; conditions over runs; no headline of easy data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchsuite import catalog, discovery, normalize
from benchsuite.catalog import gpus
from benchsuite.model import Case, Energy, Metric, Record, Samples, Score, Status, Work
from benchsuite.render import rows, verdict
from benchsuite.render.words import parameters
from tests.builders import plan_of, record

BENCHMARKS = discovery.discover()
FACTS = {"gpu": {"name": "NVIDIA H200", "processors": "132", "memory bytes": str(141 * 10**9)}}
GEMM = Case.of("gemm", m=64, n=64, k=64, dtype="bf16", layout="nt", data="normal")
CACHE = 1 << 20


def measured(case: Case, *, run: int = 0, seconds: float = 1e-3, name: str = "mma", **conditions: float) -> Record:
    outcome = Samples((seconds,) * 9, 1, conditions=conditions)
    return record(BENCHMARKS[case.benchmark], case, name, run=run, outcome=outcome)


def scored(*records: Record) -> dict[str, Score]:
    tasks = dict.fromkeys((one.case, one.implementation) for one in records)
    made, _ = normalize.scores(records, plan_of(*tasks), BENCHMARKS, CACHE, normalize.card(FACTS))
    return {score.case.benchmark: score for score in made}


def test_a_rate_stands_beside_the_datasheet_and_beside_the_peak_at_the_held_clock() -> None:
    score = scored(measured(GEMM, sm_clock=1.0e9))["gemm"]
    assert score.value is not None
    assert score.of_datasheet == pytest.approx(score.value / 989.4e12)
    assert score.of_clock == pytest.approx(score.value / (132 * 4096 * 1.0e9))


def test_without_a_clock_there_is_no_peak_at_it_and_without_a_card_none_at_all() -> None:
    assert scored(measured(GEMM))["gemm"].of_clock is None
    made, _ = normalize.scores([measured(GEMM)], plan_of((GEMM, "mma")), BENCHMARKS, CACHE)
    assert made[0].of_datasheet is None


def test_the_processors_that_are_there_count_not_those_of_the_datasheet() -> None:
    fewer = {"gpu": {**FACTS["gpu"], "processors": "66"}}
    card = normalize.card(fewer)
    assert card is not None
    assert card.gpu.at_clock("bf16", 1e9, card.processors) == 66 * 4096 * 1e9


def test_conditions_are_medians_over_runs_and_every_throttle_bit_that_was_set() -> None:
    each = ((1.0e9, 4.0), (3.0e9, 64.0), (2.0e9, 0.0))
    records = [measured(GEMM, run=i, sm_clock=clock, throttle=bits) for i, (clock, bits) in enumerate(each)]
    assert scored(*records)["gemm"].conditions == {"sm_clock": 2.0e9, "throttle": 68.0}


def test_a_link_has_no_memory_ceiling_and_memory_has_its_datasheet() -> None:
    read = Case.of("memory", op="read", bytes=64 << 20)
    cached = Case.of("cache", level="l2", bytes=64 << 20, passes=1)
    found = scored(measured(read, name="wide"), measured(cached, name="passes"))
    assert found["memory"].of_ceiling == pytest.approx(1.0)
    value = found["memory"].value
    assert value is not None
    assert found["memory"].of_datasheet == pytest.approx(value / 4.8e12)
    assert found["cache"].metric is Metric.BANDWIDTH
    assert found["cache"].ceiling is None
    assert found["cache"].of_datasheet is None


def test_a_name_that_two_different_cards_share_gets_no_peak() -> None:
    """No peak is better than a wrong one, and no bandwidth than a wrong one."""
    known = gpus.gpus()
    shared = next(card for card in known.values() if card.key == "a100_sxm_80")
    other = replace(known["l4"], key="other", processors=shared.processors, memory=shared.memory)
    assert gpus.decided([shared, other], 0.0, 0) is None
    assert gpus.decided([shared], 0.0, 0) is shared
    assert gpus.decided([shared, replace(shared, bandwidth=1.0)], 0.0, 0) is None
    assert gpus.decided([shared, replace(other, processors=1)], 0.0, shared.processors) is shared


def test_easy_data_is_never_the_headline() -> None:
    easy = Case.of("gemm", m=64, n=64, k=64, dtype="bf16", layout="nt", data="zeros")
    usual = Score(
        GEMM, "mma", "NVRTC", Metric.FLOPS, Status.OK, Work(), value=1e12, of_ceiling=0.5, best=True, ceiling_name="x"
    )
    faster = replace(usual, case=easy, value=2e12, of_ceiling=0.9)
    (card,) = [card for card in rows.cards([usual, faster]) if card.label.startswith("GEMM")]
    assert card.detail == parameters(GEMM)
    told = " ".join(verdict.of([usual, faster], 0, 3).sentences)
    assert "50" in told
    assert "zeros" not in told


def test_a_user_s_own_card_has_a_datasheet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = {"gpu": {"name": "NVIDIA Example 9000", "processors": "10", "memory bytes": str(10**10)}}
    assert normalize.card(mine) is None
    text = (Path(catalog.__file__).parent / "gpus.toml").read_text()
    table = text[text.index("[gpu.l4]") : text.index("[gpu.", text.index("[gpu.l4]") + 8)]
    changes = {"[gpu.l4]": "[gpu.example]", "NVIDIA L4": "NVIDIA Example 9000"}
    for old, new in changes.items():
        table = table.replace(old, new)
    (tmp_path / "mine.toml").write_text(f'as_of = "2026-01-02"\n{table}')
    monkeypatch.setenv("BENCHSUITE_CATALOG", str(tmp_path / "mine.toml"))
    found = normalize.card({"gpu": {"name": "NVIDIA Example 9000"}})
    assert found is not None
    assert found.gpu.key == "example"
    (tmp_path / "mine.toml").write_text("[gpu.example]\nname = 3\n")
    assert normalize.card(FACTS) is not None, "a broken file of a user takes nothing of ours away"


def test_energy_is_that_of_what_measured_and_of_nothing_beside_it() -> None:
    """The processor's counter says nothing of what the card used."""

    def spent(backend: str, *joules: tuple[str, float | None]) -> float | None:
        told = tuple(Energy(source, each, each) for source, each in joules)
        records = [measured(GEMM, run=number) for number in range(len(told))]
        noted = [
            replace(one, backend=backend, samples=replace(one.samples, energy=(energy,)))
            for one, energy in zip(records, told, strict=True)
            if one.samples is not None
        ]
        return scored(*noted)["gemm"].joules

    assert spent("cuda", ("gpu", 2.0), ("gpu", 9.0), ("gpu", 4.0)) == 4.0
    assert spent("cuda", ("package", 2.0)) is None
    assert spent("cuda", ("gpu", None), ("package", 2.0)) is None
    assert spent("host", ("package", 2.0), ("package", None)) == 2.0
    assert spent("host", ("gpu", 2.0)) is None


def test_each_run_s_samples_travel_as_quantiles() -> None:
    score = scored(measured(GEMM), measured(GEMM, run=1, seconds=2e-3))["gemm"]
    assert [one.median for one in score.samples] == [1e-3, 2e-3]
    assert {one.n for one in score.samples} == {9}
    assert all(one.minimum <= one.p5 <= one.median <= one.p95 <= one.maximum for one in score.samples)
