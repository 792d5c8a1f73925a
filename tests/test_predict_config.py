"""Shapes from a config.json: the catalogue's own, written as Hugging Face writes them, and what must be refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchsuite.catalog import ModelShape
from benchsuite.catalog.shipped import shipped
from benchsuite.errors import BenchsuiteError, DataError, RefusedError
from benchsuite.predict import config

MODELS = shipped().models
LLAMA: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
    "torch_dtype": "bfloat16",
    "rope_scaling": {"factor": 8.0, "rope_type": "llama3"},
}
DENSE = {
    "llama": "LlamaForCausalLM",
    "smollm2": "LlamaForCausalLM",
    "mistral": "MistralForCausalLM",
    "qwen2.5": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
}
SPARSE = {
    "mixtral": "MixtralForCausalLM",
    "qwen3": "Qwen3MoeForCausalLM",
    "deepseek": "DeepseekV3ForCausalLM",
    "gpt-oss": "GptOssForCausalLM",
    "granite": "GraniteMoeForCausalLM",
}


def read(folder: Path, table: object) -> ModelShape:
    path = folder / "config.json"
    path.write_text(table if isinstance(table, str) else json.dumps(table))
    return config.shape(path)


def written(one: ModelShape) -> dict[str, Any]:
    """The config of a model of the catalogue."""
    names = SPARSE if one.experts else DENSE
    architecture = next(name for key, name in names.items() if one.key.startswith(key))
    table: dict[str, Any] = {
        "architectures": [architecture],
        "hidden_size": one.hidden,
        "num_attention_heads": one.heads,
        "num_key_value_heads": one.kv_heads,
        "num_hidden_layers": one.layers,
        "vocab_size": one.vocab,
        "max_position_embeddings": one.max_context,
        "tie_word_embeddings": one.tied_embeddings,
        "intermediate_size": one.ffn,
    }
    if not one.experts:
        return table | ({"head_dim": one.head_dim} if one.head_dim * one.heads != one.hidden else {})
    table |= {"num_experts_per_tok": one.experts_active}
    match architecture:
        case "DeepseekV3ForCausalLM":
            same = ("q_lora_rank", "kv_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim")
            table |= {name: getattr(one, name) for name in same} | {"num_nextn_predict_layers": 1}
            table |= {"n_routed_experts": one.experts, "n_shared_experts": one.shared_experts}
            table |= {"moe_intermediate_size": one.moe_ffn, "first_k_dense_replace": one.dense_layers}
        case "Qwen3MoeForCausalLM":
            table |= {"num_experts": one.experts, "moe_intermediate_size": one.moe_ffn, "head_dim": one.head_dim}
            table |= {"decoder_sparse_step": 1, "mlp_only_layers": [], "sliding_window": None}
        case _:
            table |= {"num_local_experts": one.experts, "intermediate_size": one.moe_ffn, "head_dim": one.head_dim}
    if one.sliding_window:
        kinds = ["sliding_attention", "full_attention"] * (one.layers // 2)
        table |= {"sliding_window": one.sliding_window, "layer_types": kinds}
    return table


STATED = (
    "key",
    "hf_id",
    "source",
    "confidence",
    "as_of",
    "notes",
    "params_b",
    "active_params_b",
    "native_weight_format",
)


@pytest.mark.parametrize("key", [key for key in MODELS if not key.startswith("llama-4")])  # its config is refused
def test_every_shape_of_the_catalogue_comes_back_from_its_config(key: str, tmp_path: Path) -> None:
    one, found = MODELS[key], read(tmp_path, written(MODELS[key]))
    for name in set(ModelShape.__dataclass_fields__) - set(STATED):
        if name != "ffn" or not one.experts or one.dense_layers:  # nothing dense: the width is nobody's
            assert getattr(found, name) == getattr(one, name), name
    assert found.params_b == pytest.approx(one.params_b, rel=0.005)


def test_defaults_are_the_architectures_own(tmp_path: Path) -> None:
    table = {name: value for name, value in LLAMA.items() if name != "num_key_value_heads"}
    found = read(tmp_path, table)
    assert (found.kv_heads, found.head_dim, found.tied_embeddings) == (32, 128, False)
    assert found.native_weight_format == "bf16"
    gemma = {**LLAMA, "architectures": ["GemmaForCausalLM"], "head_dim": 256}
    assert read(tmp_path, gemma).tied_embeddings
    assert read(tmp_path, gemma).head_dim == 256
    quantised = {**LLAMA, "quantization_config": {"quant_method": "awq", "bits": 4}}
    assert read(tmp_path, quantised).native_weight_format == "w4a16 (awq)"


@pytest.mark.parametrize(
    ("told", "stored"),
    [
        ({"quant_method": "gptq", "bits": 8}, "w8a16 (gptq)"),
        ({"quant_method": "awq"}, "w4a16 (awq)"),
        ({"quant_method": "gptq"}, "gptq"),
        ({"quant_method": "gptq", "bits": True}, "gptq"),
        ({"quant_method": "fp8"}, "fp8"),
        ({"quant_method": "fbgemm_fp8"}, "fp8 (fbgemm_fp8)"),
        ({"quant_method": "compressed-tensors"}, "compressed-tensors"),
        ({"quant_method": 4}, ""),
        ("awq", "bf16"),
    ],
)
def test_a_quantised_model_is_forecast_in_the_precision_that_it_is_stored_in(
    tmp_path: Path, told: object, stored: str
) -> None:
    assert read(tmp_path, {**LLAMA, "quantization_config": told}).native_weight_format == stored


@pytest.mark.parametrize(
    ("architecture", "more", "sliding"),
    [
        ("MistralForCausalLM", {"sliding_window": 4096}, 32),
        ("MistralForCausalLM", {"sliding_window": None}, 0),
        ("MistralForCausalLM", {"sliding_window": 131072}, 0),
        ("Qwen2ForCausalLM", {"sliding_window": 4096, "use_sliding_window": False, "max_window_layers": 28}, 0),
        ("Qwen2ForCausalLM", {"sliding_window": 4096, "use_sliding_window": True, "max_window_layers": 28}, 4),
        ("Gemma2ForCausalLM", {"sliding_window": 4096}, 16),
        ("Gemma3ForCausalLM", {"sliding_window": 512, "sliding_window_pattern": 6}, 27),
        ("Phi3ForCausalLM", {"sliding_window": 2047}, 32),
        ("GptOssForCausalLM", {"sliding_window": 128, "num_local_experts": 8, "num_experts_per_tok": 2}, 16),
    ],
)
def test_layers_that_see_a_window_are_counted(
    architecture: str, more: dict[str, Any], sliding: int, tmp_path: Path
) -> None:
    found = read(tmp_path, {**LLAMA, "architectures": [architecture], **more})
    assert found.sliding_layers == sliding
    assert bool(found.sliding_window) == bool(sliding)


def test_experts_in_some_layers_only(tmp_path: Path) -> None:
    table = {**LLAMA, "architectures": ["Qwen2MoeForCausalLM"], "num_experts": 60, "num_experts_per_tok": 4}
    table |= {"moe_intermediate_size": 1408, "shared_expert_intermediate_size": 5632, "decoder_sparse_step": 2}
    found = read(tmp_path, {**table, "mlp_only_layers": [1]})
    assert (found.dense_layers, found.shared_experts, found.ffn, found.moe_ffn) == (17, 4, 14336, 1408)


def test_latent_attention_without_a_low_rank_of_q(tmp_path: Path) -> None:
    """DeepSeek-V2-Lite: 15.7 billion parameters."""
    table = {
        "architectures": ["DeepseekV2ForCausalLM"], "hidden_size": 2048, "intermediate_size": 10944,
        "moe_intermediate_size": 1408, "num_attention_heads": 16, "num_key_value_heads": 16, "num_hidden_layers": 27,
        "vocab_size": 102400, "max_position_embeddings": 163840, "q_lora_rank": None, "kv_lora_rank": 512,
        "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128, "n_routed_experts": 64,
        "n_shared_experts": 2, "num_experts_per_tok": 6, "first_k_dense_replace": 1, "moe_layer_freq": 1,
    }  # fmt: skip
    found = read(tmp_path, table)
    assert found.params_b == pytest.approx(15.7, rel=0.005)
    assert found.attention == 2048 * 16 * 192 + 2048 * 576 + 512 * 16 * 256 + 16 * 128 * 2048


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"architectures": ["MambaForCausalLM"]}, "'MambaForCausalLM' is not known"),
        ({"architectures": ["Llama4ForConditionalGeneration"]}, "is not known"),
        ({"architectures": ["LlamaForCausalLM", "GPT2LMHeadModel"]}, "one architecture"),
        ({"architectures": "LlamaForCausalLM"}, "one architecture"),
        ({"architectures": None}, "one architecture"),
        ({"hidden_size": None}, "hidden_size is missing"),
        ({"intermediate_size": None}, "intermediate_size is missing"),
        ({"vocab_size": 0}, "vocab_size is 0"),
        ({"num_hidden_layers": -1}, "num_hidden_layers is -1"),
        ({"num_hidden_layers": 10**9}, "num_hidden_layers is 1000000000"),
        ({"num_hidden_layers": 1.5}, "num_hidden_layers is 1.5"),
        ({"num_hidden_layers": True}, "num_hidden_layers is True"),
        ({"num_attention_heads": "32"}, "num_attention_heads is '32'"),
        ({"num_attention_heads": 30}, "head_dim is missing"),
        ({"num_key_value_heads": 5}, "cannot share 5 KV heads"),
        ({"tie_word_embeddings": 1}, "tie_word_embeddings is 1"),
        ({"layer_types": ["linear_attention"] * 32}, "not known"),
        ({"layer_types": ["full_attention"]}, "every layer"),
        ({"layer_types": 7}, "not known"),
        ({"architectures": ["MixtralForCausalLM"]}, "num_local_experts is missing"),
        (
            {"architectures": ["MixtralForCausalLM"], "num_local_experts": 2, "num_experts_per_tok": 3},
            "cannot go to 3 of 2 experts",
        ),
    ],
)
def test_what_it_cannot_read_is_refused_in_a_sentence(change: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(RefusedError) as refused:
        read(tmp_path, {**LLAMA, **change})
    assert words in refused.value.message
    assert "\n" not in refused.value.message
    assert refused.value.message.isprintable()
    assert refused.value.remedy


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "7",
        "{",
        '{"architectures": ["LlamaForCausalLM"], "architectures": []}',
        '{"a": ' + "[" * 50 + "]" * 50 + "}",
        '{"a": NaN}',
        '{"a": "' + "x" * 10_000 + '"}',
        '{"a": [' + "1," * 30_000 + "1]}",
        '{"a": ' + "9" * 100 + "}",
        '{"architectures": ["\\u001b[31mLlama"]}',
    ],
    ids=lambda text: text[:20],
)
def test_hostile_files_are_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(DataError):
        read(tmp_path, text)


def test_no_file_and_no_regular_file(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.json", tmp_path):
        with pytest.raises(BenchsuiteError):
            config.shape(path)
