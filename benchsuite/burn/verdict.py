"""What is said of a burn-in without a contract: clean, faulty, or not known. Pure functions.

Clean is only what ran its whole time with every load and had results to compare, none of them wrong.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from benchsuite.errors import Exit
from benchsuite.model.acceptance import Burned


class Come(StrEnum):
    """How a device came through."""

    CLEAN = "clean"
    FAULTY = "faulty"
    UNKNOWN = "not known"


def come(one: Burned) -> Come:
    """The word for one device."""
    if one.wrong or one.failures or one.faults:
        return Come.FAULTY
    return Come.UNKNOWN if one.reason or not one.checks > 0 or not one.seconds > 0.0 else Come.CLEAN


def reasons(one: Burned) -> tuple[str, ...]:
    """Why it is not clean, the gravest first; nothing when it is."""
    told = [
        f"{one.wrong} wrong elements in {one.checks} results" if one.wrong else "",
        f"it died, hung or was lost {'once' if one.failures == 1 else f'{one.failures} times'}" if one.failures else "",
        *(text.rstrip(".") for text in one.faults),
        one.reason.rstrip("."),
        "no result was compared" if not one.checks > 0 and not one.reason else "",
    ]
    return tuple(filter(None, told))


def exit_code(devices: Iterable[Burned]) -> Exit:
    """1 when a device is faulty, 4 when of one nothing is known, or there is none, else 0."""
    found = {come(one) for one in devices}
    if Come.FAULTY in found:
        return Exit.REJECTED
    return Exit.DONE if found == {Come.CLEAN} else Exit.FAILED
