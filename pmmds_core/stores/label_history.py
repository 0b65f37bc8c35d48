"""Every observation of a label that ever came: corrected ones, late ones, and those whose prediction is still to come.

Keep out: which observation stands (ground_truth.py).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec
import sqlalchemy as sa
from msgspec import Meta

from pmmds_core.stores.archived_rows import ArchivedRows
from pmmds_core.stores.dialects import insert
from pmmds_core.stores.tables import EARLIEST, label_observations

Source = Literal["feedback", "import"]
_IDS_PER_STATEMENT = 1000


# Clocks differ, and a day without its zone may be ahead of UTC by fourteen hours.
MOST_AHEAD = timedelta(days=1)


class LabelItem(msgspec.Struct, frozen=True):
    """The truth of one request. `label`: 1 for the positive class. `observed_at`: when it was seen, aware."""

    request_id: str
    label: Annotated[int, Meta(ge=0, le=1)]
    observed_at: datetime


def is_out_of_range(observed_at: datetime, now: datetime) -> bool:
    """Whether the database would not take it, or it is later than can be: no correction could be newer any more."""
    return observed_at < EARLIEST or observed_at - now > MOST_AHEAD


def range_words(now: datetime) -> str:
    """What is expected of an instant that `is_out_of_range`."""
    return f"at most a day after now, {now:%Y-%m-%dT%H:%M:%SZ}, and not before {EARLIEST:%Y-%m-%d}"


@dataclass(frozen=True)
class LabelObservation:
    """One observation as it came. `is_waiting`: its request is not logged yet."""

    request_id: str
    label: int
    observed_at: datetime
    received_at: datetime
    source: str
    is_waiting: bool


def keep_observations(
    connection: sa.Connection,
    items: Sequence[LabelItem],
    *,
    received_at: datetime,
    source: Source,
    waiting: Collection[str],
) -> None:
    """Keep each observation once; one that comes again has come when it came last. `waiting`: ids without a row."""
    rows = {
        (item.request_id, item.observed_at, item.label): {
            **msgspec.structs.asdict(item),
            "received_at": received_at,
            "source": source,
            "is_waiting": item.request_id in waiting,
        }
        for item in items
    }
    if not rows:
        return
    statement = insert(connection, label_observations)
    again = {name: statement.excluded[name] for name in ("received_at", "is_waiting")}
    keys = ["request_id", "observed_at", "label"]
    # One order for all writers, so that overlapping deliveries wait for each other and do not deadlock.
    ordered = [rows[key] for key in sorted(rows)]
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=again), ordered)


def arrived(connection: sa.Connection | ArchivedRows, log: sa.Table) -> list[LabelItem]:
    """Waiting observations whose request is logged now, in the order they came."""
    c = label_observations.c
    query = (
        sa.select(c.request_id, c.label, c.observed_at)
        .join_from(label_observations, log, c.request_id == log.c.request_id)
        .where(c.is_waiting)
        .order_by(c.received_at, c.observation_id)
    )
    return [LabelItem(*row) for row in connection.execute(query)]


def stop_waiting(connection: sa.Connection, request_ids: Sequence[str]) -> None:
    for part in _in_parts(request_ids):
        where = label_observations.c.request_id.in_(part)
        connection.execute(sa.update(label_observations).where(where).values(is_waiting=False))


def count_waiting(connection: sa.Connection) -> int:
    """Requests, not observations."""
    c = label_observations.c
    query = sa.select(sa.func.count(sa.distinct(c.request_id))).where(c.is_waiting)
    return connection.execute(query).scalar_one()


def history_of(connection: sa.Connection, request_id: str) -> list[LabelObservation]:
    """Every observation of a request, in the order they came."""
    c = label_observations.c
    columns = (c.request_id, c.label, c.observed_at, c.received_at, c.source, c.is_waiting)
    query = sa.select(*columns).where(c.request_id == request_id).order_by(c.received_at, c.observation_id)
    return [LabelObservation(**row) for row in connection.execute(query).mappings()]


def first_arrivals() -> sa.Subquery:
    """request_id and when its first observation came."""
    c = label_observations.c
    first: sa.ColumnElement[Any] = sa.func.min(c.received_at).label("received_at")
    return sa.select(c.request_id, first).group_by(c.request_id).subquery()


def _in_parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), _IDS_PER_STATEMENT):
        yield ids[start : start + _IDS_PER_STATEMENT]
