"""How numbers are kept and multiplied."""

from __future__ import annotations

import pytest

from benchsuite.catalog.shipped import shipped
from benchsuite.errors import RefusedError, UsageError
from benchsuite.predict import datasheet
from benchsuite.predict.precision import PRECISIONS, check, precision, wide

CATALOG = shipped()


def machine(key: str):  # type: ignore[no-untyped-def]
    return datasheet.ceilings(CATALOG.accelerators[key], CATALOG.figures, 1)


def test_scales_are_counted() -> None:
    assert PRECISIONS["nvfp4"].weights == 0.5625
    assert PRECISIONS["mxfp4"].weights == 0.53125
    assert PRECISIONS["w4a16"].weights == 0.51953125
    assert all(name == item.name for name, item in PRECISIONS.items())


def test_an_unknown_name_is_told_its_neighbour() -> None:
    with pytest.raises(UsageError, match="Did you mean 'fp8'"):
        precision("fp88")
    assert precision("fp8") is PRECISIONS["fp8"]


def test_fp8_on_an_a100_is_refused() -> None:
    with pytest.raises(RefusedError, match=r"A100 .* is not known to multiply e4m3, which fp8 needs. Use .*bf16"):
        check(PRECISIONS["fp8"], machine("a100_sxm_80"))
    with pytest.raises(RefusedError, match="fp4"):
        check(PRECISIONS["nvfp4"], machine("h100_sxm_80"))


def test_narrow_weights_are_expanded_where_their_format_allows() -> None:
    assert check(PRECISIONS["mxfp4"], machine("h100_sxm_80")).gemm == "bf16"
    assert check(PRECISIONS["mxfp4"], machine("b200_sxm_180")).gemm == "fp4"
    assert check(PRECISIONS["w4a16"], machine("a100_sxm_80")).gemm == "bf16"


def test_16_bit_types_stand_for_each_other() -> None:
    assert check(PRECISIONS["bf16"], machine("t4")).gemm == "fp16"


def test_what_stays_wide() -> None:
    assert wide(machine("h100_sxm_80"), PRECISIONS["fp8"]) == "bf16"
    assert wide(machine("h100_sxm_80"), PRECISIONS["fp16"]) == "fp16"
    assert wide(machine("t4"), PRECISIONS["int8"]) == "fp16"
