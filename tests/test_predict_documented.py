"""The pages about forecasts against the code: every code is explained, every command runs, every number is forecast."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from benchsuite.cli import app
from benchsuite.predict import choose

ROOT = Path(__file__).parent.parent
PAGES = {name: (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8") for name in ("forecast", "advise")}
CODE = re.compile(r'(?:Caution\(\s*|Rejected\([^"\n]*|return |", )"([A-Z]+(?:_[A-Z]+)*)"')
ELSEWHERE = {"advise": ("advise", "offers", "training"), "forecast": ("interval", "score")}
"""Modules whose codes a page explains."""


def codes(module: str) -> set[str]:
    text = (Path(choose.__file__).parent / f"{module}.py").read_text(encoding="utf-8")
    return {code for code in CODE.findall(text) if len(code) > 2}


def run(words: list[str]) -> dict[str, Any]:
    found = CliRunner().invoke(app, [*words, "--json"], catch_exceptions=False)
    assert found.exit_code == 0, found.output
    made: dict[str, Any] = json.loads(found.output)
    return made


@pytest.mark.parametrize(("page", "module"), [(page, name) for page, names in ELSEWHERE.items() for name in names])
def test_every_code_is_explained(page: str, module: str) -> None:
    found = codes(module)
    assert found
    assert {code for code in found if f"`{code}`" not in PAGES[page]} == set()


Line = tuple[str, str, str, int, float, float, float]
"""Model, devices, precision, sequences at once; dollars and their interval."""


def section() -> str:
    return PAGES["forecast"].split("## Dollars or cents?")[1].split("\n## ")[0]


def table() -> list[Line]:
    found = re.findall(
        r"^\| (\S+) \| (.+?) \| (\S+) \| (\d+) \| \$(.+?) \| \$(.+?)–\$(.+?) \|$", section(), re.MULTILINE
    )
    return [(*one[:3], int(one[3]), *map(float, one[4:])) for one in found]


def line(made: dict[str, Any]) -> Line:
    devices, band = made["mesh"]["devices"], made["usd_per_million_out_all_paid"]
    machine = made["machine"]["hardware"] + (f" × {devices}" if devices > 1 else "")
    dollars = (band["value"], band["low"], band["high"])
    return made["model"], machine, made["precision"]["name"], round(made["batch"]), *dollars


def test_dollars_or_cents_is_what_the_commands_say() -> None:
    """Each row of the table is one forecast; a refit may move the third digit, and then the page is written anew."""
    commands = [shlex.split(one)[1:] for one in section().splitlines() if one.startswith("benchsuite predict ")]
    made = [line(one) for words in commands for one in run(words)["forecasts"]]
    told = table()
    assert [one[:3] for one in told] == [one[:3] for one in made]
    for shown, found in zip(told, made, strict=True):
        assert shown[3:] == pytest.approx(found[3:], rel=0.05), found


def test_the_factors_of_the_text_are_those_of_its_table() -> None:
    dollars = {one[1:4]: one[4] for one in table() if one[0] == "llama-3.1-8b"}
    alone, full = (
        dollars["h100_sxm_80", "bf16", 1],
        max(usd for key, usd in dollars.items() if key[:2] == ("h100_sxm_80", "bf16") and key[2] > 1),
    )
    (narrow,) = (usd for key, usd in dollars.items() if key[:2] == ("h100_sxm_80", "fp8"))
    (consumer,) = (usd for key, usd in dollars.items() if key[:2] == ("rtx_4090", "fp8"))
    found = re.search(
        r"a factor of (\d+): (\d+) because.*?full,\s+([\d.]+) because.*?and ([\d.]+) because", section(), re.DOTALL
    )
    assert found
    ratios = (alone / consumer, alone / full, full / narrow, narrow / consumer)
    assert [float(one) for one in found.groups()] == pytest.approx(ratios, rel=0.05)


def test_full_precision_for_one_costs_dollars_and_a_narrow_model_on_a_consumer_card_cents() -> None:
    """Even the cheap end of the one and the dear end of the other: the intervals do not meet."""
    alone = next(one for one in table() if one[3] == 1)
    cheapest = min(table(), key=lambda one: one[4])
    assert alone[5] > 1.0
    assert cheapest[1] == "rtx_4090"
    assert cheapest[6] < 0.2
