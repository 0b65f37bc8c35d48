"""Every PMMDS_* variable with its type, default and description. The only reader of the environment.

A field added here is parsed and shown by `pmmds config`; a test requires it in docs/settings.md.
Does not live here: options of a single run (run configuration in pmmds_assets).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from pmmds_core.config.admin_token import read_token
from pmmds_core.config.placeholders import reject_placeholders
from pmmds_core.config.secret_files import SECRETS, raw_value
from pmmds_core.config.values import (
    BrokerUrl,
    HostNames,
    OpenShare,
    Port,
    PositiveFloat,
    PositiveInt,
    RuleNames,
    Share,
    comma_list,
    is_every_address,
    parse,
    with_driver,
)

PREFIX = "PMMDS_"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All settings of one process, as given. The `resolved_*` properties fill in what depends on `home`."""

    home: Annotated[
        str, Meta(description="Folder for all local state: embedded databases, spool, reports, admin token")
    ] = ".pmmds"
    database_url: Annotated[
        str, Meta(description="SQLAlchemy URL of the PMMDS database; empty = SQLite in PMMDS_HOME")
    ] = ""
    mlflow_tracking_uri: Annotated[
        str, Meta(description="URI of the MLflow tracking server and registry; empty = SQLite in PMMDS_HOME")
    ] = ""
    contract: Annotated[str, Meta(description="Contract file; empty = the packaged telco_churn")] = ""
    data_path: Annotated[
        str, Meta(description="Reference CSV; empty = the downloaded file, else the packaged sample")
    ] = ""

    database_pool_size: Annotated[PositiveInt, Meta(description="Maximum PostgreSQL connections per process")] = 10
    retention_days: Annotated[
        int, Meta(ge=0, description="Days before predictions are archived; 0 = never archive")
    ] = 0
    archive_path: Annotated[str, Meta(description="Folder of archived predictions; empty = archive/ in PMMDS_HOME")] = (
        ""
    )

    retention_reports_days: Annotated[
        int, Meta(ge=0, description="Days to keep report pages and stored drift reports; 0 = forever")
    ] = 90
    retention_histograms_days: Annotated[int, Meta(ge=0, description="Days to keep hourly histograms; 0 = forever")] = (
        180
    )
    retention_validation_days: Annotated[
        int, Meta(ge=0, description="Days to keep validation results; 0 = forever")
    ] = 90
    retention_datasets_days: Annotated[
        int, Meta(ge=0, description="Days to keep data sets of versions that never served; 0 = forever")
    ] = 90
    retention_models_days: Annotated[
        int, Meta(ge=0, description="Days to keep model versions that never served; 0 = forever")
    ] = 90
    retention_labels_days: Annotated[
        int, Meta(ge=0, description="Days to keep labels whose prediction is not in the log; 0 = forever")
    ] = 90
    retention_notifications_days: Annotated[
        int, Meta(ge=0, description="Days to keep sent notifications; 0 = forever")
    ] = 90
    retention_dagster_days: Annotated[
        int, Meta(ge=0, description="Days to keep Dagster's finished runs, events and logs; 0 = forever")
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
        str, Meta(description="Categorical features to split drift reports by (comma-separated)")
    ] = ""
    alert_urls: Annotated[
        str, Meta(description="Apprise URLs (comma-separated) notified of alerts and pending manual actions")
    ] = ""
    alert_stable_reports: Annotated[
        PositiveInt, Meta(description="Consecutive stable reports that resolve an alert")
    ] = 3

    retrain_min_labels: Annotated[
        PositiveInt, Meta(description="Minimum labelled production rows for a retraining")
    ] = 200
    retrain_holdout_share: Annotated[
        Share, Meta(description="Share of the labelled production rows held out for evaluation, newest first")
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
    retrain_on_alert: Annotated[Literal["off", "on"], Meta(description="Retrain on an open drift alert")] = "on"
    retrain_on_performance_drop: Annotated[
        Literal["off", "on"], Meta(description="Retrain if realized ROC-AUC falls below the holdout's")
    ] = "on"
    retrain_performance_margin: Annotated[
        Share, Meta(description="Tolerated ROC-AUC drop; the drop's 95% interval must exceed it")
    ] = 0.05
    retrain_performance_days: Annotated[
        PositiveInt, Meta(description="Days of labelled rows that realized ROC-AUC is measured on")
    ] = 7
    retrain_every_labels: Annotated[
        int, Meta(ge=0, description="Labels since the champion's training that trigger a retraining; 0 = off")
    ] = 0
    retrain_every_days: Annotated[
        float, Meta(ge=0, description="Days since the last trained model that trigger a retraining; 0 = off")
    ] = 0.0
    train_production_max_age_days: Annotated[
        float, Meta(ge=0, description="Maximum age in days of labelled production rows to train on; 0 = no limit")
    ] = 0.0
    train_production_max_rows: Annotated[
        int, Meta(ge=0, description="Maximum number of labelled production rows to train on, newest first; 0 = all")
    ] = 0
    train_reference_max_share: Annotated[
        Share, Meta(description="Maximum share of reference rows in the training rows, if there are production rows")
    ] = 1.0
    train_reference_min_rows: Annotated[
        int, Meta(ge=0, description="Minimum reference rows to train on, regardless of their share")
    ] = 1000
    train_seed: Annotated[int, Meta(ge=0, description="Seed of split, cross-validation and estimators")] = 42
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
        Literal["off", "on"], Meta(description="Block promotion if a segment is significantly worse")
    ] = "off"
    promotion_segment_margin: Annotated[Share, Meta(description="Tolerated ROC-AUC loss per segment")] = 0.02

    promotion_approval: Annotated[
        Literal["automatic", "manual"], Meta(description="Promote automatically, or wait for `pmmds approve`")
    ] = "automatic"

    shadow: Annotated[
        Literal["off", "on"], Meta(description="Score live traffic with the challenger in a shadow process")
    ] = "off"

    rollback_automatic: Annotated[
        Literal["off", "on"], Meta(description="Roll back automatically when a promotion violates a guardrail")
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

    http_host: Annotated[str, Meta(description="Address the service listens on")] = "127.0.0.1"
    http_port: Annotated[Port, Meta(description="HTTP port of the service")] = 8000
    http_max_connections: Annotated[PositiveInt, Meta(description="Maximum open connections per serving process")] = 512
    http_request_seconds: Annotated[PositiveFloat, Meta(description="Timeout in seconds for receiving a request")] = (
        10.0
    )
    grpc_port: Annotated[Port, Meta(description="gRPC port of the service")] = 50051
    serving_workers: Annotated[PositiveInt, Meta(description="Number of serving processes")] = 1
    admin_token: Annotated[
        str,
        Meta(description="Bearer token of guarded endpoints; empty = PMMDS_HOME/admin_token, else loopback only"),
    ] = ""
    model_trust: Annotated[
        Literal["unaltered", "recorded", "any"],
        Meta(
            description="Artifact verification: `unaltered` verifies recorded versions, "
            "`recorded` also requires a record, `any` disables it"
        ),
    ] = "unaltered"
    model_pickle: Annotated[
        Literal["refused", "allowed"],
        Meta(description="Loading of pickled pipelines (executes code); `allowed` loads only recorded ones"),
    ] = "refused"
    model_poll_seconds: Annotated[
        PositiveFloat, Meta(description="Interval in seconds between reads of the production alias")
    ] = 0.5
    model_fetch_seconds: Annotated[
        PositiveFloat,
        Meta(description="Model download timeout in seconds (retried afterwards)"),
    ] = 120.0
    spool_sync_seconds: Annotated[
        PositiveFloat,
        Meta(description="Spool fsync interval: at most this many seconds of predictions are lost in a power failure"),
    ] = 0.1
    spool_max_bytes: Annotated[
        int, Meta(ge=1_000_000, description="Maximum spool size per worker in bytes while the database is unavailable")
    ] = 1_000_000_000
    spool_when_full: Annotated[
        Literal["reject", "drop_oldest"],
        Meta(description="When the spool is full: reject predictions, or drop the oldest rows"),
    ] = "reject"
    spool_max_attempts: Annotated[
        PositiveInt, Meta(description="Attempts before rows that the database rejects become dead letters")
    ] = 5
    log_level: Annotated[Literal["debug", "info", "warning", "error"], Meta(description="Minimum log level")] = "info"

    otlp_endpoint: Annotated[
        str,
        Meta(
            pattern=r"^(https?://\S+)?$",
            description="OpenTelemetry collector (OTLP over HTTP) for request spans; empty = no tracing",
            extra={"expected": "a URL such as http://localhost:4318"},
        ),
    ] = ""
    otlp_trace_share: Annotated[Share, Meta(description="Share of requests to trace if the client does not decide")] = (
        1.0
    )

    log_prediction_share: Annotated[Share, Meta(description="Share of predictions with their own log line")] = 1.0

    dagster_host: Annotated[str, Meta(description="Address of Dagster's web server")] = "127.0.0.1"
    dagster_port: Annotated[Port, Meta(description="Port of Dagster's web server")] = 3000
    dagster_read_only: Annotated[
        Literal["off", "on"], Meta(description="Run Dagster's web server read-only, so that it rejects every mutation")
    ] = "off"
    web_allowed_hosts: Annotated[
        HostNames,
        Meta(
            description="Host names (comma-separated) that the Dagster and MLflow web servers accept besides loopback"
        ),
    ] = ""
    schedules: Annotated[
        Literal["on", "off"],
        Meta(description="Enable Dagster schedules; `off` when an external scheduler triggers runs"),
    ] = "on"
    dagster_executor: Annotated[
        Literal["in_process", "multiprocess", "celery"], Meta(description="Executor of launched Dagster runs")
    ] = "in_process"
    celery_broker_url: Annotated[BrokerUrl, Meta(description="Broker URL of the Celery executor")] = (
        "redis://127.0.0.1:6379/0"
    )
    mlflow_host: Annotated[str, Meta(description="Address of the MLflow server")] = "127.0.0.1"
    mlflow_port: Annotated[Port, Meta(description="Port of the MLflow server")] = 5000

    dagster_database_url: Annotated[
        str, Meta(description="PostgreSQL URL of Dagster's runs, events and schedules; empty = SQLite")
    ] = ""
    dagster_code_server: Annotated[
        str,
        Meta(
            pattern=r"^([A-Za-z0-9._-]+:[0-9]{1,5})?$",
            description="host:port of Dagster's code server; empty = web server and daemon load the code themselves",
            extra={"expected": "host:port"},
        ),
    ] = ""
    mlflow_database_url: Annotated[
        str, Meta(description="Database URL of the MLflow server; empty = that of PMMDS_MLFLOW_TRACKING_URI")
    ] = ""
    mlflow_artifact_root: Annotated[
        str,
        Meta(description="MLflow's artifact store: a folder, or s3://bucket/path; empty = mlartifacts/ in PMMDS_HOME"),
    ] = ""

    @property
    def home_path(self) -> Path:
        return Path(self.home).expanduser().absolute()

    @property
    def resolved_database_url(self) -> str:
        """URL of the PMMDS database; by default SQLite under `home`. The PostgreSQL driver is psycopg 3."""
        return with_driver(self.database_url or f"sqlite:///{self.home_path / 'pmmds.db'}", "psycopg")

    @property
    def resolved_archive_path(self) -> Path:
        return Path(self.archive_path).expanduser().absolute() if self.archive_path else self.home_path / "archive"

    @property
    def resolved_tracking_uri(self) -> str:
        return with_driver(self.mlflow_tracking_uri or f"sqlite:///{self.home_path / 'mlflow.db'}", "psycopg")

    @property
    def has_tracking_server(self) -> bool:
        """True if clients use an MLflow server over HTTP, False if they open its database."""
        return self.mlflow_tracking_uri.startswith(("http://", "https://"))

    @property
    def resolved_mlflow_database_url(self) -> str:
        """Database URL of the MLflow server that PMMDS starts; empty if the server is external."""
        if self.mlflow_database_url:
            return with_driver(self.mlflow_database_url, "psycopg")
        return "" if self.has_tracking_server else self.resolved_tracking_uri

    @property
    def resolved_artifact_root(self) -> str:
        """URI of the folder or bucket of MLflow's artifacts, without a trailing slash."""
        root = self.mlflow_artifact_root.rstrip("/") or str(self.home_path / "mlartifacts")
        return root if "://" in root else "file://" + quote(str(Path(root).expanduser().absolute()))

    @property
    def resolved_dagster_database_url(self) -> str:
        """URL of Dagster's storage, with the driver psycopg2; empty for the embedded SQLite."""
        return with_driver(self.dagster_database_url, "psycopg2")

    @property
    def alert_rules(self) -> tuple[str, ...]:
        return comma_list(self.drift_alert_rules)

    @property
    def segment_features(self) -> tuple[str, ...]:
        return comma_list(self.drift_segment_features)

    def web_hosts(self, bound_to: str) -> frozenset[str]:
        """Host names, lower case, that a web server accepts besides loopback.

        Args:
            bound_to: the address it listens on; accepted too, unless it is the wildcard address.
        """
        names = {name.lower() for name in comma_list(self.web_allowed_hosts)}
        return frozenset(names if is_every_address(bound_to) else names | {bound_to.lower()})

    def to_environment(self) -> dict[str, str]:
        """The PMMDS_* variables that pass these settings to a child process."""
        return {variable_name(name): str(getattr(self, name)) for name in self.__struct_fields__}


def variable_name(field: str) -> str:
    return PREFIX + field.upper()


def source_of(environment: Mapping[str, str] | None) -> Mapping[str, str]:
    """`environment`, or that of this process if None."""
    return os.environ if environment is None else environment


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings.

    Args:
        environment: variables to read; those of this process if None.

    Raises:
        SettingError: a variable does not parse, the file of a secret cannot be read, or a secret is a placeholder
            copied from an example.
    """
    source = source_of(environment)
    fields = {f.name: f for f in msgspec.structs.fields(Settings)}
    values: dict[str, Any] = {}
    for name, field in fields.items():
        raw = raw_value(name, variable_name(name), source)
        if raw == "":
            continue
        values[name] = parse(variable_name(name), raw, field.type)
    reject_placeholders(source, {variable_name(name): str(values.get(name, "")) for name in SECRETS})
    settings = Settings(**values)
    return settings if settings.admin_token else replace(settings, admin_token=read_token(settings.home_path))
