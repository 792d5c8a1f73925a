"""Is this number normal? The verdict on one score, its plain sentence, and everything that stands beside it.

*Normal*, *slow* and *above usual* are said of a number among many machines of its model, measured alike
(``bands.enough``); below that the values are told, and where the number lies among them. A card that its settings hold
back is called slow at those settings, never slow by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from benchsuite import units
from benchsuite.bands import Band, Position, band
from benchsuite.model import Score, Status
from benchsuite.references import Hardware, Kind, Reference, hardware, quantity, reference
from benchsuite.reportable import compromised
from benchsuite.verdicts import Code, Judged, sentence

__all__ = ["Code", "Hardware", "Reference", "Standing", "hardware", "reference", "standing"]

CLOCK = "at a clock"
"""How a condition begins that tells the clock."""
HELD = 0.97
"""A clock below this part of the boost clock is told beside the number."""
VERDICTS = {
    Position.BELOW: Code.SLOW,
    Position.EDGE: Code.UNCLEAR,
    Position.INSIDE: Code.NORMAL,
    Position.ABOVE: Code.FAST,
}


@dataclass(frozen=True, slots=True)
class Standing:
    """How a score stands among its like.

    measured: among other machines; published: among figures of others, ``None`` where there are none. conditions:
    under which it was measured, if unusual, each a phrase; differs: what of the reference was measured otherwise, each
    a phrase. of_datasheet, of_clock: shares of the datasheet's peak, and of the peak at the clock that was held.
    """

    code: Code
    sentence: str
    hardware: str
    quantity: str = ""
    measured: Band | None = None
    published: Band | None = None
    conditions: tuple[str, ...] = ()
    differs: tuple[str, ...] = ()
    of_datasheet: float | None = None
    of_clock: float | None = None

    @property
    def band(self) -> Band | None:
        """What the sentence refers to: other machines, where there are any, else published figures."""
        return self.measured or self.published

    @property
    def middle(self) -> float | None:
        """The middle of the reference, in the metric's unit."""
        return self.band.middle if self.band else None


def standing(score: Score, judged: Hardware, known: Reference) -> Standing:
    """How this score of that hardware stands among what is known of its model."""
    measured, published = band(score, known.alike(score)), band(score, known.figures(score))
    found = conditions(score, judged)
    code = _code(score, measured)
    return Standing(
        code=code,
        sentence=sentence(code, Judged(score, judged.name, found, measured, published)),
        hardware=judged.name,
        quantity=quantity(score),
        measured=measured,
        published=published,
        conditions=found,
        differs=differs(score, measured or published),
        of_datasheet=score.of_datasheet,
        of_clock=score.of_clock,
    )


def _code(score: Score, measured: Band | None) -> Code:
    if score.status is not Status.OK or score.value is None or compromised(score):
        return Code.INVALID
    if measured is None or not measured.population:
        return Code.NO_REF
    interval = score.low is not None and score.high is not None
    return VERDICTS[measured.position] if interval else Code.UNCLEAR


def conditions(score: Score, judged: Hardware) -> tuple[str, ...]:
    """What held the hardware back, or was set otherwise than usual, as phrases that follow "at" or "with"."""
    told, codes = score.conditions, {caveat.code for caveat in score.caveats}
    limit, usual = told.get("power_limit"), told.get("power_limit_default") or judged.watts
    clock = told.get("sm_clock")
    found = []
    if limit and usual and limit < usual - 1.0:
        found.append(f"at a power limit of {_watts(limit)} instead of {_watts(usual)}")
    if clock and judged.clock and clock < HELD * judged.clock:
        held = "locked to" if "CLOCK_LOCKED" in codes else "of"
        found.append(f"{CLOCK} {held} {_mhz(clock)} (boost {_mhz(judged.clock)})")
    if limit and usual and limit < usual - 1.0:
        codes -= {"POWER_CAP"}  # said better already
    return (*found, *(text for code, text in TOLD.items() if code in codes))


TOLD: Mapping[str, str] = {
    "POWER_CAP": "with its power limit holding the clock down",
    "THERMAL": "with heat holding the clock down",
    "HW_SLOWDOWN": "with its hardware holding the clock down",
    "LINK_NARROW": "over a PCIe link narrower or slower than it can be",
    "MIG_SLICE": "as a slice of a card",
    "STRAGGLER": "with one rank slower than the others",
}
"""Conditions of the machine as it is, by the code of the caveat: they do not unmake the number."""


def _watts(value: float) -> str:
    return f"{value:.0f}{units.NO_BREAK_SPACE}W"


def _mhz(hertz: float) -> str:
    return f"{hertz * 1e-6:.0f}{units.NO_BREAK_SPACE}MHz"


def differs(score: Score, among: Band | None) -> tuple[str, ...]:
    """What of the reference was measured otherwise: by which tools, on which shapes, with which software."""
    if among is None:
        return ()
    if among.kind is Kind.MEASURED:
        others = _listed(value.software for value in among.values if value.software != score.provider)
        return (f"software: {others}; here {score.provider}",) if others else ()
    here = " ".join(f"{name}={value}" for name, value in score.case.params)
    told = {
        "tool": (_listed(value.tool for value in among.values), f"benchsuite {score.implementation}"),
        "shape": (_listed(value.shape for value in among.values), here),
        "software": (_listed(value.software for value in among.values), score.provider),
    }
    return tuple(f"{name}: {there}; here {own}" for name, (there, own) in told.items() if there)


def _listed(texts: Iterable[str], most: int = 3) -> str:
    """Each once, the first few of them."""
    found = list(dict.fromkeys(text for text in texts if text))
    return "; ".join(found[:most]) + (f"; and {len(found) - most} more" if len(found) > most else "")
