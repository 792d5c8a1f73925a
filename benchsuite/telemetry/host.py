"""How busy the host was with others while we measured (Linux; elsewhere nothing is claimed)."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchsuite.model import Caveat

STAT = Path("/proc/stat")
SHORTEST_WINDOW = 0.12
FOREIGN_CORES = 0.12
STEAL = 0.01


@dataclass(frozen=True, slots=True)
class Reading:
    """CPU seconds of the whole host since boot, our own, and the moment. ``None`` fields: not known here."""

    wall: float
    busy: float | None
    steal: float | None
    own: float


def read(stat: Path = STAT, wall: Callable[[], float] = time.monotonic) -> Reading:
    """The counters now; ``own`` covers this process with all its threads."""
    times = os.times()
    own = times.user + times.system
    try:
        fields = [int(word) for word in stat.read_text().split("\n", 1)[0].split()[1:9]]
    except (OSError, ValueError):
        return Reading(wall(), None, None, own)
    tick = os.sysconf("SC_CLK_TCK")
    # user nice system | idle iowait | irq softirq steal (proc(5)); guest time is within user.
    return Reading(wall(), (sum(fields[:3]) + sum(fields[5:8])) / tick, fields[7] / tick, own)


def neighbours(before: Reading, after: Reading, own: float) -> tuple[Caveat, ...]:
    """Caveats about foreign load between two readings; ``own`` is the CPU time of all our ranks on this host.

    A window shorter than a dozen kernel ticks says nothing and gets no caveat.
    """
    window = after.wall - before.wall
    if before.busy is None or after.busy is None or before.steal is None or after.steal is None:
        return (Caveat("TELEMETRY_MISSING", "This system does not tell how busy other processes were."),)
    if window < SHORTEST_WINDOW:
        return ()
    foreign = (after.busy - before.busy - own) / window
    stolen = (after.steal - before.steal) / window
    found = []
    if foreign > FOREIGN_CORES:
        found.append(Caveat("CONTENDED", f"Other processes used {foreign:.1f} cores while this was measured."))
    if stolen > STEAL:
        found.append(Caveat("HOST_STEAL", f"The hypervisor took {stolen:.0%} of a core away while this was measured."))
    return tuple(found)
