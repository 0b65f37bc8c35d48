"""The `pmmds monitor` command, which runs monitor_job in this process."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pmmds_cli.commands.job_steps import ready_deployment, run_dagster_job
from pmmds_cli.output.console import JsonOption, print_json, say
from pmmds_cli.output.drift_table import print_drift
from pmmds_cli.output.exit_codes import ExitCode
from pmmds_core.runtime.plurals import counted
from pmmds_core.runtime.time_windows import HOUR, hourly_window
from pmmds_core.statistics.verdict import Verdict
from pmmds_core.stores.database.grants import MONITOR

if TYPE_CHECKING:
    from pmmds_core.deployment import Deployment


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: pmmds monitor --window-hours 6 --segments contract --fail-on-drift")(monitor)


def monitor(
    window_hours: Annotated[
        int | None,
        typer.Option(
            "--window-hours", min=1, help="Window length in hours. Default: PMMDS_DRIFT_CURRENT_WINDOW_HOURS."
        ),
    ] = None,
    segments: Annotated[
        str, typer.Option("--segments", help="Categorical features to split the report by, comma-separated.")
    ] = "",
    fail_on_drift: Annotated[
        bool, typer.Option("--fail-on-drift", help="Exit with code 3 on drift, 4 on too few rows.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Check the recent window for drift, and open an alert if there is drift (monitor_job)."""
    deployment = ready_deployment(MONITOR)
    document = run_monitor(deployment, window_hours or 0, segments)
    if json:
        print_json(document)
    else:
        print_drift(document)
    if fail_on_drift and document["verdict"] != Verdict.STABLE:
        is_drifted = document["verdict"] == Verdict.DRIFTED
        raise typer.Exit(ExitCode.CONDITION_NOT_MET if is_drifted else ExitCode.TOO_FEW_ROWS)


def run_monitor(deployment: Deployment, window_hours: int = 0, segments: str = "") -> dict[str, Any]:
    """Run monitor_job, and return the drift report with `alert_id`. Raises UsageError if `segments` are unknown."""
    from pmmds_core.config.values import comma_list
    from pmmds_core.drift.segments import check_segment_features

    check_segment_features(deployment.contract, comma_list(segments))
    deployment.production_version()
    hours = window_hours or deployment.settings.drift_current_window_hours
    start, end = hourly_window(datetime.now(UTC), hours)
    n_hours = counted(round((end - start) / HOUR), "hour")
    say(f"Running monitor_job on {n_hours}: {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC")
    from pmmds_assets.jobs import monitor_request

    ops = {"drift_report": {"config": {"window_hours": hours, "segment_features": segments}}}
    outcome = run_dagster_job("monitor_job", deployment, ops=ops, tags=dict(monitor_request(deployment, hours).tags))
    alert = outcome.metadata["drift_report"]["alert"]
    report = deployment.drift.of_run(outcome.run_id)
    assert report is not None, "a successful run stores its report"
    return {**report.document, "alert_id": None if alert == "none" else alert, "report": report.html_path}
