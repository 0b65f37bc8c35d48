"""Drift by day and features over thresholds, on both engines, compared with pandas."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd
import sqlalchemy as sa

from pmmds_core.profiling.bins import SCORE
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.tables import drift_metrics
from pmmds_core.stores.monitoring.drift_trends import daily_drift, report_drift
from pmmds_tests.console.stored_rows import START, add_reports

NAME = "churn-classifier"
N_REPORTS = 60


def stored(database: Database) -> pd.DataFrame:
    """60 hourly reports on tenure, contract (no PSI in every third report) and the score, as a frame."""
    add_reports(database, NAME, N_REPORTS)
    rows = [
        {
            "report_id": i + 1,
            "feature": feature,
            "kind": "numeric",
            "psi": None if feature == "contract" and i % 3 == 0 else psi,
            "band": "none",
            "is_drifted": feature == "contract" and i % 5 == 1,
        }
        for i in range(N_REPORTS)
        for feature, psi in (("contract", (i * 7 % 11) / 20), (SCORE, 0.9))
    ]
    with database.begin() as connection:
        connection.execute(sa.insert(drift_metrics), rows)
    tenure = [{"report_id": i + 1, "feature": "tenure", "psi": i / 1000, "is_drifted": False} for i in range(N_REPORTS)]
    frame = pd.DataFrame([*rows, *tenure])
    frame["end"] = [START + timedelta(hours=int(i) - 1) for i in frame["report_id"]]
    return frame


def test_daily_drift_is_the_largest_psi_of_each_day(database: Database) -> None:
    frame = stored(database)
    grouped = frame.groupby([frame["end"].dt.date, "feature"])
    expected = grouped.agg(
        psi=("psi", "max"), is_drifted=("is_drifted", "any"), report_id=("report_id", "max")
    ).reset_index()
    found = daily_drift(database, NAME, START)
    rows = [(d.day, d.feature, d.psi, d.is_drifted, d.report_id) for d in found]
    assert rows == list(expected.itertuples(index=False, name=None))


def test_daily_drift_selects_time_and_feature(database: Database) -> None:
    stored(database)
    since = START + timedelta(days=1)
    found = daily_drift(database, NAME, since, feature="tenure")
    assert [(d.day.day, d.psi) for d in found] == [(2, 0.047), (3, 0.059)]
    assert daily_drift(database, "other", START) == []


def test_report_drift_counts_features_above_each_threshold_without_the_score(database: Database) -> None:
    frame = stored(database)
    own = frame[frame["feature"] != SCORE]
    found = report_drift(database, NAME, START, (0.03, 0.25))
    assert [r.report_id for r in found] == list(range(1, N_REPORTS + 1))
    for place, limit in enumerate((0.03, 0.25)):
        expected = (own["psi"] > limit).groupby(own["report_id"]).sum().tolist()
        assert [r.n_over[place] for r in found] == expected
    assert [r.n_features for r in found] == own["psi"].notna().groupby(own["report_id"]).sum().tolist()
    assert found[10].verdict == "drifted"
