"""A password that is changed while somebody signs in with the old one opens no session."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from pmmds_console.problems import ProblemError
from pmmds_console.sign_in.passwords import sign_in
from pmmds_core.deployment import Deployment
from pmmds_core.policies.roles import Role
from pmmds_core.stores.database.identity_tables import console_sessions
from pmmds_core.stores.identity.audit import REFUSED
from pmmds_core.stores.identity.sessions import SessionStore

OLD, NEW = "correct horse battery", "staple correct horse"
open_session = SessionStore.open


def test_the_old_password_opens_no_session_after_the_change(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment.users.add("ada", Role.VIEWER, OLD)

    def open_late(store: SessionStore, *arguments: Any, **options: Any) -> str:
        """Open the session only after another process has changed the password."""
        deployment.users.set_password("ada", NEW)
        return open_session(store, *arguments, **options)

    with monkeypatch.context() as changed:
        changed.setattr(SessionStore, "open", open_late)
        with pytest.raises(ProblemError) as raised:
            sign_in(deployment, "ada", OLD, "192.0.2.1", "")
    assert raised.value.problem.status == 401
    with deployment.database.connect() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(console_sessions)).scalar_one() == 0
    assert deployment.audit.recent(1)[0].outcome == REFUSED
    assert deployment.sessions.find(sign_in(deployment, "ada", NEW, "192.0.2.1", "")) is not None
