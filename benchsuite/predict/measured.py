"""Ceilings of a machine from what a run measured on it; what the run lacks comes from the datasheet, and says so.

A result stands only for what it was: verified, timed by clocks that agree. Of several implementations the best counts,
since whoever serves chooses it; for a step of one library only that library's (``provider``). A result that was not
steady stands where a case has no other, and is counted (``Ceilings.unsteady``): it is nearer than a guess.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import median

from benchsuite import units
from benchsuite.errors import RefusedError
from benchsuite.model import Metric, Offer, Score, Status
from benchsuite.model.forecast import Ceiling, Ceilings, Footing, GemmPoint, KernelPoint, MessagePoint
from benchsuite.normalize import DRAM_MULTIPLE, card

UNFIT, UNSTEADY = "CLOCK_DISAGREE", "NOT_STEADY"
"""Caveats: of a number that is no rate of anything, and of one that moved while it was taken. Others tell of a machine
that was disturbed, or is slow."""
LARGE = 1024
"""Rows, columns and depth from which a product shows the rate of large ones."""
SEEN = 0.01
"""Share of a product's time below which nothing is resolved."""
KERNELS = ("attention", "decode", "paged-decode", "pointwise")
SIZES = {"KiB": units.KIB, "MiB": units.MIB, "GiB": units.GIB}
"""As ``units.size`` writes them."""
COLLECTIVES = ("allreduce", "allgather", "reduce_scatter", "alltoall")


def ceilings(
    facts: Mapping[str, Mapping[str, str]],
    scores: Iterable[Score],
    *,
    cache: int,
    name: str,
    provider: str = "",
    fallback: Ceilings | None = None,
    offer: Offer | None = None,
) -> Ceilings:
    """What a run with these facts and scores found.

    ``cache``: its last-level cache in bytes: memory is only what is well beyond it. ``provider``: only products,
    attention and small operations of this library and version. ``fallback``: the datasheet's, for what is missing.
    Raises ``RefusedError`` where neither tells the memory, how fast it is read, or any product.
    """
    good = [score for score in scores if fit(score)]
    own = steadiest(score for score in good if not provider or score.provider == provider)
    every = steadiest(good)
    shapes = _shapes(_of(own, "gemm"), name)
    read, memory = _read(every, cache, name), _memory(facts)
    measured = card(facts)
    found = Ceilings(
        name=measured.gpu.name if measured else facts.get("processor", {}).get("model", name),
        hardware=measured.gpu.key if measured else "",
        devices=_count(facts),
        memory=memory or (fallback.memory if fallback else 0.0),
        bandwidth=read or (fallback.bandwidth if fallback else Ceiling(0.0, Footing.ASSUMED)),
        gemm={dtype: _largest(points, name) for dtype, points in shapes.items()},
        shapes=shapes,
        attention=_best_by_type(_of(own, "attention"), name),
        decode=_best(_of(own, "decode", "paged-decode"), name),
        link=_link(every, name),
        messages=_messages(every),
        launch=_best(_of(every, "launch"), name),
        watts=_watts(own, name),
        types=frozenset(shapes),
        usd_per_hour=_price(offer),
        processors=measured.processors if measured else 0,
        kernels=tuple(_points(own)),
        unsteady=len({score.case.key for score in (*own, *every) if not steady(score)}),
    )
    whole = _filled(found, fallback) if fallback else found
    return _checked(whole, name)


def fit(score: Score) -> bool:
    """Whether a ceiling may rest on this result: verified in every run, timed without contradiction."""
    if score.status is not Status.OK or score.value is None or not 0.0 < score.value < float("inf"):
        return False
    return all(caveat.code != UNFIT for caveat in score.caveats)


def steady(score: Score) -> bool:
    """Whether it did not move while it was taken, in any run."""
    return all(caveat.code != UNSTEADY for caveat in score.caveats)


def steadiest(scores: Iterable[Score]) -> list[Score]:
    """Of each case the steady results, or those that there are where none is."""
    every = list(scores)
    settled = {score.case.key for score in every if steady(score)}
    return [score for score in every if steady(score) or score.case.key not in settled]


