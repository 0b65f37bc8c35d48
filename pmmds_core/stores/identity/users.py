"""The users whom PMMDS knows by name: with a password, or only as owners of API tokens.

Not here: people who are known only to an identity provider, sessions (sessions.py), passwords (passwords.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from pmmds_core.errors import UsageError
from pmmds_core.policies.people import checked_name, key_of
from pmmds_core.policies.roles import Role
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.identity_tables import console_sessions, console_users
from pmmds_core.stores.identity import passwords


@dataclass(frozen=True)
class User:
    """A user. `name` is in lower case. `password_hash` is None if the user has no password."""

    name: str
    password_hash: str | None
    role: Role
    created_at: datetime
    disabled_at: datetime | None

    @property
    def is_enabled(self) -> bool:
        return self.disabled_at is None


class UserStore:
    """Adds, changes and reads users. Changes need the login that owns the tables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, name: str, role: Role, password: str | None) -> User:
        """Add a user; None: without a password.

        Raises:
            UsageError: the name exists already or is not valid, or the password is not accepted.
        """
        key = key_of(checked_name(name))
        row = {
            "name": key,
            "password_hash": None if password is None else passwords.hash_of(password),
            "role": role.word,
            "created_at": datetime.now(UTC),
        }
        try:
            with self._database.begin() as connection:
                if self._row(connection, key) is not None:
                    raise _exists(key)
                connection.execute(sa.insert(console_users).values(row))
        except IntegrityError:
            raise _exists(key) from None
        return self.get(key)

    def find(self, name: str) -> User | None:
        """The user with this name in any case; None if there is none."""
        with self._database.connect() as connection:
            row = self._row(connection, key_of(name))
        return None if row is None else _user(row)

    def get(self, name: str) -> User:
        """The user with this name in any case. Raises UsageError if there is none."""
        user = self.find(name)
        if user is None:
            raise UsageError(f"There is no user {name!r}.", next_step="`pmmds users list` lists the users.")
        return user

    def all(self) -> list[User]:
        """Every user, by name."""
        with self._database.connect() as connection:
            rows = connection.execute(sa.select(console_users).order_by(console_users.c.name)).mappings()
            return [_user(row) for row in rows]

    def set_role(self, name: str, role: Role) -> User:
        """Change a user's role, also in open sessions. Raises UsageError if there is no such user."""
        return self._set(name, role=role.word)

    def set_password(self, name: str, password: str) -> User:
        """Change a user's password and end the user's sessions. Raises UsageError as `add` does."""
        user = self._set(name, password_hash=passwords.hash_of(password))
        self._end_sessions(user.name)
        return user

    def disable(self, name: str) -> User:
        """Refuse the user's password, API tokens and sign-ins, and end the user's sessions."""
        user = self._set(name, disabled_at=datetime.now(UTC))
        self._end_sessions(user.name)
        return user

    def enable(self, name: str) -> User:
        """Allow a disabled user again. Raises UsageError if there is no such user."""
        return self._set(name, disabled_at=None)

    def _set(self, name: str, **values: Any) -> User:
        user = self.get(name)
        change = sa.update(console_users).where(console_users.c.name == user.name).values(values)
        with self._database.begin() as connection:
            connection.execute(change)
        return self.get(name)

    def _end_sessions(self, key: str) -> None:
        names = console_sessions.c
        with self._database.begin() as connection:
            found = connection.execute(sa.select(names.name).distinct()).scalars()
            same = [name for name in found if key_of(name) == key]
            connection.execute(sa.delete(console_sessions).where(names.name.in_(same)))

    @staticmethod
    def _row(connection: sa.Connection, key: str) -> sa.RowMapping | None:
        query = sa.select(console_users).where(console_users.c.name == key)
        return connection.execute(query).mappings().one_or_none()


def _user(row: sa.RowMapping) -> User:
    return User(**{**row, "role": Role.from_word(row["role"])})


def _exists(name: str) -> UsageError:
    return UsageError(f"There is a user {name!r} already.", next_step="`pmmds users set-role` changes the role.")
