"""The `pmmds retention` command, which deletes or lists expired data.

Not here: which data has expired (workflows/retention.py).
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from pmmds_cli.output.console import JsonOption, print_json, print_table
from pmmds_cli.output.progress import progress

if TYPE_CHECKING:
    from pmmds_core.deployment import Deployment
    from pmmds_core.workflows.retention import Expired

DryRunOption = Annotated[bool, typer.Option("--dry-run", help="List the expired data without deleting it.")]


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: pmmds retention --dry-run --json")(retention)


def retention(dry_run: DryRunOption = False, json: JsonOption = False) -> None:
    """Delete data that is older than its PMMDS_RETENTION_..._DAYS setting allows, as the nightly job does.

    Dagster runs are deleted if this home has Dagster records. --dry-run does not count these runs.
    """
    from pmmds_core.deployment import Deployment
    from pmmds_core.workflows.retention import expire, storage_sizes

    deployment = Deployment.from_environment()
    with progress("retention", json=json) as bar:
        removed = expire(deployment, dry_run=dry_run, on_progress=bar)
        if not dry_run:
            removed += _runs(deployment)
        sizes = storage_sizes(deployment)
    if json:
        print_json({"dry_run": dry_run, "removed": [asdict(x) for x in removed], "n_bytes": sizes})
        return
    title = "To be deleted" if dry_run else "Deleted"
    rows = [
        {"kind": x.kind, "period in days": x.days or "unlimited", title.lower(): x.n_removed, "bytes": x.n_bytes}
        for x in removed
    ]
    print_table(rows, empty="Nothing to delete.", title=title)
    print_table([{"kind": kind, "bytes": size} for kind, size in sizes.items()], empty="", title="Stored now")


def _runs(deployment: Deployment) -> list[Expired]:
    """Delete Dagster's old runs if this home has Dagster records."""
    if not (deployment.settings.home_path / "dagster" / "dagster.yaml").is_file():
        return []
    from pmmds_assets.run_retention import expire_runs
    from pmmds_cli.client.job_runner import shared_instance

    with shared_instance(deployment.settings) as instance:
        return [expire_runs(instance, deployment.settings.retention_dagster_days)]
