"""Dates as sources give them: a day, a month, a year, or a span of months in which something was so."""

from __future__ import annotations

import re
from datetime import date

DATE = re.compile(r"(20\d\d)(?:-(0[1-9]|1[0-2])(?:-(0[1-9]|[12]\d|3[01]))?)?")


def wrong(text: str) -> str:
    """What is wrong with a date, as the end of a sentence; empty when it is one.

    >>> wrong("2026-08-22"), wrong("2024-11..2025-06")
    ('', '')
    >>> wrong("Aug 2026")
    "'Aug 2026' is no date: write 2026, 2026-08, 2026-08-22 or 2025-11..2026-08."
    """
    parts = text.split("..")
    if len(parts) > 2 or not all(map(_date, parts)):
        return f"{text!r} is no date: write 2026, 2026-08, 2026-08-22 or 2025-11..2026-08."
    if len(parts) == 2 and parts[0] > parts[1]:
        return f"{text!r} ends before it begins."
    return ""


def _date(text: str) -> bool:
    found = DATE.fullmatch(text)
    if found is None or found[3] is None:
        return found is not None
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
