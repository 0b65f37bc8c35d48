"""The static report pages in a browser: axe-core finds no violation, and no page is wider than a narrow window."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from pmmds_core.deployment import Deployment
from pmmds_core.reports.performance_page import PerformanceHead, render_performance
from pmmds_core.stores.lifecycle.history import PERFORMANCE, Selection
from pmmds_tests.console.browser.conftest import COLORS, WIDTHS
from pmmds_tests.harness.accessibility import violations
from pmmds_tests.harness.browser import Browser

pytestmark = [pytest.mark.process, pytest.mark.slow]


@pytest.fixture(scope="module")
def pages(watched: Deployment, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The newest drift report, the evaluations of both versions, and a performance report."""
    rows = watched.history.page(PERFORMANCE, Selection(30)).rows
    head = PerformanceHead(watched.model_name, 30, datetime.now(UTC))
    performance = tmp_path_factory.mktemp("reports") / "performance.html"
    performance.write_text(render_performance([row["document"] for row in rows], head), encoding="utf-8")
    written = sorted((watched.settings.home_path / "reports").glob("*.html"))
    assert {page.name.partition("-")[0] for page in written} >= {"drift", "evaluation"}
    return [*written, performance]


def test_axe_finds_no_violation_in_a_report_page(browser: Browser, pages: list[Path]) -> None:
    found = {}
    for page in pages:
        browser.open(page.as_uri())
        for width in WIDTHS:
            for dark in COLORS:
                browser.show(width, dark=dark)
                found[page.name, width, dark] = violations(browser)
    assert {place: texts for place, texts in found.items() if texts} == {}


def test_no_report_page_scrolls_sideways_in_a_narrow_window(browser: Browser, pages: list[Path]) -> None:
    browser.show(WIDTHS[-1])
    found = {}
    for page in pages:
        browser.open(page.as_uri())
        found[page.name] = browser.overflow
    assert {name: pixels for name, pixels in found.items() if pixels} == {}
