"""Monitoring assets: the prediction log, its hourly histograms and drift.

Not here: model performance (performance.py).
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import dagster as dg

from pmmds_assets.charts import bar_chart, line_chart, table
from pmmds_assets.check_results import check_result, not_evaluated
from pmmds_assets.console_links import console_metadata
from pmmds_assets.groups import DATA, MONITORING, OWNERS
from pmmds_assets.hourly_checks import hourly_check, hourly_result
from pmmds_assets.partitions import hourly, key_of
from pmmds_assets.resources import DeploymentResource
from pmmds_assets.results import Materialized
from pmmds_core.config.values import comma_list
from pmmds_core.deployment import Deployment
from pmmds_core.policies.events import alert_page
from pmmds_core.runtime.time_windows import HOUR, hourly_window
from pmmds_core.statistics.verdict import Verdict
from pmmds_core.stores.artifacts.model_registry import PRODUCTION
from pmmds_core.stores.monitoring.histograms import RefreshResult
from pmmds_core.stores.monitoring.logged_hours import logged_hours
from pmmds_core.workflows.alert_updates import resolve_alert, send_notifications, send_webhooks
from pmmds_core.workflows.monitoring import MonitorResult, monitor, refresh_histograms
from pmmds_core.workflows.report_files import keep_with_model

DRIFT_CHECK, SAMPLES_CHECK = "features_are_stable", "window_has_enough_rows"
COUNTED_CHECK = "every_row_is_counted"
# The next run counts the rows that arrive while the hours are counted.
ARRIVING = timedelta(minutes=1)

external_assets = [
    dg.AssetSpec(
        "prediction_logs",
        description="All served predictions, written by the service and only observed here. There is no upstream "
        "asset, because the service runs outside Dagster.",
        group_name=DATA,
        owners=OWNERS,
        kinds={"bentoml", "sql"},
    ),
    dg.AssetSpec(
        "ground_truth",
        description="Labels of predictions, written by the service's feedback endpoint and only observed here.",
        group_name=DATA,
        owners=OWNERS,
        kinds={"bentoml", "sql"},
    ),
]


class MonitorConfig(dg.Config):
    """The run configuration.

    `window_hours` is the length of the current window, where 0 means PMMDS_DRIFT_CURRENT_WINDOW_HOURS.
    `segment_features` lists the features to segment the report by, separated by commas. If empty,
    PMMDS_DRIFT_SEGMENT_FEATURES is used.
    """

    window_hours: int = 0
    segment_features: str = ""


@dg.asset(
    group_name=MONITORING,
    owners=OWNERS,
    kinds={"sql"},
    partitions_def=hourly,
    backfill_policy=dg.BackfillPolicy.single_run(),
    deps=["prediction_logs"],
    check_specs=[hourly_check(COUNTED_CHECK, "feature_histograms", "All logged rows of the hour are counted")],
)
def feature_histograms(context: dg.AssetExecutionContext, deployment: DeploymentResource) -> Materialized:
    """Counts per model version, feature and bin for each hour, computed in the database.

    Hours that did not change since they were counted are skipped. One run can cover a range of hours.
    """
    d = deployment.open()
    window = context.partition_time_window
    start, end = window.start.astimezone(UTC), window.end.astimezone(UTC)
    started = datetime.now(UTC)
    result = refresh_histograms(d, start, end)
    totals = d.histograms.hourly_rows(d.model_name, start, end)
    hours = _hours(d, start, end, dict(totals), started - ARRIVING)
    return dg.MaterializeResult(
        data_version=dg.DataVersion(d.histograms.digest(d.model_name, start, end)[:16]),
        metadata={
            "dagster/partition_row_count": sum(n for _, n in totals),
            "n_hours_counted": len(result.hours),
            "n_rows_counted": result.n_rows,
            "hours": table([{"hour": f"{h:%Y-%m-%d %H:00}", "n_rows": n} for h, n in totals[-48:]]),
            "chart": line_chart("Rows per hour", [(f"{h:%d %H:00}", n) for h, n in totals[-48:]], unit="rows"),
        },
        check_results=[_counted_check(context, hours, result)],
    )


class _Hour(NamedTuple):
    """The rows of an hour in the prediction log and in the histograms."""

    start: datetime
    n_logged: int
    n_counted: int

    @property
    def is_complete(self) -> bool:
        return self.n_counted >= self.n_logged

    @property
    def row(self) -> dict[str, Any]:
        return {"hour": f"{self.start:%Y-%m-%d %H:00}", "logged": self.n_logged, "counted": self.n_counted}


def _hours(
    d: Deployment, start: datetime, end: datetime, counted: Mapping[datetime, int], arrived: datetime
) -> list[_Hour]:
    """Return each hour of [start, end) with its counted rows and the logged rows that arrived before `arrived`."""
    logged = logged_hours(d.database, d.contract, d.archive, start, end, ingested_before=arrived)
    starts = [start + i * HOUR for i in range(round((end - start) / HOUR))]
    return [_Hour(hour, logged.get(hour, 0), counted.get(hour, 0)) for hour in starts]


def _counted_check(
    context: dg.AssetExecutionContext, hours: Sequence[_Hour], result: RefreshResult
) -> dg.AssetCheckResult:
    """Compare the hours with the log. Log a result for each hour, and return a result for the run."""
    if not context.has_partition_key:  # Otherwise, Dagster stores the result of the run as that of its only hour.
        for hour in hours:
            context.log_event(hourly_result(context.asset_key, COUNTED_CHECK, hour.start, hour.is_complete, hour.row))
    incomplete = [hour.row for hour in hours if not hour.is_complete]
    skipped = ", ".join(result.skipped_versions) or "none"
    metadata = {"n_hours": len(hours), "versions without a profile": skipped}
    return check_result(COUNTED_CHECK, not incomplete, metadata, incomplete)


@dg.asset(
    group_name=MONITORING,
    owners=OWNERS,
    kinds={"sql", "html"},
    # Depend only on the newest hour, because with the default mapping, every run lists all hours since the first one.
    deps=[dg.AssetDep(feature_histograms, partition_mapping=dg.LastPartitionMapping()), "reference_profile"],
    check_specs=[
        dg.AssetCheckSpec(DRIFT_CHECK, asset="drift_report", description="No alert rule detects drift"),
        dg.AssetCheckSpec(SAMPLES_CHECK, asset="drift_report", description="The window has enough rows"),
    ],
    output_required=False,
)
def drift_report(
    context: dg.AssetExecutionContext, config: MonitorConfig, deployment: DeploymentResource
) -> Iterator[Materialized | dg.AssetCheckResult]:
    """Drift between the window's histograms and the production model's reference profile.

    The asset writes drift_metrics, at most one open alert and an HTML page. It first counts the changed hours, so that
    the report includes the newest rows. Skipped until a model is in production.
    """
    d = deployment.open()
    if d.registry.version_of(d.model_name, PRODUCTION) is None:
        context.log.warning("No model is in production yet; skipping the report.")
        yield from (not_evaluated(name, "No model is in production yet.") for name in (DRIFT_CHECK, SAMPLES_CHECK))
        return
    hours = config.window_hours or d.settings.drift_current_window_hours
    start, end = hourly_window(datetime.now(UTC), hours)
    segments = comma_list(config.segment_features) or None
    result = monitor(d, start, end, run_id=context.run.run_id, segments=segments)
    run_hours = set(context.partition_keys) if context.has_partition_key or context.has_partition_key_range else set()
    _log_counted_hours(context, result, run_hours)
    resolved = resolve_alert(d)
    notifications = send_notifications(d)
    webhooks = send_webhooks(d)
    context.log.info("Notifications: %s. Webhooks: %s.", notifications, webhooks)
    yield dg.MaterializeResult(
        data_version=dg.DataVersion(result.digest[:16]),
        metadata={
            **_drift_metadata(d.settings.drift_psi_threshold, result),
            **console_metadata(d, "" if result.alert_id is None else alert_page(result.alert_id)),
            "alert_resolved": resolved or "none",
            "notifications": notifications,
            "webhooks": webhooks,
            "mlflow": keep_with_model(d, result.model_version, result.html_path, "drift", copy=_copy(result)),
        },
        check_results=_checks(result),
    )


def _copy(result: MonitorResult) -> str:
    """Return the name of the alert's page in the registry. All hourly reports of an alert share one page."""
    return f"alert-{result.alert_id}.html" if result.verdict == Verdict.DRIFTED and result.alert_id is not None else ""


