"""The page of residuals: how far every forecast of a published table was off, in Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields

from benchsuite.predict.engine import Engine
from benchsuite.predict.fit import PRIORS, Cell
from benchsuite.predict.folds import FOLDS, LEAST_UNSEEN, Folds
from benchsuite.predict.interval import Calibration
from benchsuite.predict.table import RULES, Row
from benchsuite.predict.tally import GROUPS, Score, Scored, Summary, summary

WORST = 10

UNITS = {"tile": (1e6, "µs"), "reduce": (1e6, "µs"), "layer": (1e6, "µs"), "sequence": (1e6, "µs")}
UNITS |= {"reserve": (1e-9, "GB")}

MEANING = {
    "gemm": "share of the ceiling of large products",
    "bandwidth": "share of the ceiling of reading memory",
    "link": "share of the bus bandwidth of a large all-reduce",
    "rows": "rows that each product is padded by",
    "wave": "share of a wave of tiles that each product wastes",
    "tile": "a processor's idle time at the ends of each tile",
    "traffic": "passes of activations through memory",
    "reserve": "memory of a device for neither weights nor cache",
    "reduce": "a round of messages, beyond its bytes",
    "layer": "of each layer of a step",
    "sequence": "of each sequence of a step, on the host",
}


@dataclass(frozen=True, slots=True)
class Findings:
    """All that the page tells. ``whole``: in sample, every row, excluded ones too; ``gpus``, ``versions``: held out;
    ``rivals``: other forecasts under the same folds, by name: leave one GPU out, leave one source out;
    ``widths``: the nested calibration of each GPU; ``configured``: scores of held-out configurations."""

    engine: Engine
    calibration: Calibration
    whole: Scored
    cells: Scored
    gpus: Folds
    versions: Folds
    rivals: Mapping[str, tuple[Sequence[Score], Sequence[Score]]]
    widths: Mapping[str, Calibration]
    configured: Mapping[Cell, float]


def page(found: Findings) -> str:
    """The whole page."""
    parts = [
        HEAD,
        *_headline(found),
        *_parameters(found.engine),
        *_held_out(found),
        *_coverage(found),
        *_worst(found),
        *_limited(found.whole),
        *_excluded(found.whole),
        CHOICES,
    ]
    return "\n".join(parts) + "\n"


HEAD = """# Residuals of the forecast

Written by `scripts/fit-forecast`; do not edit. An error is predicted / measured - 1 of output tokens per second and
device: median and 90th percentile of its size, median of itself (bias: positive means the forecast is too high). A cell
is one setting; rows that repeat it (submitters of one machine) are one cell, with their median.
[forecast.md](forecast.md) has the equations.
"""

BANDS = """## Intervals

A GPU, engine and plan that calibration has seen, with this GPU's precision, and lengths, batch, model size and experts
within what it has seen: ± {known:.2f} in the logarithm, the 90 % conformal score of configurations of the largest
source, held out of fits to all the rest ({folds} folds), of the GPU where it is widest. Anything else: ± {unseen:.2f},
the largest such score of any GPU that a fit had not seen, and {least:g} at least. With {gpus} GPUs no exact 90 %
interval for another one exists (nine are needed): the wide band claims no coverage (`confidence` 0). Nested: the wide
band of each GPU below comes from fits that saw neither it nor the GPU whose errors make the band, and its hull from the
other GPUs' cells.
"""

LIMITED = """## Latency-limited rows, apart

