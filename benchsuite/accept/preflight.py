"""How a GPU is set up: what spoils a measurement, or makes the card slower than it was sold, and can be put right."""

from __future__ import annotations

from collections.abc import Iterable

from benchsuite.accept.look import NOT_SUPPORTED, Look, Seen, absent, failed, passed, unknown, unseen
from benchsuite.catalog import Form
from benchsuite.telemetry import conditions
from benchsuite.telemetry.conditions import WATT
from benchsuite.telemetry.reading import Reading

SLOWED = {0x08: "hardware slowdown", 0x40: "hardware thermal slowdown", 0x80: "power brake"}
"""Reasons for which the hardware itself lowers the clock (nvmlClocksEventReasons)."""
TOLD = 0x1FF
"""Reasons with a name in that list; others are counted as such."""
HEAT = 0x20
SET = 0x02 | 0x10 | 0x100
"""Clocks set by somebody: application clocks, sync boost, a display's."""
HIGHEST = 0.99
BRIEF = 0.01
"""Part of the readings under load that is no state: a moment."""
OFTEN = 0.25
MOMENT = 3
"""Readings in which a process may be seen that is just about to end: our own of the run before, too."""
LOW_BOARD = 0.9
"""A default power limit below this part of the model's makes it another board."""
FIRST_MIG = (8, 0)
ON = 1.0
VGPU = 2.0
"""NVML_GPU_VIRTUALIZATION_MODE_VGPU: a part of a card that its host shares out."""


def throttle(look: Look) -> Seen:
    """Whether the hardware lowered its clock by itself: heat, or trouble with its power."""
    told = [one for one in look.loaded if "throttle" in one.values]
    if not told:
        return unknown("Whether the hardware lowered the clock", "no reading under load tells it")
    names = [name for bit, name in SLOWED.items() if any(conditions.bits(one) & bit for one in told)]
    hit = sum(any(conditions.bits(one) & bit for bit in SLOWED) for one in told)
    if hit > BRIEF * len(told):
        advice = "Look at cooling and power supply; if it repeats, replace the GPU."
        return failed(
            f"The hardware lowered the clock ({' and '.join(names)}) in {hit} of {len(told)} readings. {advice}"
        )
    other = sum(bool(conditions.bits(one) & ~TOLD) for one in told)
    more = f" {other} had a reason without a name." if other else ""
    some = f"only {hit} ({' and '.join(names)})" if hit else "none"
    return passed(f"In {some} of {len(told)} readings under load did the hardware lower the clock.{more}")


def thermal(look: Look) -> Seen:
    """Whether the driver lowered the clock because of heat."""
    told = [one for one in look.loaded if "throttle" in one.values]
    if not told:
        return unknown("Whether heat lowered the clock", "no reading under load tells it")
    hot = max((one.values.get("temperature", 0.0) for one in told), default=0.0)
    warmest = f" It was {hot:.0f} °C at most." if hot else ""
    part = _part(told, (bool(conditions.bits(one) & HEAT) for one in told))
    if part > BRIEF:
        return failed(f"Heat lowered the clock in {part:.0%} of the readings under load.{warmest} Look at the cooling.")
    return passed(f"Heat did not lower the clock.{warmest}")


