"""The hourly histograms of one model version, hour by hour, for pictures over time.

Keep out: counting and merging (histograms.py).
"""

from __future__ import annotations

from datetime import datetime

import numpy as np
import sqlalchemy as sa

from pmmds_core.profiling.hourly_counts import HourlyCounts
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.tables import feature_histograms


def hourly_counts(
    database: Database, model_name: str, model_version: str, start: datetime, end: datetime
) -> HourlyCounts:
    """Counts (n_bins,) by hour and feature, of the hours in [start, end) that have rows, oldest first."""
    t = feature_histograms
    query = sa.select(t.c.hour, t.c.feature, t.c.counts).where(
        t.c.model_name == model_name, t.c.model_version == model_version, t.c.hour >= start, t.c.hour < end
    )
    found: HourlyCounts = {}
    with database.connect() as connection:
        for hour, feature, counts in connection.execute(query.order_by(t.c.hour)):
            found.setdefault(hour, {})[feature] = np.array(counts, dtype=np.int64)
    return found
