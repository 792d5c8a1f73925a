"""Names as tables write them -> keys of the catalogue: letters and digits decide, not how they are joined."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache

from benchsuite.catalog import Accelerator, ModelShape

PRECISIONS = {
    **dict.fromkeys(("float4", "e2m1"), "nvfp4"),
    **dict.fromkeys(("float8", "e4m3", "fp8e4m3"), "fp8"),
    **dict.fromkeys(("int4", "awq", "gptq", "w4a16awq", "w4a16gptq", "int4awq"), "w4a16"),
    "fp4": "nvfp4",
    "bfloat16": "bf16",
    "float16": "fp16",
    "float32": "fp32",
}
"""Other words for a precision, by letters and digits."""

SAME_SHAPE = {
    **dict.fromkeys(("deepseekr1", "deepseekv31"), "deepseek-v3"),
    "llama370b": "llama-3.1-70b",
    "llama38b": "llama-3.1-8b",
}
"""Models that another's key stands for: only what they were trained on differs, or the longest context."""

VARIANT = re.compile(
    r"(instruct|chat|base|thinking|it|hf|kv|dynamic|awq|gptq|bf16|fp16|fp8|fp4|nvfp4|mxfp4|int[48]|w[48]a16|v0[0-9]*"
    r"|0324|0528|2507|(?<=b)999?)$"
)
"""What a name says about tuning, release, precision or a benchmark's accuracy target, not about the shape."""

LLAMA = re.compile(r"^(meta)?llamav?")
"""Its name in front, as it is written in different places."""

MAKERS = frozenset({"nvidia", "amd", "instinct", "intel", "google", "hgx", "dgx", "gpu", "geforce", "tensor", "core"})
"""Words that tell no device from another."""


def plain(text: str) -> str:
    """Letters and digits, lower case."""
    return re.sub(r"[^a-z0-9]", "", text.lower())


def precision(text: str) -> str:
    """The precision's own name; ``text`` itself where none is meant."""
    return PRECISIONS.get(plain(text), text)


def model(text: str, models: Mapping[str, ModelShape]) -> str:
    """The key of the model that a table calls ``text``; ``text`` itself where none or several are meant."""
    if text in models:
        return text
    wanted = _bare(text)
    if SAME_SHAPE.get(wanted) in models:
        return SAME_SHAPE[wanted]
    found = {key for key, shape in models.items() if wanted in {_bare(key), *map(_bare, _names(shape.hf_id))}}
    return found.pop() if len(found) == 1 else text


def gpu(text: str, accelerators: Mapping[str, Accelerator]) -> str:
    """The key of the accelerator that a table calls ``text``; ``text`` itself where none or several are meant."""
    found = gpus(text, accelerators)
    return next(iter(found)) if len(found) == 1 else text


def gpus(text: str, accelerators: Mapping[str, Accelerator]) -> frozenset[str]:
    """Keys of every accelerator that may be meant: of that very name, else all that have every word of it."""
    if text in accelerators:
        return frozenset({text})
    wanted = plain(text)
    found = {key for key, one in accelerators.items() if wanted in _called((key, one.name, *one.nvml_names))}
    words = _words(text)
    if not found and any(re.search("[a-z][0-9]|[0-9]{4}", word) for word in words):
        found = {key for key, one in accelerators.items() if words <= _described(one)}
    return frozenset(found)


def _described(one: Accelerator) -> frozenset[str]:
    link = one.link.kind if one.link else ""
    return _words(" ".join((one.key, one.name, *one.nvml_names, link, f"{one.memory / 1e9:.0f}")))


@cache
def _words(text: str) -> frozenset[str]:
    """Its words, without makers, units of memory and generations of a socket."""
    found = re.findall("[a-z0-9]+", text.lower())
    short = (re.sub(r"^(sxm)[0-9]$|^([0-9]+)g(?:i?b)?$", r"\1\2", word) for word in found)
    return frozenset(short) - MAKERS


def _called(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(one for name in names for one in (plain(name), plain(name).removeprefix("nvidia")))


@cache
def _names(hf_id: str) -> tuple[str, ...]:
    """``meta-llama/Llama-3.1-70B (same shape: Llama-3.3-70B)``: both names."""
    parts: Iterable[str] = re.split(r"[(),]|same shape:", hf_id)
    return tuple(part.strip() for part in parts if part.strip())


@cache
def _bare(text: str) -> str:
    """Without the owner and without what says how it was tuned."""
    name = LLAMA.sub("llama", plain(text.rsplit("/", 1)[-1]))
    while (shorter := VARIANT.sub("", name)) != name:
        name = shorter
    return name
