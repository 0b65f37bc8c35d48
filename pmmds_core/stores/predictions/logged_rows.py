"""Rows of the prediction log from the database and the archive combined; each request id occurs once per day.

The archived row takes precedence: a database row with its id is omitted, because any login that may add predictions
can write such a row. Not here: the Parquet files (archived_rows.py), the list of parts (archive.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import sqlalchemy as sa

from pmmds_core.stores.database.dialects import listed
from pmmds_core.stores.predictions.archived_rows import ArchivedRows

# Compare tables by name, because every store has its own Table object for the log.
_ID = sa.literal_column("prediction_logs.request_id", sa.String)


@dataclass(frozen=True)
class LiveRows:
    """The log's rows in the database, except those whose id is in `hidden`."""

    connection: sa.Connection
    hidden: Sequence[str] = ()

    def execute(self, query: sa.Select[Any]) -> list[Any]:
        """The rows of a query that reads the log."""
        if self.hidden:
            query = query.where(_ID.not_in(listed(self.connection, self.hidden)))
        return list(self.connection.execute(query))


Source: TypeAlias = LiveRows | ArchivedRows


@dataclass(frozen=True)
class LoggedRows:
    """Combines the two sources of rows; `archived` is None if no archived part overlaps the window."""

    live: LiveRows
    archived: ArchivedRows | None = None

    @property
    def sources(self) -> Sequence[Source]:
        return (self.live,) if self.archived is None else (self.live, self.archived)

    def add_table(self, table: sa.Table, *columns: sa.ColumnElement[Any]) -> None:
        """Make another table of the database available to queries that join it; see `ArchivedRows.add_table`."""
        if self.archived is not None:
            self.archived.add_table(self.live.connection, table, *columns)

    def execute(self, query: sa.Select[Any]) -> list[Any]:
        """Run a query and return the database's rows followed by the archive's."""
        return [row for source in self.sources for row in source.execute(query)]
