"""The outbox's figures equal counts of its rows, which are computed here with pandas."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
import sqlalchemy as sa

from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.tables import alert_notifications
from pmmds_core.stores.lifecycle.outbox import GIVEN_UP, PENDING, SENT, NotificationOutbox, target_of, webhook_target_of
from pmmds_core.stores.lifecycle.outbox_status import ChannelStatus, read_outbox

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
WEBHOOKS = (webhook_target_of("https://a.example"), webhook_target_of("https://b.example"))
APPRISE = target_of("json://a.example")
# The target, the state and the age in minutes of each message.
MESSAGES = (
    (WEBHOOKS[0], SENT, 300),
    (WEBHOOKS[0], GIVEN_UP, 200),
    (WEBHOOKS[0], PENDING, 45),
    (WEBHOOKS[1], PENDING, 90),
    (WEBHOOKS[1], PENDING, 1),
    (APPRISE, SENT, 400),
    (APPRISE, PENDING, 20),
    (APPRISE, GIVEN_UP, 500),
    (APPRISE, GIVEN_UP, 600),
)


def add(database: Database, messages: tuple[tuple[str, str, int], ...]) -> None:
    """Insert the messages. Every one is due in an hour, as after a failed attempt."""
    rows = [
        {
            "subject": f"test:{n}",
            "target": target,
            "title": "title",
            "body": "{}",
            "state": state,
            "attempts": 1,
            "created_at": NOW - timedelta(minutes=minutes),
            "due_at": NOW + timedelta(hours=1),
        }
        for n, (target, state, minutes) in enumerate(messages)
    ]
    with database.begin() as connection:
        connection.execute(sa.insert(alert_notifications), rows)


def status(database: Database, now: datetime = NOW) -> dict[str, ChannelStatus]:
    with database.connect() as connection:
        return dict(read_outbox(connection, now))


def test_figures_equal_the_rows_of_each_channel(database: Database) -> None:
    add(database, MESSAGES)
    frame = pd.DataFrame(MESSAGES, columns=["target", "state", "minutes"])
    frame["channel"] = frame.target.isin(WEBHOOKS).map({True: "webhook", False: "notification"})
    found = status(database)
    assert found.keys() == {"webhook", "notification"}
    for channel, rows in frame.groupby("channel"):
        waiting = rows[rows.state == PENDING]
        expected = ChannelStatus(len(waiting), int((rows.state == GIVEN_UP).sum()), waiting.minutes.max() * 60.0)
        assert found[str(channel)] == expected, channel


def test_an_empty_outbox_has_zero_for_every_channel(database: Database) -> None:
    assert status(database) == {"webhook": ChannelStatus(), "notification": ChannelStatus()}


def test_the_age_is_not_negative_if_a_clock_is_behind(database: Database) -> None:
    add(database, ((APPRISE, PENDING, -5),))
    assert status(database)["notification"] == ChannelStatus(n_waiting=1)


def test_a_failed_attempt_does_not_reset_the_age(database: Database) -> None:
    add(database, ((WEBHOOKS[0], PENDING, 30),))
    with database.begin() as connection:
        connection.execute(sa.update(alert_notifications).values(due_at=NOW))
    outbox = NotificationOutbox(database)
    (notification_id,) = outbox.due_webhooks(NOW)[WEBHOOKS[0]]
    claimed = outbox.claim(notification_id, NOW)
    assert claimed is not None
    assert outbox.failed(claimed, "the target answered 503", NOW)
    later = NOW + timedelta(minutes=10)
    assert status(database, later)["webhook"].oldest_seconds == pytest.approx(40 * 60)
