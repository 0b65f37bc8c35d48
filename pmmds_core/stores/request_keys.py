"""Which rows a request id names in a log that is partitioned by time, where it cannot be unique by itself.

An id of the service holds the instant it is logged with, so it names one row. Of every other id the first instant is
remembered (client_request_ids), in the transaction that logs it. Keep out: SQLite, where the id alone is the key.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from pmmds_core.request_instants import STAMP_DIGITS, instant_of, stamp
from pmmds_core.stores.dialects import insert
from pmmds_core.stores.tables import client_request_ids

# A client may send an id that the service made for another request, or one of its own that looks so: its row is no
# further from the instant in it than a request takes.
_LONGEST_REQUEST = timedelta(minutes=10)
_IDS_PER_QUERY = 1000

Row = Sequence[Any]


def keep_first(connection: sa.Connection, log: sa.Table, rows: Sequence[Row]) -> list[Row]:
    """The rows that may be logged: not those whose id is logged, or comes earlier in `rows`, with another instant.

    Args:
        connection: the transaction that logs them.
        log: prediction_logs.
        rows: begin with request_id and predicted_at.
    """
    others = {row[0]: row[1] for row in reversed(rows) if row[0][:STAMP_DIGITS] != stamp(row[1])}
    if not others:
        return list(rows)
    first = _remember(connection, log, others)
    return [row for row in rows if first.get(row[0], row[1]) == row[1]]


def _remember(connection: sa.Connection, log: sa.Table, others: dict[str, datetime]) -> dict[str, datetime]:
    """When each id was logged first: as it is remembered, or as a row says whose id looks like one of the service."""
    for part in _in_parts(sorted(others)):
        first = others | _logged_near(connection, log, part)
        new = [{"request_id": i, "predicted_at": first[i]} for i in part]
        connection.execute(insert(connection, client_request_ids).on_conflict_do_nothing(), new)
    c = client_request_ids.c
    found: dict[str, datetime] = {}
    for part in _in_parts(list(others)):
        query = sa.select(c.request_id, c.predicted_at).where(c.request_id.in_(part))
        found |= {row.request_id: row.predicted_at for row in connection.execute(query)}
    return found


def _logged_near(connection: sa.Connection, log: sa.Table, ids: Sequence[str]) -> dict[str, datetime]:
    found: dict[str, datetime] = {}
    c = log.c
    for request_id in ids:
        at = instant_of(request_id)
        if at is None:
            continue
        near = c.predicted_at.between(at, at + _LONGEST_REQUEST)
        query = sa.select(c.predicted_at).where(c.request_id == request_id, near).order_by(c.predicted_at).limit(1)
        row = connection.execute(query).first()
        if row is not None:
            found[request_id] = row.predicted_at
    return found


def rows_of_ids(
    connection: sa.Connection, log: sa.Table, columns: Sequence[sa.ColumnElement[Any]], ids: Sequence[str]
) -> Iterator[sa.Row[Any]]:
    """The logged rows of `ids`; `columns` begin with request_id.

    On PostgreSQL those whose instant is known are looked for in their day only, and what is not found there in all.
    """
    for part in _in_parts(ids):
        left = set(part)
        if connection.dialect.name == "postgresql":
            instants = _instants(connection, part)
            known = sa.select(*columns).where(
                log.c.request_id.in_(list(instants)), log.c.predicted_at.in_(sorted(set(instants.values())))
            )
            for row in connection.execute(known) if instants else ():
                left.discard(row[0])
                yield row
        if left:
            yield from connection.execute(sa.select(*columns).where(log.c.request_id.in_(sorted(left))))


def _instants(connection: sa.Connection, ids: Sequence[str]) -> dict[str, datetime]:
    c = client_request_ids.c
    own = {i: at for i in ids if (at := instant_of(i)) is not None}
    query = sa.select(c.request_id, c.predicted_at).where(c.request_id.in_(ids))
    return own | {row.request_id: row.predicted_at for row in connection.execute(query)}


def _in_parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), _IDS_PER_QUERY):
        yield ids[start : start + _IDS_PER_QUERY]
