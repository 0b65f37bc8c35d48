"""API tokens, audit events and the limits of sign-in attempts on each engine."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from pmmds_core.errors import UsageError
from pmmds_core.policies.roles import Role
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.identity_tables import api_tokens, audit_events
from pmmds_core.stores.identity.attempts import seconds_to_wait, target_of
from pmmds_core.stores.identity.audit import DONE, REFUSED, SIGN_IN, AuditStore, Origin
from pmmds_core.stores.identity.tokens import TokenCheck, TokenStore
from pmmds_core.stores.identity.users import UserStore

DAY = timedelta(days=1)


@pytest.fixture
def tokens(database: Database) -> TokenStore:
    UserStore(database).add("ada", Role.OPERATOR, None)
    return TokenStore(database)


def test_a_token_is_random_and_stored_as_its_digest(database: Database, tokens: TokenStore) -> None:
    (first, secret), (_, other) = tokens.create("Ada", Role.VIEWER, DAY), tokens.create("ada", Role.VIEWER, DAY)
    assert secret.startswith("pmmds_")
    assert len(secret) == len("pmmds_") + 43
    assert secret != other
    with database.connect() as connection:
        digest = connection.execute(
            sa.select(api_tokens.c.digest).where(api_tokens.c.token_id == first.token_id)
        ).scalar_one()
    assert digest == hashlib.sha256(secret.encode()).hexdigest()
    assert tokens.check(secret) == TokenCheck("ada", Role.VIEWER, "")
    assert tokens.check(secret[:-1]) is None


def test_a_token_is_never_above_its_owner(database: Database, tokens: TokenStore) -> None:
    with pytest.raises(UsageError, match="above the role"):
        tokens.create("ada", Role.APPROVER, DAY)
    _, secret = tokens.create("ada", Role.OPERATOR, DAY)
    UserStore(database).set_role("ada", Role.VIEWER)
    assert tokens.check(secret) == TokenCheck("ada", Role.VIEWER, "")
    UserStore(database).set_role("ada", Role.APPROVER)
    assert tokens.check(secret) == TokenCheck("ada", Role.OPERATOR, "")


def test_expired_revoked_and_disabled_tokens_are_refused(database: Database, tokens: TokenStore) -> None:
    token, secret = tokens.create("ada", Role.VIEWER, DAY)
    with database.begin() as connection:
        past = datetime.now(UTC) - timedelta(seconds=1)
        connection.execute(sa.update(api_tokens).values(expires_at=past))
    assert tokens.check(secret) == TokenCheck("ada", Role.VIEWER, "The API token has expired.")
    _, secret = tokens.create("ada", Role.VIEWER, DAY)
    UserStore(database).disable("ada")
    assert tokens.check(secret) == TokenCheck("ada", Role.VIEWER, "The owner of the API token is disabled.")
    revoked = tokens.revoke(token.token_id)
    assert revoked.revoked_at is not None
    assert tokens.revoke(token.token_id) == revoked, "the first time is kept"
    with pytest.raises(UsageError, match="There is no API token 99"):
        tokens.revoke(99)
    with pytest.raises(UsageError, match="disabled"):
        tokens.create("ada", Role.VIEWER, DAY)


@pytest.mark.parametrize("lifetime", [timedelta(seconds=59), timedelta(days=367)])
def test_a_token_lives_a_minute_to_a_year(tokens: TokenStore, lifetime: timedelta) -> None:
    with pytest.raises(UsageError):
        tokens.create("ada", Role.VIEWER, lifetime)


def test_audit_events_are_listed_newest_first(database: Database) -> None:
    audit = AuditStore(database)
    for number in range(5):
        audit.add(Origin("ada", "session", "192.0.2.1"), "approve", f"decision {number}", DONE)
    assert [e.target for e in audit.recent(4)] == [f"decision {number}" for number in (4, 3, 2, 1)]
    assert audit.recent(since=datetime.now(UTC) + DAY) == []
    assert len(audit.recent(since=datetime.now(UTC) - DAY)) == 5


def test_text_that_is_too_long_or_not_storable_is_cut(database: Database) -> None:
    audit = AuditStore(database)
    audit.add(Origin("a" * 300, "m" * 99, "x" * 99), "b" * 99, "c\0" * 400, REFUSED, "d\udcff" * 999)
    (event,) = audit.recent()
    lengths = [len(t) for t in (event.actor, event.method, event.address, event.action, event.target, event.detail)]
    assert lengths == [128, 16, 64, 32, 256, 500]
    assert event.target.startswith("c\N{REPLACEMENT CHARACTER}c")


def test_notes_and_reasons_are_stored_without_control_characters(database: Database) -> None:
    audit = AuditStore(database)
    audit.add(Origin("ada", "session"), "resolve", "alert 1", DONE, "done\x1b[2J\r\nnext é\x9b\u202e 日本")
    (event,) = audit.recent()
    unknown = "\N{REPLACEMENT CHARACTER}"
    assert event.detail == f"done{unknown}[2J  next é{unknown}{unknown} 日本"


def fail(database: Database, n_attempts: int, name: str, address: str, minutes_ago: float) -> None:
    """Failed sign-ins at one time."""
    audit = AuditStore(database)
    for _ in range(n_attempts):
        target = target_of(name) if name else ""
        audit.add(Origin("", "password", address), SIGN_IN, target, REFUSED, "")
    with database.begin() as connection:
        newest = sa.select(audit_events.c.event_id).order_by(audit_events.c.event_id.desc()).limit(n_attempts)
        ids = connection.execute(newest).scalars().all()
        at = datetime.now(UTC) - timedelta(minutes=minutes_ago)
        connection.execute(sa.update(audit_events).where(audit_events.c.event_id.in_(ids)).values(at=at))


def test_five_failures_of_a_name_stop_it_for_15_minutes(database: Database) -> None:
    fail(database, 4, "Ada", "192.0.2.1", 10)
    assert seconds_to_wait(database, "ada", "192.0.2.9") == 0
    fail(database, 1, "ADA", "192.0.2.2", 1)
    assert seconds_to_wait(database, "ada", "192.0.2.9") == pytest.approx(300, abs=5), "until the first is 15 min old"
    assert seconds_to_wait(database, "bob", "192.0.2.9") == 0


def test_twenty_failures_of_an_address_stop_it(database: Database) -> None:
    for number in range(20):
        fail(database, 1, f"user{number}", "192.0.2.1", 5)
    assert seconds_to_wait(database, "new", "192.0.2.1") == pytest.approx(600, abs=5)
    assert seconds_to_wait(database, "new", "192.0.2.2") == 0


def test_ipv6_addresses_are_limited_by_network(database: Database) -> None:
    for number in range(20):
        fail(database, 1, f"user{number}", f"2001:db8::{number + 1:x}:0:0:{number + 1:x}", 5)
    assert seconds_to_wait(database, "new", "2001:db8:0:0:ffff::1") == pytest.approx(600, abs=5)
    for other in ("2001:db8:0:1::1", "2001:db9::1", "::ffff:192.0.2.1", "192.0.2.1", "", "testclient"):
        assert seconds_to_wait(database, "new", other) == 0


def test_ipv4_addresses_mapped_to_ipv6_are_limited_one_by_one(database: Database) -> None:
    for number in range(20):
        fail(database, 1, f"user{number}", "::ffff:192.0.2.1", 5)
    assert seconds_to_wait(database, "new", "::ffff:192.0.2.1") == pytest.approx(600, abs=5)
    assert seconds_to_wait(database, "new", "::ffff:192.0.2.2") == 0


def test_refused_attempts_and_old_failures_do_not_extend_the_wait(database: Database) -> None:
    fail(database, 9, "ada", "192.0.2.1", 16)
    fail(database, 30, "", "192.0.2.1", 1)
    assert seconds_to_wait(database, "ada", "192.0.2.1") == 0
