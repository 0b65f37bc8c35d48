"""All PMMDS_* variables with their types, defaults and descriptions. Only this module reads settings from variables.

Not here: where a value comes from (given.py, config_file.py), options of one run (run configuration in pmmds_assets).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from pmmds_core.config.admin_token import FILE as TOKEN_FILE
from pmmds_core.config.admin_token import read_token
from pmmds_core.config.config_file import ConfigFile, warn_of_exposed_secrets
from pmmds_core.config.console_settings import ConsoleSettings
from pmmds_core.config.find_config import NO_FILE, VARIABLE, find_config
from pmmds_core.config.given import DEFAULT, Given, read_given, variable_name
from pmmds_core.config.placeholders import reject_placeholders
from pmmds_core.config.secret_files import SECRETS
from pmmds_core.config.urls import file_url, sqlite_url
from pmmds_core.config.values import (
    BrokerUrl,
    HostNames,
    OffOn,
    Origins,
    PathText,
    Port,
    PositiveFloat,
    PositiveInt,
    Share,
    comma_list,
    is_every_address,
    with_driver,
    without_brackets,
)
from pmmds_core.config.webhooks import check_webhooks
from pmmds_core.errors import SettingError
from pmmds_core.runtime.timestamps import TimestampRange

# CHECK constraints on PostgreSQL reject earlier timestamps.
_EARLIEST = date(1970, 1, 1)


class Settings(ConsoleSettings, frozen=True, kw_only=True):
    """All settings of one process.

    This class adds the settings of the service, Dagster and MLflow to the inherited settings of the stores, drift,
    retraining, promotion, rollback and the console. The `resolved_*` properties add the defaults that depend on `home`.
    """

    http_host: Annotated[str, Meta(description="Address the service listens on")] = "127.0.0.1"
    http_port: Annotated[Port, Meta(description="HTTP port of the service")] = 8000
    http_max_connections: Annotated[PositiveInt, Meta(description="Maximum open connections per serving process")] = 512
    http_request_seconds: Annotated[PositiveFloat, Meta(description="Timeout in seconds for receiving a request")] = (
        10.0
    )
    http_fast_path: Annotated[
        Literal["on", "off"],
        Meta(description="Answer predictions inside uvicorn's protocol; `off` routes them through ASGI"),
    ] = "on"
    http_path_prefix: Annotated[
        str,
        Meta(
            pattern=r"^(/[A-Za-z0-9._~-]+)*$",
            description="Path prefix that a proxy removes, such as /churn; the server URL in /openapi.json",
            extra={"expected": "a path such as /churn, without a trailing slash"},
        ),
    ] = ""
    http_cors_origins: Annotated[
        Origins,
        Meta(description="Origins (comma-separated) whose web pages may read responses (CORS); empty = off"),
    ] = ""
    grpc_port: Annotated[Port, Meta(description="gRPC port of the service")] = 50051
    serving_workers: Annotated[PositiveInt, Meta(description="Number of serving processes")] = 1
    admin_token: Annotated[
        str,
        Meta(description="Bearer token of guarded endpoints; empty = PMMDS_HOME/admin_token, else loopback only"),
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
        OffOn, Meta(description="Run Dagster's web server read-only, so that it rejects every mutation")
    ] = "off"
    web_allowed_hosts: Annotated[
        HostNames,
        Meta(
            description="Host names (comma-separated) that the Dagster, MLflow and console web servers accept besides "
            "loopback"
        ),
    ] = ""
    schedules: Annotated[
        OffOn,
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
            pattern=r"^(([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5})?$",
            description="host:port of Dagster's code server; empty = web server and daemon load the code themselves",
            extra={"expected": "host:port"},
        ),
    ] = ""
    mlflow_database_url: Annotated[
        str, Meta(description="Database URL of the MLflow server; empty = that of PMMDS_MLFLOW_TRACKING_URI")
    ] = ""
    mlflow_artifact_root: Annotated[
        PathText,
        Meta(description="MLflow's artifact store: a folder, or s3://bucket/path; empty = mlartifacts/ in PMMDS_HOME"),
    ] = ""

    @property
    def home_path(self) -> Path:
        return Path(self.home).expanduser().absolute()

    @property
    def resolved_database_url(self) -> str:
        """The URL of the PMMDS database, which is a SQLite file under `home` by default.

        PostgreSQL uses the psycopg 3 driver.
        """
        return with_driver(self.database_url or sqlite_url(self.home_path / "pmmds.db"), "psycopg")

    @property
    def resolved_archive_path(self) -> Path:
        return Path(self.archive_path).expanduser().absolute() if self.archive_path else self.home_path / "archive"

    @property
    def resolved_tracking_uri(self) -> str:
        return with_driver(self.mlflow_tracking_uri or sqlite_url(self.home_path / "mlflow.db"), "psycopg")

    @property
    def has_tracking_server(self) -> bool:
        """True if clients use an MLflow server over HTTP, and False if they open its database directly."""
        return self.mlflow_tracking_uri.startswith(("http://", "https://"))

    @property
    def resolved_mlflow_database_url(self) -> str:
        """The database URL of the MLflow server that PMMDS starts, or an empty string if the server is external."""
        if self.mlflow_database_url:
            return with_driver(self.mlflow_database_url, "psycopg")
        return "" if self.has_tracking_server else self.resolved_tracking_uri

    @property
    def resolved_artifact_root(self) -> str:
        """The URI of the folder or bucket in which MLflow stores artifacts, without a trailing slash."""
        root = self.mlflow_artifact_root.rstrip("/") or str(self.home_path / "mlartifacts")
        return root if "://" in root else file_url(Path(root).expanduser().absolute())

    @property
    def resolved_dagster_database_url(self) -> str:
        """The URL of Dagster's storage, with the psycopg2 driver, or an empty string for the embedded SQLite."""
        return with_driver(self.dagster_database_url, "psycopg2")

    @property
    def timestamps(self) -> TimestampRange:
        """The range of timestamps that labels may have."""
        return TimestampRange.from_settings(max(self.timestamp_earliest, _EARLIEST), self.timestamp_max_ahead_hours)

    @property
    def cors_origins(self) -> tuple[str, ...]:
        return tuple(origin.lower() for origin in comma_list(self.http_cors_origins))

    @property
    def alert_rules(self) -> tuple[str, ...]:
        return comma_list(self.drift_alert_rules)

    @property
    def segment_features(self) -> tuple[str, ...]:
        return comma_list(self.drift_segment_features)

    def web_hosts(self, bound_to: str) -> frozenset[str]:
        """Return the lower-case host names that a web server accepts in addition to loopback.

        Args:
            bound_to: the address it listens on, which is accepted as well unless it is the wildcard address.
        """
        names = {without_brackets(name.lower()) for name in comma_list(self.web_allowed_hosts)}
        return frozenset(names if is_every_address(bound_to) else names | {bound_to.lower()})

    def to_environment(self) -> dict[str, str]:
        """Return the variables that pass these settings to a child process.

        A child process with these PMMDS_* variables does not read `pmmds.toml`.
        """
        return {**{variable_name(n): str(getattr(self, n)) for n in self.__struct_fields__}, VARIABLE: NO_FILE}


