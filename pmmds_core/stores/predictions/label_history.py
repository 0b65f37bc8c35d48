"""Stores every observation of a label, including corrections, late labels and labels without a logged prediction.

Not here: which observation is valid (labels.py).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
import sqlalchemy as sa
from msgspec import Meta

from pmmds_core.stores.database.dialects import insert
from pmmds_core.stores.database.tables import label_observations
from pmmds_core.stores.predictions.archived_rows import ArchivedRows

Source = Literal["feedback", "import"]
_IDS_PER_STATEMENT = 1000


class LabelItem(msgspec.Struct, frozen=True):
    """The label of one request. `label`: 1 for the positive class. `observed_at`: aware.

    `request_id`: the prediction id, or a client id that matches exactly one row.
    """

    request_id: str
    label: Annotated[int, Meta(ge=0, le=1)]
    observed_at: datetime


@dataclass(frozen=True)
class LabelObservation:
    """One observation as received. `is_waiting`: True if it is not matched to exactly one logged prediction.

    `request_id`: as sent. `matched_request_id`: the prediction id of its row.
    """

    request_id: str
    label: int
    observed_at: datetime
    received_at: datetime
    source: str
    is_waiting: bool
    matched_request_id: str | None = None


def keep_observations(
    connection: sa.Connection,
    items: Sequence[LabelItem],
    *,
    received_at: datetime,
    source: Source,
    matched: Mapping[str, str],
) -> None:
    """Store each observation once; a repeated one gets the latest `received_at`.

    Args:
        connection: the transaction that stores the labels.
        items: labels as sent.
        received_at: the current time.
        source: how they were sent, `feedback` or `import`.
        matched: id that matches exactly one row → the row's prediction id; labels with other ids wait.
    """
    rows = {
        (item.request_id, item.observed_at, item.label): {
            **msgspec.structs.asdict(item),
            "received_at": received_at,
            "source": source,
            "is_waiting": item.request_id not in matched,
            "matched_request_id": matched.get(item.request_id),
        }
        for item in items
    }
    if not rows:
        return
    statement = insert(connection, label_observations)
    new, c = statement.excluded, label_observations.c
    again = {
        "received_at": new.received_at,
        # An observation stays assigned to its row, even if its id matches a different row later.
        "is_waiting": sa.and_(c.is_waiting, new.is_waiting),
        "matched_request_id": sa.func.coalesce(c.matched_request_id, new.matched_request_id),
    }
    keys = ["request_id", "observed_at", "label"]
    # All writers use the same order, so that overlapping deliveries cannot deadlock.
    ordered = [rows[key] for key in sorted(rows)]
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=again), ordered)


def match_by_id(connection: sa.Connection | ArchivedRows, log: sa.Table, by_client: sa.Table) -> dict[str, str]:
    """Map the ids of waiting observations that match exactly one row to the row's prediction id.

    Args:
        connection: connection to the database or the archive.
        log: prediction_logs.
        by_client: the table with client_request_id and request_id: client_request_ids, or the log itself.
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
    """Waiting observations with these ids, in the order received."""
    c = label_observations.c
    rows: list[Any] = []
    for part in _in_parts(sorted(ids)):
        query = sa.select(c.request_id, c.label, c.observed_at, c.received_at, c.observation_id)
        rows += connection.execute(query.where(c.is_waiting, c.request_id.in_(part))).all()
    return [LabelItem(*row[:3]) for row in sorted(rows, key=lambda row: (row.received_at, row.observation_id))]


def stop_waiting(connection: sa.Connection, matched: Mapping[str, str]) -> None:
    """Record that waiting observations were matched. `matched`: id as sent → prediction id of its row."""
    c = label_observations.c
    wanted = [{"sent": sent, "own": own} for sent, own in sorted(matched.items())]
    if wanted:
        statement = sa.update(label_observations).where(c.request_id == sa.bindparam("sent"), c.is_waiting)
        connection.execute(statement.values(is_waiting=False, matched_request_id=sa.bindparam("own")), wanted)


def count_waiting(connection: sa.Connection) -> int:
    """The number of requests (not observations) with a waiting label."""
    c = label_observations.c
    query = sa.select(sa.func.count(sa.distinct(c.request_id))).where(c.is_waiting)
    return connection.execute(query).scalar_one()


def history_of(connection: sa.Connection, request_id: str) -> list[LabelObservation]:
    """Observations of the row with this prediction id, and waiting ones sent with this id, in the order received."""
    c = label_observations.c
    columns = (c.request_id, c.label, c.observed_at, c.received_at, c.source, c.is_waiting, c.matched_request_id)
    about = sa.or_(c.matched_request_id == request_id, sa.and_(c.request_id == request_id, c.is_waiting))
    query = sa.select(*columns).where(about).order_by(c.received_at, c.observation_id)
    return [LabelObservation(**row) for row in connection.execute(query).mappings()]


def first_arrivals() -> sa.Subquery:
    """Select the request_id of each row and the received_at of its first observation."""
    c = label_observations.c
    first: sa.ColumnElement[Any] = sa.func.min(c.received_at).label("received_at")
    own: sa.ColumnElement[Any] = c.matched_request_id.label("request_id")
    return sa.select(own, first).where(c.matched_request_id.is_not(None)).group_by(c.matched_request_id).subquery()


def _in_parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), _IDS_PER_STATEMENT):
        yield ids[start : start + _IDS_PER_STATEMENT]
