"""Every PMMDS_* variable, described once. The only reader of the environment.

Add a field here and it is parsed, shown by `pmmds config` and demanded in docs/settings.md by a test.
Keep out: anything that a run decides for itself (that is run configuration).
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
from pmmds_core.config.placeholders import refuse_placeholders
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
    """All settings of one process. Paths are absolute; URLs are SQLAlchemy's."""

    home: Annotated[str, Meta(description="Folder of the embedded default's state")] = ".pmmds"
    database_url: Annotated[str, Meta(description="SQLAlchemy URL of prediction logs, metrics, decisions")] = ""
    mlflow_tracking_uri: Annotated[str, Meta(description="MLflow tracking server and registry")] = ""
    contract: Annotated[str, Meta(description="Contract file; empty means the packaged telco_churn")] = ""
    data_path: Annotated[str, Meta(description="Reference CSV; empty means the downloaded file, else the sample")] = ""

    database_pool_size: Annotated[
        PositiveInt, Meta(description="Connections to PostgreSQL that one process may hold")
    ] = 10
    retention_days: Annotated[
        int, Meta(ge=0, description="Days that predictions stay in the database before they are archived; 0: for ever")
    ] = 0
    archive_path: Annotated[
        str, Meta(description="Folder of archived predictions; empty means archive under PMMDS_HOME")
    ] = ""

    retention_reports_days: Annotated[
        int, Meta(ge=0, description="Days that report pages and stored drift reports are kept; 0 = for ever")
    ] = 90
    retention_histograms_days: Annotated[
        int, Meta(ge=0, description="Days that hourly histograms are kept; 0 = for ever")
    ] = 180
    retention_validation_days: Annotated[
        int, Meta(ge=0, description="Days that validation results are kept; 0 = for ever")
    ] = 90
    retention_datasets_days: Annotated[
        int, Meta(ge=0, description="Days that data sets of versions that never served are kept; 0 = for ever")
    ] = 90
    retention_models_days: Annotated[
        int, Meta(ge=0, description="Days that model versions that never served are kept; 0 = for ever")
    ] = 90
    retention_labels_days: Annotated[
        int, Meta(ge=0, description="Days that labels wait for a prediction that is not logged; 0 = for ever")
    ] = 90
    retention_notifications_days: Annotated[
        int, Meta(ge=0, description="Days that sent notifications are kept; 0 = for ever")
    ] = 90
    retention_dagster_days: Annotated[
        int, Meta(ge=0, description="Days that Dagster's finished runs, events and logs are kept; 0 = for ever")
    ] = 30

    drift_psi_threshold: Annotated[PositiveFloat, Meta(description="PSI over which a feature counts as drifted")] = 0.2
    drift_min_drift_features: Annotated[PositiveInt, Meta(description="Drifted features that raise an alert")] = 3
    drift_current_window_hours: Annotated[PositiveInt, Meta(description="Length of the current window, hours")] = 24
    drift_min_samples_required: Annotated[PositiveInt, Meta(description="Fewer rows: insufficient_data")] = 100

    drift_alert_rules: Annotated[
        RuleNames, Meta(description="Rules that raise an alert: spec, calibrated, joint, sequential; comma list")
    ] = "spec"
    drift_false_alarm_rate: Annotated[
        OpenShare, Meta(description="Share of undrifted windows that calibrated and joint may call drifted")
    ] = 0.05
    drift_false_alarms_per_year: Annotated[
        PositiveFloat, Meta(description="False alarms a year that sequential may raise")
    ] = 0.1
    drift_segment_features: Annotated[
        str, Meta(description="Categorical features by whose values the report is split; comma list")
    ] = ""
    alert_urls: Annotated[
        str, Meta(description="Whom to tell of alerts and of what waits for a person: apprise URLs, comma list")
    ] = ""
    alert_stable_reports: Annotated[PositiveInt, Meta(description="Stable reports in a row that resolve an alert")] = 3

    retrain_min_labels: Annotated[PositiveInt, Meta(description="Labelled rows a retraining needs")] = 200
    retrain_holdout_share: Annotated[Share, Meta(description="Share of the labelled rows held out, newest first")] = 0.4
    retrain_cooldown_minutes: Annotated[PositiveFloat, Meta(description="Wait before a cause is tried again")] = 60.0
    retrain_max_attempts: Annotated[
        PositiveInt, Meta(description="Retrainings one cause may start before a person has to look")
    ] = 3
    retrain_max_per_day: Annotated[
        PositiveInt, Meta(description="Retrainings that may start in 24 hours, whatever asks for them")
    ] = 6
    retrain_on_alert: Annotated[
        Literal["off", "on"], Meta(description="Whether an open drift alert asks for a retraining")
    ] = "on"
    retrain_on_performance_drop: Annotated[
        Literal["off", "on"], Meta(description="Whether a realized ROC-AUC below the holdout's asks for one")
    ] = "on"
    retrain_performance_margin: Annotated[
        Share, Meta(description="ROC-AUC that may be lost; the drop's 95 % interval has to lie beyond it")
    ] = 0.05
    retrain_performance_days: Annotated[PositiveInt, Meta(description="Days over which it is realized")] = 7
    retrain_every_labels: Annotated[
        int, Meta(ge=0, description="Labels since the champion's training that ask for one; 0: off")
    ] = 0
    retrain_every_days: Annotated[
        float, Meta(ge=0, description="Days since the last trained model that ask for one; 0: off")
    ] = 0.0
    train_production_max_age_days: Annotated[
        float, Meta(ge=0, description="Older labelled production rows are left out; 0: none are")
    ] = 0.0
    train_production_max_rows: Annotated[
        int, Meta(ge=0, description="Labelled production rows to fit on, the newest; 0: all")
    ] = 0
    train_reference_max_share: Annotated[
        Share, Meta(description="Most of the rows to fit on that may be reference rows, beside production rows")
    ] = 1.0
    train_reference_min_rows: Annotated[
        int, Meta(ge=0, description="Reference rows that are kept whatever their share")
    ] = 1000
    train_seed: Annotated[int, Meta(ge=0, description="Seed of split, cross-validation and estimators")] = 42
    train_candidates: Annotated[
        str, Meta(description="module:name of a mapping of candidates; empty means the packaged ones")
    ] = ""
    train_holdout_share: Annotated[Share, Meta(description="Share of the reference rows held out")] = 0.2

    promotion_min_improvement: Annotated[float, Meta(description="Least gain of the primary metric")] = 0.001
    promotion_max_latency_ratio: Annotated[PositiveFloat, Meta(description="Most latency, as challenger/champion")] = (
        1.2
    )
    promotion_significance: Annotated[
        Literal["advisory", "required"], Meta(description="Whether DeLong p < 0.05 is shown or demanded")
    ] = "advisory"
    promotion_forbid_worse_segment: Annotated[
        Literal["off", "on"], Meta(description="Whether a segment that is worse beyond chance forbids a promotion")
    ] = "off"
    promotion_segment_margin: Annotated[Share, Meta(description="ROC-AUC that a segment may lose all the same")] = 0.02

    promotion_approval: Annotated[
        Literal["automatic", "manual"], Meta(description="Whether a promotion waits for `pmmds approve`")
    ] = "automatic"

    shadow: Annotated[
        Literal["off", "on"], Meta(description="Whether the challenger scores live traffic beside the champion")
    ] = "off"

    rollback_automatic: Annotated[
        Literal["off", "on"], Meta(description="Whether a promotion that breaks a bound is taken back by itself")
    ] = "off"
    rollback_period_minutes: Annotated[PositiveFloat, Meta(description="How long a promotion is watched")] = 60.0
    rollback_min_rows: Annotated[PositiveInt, Meta(description="Fewer requests, rows or labels say nothing")] = 200
    rollback_max_error_rate: Annotated[Share, Meta(description="Most predictions that may fail (5xx), as a share")] = (
        0.02
    )
    rollback_max_latency_ratio: Annotated[
        PositiveFloat, Meta(description="Most median latency, as after/before the promotion")
    ] = 2.0
    rollback_max_metric_drop: Annotated[
        PositiveFloat, Meta(description="Most fall of the realized ROC-AUC, as before - after")
    ] = 0.05

    http_host: Annotated[str, Meta(description="Address the service listens on")] = "127.0.0.1"
    http_port: Annotated[Port, Meta(description="HTTP port of the service")] = 8000
    http_max_connections: Annotated[PositiveInt, Meta(description="Open connections of one serving process")] = 512
    http_request_seconds: Annotated[PositiveFloat, Meta(description="Time a client has to send a request")] = 10.0
    http_fast_path: Annotated[
        Literal["on", "off"],
        Meta(description="Answer predictions inside uvicorn's protocol; `off` routes them through ASGI"),
    ] = "on"
    grpc_port: Annotated[Port, Meta(description="gRPC port of the service")] = 50051
    serving_workers: Annotated[PositiveInt, Meta(description="Serving processes")] = 1
    admin_token: Annotated[
        str,
        Meta(description="Bearer token of guarded endpoints; empty: the home's admin_token file, else loopback only"),
    ] = ""
    model_verification: Annotated[
        Literal["verify_recorded", "require_record", "off"],
        Meta(
            description="Artifact verification before serving: `verify_recorded` compares files with the promotion "
            "record if there is one, `require_record` also requires one, `off` disables it"
        ),
    ] = "verify_recorded"
    model_pickle: Annotated[
        Literal["refused", "allowed"],
        Meta(description="Whether a pickled pipeline is loaded, which runs code: never, if its promotion recorded it"),
    ] = "refused"
    model_poll_seconds: Annotated[PositiveFloat, Meta(description="How often the production alias is read")] = 0.5
    model_fetch_seconds: Annotated[
        PositiveFloat,
        Meta(description="Time a version's files may take to come; then they are given up, and tried again"),
    ] = 120.0
    spool_sync_seconds: Annotated[
        PositiveFloat, Meta(description="Answered predictions that a power cut may take, as seconds before it")
    ] = 0.1
    spool_max_bytes: Annotated[
        int, Meta(ge=1_000_000, description="Bytes a worker's predictions may take while the database is away")
    ] = 1_000_000_000
    spool_when_full: Annotated[
        Literal["reject", "drop_oldest"],
        Meta(description="Beyond that: refuse predictions, or give up the oldest rows"),
    ] = "reject"
    spool_max_attempts: Annotated[
        PositiveInt, Meta(description="Tries before rows that the database refuses become dead letters")
    ] = 5
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="Least level that is logged")
    ] = "info"

    otlp_endpoint: Annotated[
        str,
        Meta(
            pattern=r"^(https?://\S+)?$",
            description="OpenTelemetry collector (OTLP over HTTP) that gets spans of requests; empty: no tracing",
            extra={"expected": "a URL such as http://localhost:4318"},
        ),
    ] = ""
    otlp_trace_share: Annotated[Share, Meta(description="Share of requests traced where the client did not decide")] = (
        1.0
    )

    log_prediction_share: Annotated[Share, Meta(description="Share of predictions with a log line of their own")] = 1.0

    dagster_host: Annotated[str, Meta(description="Address of Dagster's web server")] = "127.0.0.1"
    dagster_port: Annotated[Port, Meta(description="Port of Dagster's web server")] = 3000
    dagster_read_only: Annotated[
        Literal["off", "on"], Meta(description="Dagster's web server refuses every mutation, such as launching a run")
    ] = "off"
    web_allowed_hosts: Annotated[
        HostNames,
        Meta(description="Host names, beyond loopback, that Dagster's and MLflow's web servers answer to; comma list"),
    ] = ""
    schedules: Annotated[
        Literal["on", "off"], Meta(description="Whether Dagster's schedules ask for runs; off: who asks is elsewhere")
    ] = "on"
    dagster_executor: Annotated[
        Literal["in_process", "multiprocess", "celery"], Meta(description="Where the steps of a launched run work")
    ] = "in_process"
    celery_broker_url: Annotated[BrokerUrl, Meta(description="Broker of Celery steps and workers")] = (
        "redis://127.0.0.1:6379/0"
    )
    mlflow_host: Annotated[str, Meta(description="Address of the MLflow server")] = "127.0.0.1"
    mlflow_port: Annotated[Port, Meta(description="Port of the MLflow server")] = 5000

    dagster_database_url: Annotated[
        str, Meta(description="PostgreSQL URL of Dagster's runs, events and schedules; empty: SQLite")
    ] = ""
    dagster_code_server: Annotated[
        str,
        Meta(
            pattern=r"^([A-Za-z0-9._-]+:[0-9]{1,5})?$",
            description="host:port of Dagster's code server; empty: web server and daemon load the code themselves",
            extra={"expected": "host:port"},
        ),
    ] = ""
    mlflow_database_url: Annotated[
        str, Meta(description="Database of the MLflow server; empty: that of PMMDS_MLFLOW_TRACKING_URI")
    ] = ""
    mlflow_artifact_root: Annotated[
        str, Meta(description="Where MLflow keeps artifacts: a folder, or s3://bucket/path")
    ] = ""

    @property
    def home_path(self) -> Path:
        return Path(self.home).expanduser().absolute()

    @property
    def resolved_database_url(self) -> str:
        """The database URL with the embedded default filled in; psycopg 3 is the PostgreSQL driver."""
        return with_driver(self.database_url or f"sqlite:///{self.home_path / 'pmmds.db'}", "psycopg")

    @property
    def resolved_archive_path(self) -> Path:
        return Path(self.archive_path).expanduser().absolute() if self.archive_path else self.home_path / "archive"

    @property
    def resolved_tracking_uri(self) -> str:
        return with_driver(self.mlflow_tracking_uri or f"sqlite:///{self.home_path / 'mlflow.db'}", "psycopg")

    @property
    def has_tracking_server(self) -> bool:
        """Whether clients ask an MLflow server over HTTP, rather than its database."""
        return self.mlflow_tracking_uri.startswith(("http://", "https://"))

    @property
    def resolved_mlflow_database_url(self) -> str:
        """The database of the MLflow server that PMMDS starts; empty when the server is somebody else's."""
        if self.mlflow_database_url:
            return with_driver(self.mlflow_database_url, "psycopg")
        return "" if self.has_tracking_server else self.resolved_tracking_uri

    @property
    def resolved_artifact_root(self) -> str:
        """URI of the folder or bucket of MLflow's artifacts, without a slash at its end."""
        root = self.mlflow_artifact_root.rstrip("/") or str(self.home_path / "mlartifacts")
        return root if "://" in root else "file://" + quote(str(Path(root).expanduser().absolute()))

    @property
    def resolved_dagster_database_url(self) -> str:
        """The URL of Dagster's storage, whose driver is psycopg2; empty for the embedded SQLite."""
        return with_driver(self.dagster_database_url, "psycopg2")

    @property
    def alert_rules(self) -> tuple[str, ...]:
        return comma_list(self.drift_alert_rules)

    @property
    def segment_features(self) -> tuple[str, ...]:
        return comma_list(self.drift_segment_features)

    def web_hosts(self, bound_to: str) -> frozenset[str]:
        """Host names, lower case, that a web server answers to besides those of this machine.

        Args:
            bound_to: the address it listens on, which is a name of it unless it is every address.
        """
        names = {name.lower() for name in comma_list(self.web_allowed_hosts)}
        return frozenset(names if is_every_address(bound_to) else names | {bound_to.lower()})

    def to_environment(self) -> dict[str, str]:
        """The PMMDS_* variables that give these settings to a child process."""
        return {variable_name(name): str(getattr(self, name)) for name in self.__struct_fields__}


def variable_name(field: str) -> str:
    return PREFIX + field.upper()


def source_of(environment: Mapping[str, str] | None) -> Mapping[str, str]:
    """`environment`, or the process's own when None."""
    return os.environ if environment is None else environment


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings.

    Args:
        environment: variables to read; the process's own when None.

    Raises:
        SettingError: a variable does not parse, the file that should hold a secret cannot be read, or a secret is a
            placeholder of an example.
    """
    source = source_of(environment)
    fields = {f.name: f for f in msgspec.structs.fields(Settings)}
    values: dict[str, Any] = {}
    for name, field in fields.items():
        raw = raw_value(name, variable_name(name), source)
        if raw == "":
            continue
        values[name] = parse(variable_name(name), raw, field.type)
    refuse_placeholders(source, {variable_name(name): str(values.get(name, "")) for name in SECRETS})
    settings = Settings(**values)
    return settings if settings.admin_token else replace(settings, admin_token=read_token(settings.home_path))
