"""Numbers become text by the rules of docs/method.md; bf16 rounds to nearest even."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchsuite import units

BLANK = units.NO_BREAK_SPACE


@pytest.mark.parametrize(
    ("value", "half", "text"),
    [
        (612.43e12, 3.18e12, "612 ± 3 TFLOP/s"),
        (612.43e12, None, "612 TFLOP/s"),
        (0.2391e9, 0.0007e9, "239.1 ± 0.7 MFLOP/s"),
        (999.9e9, 1e9, "0.9999 ± 0.0010 TFLOP/s"),
        (4294967295999.981, 1e-3, "4.29 TFLOP/s"),
    ],
)
def test_the_interval_decides_the_digits(value: float, half: float | None, text: str) -> None:
    assert units.quantity(value, "flop/s", half).replace(BLANK, " ") == text


@pytest.mark.parametrize(("value", "text"), [(35.3, "35 s"), (0.0, "1 s"), (59.7, "1 min 0 s"), (250.2, "4 min 10 s")])
def test_a_guess_has_whole_seconds(value: float, text: str) -> None:
    assert units.guessed(value).replace(BLANK, " ") == text


@given(st.integers(0, 1 << 50))
def test_sizes_are_read_back(nbytes: int) -> None:
    assert units.parse_size(str(nbytes)) == nbytes
    assert units.parse_size(f"{nbytes} KiB") == nbytes * 1024


@pytest.mark.parametrize("bad", ["", "KiB", "3 KB", "-1", "1e3", "0.3 B"])
def test_what_is_no_size_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match=r"size|whole number"):
        units.parse_size(bad)


@given(st.floats(-(2.0**100), 2.0**100, width=32))
def test_bf16_is_the_nearest_of_its_neighbours(value: float) -> None:
    x = np.array([value], np.float32)
    bits = units.to_bf16(x)
    back = float(units.from_bf16(bits)[0])
    for neighbour in (int(bits[0]) - 1, int(bits[0]) + 1):
        other = float(units.from_bf16(np.array([neighbour & 0xFFFF], np.uint16))[0])
        if np.isfinite(other):
            assert abs(back - float(x[0])) <= abs(other - float(x[0]))


def test_bf16_ties_go_to_even() -> None:
    tie = np.array([1.0 + 2**-8, 1.0 + 3 * 2**-8], np.float32)
    assert units.from_bf16(units.to_bf16(tie)).tolist() == [1.0, 1.015625]


def test_an_unknown_element_type_names_the_known() -> None:
    with pytest.raises(KeyError, match="fp32"):
        units.dtype("fp31")


@given(st.floats(1e-12, 1e17))
def test_prefixes_leave_one_to_three_digits(value: float) -> None:
    scale, _ = units.prefix(value)
    assert 0.999 <= value / scale < 1000 or scale == 1e15


def test_e4m3_by_table_is_the_nearest_number() -> None:
    """Every number of e4m3 and the middle between any two, each with the floats beside it, and others at random."""
    numbers = units.E4M3[:0x7F]
    exact = np.concatenate([numbers, (numbers[1:] + numbers[:-1]) / np.float32(2.0), np.float32([464.0, 1e30])])
    beside = [np.nextafter(exact, np.float32(to), dtype=np.float32) for to in (-np.inf, np.inf)]
    rng = np.random.default_rng(0)
    drawn = rng.standard_normal(10_000, np.float32) * np.float32(2.0) ** rng.integers(-12, 12, 10_000)
    values = np.concatenate([exact, *beside, drawn.astype(np.float32)])
    values = np.concatenate([values, -values])
    assert np.array_equal(units.to_e4m3(values), units.nearest_e4m3(values))
    assert units.to_e4m3(values.reshape(2, -1)).shape == (2, len(values) // 2)
