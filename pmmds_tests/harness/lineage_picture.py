"""The picture of the asset lineage in Dagster's UI, with its groups expanded, and what it shows.

Not here: the other pictures and the running system (documentation_pictures.py).
"""

from __future__ import annotations

import json
from functools import partial
from urllib.parse import quote

from pmmds_assets.groups import DATA, MONITORING, PROMOTION, TRAINING
from pmmds_tests.harness.browser import Browser

GROUPS = (DATA, TRAINING, MONITORING, PROMOTION)
# The window in CSS pixels. In a smaller window, the UI cuts off a part of the graph; in a larger one, it shows tables
# in place of the names.
WIDTH, HEIGHT = 1740, 1300
MARGIN = 12
# Assets that the demo has materialized, one in each group.
_MATERIALIZED = ("reference_data", "trained_model", "drift_report", "production_model")
_DIRECTION = "localStorage.setItem('asset-graph-direction', JSON.stringify('vertical'))"
# An asset is green after a run, or red if a check of its last run failed, as that of a drift report with drift.
_HAS_STATE = """
const node = [...document.querySelectorAll('foreignObject')].find(e => e.textContent === arguments[0]);
return Boolean(node && node.querySelector('[style*="accent-green"], [style*="accent-red"]'))
"""
# The lines get the color of highlighted lines, because the usual light gray is hardly visible in a smaller picture.
_BOX = """
for (const name of ['stroke', 'fill']) document.querySelectorAll(`[${name}="var(--color-lineage-edge)"]`).forEach(
  line => line.setAttribute(name, 'var(--color-lineage-edge-highlighted)'));
document.querySelector('[class*=zoomSliderContainer]').style.visibility = 'hidden';
const boxes = [...document.querySelectorAll('foreignObject.group')].map(e => e.getBoundingClientRect());
const least = side => Math.min(...boxes.map(b => b[side])), most = side => Math.max(...boxes.map(b => b[side]));
const [x, y, margin] = [least('left'), least('top'), arguments[0]];
return {x: x - margin, y: y - margin, width: most('right') - x + 2 * margin, height: most('bottom') - y + 2 * margin}
"""


def lineage_facts() -> str:
    """What the picture shows, as JSON: each asset with its group and its dependencies."""
    from pmmds_assets.definitions import defs

    assets = {
        spec.key.to_user_string(): [spec.group_name, sorted(dep.asset_key.to_user_string() for dep in spec.deps)]
        for spec in defs.resolve_all_asset_specs()
    }
    return json.dumps(assets, sort_keys=True)


def lineage_screenshot(browser: Browser, dagster_url: str) -> bytes:
    """A PNG of the graph of all assets, after the UI has loaded their states."""
    browser.show(WIDTH, height=HEIGHT)
    browser.open(f"{dagster_url}/favicon.svg")
    browser.run(_DIRECTION)
    expanded = quote(",".join(f"global@global:{group}" for group in GROUPS))
    browser.open(f"{dagster_url}/asset-groups?expanded={expanded}")
    for asset in _MATERIALIZED:
        browser.wait(partial(browser.run, _HAS_STATE, asset))
    return browser.screenshot(box=browser.run(_BOX, MARGIN))
