"""What of an iteration is not the operation: the call itself, and putting back what an operation in place overwrites.

Nothing is subtracted. Both are measured by themselves after the samples, on the same machine in the same process, and
told beside the result, so that a small message's time can be read for what it is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import median

import numpy as np

from benchsuite.backends.base import Backend
from benchsuite.measure.clock import Clock
from benchsuite.model import Benchmark, Buffers, Case, Caveat, CollectiveCall, Implementation, Samples, Step, World

CALL = "Of the {1:.3g} µs of an iteration {0:.3g} µs are the call itself: that is what it takes in a world of one rank."
RESTORED = (
    "The operation overwrites the message, so each iteration first puts it back: "
    "of its {1:.3g} µs that takes {0:.3g} µs, measured by itself."
)

REPEATS = 7
MOST_CALLS = 1 << 16
SHORT = 1e-3
"""Seconds of an iteration from which on a call cannot matter: it is some microseconds."""
TELLING = 0.05
"""The part of an iteration from which on the call is told."""


@dataclass(frozen=True, slots=True)
class Beside:
    """One implementation of a collective, where it was measured. Every method is called on every rank."""

    backend: Backend
    world: World
    clock: Clock
    benchmark: Benchmark
    implementation: Implementation
    case: Case

    def told(self, buffers: Buffers, samples: Samples) -> Samples:
        """The samples with what was found; ``buffers`` hold no result that is still needed."""
        op, each = self.implementation.op, median(samples.seconds)
        if not isinstance(op, CollectiveCall) or self.world.size == 1:
            return samples
        found: dict[str, float] = {}
        caveats = []
        if (restoring := op.restoring(self.case)) is not None:
            part = replace(self.implementation, op=replace(op, function=restoring))
            found["restore"] = self._seconds(self.backend.bind(part, buffers, self.case, self.world))
            caveats.append(Caveat("RESTORED", RESTORED.format(found["restore"] * 1e6, each * 1e6)))
        if each < SHORT and not op.over:  # a library that the backend joins is not joined once more for one rank
            found["call"] = self._seconds(self._alone())
            if found["call"] >= TELLING * each:
                caveats.append(Caveat("CALL", CALL.format(found["call"] * 1e6, each * 1e6)))
        return replace(samples, beside=found, caveats=(*samples.caveats, *caveats))

    def _alone(self) -> Step:
        """The same call with the smallest message in a world of this rank: all of the road, and nobody at its end."""
        alone = self.world.subset([self.world.rank])
        assert alone is not None  # noqa: S101  (a rank is a member of the group of itself)
        smallest = {axis.name: axis.values[0] for axis in self.benchmark.axes if axis.name == "bytes"}
        case = Case.of(self.case.benchmark, 1, **{**dict(self.case.params), **smallest})
        inputs = self.backend.upload(self.benchmark.inputs(case, np.random.default_rng(0)))
        buffers = {**inputs, **self.backend.allocate(self.benchmark.outputs(case))}
        return self.backend.bind(self.implementation, buffers, case, alone)

    def _seconds(self, step: Step) -> float:
        """Seconds of a call that waits for no other rank: the median of some batches, the slowest rank's."""
        self.world.barrier()
        step()
        calls = 1
        while self._batch(step, calls) < self.clock.shortest_batch and calls < MOST_CALLS:
            calls *= 2
        own = median(self._batch(step, calls) / calls for _ in range(REPEATS))
        return float(max(self.world.share(own)))

    def _batch(self, step: Step, calls: int) -> float:
        return self.backend.elapsed([step] * calls).seconds
