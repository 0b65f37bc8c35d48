"""A headless Chromium with a profile of its own: opens pages, presses keys, fills forms and takes screenshots.

Not here: which pages exist, assertions, axe-core's rules (accessibility.py).
"""

from __future__ import annotations

import base64
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar
from unittest.mock import patch

from selenium.common.exceptions import NoSuchElementException, WebDriverException
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait

from pmmds_tests.harness.ports import free_port
from pmmds_tests.harness.system_programs import system_program

PATIENCE_SECONDS = 120
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-sync",
    "--hide-scrollbars",
)
T = TypeVar("T")


class Browser:
    """One browser window. Every method waits for its condition for at most PATIENCE_SECONDS."""

    def __init__(self, driver: Chrome) -> None:
        self.driver = driver

    def open(self, url: str) -> None:
        """Load a page."""
        self.driver.get(url)

    def show(self, width: int, *, height: int = 900, dark: bool = False) -> None:
        """Set the size of the window in CSS pixels and the preferred color scheme."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})

    def run(self, script: str, *values: object) -> Any:
        """The result of a script in the page, which the page's Content-Security-Policy does not forbid."""
        return self.driver.execute_script(script, *values)

    @property
    def path(self) -> str:
        """Path and query of the current address."""
        return str(self.run("return location.pathname + location.search"))

    @property
    def text(self) -> str:
        """The visible text of the page."""
        return self.element("body").text

    @property
    def overflow(self) -> int:
        """By how many CSS pixels the page is wider than the window; 0 if it does not scroll sideways."""
        return int(self.run("return Math.max(0, document.scrollingElement.scrollWidth - innerWidth)"))

    def element(self, css: str) -> WebElement:
        """The first element of a CSS selector."""
        return self.wait(lambda: self.driver.find_element(By.CSS_SELECTOR, css))

    def elements(self, css: str) -> Sequence[WebElement]:
        """All elements of a CSS selector that the page has now."""
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def fill(self, label: str, text: str) -> None:
        """Replace the text of the field with this label, or choose the option with this text."""
        field = self._field(label)
        if field.tag_name == "select":
            Select(field).select_by_visible_text(text)
            return
        field.clear()
        field.send_keys(text)

    def press(self, button: str) -> None:
        """Press the button with this text, and wait for the next page."""
        self.leave(self._named("//button", button).click)

    def follow(self, link: str) -> None:
        """Follow the first link with this text, and wait for the next page."""
        self.leave(self._named("//a", link).click)

    def keys(self, *keys: str) -> None:
        """Press keys, without a change of the focus before."""
        self.driver.switch_to.active_element.send_keys(*keys)

    def submit_with_enter(self) -> None:
        """Press Enter in the focused field, and wait for the next page."""
        self.leave(lambda: self.keys(Keys.ENTER))

    @property
    def focused(self) -> str:
        """The text of the element that has the focus, or its name."""
        script = "const e = document.activeElement; return e.innerText || e.getAttribute('name') || e.tagName"
        return str(self.run(script)).strip()

    def leave(self, act: Callable[[], None]) -> None:
        """Wait until the page that `act` leads to has replaced the current one and is loaded."""
        before = self.wait(self._loaded_page)
        act()
        # An element of the old page is no evidence: the driver's answer about it is undefined while pages change.
        self.wait(lambda: self._loaded_page() not in (None, before), ignoring=WebDriverException)

    def wait(self, condition: Callable[[], T], *, ignoring: type[WebDriverException] = NoSuchElementException) -> T:
        """The first true result of a condition; an `ignoring` error is no result. Raises TimeoutException."""
        waiting = WebDriverWait(self.driver, PATIENCE_SECONDS, poll_frequency=0.02, ignored_exceptions=[ignoring])
        return waiting.until(lambda _: condition())

    def screenshot(self, *, css: str = "", box: Mapping[str, float] | None = None) -> bytes:
        """A PNG of the whole page, or of the first element of a CSS selector, beyond the window if it is larger.

        `box` is the part of the page to show instead: x, y, width and height in CSS pixels.
        """
        if css:
            box = self.run("const b = arguments[0].getBoundingClientRect(); return b.toJSON()", self.element(css))
        elif box is None:
            box = self.driver.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
        assert box is not None
        clip = {**{side: box[side] for side in ("x", "y", "width", "height")}, "scale": 1}
        taken = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
        return base64.b64decode(taken["data"])

    def _loaded_page(self) -> object:
        """When the current page began to load, which is different for every page; None until it is loaded."""
        return self.run("return document.readyState === 'complete' ? performance.timeOrigin : null")

    def _field(self, label: str) -> WebElement:
        """The field of a label, which names it by `for` or contains it."""
        found = self._named("//label", label)
        name = found.get_dom_attribute("for")
        return self.element(f"#{name}") if name else found.find_element(By.CSS_SELECTOR, "input, select, textarea")

    def _named(self, xpath: str, text: str) -> WebElement:
        """The first element whose text begins with `text`."""
        return self.wait(
            lambda: self.driver.find_element(By.XPATH, f'{xpath}[starts-with(normalize-space(), "{text}")]')
        )


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Within the block: a browser without history or cookies. Skips the test if Chromium is not installed."""
    chromium, driver = system_program("chromium"), system_program("chromedriver")
    with tempfile.TemporaryDirectory(prefix="pmmds-browser-", ignore_cleanup_errors=True) as profile:
        options = ChromeOptions()
        options.binary_location = chromium
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        with patch.dict(os.environ, {"no_proxy": "localhost"}):  # the driver's address, which Selenium connects to
            browser = Browser(Chrome(options, ChromeService(driver, port=free_port())))
        browser.driver.set_script_timeout(PATIENCE_SECONDS)
        try:
            yield browser
        finally:
            browser.driver.quit()
