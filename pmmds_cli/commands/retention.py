"""`pmmds retention`: remove what is older than its period. Keep out: what that is (pmmds_core.workflows.expiry)."""

from __future__ import annotations

from typing import Annotated

import typer

from pmmds_cli.output.console import JsonOption, print_json, print_table


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: pmmds retention --dry-run")(retention)


def retention(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be removed, and remove nothing.")] = False,
    json: JsonOption = False,
) -> None:
    """Remove reports, data sets, versions and rows that are older than their PMMDS_RETENTION_… setting.

    archive_job does so every night, and removes Dagster's old runs besides.
    """
    from pmmds_core.deployment import Deployment
    from pmmds_core.workflows.expiry import expire

    done = expire(Deployment.from_environment().prepare(), dry_run=dry_run)
    if json:
        print_json({"dry_run": dry_run, "kinds": [vars(e) for e in done]})
        return
    removed = "would be removed" if dry_run else "removed"
    rows = [{"kind": e.kind, "kept": _period(e.days), removed: e.n_removed, "size": _size(e.n_bytes)} for e in done]
    print_table(rows, empty="")


def _period(days: int) -> str:
    return f"{days} days" if days else "for ever"


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 2**20:.1f} MiB" if n_bytes else "–"
