"""What serving a model on a machine will take: tokens per second, seconds, dollars, joules, each with its band.

Per request, of one copy on ``d`` devices at batch ``B``:

    reading  = prompt / stages                writing = osl x step(B) / B              (seconds, ``batching.served``)
    ttft     = one prompt alone               tpot    = step(B) + (B - 1) / osl x reading
    $ of a token written = price / 3600 / rate x writing / (reading + writing)
    $ of a token read    = price / 3600 / rate x reading / (reading + writing) x osl / isl
    J of a token written = watts / rate

``rate``: output tokens per second of one device, ``price``: dollars an hour of one. What is read and what is written
thus pay together for all of the time: isl x $read + osl x $written = price / 3600 / rate x osl.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchsuite.catalog import ModelShape
from benchsuite.errors import RefusedError
from benchsuite.model.forecast import Band, Ceiling, Ceilings, Footing, Forecast, Mesh, Precision, Traffic
from benchsuite.predict import interval, memory, step
from benchsuite.predict.batching import Served, served
from benchsuite.predict.engine import FITTED, Engine
from benchsuite.predict.memory import WIDE_BYTES
from benchsuite.predict.precision import check
from benchsuite.units import percent

SECONDS_PER_HOUR = 3600.0
MILLION = 1e6
DEAREST = 10_000.0
"""Dollars of a device for an hour beyond which a price is a slip of the pen."""


def forecast(
    shape: ModelShape,
    ceilings: Ceilings,
    precision: Precision,
    mesh: Mesh,
    traffic: Traffic,
    engine: Engine = FITTED,
) -> Forecast:
    """What one copy of the model takes on ``mesh`` devices of the machine, and each of them with it.

    Raises ``RefusedError`` for a type that the machine lacks, a model or batch that does not fit, a mesh that cannot
    be, sequences beyond what the model was made for, and what nobody could vouch for (``interval``).
    """
    name = shape.key or shape.hf_id
    possible(shape, name, ceilings, mesh, traffic)
    precision = check(precision, ceilings)
    found = served(shape, precision, ceilings, mesh, engine, traffic)
    if traffic.batch > found.max_batch:
        raise RefusedError(
            f"{traffic.batch:,} sequences of {traffic.isl + traffic.osl:,} tokens do not fit at once.",
            f"Memory holds {found.max_batch:,}: ask for so many or fewer.",
        )
    version = None if engine == FITTED else engine.name
    running = (found.throughput, found.batch)
    cautions = interval.cautions(shape, precision, ceilings, mesh, traffic, *running, version=version)
    moved = found.throughput * (traffic.isl + traffic.osl) / traffic.osl
    rate, confidence = interval.band(found.throughput, cautions, rate=moved)
    alone = step.prefill(shape, precision, ceilings, mesh, engine, traffic.isl)
    writing, reading = shares(found, mesh, traffic)
    price, why = paid(ceilings.usd_per_hour)
    whole = rate.into(price / SECONDS_PER_HOUR * MILLION) if price else None
    watts = ceilings.watts.value if ceilings.watts else 0.0
    tpot = found.decode.seconds + max(0.0, found.batch - 1.0) / traffic.osl * found.prefill.seconds / mesh.pipeline
    return Forecast(
        model=name,
        ceilings=ceilings,
        precision=precision,
        mesh=mesh,
        traffic=traffic,
        engine=engine.name,
        batch=found.batch,
        max_batch=found.max_batch,
        max_context=memory.longest(shape, precision, ceilings, mesh, engine),
        prefill=alone,
        decode=found.decode,
        throughput=rate,
        ttft=slower(alone.seconds, rate),
        tpot=slower(tpot, rate),
        usd_in=whole.times(reading * traffic.osl / traffic.isl) if whole else None,
        usd_out=whole.times(writing) if whole else None,
        joules=rate.into(watts) if watts > 0 else None,
        assumptions=tuple(_assumptions(ceilings, precision, traffic, engine, found, why)),
        cautions=cautions,
        confidence=confidence,
    )


def possible(shape: ModelShape, name: str, ceilings: Ceilings, mesh: Mesh, traffic: Traffic) -> None:
    """Raises ``RefusedError`` for a mesh that no engine would start with, and for tokens beyond the model's context."""
    short_enough(shape, traffic.isl, traffic.osl)
    if mesh.devices > ceilings.devices:
        key = ceilings.hardware or ceilings.name
        raise RefusedError(
            f"One copy on {mesh.devices} devices needs more than the {ceilings.devices} of {ceilings.name}.",
            f"Name as many: --machine {key}:{mesh.devices}.",
        )
    for number, what in ((shape.heads, "query heads"), (shape.hidden, "columns")):
        if number % mesh.tensor:
            raise RefusedError(
                f"{name} has {number:,} {what}, which {mesh.tensor} devices cannot share evenly.",
                f"Choose a tensor-parallel degree that divides {number:,}.",
            )
    if shape.kv_heads % mesh.tensor and mesh.tensor % shape.kv_heads:
        raise RefusedError(
            f"{name} has {shape.kv_heads} key-value heads, which {mesh.tensor} devices can neither share nor copy.",
            f"Choose a tensor-parallel degree that divides {shape.kv_heads}, or a multiple of it.",
        )
    if mesh.pipeline > shape.layers:
        raise RefusedError(f"{name} has {shape.layers} layers, fewer than {mesh.pipeline} stages.", "Ask for fewer.")
    if mesh.expert > 1 and not shape.experts:
        raise RefusedError(f"{name} has no experts to spread over {mesh.expert} devices.", "Leave --expert out.")
    if mesh.expert > 1 and (shape.experts % mesh.expert or mesh.devices % mesh.expert):
        raise RefusedError(
            f"{name} has {shape.experts} experts, which {mesh.expert} of {mesh.devices} devices cannot share evenly.",
            "Choose a degree of expert parallelism that divides both.",
        )


