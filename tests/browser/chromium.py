"""One Chromium for all tests that want a browser, what a page complains of, and what axe finds in it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
SERIOUS = frozenset({"serious", "critical"})


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Headless Chromium: started when the first test asks for it, ended with the session.

    Playwright's synchronous interface exists once in a process, so that a second one beside this cannot be started.
    """
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip("no Chromium on this machine")
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()


def complaints(page: Any, *allowed: str) -> list[str]:
    """What the page writes to its console, raises, or asks for; the list grows as long as it is open.

    allowed: beginnings of the addresses that it may ask for, besides data and blobs of its own.
    """
    told: list[str] = []
    known = (*allowed, "data:", "blob:")
    page.on("console", lambda message: told.append(message.text))
    page.on("pageerror", lambda error: told.append(str(error)))
    page.on("request", lambda asked: None if asked.url.startswith(known) else told.append(asked.url))
    return told


Opened = Callable[..., Any]


def visiting(browser: Any, folder: Path) -> Iterator[Opened]:
    """Opens a page of the folder by name; at the end: no error, no refusal by the policy, no request but for files."""
    told: list[list[str]] = []
    opened = []

    def open_(name: str, **options: object) -> Any:
        page = browser.new_page(viewport={"width": 1280, "height": 900}, **options)
        url = (folder / f"{name}.html").as_uri()
        told.append(complaints(page, url))
        page.goto(url)
        opened.append(page)
        return page

    yield open_
    for page in opened:
        page.close()
    assert [one for each in told for one in each] == []


def serious(page: Any, **options: object) -> list[tuple[str, list[str]]]:
    """The rules that axe says are broken seriously or critically, each with the first elements that break it.

    options: axe's own (``runOnly`` …). What is no violation is not written out: that takes longer than to look.
    """
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed").Axe()
    found = axe.run(page, options={"resultTypes": ["violations"], **options}).response["violations"]
    broken = [one for one in found if one["impact"] in SERIOUS]
    return [(one["id"], [node["html"][:160] for node in one["nodes"]][:3]) for one in broken]
