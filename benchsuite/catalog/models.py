"""Shapes of language models: what a step computes and keeps, and how many parameters that makes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from benchsuite.catalog.rows import Confidence


class Kind(StrEnum):
    """Dense, mixture of experts, or that with multi-head latent attention (DeepSeek-V2)."""

    DENSE = "dense"
    MOE = "moe"
    MOE_MLA = "moe-mla"


@dataclass(frozen=True, slots=True)
class ModelShape:
    """One table of ``models.toml``. Counts are of elements; ``params_b``, ``active_params_b``: billions, as stated.

    ffn, moe_ffn: width of the dense and of each expert's SwiGLU (three matrices); experts_active: routed experts of a
    token; shared_experts: those that see every token; dense_layers: layers without experts; ``*_lora_rank``,
    ``*_head_dim``: of latent attention (q_lora_rank 0: q comes straight from the hidden state); sliding_layers: layers
    that see ``sliding_window`` tokens only.
    """

    hf_id: str
    kind: Kind
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int
    params_b: float
    active_params_b: float
    max_context: int
    source: str
    confidence: Confidence
    key: str = ""
    ffn: int = 0
    moe_ffn: int = 0
    experts: int = 0
    experts_active: int = 0
    shared_experts: int = 0
    dense_layers: int = 0
    tied_embeddings: bool = False
    q_lora_rank: int = 0
    kv_lora_rank: int = 0
    qk_nope_head_dim: int = 0
    qk_rope_head_dim: int = 0
    v_head_dim: int = 0
    sliding_window: int = 0
    sliding_layers: int = 0
    native_weight_format: str = ""
    as_of: str = ""
    notes: str = ""

    @property
    def parameters(self) -> int:
        """Weights of the whole model, from the shape; norms, biases, routers' biases and attention sinks left out."""
        return self._weights(self.experts)

    @property
    def active_parameters(self) -> int:
        """Weights that one token passes through: of the experts only those it is routed to, and the embedding."""
        return self._weights(self.experts_active)

    @property
    def kv_elements(self) -> int:
        """Elements that one token leaves in one layer's cache: keys and values, or the latent of MLA."""
        if self.kind is Kind.MOE_MLA:
            return self.kv_lora_rank + self.qk_rope_head_dim
        return 2 * self.kv_heads * self.head_dim

    @property
    def attention(self) -> int:
        """Weights of one layer's attention."""
        if self.kind is not Kind.MOE_MLA:
            return self.hidden * self.head_dim * (2 * self.heads + 2 * self.kv_heads)
        query = self.qk_nope_head_dim + self.qk_rope_head_dim
        down = self.hidden * (self.q_lora_rank + self.kv_lora_rank + self.qk_rope_head_dim)
        up = (self.q_lora_rank or self.hidden) * self.heads * query + self.kv_lora_rank * self.heads * (
            self.qk_nope_head_dim + self.v_head_dim
        )
        return down + up + self.heads * self.v_head_dim * self.hidden

    def _weights(self, routed: int) -> int:
        dense = self.dense_layers if self.experts else self.layers
        expert = 3 * self.hidden * self.moe_ffn
        router = self.hidden * self.experts
        layers = self.layers * self.attention + dense * 3 * self.hidden * self.ffn
        layers += (self.layers - dense) * ((routed + self.shared_experts) * expert + router)
        return layers + self.vocab * self.hidden * (1 if self.tied_embeddings else 2)
