"""What fits beside the weights."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchsuite.catalog.shipped import shipped
from benchsuite.errors import RefusedError
from benchsuite.model.forecast import Mesh
from benchsuite.predict import datasheet, memory
from benchsuite.predict.engine import BARE, FITTED
from benchsuite.predict.precision import PRECISIONS

CATALOG = shipped()
SEVENTY, MIXED = CATALOG.models["llama-3.1-70b"], CATALOG.models["gpt-oss-120b"]
H100 = datasheet.ceilings(CATALOG.accelerators["h100_sxm_80"], CATALOG.figures, 8)
FP8 = PRECISIONS["fp8"]


def test_weights_by_hand() -> None:
    body, wide = SEVENTY.parameters - 2 * 128256 * 8192, 2 * 128256 * 8192
    assert memory.weights(SEVENTY, FP8) == body + 2 * wide
    assert memory.weights(SEVENTY, PRECISIONS["bf16"]) == 2 * SEVENTY.parameters
    assert memory.weights(SEVENTY, PRECISIONS["fp32"]) == 4 * SEVENTY.parameters
    assert memory.weights(SEVENTY, FP8, Mesh(1, 2)) == memory.weights(SEVENTY, FP8) / 2


def test_experts_only_formats_keep_the_rest_wide() -> None:
    """gpt-oss-120b's checkpoint is 61 GiB (its card says it fits one 80 GB device)."""
    assert memory.weights(MIXED, PRECISIONS["mxfp4"]) / 2**30 == pytest.approx(61, rel=0.02)


def test_a_token_leaves_80_kib_in_8_bits() -> None:
    assert memory.cache(SEVENTY, FP8) == 80 * 2 * 8 * 128
    assert memory.cache(SEVENTY, FP8, Mesh(8)) == 80 * 2 * 128


def test_sliding_layers_keep_no_more_than_their_window() -> None:
    one = memory.cache(MIXED, FP8, length=1)
    assert memory.cache(MIXED, FP8, length=100) == 100 * one
    assert memory.cache(MIXED, FP8, length=10_128) == one / 36 * (18 * 10_128 + 18 * 128)


def test_as_many_fit_as_fit() -> None:
    count = memory.fitting(SEVENTY, FP8, H100, Mesh(2), FITTED, 4096)
    left = memory.room(SEVENTY, FP8, H100, Mesh(2), FITTED)
    each = memory.cache(SEVENTY, FP8, Mesh(2), 4096)
    assert left == pytest.approx(0.95 * (H100.memory - FITTED.reserve - memory.weights(SEVENTY, FP8, Mesh(2))))
    assert count * each <= left < (count + 1) * each


def test_what_does_not_fit_is_refused_with_the_sizes() -> None:
    with pytest.raises(RefusedError, match=r"llama-3.1-70b in bf16 .* does not fit on 1 x .*GiB of weights"):
        memory.fitting(SEVENTY, PRECISIONS["bf16"], H100, Mesh(), FITTED, 4096)
    with pytest.raises(RefusedError, match="does not fit"):
        memory.fitting(SEVENTY, FP8, H100, Mesh(), FITTED, 10_000_000)


def test_the_longest_sequence_is_the_longest_that_fits() -> None:
    small = replace(H100, memory=memory.weights(SEVENTY, FP8) + memory.cache(SEVENTY, FP8, length=1000.5))
    assert memory.longest(SEVENTY, FP8, small, Mesh(), BARE) == 1000
    assert memory.longest(SEVENTY, FP8, H100, Mesh(8), FITTED) == SEVENTY.max_context
    assert memory.longest(SEVENTY, PRECISIONS["bf16"], H100, Mesh(), FITTED) == 0


def test_without_experts_an_experts_only_format_narrows_everything() -> None:
    """AMD's and others' mxfp4 of dense models: it must not be told as 16 bits."""
    narrow, wide = PRECISIONS["mxfp4"].weights, 2.0 * 2 * 128256 * 8192
    body = SEVENTY.parameters - 2 * 128256 * 8192
    assert memory.weights(SEVENTY, PRECISIONS["mxfp4"]) == narrow * body + wide
