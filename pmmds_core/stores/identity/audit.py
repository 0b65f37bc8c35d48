"""Audit events, which record who did or tried to do what, when, from where and with which outcome.

Events are only added and never changed.

Not here: what is recorded (workflows/auditing.py, pmmds_console/refusals.py), pages of events (lifecycle/history.py),
limits on sign-in attempts (attempts.py).
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
    """The person or program that acts.

    `method` is how the name was proved. `address` is the client's address, or an empty string for the command line.
    """

    actor: str
    method: str
    address: str = ""


@dataclass(frozen=True)
class AuditEvent:
    """An audit event. `outcome` is done, refused or failed, and `detail` is one sentence."""

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
    """The store of audit events."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, origin: Origin, action: str, target: str, outcome: str, detail: str = "") -> None:
        """Add an event. Text that is too long for its column is truncated.

        White space is stored as spaces, and other characters that are not printable, such as terminal escape
        sequences, as the replacement character U+FFFD.
        """
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

    def recent(self, limit: int = 50, *, since: datetime | None = None) -> list[AuditEvent]:
        """Return the newest events, newest first, at most `limit`, at or after `since`."""
        a = audit_events.c
        query = sa.select(audit_events).order_by(a.event_id.desc()).limit(limit)
        if since is not None:
            query = query.where(a.at >= since)
        with self._database.connect() as connection:
            return [AuditEvent(**row) for row in connection.execute(query).mappings()]


def _cut(text: str, length: int) -> str:
    return "".join(c if c.isprintable() else _replacement(c) for c in text[:length])


def _replacement(character: str) -> str:
    return " " if character.isspace() else "\N{REPLACEMENT CHARACTER}"
