"""What a check looks at, and the words in which it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from benchsuite import catalog
from benchsuite.accept.inspecting import Card, Inspection
from benchsuite.catalog.hardware import Accelerator, Form
from benchsuite.model import Contract, Record, State, Subject
from benchsuite.telemetry import conditions
from benchsuite.telemetry.reading import Reading

Seen = tuple[State, str]
"""What became of a check, and the sentence that says so."""
NOT_SUPPORTED = "Not Supported"
"""NVML's words for what a card does not have (nvmlErrorString)."""


@dataclass(frozen=True)
class Look:
    """Everything that is known of a subject. before, after: of its whole node, ``None`` where there was no look."""

    contract: Contract
    subject: Subject
    before: Inspection | None
    after: Inspection | None
    readings: Sequence[Reading] = ()
    records: Sequence[Record] = ()

    @cached_property
    def model(self) -> Accelerator | None:
        """The datasheet of what is claimed; ``None`` where the catalogue has none."""
        return catalog.load().accelerators.get(self.contract.claim.model)

    @property
    def cards(self) -> tuple[Card | None, Card | None]:
        """This GPU before and after."""
        looks = (self.before, self.after)
        first, last = (look.card(self.subject.device) if look is not None else None for look in looks)
        return first, last

    @cached_property
    def loaded(self) -> list[Reading]:
        """The readings while the GPU was at work."""
        return [one for one in self.readings if conditions.loaded(one)]

    @property
    def plain(self) -> bool:
        """Whether the claimed card may lack what data-centre cards with stacked memory all have."""
        return self.model is not None and not self.model.memory_kind.upper().startswith("HBM")

    @property
    def consumer(self) -> bool:
        """Whether the claimed card is sold without error correction switched on."""
        return self.model is not None and self.model.form in {Form.CONSUMER, Form.WORKSTATION}

    def number(self, name: str) -> tuple[float | None, float | None, str]:
        """A number of this GPU before and after, and why one of them is not known."""
        return _number(self.cards, (self.before, self.after), name)

    def of_host(self, name: str) -> tuple[float | None, float | None, str]:
        """A number of the host before and after, and why one of them is not known."""
        return _number((self.before, self.after), (self.before, self.after), name)


def _number(
    told: tuple[Card | Inspection | None, Card | Inspection | None],
    looks: tuple[Inspection | None, Inspection | None],
    name: str,
) -> tuple[float | None, float | None, str]:
    first, last = (one.values.get(name) if one is not None else None for one in told)
    reasons = []
    for one, look, value in zip(told, looks, (first, last), strict=True):
        if value is None:
            reason = one.missing.get(name) or one.missing.get("gpu") if one is not None else ""
            reasons.append(reason or unseen(look))
    return first, last, next(iter(reasons), "")


def unseen(look: Inspection | None) -> str:
    """Why nothing is known of a card at one of the two looks."""
    if look is None:
        return "nobody looked"
    return look.reason.rstrip(".") or "the driver does not tell"


def passed(sentence: str) -> Seen:
    """It is as it should be."""
    return State.PASSED, sentence


def failed(sentence: str) -> Seen:
    """It is not."""
    return State.FAILED, sentence


def absent(sentence: str) -> Seen:
    """There is no such thing here."""
    return State.ABSENT, sentence


def unknown(what: str, reason: str) -> Seen:
    """It cannot be said. ``what``: a clause that begins with whether, which, how many …"""
    return State.UNKNOWN, f"It is not known {clause(what)}: {reason.rstrip('.') or 'the driver does not tell'}."


def clause(what: str) -> str:
    """As it stands within a sentence."""
    return what[:1].lower() + what[1:]
