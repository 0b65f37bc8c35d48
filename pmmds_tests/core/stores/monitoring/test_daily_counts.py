"""A feature's histograms by UTC day are the sums of its hours, on both engines, compared with numpy."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import sqlalchemy as sa

from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.tables import feature_histograms
from pmmds_core.stores.monitoring.daily_counts import daily_counts

START = datetime(2026, 3, 1, tzinfo=UTC)
N_HOURS = 60


def store(database: Database, *, old_hours: int = 0) -> np.ndarray:
    """Hourly counts of two features and two versions; the first `old_hours` hours have another profile."""
    numbers = np.random.default_rng(5).integers(0, 50, (N_HOURS, 4))
    rows = [
        {
            "model_name": "m",
            "model_version": version,
            "hour": START + timedelta(hours=h),
            "feature": feature,
            "profile_digest": "old" if h < old_hours else "new",
            "counts": [int(n) * factor for n in numbers[h]],
            "n_rows": 1,
            "computed_at": START,
        }
        for h in range(N_HOURS)
        for version, feature, factor in (("1", "age", 1), ("1", "plan", 3), ("2", "age", 7))
    ]
    with database.begin() as connection:
        connection.execute(sa.insert(feature_histograms), rows)
    return numbers


def test_the_counts_of_a_day_are_the_sums_of_its_hours(database: Database) -> None:
    numbers = store(database)
    found = daily_counts(database, "m", "1", "age", START)
    assert [day.day for day in found] == [1, 2, 3]
    np.testing.assert_array_equal(list(found.values()), [numbers[i : i + 24].sum(axis=0) for i in (0, 24, 48)])


def test_counts_before_the_start_and_of_other_versions_are_omitted(database: Database) -> None:
    numbers = store(database)
    found = daily_counts(database, "m", "2", "age", START + timedelta(hours=30))
    np.testing.assert_array_equal(list(found.values()), [7 * numbers[30:48].sum(axis=0), 7 * numbers[48:].sum(axis=0)])
    assert daily_counts(database, "m", "3", "age", START) == {}


def test_hours_with_another_profile_are_omitted(database: Database) -> None:
    numbers = store(database, old_hours=50)
    found = daily_counts(database, "m", "1", "age", START)
    assert [(day.day, counts.tolist()) for day, counts in found.items()] == [(3, numbers[50:].sum(axis=0).tolist())]
