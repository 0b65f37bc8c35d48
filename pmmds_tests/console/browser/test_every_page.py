"""Every page in a browser: axe-core finds no violation, and no page is wider than a narrow window."""

from __future__ import annotations

import pytest

from pmmds_core.deployment import Deployment
from pmmds_tests.console.browser.page_list import every_path, pending_promotion
from pmmds_tests.harness.accessibility import violations
from pmmds_tests.harness.browser import Browser
from pmmds_tests.harness.console_process import RunningConsole

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("console browser")]
NARROW = 360


@pytest.fixture(scope="module")
def paths(watched: Deployment) -> list[str]:
    """All pages, among them a decision that waits for approval."""
    pending_promotion(watched, "2", "1")
    return every_path(watched)


def test_axe_finds_no_violation_at_any_width_and_in_any_colors(
    browser: Browser, open_console: RunningConsole, paths: list[str]
) -> None:
    found = {}
    for path in paths:
        browser.open(open_console.url + path)
        for width in (1200, NARROW):
            for dark in (False, True):
                browser.show(width, dark=dark)
                found[f"{path} {width} {'dark' if dark else 'light'}"] = violations(browser)
    assert {page: texts for page, texts in found.items() if texts} == {}


def test_no_page_scrolls_sideways_in_a_narrow_window(
    browser: Browser, open_console: RunningConsole, paths: list[str]
) -> None:
    browser.show(NARROW)
    found = {}
    for path in paths:
        browser.open(open_console.url + path)
        found[path] = browser.overflow
    assert {path: pixels for path, pixels in found.items() if pixels} == {}


def test_pages_have_dark_colors_if_the_reader_prefers_them(browser: Browser, open_console: RunningConsole) -> None:
    browser.open(open_console.url)
    color = "return getComputedStyle(document.body).backgroundColor"
    assert browser.run(color) == "rgb(255, 255, 255)"
    browser.show(1200, dark=True)
    assert browser.run(color) == "rgb(18, 22, 28)"


def test_the_banner_names_what_sign_in_off_means(browser: Browser, open_console: RunningConsole) -> None:
    browser.open(open_console.url)
    banner = browser.element(".banner")
    assert banner.is_displayed()
    assert "every user of this machine can use this console as approver" in banner.text
