"""What the caller left open: the precision and the devices of one copy, chosen by rule and told as an assumption."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from benchsuite.catalog import ModelShape
from benchsuite.errors import RefusedError
from benchsuite.model.forecast import Ceilings, Forecast, Mesh, Precision, Traffic
from benchsuite.predict.engine import FITTED, Engine
from benchsuite.predict.forecast import forecast
from benchsuite.predict.precision import PRECISIONS, check

DEGREES = (1, 2, 4, 8)
"""Degrees of tensor parallelism that engines are run with."""

STAGES = (2, 4, 8)
"""Stages of a pipeline of such groups that are tried where no group alone holds the model."""

INSTEAD: Mapping[str, str] = {"fp8": "w8a16", "int8": "w8a16", "nvfp4": "w4a16", "mxfp4": "w4a16"}
"""What keeps weights as narrow where a device does not multiply them: they are widened first."""


def precision(shape: ModelShape, ceilings: Ceilings) -> tuple[Precision, str]:
    """The precision that the model was released in, or the nearest that the machine multiplies; and why, in words.

    Raises ``RefusedError`` where the machine multiplies none of them.
    """
    native, name = (shape.native_weight_format or "bf16").split()[0], shape.key or shape.hf_id
    usable = dict.fromkeys((native, INSTEAD.get(native, "bf16"), "bf16", "fp32"))
    for one in usable:
        if one not in PRECISIONS:
            continue
        try:
            made = check(PRECISIONS[one], ceilings)
        except RefusedError:
            continue
        if one == native:
            return made, f"No precision was asked for: {one}, in which {name} was released."
        if native in PRECISIONS:
            return made, f"No precision was asked for: {one}, since {ceilings.name} is not known to multiply {native}."
        told = f"{name} was released in {native}, which stands for no single precision"
        return made, f"No precision was asked for: {one}; {told}: say which with --precision."
    return check(PRECISIONS["bf16"], ceilings), ""


def fitted(
    shape: ModelShape, ceilings: Ceilings, precision: Precision, traffic: Traffic, engine: Engine = FITTED
) -> tuple[Forecast, str]:
    """The forecast with the tensor-parallel degree that gives most tokens per second and device; and why, in words.

    Degrees are those of ``DEGREES`` that the machine has devices for. Raises what the largest of them was refused for,
    with the count of devices that would do, if any does.
    """
    found: list[Forecast] = []
    refused = RefusedError(f"{ceilings.name} has no device.", "Name a machine with devices.")
    for degree in DEGREES:
        if degree <= ceilings.devices:
            try:
                found.append(forecast(shape, ceilings, precision, Mesh(tensor=degree), traffic, engine))
            except RefusedError as error:
                refused = error
    if not found:
        raise _with_more(shape, ceilings, precision, traffic, engine, refused)
    best = max(found, key=lambda one: one.throughput.value)
    degrees = [str(one.mesh.tensor) for one in found]
    if len(degrees) == 1:
        return best, f"No mesh was asked for: tensor parallel {degrees[0]}, the only degree it can be run with here."
    return best, (
        f"No mesh was asked for: tensor parallel {best.mesh.tensor} gives most tokens per second and device of "
        f"{', '.join(degrees)}; {degrees[0]} is the smallest that fits."
    )


def _with_more(
    shape: ModelShape, ceilings: Ceilings, precision: Precision, traffic: Traffic, engine: Engine, refused: RefusedError
) -> RefusedError:
    """The refusal, its remedy being the number of devices that would do; as it is where none would."""
    for mesh in (*map(Mesh, DEGREES), *(Mesh(DEGREES[-1], stages) for stages in STAGES)):
        if mesh.devices > ceilings.devices:
            more = replace(ceilings, devices=mesh.devices)
            try:
                forecast(shape, more, precision, mesh, traffic, engine)
            except RefusedError:
                continue
            key = f"--machine {ceilings.hardware}:{mesh.devices}" if ceilings.hardware else "a machine that has as many"
            stages = f" --tensor {mesh.tensor} --pipeline {mesh.pipeline}" if mesh.pipeline > 1 else ""
            told = f"{mesh.devices} devices would do: {key}{stages}. {refused.remedy}"
            return RefusedError(refused.message, told)
    return refused
