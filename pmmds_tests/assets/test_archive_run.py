"""archive_job records metadata in Dagster, and archives nothing by default."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

from pmmds_assets.assets.archive import prediction_archive
from pmmds_core.config.settings import load_settings
from pmmds_core.deployment import Deployment
from pmmds_tests.harness.dagster_platform import resource_of
from pmmds_tests.harness.prediction_records import make_records


def materialized(environment: dict[str, str]) -> dict[str, object]:
    """Return the metadata of one materialization."""
    done = dg.materialize([prediction_archive], resources={"deployment": resource_of(environment)})
    (event,) = done.asset_materializations_for_node("prediction_archive")
    return {name: entry.value for name, entry in event.metadata.items()}


def test_a_run_archives_past_days_and_reports_the_counts(tmp_path: Path) -> None:
    environment = {"PMMDS_HOME": str(tmp_path)}
    deployment = Deployment(load_settings(environment))
    now = datetime.now(UTC)
    deployment.prediction_log.append(make_records(deployment.contract, 40, start=now - timedelta(days=9), prefix="old"))
    deployment.prediction_log.append(
        make_records(deployment.contract, 10, start=now - timedelta(minutes=5), prefix="new")
    )
    assert materialized(environment)["n_rows_archived_now"] == 0
    assert deployment.prediction_log.count() == 50
    reported = materialized({**environment, "PMMDS_RETENTION_DAYS": "7"})
    assert (reported["n_rows_archived_now"], reported["dagster/row_count"]) == (40, 40)
    assert deployment.prediction_log.count() == 10
    again = materialized({**environment, "PMMDS_RETENTION_DAYS": "7"})
    assert (again["n_rows_archived_now"], again["dagster/row_count"]) == (0, 40)
