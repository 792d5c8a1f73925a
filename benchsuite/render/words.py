"""How cases, values, statuses and notes are put into words, the same on the page and on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from benchsuite import units
from benchsuite.model import Case, Caveat, Scalar, Score, Status

Params = dict[str, Scalar]

FAMILIES = {
    "gemm": "Matrix multiplication",
    "attention": "Attention, prefill",
    "decode": "Attention, decode",
    "memory": "Memory bandwidth",
    "latency": "Memory latency",
    "allreduce": "All-reduce",
    "fma": "Peak arithmetic",
}

STATUSES = {
    Status.OK: ("✓", "verified", "good"),
    Status.REJECTED: ("✖", "wrong result", "bad"),
    Status.FAILED: ("✖", "failed", "bad"),
    Status.SKIPPED: (units.DASH, "skipped", "unknown"),
}
"""Glyph, word and tone of each status; the first two must do without the third."""

CAVEATS = {
    "CONTENDED": ("c", "other processes used more than 0.12 cores meanwhile"),
    "GPU_SHARED": ("g", "another process used this GPU when the run began"),
    "HOST_STEAL": ("s", "the hypervisor took more than 1 % of a core away"),
    "IMPRECISE": ("i", "a run's interval of the median stayed wider than the suite asks for"),
    "MIG_SLICE": ("m", "a slice of a GPU (MIG): its neighbours share memory and power"),
    "MIXED_GPUS": ("d", "the GPUs of this machine differ"),
    "NOT_STEADY": ("u", "the first and the last third of a run's samples differ: unsteady"),
    "OVERSUBSCRIBED": ("o", "more ranks than cores"),
    "TELEMETRY_MISSING": ("t", "this system does not tell how busy others were"),
}
"""Letter and meaning of each note that may stand beside a number."""


WILD = 10
"""An interval that reaches farther than this factor says only that the runs disagree; so its ends are not printed."""


def clean(text: str) -> str:
    """``text`` without control and direction characters, so that no record can steer a terminal or a page."""
    return "".join(one if one.isprintable() or one == units.NO_BREAK_SPACE else " " for one in text)


def family(benchmark: str) -> str:
    """A benchmark's name for people."""
    return FAMILIES.get(benchmark, clean(benchmark))


def parameters(case: Case) -> str:
    """A case's parameters as a person would say them: ``fp32 1024³``, ``triad 256 MiB``."""
    params = dict(case.params)
    phrase = _PHRASES.get(case.benchmark)
    try:
        words = phrase(params) if phrase else _plain(params)
    except (KeyError, TypeError, ValueError):  # a record of another version may name its parameters otherwise
        words = _plain(params)
    return clean(words if case.ranks == 1 else f"{words}, {case.ranks} ranks")


def value(score: Score) -> str:
    """The number with its interval and unit, or a dash."""
    if score.value is None:
        return units.DASH
    if score.low is None or score.high is None:
        return units.quantity(score.value, score.metric)
    if score.low * WILD < score.value or score.high > score.value * WILD:
        return f"{units.quantity(score.value, score.metric)} (beyond{units.NO_BREAK_SPACE}×{WILD})"
    return units.ranged(score.value, score.low, score.high, score.metric)


def mark(caveat: Caveat) -> str:
    """The letter that stands for a caveat."""
    return CAVEATS.get(caveat.code, ("x", ""))[0]


def meaning(caveat: Caveat) -> str:
    """What a caveat says, without the numbers of one task."""
    return CAVEATS.get(caveat.code, ("", clean(caveat.text)))[1]


def marks(score: Score) -> str:
    """The letters of a score's caveats."""
    return "".join(sorted({mark(caveat) for caveat in score.caveats}))


def counted(number: int, one: str, many: str = "") -> str:
    """``1 result``, ``2 results``."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def tally(items: Iterable[str]) -> dict[str, int]:
    """How often each item occurs, in order of appearance."""
    counts: dict[str, int] = {}
    for item in items:
        counts[item] = counts.get(item, 0) + 1
    return counts


def sentence(text: str) -> str:
    """``text`` ending in a full stop."""
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _plain(params: Params) -> str:
    return ", ".join(f"{name} {_word(name, item)}" for name, item in params.items())


def _word(name: str, item: Scalar) -> str:
    if isinstance(item, bool):
        return "yes" if item else "no"
    return units.size(item) if name == "bytes" and isinstance(item, int) else str(item)


def _gemm(params: Params) -> str:
    m, n, k = (params[name] for name in ("m", "n", "k"))
    shape = f"{m}³" if m == n == k else f"{m} × {n} × {k}"
    return f"{params['dtype']} {shape}"


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


def _memory(params: Params) -> str:
    return f"{params['op']} {units.size(float(params['bytes']))}"


def _latency(params: Params) -> str:
    return units.size(float(params["bytes"]))


def _allreduce(params: Params) -> str:
    return f"{params['dtype']} {units.size(float(params['bytes']))}"


def _dtype(params: Params) -> str:
    return str(params["dtype"])


_PHRASES: dict[str, Callable[[Params], str]] = {
    "gemm": _gemm,
    "attention": _attention,
    "decode": _decode,
    "memory": _memory,
    "latency": _latency,
    "allreduce": _allreduce,
    "fma": _dtype,
}
