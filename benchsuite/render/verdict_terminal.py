"""An acceptance on a terminal: the verdict first, then what to do, then each device that was not accepted."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from benchsuite.render.certificate_view import CertificateView, PartView
from benchsuite.render.scan import COLOURS
from benchsuite.render.words import clean

MOST = 12
"""Devices that are told in full, and lines of what to do; the page has them all."""


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
        _line(console, f"{finding.glyph} {finding.word}: {finding.sentence} {finding.evidence}.", COLOURS[finding.tone])
    for part in view.detailed[:MOST]:
        _part(part, console, named=not view.one)
    if not view.one and len(view.detailed) > MOST:
        _line(console, f"{len(view.detailed) - MOST} more devices: see the certificate.")
    for text in view.notes[:MOST]:
        _line(console, f"To know: {text}")
    _line(console, "Not seen:")
    for text in view.unseen:
        _line(console, f"  {text}")


def _todo(view: CertificateView, console: Console) -> None:
    for task in view.tasks[:MOST]:
        _line(console, f"{task.glyph} {task.who}: {task.what or task.why}", COLOURS[task.tone])
    if len(view.tasks) > MOST:
        _line(console, f"{len(view.tasks) - MOST} more to do: see the certificate.")


def _part(part: PartView, console: Console, *, named: bool) -> None:
    if named:
        _line(console, f"\n{part.name}", "bold")
    for row in part.requirements:
        runs = f", {row.counts}" if row.counts else ""
        told = f"{row.glyph} {row.name}: {row.word}, {row.mean} of {row.agreed}{runs}"
        _line(console, told, COLOURS[row.tone])
    for probe in part.probes:
        if probe.tone != "good":
            told = f"{probe.glyph} {probe.title}: {probe.value} {probe.word}, agreed {probe.region}"
            _line(console, told, COLOURS[probe.tone])
    for check in part.checks:
        if check.tone != "good":
            _line(console, f"{check.glyph} {check.title}: {check.word}. {check.sentence}", COLOURS[check.tone])
    passed = [probe.tone for probe in part.probes].count("good") + [check.tone for check in part.checks].count("good")
    if passed:
        _line(console, f"✓ {passed} of {len(part.probes) + len(part.checks)} probes and checks passed.")
    if part.burn is not None:
        told = " ".join(part.burn.sentences)
        _line(console, f"{part.burn.glyph} Burn-in: {part.burn.word}. {told}", COLOURS[part.burn.tone])


def _line(console: Console, text: str, style: str = "") -> None:
    """One line as it is; the one before a device's name is left empty."""
    lead, told = ("\n", text[1:]) if text.startswith("\n") else ("", text)
    console.print(Text(f"{lead}{clean(told)}", style=style), soft_wrap=True)