def home_of_environment() -> Path:
    """Return the absolute path of PMMDS_HOME, even if another setting is invalid."""
    home = os.environ.get(variable_name("home")) or Settings().home
    with suppress(SettingError):
        path = find_config(None)
        if path is not None and not os.environ.get(variable_name("home")):
            home = str(path.parent / home)
            given = ConfigFile(path, setting_types()).get("home")
            home = given.value if given else home
    return Settings(home=home).home_path


def setting_types() -> dict[str, Any]:
    """Return the type of each setting by the setting's name, in the order of `Settings`."""
    return {field.name: field.type for field in msgspec.structs.fields(Settings)}


def given_values(environment: Mapping[str, str] | None = None) -> dict[str, Given]:
    """Return the settings from variables and `pmmds.toml`, with their origins.

    By default, PMMDS_HOME is a folder next to the file. The arguments and errors are those of `load_settings`.
    """
    source = os.environ if environment is None else environment
    types = setting_types()
    path = find_config(environment)
    file = None if path is None else ConfigFile(path, types)
    if file is not None:
        warn_of_exposed_secrets(file)
    given = read_given(types, source, file)
    reject_placeholders(source, {variable_name(name): str(given[name].value) for name in SECRETS & given.keys()})
    if path is not None:
        given.setdefault("home", Given(str(path.parent / Settings().home), DEFAULT))
    if "admin_token" not in given:
        home = Settings(home=given["home"].value).home_path if "home" in given else Settings().home_path
        if token := read_token(home):
            given["admin_token"] = Given(token, str(home / TOKEN_FILE))
    return given


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings. A variable takes precedence over `pmmds.toml`, which takes precedence over the default.

    Args:
        environment: the variables to read, or None for the variables of this process. Only with None, the working
            directory and the folders above it are searched for `pmmds.toml`. Otherwise, PMMDS_CONFIG must name the
            file.

    Raises:
        SettingError: a variable or a line of the file is not valid, the file of a secret cannot be read, or a secret is
            a placeholder copied from an example.
    """
    settings = Settings(**{name: given.value for name, given in given_values(environment).items()})
    check_webhooks(settings.webhook_urls, settings.webhook_secret)
    return settings
