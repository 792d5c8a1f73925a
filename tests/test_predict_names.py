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
        ("Meta-Llama-3.1-8B-Instruct", "llama-3.1-8b"),
        ("llama v3.1 70b", "llama-3.1-70b"),
        ("llama-3-8b", "llama-3.1-8b"),
        ("llama2-70b-99.9", "llama-2-70b"),
        ("DeepSeek-R1-0528", "deepseek-v3"),
        ("deepseek-ai/DeepSeek-V3.1", "deepseek-v3"),
        ("deepseek-v2", "deepseek-v2"),
        ("deepseek", "deepseek"),
        ("Qwen/Qwen3-235B-A22B-Instruct-2507-FP8", "qwen3-235b-a22b"),
        ("grok-9", "grok-9"),
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
        ("H200 SXM", "h200_sxm_141"),
        ("A100 SXM 80GB", "a100_sxm_80"),
        ("gh200", "gh200"),
        ("GH200 96GB", "gh200_96"),
        ("GB200 NVL72", "gb200"),
        ("B200 SXM", "b200_sxm_180"),
        ("AMD Instinct MI300X 192GB", "mi300x"),
        ("sxm 180", "sxm 180"),
        ("80", "80"),
        ("rtx pro 6000", "rtx pro 6000"),
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
    assert names.precision("fp8_e4m3") == "fp8"
    assert names.precision("awq") == names.precision("w4a16_awq") == "w4a16"
    assert names.precision("fp7") == "fp7"


def test_a_name_of_several_gpus_names_them() -> None:
    assert names.gpus("h100", CATALOG.accelerators) >= {"h100_sxm_80", "h100_pcie_80"}
    assert names.gpus("RTX PRO 6000", CATALOG.accelerators) == {"rtx_pro_6000_se", "rtx_pro_6000_ws"}
