"""A thousand machines on one page: what it costs to build, to open and to filter; and a small one, always."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import publications as made

from benchsuite import publication
from benchsuite.render.explorer import page

BUILD = """
import resource, sys, time
from pathlib import Path
wall, begun = time.perf_counter(), time.process_time()
from benchsuite import publication
from benchsuite.render.explorer.page import page
read = [publication.read(path) for path in sorted(Path(sys.argv[1]).glob("*.json"))]
after = time.process_time()
text = page(publication.exhibits(read))
Path(sys.argv[2]).write_text(text, encoding="utf-8", newline="\\n")
done = time.process_time()
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(after - begun, done - after, time.perf_counter() - wall, memory, len(text.encode()))
"""
CHANGES = """async () => {
  const settled = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  const root = document.documentElement, told = {};
  const timed = async (name, change) => {
    const before = root.dataset.ready, begun = performance.now();
    change();
    while (root.dataset.ready === before) await new Promise((done) => setTimeout(done, 0));
    const ready = performance.now();
    await settled();
    (told[name] = told[name] || []).push([ready - begun, performance.now() - begun]);
  };
  const $ = (id) => document.getElementById(id);
  const fire = (element, kind) => element.dispatchEvent(new Event(kind, { bubbles: true }));
  const type = (words) => { $("only").value = words; fire($("only"), "input"); };
  const choose = (place) => { $("hardware").selectedIndex = place; fire($("hardware"), "change"); };
  const check = (on) => { $("complete").checked = on; fire($("complete"), "change"); };
  for (const words of ["bf16", "", "triad", "8192", ""]) await timed("tests", () => type(words));
  for (const place of [1, 2, 3, 0]) await timed("hardware", () => choose(place));
  for (const on of [true, false]) await timed("complete", () => check(on));
  const head = (name) => document.querySelector(`#places th[data-sort=${name}] button`);
  for (const name of ["dollars", "watts", "value"]) await timed("sort", () => head(name).click());
  await timed("pick", () => document.querySelector("#places .pick[aria-pressed=false]").click());
  return told;
}"""


def written(folder: Path, machines: int, tests: int) -> None:
    for number, one in enumerate(made.publications(machines, tests)):
        (folder / f"{number:06d}.json").write_bytes(publication.encode(one))


def built(tmp_path: Path, machines: int, tests: int) -> tuple[Path, list[float]]:
    """The page built by a process of its own from the files of publications.

    CPU seconds to read and to build, wall seconds of both, bytes of memory and of the file.
    """
    folder, target = tmp_path / "publications", tmp_path / "page.html"
    folder.mkdir()
    written(folder, machines, tests)
    done = subprocess.run([sys.executable, "-c", BUILD, folder, target], check=True, capture_output=True, text=True)
    return target, [float(word) for word in done.stdout.split()]


def in_browser(browser: Any, target: Path) -> tuple[float, float, dict[str, list[list[float]]]]:
    """Milliseconds to first paint and to ready, and what changes took: until done, and until painted."""
    opened = browser.new_page(viewport={"width": 1280, "height": 900})
    opened.goto(target.as_uri())
    opened.wait_for_selector("html[data-ready]")
    ready = opened.evaluate("performance.now()")
    paint = "performance.getEntriesByType('paint').find((e) => e.name === 'first-contentful-paint').startTime"
    first = opened.evaluate(paint)
    told = opened.evaluate(CHANGES)
    opened.close()
    return first, ready, told


def test_a_few_machines_have_the_structure_of_many(tmp_path: Path) -> None:
    target, (*_, size) = built(tmp_path, 30, 12)
    text = target.read_text(encoding="utf-8")
    data = json.loads(text.split('id="data">')[1].split("</script>")[0])
    assert data["index"]["machines"]["count"] == 30
    assert len(data["columns"]) == len(data["index"]["cases"]) == 12
    assert all(len(column["value"]) == 30 for column in data["columns"])
    assert text.count("<tr") < 120
    assert size < 400_000
    again = page.page(
        publication.exhibits([publication.read(p) for p in sorted((tmp_path / "publications").iterdir())])
    )
    assert again == text


def test_size_grows_with_cells_and_nothing_else() -> None:
    """Twice the machines: twice the data, and as many rows of the page as before."""
    sizes: list[Any] = [(len(text), text.count("<tr")) for text in map(page.page, map(fleet, (100, 200)))]
    assert sizes[1][0] < 2 * sizes[0][0]
    assert abs(sizes[1][1] - sizes[0][1]) < 12


def fleet(machines: int) -> list[Any]:
    return made.exhibits(machines, 6)


@pytest.mark.long
def test_a_thousand_machines_by_a_hundred_tests(tmp_path: Path, browser: Any) -> None:
    """The bounds that the project sets; the figures are printed, with -s."""
    target, (read, build, wall, memory, size) = built(tmp_path, 1000, 100)
    first, ready, told = in_browser(browser, target)
    print(f"\nread {read:.1f} s, build {build:.1f} s of CPU time, together {wall:.1f} s")
    print(f"{memory / 1e6:.0f} MB of memory, file {size / 1e6:.2f} MB")
    print(f"first paint {first:.0f} ms, ready {ready:.0f} ms")
    for name, times in told.items():
        medians = [statistics.median(each) for each in zip(*times, strict=True)]
        print(f"{name}: {medians[0]:.0f} ms, painted after {medians[1]:.0f} ms; {[round(t) for t, _ in times]}")
    assert read + build < 20.0
    assert memory < 1e9
    assert size < 15e6
    assert first < 2000.0
    for name in ("tests", "hardware", "complete"):
        assert statistics.median(ready for ready, _ in told[name]) < 100.0, name
