"""How new the newest rows of each kind are.

Not here: the state of the loop (status.py), volumes by hour (monitoring/hourly_counts.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from pmmds_core.contracts.contract import Contract
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.tables import (
    drift_reports,
    ground_truth,
    histogram_watermarks,
    label_observations,
    prediction_logs,
)


@dataclass(frozen=True)
class Freshness:
    """Aware times; None without a row. `n_waiting_labels`: received, but their prediction is not in the database.

    `counted_through`: predictions that reached the database until then are in the histograms.
    """

    newest_prediction: datetime | None
    newest_label: datetime | None
    newest_report: datetime | None
    counted_through: datetime | None
    n_waiting_labels: int


def read_freshness(database: Database, contract: Contract) -> Freshness:
    """The newest times, each read from an index."""
    name = contract.model_name
    w, r = histogram_watermarks.c, drift_reports.c
    prediction = sa.select(sa.func.max(prediction_logs(contract).c.predicted_at))
    report = sa.select(sa.func.max(r.window_end)).where(r.model_name == name)
    counted = sa.select(w.ingested_through).where(w.model_name == name)
    waiting = sa.select(sa.func.count()).where(label_observations.c.is_waiting)
    with database.connect() as connection:
        return Freshness(
            newest_prediction=connection.execute(prediction).scalar(),
            newest_label=connection.execute(sa.select(sa.func.max(ground_truth.c.received_at))).scalar(),
            newest_report=connection.execute(report).scalar(),
            counted_through=connection.execute(counted).scalar(),
            n_waiting_labels=connection.execute(waiting).scalar_one(),
        )
