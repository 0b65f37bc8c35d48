"""Writes the notifications and events of a change into the outbox, in the transaction of the change.

Not here: message texts (policies/notifications.py), events (policies/events.py), sending (notifier.py,
webhook_sender.py).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from pmmds_core.policies.events import VERSION, Event, console_link
from pmmds_core.policies.notifications import NotificationText
from pmmds_core.stores.lifecycle.outbox import enqueue


@dataclass(frozen=True)
class Publisher:
    """Where the changes of a deployment are reported.

    `targets`: apprise targets, from `outbox.target_of`. `webhooks`: webhook targets, from `outbox.webhook_target_of`.
    `console_url`: PMMDS_CONSOLE_URL.
    """

    targets: tuple[str, ...] = ()
    webhooks: tuple[str, ...] = ()
    console_url: str = ""

    def notify(
        self,
        connection: sa.Connection,
        notice: NotificationText,
        at: datetime,
        *,
        page: str = "",
        change_id: int | None = None,
    ) -> None:
        """Write a notification for every apprise target, with a link to `page` if the console's address is set."""
        link = console_link(self.console_url, page)
        linked = replace(notice, body=f"{notice.body} {link}") if link else notice
        enqueue(connection, linked, self.targets, at, change_id=change_id)

    def publish(self, connection: sa.Connection, event: Event, at: datetime, *, change_id: int | None = None) -> None:
        """Write an event for every webhook. The same event, written again, changes nothing."""
        if self.webhooks:
            message = NotificationText(event.subject, event.kind, self._body(event, at))
            enqueue(connection, message, self.webhooks, at, change_id=change_id)

    def _body(self, event: Event, at: datetime) -> str:
        return _encoded(event.kind, at, console_link(self.console_url, event.page), event.data)


def trial_body(model_name: str) -> str:
    """The body of the event `webhook.test`, which no change causes."""
    return _encoded("webhook.test", datetime.now(UTC), "", {"model_name": model_name})


def _encoded(kind: str, at: datetime, url: str, data: Mapping[str, Any]) -> str:
    """The body of every attempt to send an event; its id is the header webhook-id."""
    document = {
        "id": f"evt_{uuid.uuid4().hex}",
        "type": kind,
        "version": VERSION,
        "timestamp": at,
        "url": url or None,
        "data": data,
    }
    return msgspec.json.encode(document).decode()
