"""How cases and values are put into words, the same on every page."""

from __future__ import annotations

from collections.abc import Callable

from benchsuite import units
from benchsuite.model import Case, Scalar, Score

Params = dict[str, Scalar]


def parameters(case: Case) -> str:
    """A case's parameters as a person would say them: ``fp32 1024³``, ``triad 256 MiB``."""
    params = dict(case.params)
    phrase = _PHRASES.get(case.benchmark)
    try:
        words = phrase(params) if phrase else _plain(params)
    except (KeyError, TypeError, ValueError):  # a record of another version may name its parameters otherwise
        words = _plain(params)
    return words if case.ranks == 1 else f"{words}, {case.ranks} ranks"


def brief(case: Case) -> str:
    """A case in few words, for the side of a chart: ``attention causal 1024, 8×64``."""
    words = parameters(case).replace(" tokens", "").replace(" heads × ", "×")
    return f"{case.benchmark} {words}"


def value(score: Score) -> str:
    """The number with its interval and unit, or a dash."""
    if score.value is None or score.low is None or score.high is None:
        return units.DASH
    return units.ranged(score.value, score.low, score.high, score.metric)


CAVEATS = {
    "CONTENDED": ("c", "other processes used more than 0.12 cores meanwhile"),
    "HOST_STEAL": ("s", "the hypervisor took more than 1 % of a core away"),
    "IMPRECISE": ("i", "a run's interval of the median stayed wider than the suite asks for"),
    "NOT_STEADY": ("u", "the first and the last third of a run's samples differ: unsteady"),
    "OVERSUBSCRIBED": ("o", "more ranks than cores"),
    "TELEMETRY_MISSING": ("t", "this system does not tell how busy others were"),
}
"""Letter and meaning of each note that may stand beside a number."""


def marks(score: Score) -> str:
    """The letters of a score's caveats."""
    return "".join(sorted(CAVEATS.get(caveat.code, ("?", ""))[0] for caveat in score.caveats))


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
    return f"{params['dtype']} context {params['context']}, {_heads(params)}{_batch(params)}"


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
