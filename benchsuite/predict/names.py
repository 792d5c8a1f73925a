"""Names as tables write them -> keys of the catalogue: letters and digits decide, not how they are joined."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache

from benchsuite.catalog import Accelerator, ModelShape

ALIASES = {"fp4": "nvfp4", "float8": "fp8", "e4m3": "fp8", "bfloat16": "bf16", "float16": "fp16", "float32": "fp32"}
"""Other words for a precision."""

VARIANT = re.compile(r"(instruct|chat|it|hf|fp8|fp4|nvfp4|v[0-9]+)$")
"""What a name says about tuning, not about the shape."""


def plain(text: str) -> str:
    """Letters and digits, lower case."""
    return re.sub(r"[^a-z0-9]", "", text.lower())


def precision(text: str) -> str:
    """The precision's own name."""
    return ALIASES.get(text, text)


def model(text: str, models: Mapping[str, ModelShape]) -> str:
    """The key of the model that a table calls ``text``; ``text`` itself where none or several are meant."""
    if text in models:
        return text
    wanted = _bare(text)
    found = {key for key, shape in models.items() if wanted in {plain(key), *map(_bare, _names(shape.hf_id))}}
    return found.pop() if len(found) == 1 else text


def gpu(text: str, accelerators: Mapping[str, Accelerator]) -> str:
    """The key of the accelerator that a table calls ``text``; ``text`` itself where none or several are meant."""
    if text in accelerators:
        return text
    wanted = plain(text)
    found = {key for key, one in accelerators.items() if wanted in _called((key, one.name, *one.nvml_names))}
    return found.pop() if len(found) == 1 else text


def _called(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(one for name in names for one in (plain(name), plain(name).removeprefix("nvidia")))


@cache
def _names(hf_id: str) -> tuple[str, ...]:
    """``meta-llama/Llama-3.1-70B (same shape: Llama-3.3-70B)``: both names."""
    parts: Iterable[str] = re.split(r"[(),]|same shape:", hf_id)
    return tuple(part.strip() for part in parts if part.strip())


def _bare(text: str) -> str:
    """Without the owner and without what says how it was tuned."""
    name = plain(text.rsplit("/", 1)[-1])
    while (shorter := VARIANT.sub("", name)) != name:
        name = shorter
    return name
