"""What a step of training sends: the messages of one parallelism of one model."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Parallelism(StrEnum):
    """How a model's training is spread over ranks."""

    DATA = "dp"
    SHARDED = "fsdp"
    TENSOR = "tp"
    PIPELINE = "pp"
    EXPERT = "ep"


@dataclass(frozen=True, slots=True)
class Message:
    """One kind of message that a rank takes part in, and how often in a step.

    benchmark: the collective that measures it; bytes: its ``bytes`` (of the whole buffer that is gathered, scattered
    or exchanged). what, formula, source: in words, in numbers, and who says that it is sent. ranks: the fewest with
    which there is such a message.
    """

    benchmark: str
    bytes: int
    count: int
    what: str
    formula: str
    source: str
    ranks: int = 2

    @property
    def total(self) -> int:
        """Bytes of all of them in a step."""
        return self.bytes * self.count


@dataclass(frozen=True, slots=True)
class Pattern:
    """One parallelism of one model, as a suite asks for it.

    tokens: what a rank (of tensor and pipeline parallelism: the whole group) works through in a step. dtype: the
    element type trained with, of which the bytes are computed; sent: that of the messages measured in its place.
    """

    kind: Parallelism
    model: str
    tokens: int
    dtype: str
    sent: str
    messages: tuple[Message, ...]
