"""Whether the databases that Dagster and MLflow keep their own records in can be reached, said in one sentence.

Both retry for minutes and then print pages; this is asked before they start. Keep out: PMMDS's own database
(engine.py), and anything that writes.
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
    """Raises SettingError, DatabaseUnavailableError: PMMDS_DAGSTER_DATABASE_URL; SQLite is made when it is needed."""
    if settings.dagster_database_url:
        _check(settings.resolved_dagster_database_url, "PMMDS_DAGSTER_DATABASE_URL")


def check_mlflow_database(settings: Settings) -> None:
    """Raises SettingError, DatabaseUnavailableError: the database of the MLflow server that PMMDS starts."""
    url = settings.resolved_mlflow_database_url
    variable = "PMMDS_MLFLOW_DATABASE_URL" if settings.mlflow_database_url else "PMMDS_MLFLOW_TRACKING_URI"
    if url.startswith("postgresql"):
        _check(url, variable)


def check_tracking_database(tracking_uri: str) -> None:
    """For who asks MLflow's database itself: raises RegistryUnavailableError; a server or SQLite is not asked."""
    if not tracking_uri.startswith("postgresql"):
        return
    try:
        _check(tracking_uri, "PMMDS_MLFLOW_TRACKING_URI")
    except DatabaseUnavailableError as error:
        raise RegistryUnavailableError(error.message, next_step=error.next_step) from error


def _check(text: str, variable: str) -> None:
    url = parsed_url(text, variable, ("postgresql",))
    # With PMMDS's own driver, which tells more of what went wrong than theirs.
    engine = sa.create_engine(url, poolclass=sa.NullPool, connect_args={"connect_timeout": CONNECT_TIMEOUT_SECONDS})
    try:
        with engine.connect():
            pass
    except DBAPIError as error:
        told = translate(error, url)
        raise DatabaseUnavailableError(
            told.message if told else f"The database of {variable} cannot be used: {error.orig}.",
            next_step=f"Check {variable}, and that the database runs and exists.",
        ) from error
