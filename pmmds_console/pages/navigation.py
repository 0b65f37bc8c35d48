"""All pages, in the order of the navigation. Add a page here.

Not here: HTTP (endpoint.py), HTML around a page (rendering.py).
"""

from __future__ import annotations

from pmmds_console.pages import (
    alerts,
    audit,
    decisions,
    drift,
    features,
    overview,
    predictions,
    quality,
    reports,
    versions,
    what_if,
)
from pmmds_console.pages.page import Page

PAGES: tuple[Page, ...] = (
    *overview.PAGES,
    *versions.PAGES,
    *drift.PAGES,
    *features.PAGES,
    *reports.PAGES,
    *what_if.PAGES,
    *alerts.PAGES,
    *decisions.PAGES,
    *predictions.PAGES,
    *quality.PAGES,
    *audit.PAGES,
)
