"""The catalogue on a terminal or a pipe, in 80 columns. Control characters never get through."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchsuite import units
from benchsuite.catalog import Accelerator, Basis, Catalog, Figure, ModelShape, Price, Role
from benchsuite.catalog.explain import Explanation
from benchsuite.render.words import clean, counted, sentence

ORIGIN = {
    Basis.FOUND: "found in a source below",
    Basis.MEMORY: "from memory, not seen in a source",
    None: "not said where from",
}
TYPES = ("bf16", "e4m3", "fp64")
MOST = 12
"""Published figures that an explanation lists; the rest is counted."""


def overview(known: Catalog, console: Console) -> None:
    """How much there is of what."""
    found = [one for one in known.accelerators.values() if one.peaks]
    measured = sum(one.role is Role.MEASURED for one in known.figures)
    memory = sum(one.basis is Basis.MEMORY for one in known.prices)
    grid = _grid("", ("", "right"), "")
    for name, number, more in (
        ("hardware", len(known.accelerators), f"{len(found)} with dense peaks, {_vendors(found)}"),
        ("prices", len(known.prices), f"{len({one.provider for one in known.prices})} providers; {memory} from memory"),
        (
            "figures",
            len(known.figures),
            f"published by others; {measured} measured, {len(known.figures) - measured} not",
        ),
        ("models", len(known.models), "shapes of language models"),
    ):
        grid.add_row(Text(name, style="bold"), str(number), Text(clean(more)))
    console.print(grid)
    for path in known.files:
        _line(console, f"With {path}")


def _vendors(found: Sequence[Accelerator]) -> str:
    return counted(len({one.vendor for one in found}), "vendor")


def hardware(found: Sequence[Accelerator], console: Console) -> None:
    """Accelerators with the figures that are asked for most."""
    grid = _grid("key", *((name, "right") for name in (*TYPES, "memory", "bandwidth", "power")), "sure")
    for one in found:
        peaks = [_tera(one.peaks.get(name)) for name in TYPES]
        memory = f"{one.memory / 1e9:g} GB" if one.memory else ""
        rate = units.quantity(one.bandwidth, "B/s") if one.bandwidth else ""
        power = f"{one.watts:g} W" if one.watts else ""
        grid.add_row(*_texts(one.key, *peaks, memory, rate, power, one.confidence.value))
    console.print(grid)
    _hint(console, "Dense TFLOP/s of tensor cores. 'benchsuite catalog explain KEY' has every figure and its source.")


def prices(found: Sequence[Price], console: Console) -> None:
    """Prices, cheapest per device first within each kind."""
    grid = _grid("provider, instance", "hardware", ("$/device h", "right"), "market", "as of")
    for one in sorted(found, key=lambda price: (price.market.value, price.per_device)):
        mark = "" if one.basis is Basis.FOUND else "*"
        date = one.as_of if ".." not in one.as_of else f"to {one.as_of.partition('..')[2]}"
        grid.add_row(
            Text(clean(f"{one.provider}, {one.instance}"), overflow="fold"),
            *_texts(f"{one.devices} × {one.hardware}", f"{one.per_device:.2f}{mark}", one.market.value, date),
        )
    console.print(grid)
    _hint(console, "* from memory, not seen in a source. 'to 2026-09': some time before. Kinds and sources: --csv.")


def figures(found: Sequence[Figure], console: Console) -> None:
    """Published figures: what, where, how much."""
    grid = _grid("hardware", "what", ("value", "right"), ("of peak", "right"), "as of", "role")
    for one in found:
        grid.add_row(
            *_texts(
                one.hardware,
                _what(one),
                units.quantity(one.value, one.metric),
                units.percent(one.of_peak) if one.of_peak is not None else "",
                one.as_of,
                "" if one.role is Role.MEASURED else one.role.value,
            )
        )
    console.print(grid)
    _hint(console, "Sources: --json or --csv. Published by others, not measured here.")


def models(found: Sequence[ModelShape], console: Console) -> None:
    """Shapes of models with what they weigh and keep."""
    right = ("parameters", "active", "layers", "KV B/token", "context")
    grid = _grid("key", "kind", *((name, "right") for name in right))
    for one in found:
        kept = 2 * one.kv_elements * one.layers
        grid.add_row(
            *_texts(
                *(one.key, one.kind.value, f"{one.params_b:g} G", f"{one.active_params_b:g} G"),
                *(str(number) for number in (one.layers, kept, one.max_context)),
            )
        )
    console.print(grid)
    _hint(console, "KV B/token: 16-bit keys and values of one token, all layers.")


TABLES: Mapping[str, Callable[[Sequence[Any], Console], None]] = {
    "hardware": hardware,
    "prices": prices,
    "figures": figures,
    "models": models,
}


def explanation(one: Explanation, console: Console) -> None:
    """One figure, with all that is known of it."""
    title = Text(clean(f"{one.name}: {one.subject}"), style="bold")
    console.print(title + Text(f"  {clean(one.value) or 'the catalogue has no such figure'}"))
    grid = _grid("", "")
    told = (
        ("formula", one.formula),
        ("departs", one.departs),
        ("origin", f"{ORIGIN[one.basis]}; confidence of the entry: {one.confidence.value}" if one.value else ""),
        ("as of", one.as_of),
        *(("source", source) for source in one.sources),
        ("notes", one.notes),
    )
    for name, text in told:
        if text:
            grid.add_row(Text(name, style="dim"), Text(clean(text)))
    console.print(grid)
    if one.published:
        console.print(Text("Published by others", style="bold"))
        console.print(_published(one))
    if len(one.published) > MOST:
        _line(console, f"{len(one.published) - MOST} more: benchsuite catalog figures --only {one.hardware}")


def _published(one: Explanation) -> Table:
    grid = _grid(("value", "right"), ("share", "right"), "what", "as of", "")
    for figure, share in one.published[:MOST]:
        role = "" if figure.role is Role.MEASURED else figure.role.value
        memory = "from memory" if figure.basis is Basis.MEMORY else ""
        grid.add_row(
            *_texts(
                units.quantity(figure.value, figure.metric),
                units.percent(share) if share is not None else "",
                _what(figure),
                figure.as_of,
                ", ".join(filter(None, (role, memory))),
            )
        )
    return grid


def figures_of(one: Accelerator, found: Sequence[Explanation], console: Console) -> None:
    """All figures of an accelerator in short."""
    console.print(Text(clean(one.name), style="bold") + Text(f"  {clean(one.key)}, confidence {one.confidence.value}"))
    grid = _grid("", ("", "right"), "origin", "formula")
    for each in found:
        origin = each.basis.value if each.basis else ""
        grid.add_row(*_texts(each.subject, each.value, origin, each.formula.partition(" = ")[0]))
    console.print(grid)
    for source in one.source:
        _line(console, f"Source: {source}")
    if one.notes:
        _line(console, sentence(one.notes))


def _what(one: Figure) -> str:
    where = f"{one.ranks} ranks" if one.ranks else ""
    return ", ".join(filter(None, (f"{one.benchmark} {one.dtype}".strip(), one.shape, where, one.fabric)))


def _tera(value: float | None) -> str:
    return units.significant(value / 1e12) if value else ""


def _texts(*words: str) -> list[Text]:
    """Cells; a word of a name is never cut short."""
    return [Text(clean(word), no_wrap=" " not in word, overflow="fold") for word in words]


def _grid(*columns: str | tuple[str, str]) -> Table:
    titled = any(column if isinstance(column, str) else column[0] for column in columns)
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", show_header=titled)
    for column in columns:
        title, justify = column if isinstance(column, tuple) else (column, "left")
        grid.add_column(title, justify=justify)  # type: ignore[arg-type]
    return grid


def _line(console: Console, text: str) -> None:
    console.print(clean(text), markup=False, soft_wrap=True)


def _hint(console: Console, text: str) -> None:
    """Advice for a person; a pipe gets the rows alone."""
    if console.is_terminal:
        _line(console, text)
