"""The asset that applies the retention settings. Not here: deleting (workflows/retention.py, run_retention.py)."""

from collections.abc import Collection, Mapping, Sequence

import dagster as dg

from pmmds_assets.charts import table
from pmmds_assets.groups import DATA, OWNERS
from pmmds_assets.resources import DeploymentResource
from pmmds_assets.results import Materialized
from pmmds_assets.run_retention import expire_runs
from pmmds_core.workflows.retention import Expired, expire, storage_sizes


def make_retention(job_names: Collection[str] = ()) -> dg.AssetsDefinition:
    """Return the asset.

    `job_names` lists the jobs whose runs are deleted. If empty, the runs of all jobs in the Dagster instance are
    deleted.
    """

    @dg.asset(group_name=DATA, owners=OWNERS, kinds={"sql", "html"}, deps=["prediction_archive"])
    def retention(context: dg.AssetExecutionContext, deployment: DeploymentResource) -> Materialized:
        """Deletes reports, histograms, data sets, model versions, notifications and Dagster runs past their retention.

        Each kind of data has a setting PMMDS_RETENTION_…_DAYS, where 0 keeps everything. Versions that are or were in
        production, pending manual actions and the newest of each kind are always kept.
        """
        d = deployment.open()
        runs = expire_runs(context.instance, d.settings.retention_dagster_days, job_names=job_names)
        removed, sizes = [*expire(d), runs], storage_sizes(d)
        context.log.info("Removed: %s.", ", ".join(f"{x.n_removed} {x.kind}" for x in removed))
        return _result(removed, sizes)

    return retention


retention = make_retention()


def _result(removed: Sequence[Expired], sizes: Mapping[str, int]) -> Materialized:
    rows = [{"kind": x.kind, "period in days": x.days, "removed": x.n_removed, "bytes": x.n_bytes} for x in removed]
    return dg.MaterializeResult(
        metadata={
            "n_removed": sum(x.n_removed for x in removed),
            "n_bytes_removed": sum(x.n_bytes for x in removed),
            "removed": table(rows),
            "n_bytes": sum(sizes.values()),
            "sizes": table([{"kind": kind, "bytes": size} for kind, size in sorted(sizes.items())]),
        }
    )