def seconds(score: Score) -> float:
    """Seconds of one iteration of a result that is ``fit``; of a latency, whose metric that is, of one step."""
    value = score.value or math.nan
    match score.metric:
        case Metric.FLOPS:
            return score.work.flops / value
        case Metric.BANDWIDTH:
            return score.work.bytes / value
        case Metric.BUSBW:
            return score.work.wire / value
        case _:
            return value


def _of(scores: Iterable[Score], *benchmarks: str) -> list[Score]:
    return [score for score in scores if score.case.benchmark in benchmarks]


def _said(score: Score, run: str) -> str:
    return f"run {run}: {score.case.key} [{score.implementation}]"


def _best(scores: Iterable[Score], run: str) -> Ceiling | None:
    """The best value, whichever way its metric counts."""
    known = [(score.value, score) for score in scores if score.value is not None]
    if not known:
        return None
    choose = max if known[0][1].metric.higher_is_better else min
    value, score = choose(known, key=lambda one: one[0])
    return Ceiling(value, Footing.MEASURED, _said(score, run))


def _best_by_type(scores: Sequence[Score], run: str) -> dict[str, Ceiling]:
    types = dict.fromkeys(_dtype(score) for score in scores)
    found = {name: _best((score for score in scores if _dtype(score) == name), run) for name in types}
    return {name: best for name, best in found.items() if best is not None}


def _dtype(score: Score) -> str:
    return str(dict(score.case.params).get("dtype", ""))


def _shapes(scores: Sequence[Score], run: str) -> dict[str, tuple[GemmPoint, ...]]:
    """The best rate of each product by element type. Data that save power are no workload."""
    best: dict[str, dict[tuple[int, int, int], float]] = {}
    for score in scores:
        if score.value is not None and score.case.text("data") == "normal":
            m, n, k = (score.case.integer(name) for name in "mnk")
            known = best.setdefault(score.case.text("dtype"), {})
            known[m, n, k] = max(score.value, known.get((m, n, k), 0.0))
    return {dtype: tuple(GemmPoint(*mnk, rate) for mnk, rate in sorted(of.items())) for dtype, of in best.items()}


def _largest(points: Sequence[GemmPoint], run: str) -> Ceiling:
    best = max(points, key=lambda one: one.rate)
    return Ceiling(best.rate, Footing.MEASURED, f"run {run}: a product of {best.m} x {best.n} x {best.k}")


def _read(scores: Iterable[Score], cache: int, run: str) -> Ceiling | None:
    reads = [score for score in _of(scores, "memory") if score.case.text("op") == "read"]
    return _best((score for score in reads if score.case.integer("bytes") >= DRAM_MULTIPLE * cache), run)


def _points(scores: Iterable[Score]) -> Iterable[KernelPoint]:
    """Kernels by themselves; of implementations of one case the fastest."""
    known = _of(scores, *KERNELS)
    best: dict[KernelPoint, KernelPoint] = {}
    for point in filter(None, (*map(_attended, known), *_small(_of(known, "pointwise")))):
        case = replace(point, seconds=0.0)
        best[case] = min(point, best.get(case, point), key=lambda one: one.seconds)
    return best.values()


def _attended(score: Score) -> KernelPoint | None:
    """Attention of a decoder; what sees everything is none. The type of a paged cache is that of its numbers."""
    case = score.case
    if case.benchmark == "pointwise" or (case.benchmark == "attention" and not case.flag("causal")):
        return None
    heads = tuple(case.integer(name) for name in ("heads", "kv_heads", "head_dim"))
    kernel, length = ("attention", "seq") if case.benchmark == "attention" else ("decode", "context")
    dtype = case.text("kv" if case.benchmark == "paged-decode" else "dtype")
    return KernelPoint(kernel, dtype, case.integer("batch"), case.integer(length), seconds(score), *heads)


def _small(scores: Sequence[Score]) -> Iterator[KernelPoint]:
    """Small operations: what each adds to the product that it follows (``none``).

    What adds less than ``SEEN`` of that cannot be told from nothing, and counts as so much.
    """

    def place(score: Score) -> tuple[str, str, int, int]:
        return score.implementation, _dtype(score), score.case.integer("rows"), score.case.integer("width")

    alone = {place(score): seconds(score) for score in scores if score.case.text("op") == "none"}
    for score in scores:
        before = alone.get(place(score))
        if score.case.text("op") != "none" and before is not None:
            _, dtype, rows, width = place(score)
            added = max(seconds(score) - before, SEEN * before)
            yield KernelPoint(score.case.text("op"), dtype, rows, width, added)