def short_enough(shape: ModelShape, isl: int, osl: int) -> None:
    """Raises ``RefusedError`` for requests beyond the model's context."""
    name, asked = shape.key or shape.hf_id, isl + osl
    if asked > shape.max_context:
        raise RefusedError(
            f"{name} was made for {shape.max_context:,} tokens, and {isl:,} + {osl:,} are {asked:,}.",
            "Ask for fewer with --isl and --osl.",
        )


def shares(found: Served, mesh: Mesh, traffic: Traffic) -> tuple[float, float]:
    """Shares of the time in which tokens are written, and read; together 1."""
    writing = traffic.osl * found.decode.seconds / found.batch
    reading = found.prefill.seconds / mesh.pipeline
    return writing / (writing + reading), reading / (writing + reading)


def slower(seconds: float, rate: Band) -> Band:
    """A time with the band of the rate: where fewer tokens come out, everything takes longer."""
    return Band(seconds, seconds * rate.value / rate.high, seconds * rate.value / rate.low)


def paid(price: Ceiling | None) -> tuple[float, str]:
    """Dollars of a device for an hour, and what to say of them; 0 and why where there are none."""
    if price is None:
        return 0.0, "No dollars: nobody said what a device costs (--usd-per-hour, or --provider)."
    if not 0 < price.value < DEAREST:
        return 0.0, f"No dollars: {price.value:g} an hour is no price."
    exact = f"{price.value:,.2f}" if round(price.value, 2) == price.value else f"{price.value:g}"
    return price.value, f"A device costs ${exact} an hour, at work or not ({price.source})."


def _assumptions(
    ceilings: Ceilings, precision: Precision, traffic: Traffic, engine: Engine, found: Served, priced: str
) -> Iterator[str]:
    yield (
        f"Every request reads {traffic.isl:,} and writes {traffic.osl:,} tokens; there is always a next one, and "
        "memory is reserved for whole sequences, so that none is ever stopped for want of it."
    )
    if not traffic.batch and found.batch < found.max_batch:
        yield f"No more than {engine.cap:,} sequences run at once, as engines are started."
    if engine == FITTED:
        yield (
            "The software is as good as the engines whose published results it was fitted to, those of early 2025; "
            "newer ones are usually some per cent faster."
        )
    else:
        yield f"Engine {engine.name}: kernels one after another, nothing lost between them and no memory reserved."
    scales = ", scales included" if precision.weights < WIDE_BYTES else ""
    width = f"{precision.weights:.3g} B a weight{scales}, {precision.cache:g} B an element of the cache"
    yield f"{precision.name}: {width}; products of {precision.gemm}."
    yield from _unmeasured(ceilings, precision, found)
    if ceilings.watts:
        told = f"{ceilings.watts.source or ceilings.watts.footing.value}"
        yield f"A device draws {ceilings.watts.value:.0f} W ({told}); host, network and cooling are left out."
    else:
        yield "No joules: nothing is known of the power of a device."
    yield priced
    yield "The intervals of times, dollars and joules are those of the throughput: only it has published results."


def _unmeasured(ceilings: Ceilings, precision: Precision, found: Served) -> Iterator[str]:
    """The ceilings that stand behind most of the time and were not measured here."""
    spent = found.decode.seconds
    link = any(term.name.startswith("all-reduce") for term in found.decode.terms)
    for what, one in (
        ("Reading memory", ceilings.bandwidth),
        (f"Large products of {precision.gemm}", ceilings.gemm.get(precision.gemm)),
        ("The link", ceilings.link if link and "allreduce" not in ceilings.messages else None),
    ):
        if one is not None and one.footing is not Footing.MEASURED:
            yield f"{what}: {one.footing.value}, {one.source or 'no source'}."
    guessed = sum(term.seconds for term in found.decode.terms if term.footing is Footing.ASSUMED and not term.hidden)
    if guessed > 0.005 * spent:
        yield f"Of the time of a step {percent(guessed / spent)} rests on assumed rates."
