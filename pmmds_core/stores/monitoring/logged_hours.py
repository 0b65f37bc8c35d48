"""Counts the logged rows of each hour, to compare them with the histograms.

Not here: the histograms (histograms.py).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pmmds_core.contracts.contract import Contract
from pmmds_core.stores.database.dialects import hour_of
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.tables import prediction_logs
from pmmds_core.stores.predictions.archive import PredictionArchive, logged_rows


def logged_hours(
    database: Database,
    contract: Contract,
    archive: PredictionArchive | None,
    start: datetime,
    end: datetime,
    *,
    ingested_before: datetime,
) -> dict[datetime, int]:
    """Hour → number of rows of the contract's model in [start, end), in the database and in the archive.

    Rows that arrived at `ingested_before` or later are left out.
    """
    c = prediction_logs(contract).c
    hour = hour_of(c.predicted_at)
    columns: tuple[sa.ColumnElement[Any], ...] = (hour, sa.func.count())
    query = sa.select(*columns).group_by(hour)
    query = query.where(c.model_name == contract.model_name, c.predicted_at >= start, c.predicted_at < end)
    query = query.where(c.ingested_at < ingested_before)
    totals: dict[datetime, int] = {}
    with logged_rows(database, archive, start, end) as rows:
        for source in rows.sources:
            for at, n_rows in source.execute(query):
                totals[at] = totals.get(at, 0) + n_rows
    return totals
