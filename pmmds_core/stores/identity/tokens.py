"""API tokens of users: bearer tokens for programs, which expire and can be revoked.

Not here: the admin token (config/admin_token.py), reading the Authorization header (pmmds_console/sign_in).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from pmmds_core.errors import UsageError
from pmmds_core.policies.people import key_of
from pmmds_core.policies.roles import Role
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.identity_tables import api_tokens, console_users
from pmmds_core.stores.identity.secret_ids import digest_of, new_secret
from pmmds_core.stores.identity.users import UserStore

PREFIX = "pmmds_"
MAX_DAYS = 366
_SHOWN = ("token_id", "owner", "role", "created_at", "expires_at", "revoked_at")


@dataclass(frozen=True)
class ApiToken:
    """A token without its secret. `role` is the most that it allows."""

    token_id: int
    owner: str
    role: Role
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True)
class TokenCheck:
    """The result of checking a token. `refusal` is the reason why it is not accepted; empty if it is."""

    owner: str
    role: Role
    refusal: str


class TokenStore:
    """Creates, checks, lists and revokes API tokens."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, owner: str, role: Role, lifetime: timedelta) -> tuple[ApiToken, str]:
        """A new token and its secret, which cannot be read again.

        Raises:
            UsageError: there is no such user or the user is disabled, the role is above the owner's, or the lifetime
                is not between one minute and 366 days.
        """
        user = UserStore(self._database).get(owner)
        _check_new(user.name, user.role, role, lifetime, is_enabled=user.is_enabled)
        now, secret = datetime.now(UTC), new_secret(PREFIX)
        row = {
            "digest": digest_of(secret),
            "owner": user.name,
            "role": role.word,
            "created_at": now,
            "expires_at": now + lifetime,
        }
        with self._database.begin() as connection:
            added = sa.insert(api_tokens).values(row).returning(*(api_tokens.c[name] for name in _SHOWN))
            return _token(connection.execute(added).mappings().one()), secret

    def check(self, secret: str) -> TokenCheck | None:
        """What a token allows now; None if no token has this secret."""
        t, u = api_tokens.c, console_users.c
        query = (
            sa.select(t.owner, t.role, t.expires_at, t.revoked_at, u.role.label("owner_role"), u.disabled_at)
            .join_from(api_tokens, console_users, t.owner == u.name)
            .where(t.digest == digest_of(secret))
        )
        with self._database.connect() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        role = min(Role.from_word(row.role), Role.from_word(row.owner_role))
        return TokenCheck(row.owner, role, _refusal(row))

    def all(self, owner: str = "") -> list[ApiToken]:
        """Every token, or those of one user, in the order of creation."""
        query = sa.select(*(api_tokens.c[name] for name in _SHOWN)).order_by(api_tokens.c.token_id)
        if owner:
            query = query.where(api_tokens.c.owner == key_of(owner))
        with self._database.connect() as connection:
            return [_token(row) for row in connection.execute(query).mappings()]

    def revoke(self, token_id: int) -> ApiToken:
        """Revoke a token; a token that is revoked already keeps its time. Raises UsageError if there is none."""
        t = api_tokens.c
        change = sa.update(api_tokens).where(t.token_id == token_id, t.revoked_at.is_(None))
        with self._database.begin() as connection:
            connection.execute(change.values(revoked_at=datetime.now(UTC)))
        for token in self.all():
            if token.token_id == token_id:
                return token
        raise UsageError(f"There is no API token {token_id}.", next_step="`pmmds tokens list` lists the tokens.")


def _check_new(owner: str, owner_role: Role, role: Role, lifetime: timedelta, *, is_enabled: bool) -> None:
    if not is_enabled:
        raise UsageError(f"The user {owner!r} is disabled.", next_step="Run `pmmds users enable` first.")
    if role > owner_role:
        raise UsageError(
            f"The token's role {role.word} is above the role of {owner!r}, which is {owner_role.word}.",
            next_step=f"Use --role {owner_role.word} or a lower role.",
        )
    if not timedelta(minutes=1) <= lifetime <= timedelta(days=MAX_DAYS):
        raise UsageError("A token is valid for 1 minute to 366 days.", next_step="Use a value such as --expires 90d.")


def _refusal(row: sa.Row[*tuple[Any, ...]]) -> str:
    if row.revoked_at is not None:
        return "The API token is revoked."
    if row.expires_at <= datetime.now(UTC):
        return "The API token is expired."
    return "The owner of the API token is disabled." if row.disabled_at is not None else ""


def _token(row: sa.RowMapping) -> ApiToken:
    return ApiToken(**{**row, "role": Role.from_word(row["role"])})
