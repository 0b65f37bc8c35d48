"""Limits of failed sign-ins by user name and by address, counted in the audit events of the last 15 minutes.

An event without a target, such as a sign-in that these limits refused, does not count.
Not here: checking passwords (passwords.py).
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from pmmds_core.policies.people import key_of
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.identity_tables import audit_events
from pmmds_core.stores.identity.audit import REFUSED, SIGN_IN

PERIOD = timedelta(minutes=15)
MAX_BY_NAME, MAX_BY_ADDRESS = 5, 20


def seconds_to_wait(database: Database, name: str, address: str) -> int:
    """Seconds until another sign-in may be attempted; 0 if it may be attempted now.

    Args:
        database: the deployment's database.
        name: as entered; failed sign-ins are counted with `target_of` this name.
        address: of the client.
    """
    a, now = audit_events.c, datetime.now(UTC)
    limits = ((a.target == target_of(name), MAX_BY_NAME), (a.address == address, MAX_BY_ADDRESS))
    waits = [0.0]
    with database.connect() as connection:
        for condition, allowed in limits:
            failed = sa.select(a.at).where(
                a.action == SIGN_IN, a.outcome == REFUSED, a.at > now - PERIOD, a.target != "", condition
            )
            nth = failed.order_by(a.at.desc()).offset(allowed - 1).limit(1)
            at = connection.execute(nth).scalar_one_or_none()
            waits.append(0.0 if at is None else (at + PERIOD - now).total_seconds())
    return math.ceil(max(waits))


def target_of(name: str) -> str:
    """The target of a sign-in in the audit events."""
    return f"user {key_of(name)}"[:256]
