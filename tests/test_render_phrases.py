"""Cases in words: every benchmark has a name and a phrase, and two different cases are never told alike."""

from __future__ import annotations

import itertools

import pytest

from benchsuite.model import Benchmark, Case
from benchsuite.render.phrases import FAMILIES, PHRASES
from benchsuite.render.words import family, parameters
from tests.subjects import BENCHMARKS

SUBJECTS = [pytest.param(subject, id=name) for name, subject in BENCHMARKS.items() if name in PHRASES]
QUIET = {"passes", "steps", "group", "flops"}
"""Parameters that only say how much of the same is done."""


@pytest.mark.parametrize("subject", SUBJECTS)
def test_two_cases_are_never_told_alike(subject: Benchmark) -> None:
    axes = [(axis.name, axis.choices or axis.values) for axis in subject.axes if axis.name not in QUIET]
    fixed = {axis.name: axis.values[0] for axis in subject.axes if axis.name in QUIET}
    combinations = itertools.islice(itertools.product(*(values for _, values in axes)), 600)
    cases = [
        Case.of(subject.name, **fixed, **dict(zip((name for name, _ in axes), values, strict=True)))
        for values in combinations
    ]
    assert len({parameters(case) for case in cases}) == len(cases)


def test_every_benchmark_has_a_name_for_people() -> None:
    assert set(BENCHMARKS) - {"clock"} <= set(FAMILIES)
    assert family("peak") != family("fma")
    assert set(PHRASES) <= set(FAMILIES)


def test_data_that_needs_less_power_is_named_for_what_it_shows() -> None:
    case = Case.of("gemm", m=8, n=8, k=8, dtype="bf16", layout="nt", data="zeros")
    assert "power headroom" in parameters(case)
