"""Are a run's steps of small decoders what the run's other records foretell?

Each measured step of the benchmark ``transformer`` is forecast from the products, attention and small operations that
the same library ran by themselves in the same run, with the engine that loses nothing (``engine.BARE``): no parameter
is fitted, and the steps' own records are not among what the forecast sees.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from benchsuite.catalog.models import Kind, ModelShape
from benchsuite.catalog.rows import Confidence
from benchsuite.errors import RefusedError
from benchsuite.model import Case, Score
from benchsuite.model.forecast import Ceilings, Footing, Mesh, Phase, Term
from benchsuite.predict import measured, step
from benchsuite.predict.engine import BARE
from benchsuite.predict.precision import PRECISIONS

STEP = "transformer"


@dataclass(frozen=True, slots=True)
class Checked:
    """A measured step and its forecast, in seconds. ``error``: predicted / measured - 1.

    footing: assumed where any part of it was, else measured; unsteady: of how many of the cases that this library
    measured no result was steady; refused: why there is no forecast, in a sentence.
    """

    case: str
    implementation: str
    phase: str
    measured: float
    predicted: float | None = None
    error: float | None = None
    footing: str = ""
    bound: str = ""
    refused: str = ""
    terms: tuple[Term, ...] = ()
    unsteady: int = 0


def check(
    facts: Mapping[str, Mapping[str, str]], scores: Iterable[Score], *, cache: int, name: str
) -> tuple[Checked, ...]:
    """Every step that was measured and steady, forecast from the rest of its run.

    Raises ``RefusedError`` where the run measured no step.
    """
    every = tuple(scores)
    steps = [
        score for score in every if score.case.benchmark == STEP and measured.fit(score) and measured.steady(score)
    ]
    if not steps:
        raise RefusedError(
            f"Run {name} holds no verified, steady step of a decoder.", "Measure with `benchsuite run transformer`."
        )
    others = [score for score in every if score.case.benchmark != STEP]
    return tuple(_checked(facts, others, score, cache, name) for score in steps)


def phase(case: Case, ceilings: Ceilings) -> Phase:
    """The forecast of a case of ``transformer``: its parameters are the model's shape."""
    precision, batch, tokens = PRECISIONS[case.text("dtype")], case.integer("batch"), case.integer("tokens")
    if case.text("phase") == "decode":
        return step.decode(shape(case), precision, ceilings, Mesh(), BARE, batch, tokens)
    return step.prefill(shape(case), precision, ceilings, Mesh(), BARE, tokens, batch)


def shape(case: Case) -> ModelShape:
    """The model of a case."""
    return ModelShape(
        hf_id="",
        kind=Kind.DENSE,
        layers=case.integer("layers"),
        hidden=case.integer("hidden"),
        heads=case.integer("heads"),
        kv_heads=case.integer("kv_heads"),
        head_dim=case.integer("head_dim"),
        ffn=case.integer("ffn"),
        vocab=case.integer("vocab"),
        params_b=0.0,
        active_params_b=0.0,
        max_context=case.integer("tokens"),
        source=case.key,
        confidence=Confidence.HIGH,
    )


def document(checked: Sequence[Checked]) -> dict[str, Any]:
    """As JSON: each step, and of the absolute errors the median and the largest (null where nothing was forecast)."""
    errors = [abs(one.error) for one in checked if one.error is not None]
    return {
        "steps": [asdict(one) for one in checked],
        "forecast": len(errors),
        "median": median(errors) if errors else None,
        "largest": max(errors, default=None),
    }


def _checked(
    facts: Mapping[str, Mapping[str, str]], others: Sequence[Score], score: Score, cache: int, name: str
) -> Checked:
    spent = measured.seconds(score)
    told = Checked(score.case.key, score.implementation, score.case.text("phase"), spent)
    try:
        ceilings = measured.ceilings(facts, others, cache=cache, name=name, provider=score.provider)
        made = phase(score.case, ceilings)
    except RefusedError as error:
        return Checked(told.case, told.implementation, told.phase, spent, refused=f"{error.message} {error.remedy}")
    assumed = any(term.footing is not Footing.MEASURED for term in made.terms if not term.hidden)
    return Checked(
        told.case,
        told.implementation,
        told.phase,
        spent,
        predicted=made.seconds,
        error=made.seconds / spent - 1.0,
        footing=(Footing.ASSUMED if assumed else Footing.MEASURED).value,
        bound=made.bound.value,
        terms=made.terms,
        unsteady=ceilings.unsteady,
    )
