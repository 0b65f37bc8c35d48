"""Finds the logged rows that an id refers to, and ensures that repeated client requests are logged only once.

The log's key is the prediction id, which contains the row's timestamp. The client's request id is another column; the
table client_request_ids has one entry per client id and row content, so a repeated request is logged once.
Not here: writing the rows (log.py) and labels (labels.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from pmmds_core.contracts.contract import FeatureValue
from pmmds_core.stores.database.dialects import insert
from pmmds_core.stores.database.tables import client_request_ids
from pmmds_core.stores.predictions.request_ids import timestamp_of

_IDS_PER_QUERY = 1000
_DIGEST_CHARACTERS = 32

# A client's request id and the digest of the row.
ClientKey = tuple[str, str]


def row_digest(names: Sequence[str], features: Sequence[FeatureValue]) -> str:
    """Hash the non-missing values by name, so that adding a feature to the contract changes no digest.

    Equal rows have equal digests: 1 equals 1.0, and 0.0 equals -0.0.
    """
    present = [(n, _number(v)) for n, v in zip(names, features, strict=True) if v is not None and v == v]
    return hashlib.sha256(msgspec.msgpack.encode(present)).hexdigest()[:_DIGEST_CHARACTERS]


def _number(value: FeatureValue) -> FeatureValue:
    return value if isinstance(value, str) or value is None else float(value) + 0.0


def claim(connection: sa.Connection, claims: Mapping[ClientKey, tuple[str, datetime]]) -> dict[ClientKey, str]:
    """Register the rows of clients' requests and return the prediction id that owns each key.

    Args:
        connection: the transaction that logs the rows.
        claims: (client id, row digest) → (prediction id, timestamp) of the row to log.

    Returns:
        For each key, the id of the row registered first; for a repeated request, the id of an earlier row.
    """
    keys = sorted(claims)
    # All writers use the same order, so that overlapping deliveries cannot deadlock.
    rows = [dict(zip(_COLUMNS, (*key, *claims[key]), strict=True)) for key in keys]
    connection.execute(insert(connection, client_request_ids).on_conflict_do_nothing(), rows)
    c = client_request_ids.c
    owners: dict[ClientKey, str] = {}
    for part in _in_parts(sorted({client_id for client_id, _ in keys})):
        query = sa.select(c.client_request_id, c.row_digest, c.request_id).where(c.client_request_id.in_(part))
        owners |= {(row.client_request_id, row.row_digest): row.request_id for row in connection.execute(query)}
    return {key: owners[key] for key in keys}


_COLUMNS = ("client_request_id", "row_digest", "request_id", "predicted_at")


def requests_named(connection: sa.Connection, log: sa.Table, ids: Iterable[str]) -> dict[str, list[str]]:
    """Return the prediction ids of the rows that each id refers to; ids without a row are omitted.

    A prediction id refers only to its own row. A client id refers to every row logged with it, including archived rows;
    there are several if the client reused the id.
    """
    wanted = sorted(set(ids))
    named = {row.request_id: {row.request_id} for row in rows_of_ids(connection, log, (log.c.request_id,), wanted)}
    c = client_request_ids.c
    for part in _in_parts([i for i in wanted if i not in named]):
        query = sa.select(c.client_request_id, c.request_id).where(c.client_request_id.in_(part))
        for row in connection.execute(query):
            named.setdefault(row.client_request_id, set()).add(row.request_id)
    return {name: sorted(rows) for name, rows in named.items()}


def rows_of_ids(
    connection: sa.Connection, log: sa.Table, columns: Sequence[sa.ColumnElement[Any]], ids: Sequence[str]
) -> Iterator[sa.Row[Any]]:
    """The logged rows of these prediction ids; `columns` begin with request_id.

    On PostgreSQL, an id is first looked up in the partition of its timestamp's day, then, if missing, in all
    partitions.
    """
    for part in _in_parts(ids):
        remaining = set(part)
        if connection.dialect.name == "postgresql":
            times = {i: at for i in part if (at := timestamp_of(i)) is not None}
            by_day = sa.select(*columns).where(
                log.c.request_id.in_(list(times)), log.c.predicted_at.in_(sorted(set(times.values())))
            )
            for row in connection.execute(by_day) if times else ():
                remaining.discard(row[0])
                yield row
        if remaining:
            yield from connection.execute(sa.select(*columns).where(log.c.request_id.in_(sorted(remaining))))


def _in_parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), _IDS_PER_QUERY):
        yield ids[start : start + _IDS_PER_QUERY]
