"""Creates a profile and a day's histograms for tests, and counts the same rows with NumPy.

Not here: assertions.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np

from pmmds_core.contracts.contract import Contract
from pmmds_core.profiling.bins import SCORE
from pmmds_core.profiling.reference_profile import ReferenceProfile, count, fit_profile
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.monitoring.histograms import HistogramStore, RefreshResult
from pmmds_core.stores.predictions.log import PredictionRecord
from pmmds_tests.harness.prediction_records import NOON, columns_of, make_records

HOUR = timedelta(hours=1)
DAY = (NOON - 12 * HOUR, NOON + 12 * HOUR)


def profile_of(contract: Contract, seed: int = 9) -> ReferenceProfile:
    reference = make_records(contract, 400, seed=seed)
    return fit_profile(contract, columns_of(contract, reference), np.array([r.probability for r in reference]))


def refresh(store: HistogramStore, profile: ReferenceProfile, **options: Any) -> RefreshResult:
    return store.refresh(lambda _version: profile, "churn-classifier", *DAY, **options)


def counted_by_numpy(
    contract: Contract, profile: ReferenceProfile, records: list[PredictionRecord]
) -> dict[str, list[int]]:
    columns = {**columns_of(contract, records), SCORE: np.array([r.probability for r in records])}
    return {f.bins.feature: count(f.bins, columns[f.bins.feature]).tolist() for f in profile.with_score}


def merged(store: HistogramStore, version: str = "1") -> dict[str, list[int]]:
    found = store.merged("churn-classifier", version, *DAY)
    return {name: counts.tolist() for name, counts in found.counts.items()}


def forget_recent_writes(database: Database) -> None:
    """Backdate the arrival time of all rows by an hour and set the watermark to now."""
    with database.begin() as connection:
        earlier = "ingested_at - interval '1 hour'"
        if database.dialect == "sqlite":
            earlier = "strftime('%Y-%m-%d %H:%M:%f', ingested_at, '-1 hour') || '000'"
        connection.exec_driver_sql(f"UPDATE prediction_logs SET ingested_at = {earlier}")
