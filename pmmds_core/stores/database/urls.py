"""The URL of a database as a setting gives it: read, or refused without a part of it being repeated.

Keep out: connecting (engine.py), what a server answers (errors.py).
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
    """The URL that `text` is; PostgreSQL's with PMMDS's driver, whichever another program's URL names.

    Args:
        text: the setting's value.
        variable: the setting, for messages.
        backends: which of sqlite and postgresql will do.

    Raises:
        SettingError: it is no URL of these, or its password ends earlier than was meant.
    """
    try:
        url = sa.make_url(text)
        backend = url.get_backend_name()
    except (ArgumentError, ValueError):  # the text may hold a password: it is not repeated
        backend = ""
    if backend not in backends or (backend == "sqlite" and url.database in _IN_MEMORY):
        raise SettingError(
            f"{variable} is not a database that PMMDS can use.",
            next_step=EXPECTED_EITHER if "sqlite" in backends else EXPECTED_POSTGRESQL,
        )
    if backend == "postgresql" and "@" in f"{url.host or ''}{url.database or ''}":
        # What stands behind the first @ is taken for the host, and would be told as one: it is a piece of the password.
        raise SettingError(
            f"{variable} has more than one @.",
            next_step="Within the user's name and the password write @ as %40, / as %2F, : as %3A and % as %25.",
        )
    return url.set(drivername="postgresql+psycopg") if backend == "postgresql" else url
