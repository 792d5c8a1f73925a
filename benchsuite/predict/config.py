"""A model's shape from the ``config.json`` that Hugging Face keeps beside its weights.

Only architectures whose weights and cache are counted here exactly are read; what a newer one means by the same names
nobody could vouch for. Names and defaults are those of the ``configuration_*.py`` files of transformers 4.57.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchsuite import reading
from benchsuite.catalog.models import Kind, ModelShape
from benchsuite.catalog.rows import Confidence
from benchsuite.errors import RefusedError

LIMITS = reading.Limits(size=1 << 20, depth=12, values=20_000, text=1 << 12)
MOST = 10_000_000
"""The largest count that a config may hold; real ones stay below a million."""
LAYERS = 1000
HINT = "Write the missing numbers into the file as the model's authors give them."
STORED = {"bfloat16": "bf16", "float16": "fp16", "float32": "fp32", "fbgemm_fp8": "fp8"}
"""Precisions by the name that a config gives a type or a method; others have the same name."""
WEIGHTS_ONLY, BITS = frozenset({"awq", "gptq"}), {4: "w4a16", 8: "w8a16"}
"""Methods that quantise weights and no activations, and the precisions by their bits."""


@dataclass(frozen=True, slots=True)
class Family:
    """How an architecture's config is read.

    experts: the name of their count, empty for a dense model; width: the name of an expert's width; shared: of the
    number of shared experts, or of their width together; window: how many of every so many layers see a window only,
    where ``layer_types`` does not say: 0 none, 1 all, 2 every other, 6 all but every sixth. tied: whether head and
    embedding are one matrix where the file is silent.
    """

    kind: Kind = Kind.DENSE
    experts: str = ""
    width: str = ""
    shared: str = ""
    window: int = 0
    tied: bool = False


_LOCAL = Family(Kind.MOE, "num_local_experts", "intermediate_size")
_SPARSE = Family(Kind.MOE, "num_experts", "moe_intermediate_size")
_LATENT = Family(Kind.MOE_MLA, "n_routed_experts", "moe_intermediate_size", "n_shared_experts")

FAMILIES: Mapping[str, Family] = {
    "LlamaForCausalLM": Family(),
    "MistralForCausalLM": Family(window=1),
    "Qwen2ForCausalLM": Family(),
    "Qwen3ForCausalLM": Family(),
    "Phi3ForCausalLM": Family(window=1),
    "GraniteForCausalLM": Family(),
    "GemmaForCausalLM": Family(tied=True),
    "Gemma2ForCausalLM": Family(window=2, tied=True),
    "Gemma3ForCausalLM": Family(window=6, tied=True),
    "MixtralForCausalLM": replace(_LOCAL, window=1),
    "GraniteMoeForCausalLM": _LOCAL,
    "Qwen2MoeForCausalLM": replace(_SPARSE, shared="shared_expert_intermediate_size"),
    "Qwen3MoeForCausalLM": _SPARSE,
    "GptOssForCausalLM": replace(_LOCAL, window=2),
    "DeepseekV2ForCausalLM": _LATENT,
    "DeepseekV3ForCausalLM": _LATENT,
}
"""By the first of ``architectures``."""


def shape(path: Path) -> ModelShape:
    """The shape in the file.

    Raises ``DataError`` for a file that cannot be read or is no JSON object, ``RefusedError`` for an architecture
    that is not known, and for a number that is missing or impossible: one sentence each.
    """
    given = _Given(reading.value(reading.content(path, LIMITS), dict[str, Any], LIMITS))
    name = given.architecture()
    family = FAMILIES[name]
    heads, hidden = given.count("num_attention_heads"), given.count("hidden_size")
    layers = given.count("num_hidden_layers", most=LAYERS)
    made = ModelShape(
        hf_id=reading.printable(path.resolve().parent.name)[:80],
        kind=family.kind,
        layers=layers,
        hidden=hidden,
        heads=heads,
        kv_heads=given.count("num_key_value_heads", default=heads),
        head_dim=given.count("head_dim", default=hidden // heads if hidden % heads == 0 else None),
        vocab=given.count("vocab_size"),
        params_b=0.0,
        active_params_b=0.0,
        max_context=given.count("max_position_embeddings"),
        source=f"{name} in a config.json",
        confidence=Confidence.HIGH,
        key=reading.printable(path.stem)[:80],
        tied_embeddings=given.flag("tie_word_embeddings", family.tied),
        native_weight_format=given.stored(),
    )
    if made.heads % made.kv_heads:
        raise _refused(f"its {made.heads} heads cannot share {made.kv_heads} KV heads evenly")
    made = _windowed(_routed(made, family, given), family, given)
    if family.kind is Kind.MOE_MLA:
        made = _latent(made, given)
    return replace(made, params_b=made.parameters / 1e9, active_params_b=made.active_parameters / 1e9)


def _routed(made: ModelShape, family: Family, given: _Given) -> ModelShape:
    """With the widths of its layers, and of its experts where it has any."""
    if not family.experts:
        return replace(made, ffn=given.count("intermediate_size"))
    width, dense = given.count(family.width), _dense(made.layers, given)
    experts, active = given.count(family.experts, most=4096), given.count("num_experts_per_tok", most=4096)
    if active > experts:
        raise _refused(f"a token cannot go to {active} of {experts} experts")
    shared = given.count(family.shared, least=0, default=0) if family.shared else 0
    if family.shared.endswith("_size"):
        if shared % width:
            raise _refused(f"a shared expert of width {shared} is no whole number of experts of width {width}")
        shared //= width
    return replace(
        made,
        ffn=given.count("intermediate_size") if dense else 0,
        moe_ffn=width,
        experts=experts,
        experts_active=active,
        shared_experts=shared,
        dense_layers=dense,
    )


def _dense(layers: int, given: _Given) -> int:
    """Layers without experts: the first ones (DeepSeek), those named, and all between every so many (Qwen)."""
    first = given.count("first_k_dense_replace", least=0, default=0)
    step = given.count("decoder_sparse_step", default=given.count("moe_layer_freq", default=1))
    named = given.numbers("mlp_only_layers")
    return sum(layer < first or layer in named or bool((layer + 1) % step) for layer in range(layers))


def _windowed(made: ModelShape, family: Family, given: _Given) -> ModelShape:
    """With the layers that see a window only. A window as long as the context is none."""
    kinds = given.kinds()
    window = given.count("sliding_window", least=0, default=0)
    if not given.flag("use_sliding_window", True) or not 0 < window < made.max_context:
        return made
    every = given.count("sliding_window_pattern", default=family.window or 1) if family.window > 1 else family.window
    if kinds:
        sliding = kinds.count("sliding_attention")
    elif "max_window_layers" in given.table:
        sliding = max(0, made.layers - given.count("max_window_layers", least=0))
    else:
        sliding = {0: 0, 1: made.layers}.get(every, made.layers - made.layers // max(every, 1))
    return replace(made, sliding_window=window, sliding_layers=sliding) if sliding else made


def _latent(made: ModelShape, given: _Given) -> ModelShape:
    """With multi-head latent attention (DeepSeek-V2, arXiv 2405.04434). Its small model has no low rank for q."""
    nope, rope = given.count("qk_nope_head_dim"), given.count("qk_rope_head_dim")
    return replace(
        made,
        q_lora_rank=given.count("q_lora_rank", least=0, default=0),
        kv_lora_rank=given.count("kv_lora_rank"),
        qk_nope_head_dim=nope,
        qk_rope_head_dim=rope,
        v_head_dim=given.count("v_head_dim"),
        kv_heads=made.heads,
        head_dim=nope + rope,
    )


@dataclass(frozen=True, slots=True)
class _Given:
    """The file's object, asked for one name at a time."""

    table: Mapping[str, Any]

    def architecture(self) -> str:
        """Its name, which is one of ``FAMILIES``."""
        names = self.table.get("architectures")
        if not isinstance(names, list) or len(names) != 1 or not isinstance(names[0], str):
            raise _refused("it does not name one architecture", "Give the config.json of the model itself.")
        if names[0] not in FAMILIES:
            known = ", ".join(name.removesuffix("ForCausalLM") for name in FAMILIES)
            raise _refused(f"the architecture {reading.printable(names[0])[:60]!r} is not known", f"Known: {known}.")
        return names[0]

    def count(self, name: str, *, least: int = 1, most: int = MOST, default: int | None = None) -> int:
        """A whole number within bounds; ``default`` where the file says nothing, or null."""
        found = self.table.get(name)
        if found is None:
            if default is None:
                raise _refused(f"{name} is missing")
            return default
        if not isinstance(found, int) or isinstance(found, bool) or not least <= found <= most:
            raise _refused(f"{name} is {_shown(found)}, no whole number from {least} to {most}")
        return found

    def flag(self, name: str, default: bool) -> bool:
        """True or false."""
        found = self.table.get(name, default)
        if not isinstance(found, bool):
            raise _refused(f"{name} is {_shown(found)}, neither true nor false")
        return found

    def numbers(self, name: str) -> frozenset[int]:
        """A list of numbers of layers, empty where there is none."""
        found = self.table.get(name) or []
        if not isinstance(found, list) or not all(type(one) is int for one in found):
            raise _refused(f"{name} is {_shown(found)}, no list of layers")
        return frozenset(found)

    def kinds(self) -> list[str]:
        """The kind of each layer's attention, empty where the file does not say."""
        found = self.table.get("layer_types") or []
        known = {"full_attention", "sliding_attention"}
        if not isinstance(found, list) or not all(isinstance(one, str) and one in known for one in found):
            raise _refused("its layers attend in ways that are not known", "Known: full and sliding attention.")
        if found and len(found) != self.count("num_hidden_layers", most=LAYERS):
            raise _refused("layer_types does not name every layer")
        return found

    def stored(self) -> str:
        """How its weights are stored: the precision, and the method where it was quantised; empty where nobody says.

        A method of which no precision is known stands alone.
        """
        quantised = self.table.get("quantization_config")
        table = quantised if isinstance(quantised, dict) else {}
        named = table.get("quant_method")
        found = named or self.table.get("dtype") or self.table.get("torch_dtype")
        if not isinstance(found, str):
            return ""
        bits = table.get("bits", 4 if found == "awq" else 0)
        known = BITS.get(bits) if found in WEIGHTS_ONLY and type(bits) is int else STORED.get(found)
        method = reading.printable(found)[:40]
        return f"{known} ({method})" if known and named and known != found else known or method


def _shown(value: object) -> str:
    return reading.printable(repr(value))[:40]


def _refused(why: str, remedy: str = HINT) -> RefusedError:
    return RefusedError(f"The config tells no shape: {why}.", remedy)
