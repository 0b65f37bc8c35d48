"""Stores every observation of a label, including corrections, late labels and labels without a logged prediction.

Not here: matching observations to predictions (label_matching.py), which observation is valid (labels.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
import sqlalchemy as sa
from msgspec import Meta

from pmmds_core.stores.database.dialects import insert
from pmmds_core.stores.database.tables import label_observations

Source = Literal["feedback", "import"]


class LabelItem(msgspec.Struct, frozen=True):
    """The label of a request.

    `label` is 1 for the positive class. `observed_at` has a time zone. `request_id` is the prediction id, or a client
    id that matches exactly one row.
    """

    request_id: str
    label: Annotated[int, Meta(ge=0, le=1)]
    observed_at: datetime


@dataclass(frozen=True)
class LabelObservation:
    """An observation of a label, as received.

    `is_waiting` is True if the observation is not matched to exactly one logged prediction. `request_id` is the id as
    sent, and `matched_request_id` is the prediction id of the row.
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
    """Store each observation once. A repeated observation gets the latest `received_at`.

    Args:
        connection: the transaction that stores the labels.
        items: the labels, as sent.
        received_at: the current time, with a time zone.
        source: how the labels were sent, which is `feedback` or `import`.
        matched: a mapping from each id that matches exactly one row to the row's prediction id. Labels with other ids
            wait.
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


def history_of(connection: sa.Connection, request_id: str) -> list[LabelObservation]:
    """Return the observations of the row with this prediction id, in the order received.

    Waiting observations that were sent with this id are included.
    """
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
