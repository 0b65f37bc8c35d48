"""Matches the labels that wait to the logged predictions, by prediction id or client request id.

Not here: storing observations (label_history.py), which observation is valid (labels.py).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from pmmds_core.stores.database.tables import label_observations
from pmmds_core.stores.predictions.archived_rows import ArchivedRows
from pmmds_core.stores.predictions.label_history import LabelItem

_IDS_PER_STATEMENT = 1000


def match_by_id(connection: sa.Connection | ArchivedRows, log: sa.Table, by_client: sa.Table) -> dict[str, str]:
    """Map the ids of waiting observations that match exactly one row to the row's prediction id.

    Args:
        connection: a connection to the database or the archive.
        log: the table prediction_logs.
        by_client: the table with client_request_id and request_id, which is client_request_ids or the log itself.
    """
    c = label_observations.c
    sent: sa.ColumnElement[Any] = c.request_id.label("sent")
    waiting = sa.select(sent, log.c.request_id).distinct().where(c.is_waiting)
    by_prediction_id = waiting.join_from(label_observations, log, c.request_id == log.c.request_id)
    by_client_id = sa.select(sent, by_client.c.request_id).distinct().where(c.is_waiting)
    by_client_id = by_client_id.join_from(label_observations, by_client, c.request_id == by_client.c.client_request_id)
    by_own_id = {row.sent: row.request_id for row in connection.execute(by_prediction_id)}
    rows_by_client_id: dict[str, set[str]] = {}
    for row in connection.execute(by_client_id):
        rows_by_client_id.setdefault(row.sent, set()).add(row.request_id)
    return {sent: ids.pop() for sent, ids in rows_by_client_id.items() if len(ids) == 1} | by_own_id


def waiting_items(connection: sa.Connection, ids: Collection[str]) -> list[LabelItem]:
    """Return the waiting observations with these ids, in the order received."""
    c = label_observations.c
    rows: list[Any] = []
    for part in _in_parts(sorted(ids)):
        query = sa.select(c.request_id, c.label, c.observed_at, c.received_at, c.observation_id)
        rows += connection.execute(query.where(c.is_waiting, c.request_id.in_(part))).all()
    return [LabelItem(*row[:3]) for row in sorted(rows, key=lambda row: (row.received_at, row.observation_id))]


def stop_waiting(connection: sa.Connection, matched: Mapping[str, str]) -> None:
    """Record that waiting observations were matched.

    `matched` maps each id as sent to the prediction id of the row.
    """
    c = label_observations.c
    wanted = [{"sent": sent, "own": own} for sent, own in sorted(matched.items())]
    if wanted:
        statement = sa.update(label_observations).where(c.request_id == sa.bindparam("sent"), c.is_waiting)
        connection.execute(statement.values(is_waiting=False, matched_request_id=sa.bindparam("own")), wanted)


def count_waiting(connection: sa.Connection) -> int:
    """Return the number of requests, not observations, that have a waiting label."""
    c = label_observations.c
    query = sa.select(sa.func.count(sa.distinct(c.request_id))).where(c.is_waiting)
    return connection.execute(query).scalar_one()


def _in_parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), _IDS_PER_STATEMENT):
        yield ids[start : start + _IDS_PER_STATEMENT]
