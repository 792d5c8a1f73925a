"""The table for analysts: every task a row, numbers as numbers, no formula from a record."""

from __future__ import annotations

import csv as reader
import json
from dataclasses import fields, replace
from io import BytesIO, StringIO

import pandas
import pytest

from benchsuite import frame as frames
from benchsuite.errors import UsageError
from benchsuite.frame import COLUMNS, csv, csv_of, frame, json_of, parquet_of, rows, table
from benchsuite.model import Case, Exhibit, Level, Machine, Metric, Offer, Origin, Publication, Score, Status, Work
from tests.render_data import campaign, everything, records, scores_of


def test_every_task_is_a_row_with_its_numbers() -> None:
    scores = campaign().scores
    table = frame(scores)
    assert len(table) == len(scores)
    triad = table[(table.benchmark == "memory") & (table.op == "triad")].iloc[0]
    assert triad.unit == "B/s"
    assert triad.low < triad.value < triad.high
    assert table[table.status == "rejected"].value.isna().all()


def test_csv_reads_back() -> None:
    scores = scores_of(records(everything()))
    again = pandas.read_csv(StringIO(csv(scores)))
    assert again.value.tolist() == pytest.approx(frame(scores).value.tolist())


def test_a_text_that_looks_like_a_formula_is_disarmed() -> None:
    scores = scores_of([replace(record, provider="=cmd()") for record in records(everything())])
    assert "'=cmd()" in csv(scores)
    assert ",=cmd()" not in csv(scores)


def test_a_text_cannot_begin_a_row_or_a_column() -> None:
    evil = "a\n=cmd()\r\tb\x1b[2J\u202e"
    scores = [
        replace(score, reason=evil, case=replace(score.case, params=(*score.case.params, ("=x()", evil))))
        for score in scores_of(records(everything()))
    ]
    text = csv(scores)
    assert len(text.splitlines()) == len(scores) + 1
    assert "'=x()" in text.splitlines()[0]
    assert not {"\x1b", "\u202e", "\t", "\r"} & set(text)


def exhibit(*scores: Score, label: str = "8 × H200 · Alpha", **changes: object) -> Exhibit:
    told = Publication(
        1, "20260102-030405-gpu-beef", Origin.MEASURED, Machine("0a1b", "NVIDIA H200", "h200", 8),
        "2026-01-02T03:04:05+00:00", "gpu", scores or (score(),), "0.2.0", "c0de", "cuda", 5,
        offer=Offer("Alpha", "8x", "eu-1", 8, 30.0, "on-demand", "2026-01-01", "alpha.example"),
        digest="1" * 64, samples="2" * 64,
    )  # fmt: skip
    return Exhibit(replace(told, **changes), label, Level.SIGNED, "Alpha Ltd")  # type: ignore[arg-type]


def score(**changes: object) -> Score:
    one = Score(
        Case.of("gemm", m=4096, causal=True, dtype="bf16"), "cublas", "", Metric.FLOPS, Status.OK, Work(flops=1e9), 5,
        1e12, 0.9e12, 1.1e12, "5 runs", (1e12,) * 5, conditions={"sm_clock": 1.7e9}, joules=0.5, backend="cuda",
    )  # fmt: skip
    return replace(one, **changes)  # type: ignore[arg-type]


TWO = (exhibit(), exhibit(score(case=Case.of("memory", op="triad", bytes=1 << 33)), label="B"))
NOTHING = exhibit(score(status=Status.FAILED, value=None, low=None, high=None, run_values=(), joules=None))


def test_a_row_says_what_was_measured_where_and_who_vouches_for_it() -> None:
    row = rows([exhibit()])[0]
    assert (row["exhibit"], row["level"], row["signer"]) == ("8 × H200 · Alpha", "signed", "Alpha Ltd")
    assert (row["device"], row["devices"], row["usd_per_hour"], row["price_as_of"]) == (
        "NVIDIA H200",
        8,
        30.0,
        "2026-01-01",
    )
    assert (row["m"], row["dtype"], row["value"], row["unit"], row["runs"]) == (4096, "bf16", 1e12, "flop/s", 5)
    assert row["condition_sm_clock"] == 1.7e9
    assert row["joules"] == 0.5