def _checks(result: MonitorResult) -> list[dg.AssetCheckResult]:
    """Return both check results, which are warnings if there is insufficient data."""
    if result.verdict == Verdict.INSUFFICIENT_DATA:
        return [not_evaluated(name, result.reasons) for name in (DRIFT_CHECK, SAMPLES_CHECK)]
    metadata = {"verdict": result.verdict, "in words": result.reasons, "rules": table(result.verdicts_by_rule)}
    return [
        check_result(DRIFT_CHECK, result.verdict != Verdict.DRIFTED, metadata),
        check_result(SAMPLES_CHECK, True, {"n_rows": result.n_current}),
    ]


def _log_counted_hours(context: dg.AssetExecutionContext, result: MonitorResult, run_hours: set[str]) -> None:
    """Log a materialization for each counted hour that is not a partition of this run."""
    for hour in result.counted_hours:
        if key_of(hour) not in run_hours:
            histograms = dg.AssetKey([*context.asset_key.path[:-1], "feature_histograms"])
            context.log_event(dg.AssetMaterialization(histograms, partition=key_of(hour)))


def _drift_metadata(threshold: float, result: MonitorResult) -> dict[str, Any]:
    return {
        "verdict": result.verdict,
        "in words": result.reasons,
        "model_version": result.model_version,
        "dagster/row_count": result.n_current,
        "window_start": dg.MetadataValue.timestamp(result.window_start),
        "window_end": dg.MetadataValue.timestamp(result.window_end),
        "alert": result.alert_id if result.alert_id is not None else "none",
        "report": dg.MetadataValue.path(str(result.html_path)),
        **(_feature_metadata(threshold, result) if result.has_enough_rows else {}),
    }


def _feature_metadata(threshold: float, result: MonitorResult) -> dict[str, Any]:
    """Return the features' number, table and chart. With too few rows, they indicate neither drift nor its absence."""
    rows = [
        {
            "feature": f["feature"],
            "psi": f["psi"],
            "band": f["band"],
            "js_distance": f["js_distance"],
            "kl_divergence": f["kl_divergence"],
            "null_share_current": f["null_share_current"],
            "unseen_share": f["unseen_share"],
        }
        for f in result.features_by_psi
    ]
    return {
        "n_drifted_features": result.n_drifted_features,
        "features": table(rows),
        "chart": bar_chart("PSI by feature", {r["feature"]: r["psi"] for r in rows}, threshold=threshold, unit="PSI"),
    }
