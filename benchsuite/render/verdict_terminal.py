"""An acceptance on a terminal: the verdict first, then what to do, then each device that was not accepted."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from rich.console import Console
from rich.text import Text

from benchsuite import units
from benchsuite.render.certificate_view import BETWEEN, CertificateView, PartView
from benchsuite.render.scan import COLOURS
from benchsuite.render.words import clean

MOST = 12
"""Devices that are told in full, and lines of what to do; the page has them all."""
Told = tuple[str, str]
"""A line and its style."""
UNKNOWN, BLIND = "caution", 6
"""The tone of a probe or check that could not be made, and how many such are told one by one."""


def show(view: CertificateView, console: Console) -> None:
    """Print the verdict and what it rests on."""
    _line(console, f"{view.glyph} {view.headline}", f"bold {COLOURS[view.tone]}")
    if view.about.simulated:
        _line(console, "Simulated data: times come from a script, not from machines.")
    for text in (view.reason, *view.about.problems, *view.sentences):
        _line(console, text)
    if not view.one:
        counts = ", ".join(f"{count} {word}" for count, _, word in view.counts)
        _line(console, f"Devices: {counts}.")
    if not view.one:
        _todo(view, console)
    for finding in view.findings[:MOST]:
        told = f"{finding.glyph} {finding.word}: {finding.sentence} {finding.evidence}. {finding.remedy}"
        _line(console, told.rstrip(), COLOURS[finding.tone])
    _parts(view, console)
    for text in view.notes[:MOST]:
        _line(console, f"To know: {text}")
    _line(console, "Not seen:")
    for text in view.unseen:
        _line(console, f"  {text}")


def _todo(view: CertificateView, console: Console) -> None:
    tasks = [task for task in view.tasks if task.who != BETWEEN]  # the findings tell those with their remedies
    groups = [[*same] for _, same in groupby(tasks, lambda one: (one.tone, one.what or one.why))]
    for same in groups[:MOST]:
        task, who = same[0], _named([one.who for one in same])
        _line(console, f"{task.glyph} {who}: {task.what or task.why}", COLOURS[task.tone])
    if left := sum(len(one) for one in groups[MOST:]):
        _line(console, f"{left} more to do: see the certificate.")


def _parts(view: CertificateView, console: Console) -> None:
    """Devices in full; neighbours of whom the same is to be told, together."""
    told = [(_part(part), part.name) for part in view.detailed]
    groups = [(lines, [name for _, name in same]) for lines, same in groupby(told, lambda one: one[0])]
    for lines, names in groups[:MOST]:
        if not view.one:
            _line(console, f"\n{_named(names)}", "bold")
        for text, style in lines:
            _line(console, text, style)
    if left := sum(len(names) for _, names in groups[MOST:]):
        _line(console, f"{left} more devices: see the certificate.")


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST} more" if len(names) > MOST else ""
    return "; ".join(names[:MOST]) + more


def _part(part: PartView) -> list[Told]:
    lines: list[Told] = []
    for row in part.requirements:
        runs = f", {row.counts}" if row.counts else ""
        mean = f"{row.mean} of {row.agreed}" if row.mean != units.DASH else f"{row.agreed} agreed"
        lines.append((f"{row.glyph} {row.name}: {row.word}, {mean}{runs}", COLOURS[row.tone]))
    told = [(one.tone, f"{one.glyph} {one.title}: {one.value} {one.word}, agreed {one.region}") for one in part.probes]
    told += [(one.tone, f"{one.glyph} {one.title}: {one.word}. {one.sentence}") for one in part.checks]
    blind = [text for tone, text in told if tone == UNKNOWN]
    for tone, text in told:
        if tone != "good" and (tone != UNKNOWN or len(blind) <= BLIND):
            lines.append((text, COLOURS[tone]))
    if len(blind) > BLIND:
        lines.append((f"? {len(blind)} probes and checks could not be made: see the certificate.", COLOURS[UNKNOWN]))
    if passed := [tone for tone, _ in told].count("good"):
        lines.append((f"✓ {passed} of {len(told)} probes and checks passed.", ""))
    if part.burn is not None:
        text = " ".join(part.burn.sentences)
        lines.append((f"{part.burn.glyph} Burn-in: {part.burn.word}. {text}", COLOURS[part.burn.tone]))
    return lines


def _line(console: Console, text: str, style: str = "") -> None:
    """One line as it is; the one before a device's name is left empty."""
    lead, told = ("\n", text[1:]) if text.startswith("\n") else ("", text)
    console.print(Text(f"{lead}{clean(told)}", style=style), soft_wrap=True)
