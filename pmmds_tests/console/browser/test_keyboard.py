"""The console without a mouse."""

from __future__ import annotations

import pytest
from selenium.webdriver.common.keys import Keys

from pmmds_tests.console.browser.conftest import PHRASE
from pmmds_tests.harness.browser import Browser
from pmmds_tests.harness.console_process import RunningConsole

pytestmark = pytest.mark.process
NAVIGATION = ["Overview", "Versions", "Drift", "Alerts", "Decisions", "Predictions", "Data quality", "Audit"]


def test_tab_reaches_the_skip_link_and_then_the_navigation_in_order(
    browser: Browser, open_console: RunningConsole
) -> None:
    browser.open(open_console.url)
    reached = []
    for _ in range(2 + len(NAVIGATION)):
        browser.keys(Keys.TAB)
        reached.append(browser.focused)
    assert reached == ["Skip to the content", "PMMDS", *NAVIGATION]
    outline = "return getComputedStyle(document.activeElement).outlineStyle"
    assert browser.run(outline) == "solid"


def test_the_skip_link_is_visible_in_focus_and_passes_the_navigation(
    browser: Browser, open_console: RunningConsole
) -> None:
    browser.open(open_console.url)
    skip = browser.element(".skip")
    assert skip.location["x"] < 0
    browser.keys(Keys.TAB)
    assert skip.location["x"] >= 0
    browser.keys(Keys.ENTER)
    browser.keys(Keys.TAB)
    assert browser.run("return document.querySelector('main').contains(document.activeElement)")


def test_enter_submits_the_sign_in_form_and_a_search(browser: Browser, console: RunningConsole) -> None:
    browser.open(f"{console.url}/predictions")
    browser.wait(lambda: browser.focused == "name")  # The browser moves the focus after the page has loaded.
    browser.keys("viewer", Keys.TAB, PHRASE)
    browser.submit_with_enter()
    assert browser.path == "/predictions"
    browser.fill("Id of the prediction", "row-1")
    browser.submit_with_enter()
    assert browser.path == "/predictions?id=row-1"
    assert browser.element(".verdict").text.startswith("Prediction ")


def test_a_wide_table_scrolls_with_the_arrow_keys(browser: Browser, open_console: RunningConsole) -> None:
    browser.show(360)
    browser.open(f"{open_console.url}/reports/1")
    browser.run("document.querySelector('[aria-labelledby=features]').focus()")
    browser.keys(Keys.ARROW_RIGHT)
    browser.wait(lambda: browser.run("return document.activeElement.scrollLeft") > 0)
