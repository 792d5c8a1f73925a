"""The catalogue's published figures of the models at hand, as exhibits that stand beside measured ones."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

from benchsuite.catalog import publishing, shipped
from benchsuite.model import Exhibit, Origin
from benchsuite.references import publisher


def beside(exhibits: Sequence[Exhibit]) -> list[Exhibit]:
    """Published figures of the hardware that these exhibits measured; none where they bring published ones along."""
    if any(exhibit.publication.origin is Origin.PUBLISHED for exhibit in exhibits):
        return []
    models = {exhibit.publication.machine.hardware for exhibit in exhibits} - {""}
    found = [one for one in publishing.publications(shipped.shipped()) if one.machine.hardware in models]
    taken = {exhibit.label for exhibit in exhibits}
    made: list[Exhibit] = []
    for one in found:
        name = f"{one.machine.name}, {publisher(one.source)}"
        label = next(label for number in count(1) if (label := _label(name, number)) not in taken)
        taken.add(label)
        made.append(Exhibit(one, label))
    return made


def _label(name: str, number: int) -> str:
    return name if number == 1 else f"{name} #{number}"
