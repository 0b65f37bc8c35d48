"""Reads the hourly histograms of a model, for charts over time.

Not here: counting and merging (histograms.py).
"""

from __future__ import annotations

from datetime import datetime

import numpy as np
import sqlalchemy as sa

from pmmds_core.profiling.bins import SCORE
from pmmds_core.profiling.hourly_counts import HourlyCounts
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.tables import feature_histograms


def hourly_counts(
    database: Database, model_name: str, model_version: str, start: datetime, end: datetime
) -> HourlyCounts:
    """Hour → feature → counts (n_bins,), for hours in [start, end) with rows, oldest first."""
    t = feature_histograms
    query = sa.select(t.c.hour, t.c.feature, t.c.counts).where(
        t.c.model_name == model_name, t.c.model_version == model_version, t.c.hour >= start, t.c.hour < end
    )
    by_hour: HourlyCounts = {}
    with database.connect() as connection:
        for hour, feature, counts in connection.execute(query.order_by(t.c.hour)):
            by_hour.setdefault(hour, {})[feature] = np.array(counts, dtype=np.int64)
    return by_hour


def hourly_rows(database: Database, model_name: str, start: datetime, end: datetime) -> dict[tuple[datetime, str], int]:
    """(hour, model version) → number of logged predictions, for hours in [start, end) with rows, oldest first."""
    t = feature_histograms
    query = sa.select(t.c.hour, t.c.model_version, t.c.n_rows).where(
        t.c.model_name == model_name, t.c.feature == SCORE, t.c.hour >= start, t.c.hour < end
    )
    with database.connect() as connection:
        rows = connection.execute(query.order_by(t.c.hour, t.c.model_version)).all()
    return {(row.hour, row.model_version): row.n_rows for row in rows}
