"""Shapes of models: parameters, active parameters and cache from the shape agree with what is stated."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchsuite.catalog.shipped import shipped

MODELS = shipped().models

KEPT = {
    "llama-3.1-8b": 131072,
    "llama-3.1-70b": 327680,
    "deepseek-v3": 70272,
    "gpt-oss-120b": 73728,
    "qwen3-8b": 147456,
}
"""16-bit keys and values of one token over all layers, in bytes."""


@pytest.mark.parametrize("key", MODELS)
def test_the_shape_has_the_parameters_that_are_stated(key: str) -> None:
    one = MODELS[key]
    assert one.parameters / 1e9 == pytest.approx(one.params_b, rel=0.005)
    assert one.active_parameters <= one.parameters


@pytest.mark.parametrize(("key", "bytes_"), KEPT.items())
def test_a_token_leaves_that_much_in_the_cache(key: str, bytes_: int) -> None:
    one = MODELS[key]
    assert 2 * one.kv_elements * one.layers == bytes_


def test_a_dense_model_of_one_layer_by_hand() -> None:
    """2 x (q, o: h x 2h; k, v: h x h) for heads twice the KV heads, three of h x f, two of v x h."""
    one = replace(MODELS["llama-3.1-8b"], layers=1, hidden=8, heads=2, kv_heads=1, head_dim=4, ffn=16, vocab=10)
    assert one.attention == 8 * 8 + 8 * 8 + 8 * 4 + 8 * 4
    assert one.parameters == one.attention + 3 * 8 * 16 + 2 * 10 * 8
    assert replace(one, tied_embeddings=True).parameters == one.parameters - 10 * 8
    assert one.kv_elements == 2 * 4


def test_experts_are_counted_whole_and_by_the_token() -> None:
    one = MODELS["mixtral-8x7b"]
    expert = 3 * one.hidden * one.moe_ffn
    assert one.parameters - one.active_parameters == one.layers * (one.experts - one.experts_active) * expert


def test_every_shape_says_where_it_is_from() -> None:
    assert all(one.source and one.as_of and one.key == key for key, one in MODELS.items())
