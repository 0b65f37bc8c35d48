"""A provider whose documents are not those of OpenID Connect is reported as unavailable, without a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from pmmds_console.application import make_application
from pmmds_core.config.settings import Settings
from pmmds_core.deployment import Deployment
from pmmds_core.stores.database.schema import migrate
from pmmds_tests.console.scripted_server import server_of

DOCUMENTS = [b"null", b"[]", b"5", b'"x"', b"[1]", b"{}", b'{"authorization_endpoint": 5}', b"<html>", b"\xff", b""]


@pytest.mark.parametrize("document", DOCUMENTS)
@pytest.mark.parametrize("path", ["/sign-in/start", "/sign-in/callback?code=c&state=s"])
def test_a_malformed_discovery_document_is_a_503(tmp_path: Path, document: bytes, path: str) -> None:
    with server_of((200, document, {"Content-Type": "application/json"})) as (url, _):
        settings = Settings(
            home=str(tmp_path),
            console_sign_in="oidc",
            console_oidc_discovery_url=f"{url}/.well-known/openid-configuration",
            console_oidc_client_id="pmmds",
            console_oidc_client_secret=path,
            console_default_role="viewer",
        )
        deployment = Deployment(settings)
        migrate(deployment.database, deployment.contract)
        client = TestClient(make_application(deployment), base_url="http://127.0.0.1", client=("127.0.0.1", 1))
        answer = client.get(path, follow_redirects=False)
    assert answer.status_code == 503
    assert answer.json()["detail"].startswith("The identity provider")
