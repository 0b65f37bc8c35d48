"""The state of the outbox for monitoring: how many messages wait, since when, and how many were given up.

Only three columns are read, because the service's database login may read no others (database/grants.py). Not here:
sending and retries (outbox.py), metric names (pmmds_serving/metrics).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from pmmds_core.stores.database.tables import alert_notifications
from pmmds_core.stores.lifecycle.outbox import GIVEN_UP, PENDING, WEBHOOK

# The messages to PMMDS_ALERT_URLS and the events to PMMDS_WEBHOOK_URLS.
NOTIFICATIONS, WEBHOOKS = "notification", "webhook"
CHANNELS = (NOTIFICATIONS, WEBHOOKS)


@dataclass(frozen=True)
class ChannelStatus:
    """The undelivered messages of one channel.

    Attributes:
        n_waiting: messages that will be sent or sent again.
        n_given_up: messages that will not be sent again and that retention has not removed yet.
        oldest_seconds: the age of the oldest waiting message in seconds, or 0 if none waits.
    """

    n_waiting: int = 0
    n_given_up: int = 0
    oldest_seconds: float = 0.0


def read_outbox(connection: sa.Connection, now: datetime | None = None) -> Mapping[str, ChannelStatus]:
    """Return the status of every channel, including channels without messages."""
    c = alert_notifications.c
    at = now or datetime.now(UTC)
    channel = sa.case((c.target.startswith(WEBHOOK), WEBHOOKS), else_=NOTIFICATIONS).label("channel")
    columns = (channel, c.state, sa.func.count(c.state).label("n"), sa.func.min(c.created_at).label("oldest"))
    query = sa.select(*columns).where(c.state.in_([PENDING, GIVEN_UP])).group_by(channel, c.state)
    found = {(row.channel, row.state): (row.n, row.oldest) for row in connection.execute(query)}
    return {channel: _status(found, channel, at) for channel in CHANNELS}


def _status(found: Mapping[tuple[str, str], tuple[int, datetime]], channel: str, at: datetime) -> ChannelStatus:
    n_waiting, oldest = found.get((channel, PENDING), (0, at))
    n_given_up, _ = found.get((channel, GIVEN_UP), (0, at))
    return ChannelStatus(n_waiting, n_given_up, max(0.0, (at - oldest).total_seconds()))
