"""The table's rows and the few numbers shown first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchsuite import bandwidths, units
from benchsuite.model import Record, Score, Status
from benchsuite.render import below, strip
from benchsuite.render.words import STATUSES, clean, family, marks, parameters, value

MOST_CARDS = 7


@dataclass(frozen=True, slots=True)
class Card:
    """One of the numbers shown first; ``fraction`` of the ceiling draws a bar."""

    label: str
    value: str
    detail: str
    share: str
    fraction: float | None


@dataclass(frozen=True, slots=True)
class TableRow:
    """One task. ``sort`` is the value in SI units, ``None`` where there is none; ``details`` stand below the value."""

    anchor: str
    key: str
    family: str
    case: str
    value: str
    details: tuple[str, ...]
    sort: float | None
    share: str
    share_of: str
    share_sort: float | None
    datasheet: str
    interval: str
    implementation: str
    provider: str
    best: bool
    glyph: str
    status: str
    code: str
    tone: str
    marks: str
    caveats: str
    reason: str
    runs: str
    strip: strip.Strip | None

    @property
    def first(self) -> bool:
        """Whether the row is shown when only the best implementation of each case is."""
        return self.best or self.code != Status.OK


def table(scores: Sequence[Score], records: Sequence[Record]) -> tuple[TableRow, ...]:
    """A row for every attempted task, in the order of the plan."""
    by_task: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        by_task.setdefault((record.case.key, record.implementation), []).append(record)
    return tuple(
        _row(f"s{number}", score, by_task.get((score.case.key, score.implementation), ()))
        for number, score in enumerate(scores, 1)
    )


def _row(anchor: str, score: Score, records: Sequence[Record]) -> TableRow:
    glyph, word, tone = STATUSES[score.status]
    good = score.status is Status.OK
    return TableRow(
        anchor=anchor,
        key=score.case.benchmark,
        family=family(score.case.benchmark),
        case=parameters(score.case),
        value=value(score) if good else units.DASH,
        details=tuple(below.details(score, records)) if good else (),
        sort=score.value if good else None,
        share=units.percent(score.of_ceiling) if score.of_ceiling is not None else "",
        share_of=f"of what the measured {score.ceiling_name} allows" if score.of_ceiling is not None else "",
        share_sort=score.of_ceiling,
        datasheet=_on_paper(score),
        interval=score.interval if good else "",
        implementation=clean(score.implementation),
        provider=score.provider if score.provider not in {"benchsuite", score.implementation} else "",
        best=score.best,
        glyph=glyph,
        status=word,
        code=score.status.value,
        tone=tone,
        marks=marks(score) if good else "",
        caveats=" ".join(clean(caveat.text) for caveat in score.caveats),
        reason=score.reason,
        runs=", ".join(units.quantity(each, score.metric) for each in score.run_values) if good else "",
        strip=strip.samples(records) if good else None,
    )


def _on_paper(score: Score) -> str:
    """``"81 %, 92 % at 1755 MHz"``: of the datasheet's peak, and of the peak at the clock that was held."""
    if score.of_datasheet is None:
        return ""
    share, clock = units.percent(score.of_datasheet), score.conditions.get("sm_clock")
    if score.of_clock is None or clock is None:
        return share
    return f"{share}, {units.percent(score.of_clock)} at {clock / 1e6:.0f}{units.NO_BREAK_SPACE}MHz"


def cards(scores: Sequence[Score]) -> tuple[Card, ...]:
    """The best of each kind of work, at most ``MOST_CARDS``."""
    best = [score for score in scores if score.best and score.value is not None and score.status is Status.OK]
    made = [_card(label, score) for label, score in _headlines(best)]
    return tuple(made[:MOST_CARDS])


def _headlines(best: Sequence[Score]) -> Iterator[tuple[str, Score]]:
    """Label and score of what is worth showing first, the most asked for first."""
    for label, wanted, choose in _WANTED:
        found = choose([score for score in best if wanted(score, dict(score.case.params))])
        if found is not None:
            yield label, found
    known = {"gemm", "attention", "decode", "paged-decode", "memory", "latency", "allreduce", "fma", "peak", "overlap"}
    known |= {"pointwise"}  # measured for a forecast, by differences
    for name in dict.fromkeys(score.case.benchmark for score in best if score.case.benchmark not in known):
        found = _top([score for score in best if score.case.benchmark == name])
        if found is not None:
            yield f"{family(name)}{', busbw' if bandwidths.algbw(found) else ''}", found


def _top(scores: Sequence[Score]) -> Score | None:
    if not scores:
        return None
    pick = max if scores[0].metric.higher_is_better else min
    return pick(scores, key=lambda score: score.value or 0.0)


def _largest(scores: Sequence[Score]) -> Score | None:
    return max(scores, key=_bytes, default=None)


def _bytes(score: Score) -> int:
    found = dict(score.case.params).get("bytes", 0)
    return found if isinstance(found, int) else 0


def _gemm(*dtypes: str) -> Callable[[Score, Mapping[str, object]], bool]:
    """Products of N(0, 1) numbers: other data needs less power, and its speed is no headline."""

    def wanted(score: Score, params: Mapping[str, object]) -> bool:
        usual = params.get("data", "normal") == "normal"
        return score.case.benchmark == "gemm" and usual and params.get("dtype") in dtypes

    return wanted


def _of(name: str) -> Callable[[Score, Mapping[str, object]], bool]:
    return lambda score, params: score.case.benchmark == name


def _dram(score: Score, params: Mapping[str, object]) -> bool:
    """A memory result beyond the caches: only those have a ceiling."""
    return score.case.benchmark == "memory" and score.of_ceiling is not None


_WANTED: tuple[
    tuple[str, Callable[[Score, Mapping[str, object]], bool], Callable[[Sequence[Score]], Score | None]], ...
] = (
    ("GEMM, fp32", _gemm("fp32"), _top),
    ("GEMM, 16 bit", _gemm("bf16", "fp16"), _top),
    ("Attention, prefill", _of("attention"), _top),
    ("GEMM, fp8", _gemm("e4m3"), _top),
    ("GEMM, block-scaled", _of("gemm-blockscaled"), _top),
    ("Attention, decode", _of("decode"), _top),
    ("Attention, decode from pages", _of("paged-decode"), _top),
    ("Memory bandwidth", _dram, _top),
    ("Memory latency", _of("latency"), _largest),
    ("All-reduce, busbw", _of("allreduce"), _top),
    ("GEMM, fp64", _gemm("fp64"), _top),
    ("GEMM, int8", _gemm("int8"), _top),
    ("Peak arithmetic", _of("fma"), _top),
    ("Peak arithmetic", _of("peak"), _top),
)


def _card(label: str, score: Score) -> Card:
    share = f"{units.percent(score.of_ceiling)} of ceiling" if score.of_ceiling is not None else ""
    fraction = min(1.0, score.of_ceiling) if score.of_ceiling is not None else None
    if _dram(score, {}) or score.case.benchmark in {"fma", "peak"}:  # it is the ceiling: 100 % would say nothing
        share, fraction = "", None
    return Card(label, value(score), parameters(score.case), share, fraction)
