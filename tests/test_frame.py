"""The table for analysts: every task a row, numbers as numbers, no formula from a record."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

import pandas
import pytest

from benchsuite.frame import csv, frame
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
