"""Names of tables and keys of the catalogue."""

from __future__ import annotations

import pytest

from benchsuite.catalog.shipped import shipped
from benchsuite.predict import names

CATALOG = shipped()


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("llama-3.1-70b", "llama-3.1-70b"),
        ("meta-llama/Llama-3.1-70B-Instruct", "llama-3.1-70b"),
        ("llama-3.3-70b", "llama-3.1-70b"),
        ("nvidia/Llama-3.3-70B-Instruct-FP4", "llama-3.1-70b"),
        ("Qwen3_30B_A3B", "qwen3-30b-a3b"),
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", "mixtral-8x7b"),
        ("llama-4-maverick", "llama-4-maverick"),
        ("", ""),
        ("70b", "70b"),
    ],
)
def test_models(text: str, key: str) -> None:
    assert names.model(text, CATALOG.models) == key


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("h200_sxm_141", "h200_sxm_141"),
        ("NVIDIA H200 SXM 141GB", "h200_sxm_141"),
        ("nvidia-h100-80gb-hbm3", "h100_sxm_80"),
        ("h100", "h100"),
        ("", ""),
    ],
)
def test_gpus(text: str, key: str) -> None:
    assert names.gpu(text, CATALOG.accelerators) == key


def test_every_key_is_its_own_name() -> None:
    assert all(names.model(key, CATALOG.models) == key for key in CATALOG.models)
    assert all(names.gpu(key, CATALOG.accelerators) == key for key in CATALOG.accelerators)


def test_precisions() -> None:
    assert names.precision("fp4") == "nvfp4"
    assert names.precision("fp8") == "fp8"
