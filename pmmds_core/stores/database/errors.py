"""Translates database errors into one sentence with the database's address (no password) and the next step.

Add a row for each failure that a user can fix. Not here: retries.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from pmmds_core.errors import DatabaseUnavailableError, RightMissingError, SchemaOutdatedError, StoreError
from pmmds_core.stores.database.grants import permission_denied

MIGRATE = "Run `pmmds db migrate`."


@dataclass(frozen=True)
class _Failure:
    """One kind of failure. `states`: PostgreSQL's SQLSTATE codes; `text`: regular expression for SQLite's message."""

    states: tuple[str, ...]
    text: str
    problem: str
    next_step: str
    kind: type[StoreError] = DatabaseUnavailableError
    shows: bool = False  # True: append the engine's message in parentheses


_FAILURES = (
    _Failure(
        ("42P01", "42703"),
        r"no such (table|column)|has no column",
        "lacks a table or column",
        MIGRATE,
        SchemaOutdatedError,
        shows=True,
    ),
    _Failure(
        (),
        r"file is not a database",
        "is not a SQLite database",
        "Set PMMDS_HOME or PMMDS_DATABASE_URL to another file.",
    ),
    _Failure((), r"malformed", "is damaged", "Restore it from a backup; `sqlite3 FILE .recover` may save its rows."),
    _Failure(
        ("25006",),
        r"readonly database",
        "is read-only",
        "Make the file and its folder writable by this user, or connect to the primary.",
    ),
    _Failure(
        ("53100",), r"disk is full", "has no disk space left", "Free disk space; the current write was rolled back."
    ),
    _Failure((), r"disk I/O error", "has a disk error", "Check the disk and the folder's permissions."),
    _Failure(
        (),
        r"database (table )?is locked",
        "is locked by another process",
        "Try again; if it persists, find the process that holds the lock.",
    ),
    _Failure(
        ("55P03", "40P01", "57014"),
        r"canceling statement due to lock timeout",
        "is locked by another session",
        "Try again; if it persists, find the session in pg_locks and pg_stat_activity and end it with "
        "pg_terminate_backend.",
    ),
    _Failure(
        (),
        r"timestamp too (large|small)",
        "has a timestamp that is not between the years 1 and 9999",
        "Find the row and delete it.",
        StoreError,
    ),
    _Failure(
        (),
        r"certificate verify failed|server certificate for|root certificate file",
        "has a certificate that is not trusted",
        "Check sslrootcert in PMMDS_DATABASE_URL, and that the certificate names this host.",
    ),
    _Failure(
        (),
        r"no encryption|server requires SSL",
        "accepts TLS connections only",
        "Add sslmode=verify-full&sslrootcert=/path/to/ca.pem to PMMDS_DATABASE_URL.",
    ),
    _Failure(
        (),
        r"invalid connection option|invalid \w+ value|bad value for \w+",
        "does not accept the options of its URL",
        "Correct the options after the ? in PMMDS_DATABASE_URL.",
        shows=True,
    ),
    _Failure(
        ("28P01", "28000"),
        r"password authentication failed|no password supplied|not permitted to log in|no pg_hba.conf entry",
        "rejected the user name or password",
        "Check PMMDS_DATABASE_URL.",
    ),
    _Failure(
        ("3D000",), r"database \".*\" does not exist", "does not exist", "Create it, or correct PMMDS_DATABASE_URL."
    ),
    _Failure(("42501",), r"permission denied", "denied permission to this user", "", RightMissingError),
    _Failure(
        ("53300",),
        r"too many clients|remaining connection slots",
        "has no free connection left",
        "Raise max_connections or run fewer processes.",
    ),
    _Failure((), r"unable to open database file", "cannot be opened", "Check that the folder exists and is writable."),
)


def place_of(url: sa.URL) -> str:
    """Return a database's name and address without the user name and password."""
    if url.get_backend_name() == "sqlite":
        return f"database {url.database}"
    return f"database {url.database} on PostgreSQL at {url.host or 'the local socket'}:{url.port or 5432}"


def translate(error: SQLAlchemyError, url: sa.URL) -> StoreError | None:
    """Return the error to raise instead; None for a bug, or for a violated constraint, which callers handle."""
    place = place_of(url)
    if isinstance(error, PoolTimeoutError):
        return DatabaseUnavailableError(f"The {place} has no free connection.", next_step="Try again later.")
    if not isinstance(error, DBAPIError):
        return None
    state, text = _state(error.orig), str(error.orig)
    for failure in _FAILURES:
        if state in failure.states or (not state and re.search(failure.text, text)):
            if failure.kind is RightMissingError:
                return permission_denied(place, error.statement or "", text)
            shown = f" ({_first_line(text)})" if failure.shows else ""
            return failure.kind(f"The {place} {failure.problem}{shown}.", next_step=failure.next_step)
    if isinstance(error, OperationalError) or error.connection_invalidated:
        return DatabaseUnavailableError(
            f"The {place} cannot be reached: {_first_line(text)}.",
            next_step="Check that it is running and that PMMDS_DATABASE_URL is correct, then try again.",
        )
    return None


def _state(original: Any) -> str:
    return getattr(original, "sqlstate", None) or ""


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0].rstrip(".") if text.strip() else "no answer"
