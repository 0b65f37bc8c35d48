"""Settings of the retraining loop: stores, retention, drift, alerts, training, promotion, shadow and rollback.

Not here: settings of the service, Dagster and MLflow, and reading the environment (settings.py).
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from pmmds_core.config.values import (
    Day,
    Hours,
    NonNegativeFloat,
    NonNegativeInt,
    OffOn,
    OpenShare,
    PathText,
    PositiveFloat,
    PositiveInt,
    RuleNames,
    Share,
    TextList,
)


class LoopSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of the retraining loop, which form the first part of `Settings`.

    They have the order of docs/settings.md.
    """

    home: Annotated[
        PathText, Meta(description="Folder for all local state: embedded databases, spool, reports, admin token")
    ] = ".pmmds"
    database_url: Annotated[
        str, Meta(description="SQLAlchemy URL of the PMMDS database; empty = SQLite in PMMDS_HOME")
    ] = ""
    mlflow_tracking_uri: Annotated[
        str, Meta(description="URI of the MLflow tracking server and registry; empty = SQLite in PMMDS_HOME")
    ] = ""
    contract: Annotated[PathText, Meta(description="Contract file; empty = the packaged telco_churn")] = ""
    data_path: Annotated[
        PathText, Meta(description="Reference CSV; empty = the downloaded file, else the packaged sample")
    ] = ""

    database_pool_size: Annotated[PositiveInt, Meta(description="Maximum PostgreSQL connections per process")] = 10
    retention_days: Annotated[
        NonNegativeInt, Meta(description="Days before predictions are archived; 0 = never archive")
    ] = 0
    archive_path: Annotated[
        PathText, Meta(description="Folder of archived predictions; empty = archive/ in PMMDS_HOME")
    ] = ""

    retention_reports_days: Annotated[
        NonNegativeInt, Meta(description="Days to keep report pages and stored drift reports; 0 = forever")
    ] = 90
    retention_histograms_days: Annotated[
        NonNegativeInt, Meta(description="Days to keep hourly histograms; 0 = forever")
    ] = 180
    retention_validation_days: Annotated[
        NonNegativeInt, Meta(description="Days to keep validation results; 0 = forever")
    ] = 90
    retention_datasets_days: Annotated[
        NonNegativeInt, Meta(description="Days to keep data sets of versions that never served; 0 = forever")
    ] = 90
    retention_models_days: Annotated[
        NonNegativeInt, Meta(description="Days to keep model versions that never served; 0 = forever")
    ] = 90
    retention_labels_days: Annotated[
        NonNegativeInt, Meta(description="Days to keep labels whose prediction is not in the log; 0 = forever")
    ] = 90
    retention_notifications_days: Annotated[
        NonNegativeInt, Meta(description="Days to keep sent notifications; 0 = forever")
    ] = 90
    retention_dagster_days: Annotated[
        NonNegativeInt, Meta(description="Days to keep Dagster's finished runs, events and logs; 0 = forever")
    ] = 30

    drift_psi_threshold: Annotated[
        PositiveFloat, Meta(description="PSI above which a feature counts as drifted (rule spec)")
    ] = 0.2
    drift_min_drift_features: Annotated[
        PositiveInt, Meta(description="Minimum drifted features for an alert (rule spec)")
    ] = 3
    drift_current_window_hours: Annotated[PositiveInt, Meta(description="Length of the current window in hours")] = 24
    drift_min_samples_required: Annotated[
        PositiveInt, Meta(description="Minimum rows for a verdict; with fewer it is insufficient_data")
    ] = 100

    drift_alert_rules: Annotated[
        RuleNames, Meta(description="Rules that raise alerts (comma-separated): spec, calibrated, joint, sequential")
    ] = "spec"
    drift_false_alarm_rate: Annotated[
        OpenShare, Meta(description="False-alarm rate per window of the rules calibrated and joint, 0–1")
    ] = 0.05
    drift_false_alarms_per_year: Annotated[
        PositiveFloat, Meta(description="False alarms per year of the rule sequential")
    ] = 0.1
    drift_segment_features: Annotated[
        TextList, Meta(description="Categorical features to split drift reports by (comma-separated)")
    ] = ""
    alert_urls: Annotated[
        TextList, Meta(description="Apprise URLs (comma-separated) notified of alerts and pending manual actions")
    ] = ""
    webhook_urls: Annotated[
        TextList, Meta(description="https:// addresses (comma-separated) that receive signed events")
    ] = ""
    webhook_secret: Annotated[
        TextList, Meta(description="Secrets that sign webhooks, whsec_…; two (comma-separated) during a rotation")
    ] = ""
    alert_stable_reports: Annotated[
        PositiveInt, Meta(description="Consecutive stable reports that resolve an alert")
    ] = 3

    timestamp_earliest: Annotated[
        Day, Meta(description="Earliest accepted timestamp of a label, as a UTC day; 1970-01-01 at the earliest")
    ] = date(2000, 1, 1)
    timestamp_max_ahead_hours: Annotated[
        Hours, Meta(description="Maximum hours that a label's timestamp may be ahead of the current time")
    ] = 24.0

    retrain_min_labels: Annotated[PositiveInt, Meta(description="Minimum labeled production rows for a retraining")] = (
        200
    )
    retrain_holdout_share: Annotated[
        Share, Meta(description="Share of the labeled production rows held out for evaluation, newest first")
    ] = 0.4
    retrain_cooldown_minutes: Annotated[
        PositiveFloat, Meta(description="Minutes before a failed retraining is retried for the same trigger")
    ] = 60.0
    retrain_max_attempts: Annotated[
        PositiveInt, Meta(description="Maximum retrainings per trigger before manual action is required")
    ] = 3
    retrain_max_per_day: Annotated[
        PositiveInt, Meta(description="Maximum retrainings in 24 hours, over all triggers")
    ] = 6
    retrain_on_alert: Annotated[OffOn, Meta(description="Retrain on an open drift alert")] = "on"
    retrain_on_performance_drop: Annotated[
        OffOn, Meta(description="Retrain if realized ROC-AUC falls below the holdout's")
    ] = "on"
    retrain_performance_margin: Annotated[
        Share, Meta(description="Tolerated ROC-AUC drop; the drop's 95% interval must exceed it")
    ] = 0.05
    retrain_performance_days: Annotated[
        PositiveInt, Meta(description="Days of labeled rows that realized ROC-AUC is measured on")
    ] = 7
    retrain_every_labels: Annotated[
        NonNegativeInt, Meta(description="Labels since the champion's training that trigger a retraining; 0 = off")
    ] = 0
    retrain_every_days: Annotated[
        NonNegativeFloat, Meta(description="Days since the last trained model that trigger a retraining; 0 = off")
    ] = 0.0
    train_production_max_age_days: Annotated[
        NonNegativeFloat, Meta(description="Maximum age in days of labeled production rows to train on; 0 = no limit")
    ] = 0.0
    train_production_max_rows: Annotated[
        NonNegativeInt,
        Meta(description="Maximum number of labeled production rows to train on, newest first; 0 = all"),
    ] = 0
    train_reference_max_share: Annotated[
        Share, Meta(description="Maximum share of reference rows in the training rows, if there are production rows")
    ] = 1.0
    train_reference_min_rows: Annotated[
        NonNegativeInt, Meta(description="Minimum reference rows to train on, regardless of their share")
    ] = 1000
    train_seed: Annotated[NonNegativeInt, Meta(description="Seed of split, cross-validation and estimators")] = 42
    train_candidates: Annotated[
        str, Meta(description="module:name of a mapping of candidate models; empty = the packaged ones")
    ] = ""
    train_holdout_share: Annotated[Share, Meta(description="Share of the reference rows held out for evaluation")] = 0.2

    promotion_min_improvement: Annotated[float, Meta(description="Minimum gain in the primary metric")] = 0.001
    promotion_max_latency_ratio: Annotated[
        PositiveFloat, Meta(description="Maximum challenger/champion latency ratio")
    ] = 1.2
    promotion_significance: Annotated[
        Literal["advisory", "required"],
        Meta(description="DeLong's test (p < 0.05): shown only, or required for promotion"),
    ] = "advisory"
    promotion_forbid_worse_segment: Annotated[
        OffOn, Meta(description="Block promotion if a segment is significantly worse")
    ] = "off"
    promotion_segment_margin: Annotated[Share, Meta(description="Tolerated ROC-AUC loss per segment")] = 0.02

    promotion_approval: Annotated[
        Literal["automatic", "manual"], Meta(description="Promote automatically, or wait for `pmmds approve`")
    ] = "automatic"
    promotion_approvals: Annotated[
        int, Meta(ge=1, le=2, description="Number of people who must approve a promotion that waits for approval")
    ] = 1

    shadow: Annotated[OffOn, Meta(description="Score live traffic with the challenger in a shadow process")] = "off"

    rollback_automatic: Annotated[
        OffOn, Meta(description="Roll back automatically when a promotion violates a guardrail")
    ] = "off"
    rollback_period_minutes: Annotated[
        PositiveFloat, Meta(description="Minutes that a promotion is monitored for rollback")
    ] = 60.0
    rollback_min_rows: Annotated[PositiveInt, Meta(description="Minimum sample size for the rollback check")] = 200
    rollback_max_error_rate: Annotated[
        Share, Meta(description="Maximum share of failed predictions (5xx) after a promotion")
    ] = 0.02
    rollback_max_latency_ratio: Annotated[
        PositiveFloat, Meta(description="Maximum median latency ratio, after/before the promotion")
    ] = 2.0
    rollback_max_metric_drop: Annotated[
        PositiveFloat, Meta(description="Maximum drop in realized ROC-AUC, before minus after the promotion")
    ] = 0.05
