"""Sessions of people who signed in. A session ends at a fixed time, when it was idle, or by signing out.

Not here: the cookie (pmmds_console/sign_in/cookies.py), how a person signs in.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from pmmds_core.policies.people import key_of
from pmmds_core.policies.roles import Role
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.identity_tables import console_sessions, console_users
from pmmds_core.stores.identity.secret_ids import digest_of, new_secret

PASSWORD, OIDC = "password", "oidc"
# The time of use is stored at most this often, so that reading pages writes little.
_TOUCH_EVERY = timedelta(minutes=1)


@dataclass(frozen=True)
class Session:
    """An open session. `role` is the current one; `method`: password or oidc."""

    name: str
    role: Role
    method: str
    form_token: str


class SessionStore:
    """Opens, reads and ends sessions."""

    def __init__(self, database: Database, lifetime: timedelta, idle: timedelta) -> None:
        """
        Args:
            database: the deployment's database.
            lifetime: of a session from its sign-in.
            idle: time without a request after which a session ends.
        """
        self._database, self._lifetime, self._idle = database, lifetime, idle

    def open(self, name: str, role: Role, method: str, *, instead_of: str = "") -> str:
        """Open a session. Returns its secret id, which is always new.

        Args:
            name: of the person.
            role: of the person now.
            method: password or oidc.
            instead_of: secret id of a session that ends; empty: none.
        """
        now, secret = datetime.now(UTC), new_secret()
        row = {
            "digest": digest_of(secret),
            "name": name,
            "role": role.word,
            "method": method,
            "form_token": new_secret(),
            "created_at": now,
            "last_used_at": now,
            "expires_at": now + self._lifetime,
        }
        s = console_sessions.c
        over = sa.or_(s.expires_at <= now, s.last_used_at <= now - self._idle, s.digest == digest_of(instead_of))
        with self._database.begin() as connection:
            connection.execute(sa.delete(console_sessions).where(over))
            connection.execute(sa.insert(console_sessions).values(row))
        return secret

    def find(self, secret: str) -> Session | None:
        """The open session with this id, and note its use; None if there is none or its user is disabled."""
        now, s = datetime.now(UTC), console_sessions.c
        query = sa.select(console_sessions).where(
            s.digest == digest_of(secret), s.expires_at > now, s.last_used_at > now - self._idle
        )
        with self._database.connect() as connection:
            row = connection.execute(query).one_or_none()
            user = None if row is None else _user_of(connection, row.name)
        if row is None or (user is None and row.method == PASSWORD):
            return None
        if user is not None and user.disabled_at is not None:
            return None
        if now - row.last_used_at >= min(_TOUCH_EVERY, self._idle / 2):
            self._touch(row.digest, now)
        role = user.role if user is not None and row.method == PASSWORD else row.role
        return Session(row.name, Role.from_word(role), row.method, row.form_token)

    def end(self, secret: str) -> None:
        """End the session with this id, if there is one."""
        with self._database.begin() as connection:
            connection.execute(sa.delete(console_sessions).where(console_sessions.c.digest == digest_of(secret)))

    def _touch(self, digest: str, now: datetime) -> None:
        used = sa.update(console_sessions).where(console_sessions.c.digest == digest).values(last_used_at=now)
        with self._database.begin() as connection:
            connection.execute(used)


def _user_of(connection: sa.Connection, name: str) -> sa.Row[*tuple[Any, ...]] | None:
    u = console_users.c
    return connection.execute(sa.select(u.role, u.disabled_at).where(u.name == key_of(name))).one_or_none()
