"""The histograms of one feature by day, summed over the hours of each UTC day.

Not here: all features of a window (histograms.py), shares (the pages).
"""

from __future__ import annotations

from datetime import date, datetime

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.tables import feature_histograms

DayCounts = dict[date, NDArray[np.int64]]


def daily_counts(database: Database, model_name: str, model_version: str, feature: str, since: datetime) -> DayCounts:
    """Return the number of rows in each bin by UTC day, oldest day first. Days without rows are omitted.

    Hours that were counted with another profile than the newest hour are omitted, because their bins differ.

    Args:
        database: the database.
        model_name: the name of the model.
        model_version: the version whose rows are counted.
        feature: the name of the feature, or `__score__`.
        since: the first hour, with a time zone.
    """
    t = feature_histograms.c
    query = sa.select(t.hour, t.counts, t.profile_digest).where(t.model_name == model_name, t.feature == feature)
    query = query.where(t.model_version == model_version, t.hour >= since).order_by(t.hour)
    with database.connect() as connection:
        rows = connection.execute(query).all()
    days: DayCounts = {}
    for row in rows:
        if row.profile_digest == rows[-1].profile_digest:
            counts = np.array(row.counts, dtype=np.int64)
            day = row.hour.date()
            days[day] = days[day] + counts if day in days else counts
    return days
