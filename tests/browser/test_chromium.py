"""What the other tests of this folder rely on: a bad page is heard, and a good one is not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.chromium import complaints, serious

pytestmark = pytest.mark.browser

GOOD = '<!doctype html><html lang="en"><title>Page</title><main><h1>Page</h1><p>Text.</p></main></html>'
BAD = {
    "image-alt": GOOD.replace("Text.", '<img src="data:,">'),
    "color-contrast": GOOD.replace("<p>", '<p style="color: #bbb; background: #fff">'),
    "html-has-lang": GOOD.replace(' lang="en"', ""),
}


@pytest.mark.parametrize("rule", BAD)
def test_axe_names_what_is_broken_and_nothing_else(browser: Any, rule: str) -> None:
    page = browser.new_page()
    page.set_content(GOOD)
    assert serious(page) == []
    page.set_content(BAD[rule])
    assert [name for name, _ in serious(page)] == [rule]
    page.close()


def test_errors_words_and_requests_are_complaints(browser: Any) -> None:
    page = browser.new_page()
    told = complaints(page, "file:///allowed")
    page.set_content(GOOD.replace("Text.", '<img src="data:," alt=""><img src="file:///allowed/a.png" alt="">'))
    assert [one for one in told if "allowed" not in one] == []
    told.clear()
    script = "console.log('a word'); fetch('http://localhost:1/asked').catch(() => 0); throw new Error('an error')"
    page.set_content(GOOD.replace("Text.", f"<script>{script}</script>"))
    page.wait_for_timeout(200)
    page.close()
    for word in ("a word", "http://localhost:1/asked", "an error"):
        assert any(word in one for one in told), told