Server and Interactive runs, where queues and limits of latency decide. Each is forecast at the largest batch whose
tokens come as fast as the row's own published median: that checks a step's time and forecasts no queue.
"""


def _headline(found: Findings) -> Iterator[str]:
    yield from _table_head("test", "cells")
    rows = {
        "in sample": found.cells.rows,
        "**leave one GPU out**": found.gpus.scored.rows,
        "**leave one source and engine version out**": found.versions.scored.rows,
    }
    for name, (by_gpu, by_version) in found.rivals.items():
        rows[f"{name}, leave one GPU out"] = tuple(by_gpu)
        rows[f"{name}, leave one source out"] = tuple(by_version)
    for name, chosen in rows.items():
        yield _line(name, chosen)
    yield ""
    ranks = found.gpus.scored.ranks
    if ranks:
        yield f"Order of GPUs (leave one GPU out): mean Spearman correlation {ranks[0]:.3f} over {ranks[1]} settings"
        yield "with three GPUs or more. The order says nothing about GPUs that lie within the band of each other."
        yield ""


def _parameters(engine: Engine) -> Iterator[str]:
    yield "## Parameters"
    yield ""
    yield "| parameter | fitted | prior | meaning | where the prior comes from |"
    yield "|---|---:|---:|---|---|"
    for name, item in PRIORS.items():
        scale, unit = UNITS.get(name, (1.0, ""))
        value, before = getattr(engine, name) * scale, item.value * scale
        yield f"| {name} | {value:.3g} {unit} | {before:.3g} {unit} | {MEANING[name]} | {item.why} |"
    fixed = {field.name: getattr(engine, field.name) for field in fields(engine) if field.name in FIXED}
    yield ""
    yield "Not fitted: " + ", ".join(f"{name} {value:g} ({FIXED[name]})" for name, value in fixed.items()) + "."
    yield "Every parameter has a prior, so that what the table cannot tell stays at what physics says."
    yield ""


FIXED = {
    "attention": "share of the 16-bit ceiling that prefill attention reaches",
    "kept": "published share of free memory that the cache gets",
    "cap": "sequences at once",
}


def _held_out(found: Findings) -> Iterator[str]:
    yield "## Leave one GPU out, by what differs"
    yield ""
    yield "`regime`: what most of a sequence's time is forecast to be spent on."
    yield ""
    for name, key in GROUPS.items():
        yield from _table_head(name, "cells")
        yield from _by(found.gpus.scored.rows, key)
        yield ""
    yield "## Leave one source and engine version out"
    yield ""
    yield from _table_head("source", "cells")
    yield from _by(found.versions.scored.rows, GROUPS["engine"])
    yield ""


def _coverage(found: Findings) -> Iterator[str]:
    known, unseen, gpus = found.calibration.known, found.calibration.unseen, len(found.widths)
    yield BANDS.format(known=known, unseen=unseen, folds=FOLDS, least=LEAST_UNSEEN, gpus=gpus)
    yield _row("GPU", "held out: cells", "width", "inside", "its configurations held out", "inside the narrow band")
    yield "|---|---:|---:|---:|---:|---:|"
    shares = []
    for gpu in sorted(found.widths):
        mine = [one for one in found.gpus.scored.rows if one.row.gpu == gpu]
        away = [error for cell, error in found.configured.items() if cell.row.gpu == gpu]
        inside, narrow = sum(one.covered for one in mine), sum(error <= known for error in away)
        shares.append(inside / len(mine))
        yield _row(gpu, len(mine), f"± {found.widths[gpu].unseen:.2f}", inside, len(away) or "", narrow if away else "")
    yield ""
    yield f"Mean over GPUs: {sum(shares) / len(shares):.0%}. A pooled number would hide the GPUs with few cells."
    yield ""


def _worst(found: Findings) -> Iterator[str]:
    yield f"## The {WORST} worst cells (leave one GPU out)"
    yield ""
    yield _row("line", "model", "GPU", "plan", "tokens", "source", "measured", "predicted", "error", "why")
    yield "|---:|---|---|---|---|---|---:|---:|---:|---|"
    chosen = sorted(found.gpus.scored.rows, key=lambda one: -abs(one.error or 0.0))
    for one in chosen[:WORST]:
        row, plan = one.row, f"TP{one.plan.tensor}" if one.plan else ""
        names = (row.line, row.model, row.gpu, plan if row.mesh else f"{plan}, not published")
        value = one.band.value if one.band else 0.0
        numbers = (f"{row.measured:.0f}", f"{value:.0f}", f"{one.error or 0.0:+.0%}")
        yield _row(*names, f"{row.isl:.0f} + {row.osl:.0f}", row.version, *numbers, explained(one))
    yield ""


def _planless(row: Row) -> bool:
    return row.mesh is None


REASONS: tuple[tuple[Callable[[Score], bool], str], ...] = (
    (
        lambda one: one.row.gpu == "h100_nvl_94",
        "400 W: what the limit leaves is reckoned from the chip's figure at 700 W; submitters differ by 33 %",
    ),
    (
        lambda one: _planless(one.row) and "vLLM" in one.row.engine,
        "the submitter's vLLM: its host and scheduler are not those that most of the fit has seen; plan not published",
    ),
    (lambda one: _planless(one.row), "plan, limit of the batch and spread of lengths are not published"),
    (
        lambda one: one.row.isl + one.row.osl <= SHORT,
        "short requests: the batch is in the thousands, and the engine's own limit of it is not published",
    ),
    (
        lambda one: one.bound == "prefill",
        "prompts take most of the time: chunks and decode steps are reckoned in turn, and may share a launch",
    ),
    (
        lambda one: bool(one.plan and one.row.model.startswith("mixtral")),
        "which experts are hit is taken as even, and each engine chooses other products for experts",
    ),
)
"""Why a forecast may be off, the first that holds: what the row does not say, what the forecast leaves out."""

REST = "long answers: the batch that fits turns on the memory reserved, and one mean context stands for all steps"

SHORT = 256


def explained(one: Score) -> str:
    """Why a forecast may be off."""
    return next((words for holds, words in REASONS if holds(one)), REST)


def _limited(whole: Scored) -> Iterator[str]:
    limited = [one for one in whole.rows if one.counts and one.row.latency_limited]
    yield LIMITED
    yield from _table_head("scenario", "rows")
    yield from _by(limited, lambda one: one.row.scenario)
    yield ""


def _excluded(whole: Scored) -> Iterator[str]:
    yield "## What was left out, and what it would have scored"
    yield ""
    yield "The rules look at fields of a row and were fixed before the first forecast."
    yield ""
    for name, (words, _) in RULES.items():
        mine = [one for one in whole.rows if one.excluded.startswith(f"{name}:")]
        if not mine:
            continue
        yield f"### {name}: {words}"
        yield ""
        yield _row("line", "model", "GPU", "scenario", "submitter", "measured", "predicted", "error")
        yield "|---:|---|---|---|---|---:|---:|---:|"
        for one in mine:
            row = one.row
            value = f"{one.band.value:.0f}" if one.band else "none"
            error = f"{one.error:+.0%}" if one.error is not None else one.refused
            yield _row(row.line, row.model, row.gpu, row.scenario, row.submitter, f"{row.measured:.0f}", value, error)
        yield ""


CHOICES = """## Which choices were made after seeing residuals

