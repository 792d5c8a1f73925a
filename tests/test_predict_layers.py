"""Products of a model as a mesh's devices see them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchsuite.catalog.shipped import shipped
from benchsuite.model.forecast import Mesh
from benchsuite.predict.layers import cache_elements, products, query_heads

MODELS = shipped().models


@pytest.mark.parametrize("key", sorted(MODELS))
def test_products_hold_every_weight_but_the_embedding(key: str) -> None:
    shape = MODELS[key]
    embedding = 0 if shape.tied_embeddings else shape.vocab * shape.hidden
    assert sum(item.weights for item in products(shape, Mesh())) == shape.parameters - embedding


@pytest.mark.parametrize("key", sorted(MODELS))
@pytest.mark.parametrize("mesh", [Mesh(2), Mesh(8), Mesh(8, 1, 8), Mesh(8, 1, 2)])
def test_slices_hold_at_least_their_part_and_less_than_the_whole(key: str, mesh: Mesh) -> None:
    shape = MODELS[key]
    whole = sum(item.weights for item in products(shape, Mesh()))
    part = sum(item.weights for item in products(shape, mesh))
    assert whole / mesh.tensor <= part * (1 + 1e-9) < whole * 1.001


def test_few_kv_heads_are_kept_more_than_once_and_a_latent_by_everyone() -> None:
    qwen, latent = MODELS["qwen3-30b-a3b"], MODELS["deepseek-v3"]
    assert cache_elements(qwen, Mesh(8)) == cache_elements(qwen, Mesh(4)) == 2 * 1 * 128
    assert cache_elements(latent, Mesh(8)) == 576
    assert query_heads(qwen, Mesh(8)) == 4


def test_heads_are_sliced() -> None:
    shape = MODELS["llama-3.1-70b"]
    found = {item.name: item for item in products(shape, Mesh(4))}
    assert (found["qkv"].n, found["qkv"].k) == ((16 + 2 * 2) * 128, 8192)
    assert (found["out"].n, found["out"].k) == (8192, 16 * 128)
    assert (found["gate and up"].n, found["down"].k, found["vocabulary"].n) == (2 * 7168, 7168, 32064)


def test_experts_are_sliced_or_spread() -> None:
    shape = MODELS["mixtral-8x7b"]
    sliced = {item.name: item for item in products(shape, Mesh(8))}["expert down"]
    spread = {item.name: item for item in products(shape, Mesh(8, 1, 8))}["expert down"]
    assert (sliced.k, sliced.experts) == (1792, 8)
    assert (spread.k, spread.experts) == (14336, 1)


def test_queries_of_latent_attention_may_come_straight_from_the_hidden_state() -> None:
    shape = replace(MODELS["deepseek-v3"], q_lora_rank=0)
    found = {item.name: item for item in products(shape, Mesh())}
    assert (found["query up"].n, found["query up"].k) == (128 * 192, 7168)
    embedding = shape.vocab * shape.hidden
    assert sum(item.weights for item in products(shape, Mesh())) == shape.parameters - embedding
