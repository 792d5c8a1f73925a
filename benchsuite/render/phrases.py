"""A case's parameters as a person would say them, benchmark by benchmark: ``bf16 8192³``, ``triad 256 MiB``."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from benchsuite import units
from benchsuite.model import Scalar

Params = dict[str, Scalar]

FAMILIES = {
    "gemm": "Matrix multiplication",
    "gemm-blockscaled": "Matrix multiplication, block-scaled",
    "dequant": "Multiplication by quantised weights",
    "attention": "Attention, prefill",
    "decode": "Attention, decode",
    "paged-decode": "Attention, decode from pages",
    "transformer": "Step of a small decoder",
    "pointwise": "Small operations of a decoder",
    "memory": "Memory bandwidth",
    "cache": "Cache bandwidth",
    "latency": "Memory latency",
    "atomics": "Atomic additions",
    "transfer": "Link to the host",
    "p2p": "Link between GPUs",
    "allreduce": "All-reduce",
    "allgather": "All-gather",
    "reduce_scatter": "Reduce-scatter",
    "alltoall": "All-to-all",
    "alltoallv": "All-to-all of unequal parts",
    "broadcast": "Broadcast",
    "shift": "Shift around a ring",
    "exchange": "Exchange between pairs",
    "barrier": "Barrier",
    "overlap": "Communication behind computation",
    "peer-allreduce": "All-reduce over peer memory",
    "reduce-step": "Local step of an all-reduce",
    "fma": "Peak arithmetic",
    "peak": "Peak arithmetic of a GPU",
    "launch": "Launching kernels",
    "processors": "Processors at work",
    "cores": "Cores at work",
    "fill": "Memory filled and read back",
}
"""A benchmark's name for people."""


def plain(params: Mapping[str, Scalar]) -> str:
    """Every parameter by its name: what a benchmark without a phrase gets."""
    return ", ".join(f"{name} {_word(name, item)}" for name, item in params.items())


def _word(name: str, item: Scalar) -> str:
    if isinstance(item, bool):
        return "yes" if item else "no"
    return units.size(item) if name == "bytes" and isinstance(item, int) else str(item)


def _size(params: Params) -> str:
    return units.size(float(params["bytes"]))


def _gemm(params: Params) -> str:
    m, n, k = (params[name] for name in ("m", "n", "k"))
    shape = f"{m}³" if m == n == k else f"{m} × {n} × {k}"
    stored = ", weights as stored" if params.get("layout") == "nt" else ""
    data = params.get("data", "normal")
    told = "" if data == "normal" else f", {data} (power headroom)"
    return f"{params['dtype']} {shape}{stored}{told}"


def _dequant(params: Params) -> str:
    return f"{params['weights']} × {params['dtype']}, {params['m']} × {params['n']} × {params['k']}"


def _heads(params: Params) -> str:
    heads, kv = params["heads"], params["kv_heads"]
    return f"{heads} heads × {params['head_dim']}" + (f", {kv} KV" if kv != heads else "")


def _batch(params: Params) -> str:
    return f", batch {params['batch']}" if params["batch"] != 1 else ""


def _attention(params: Params) -> str:
    kind = "causal" if params["causal"] else "full"
    return f"{params['dtype']} {kind}, {params['seq']} tokens, {_heads(params)}{_batch(params)}"


def _decode(params: Params) -> str:
    return f"{params['dtype']}, context {params['context']}, {_heads(params)}{_batch(params)}"


def _paged(params: Params) -> str:
    kv = "" if params["kv"] == params["dtype"] else f" with {params['kv']} cache"
    kv += " scaled by the page" if params.get("scales") == "page" else ""
    cache = f"context {params['context']} in pages of {params['page']}"
    return f"{params['dtype']}{kv}, {cache}, {_heads(params)}{_batch(params)}"


def _transfer(params: Params) -> str:
    ways = {"h2d": "to the GPU", "d2h": "from the GPU", "both": "both ways"}
    return f"{ways[str(params['direction'])]}, {params['host']}, {_size(params)}"


def _p2p(params: Params) -> str:
    both = ", both ways" if params["direction"] == "bi" else ""
    return f"GPU {params['source']} to {params['target']}{both}, {_size(params)}"


def _peers(params: Params) -> str:
    where = "GPUs" if params["spread"] else "pretended GPUs on one"
    return f"{params['dtype']} {_size(params)}, {params['gpus']} {where}"


def _collective(params: Params) -> str:
    """Element type and size, and what else the collective has, its default left out."""
    named = {name: item for name, item in params.items() if name not in {"dtype", "bytes", "place"}}
    where = ["in place"] if params.get("place") == "in" else []
    return ", ".join([f"{params['dtype']} {_size(params)}", *([plain(named)] if named else []), *where])


def _overlap(params: Params) -> str:
    parts = {"compute": "multiplication alone", "communicate": "all-reduce alone", "serial": "one after the other"}
    told = parts.get(str(params["part"]), "both at once")
    return f"{told}, {params['dtype']} {params['n']}³ and {_size(params)}"


def _transformer(params: Params) -> str:
    wide = f"{params['layers']} layers of {params['hidden']}, {params['heads']}/{params['kv_heads']} heads"
    asked = f"{params['batch']} × {params['tokens']} tokens"
    return f"{params['phase']} of {asked}, {wide}, {params['dtype']}"


def _pointwise(params: Params) -> str:
    done = "a product alone" if params["op"] == "none" else f"{params['op']} after a product"
    return f"{done}, {params['rows']} × {params['width']}, {params['dtype']}"


PHRASES: dict[str, Callable[[Params], str]] = {
    "gemm": _gemm,
    "gemm-blockscaled": _gemm,
    "dequant": _dequant,
    "attention": _attention,
    "decode": _decode,
    "paged-decode": _paged,
    "transformer": _transformer,
    "pointwise": _pointwise,
    "memory": lambda params: f"{params['op']} {_size(params)}",
    "cache": lambda params: f"{params['level']} {_size(params)}",
    "latency": _size,
    "atomics": lambda params: f"{params['dtype']}, {params['pattern']}, {_size(params)}",
    "transfer": _transfer,
    "p2p": _p2p,
    "allreduce": _collective,
    "allgather": _collective,
    "reduce_scatter": _collective,
    "alltoall": _collective,
    "alltoallv": _collective,
    "broadcast": _collective,
    "shift": _collective,
    "exchange": _collective,
    "overlap": _overlap,
    "peer-allreduce": _peers,
    "reduce-step": lambda params: f"{params['dtype']} {_size(params)}",
    "fma": lambda params: str(params["dtype"]),
    "peak": lambda params: str(params["dtype"]),
    "launch": lambda params: f"{params['launches']} launches",
    "processors": lambda params: f"{params['blocks']} blocks",
    "cores": lambda params: "one thread" if params["threads"] == 1 else f"{params['threads']} threads",
    "fill": _size,
}
