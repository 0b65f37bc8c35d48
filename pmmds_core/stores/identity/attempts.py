"""Limits failed sign-ins per user name and per address, based on the audit events of the last 15 minutes.

IPv6 addresses are limited per /64 network, because one client usually has all addresses of such a network. An event
without a target, such as a sign-in that these limits refused, does not count.

Not here: checking passwords (passwords.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv6Address, IPv6Network, ip_address
from itertools import islice

import sqlalchemy as sa

from pmmds_core.policies.people import key_of
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.identity_tables import audit_events
from pmmds_core.stores.identity.audit import REFUSED, SIGN_IN

PERIOD = timedelta(minutes=15)
MAX_BY_NAME, MAX_BY_ADDRESS = 5, 20


def seconds_to_wait(database: Database, name: str, address: str) -> int:
    """Return the number of seconds until another sign-in may be attempted, or 0 if an attempt is allowed now.

    Args:
        database: the database of the deployment.
        name: the user name as entered. Failed sign-ins are counted by the `target_of` this name.
        address: the client's address. All addresses of an IPv6 /64 network count as one.
    """
    now = datetime.now(UTC)
    with database.connect() as connection:
        by_name = connection.execute(_failed(now, audit_events.c.target == target_of(name)))
        times = (
            _nth((row.at for row in by_name), MAX_BY_NAME),
            _nth(_times_of(connection, address, now), MAX_BY_ADDRESS),
        )
    waits = (0.0 if at is None else (at + PERIOD - now).total_seconds() for at in times)
    return math.ceil(max(0.0, *waits))


def _failed(now: datetime, condition: sa.ColumnElement[bool]) -> sa.Select[tuple[datetime, str]]:
    """Return the query of the failed sign-ins in the period, newest first."""
    a = audit_events.c
    failed = sa.select(a.at, a.address).where(
        a.action == SIGN_IN, a.outcome == REFUSED, a.at > now - PERIOD, a.target != "", condition
    )
    return failed.order_by(a.at.desc())


def _times_of(connection: sa.Connection, address: str, now: datetime) -> Iterator[datetime]:
    """Yield the times of the failed sign-ins from an address, or from its network, newest first."""
    column, network = audit_events.c.address, network_of(address)
    if network is None:
        rows = connection.execute(_failed(now, column == address))
    else:
        first_group = str(network).partition(":")[0]
        rows = connection.execute(_failed(now, column.startswith(f"{first_group}:", autoescape=True)))
    return (row.at for row in rows if network is None or network_of(row.address) == network)


def _nth(times: Iterator[datetime], n: int) -> datetime | None:
    return next(islice(times, n - 1, None), None)


def network_of(address: str) -> IPv6Network | None:
    """Return the /64 network of an IPv6 address. Return None for IPv4, also if it is mapped to IPv6, and other text."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    if not isinstance(parsed, IPv6Address) or parsed.ipv4_mapped is not None:
        return None
    return IPv6Network((int(parsed), 64), strict=False)


def target_of(name: str) -> str:
    """Return the target that the audit events record for a sign-in."""
    return f"user {key_of(name)}"[:256]
