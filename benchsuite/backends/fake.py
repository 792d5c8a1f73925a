"""A backend whose clock is scripted: real arithmetic, invented time.

It ships, and ``--backend fake`` selects it, so the whole road from suite to report is tested to the
byte without timing anything. A record made with it says ``backend: fake`` and a report of it says
"simulated data".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from benchsuite.backends.base import HOME, Elapsed
from benchsuite.backends.host.backend import HostBackend
from benchsuite.model import Buffers, Case, Device, Implementation, Step, World


@dataclass
class Script:
    """Scripted seconds per iteration: the entry whose key is contained in the task's key, else ``default``.

    A list is cycled through, so samples can be made to vary.
    """

    default: tuple[float, ...] = (1e-3, 1.01e-3, 0.99e-3)
    seconds: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def of(self, key: str) -> tuple[float, ...]:
        """The cycle of seconds for the task called ``key``."""
        return next((cycle for part, cycle in self.seconds.items() if part in key), self.default)


class FakeBackend(HostBackend):
    """The host backend on a scripted clock."""

    name = "fake"

    def __init__(self, script: Script | None = None) -> None:
        super().__init__(threads=1)
        self._script = script or Script()
        self._now = 0.0

    def _described(self) -> Device:
        """A processor of no model, so that no table of measured cuts holds here."""
        return Device("scripted", "host", 1, 0, 1 << 16, 1 << 32)

    def capabilities(self) -> frozenset[str]:
        """NumPy only, so that a plan is the same on every machine."""
        return frozenset({"host", "ranks"})

    def providers(self) -> dict[str, str]:
        """Scripted versions, so that records are the same on every machine."""
        return {"benchsuite": "scripted", "numpy": "scripted"}

    def cache_bytes(self) -> int:
        """A small cache, so that rotation is exercised on small cases."""
        return 1 << 16

    def memory_bytes(self) -> int:
        """As much as a small machine has."""
        return 1 << 32

    def bind(
        self,
        implementation: Implementation,
        buffers: Buffers,
        case: Case,
        world: World,
        places: Mapping[str, str] = HOME,
    ) -> Step:
        """A step that computes for real and advances the clock by the script."""
        compute = super().bind(implementation, buffers, case, world)
        cycle = self._script.of(f"{case.key} [{implementation.name}]")
        calls = 0

        def step() -> None:
            nonlocal calls
            compute()
            self._now += cycle[calls % len(cycle)]
            calls += 1

        return step

    def timer(self) -> Callable[[], float]:
        """The scripted clock."""
        return lambda: self._now

    def elapsed(self, steps: Sequence[Step]) -> Elapsed:
        """What the script says the steps took."""
        start = self._now
        for step in steps:
            step()
        return Elapsed(self._now - start)
