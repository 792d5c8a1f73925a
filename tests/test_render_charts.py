"""Charts: valid specifications, every result of the table in a chart, drawings fit for the page."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import render_data as data

from benchsuite.model import Score, Status
from benchsuite.normalize import Ceilings
from benchsuite.render import charts, svg
from benchsuite.render.charts_sizes import log_ticks, size_ticks
from benchsuite.render.looks import NARROW, WIDE, Plot, within
from benchsuite.render.words import parameters, value

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="module")
def scores() -> list[Score]:
    return list(data.campaign().scores)


@pytest.fixture(scope="module")
def plots(scores: list[Score]) -> list[Plot]:
    return charts.plots(scores, data.ceilings_of(scores), data.CACHES, data.CORES)


def rows(spec: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for values in spec["datasets"].values():
        yield from values


def labels(plots: list[Plot], width: int = WIDE) -> set[str]:
    return {row["label"] for plot in plots for row in rows(plot.spec(width)) if "label" in row}


def test_specifications_follow_vega_lite_s_schema(plots: list[Plot]) -> None:
    for plot in plots:
        for width in (WIDE, NARROW):
            assert plot.spec(width, check=True)["width"] == width


def test_every_chart_is_there(plots: list[Plot]) -> None:
    assert [plot.id for plot in plots] == [
        *("roofline", "rates-gemm", "rates-attention", "rates-decode"),
        *("bandwidth", "latency", "allreduce", "allreduce-time"),
    ]


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_every_number_of_the_table_is_in_a_chart(scores: list[Score], plots: list[Plot], width: int) -> None:
    drawn = " ".join(labels(plots, width))
    for score in scores:
        shown = score.status is Status.OK and (score.best or score.case.benchmark not in {"memory"})
        if shown and score.case.benchmark != "fma":
            assert f"{parameters(score.case)}, {score.implementation}: {value(score)}" in drawn


def test_wrong_results_are_in_no_chart(plots: list[Plot]) -> None:
    assert not [label for label in labels(plots) if "512³" in label]


def test_roofs_are_the_measured_ceilings(scores: list[Score], plots: list[Plot]) -> None:
    ceilings = data.ceilings_of(scores)
    texts = {row["text"] for row in rows(plots[0].spec(WIDE)) if "text" in row}
    assert {text.split()[0] for text in texts} == {"fp32", "fp64", "memory"}
    assert ceilings.bandwidth == pytest.approx(data.DRAM, rel=0.05)
    assert ceilings.flops == pytest.approx(data.PEAKS, rel=0.05)


def test_a_result_in_bytes_per_second_is_placed_by_its_arithmetic(plots: list[Plot]) -> None:
    placed = [row for row in rows(plots[0].spec(WIDE)) if "decode" in row.get("label", "")]
    assert placed
    for row in placed:
        assert row["y"] == pytest.approx(row["x"] * float(value_in_label(row["label"])), rel=0.02)


def value_in_label(label: str) -> str:
    match = re.search(r": ([\d.]+)", label)
    assert match is not None
    return match[1]


def test_shared_caches_count_once_and_private_ones_per_core(plots: list[Plot]) -> None:
    spec = next(plot for plot in plots if plot.id == "bandwidth").spec(WIDE)
    walls = {row["name"].strip(): row["x"] for row in rows(spec) if "name" in row}
    assert walls == {"L1": 192 << 10, "L2": 8 << 20, "L3": 32 << 20}


def test_nothing_to_show_gives_no_chart(scores: list[Score]) -> None:
    assert charts.plots([], Ceilings(), {}, 0) == []
    one = [score for score in scores if score.case.benchmark == "latency"][:1]
    assert charts.plots(one, Ceilings(), {}, 0) == []


def test_wild_intervals_end_at_the_axis_and_narrow_ones_hide() -> None:
    wild, narrow = {"y": 5.0, "low": -3.0, "high": 90.0}, {"y": 5.0, "low": 4.99, "high": 5.01}
    assert within([wild, narrow], 0.0, 10.0) == [{"y": 5.0, "low": 0.0, "high": 10.0}]


def test_ticks_are_few_and_inside() -> None:
    assert size_ticks(8, 1 << 28, 5) == [1 << power for power in (3, 9, 15, 21, 27)]
    assert log_ticks(1.5, 130.0) == [2, 5, 10, 20, 50, 100]
    for high in (3.0, 1e3, 1e6, 1e12):
        assert 1 <= len(log_ticks(1.0, high)) <= 8


def test_a_specification_stays_as_it_is() -> None:
    """Golden: rewrite it with BENCHSUITE_UPDATE_GOLDEN=1 and read the difference."""
    latency = data.campaign(list(data.latencies())[::5], trouble=False).scores
    plot = charts.plots(latency, Ceilings(), data.CACHES, data.CORES)[0]
    spec = {name: part for name, part in plot.spec(NARROW).items() if name != "$schema"}
    text = json.dumps(spec, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    golden = GOLDEN / "latency.vl.json"
    if os.environ.get("BENCHSUITE_UPDATE_GOLDEN"):
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def drawn(plots: list[Plot]) -> ElementTree.Element:
    chosen = next(plot for plot in plots if plot.id == "allreduce")
    return ElementTree.fromstring(svg.draw(chosen.spec(NARROW), 'all "of" <it>', "narrow"))


def test_drawings_hold_known_elements_only(drawn: ElementTree.Element) -> None:
    for element in drawn.iter():
        assert element.tag in svg.ELEMENTS | {"svg"}
        assert not {"style", "href", "class", "onload"} & set(element.attrib) or element is drawn


def test_drawings_take_their_colours_from_the_page(drawn: ElementTree.Element) -> None:
    paints = {element.get(name, "none") for element in drawn.iter() for name in ("fill", "stroke")}
    assert {"var(--series-1)", "var(--series-2)", "var(--series-3)", "var(--muted)"} <= paints
    assert all(paint.startswith("var(--") or paint in {"none", "transparent"} for paint in paints), paints


def test_every_point_of_a_drawing_speaks(drawn: ElementTree.Element) -> None:
    spoken = [element.get("aria-label", "") for element in drawn.iter() if element.get("role") == "img"]
    assert len(spoken) == 33
    assert all("GB/s" in words or "MB/s" in words for words in spoken)
    assert drawn.get("aria-label") == 'all "of" <it>'


def test_a_drawing_of_another_version_brings_nothing_unknown() -> None:
    foreign = ElementTree.fromstring(
        '<svg xmlns="http://www.w3.org/2000/svg"><script>x</script><style>y</style><foreignObject/><image href="z"/>'
        '<g onclick="f()"><path style="fill:red" d="M0 0" fill="var(--text)" href="z"/></g></svg>'
    )
    (kept,) = svg._tidied(foreign)
    assert (kept.tag, kept.attrib) == ("path", {"d": "M0 0", "fill": "var(--text)"})
