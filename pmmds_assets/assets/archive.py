"""The asset that archives the prediction log. Not here: how days are archived (pmmds_core.workflows.log_archiving)."""

import dagster as dg

from pmmds_assets.charts import table
from pmmds_assets.groups import DATA, OWNERS
from pmmds_assets.resources import DeploymentResource
from pmmds_assets.results import Materialized
from pmmds_core.workflows.log_archiving import archive_due_days

FILES_CHECK = "archived_files"


@dg.asset(
    group_name=DATA,
    owners=OWNERS,
    kinds={"sql", "parquet"},
    deps=["prediction_logs"],
    check_specs=[
        dg.AssetCheckSpec(FILES_CHECK, asset="prediction_archive", description="Every archived part matches its record")
    ],
)
def prediction_archive(context: dg.AssetExecutionContext, deployment: DeploymentResource) -> Materialized:
    """Days older than PMMDS_RETENTION_DAYS, archived as Parquet files with zstd compression.

    Files are verified before the rows are deleted from the database. Queries read the database and the archive
    together. On PostgreSQL, this asset creates upcoming day partitions. If PMMDS_RETENTION_DAYS is 0, nothing is
    archived.
    """
    d = deployment.open()
    done = archive_due_days(d)
    with d.archive.snapshot() as connection:
        parts = d.archive.parts(connection)
    newest = [
        {"day": f"{p.day:%Y-%m-%d}", "part": p.part, "n_rows": p.n_rows, "n_bytes": p.n_bytes} for p in parts[-30:]
    ]
    digest = parts[-1].digest if parts else "empty"
    for problem in done.problems:
        context.log.error("An archived part differs from its record: %s.", problem)
    context.log.info("Archived %d parts, created %d day partitions.", len(done.parts), len(done.made.days))
    return dg.MaterializeResult(
        data_version=dg.DataVersion(f"{len(parts)}-{digest[:12]}"),
        check_results=[
            dg.AssetCheckResult(
                check_name=FILES_CHECK, passed=not done.problems, metadata={"problems": list(done.problems[:30])}
            )
        ],
        metadata={
            "dagster/row_count": sum(p.n_rows for p in parts),
            "n_rows_archived_now": sum(p.n_rows for p in done.parts),
            "n_rows_that_were_archived_already": sum(p.n_repeated for p in done.parts),
            "n_days_made_ahead": len(done.made.days),
            "n_rows_moved_into_their_day": done.made.n_moved,
            "n_bytes": sum(p.n_bytes for p in parts),
            "folder": dg.MetadataValue.path(str(d.settings.resolved_archive_path)),
            "newest parts": table(newest),
        },
    )