def _link(scores: Iterable[Score], run: str) -> Ceiling | None:
    """From one device to another, one way; else what an all-reduce of the largest message moves a rank."""
    pairs = [score for score in _of(scores, "p2p") if score.case.text("direction") == "uni"]
    reduced = _of(scores, "allreduce")
    largest = max((score.case.integer("bytes") for score in reduced), default=0)
    return _best(pairs, run) or _best((one for one in reduced if one.case.integer("bytes") == largest), run)


def _messages(scores: Iterable[Score]) -> dict[str, tuple[MessagePoint, ...]]:
    best: dict[str, dict[tuple[int, int], float]] = {}
    for score in _of(scores, *COLLECTIVES):
        size = score.case.integer("bytes"), score.case.ranks
        known = best.setdefault(score.case.benchmark, {})
        known[size] = min(seconds(score), known.get(size, float("inf")))
    return {name: tuple(MessagePoint(*size, spent) for size, spent in sorted(of.items())) for name, of in best.items()}


def _watts(scores: Iterable[Score], run: str) -> Ceiling | None:
    """The middle of what the device drew while products and attention were measured."""
    drawn = [one.conditions["power"] for one in _of(scores, "gemm", *KERNELS) if one.conditions.get("power", 0.0) > 0]
    return (
        Ceiling(median(drawn), Footing.MEASURED, f"run {run}: the middle of {len(drawn)} readings") if drawn else None
    )


def _price(offer: Offer | None) -> Ceiling | None:
    price = offer.usd_per_device_hour if offer else None
    if offer is None or price is None or not price > 0:
        return None
    words = " ".join(filter(None, (offer.provider, offer.instance, offer.kind, offer.as_of, offer.source)))
    return Ceiling(price, Footing.PUBLISHED, words)


def _count(facts: Mapping[str, Mapping[str, str]]) -> int:
    """GPUs that could be seen; a processor is one device."""
    told = facts.get("gpu", {}).get("count", "1")
    return max(1, int(told)) if told.isascii() and told.isdecimal() and len(told) < 6 else 1


def _memory(facts: Mapping[str, Mapping[str, str]]) -> float:
    """Bytes of a GPU, else those that a process may use; 0 where nobody says."""
    told = facts.get("gpu", {}).get("memory bytes", "")
    if told:
        return float(told) if told.isascii() and told.isdecimal() else 0.0
    number, _, unit = facts.get("memory", {}).get("usable", "").partition(units.NO_BREAK_SPACE)
    plain = number.replace(".", "", 1)
    return float(number) * SIZES.get(unit, 0) if plain.isascii() and plain.isdecimal() else 0.0


def _filled(found: Ceilings, fallback: Ceilings) -> Ceilings:
    """With the datasheet's figures where the run has none; the firmer keeps its place.

    Where no large product was measured, the datasheet's rate of large ones stands if it is the higher.
    """
    gemm = dict(fallback.gemm)
    for dtype, best in found.gemm.items():
        large = any(min(one.m, one.n, one.k) >= LARGE for one in found.shapes[dtype])
        if large or dtype not in gemm or gemm[dtype].value < best.value:
            gemm[dtype] = best
    return replace(
        found,
        hardware=found.hardware or fallback.hardware,
        gemm=gemm,
        link=found.link or fallback.link,
        fabric=found.fabric or fallback.fabric,
        watts=found.watts or fallback.watts,
        types=found.types | fallback.types,
        usd_per_hour=found.usd_per_hour or fallback.usd_per_hour,
        processors=found.processors or fallback.processors,
    )


def _checked(found: Ceilings, run: str) -> Ceilings:
    missing = {
        "a matrix product": not found.gemm,
        "how fast memory is read": not found.bandwidth.value > 0,
        "how much memory there is": not found.memory > 0,
    }
    if any(missing.values()):
        lacks = " or ".join(words for words, absent in missing.items() if absent)
        raise RefusedError(
            f"Run {run} does not tell {lacks}, and the catalogue has no datasheet of {found.name}.",
            "Measure it with `benchsuite run inference`.",
        )
    return found
