"""The buffer sets a case rotates through, so that a cold case never finds its data in the cache."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from benchsuite.backends.base import HOME, Backend
from benchsuite.errors import MeasureError
from benchsuite.model import DEVICE, Arrays, ArraySpec, Buffers, CacheMode

MEMORY_SHARE = 0.4


@dataclass(frozen=True, slots=True)
class BufferSet:
    """Inputs and outputs of one iteration, where the backend computes."""

    inputs: Buffers
    outputs: Buffers

    @property
    def all(self) -> Buffers:
        """Inputs and outputs by name."""
        return {**self.inputs, **self.outputs}


def rotation(working_set: int, cache: int, mode: CacheMode) -> int:
    """How many buffer sets keep the reuse distance above three caches: ceil(3 cache / working set) + 1."""
    if mode is CacheMode.HOT or working_set <= 0:
        return 1
    return math.ceil(3 * cache / working_set) + 1


def allocate(
    backend: Backend,
    inputs: Arrays,
    specs: Mapping[str, ArraySpec],
    mode: CacheMode,
    places: Mapping[str, str] = HOME,
) -> list[BufferSet]:
    """The buffer sets of one case, where ``places`` says.

    Raises ``MeasureError`` when not even one set fits the memory. When the full rotation does not
    fit, it is refused too: a case that says cold is never measured warm.
    """
    sizes = {name: int(array.nbytes) for name, array in inputs.items()}
    sizes |= {name: spec.nbytes for name, spec in specs.items()}
    size = sum(nbytes for name, nbytes in sizes.items() if places.get(name, DEVICE) == DEVICE)
    sets = rotation(size or sum(sizes.values()), backend.cache_bytes(), mode)
    if sets * size > MEMORY_SHARE * backend.memory_bytes():
        raise MeasureError(
            f"{sets} buffer sets of {size / 2**20:.0f} MiB do not fit in {MEMORY_SHARE:.0%} of the free memory.",
            "Choose a smaller case or a machine with more memory.",
        )
    return [BufferSet(backend.upload(inputs, places), backend.allocate(specs, places)) for _ in range(sets)]
