"""Every PMMDS_* variable, described once. The only reader of the environment.

Add a field here and it is parsed, shown by `pmmds config` and demanded in docs/settings.md by a test.
Keep out: anything that a run decides for itself (that is run configuration).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta

from pmmds_core.errors import SettingError

PREFIX = "PMMDS_"

Port = Annotated[int, Meta(ge=1, le=65535)]
PositiveInt = Annotated[int, Meta(ge=1)]
PositiveFloat = Annotated[float, Meta(gt=0)]
Share = Annotated[float, Meta(ge=0, le=1)]
OpenShare = Annotated[float, Meta(gt=0, lt=1)]
_RULE = "(spec|calibrated|joint|sequential)"
RuleNames = Annotated[
    str,
    Meta(
        pattern=rf"^\s*{_RULE}(\s*,\s*{_RULE})*\s*$",
        extra={"expected": "a comma list of spec, calibrated, joint, sequential"},
    ),
]


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
        str, Meta(description="Whom to tell of alerts: apprise URLs, separated by commas or spaces")
    ] = ""
    alert_stable_reports: Annotated[PositiveInt, Meta(description="Stable reports in a row that resolve an alert")] = 3

    retrain_min_labels: Annotated[PositiveInt, Meta(description="Labelled rows a retraining needs")] = 200
    retrain_holdout_share: Annotated[Share, Meta(description="Share of the labelled rows held out, newest first")] = 0.4
    retrain_cooldown_minutes: Annotated[PositiveFloat, Meta(description="Wait before an alert is tried again")] = 60.0
    retrain_max_attempts: Annotated[PositiveInt, Meta(description="Retrainings one alert may start")] = 3
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
        PositiveFloat, Meta(description="Most fall of the realised ROC-AUC, as before - after")
    ] = 0.05

    http_host: Annotated[str, Meta(description="Address the service listens on")] = "127.0.0.1"
    http_port: Annotated[Port, Meta(description="HTTP port of the service")] = 8000
    http_max_connections: Annotated[PositiveInt, Meta(description="Open connections of one serving process")] = 512
    http_request_seconds: Annotated[PositiveFloat, Meta(description="Time a client has to send a request")] = 10.0
    grpc_port: Annotated[Port, Meta(description="gRPC port of the service")] = 50051
    serving_workers: Annotated[PositiveInt, Meta(description="Serving processes")] = 1
    admin_token: Annotated[str, Meta(description="Bearer token of changing endpoints; empty: loopback only")] = ""
    model_poll_seconds: Annotated[PositiveFloat, Meta(description="How often the production alias is read")] = 0.5
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

    log_prediction_share: Annotated[Share, Meta(description="Share of predictions with a log line of their own")] = 1.0

    dagster_host: Annotated[str, Meta(description="Address of Dagster's web server")] = "127.0.0.1"
    dagster_port: Annotated[Port, Meta(description="Port of Dagster's web server")] = 3000
    mlflow_host: Annotated[str, Meta(description="Address of the MLflow server")] = "127.0.0.1"
    mlflow_port: Annotated[Port, Meta(description="Port of the MLflow server")] = 5000

    @property
    def home_path(self) -> Path:
        return Path(self.home).expanduser().absolute()

    @property
    def resolved_database_url(self) -> str:
        """The database URL with the embedded default filled in; psycopg 3 is the PostgreSQL driver."""
        url = self.database_url or f"sqlite:///{self.home_path / 'pmmds.db'}"
        for plain in ("postgresql://", "postgres://"):
            if url.startswith(plain):
                return "postgresql+psycopg://" + url.removeprefix(plain)
        return url

    @property
    def resolved_archive_path(self) -> Path:
        return Path(self.archive_path).expanduser().absolute() if self.archive_path else self.home_path / "archive"

    @property
    def resolved_tracking_uri(self) -> str:
        return self.mlflow_tracking_uri or f"sqlite:///{self.home_path / 'mlflow.db'}"

    @property
    def alert_rules(self) -> tuple[str, ...]:
        return comma_list(self.drift_alert_rules)

    @property
    def segment_features(self) -> tuple[str, ...]:
        return comma_list(self.drift_segment_features)

    def to_environment(self) -> dict[str, str]:
        """The PMMDS_* variables that give these settings to a child process."""
        return {variable_name(name): str(getattr(self, name)) for name in self.__struct_fields__}


def comma_list(text: str) -> tuple[str, ...]:
    """The parts of a comma list, each once."""
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def variable_name(field: str) -> str:
    return PREFIX + field.upper()


class SettingInfo(msgspec.Struct, frozen=True):
    """One row of `pmmds config`."""

    variable: str
    value: str
    default: str
    description: str
    is_set: bool


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings.

    Args:
        environment: variables to read; the process's own when None.

    Raises:
        SettingError: a variable does not parse, or a PMMDS_* name is unknown.
    """
    source = os.environ if environment is None else environment
    fields = {f.name: f for f in msgspec.structs.fields(Settings)}
    values: dict[str, Any] = {}
    for name, field in fields.items():
        raw = source.get(variable_name(name), "")
        if raw == "":
            continue
        values[name] = _parse(variable_name(name), raw, field.type)
    return Settings(**values)


def _parse(variable: str, raw: str, kind: Any) -> Any:
    try:
        return msgspec.convert(raw, kind, strict=False)
    except msgspec.ValidationError as error:
        raise SettingError(
            f"{variable}={raw!r} is not valid: {_expected(kind, str(error))}.",
            next_step=f"Set {variable} to an allowed value, or unset it.",
        ) from None


def _expected(kind: Any, message: str) -> str:
    literal = next((a for a in (kind, *get_args(kind)) if str(a).startswith("typing.Literal")), None)
    if literal is not None:
        return "expected one of " + ", ".join(get_args(literal))
    told = next((m.extra["expected"] for m in _metas(kind) if m.extra and "expected" in m.extra), None)
    if told is not None:
        return f"expected {told}"
    return message.split(" - at ")[0].replace("`", "")[:1].lower() + message.split(" - at ")[0].replace("`", "")[1:]


def _metas(kind: Any) -> list[Meta]:
    """The constraints of a type; nested Annotated types are one flat list."""
    return [m for m in get_args(kind) if isinstance(m, Meta)]


def describe(environment: Mapping[str, str] | None = None) -> list[SettingInfo]:
    """Every setting with its value, default and meaning; secrets are masked."""
    source = os.environ if environment is None else environment
    settings = load_settings(source)
    rows = []
    for field in msgspec.structs.fields(Settings):
        meta = [m for m in _metas(field.type) if m.description]
        value = str(getattr(settings, field.name))
        rows.append(
            SettingInfo(
                variable=variable_name(field.name),
                value=_masked(field.name, value),
                default=str(field.default),
                description=str(meta[-1].description),
                is_set=bool(source.get(variable_name(field.name))),
            )
        )
    return rows


def _masked(name: str, value: str) -> str:
    if name in ("admin_token", "alert_urls"):
        return "(set)" if value else ""
    if "://" in value and "@" in value:
        scheme, rest = value.split("://", 1)
        user, host = rest.rsplit("@", 1)
        return f"{scheme}://{user.split(':')[0]}:***@{host}"
    return value
