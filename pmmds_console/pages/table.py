"""All pages, in the order of the navigation. Add a page here.

Not here: HTTP (endpoint.py), HTML around a page (rendering.py).
"""

from __future__ import annotations

from pmmds_console.pages import alerts, decisions, overview, reports
from pmmds_console.pages.page import Page

PAGES: tuple[Page, ...] = (*overview.PAGES, *alerts.PAGES, *decisions.PAGES, *reports.PAGES)
