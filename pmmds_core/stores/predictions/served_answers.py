"""Latency and quality of a version's logged predictions in a window.

Not here: the tolerated values (policies/rollback.py).
"""

from __future__ import annotations

from datetime import datetime

import numpy as np
import sqlalchemy as sa

from pmmds_core.contracts.contract import Contract
from pmmds_core.policies.rollback import ServedAnswers
from pmmds_core.statistics.classification import AucInterval, auc_interval, has_both_classes
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.tables import ground_truth, prediction_logs

# Maximum number of rows: the newest ones, enough for a precise median and ROC-AUC.
N_NEWEST = 20_000


def served_answers(
    database: Database, contract: Contract, version: str, start: datetime, end: datetime
) -> ServedAnswers:
    """Median latency and ROC-AUC of the newest rows that `version` predicted in [start, end)."""
    log, truth = prediction_logs(contract), ground_truth
    query = (
        sa.select(log.c.latency_ms, log.c.probability, truth.c.label)
        .join_from(log, truth, log.c.request_id == truth.c.request_id, isouter=True)
        .where(
            log.c.model_name == contract.model_name,
            log.c.model_version == version,
            log.c.predicted_at >= start,
            log.c.predicted_at < end,
        )
        .order_by(log.c.predicted_at.desc())
        .limit(N_NEWEST)
    )
    with database.connect() as connection:
        rows = connection.execute(query).fetchall()
    labeled = [(r.probability, r.label) for r in rows if r.label is not None]
    latency = float(np.median([r.latency_ms for r in rows])) if rows else None
    return ServedAnswers(len(rows), latency, len(labeled), _roc_auc(labeled))


def _roc_auc(labeled: list[tuple[float, int]]) -> AucInterval | None:
    labels = np.array([label for _, label in labeled], dtype=np.int64)
    if not has_both_classes(labels):
        return None
    return auc_interval(labels, np.array([p for p, _ in labeled], dtype=np.float64))
