"""Checks that the databases of Dagster and MLflow can be reached before these programs start.

Both retry for minutes and then print long tracebacks; this module reports one sentence. Read-only. Not here: PMMDS's
database (engine.py).
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from pmmds_core.config.settings import Settings
from pmmds_core.errors import DatabaseUnavailableError, RegistryUnavailableError
from pmmds_core.stores.database.engine import CONNECT_TIMEOUT_SECONDS
from pmmds_core.stores.database.errors import translate
from pmmds_core.stores.database.urls import parsed_url


def check_dagster_database(settings: Settings) -> None:
    """Check PMMDS_DAGSTER_DATABASE_URL, if set. Raises SettingError or DatabaseUnavailableError."""
    if settings.dagster_database_url:
        _check(settings.resolved_dagster_database_url, "PMMDS_DAGSTER_DATABASE_URL")


def check_mlflow_database(settings: Settings) -> None:
    """Check the database of the MLflow server that PMMDS starts. Raises SettingError or DatabaseUnavailableError."""
    url = settings.resolved_mlflow_database_url
    variable = "PMMDS_MLFLOW_DATABASE_URL" if settings.mlflow_database_url else "PMMDS_MLFLOW_TRACKING_URI"
    if url.startswith("postgresql"):
        _check(url, variable)


def check_tracking_database(tracking_uri: str) -> None:
    """Check MLflow's database if the tracking URI is PostgreSQL. Raises RegistryUnavailableError."""
    if not tracking_uri.startswith("postgresql"):
        return
    try:
        _check(tracking_uri, "PMMDS_MLFLOW_TRACKING_URI")
    except DatabaseUnavailableError as error:
        raise RegistryUnavailableError(error.message, next_step=error.next_step) from error


def _check(text: str, variable: str) -> None:
    url = parsed_url(text, variable, ("postgresql",))
    # PMMDS's driver reports causes in more detail than the drivers of Dagster and MLflow.
    engine = sa.create_engine(url, poolclass=sa.NullPool, connect_args={"connect_timeout": CONNECT_TIMEOUT_SECONDS})
    try:
        with engine.connect():
            pass
    except DBAPIError as error:
        translated = translate(error, url)
        raise DatabaseUnavailableError(
            translated.message
            if translated
            else f"The database that {variable} specifies cannot be used: {error.orig}.",
            next_step=f"Check {variable}, and that the database exists and its server is running.",
        ) from error
