"""The overview page shows the problems of the service only to operators and approvers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from pmmds_console.application import make_application
from pmmds_console.sign_in.cookies import SESSION
from pmmds_core.config.settings import Settings
from pmmds_core.deployment import Deployment
from pmmds_core.policies.roles import Role
from pmmds_core.stores.identity.sessions import PASSWORD
from pmmds_tests.harness.ports import free_port


@pytest.mark.parametrize("role", list(Role))
def test_problems_of_the_service_need_the_role_operator(tmp_path: Path, role: Role) -> None:
    settings = Settings(home=str(tmp_path / "home"), console_sign_in="users", http_port=free_port())
    deployment = Deployment(settings).prepare()
    deployment.users.add("ada", role, None)
    secret = deployment.sessions.open("ada", role, PASSWORD)
    application: Any = make_application(deployment)
    client = TestClient(application, base_url="http://127.0.0.1", cookies={SESSION: secret})
    page = client.get("/")
    assert page.status_code == 200
    assert "unreachable" in page.text
    assert ("No response from" in page.text) == (role >= Role.OPERATOR)
