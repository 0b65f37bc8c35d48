"""Whether the databases that Dagster and MLflow keep their own records in can be reached, said in one sentence.

Both retry for minutes and then print pages; this is asked before they start. Keep out: PMMDS's own database
(database.py), and anything that writes.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError

from pmmds_core.errors import DatabaseUnavailableError, SettingError
from pmmds_core.settings import Settings
from pmmds_core.stores.database import CONNECT_TIMEOUT_SECONDS
from pmmds_core.stores.database_errors import translate


def check_dagster_database(settings: Settings) -> None:
    """Raises SettingError, DatabaseUnavailableError: PMMDS_DAGSTER_DATABASE_URL; SQLite is made when it is needed."""
    if settings.dagster_database_url:
        _check(settings.resolved_dagster_database_url, "PMMDS_DAGSTER_DATABASE_URL", only_postgresql=True)


def check_mlflow_database(settings: Settings) -> None:
    """Raises SettingError, DatabaseUnavailableError: the database of the MLflow server that PMMDS starts."""
    url = settings.resolved_mlflow_database_url
    variable = "PMMDS_MLFLOW_DATABASE_URL" if settings.mlflow_database_url else "PMMDS_MLFLOW_TRACKING_URI"
    if url.startswith("postgresql"):
        _check(url, variable, only_postgresql=False)


def _check(text: str, variable: str, *, only_postgresql: bool) -> None:
    url = _parsed(text, variable, only_postgresql=only_postgresql)
    # PMMDS's own driver tells more of what went wrong than the others.
    engine = sa.create_engine(
        url.set(drivername="postgresql+psycopg"),
        poolclass=sa.NullPool,
        connect_args={"connect_timeout": CONNECT_TIMEOUT_SECONDS},
    )
    try:
        with engine.connect():
            pass
    except DBAPIError as error:
        told = translate(error, url)
        raise DatabaseUnavailableError(
            told.message if told else f"The database of {variable} cannot be used: {error.orig}.",
            next_step=f"Check {variable}, and that the database runs and exists.",
        ) from error


def _parsed(text: str, variable: str, *, only_postgresql: bool) -> sa.URL:
    try:
        url = sa.make_url(text)
        usable = not only_postgresql or url.get_backend_name() == "postgresql"
    except (ArgumentError, ValueError):  # the text may hold a password: it is not repeated
        usable = False
    if not usable:
        raise SettingError(
            f"{variable} is not a database that can be used.",
            next_step="Expected postgresql://user:password@host:5432/name.",
        )
    return url