- Before any residual of this forecast: tiles and waves, one memory latency a tile, slicing, copies of experts' rows,
  chunks of prompts, exclusions E1 to E6, collapsing of replicates, weights of blocks, first priors. The residuals of an
  earlier forecast of this table with seven parameters were known: they said which regimes needed physics (groups of
  eight, links over PCIe, narrow experts).
- After a first residual: a link's ceiling became the published all-reduce instead of the wire, PCIe's usual share first
  0.4, then one half; NVLink switches that add were told from those that do not, and rounds counted by log2 of the group
  (TP8 was off in opposite directions on A100, H100 and PCIe).
- After a second: twins of a chip share published products, less power scales them (H100 NVL), sampling's traffic, the
  times of a layer and of a sequence were added, and the priors of `gemm` and `traffic` tightened, because a share above
  1 is not physical.
- Tried and left out: a second rate for activations that stay in the cache on the chip (leave one GPU out 5.3 / 12.7),
  and looser priors (4.7 / 14.8), which let `gemm` rise to 1.18.
- Later, and not to make an error smaller: `gemm` and `link`, which had ended at 1.05 and 1.08, may not pass 1 any more,
  since nobody multiplies or sends faster than the ceiling (before: 5.0 / 12.1, leave one source out 7.2 / 18.4); each
  fold's fit begins at the priors, no more where a fit to all cells ended (before: 4.9 / 12.8); the narrow band comes
  from fits that hold the other sources too, as the shipped one does (before: from fits to the largest alone, ± 0.11).
- Later too, and not to make an error smaller: where there are few rows a tile has few, 16 at least, since one row was
  charged as 128, and a single user's four-bit model was forecast as slow as a 16-bit one (before: leave one GPU out
  5.2 / 12.2).
- The floor of the wide band, and from how many experts for each active one its lower side reaches to a third, were set
  by what an earlier forecast missed on tables of other GPUs and engines that are not in this one. No row here tests
  either, and on those tables their coverage would not be independent.
- Leaving one GPU out is therefore optimistic. H100, H200 and GH200 are one chip, so leaving one of them out is easier
  than a new architecture; L40S, A100 and MI300X are the real tests. fp4, Blackwell, many small experts and experts
  sliced eight ways are in no row that was fitted: nothing here says how good the forecast is there."""


def _table_head(name: str, count: str) -> Iterator[str]:
    yield f"| {name} | {count} | median % | P90 % | bias % |"
    yield "|---|---:|---:|---:|---:|"


def _by(chosen: Iterable[Score], key: Callable[[Score], str]) -> Iterator[str]:
    groups: dict[str, list[Score]] = {}
    for one in chosen:
        groups.setdefault(key(one), []).append(one)
    for name in sorted(groups):
        yield _line(name, groups[name])


def _line(name: str, chosen: Sequence[Score]) -> str:
    found: Summary | None = summary(chosen)
    if found is None:
        return f"| {_cell(name)} | 0 | | | |"
    numbers = (found.median, found.p90, found.bias)
    return f"| {_cell(name)} | {found.count} | " + " | ".join(f"{100 * one:.1f}" for one in numbers) + " |"


def _row(*cells: object) -> str:
    return "| " + " | ".join(_cell(str(one)) for one in cells) + " |"


def _cell(text: str) -> str:
    return text.replace("|", "/").replace("\n", " ")
