"""Audit events: who did or tried to do what, when, from where, and with which outcome. They are only added.

Not here: what is recorded (workflows/auditing.py, pmmds_console/refusals.py), limits on sign-in attempts (attempts.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.identity_tables import audit_events

DONE, REFUSED, FAILED = "done", "refused", "failed"
SIGN_IN, SIGN_OUT = "sign in", "sign out"
MAX_DETAIL = 500


@dataclass(frozen=True)
class Origin:
    """Who acts. `method`: how the name was proved. `address`: of the client; empty for the command line."""

    actor: str
    method: str
    address: str = ""


@dataclass(frozen=True)
class AuditEvent:
    """One event. `outcome`: done, refused or failed. `detail`: one sentence."""

    event_id: int
    at: datetime
    actor: str
    method: str
    address: str
    action: str
    target: str
    outcome: str
    detail: str


class AuditStore:
    """Adds and reads audit events."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, origin: Origin, action: str, target: str, outcome: str, detail: str = "") -> None:
        """Add an event; text that is too long for its column is cut."""
        row = {
            "at": datetime.now(UTC),
            "actor": _cut(origin.actor, 128),
            "method": _cut(origin.method, 16),
            "address": _cut(origin.address, 64),
            "action": _cut(action, 32),
            "target": _cut(target, 256),
            "outcome": outcome,
            "detail": _cut(detail, MAX_DETAIL),
        }
        with self._database.begin() as connection:
            connection.execute(sa.insert(audit_events).values(row))

    def recent(self, limit: int = 50, *, since: datetime | None = None, before: int | None = None) -> list[AuditEvent]:
        """The newest events, newest first.

        Args:
            limit: maximum number of events.
            since: only events at or after this instant.
            before: only events older than the event with this id, for the next page.
        """
        a = audit_events.c
        query = sa.select(audit_events).order_by(a.event_id.desc()).limit(limit)
        if since is not None:
            query = query.where(a.at >= since)
        if before is not None:
            query = query.where(a.event_id < before)
        with self._database.connect() as connection:
            return [AuditEvent(**row) for row in connection.execute(query).mappings()]


def _cut(text: str, length: int) -> str:
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()[:length]
