"""Parses database URLs from settings; errors never repeat any part of the URL.

Not here: connecting (engine.py), errors of a server (errors.py).
"""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError

from pmmds_core.errors import SettingError

EXPECTED_POSTGRESQL = "Expected postgresql://user:password@host:5432/name."
EXPECTED_EITHER = "Expected sqlite:////folder/file.db or postgresql://user:password@host:5432/name."
_IN_MEMORY = (None, "", ":memory:")


def parsed_url(text: str, variable: str, backends: Collection[str]) -> sa.URL:
    """Parse a database URL; a PostgreSQL URL always gets PMMDS's driver.

    Args:
        text: the setting's value.
        variable: the setting's name, for messages.
        backends: the accepted backends: sqlite, postgresql or both.

    Raises:
        SettingError: not a URL of these backends, or it has an unescaped @.
    """
    try:
        url = sa.make_url(text)
        backend = url.get_backend_name()
    except (ArgumentError, ValueError):  # the text may contain a password, so messages omit it
        backend = ""
    if backend not in backends or (backend == "sqlite" and url.database in _IN_MEMORY):
        raise SettingError(
            f"{variable} is not the URL of a database that PMMDS can use.",
            next_step=EXPECTED_EITHER if "sqlite" in backends else EXPECTED_POSTGRESQL,
        )
    if backend == "postgresql" and "@" in f"{url.host or ''}{url.database or ''}":
        # The text after the first @ is parsed as the host and would appear in messages, but is part of the password.
        raise SettingError(
            f"{variable} has more than one @.",
            next_step="In the user name and password, write @ as %40, / as %2F, : as %3A and % as %25.",
        )
    return url.set(drivername="postgresql+psycopg") if backend == "postgresql" else url
