"""Sites of many machines: built in bounded time and memory, with pages that stay small. Chosen with ``-m long``."""

from __future__ import annotations

import json
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

BUILD = """
import json, resource, sys, time
sys.path.insert(0, sys.argv[1])
import publications
from benchsuite import publication
from benchsuite.model import Exhibit
from benchsuite.render.site.build import Source, build
from benchsuite.render.site.context import Known
from benchsuite.render.site.folder import Folder
from pathlib import Path

told = publications.publications(int(sys.argv[3]), 100)
began = time.process_time()
with Folder(Path(sys.argv[2])) as folder:
    sources = (Source(Exhibit(one, publication.label(one))) for one in told)
    built = build(folder, sources, Known(), "Scale", lambda *_: None)
print(json.dumps({
    "seconds": time.process_time() - began,
    "bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    "files": built.files,
    "runs": built.runs,
}))
"""
PAGE_LIMIT, INDEX_LIMIT = 100_000, 200_000


def built(site: Path, machines: int) -> dict[str, float]:
    """Build in a process of its own, so that its memory is its own."""
    words = [sys.executable, "-c", BUILD, str(Path(__file__).parent), str(site), str(machines)]
    found: dict[str, float] = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
    return found


def check_pages(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    for path in [*pages[::97], *site.glob("*.html"), *(site / "type").glob("*.html"), *(site / "case").glob("*.html")]:
        assert len(zlib.compress(path.read_bytes())) <= PAGE_LIMIT, path
    assert (site / "assets/search.js").stat().st_size <= INDEX_LIMIT


def test_a_thousand_machines(tmp_path: Path) -> None:
    told = built(tmp_path, 1_000)
    assert told["runs"] == 1_000
    assert told["seconds"] < 120, "processor time: a slow machine may take twice what ours does"
    assert told["bytes"] < 1.5e9
    check_pages(tmp_path)


def test_ten_thousand_machines(tmp_path: Path) -> None:
    told = built(tmp_path, 10_000)
    assert told["runs"] == 10_000
    assert told["bytes"] < 2e9
    assert len(list((tmp_path / "run").iterdir())) == 10_000
    assert len(list(tmp_path.glob("runs*.html"))) == 50
    check_pages(tmp_path)
