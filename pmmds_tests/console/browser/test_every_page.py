"""Every page in a browser: axe-core finds no violation, and no page is wider than a narrow window."""

from __future__ import annotations

import pytest

from pmmds_core.deployment import Deployment
from pmmds_tests.console.browser.conftest import COLORS, WIDTHS
from pmmds_tests.console.browser.page_list import every_path, pending_promotion
from pmmds_tests.harness.accessibility import violations
from pmmds_tests.harness.browser import Browser
from pmmds_tests.harness.console_process import RunningConsole

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def paths(watched: Deployment) -> list[str]:
    """All pages, among them a decision that waits for approval."""
    pending_promotion(watched, "2", "1")
    return every_path(watched)


def violations_of(browser: Browser, url: str) -> dict[str, list[str]]:
    """Violations of a page at every width and in both color schemes; only those with any."""
    browser.open(url)
    found = {}
    for width in WIDTHS:
        for dark in COLORS:
            browser.show(width, dark=dark)
            found[f"{url}, {width} px, {'dark' if dark else 'light'}"] = violations(browser)
    return {place: texts for place, texts in found.items() if texts}


@pytest.mark.slow
def test_axe_finds_no_violation_at_any_width_and_in_any_colors(
    browser: Browser, open_console: RunningConsole, paths: list[str]
) -> None:
    found = [violations_of(browser, open_console.url + path) for path in paths]
    assert [violation for violation in found if violation] == []


def test_axe_finds_no_violation_in_the_sign_in_form(browser: Browser, console: RunningConsole) -> None:
    assert violations_of(browser, f"{console.url}/sign-in") == {}


def test_no_page_scrolls_sideways_in_a_narrow_window(
    browser: Browser, open_console: RunningConsole, paths: list[str]
) -> None:
    browser.show(WIDTHS[-1])
    found = {}
    for path in paths:
        browser.open(open_console.url + path)
        found[path] = browser.overflow
    assert {path: pixels for path, pixels in found.items() if pixels} == {}


def test_pages_have_dark_colors_if_the_reader_prefers_them(browser: Browser, open_console: RunningConsole) -> None:
    browser.open(open_console.url)
    color = "return getComputedStyle(document.body).backgroundColor"
    assert browser.run(color) == "rgb(255, 255, 255)"
    browser.show(WIDTHS[0], dark=True)
    assert browser.run(color) == "rgb(18, 22, 28)"


def test_the_banner_names_what_sign_in_off_means(browser: Browser, open_console: RunningConsole) -> None:
    browser.open(open_console.url)
    banner = browser.element(".banner")
    assert banner.is_displayed()
    assert "every user of this machine can use this console as approver" in banner.text
