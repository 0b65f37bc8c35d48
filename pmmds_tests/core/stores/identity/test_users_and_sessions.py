"""Users, passwords and sessions on each engine."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from pmmds_core.errors import UsageError
from pmmds_core.policies.roles import Role
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.identity_tables import console_sessions
from pmmds_core.stores.identity.passwords import hash_of, is_right
from pmmds_core.stores.identity.sessions import OIDC, PASSWORD, SessionStore
from pmmds_core.stores.identity.users import UserStore

PHRASE = "correct horse battery"
HOUR = timedelta(hours=1)


@pytest.fixture
def users(database: Database) -> UserStore:
    return UserStore(database)


@pytest.fixture
def sessions(database: Database) -> SessionStore:
    return SessionStore(database, 12 * HOUR, HOUR)


def age(database: Database, **columns: datetime) -> None:
    """Set time columns of every session."""
    with database.begin() as connection:
        connection.execute(sa.update(console_sessions).values(**columns))


def test_a_password_is_stored_as_a_salted_argon2id_hash() -> None:
    first, second = hash_of(PHRASE), hash_of(PHRASE)
    assert first != second
    assert first.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert is_right(PHRASE, first)
    assert not is_right(PHRASE + " ", first)
    assert not is_right(PHRASE, None)
    assert not is_right(PHRASE, "no hash")


@pytest.mark.parametrize("password", ["", "123456789", "aaaaaaaaaaaa", "x" * 257])
def test_a_weak_or_endless_password_is_refused(users: UserStore, password: str) -> None:
    with pytest.raises(UsageError):
        users.add("ada", Role.VIEWER, password)
    assert users.all() == []


def test_a_user_is_found_in_any_case_and_added_once(users: UserStore) -> None:
    user = users.add(" Ada ", Role.OPERATOR, PHRASE)
    assert (user.name, user.role, user.is_enabled) == ("ada", Role.OPERATOR, True)
    assert users.find("ADA") == user
    with pytest.raises(UsageError, match="There is a user 'ada' already"):
        users.add("ADA", Role.APPROVER, PHRASE)
    assert users.get("ada").role == Role.OPERATOR


@pytest.mark.parametrize("name", ["", " ", "a\nb", "x" * 129, "Admin", "monitoring", "automatic rollback"])
def test_an_invalid_or_reserved_name_is_refused(users: UserStore, name: str) -> None:
    with pytest.raises(UsageError):
        users.add(name, Role.VIEWER, None)


def test_a_session_has_the_users_current_role(users: UserStore, sessions: SessionStore) -> None:
    users.add("ada", Role.VIEWER, PHRASE)
    secret = sessions.open("ada", Role.VIEWER, PASSWORD)
    users.set_role("ada", Role.APPROVER)
    session = sessions.find(secret)
    assert session is not None
    assert (session.name, session.role, session.method) == ("ada", Role.APPROVER, PASSWORD)
    assert sessions.find(secret + "x") is None
    users.disable("ada")
    users.enable("ada")
    assert sessions.find(secret) is None, "disabling ends open sessions"


def test_the_database_has_only_digests_of_session_ids(database: Database, sessions: SessionStore) -> None:
    secret = sessions.open("ada", Role.VIEWER, OIDC)
    with database.connect() as connection:
        (row,) = connection.execute(sa.select(console_sessions)).all()
    assert row.digest == hashlib.sha256(secret.encode()).hexdigest()
    assert secret not in map(str, row)


def test_a_session_ends_after_its_lifetime_or_when_idle(database: Database, sessions: SessionStore) -> None:
    now = datetime.now(UTC)
    secret = sessions.open("ada", Role.VIEWER, OIDC)
    age(database, last_used_at=now - timedelta(minutes=59))
    assert sessions.find(secret) is not None
    with database.connect() as connection:
        used = connection.execute(sa.select(console_sessions.c.last_used_at)).scalar_one()
    assert used >= now, "a request renews the idle time"
    age(database, last_used_at=now - timedelta(minutes=61))
    assert sessions.find(secret) is None
    age(database, last_used_at=now, expires_at=now - timedelta(seconds=1))
    assert sessions.find(secret) is None


def test_a_new_session_replaces_the_old_one_and_removes_ended_ones(database: Database, sessions: SessionStore) -> None:
    sessions.open("bob", Role.VIEWER, OIDC)
    age(database, expires_at=datetime.now(UTC) - HOUR)
    first = sessions.open("ada", Role.VIEWER, OIDC)
    second = sessions.open("ada", Role.VIEWER, OIDC, instead_of=first)
    assert sessions.find(first) is None
    assert sessions.find(second) is not None
    with database.connect() as connection:
        assert len(connection.execute(sa.select(console_sessions)).all()) == 1
    sessions.end(second)
    assert sessions.find(second) is None


def test_a_person_of_an_identity_provider_can_be_disabled(users: UserStore, sessions: SessionStore) -> None:
    secret = sessions.open("Eve@Example.com", Role.APPROVER, OIDC)
    users.add("eve@example.com", Role.VIEWER, None)
    session = sessions.find(secret)
    assert session is not None
    assert session.role == Role.APPROVER, "the provider gives the role"
    users.disable("eve@example.com")
    assert sessions.find(secret) is None


def test_a_changed_password_ends_the_sessions(users: UserStore, sessions: SessionStore) -> None:
    users.add("ada", Role.VIEWER, PHRASE)
    secret = sessions.open("ada", Role.VIEWER, PASSWORD)
    users.set_password("ada", "another long password")
    assert sessions.find(secret) is None
    assert is_right("another long password", users.get("ada").password_hash)


def test_an_unknown_user_costs_one_verification_as_a_known_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    from argon2 import PasswordHasher

    stored, verify = hash_of(PHRASE), PasswordHasher.verify
    verified: list[str] = []

    def watched(hasher: PasswordHasher, stored_hash: str, password: str) -> bool:
        verified.append(stored_hash)
        return verify(hasher, stored_hash, password)

    monkeypatch.setattr(PasswordHasher, "verify", watched)
    for known in (stored, None):
        assert not is_right("wrong password", known)
    parameters = [text.split("$")[2:4] for text in verified]
    assert len(parameters) == 2
    assert parameters[0] == parameters[1], "the same version, memory, passes and lanes"
