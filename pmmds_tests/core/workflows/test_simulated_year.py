"""A year of hourly monitoring with the nightly job run weekly: the number of pages, rows and files stays bounded."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from pmmds_core.config.settings import Settings
from pmmds_core.deployment import Deployment
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.tables import drift_metrics, drift_reports, feature_histograms
from pmmds_core.workflows.retention import expire, storage_sizes
from pmmds_tests.harness.old_rows import n_rows, save_histograms, save_reports

START = datetime(2025, 1, 1, tzinfo=UTC)
WEEKS, HOURS_A_WEEK = 52, 7 * 24
PAGE_BYTES, DOCUMENT_BYTES, N_FEATURES = 2_000, 2_000, 3
# Reports and pages are kept for 90 days and histograms for 180, plus a week until the next run of the job.
MAX_REPORTS = (90 + 7) * 24 + 1
MAX_HISTOGRAMS = (180 + 7) * 24 * N_FEATURES
MAX_DATABASE_BYTES = 25 * 2**20


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    """A deployment that keeps model versions forever, so that the test does not need MLflow."""
    return Deployment(Settings(home=str(tmp_path / "home"), retention_models_days=0))


def simulate_week(deployment: Deployment, week: int) -> datetime:
    """Write the pages and rows of one week of hourly monitoring. Returns the end of the week."""
    folder = deployment.folder("reports")
    hours = [START + timedelta(weeks=week, hours=h) for h in range(HOURS_A_WEEK)]
    for hour in hours:
        page = folder / f"drift-{hour:%Y%m%dT%H%M%S%f}.html"
        page.write_bytes(b"x" * PAGE_BYTES)
        os.utime(page, (hour.timestamp(), hour.timestamp()))
    first = week * HOURS_A_WEEK + 1
    save_reports(deployment.database, dict(enumerate(hours, start=first)), n_bytes=DOCUMENT_BYTES)
    save_histograms(deployment.database, hours, N_FEATURES)
    return hours[-1] + timedelta(hours=1)


def newest_report(database: Database) -> datetime:
    with database.connect() as connection:
        query = sa.select(drift_reports.c.created_at).order_by(drift_reports.c.created_at.desc()).limit(1)
        newest: datetime = connection.execute(query).scalars().one()
    return newest


def test_a_year_of_hourly_monitoring_stays_below_fixed_limits(deployment: Deployment) -> None:
    sizes = []
    for week in range(WEEKS):
        end = simulate_week(deployment, week)
        expire(deployment, end)
        pages = list((deployment.settings.home_path / "reports").iterdir())
        assert len(pages) <= MAX_REPORTS
        assert n_rows(deployment.database, drift_reports) <= MAX_REPORTS
        assert n_rows(deployment.database, drift_metrics) <= 2 * MAX_REPORTS
        assert n_rows(deployment.database, feature_histograms) <= MAX_HISTOGRAMS
        assert newest_report(deployment.database) == end - timedelta(hours=1)
        assert f"drift-{end - timedelta(hours=1):%Y%m%dT%H%M%S%f}.html" in {page.name for page in pages}
        sizes.append(storage_sizes(deployment))
    # SQLite does not shrink its file but reuses the space of deleted rows, so the file stops growing.
    databases = [size["database"] for size in sizes]
    assert max(databases) < MAX_DATABASE_BYTES
    assert databases[-1] <= 1.1 * databases[29], "the database stops growing after the first removal of histograms"
    assert max(size["reports"] for size in sizes) <= MAX_REPORTS * PAGE_BYTES
