"""The outbox. Notifications are inserted with the change that they report and claimed by one sender at a time.

Not here: sending (notifier.py), alerts (alerts.py), message texts (policies/notifications.py).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from pmmds_core.policies.notifications import FIRST_PAUSE, MAX_ATTEMPTS, NotificationText
from pmmds_core.stores.database.dialects import insert
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.tables import alert_notifications

PENDING, SENT, GIVEN_UP = "pending", "sent", "given_up"
# The duration of a claim, which is longer than any send. Once a claim expires, another sender can retry.
CLAIM = timedelta(minutes=5)
# The first letter of a webhook's stored name, which never occurs in hexadecimal digests.
WEBHOOK = "w"
# A comma or a space separates URLs only if another URL follows, because apprise URLs may contain commas.
_BETWEEN_URLS = re.compile(r"[\s,]+(?=[A-Za-z][A-Za-z0-9+.-]*://)")


@dataclass(frozen=True)
class Notification:
    """A message to a target. `attempts` includes the current attempt."""

    notification_id: int
    target: str
    title: str
    body: str
    attempts: int


@dataclass(frozen=True)
class NotificationState:
    """The delivery state of a message, as shown in the alert's history."""

    change_id: int
    target: str
    state: str
    attempts: int
    due_at: datetime
    last_error: str | None
    sent_at: datetime | None


@dataclass(frozen=True)
class UndeliveredEvent:
    """An event that a webhook has not accepted. `kind` is the type of the event, such as `alert.opened`."""

    kind: str
    target: str
    state: str
    attempts: int
    due_at: datetime
    last_error: str | None


def split_urls(setting: str) -> tuple[str, ...]:
    """Split the value of PMMDS_ALERT_URLS into URLs."""
    return tuple(url.strip(" \t\r\n,") for url in _BETWEEN_URLS.split(setting) if url.strip(" \t\r\n,"))


def target_of(url: str) -> str:
    """Return the identifier that is stored for a URL, which is a digest because URLs contain secrets."""
    return hashlib.sha256(url.encode()).hexdigest()[:16]


def webhook_target_of(url: str) -> str:
    """Return the stored name of a webhook.

    The name is a digest that begins with WEBHOOK, unlike the names of other targets.
    """
    return WEBHOOK + hashlib.sha256(url.encode()).hexdigest()[:15]


def enqueue(
    connection: sa.Connection,
    notice: NotificationText,
    targets: Iterable[str],
    now: datetime,
    *,
    change_id: int | None = None,
) -> None:
    """Insert one row per target in the transaction of the change. `change_id` is set only if an alert changed."""
    rows = [
        {
            "change_id": change_id,
            "subject": notice.subject,
            "target": target,
            "title": notice.title,
            "body": notice.body,
            "state": PENDING,
            "attempts": 0,
            "created_at": now,
            "due_at": now,
        }
        for target in targets
    ]
    if rows:
        connection.execute(insert(connection, alert_notifications).on_conflict_do_nothing(), rows)


class NotificationOutbox:
    """The queue of notifications, which senders claim and whose delivery they record."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def due(self, now: datetime | None = None) -> list[int]:
        """Return the ids of due notifications for apprise that no sender has claimed, oldest first."""
        return [notification_id for notification_id, _ in self._due(now, is_webhook=False)]

    def due_webhooks(self, now: datetime | None = None) -> dict[str, list[int]]:
        """Return the ids of each webhook target's due events that no sender has claimed, oldest first."""
        due: dict[str, list[int]] = {}
        for notification_id, target in self._due(now, is_webhook=True):
            due.setdefault(target, []).append(notification_id)
        return due

    def _due(self, now: datetime | None, *, is_webhook: bool) -> list[tuple[int, str]]:
        c = alert_notifications.c
        at = now or datetime.now(UTC)
        is_kind = c.target.startswith(WEBHOOK) if is_webhook else c.target.not_like(f"{WEBHOOK}%")
        query = sa.select(c.notification_id, c.target).where(c.state == PENDING, c.due_at <= at, _is_free(at), is_kind)
        with self._database.connect() as connection:
            return [(row.notification_id, row.target) for row in connection.execute(query.order_by(c.notification_id))]

    def claim(self, notification_id: int, now: datetime | None = None) -> Notification | None:
        """Claim a notification for sending, or return None if another process claimed, sent or postponed it.

        A single conditional UPDATE claims it and counts the attempt, even if the sender then crashes.
        """
        c = alert_notifications.c
        at = now or datetime.now(UTC)
        update = (
            sa.update(alert_notifications)
            .where(c.notification_id == notification_id, c.state == PENDING, c.due_at <= at, _is_free(at))
            .values(claimed_until=at + CLAIM, attempts=c.attempts + 1)
            .returning(c.notification_id, c.target, c.title, c.body, c.attempts)
        )
        with self._database.begin() as connection:
            row = connection.execute(update).mappings().one_or_none()
        return None if row is None else Notification(**row)

    def sent(self, notification: Notification, now: datetime | None = None) -> None:
        """Record the delivery."""
        at = now or datetime.now(UTC)
        self._update(notification, state=SENT, sent_at=at, last_error=None)

    def failed(self, notification: Notification, reason: str, now: datetime | None = None) -> bool:
        """Schedule a retry after twice the pause, or give up after MAX_ATTEMPTS.

        Return True if the notification will be retried.
        """
        if notification.attempts >= MAX_ATTEMPTS:
            self.give_up(notification, reason)
            return False
        pause = FIRST_PAUSE * 2 ** (notification.attempts - 1)
        self._update(notification, due_at=(now or datetime.now(UTC)) + pause, last_error=reason)
        return True

    def give_up(self, notification: Notification, reason: str) -> None:
        """Record that the notification will not be retried."""
        self._update(notification, state=GIVEN_UP, last_error=reason)

    def of_changes(self, change_ids: Sequence[int]) -> list[NotificationState]:
        """Return the delivery states of the messages about these changes, in order."""
        c = alert_notifications.c
        columns = (c.change_id, c.target, c.state, c.attempts, c.due_at, c.last_error, c.sent_at)
        query = sa.select(*columns).where(c.change_id.in_(change_ids)).order_by(c.notification_id)
        with self._database.connect() as connection:
            return [NotificationState(**row) for row in connection.execute(query).mappings()]

    def undelivered_webhooks(self, limit: int = 20) -> list[UndeliveredEvent]:
        """Return the events that failed at least once or were given up, newest first."""
        c = alert_notifications.c
        is_undelivered = sa.or_(c.state == GIVEN_UP, sa.and_(c.state == PENDING, c.attempts > 0))
        columns = (c.title.label("kind"), c.target, c.state, c.attempts, c.due_at, c.last_error)
        query = sa.select(*columns).where(c.target.startswith(WEBHOOK), is_undelivered)
        with self._database.connect() as connection:
            rows = connection.execute(query.order_by(c.notification_id.desc()).limit(limit)).mappings().all()
        return [UndeliveredEvent(**row) for row in rows]

    def _update(self, notification: Notification, **values: object) -> None:
        """Update a notification for the current attempt only.

        A sender whose claim has expired thus changes nothing.
        """
        c = alert_notifications.c
        update = sa.update(alert_notifications).where(
            c.notification_id == notification.notification_id,
            c.attempts == notification.attempts,
            c.state == PENDING,
        )
        with self._database.begin() as connection:
            connection.execute(update.values(claimed_until=None, **values))


def _is_free(at: datetime) -> sa.ColumnElement[bool]:
    until = alert_notifications.c.claimed_until
    return sa.or_(until.is_(None), until < at)