def pcie(look: Look) -> Seen:
    """Whether the PCIe link is as wide and fast as the card's, under load: an idle link saves power."""
    told = [one for one in look.loaded if _link(one) and _link(one, "_max")]
    if not told:
        return unknown("How wide and fast the PCIe link is", "no reading under load tells it")
    most = max(_link(one, "_max") or (0.0, 0.0) for one in told)
    wanted = most
    model = look.model
    if model is not None and model.form not in {Form.SUPERCHIP, Form.SYSTEM}:
        wanted = max(most[0], float(model.pcie_generation or 0)), max(most[1], float(model.pcie_lanes or 0))
    reached = [(_link(one) or (0.0, 0.0)) for one in told]
    full = sum(generation >= wanted[0] and width >= wanted[1] for generation, width in reached)
    words = f"PCIe {wanted[0]:.0f} x{wanted[1]:.0f}"
    if 2 * full >= len(told):
        return passed(f"The link is {words} under load.")
    usual = sorted(reached)[len(reached) // 2]
    return failed(
        f"The link is PCIe {usual[0]:.0f} x{usual[1]:.0f} under load, and should be {words}. "
        "Look at slot, riser and cable, and at the firmware's settings."
    )


def _link(reading: Reading, suffix: str = "") -> tuple[float, float] | None:
    """Generation and width."""
    found = [reading.values.get(f"pcie_{name}{suffix}", 0.0) for name in ("generation", "width")]
    return (found[0], found[1]) if all(found) else None


def power_limit(look: Look) -> Seen:
    """Whether the power limit is the board's own."""
    first, last, reason = look.number("power_limit")
    default, _, other = look.number("power_limit_default")
    if first is None or last is None or default is None:
        return unknown("Whether the power limit was lowered", reason or other)
    lowest = min([first, last, *(one.values["power_limit"] for one in look.readings if "power_limit" in one.values)])
    if lowest < default - WATT:
        remedy = f"Set it back (nvidia-smi -pl {default:.0f}) or have the provider do it."
        return failed(f"The power limit is {lowest:.0f} W; the board's default is {default:.0f} W. {remedy}")
    watts = look.model.watts if look.model is not None else None
    if watts and default < LOW_BOARD * watts:
        return failed(f"The board's default power limit is {default:.0f} W; {watts:.0f} W belong to the model.")
    return passed(f"The power limit is the board's default, {default:.0f} W.")


def clocks(look: Look) -> Seen:
    """Whether somebody holds the clock down."""
    told = [one for one in look.loaded if {"sm_clock", "sm_clock_max", "throttle"} <= set(one.values)]
    if not told:
        return unknown("Whether clocks are locked", "no reading under load tells it")
    chosen = _part(told, (bool(conditions.bits(one) & SET) and _below(one) for one in told))
    slow = _part(told, ("CLOCK_LOCKED" in conditions.shown(one, one) for one in told))
    if chosen > BRIEF or slow > OFTEN:
        now = sorted(one.values["sm_clock"] for one in told)[len(told) // 2] / 1e6
        most = told[-1].values["sm_clock_max"] / 1e6
        remedy = "Take the setting back: nvidia-smi -rgc, and -rac for application clocks."
        return failed(
            f"The clock is held at {now:.0f} MHz of {most:.0f} MHz without heat or power as a reason. {remedy}"
        )
    return passed("No clock is locked.")


def _below(one: Reading) -> bool:
    """Whether a clock that somebody set is below the highest: set to that, it holds nothing down."""
    return one.values["sm_clock"] < HIGHEST * one.values["sm_clock_max"]


def _part(told: list[Reading], hits: Iterable[bool]) -> float:
    return sum(hits) / len(told)


def mig(look: Look) -> Seen:
    """Whether the card is cut into instances."""
    first, last, reason = look.number("mig_mode")
    if VGPU in look.number("virtualisation")[:2]:
        return failed("This is a virtual GPU: a part of a card that its host shares out.")
    if ON in (first, last):
        return failed("The GPU is in MIG mode, cut into instances. Switch it off: nvidia-smi -mig 0, then reset.")
    if first is None or last is None:
        capability = look.model.capability if look.model is not None else ""
        if NOT_SUPPORTED in reason and (look.plain or _version(capability) < FIRST_MIG):
            return absent("A card of this kind has no MIG.")
        return unknown("Whether the GPU is in MIG mode", reason)
    return passed("The GPU is not in MIG mode.")


def _version(capability: str) -> tuple[int, ...]:
    return tuple(int(word) for word in capability.split(".") if word.isdigit()) or FIRST_MIG


def ecc_mode(look: Look) -> Seen:
    """Whether memory errors are corrected: without that a card has more memory and speed than it was sold with."""
    first, last, reason = look.number("ecc_mode")
    off = 0.0 in (first, last)
    if off and look.consumer:
        return passed("Error correction is off, as this card is sold.")
    if off:
        return failed("Error correction is off. Switch it on: nvidia-smi -e 1, then reset.")
    if first is None or last is None:
        if look.plain and NOT_SUPPORTED in reason:
            return absent("A card of this kind has no error correction.")
        return unknown("Whether error correction is on", reason)
    return passed("Error correction is on.")


def foreign(look: Look) -> Seen:
    """Whether processes of others used the GPU."""
    told = [card.foreign if card is not None else None for card in look.cards]
    met = [one.foreign for one in look.readings if one.foreign]
    seen = met if len(met) > max(MOMENT, BRIEF * len(look.readings)) else []
    pids = sorted({pid for one in (*told, *seen) if one for pid in one})
    if pids:
        some = ", ".join(map(str, pids[:5])) + (" …" if len(pids) > 5 else "")
        return failed(f"Other processes used the GPU (process {some}). End them, or wait, and test again.")
    if None in told:
        reasons = [unseen(one) for one, pid in zip((look.before, look.after), told, strict=True) if pid is None]
        return unknown("Whether others use the GPU", reasons[0])
    return passed("No other process used the GPU.")


def driver(look: Look) -> Seen:
    """Whether one driver answers: library and kernel module of one version, before and after."""
    told = [one.facts.get("driver", {}) if one is not None else {} for one in (look.before, look.after)]
    versions = [one.get("driver", "") for one in told]
    modules = [one.get("kernel module", "") for one in told]
    if look.before is not None and "mismatch" in look.before.reason.lower():
        return failed("The driver's library and its kernel module are of different versions. Restart the machine.")
    if not all(versions):
        return unknown("Which driver this is", unseen(look.before if not versions[0] else look.after))
    if len(set(versions)) > 1:
        return failed(f"The driver was changed meanwhile: {versions[0]} before, {versions[1]} after.")
    if any(module and module != version for module, version in zip(modules, versions, strict=True)):
        return failed(f"The driver's library is {versions[0]}, its kernel module {modules[0]}. Restart the machine.")
    return passed(f"The driver is {versions[0]}.")


def persistence(look: Look) -> Seen:
    """Whether the driver stays loaded while nobody uses the GPU."""
    first, _, reason = look.number("persistence")
    if first is None:
        return unknown("Whether persistence mode is on", reason)
    if first != ON:
        return failed("Persistence mode is off: first calls are slow. nvidia-smi -pm 1 switches it on.")
    return passed("Persistence mode is on.")


def acs_iommu(look: Look) -> Seen:
    """Whether data between GPUs takes a detour."""
    before = look.before
    told = before.values if before is not None else {}
    found = []
    if told.get("bridges_redirecting"):
        part = f"{told['bridges_redirecting']:.0f} of {told['bridges']:.0f} PCIe bridges"
        found.append(f"{part} send it through the root (ACS)")
    if told.get("iommu"):
        found.append("an IOMMU translates it")
    if found:
        return failed(f"Traffic between GPUs may be slowed: {' and '.join(found)}. Look at the firmware's settings.")
    if not told.get("bridges"):
        return unknown("Whether traffic between GPUs is redirected", "no PCIe bridge could be read; only root may")
    return passed(f"None of {told['bridges']:.0f} PCIe bridges redirects traffic between GPUs.")
