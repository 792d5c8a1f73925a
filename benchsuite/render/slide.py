"""One chart of a run for a slide: the report's drawing in fixed light colours, with title, legend, run and date."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from textwrap import wrap
from typing import Any

from benchsuite import assets
from benchsuite.compare import fits
from benchsuite.errors import UsageError
from benchsuite.model import Score, Status
from benchsuite.normalize import Ceilings
from benchsuite.render import charts
from benchsuite.render.charts_rates import rates
from benchsuite.render.looks import Plot
from benchsuite.render.words import clean

WIDTH, SCALE = 720, 2.0
"""Pixels of the drawing, and how many of a PNG's there are to each."""
PADDING, HEAD, LEGEND = 24, 62, 32
"""Pixels around the drawing, and what title and legend take of its height."""
LINE = 92
"""Characters of a line below the title."""
KINDS: Mapping[str, str] = {
    "sizes": r"bandwidth|latency|allreduce-.*",
    "roofline": r"roofline",
    "bars": r"rates-.*",
}
"""Kinds of chart, and the ids of the report's plots that they are."""
VARIABLE = re.compile(r"var\(--([a-z0-9-]+)\)")


@dataclass(frozen=True, slots=True)
class About:
    """What stands below the title: which run, of when (UTC), by which version; simulated: no machine gave the times."""

    run: str
    started: str
    version: str
    simulated: bool = False

    @property
    def line(self) -> str:
        """The source, as one line."""
        told = f"Source: benchsuite {self.version}, run {self.run}, {self.started[:10]}"
        return f"SIMULATED DATA · {told}" if self.simulated else told


def plots(
    scores: Sequence[Score],
    ceilings: Ceilings,
    caches: Mapping[str, int],
    cores: int,
    *,
    kind: str,
    patterns: Sequence[str] = (),
) -> list[Plot]:
    """The charts of one kind that a run has, the report's first one first.

    patterns: as ``compare.fits`` takes them. Raises ``UsageError`` for an unknown kind, and when nothing fits.
    """
    if kind not in KINDS:
        raise UsageError(f"--kind {clean(kind)} is unknown.", f"Choose one of {', '.join(KINDS)}.")
    chosen = [one for one in scores if one.status is Status.OK and one.value and (not patterns or fits(one, patterns))]
    every = _bars(chosen) if kind == "bars" else charts.plots(chosen, ceilings, caches, cores)
    found = [plot for plot in every if re.fullmatch(KINDS[kind], plot.id)]
    if not found:
        raise UsageError(f"Nothing of this run can be drawn as {kind}.", "Choose another --kind or --case.")
    return found


def _bars(scores: Sequence[Score]) -> list[Plot]:
    """The dot plot of every benchmark, also where the page has another chart of it or a single result."""
    names = dict.fromkeys(score.case.benchmark for score in scores)
    made = (rates([score for score in scores if score.case.benchmark == name], least=1) for name in names)
    return [plot for plot in made if plot is not None]


def slide(plot: Plot, about: About, title: str = "") -> dict[str, Any]:
    """A plot of the report as a picture that stands alone."""
    spec: dict[str, Any] = _coloured(plot.spec(WIDTH), palette())
    lines = [*wrap(clean(plot.note), LINE), about.line]
    spec["height"] += 2 * PADDING + HEAD + 16 * (len(lines) - 1)
    if plot.series[1:]:
        _legends(spec)
        spec["height"] += LEGEND
    head = {"text": clean(title or plot.title), "subtitle": lines, "anchor": "start", "frame": "group"}
    look = {"fontSize": 20, "subtitleFontSize": 13, "subtitlePadding": 6, "offset": 14, "color": palette()["text"]}
    spec["title"] = head | look | {"subtitleColor": palette()["muted"]}
    spec["background"] = palette()["page"]
    spec["padding"] = PADDING
    return spec


@cache
def palette() -> Mapping[str, str]:
    """The light colours of the reports' style, by name."""
    style = (assets.folder("reports") / "style.css").read_text(encoding="utf-8")
    first = style[style.index(":root {") : style.index("}")]
    return dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6})", first))


def _coloured(value: Any, colours: Mapping[str, str]) -> Any:
    """The specification with its CSS variables replaced: a picture has no style sheet."""
    if isinstance(value, str):
        return VARIABLE.sub(lambda match: colours[match[1]], value)
    if isinstance(value, Mapping):
        return {name: _coloured(one, colours) for name, one in value.items()}
    return [_coloured(one, colours) for one in value] if isinstance(value, (list, tuple)) else value


def _legends(spec: dict[str, Any]) -> None:
    """Turn on the legend of the series, which elsewhere the page writes: colour and shape together."""
    wanted: dict[str, Any] = {"title": None, "orient": "top", "labelFontSize": 14, "symbolSize": 90, "symbolOpacity": 1}
    wanted |= {"symbolStrokeWidth": 0, "labelColor": palette()["text"]}
    for layer in spec.get("layer", ()):
        for channel in ("color", "shape"):
            if layer.get("encoding", {}).get(channel, {}).get("field") == "series":
                layer["encoding"][channel] = {**layer["encoding"][channel], "legend": wanted}


def encoded(spec: Mapping[str, Any], suffix: str) -> bytes:
    """The picture as ``.svg`` or ``.png``. Raises ``UsageError`` for another form."""
    import vl_convert

    if suffix == ".svg":
        return str(vl_convert.vegalite_to_svg(dict(spec))).encode()
    if suffix == ".png":
        return bytes(vl_convert.vegalite_to_png(dict(spec), scale=SCALE))
    raise UsageError(f"A chart is no {clean(suffix) or 'file without a suffix'}.", "Write --to FILE.svg or FILE.png.")
