"""Which conditions a reading, or two of them, show: the rules behind every annotation. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from benchsuite.telemetry.reading import Reading

FOREIGN_CORES = 0.12
"""Of other processes, beyond which they are neighbours and no noise of the counters."""
STEAL = 0.01
"""Of one core."""
THERMAL, SLOWDOWN, POWER_CAP, LOCKED, IDLE = 0x20 | 0x40, 0x08 | 0x80, 0x04, 0x02, 0x01
"""nvmlClocksEventReasons: software and hardware thermal; hardware slowdown and power brake; software power cap;
application clocks; idle."""
HELD = 0.9
"""A clock below this part of the maximum that no sensor explains is locked."""
WATT = 1.0

TEXTS = {
    "CONTENDED": "Other processes used the processor or the GPU while this was measured",
    "HOST_STEAL": "The hypervisor took processor time away while this was measured",
    "CGROUP_THROTTLED": "A CPU quota stopped our processes while this was measured",
    "THERMAL": "The GPU lowered its clock because of heat while this was measured",
    "HW_SLOWDOWN": "The GPU's hardware lowered its clock while this was measured: heat, or trouble with its power",
    "POWER_CAP": "The power limit held the GPU's clock down while this was measured",
    "POWER_LIMIT_LOWERED": "The GPU's power limit was set below its default",
    "CLOCK_LOCKED": "The GPU's clock was locked below its maximum",
    "LINK_NARROW": "The GPU's PCIe link was narrower or slower than it can be while the GPU was at work",
}
"""The beginning of the sentence that tells each condition."""


def shown(first: Reading, last: Reading) -> set[str]:
    """The conditions that hold between two neighbouring readings by what the sensors said at either end."""
    found = {code for code, holds in _RULES.items() if holds(first) or holds(last)}
    # A link widens a moment after work begins: narrow is only what was so at both ends.
    return found | ({"LINK_NARROW"} if _narrow(first) and _narrow(last) else set())


def counted(first: Reading, last: Reading) -> set[str]:
    """The conditions that hold between two readings by what was counted from one to the other."""
    return {code for code, holds in _COUNTS.items() if holds(first, last)}


def foreign_cores(first: Reading, last: Reading) -> float | None:
    """How many of our cores other processes used between two readings; ``None`` where it is not told."""
    busy, own = difference("busy", first, last), difference("own", first, last)
    return None if busy is None or own is None else max(0.0, busy - own) / (last.at - first.at)


def stolen(first: Reading, last: Reading) -> float | None:
    """The part of a core that the hypervisor took between two readings; ``None`` where it is not told."""
    steal = difference("steal", first, last)
    return None if steal is None else steal / (last.at - first.at)


def difference(name: str, first: Reading, last: Reading) -> float | None:
    """How far a counter went; ``None`` where it was not told."""
    if name not in first.values or name not in last.values:
        return None
    return last.values[name] - first.values[name]


def bits(reading: Reading) -> int:
    """The reasons why the GPU's clock is not higher, as NVML's mask."""
    return int(reading.values.get("throttle", 0.0))


def loaded(reading: Reading) -> bool:
    """Whether the GPU was at work: an idle one saves power with a slow clock and a narrow link, as it should."""
    if "throttle" in reading.values:
        return not bits(reading) & IDLE
    return reading.values.get("gpu_utilisation", 0.0) > 0.5


def _narrow(reading: Reading) -> bool:
    told = reading.values
    pairs = [(told.get(name, 0.0), told.get(f"{name}_max", 0.0)) for name in ("pcie_width", "pcie_generation")]
    return loaded(reading) and any(0.0 < now < most for now, most in pairs)


def _locked(reading: Reading) -> bool:
    """Application clocks are told by a reason; clocks locked otherwise are only seen, slow without any reason."""
    told = reading.values
    if not {"sm_clock", "sm_clock_max", "throttle"} <= set(told):
        return False
    return told["sm_clock"] < HELD * told["sm_clock_max"] and bits(reading) in {0, LOCKED}


def _lowered(reading: Reading) -> bool:
    told = reading.values
    if "power_limit" not in told or "power_limit_default" not in told:
        return False
    return told["power_limit"] < told["power_limit_default"] - WATT


_RULES: Mapping[str, Callable[[Reading], bool]] = {
    "THERMAL": lambda reading: bool(bits(reading) & THERMAL),
    "HW_SLOWDOWN": lambda reading: bool(bits(reading) & SLOWDOWN),
    "POWER_CAP": lambda reading: bool(bits(reading) & POWER_CAP),
    "POWER_LIMIT_LOWERED": _lowered,
    "CLOCK_LOCKED": _locked,
    "CONTENDED": lambda reading: bool(reading.foreign),
}
_COUNTS: Mapping[str, Callable[[Reading, Reading], bool]] = {
    "CONTENDED": lambda first, last: (foreign_cores(first, last) or 0.0) > FOREIGN_CORES,
    "HOST_STEAL": lambda first, last: (stolen(first, last) or 0.0) > STEAL,
    "CGROUP_THROTTLED": lambda first, last: (difference("throttled", first, last) or 0.0) > 0.0,
}
