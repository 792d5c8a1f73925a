"""What the folder ``results`` publishes: intact, told in its README, fit to be shown, and a site that can be read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from benchsuite import exhibits, lint, publication, samples
from benchsuite.cli import app
from benchsuite.model import Level, Origin
from tests.browser.chromium import complaints, serious

RESULTS = Path(__file__).parent.parent / "results"
FILES = sorted(RESULTS.glob("*.json"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_number_follows_from_its_samples(path: Path) -> None:
    found = publication.vetted(path)
    assert found.problems == ()
    told = found.publication
    assert (told.id, told.origin, told.backend) == (path.stem, Origin.MEASURED, "host")
    assert samples.problems(told, RESULTS / f"{told.id}{publication.SAMPLES}") == []


def test_the_readme_names_each_and_nothing_else() -> None:
    named = re.findall(r"^\| `([^`]+)`", (RESULTS / "README.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert named == [path.stem for path in FILES]


def test_nothing_forbids_to_publish_them() -> None:
    found = exhibits.gather([str(RESULTS)], RESULTS)
    assert {one.level for one in found} == {Level.SELF_REPORTED}
    assert len({one.label for one in found}) == len(found)
    assert [one.text for one in lint.lint(found) if one.severity is lint.Severity.BLOCKS] == []


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("published") / "site"
    done = CliRunner().invoke(app, ["publish", str(RESULTS), "--out", str(target), "--strict"])
    assert done.exit_code == 0, done.output
    return target


def test_the_site_of_them_shows_each_with_its_samples_and_figures_of_others_apart(site: Path) -> None:
    for path in FILES:
        page = (site / "run" / f"{path.stem}.html").read_text(encoding="utf-8")
        assert f"{path.stem}.samples.jsonl" in page
        assert (site / "data" / "run" / f"{path.stem}.json").read_bytes() == path.read_bytes()
    assert "published" in (site / "compare.html").read_text(encoding="utf-8")


@pytest.mark.browser
def test_the_site_is_walked_from_the_overview_to_a_number_and_its_samples(site: Path, browser: Any) -> None:
    """Two machines side by side, filtered, sorted by dollars, one number opened; no serious finding of axe."""
    page = browser.new_page(viewport={"width": 400, "height": 900}, color_scheme="dark")
    page.set_default_timeout(8000)
    troubles = complaints(page, site.as_uri())
    page.goto((site / "index.html").as_uri())
    page.get_by_role("link", name="Compare", exact=True).first.click()
    page.wait_for_selector("html[data-ready]")
    for button in page.locator("#chosen button").all()[::-1]:
        button.click()
    for wanted in ("1 core", "2 cores"):
        page.locator("#search").fill(wanted)
        page.locator("#found [data-place]").first.click()
    assert page.locator("#chosen li").count() == 2
    page.locator("#only").fill("bf16")
    page.wait_for_function("document.querySelector('#count').textContent.includes('hidden by')")
    rows = page.locator("#cells tbody tr:not(.group) >> visible=true").all_inner_texts()
    assert rows
    assert all("bf16" in row for row in rows)
    page.locator("#only").fill("fp32")
    page.locator("#places th[data-sort=dollars] button").click()
    page.locator("#cells button.cell >> visible=true").first.click()
    page.wait_for_selector("#samples tbody tr")
    assert page.locator("#samples tbody tr").count() >= 5
    page.keyboard.press("Escape")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert serious(page) == []
    page.close()
    assert troubles == []
