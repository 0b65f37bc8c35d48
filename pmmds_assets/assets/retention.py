"""Retention: what is older than its period, kind by kind. Keep out.

Which rows and files (pmmds_core.workflows.expiry).
"""

from datetime import UTC, datetime, timedelta

import dagster as dg

from pmmds_assets.assets.archive import prediction_archive
from pmmds_assets.groups import DATA, OWNERS
from pmmds_assets.pictures import table
from pmmds_assets.resources import DeploymentResource
from pmmds_assets.results import Materialized
from pmmds_assets.run_retention import expire_runs
from pmmds_core.deployment import Deployment
from pmmds_core.workflows.expiry import Expired, expire, storage_sizes

RUNS = "Dagster runs"


@dg.asset(group_name=DATA, owners=OWNERS, kinds={"sql", "file"}, deps=[prediction_archive])
def retention(context: dg.AssetExecutionContext, deployment: DeploymentResource) -> Materialized:
    """Removes what is older than its PMMDS_RETENTION_… setting: report pages, drift reports, histograms, data sets,
    validation results, model versions that never served, waiting labels, notifications, Dagster's runs and logs.

    0 days keep a kind for ever. Sizes are stored for `pmmds_storage_bytes`. Predictions are archived, never removed.
    """
    d, now = deployment.open(), datetime.now(UTC)
    done = [*expire(d, now), _expired_runs(d, context.instance, now)]
    sizes = storage_sizes(d)
    return dg.MaterializeResult(
        data_version=dg.DataVersion(now.isoformat()),
        metadata={
            "n_removed": sum(e.n_removed for e in done),
            "n_bytes_removed": sum(e.n_bytes for e in done),
            "removed": table([vars(e) for e in done]),
            "sizes": table([{"kind": kind, "n_bytes": size} for kind, size in sizes.items()]),
        },
    )


def _expired_runs(d: Deployment, instance: dg.DagsterInstance, now: datetime) -> Expired:
    days = d.settings.retention_dagster_days
    return Expired(RUNS, days, expire_runs(instance, now - timedelta(days=days)) if days else 0)
