"""Violations that axe-core finds in the page that a browser shows. Not here: the browser (browser.py), assertions."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pmmds_tests.harness.browser import Browser

FILE = Path(__file__).parent / "axe" / "axe.min.js"
# All of WCAG 2.0 to 2.2, levels A and AA, and axe-core's best practices.
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_RUN = """
const done = arguments[arguments.length - 1];
axe.run(document, {runOnly: {type: "tag", values: arguments[0]}, resultTypes: ["violations"]})
  .then(found => done(found.violations.flatMap(
    rule => rule.nodes.map(node => `${rule.id}: ${node.target.join(" ")}: ${node.failureSummary}`))))
  .catch(error => done([String(error)]));
"""


@cache
def _source() -> str:
    return FILE.read_text(encoding="utf-8")


def violations(browser: Browser) -> list[str]:
    """One text for each element of the current page that breaks a rule: rule, element, what is wrong."""
    if not browser.run("return 'axe' in window"):
        browser.run(_source())
    return [" ".join(text.split()) for text in browser.driver.execute_async_script(_RUN, TAGS)]