def test_whole_numbers_stay_whole_where_rows_lack_them() -> None:
    made = table(TWO)
    assert made.bytes.dtype == "Int64"
    assert made.causal.dtype == "boolean"
    assert made.value.dtype == "float64"
    assert csv_of(TWO).splitlines()[-1].count("8589934592") == 1
    assert "8589934592.0" not in csv_of(TWO)


def test_what_is_not_known_is_empty_and_never_zero_or_clean() -> None:
    row = next(reader.DictReader(lines_of(csv_of([NOTHING]))))
    assert row["value"] == row["low"] == row["joules"] == ""
    assert rows([exhibit(origin=Origin.IMPORTED)])[0]["clean"] is None
    assert rows([exhibit(score(unreportable=("It was not steady.",)))])[0]["clean"] is False
    assert rows([exhibit()])[0]["clean"] is True


def lines_of(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith("#")]


def test_csv_begins_with_where_it_comes_from_and_reads_back() -> None:
    text = csv_of(TWO)
    head = [line for line in text.splitlines() if line.startswith("#")]
    assert len(head) == 3
    assert "20260102-030405-gpu-beef" in head[1]
    assert "signed (Alpha Ltd)" in head[1]
    assert f"samples sha256:{'2' * 64}" in head[1]
    again = pandas.read_csv(StringIO(text), comment="#")
    assert again.value.tolist() == [1e12, 1e12]


def test_three_forms_hold_the_same_numbers() -> None:
    parquet = pandas.read_parquet(BytesIO(parquet_of(TWO)))
    documents = json.loads(json_of(TWO))
    text = list(reader.DictReader(lines_of(csv_of(TWO))))
    for at in range(2):
        assert parquet.value[at] == documents[at]["value"] == float(text[at]["value"])
        assert parquet.exhibit[at] == documents[at]["exhibit"] == text[at]["exhibit"]
    assert list(parquet.columns) == list(table(TWO).columns)
    assert documents[0]["m"] == 4096
    assert "op" not in documents[0]


def test_each_form_has_the_same_bytes_when_it_is_written_again() -> None:
    for write in (csv_of, json_of, parquet_of):
        assert write(TWO) == write(TWO)


def test_a_parameter_cannot_hide_a_column() -> None:
    evil = {"value": 1, "level": "challenged", "benchmark": "x", "condition_sm_clock": 9, "exhibit": "other"}
    row = rows([exhibit(score(case=Case.of("gemm", m=1)), label="A")])[0]
    case = Case("gemm", tuple(sorted(evil.items())))
    forged = rows([exhibit(score(case=case), label="A")])[0]
    for name, value in evil.items():
        assert forged[name] == row[name]
        assert forged[f"parameter_{name}"] == value


def test_every_fixed_column_is_one_that_no_parameter_may_have() -> None:
    case = Case("gemm", ())
    made = rows([exhibit(score(case=case, conditions={}))])[0]
    assert set(made) == COLUMNS
    assert {one.name for one in fields(Score)} >= {"value", "low", "high"}


def test_formulas_and_line_breaks_in_any_text_are_disarmed() -> None:
    evil = "=cmd()\n=x"
    one = exhibit(
        score(case=Case.of("gemm", **{"=p": evil}), implementation=evil, source=evil),
        label=evil, machine=Machine("a", evil), offer=Offer(evil, evil, evil, kind=evil), source=evil,
    )  # fmt: skip
    text = csv_of([replace(one, signer=evil)])
    assert len(text.splitlines()) == 4
    for cell in next(reader.reader(lines_of(text)[1:])):
        assert not cell.startswith(("=", "+", "@"))
    assert "'=p" in lines_of(text)[0]


def test_a_parameter_that_is_a_number_here_and_a_text_there_is_a_text() -> None:
    other = exhibit(score(case=Case.of("gemm", m="large")), label="B")
    assert pandas.read_parquet(BytesIO(parquet_of([exhibit(), other]))).m.tolist() == ["4096", "large"]


def test_a_whole_number_beyond_64_bits_is_a_text_and_no_other_number() -> None:
    assert list(frames._column([1 << 70, 3, None])) == [str(1 << 70), "3", None]
    assert str(frames._column([(1 << 63) - 1, None]).dtype) == "Int64"


def test_parquet_without_its_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'benchsuite\[parquet\]'"):
        parquet_of(TWO)


def test_no_exhibits_make_an_empty_table() -> None:
    assert rows([]) == []
    assert len(table([])) == 0
    assert json.loads(json_of([])) == []
    assert csv_of([]).startswith("#")
