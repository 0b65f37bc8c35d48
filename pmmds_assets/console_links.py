"""Links from asset metadata to the console's pages.

Not here: the addresses of pages (pmmds_core.policies.events).
"""

from __future__ import annotations

import dagster as dg

from pmmds_core.deployment import Deployment
from pmmds_core.policies.events import console_link


def console_metadata(deployment: Deployment, page: str) -> dict[str, dg.UrlMetadataValue]:
    """Return the metadata entry `console` for a page, or no entry without a page or PMMDS_CONSOLE_URL."""
    link = console_link(deployment.settings.console_url, page)
    return {"console": dg.MetadataValue.url(link)} if link else {}
