"""The console signs people in and records events, and the other roles cannot read users."""

from __future__ import annotations

from pathlib import Path

import pytest

from pmmds_core.policies.roles import Role
from pmmds_core.stores.database.grants import (
    CONSOLE,
    MONITOR,
    PROMOTER,
    SERVICE,
)
from pmmds_core.stores.identity.attempts import seconds_to_wait
from pmmds_core.stores.identity.audit import Origin
from pmmds_core.stores.identity.sessions import OIDC
from pmmds_core.workflows.approval import approve
from pmmds_core.workflows.auditing import audited
from pmmds_tests.core.stores.database.role_work import CHANGES_TABLES, As, refused
from pmmds_tests.core.workflows.test_promotion import decide
from pmmds_tests.harness.fakes import FileRegistry

pytestmark = pytest.mark.postgres


AUDIT_EVENT = "INSERT INTO audit_events (at, actor, method, address, action, target, outcome, detail) VALUES "
AUDIT_EVENT += "(now(), 'ada', '', '', 'x', '', 'done', '')"


CHANGES_AUDIT_OR_USERS = (
    "UPDATE audit_events SET actor = 'eve'",
    "DELETE FROM audit_events",
    "INSERT INTO console_users VALUES ('eve', NULL, 'approver', now(), NULL)",
    "UPDATE console_users SET role = 'approver'",
    "INSERT INTO api_tokens DEFAULT VALUES",
    "UPDATE api_tokens SET role = 'approver', revoked_at = NULL",
    "DELETE FROM decision_approvals",
    "UPDATE decision_approvals SET approved_by = 'eve'",
)


def test_the_console_signs_people_in_and_approves_but_changes_no_user(acting_as: As, tmp_path: Path) -> None:
    d = acting_as(CONSOLE)
    d.registry = FileRegistry(tmp_path / "moves")
    assert d.users.find("ada") is None
    assert d.tokens.check("pmmds_x") is None
    secret = d.sessions.open("ada", Role.APPROVER, OIDC)
    assert d.sessions.find(secret) is not None
    d.sessions.end(secret)
    assert seconds_to_wait(d.database, "ada", "192.0.2.1") == 0
    decision = decide(d.decisions, "1", None)
    with d.database.begin() as c:
        c.exec_driver_sql("UPDATE promotion_decisions SET state = 'pending_approval'")
    origin = Origin("ada", OIDC, "192.0.2.1")
    with audited(d, origin, "approve", f"decision {decision.decision_id}"):
        assert approve(d, decision.decision_id, by="ada").state == "recorded"
    assert [e.outcome for e in d.audit.recent()] == ["done"]
    refused(d, *CHANGES_AUDIT_OR_USERS, *CHANGES_TABLES)


@pytest.mark.parametrize("role", [MONITOR, PROMOTER])
def test_commands_add_audit_events_without_reading_users(acting_as: As, role: str) -> None:
    d = acting_as(role)
    d.audit.add(Origin("ada", "command line"), "acknowledge", "alert 1", "done")
    assert len(d.audit.recent()) == 1
    refused(d, *CHANGES_AUDIT_OR_USERS, "SELECT * FROM console_users", "SELECT * FROM console_sessions")


def test_the_service_sees_neither_users_nor_audit_events(acting_as: As) -> None:
    tables = ("console_users", "api_tokens", "console_sessions", "audit_events", "decision_approvals")
    refused(acting_as(SERVICE), *(f"SELECT * FROM {table}" for table in tables), AUDIT_EVENT)
