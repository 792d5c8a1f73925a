"""A certificate as Markdown, for an issue, a wiki or the page of a CI job: what a person must know in a minute."""

from __future__ import annotations

from collections.abc import Iterable

from benchsuite.render.certificate_view import CertificateView, PartView
from benchsuite.render.markdown import escaped, table

MOST = 40
"""Rows of a table; the page has them all."""


def text(view: CertificateView) -> str:
    """The whole summary."""
    blocks = [
        f"## {view.glyph} {escaped(view.headline)}",
        escaped(view.reason),
        *_told(view),
        _tasks(view),
        _devices(view),
    ]
    blocks += [_requirements(part, named=not view.one) for part in view.detailed]
    blocks += [
        _listed("Between nodes", (f"{one.glyph} {one.word}: {one.sentence} {one.remedy}" for one in view.findings)),
        _listed("What this verdict is worth", view.rates),
        _listed("To know", view.notes[:MOST]),
        _listed("What was not seen", view.unseen),
        table(("", ""), [(escaped(name), escaped(said)) for name, said, _ in view.provenance]),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _told(view: CertificateView) -> Iterable[str]:
    band = ["**Simulated data: times come from a script, not from machines.**"] if view.about.simulated else []
    return [*band, *map(escaped, (*view.about.problems, *view.sentences))]


def _tasks(view: CertificateView) -> str:
    rows = [(task.glyph, escaped(task.who), escaped(task.what or task.why)) for task in view.tasks]
    if not rows:
        return ""
    more = f"\n\n{len(rows) - MOST} more: see the certificate." if len(rows) > MOST else ""
    return f"### What to do\n\n{table(('', 'device', 'do'), rows[:MOST])}{more}"


def _devices(view: CertificateView) -> str:
    if view.one:
        return ""
    counts = ", ".join(f"{count} {glyph} {word}" for count, glyph, word in view.counts)
    missing = f" Claimed and not judged: {escaped(', '.join(view.missing))}." if view.missing else ""
    return f"Devices: {counts}.{missing}"


def _requirements(part: PartView, *, named: bool) -> str:
    """Requirements, and what of probes, checks and burn-in did not pass; of a fleet with the device's name above."""
    rows = [
        (escaped(row.name), escaped(row.agreed), row.mean, row.counts, f"{row.glyph} {row.word}")
        for row in part.requirements
    ]
    grid = table(("requirement", "agreed", "deviation", "runs", "verdict"), rows, frozenset({1, 2}))
    against = [f"{row.glyph} {row.title}: {row.value}, {row.word}" for row in part.probes if row.tone != "good"]
    against += [f"{row.glyph} {row.title}: {row.sentence}" for row in part.checks if row.tone in {"bad", "caution"}]
    if part.burn is not None and part.burn.tone != "good":
        against.append(f"{part.burn.glyph} Burn-in: {part.burn.word}. {' '.join(part.burn.sentences)}")
    head = f"### {escaped(part.name)}: {part.glyph} {part.word}\n\n" if named else ""
    lines = "\n".join(f"- {escaped(line)}" for line in against)
    return f"{head}{grid}{f'{chr(10) * 2}{lines}' if lines else ''}"


def _listed(title: str, lines: Iterable[str]) -> str:
    told = [f"- {escaped(line.strip())}" for line in lines]
    return "\n".join([f"### {title}", "", *told]) if told else ""
