"""The console in its container requires a sign-in, and events reach a webhook receiver, each once and signed.

These tests run before test_compose.py, on the same system; the last one stops the receiver.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from datetime import UTC, datetime

import httpx
import pytest

from pmmds_tests.compose.engine import Project, password, report
from pmmds_tests.compose.receiver import received, stop_receiver
from pmmds_tests.harness.webhook_receiver import signature_of

pytestmark = [pytest.mark.compose, pytest.mark.timeout(3600)]
PHRASE = "correct horse battery"
BROWSER = {"Accept": "text/html"}
ME = "/api/v1/monitoring/me"


def browser(own: Project) -> httpx.Client:
    """Return a client that keeps cookies, as a browser does, and follows no redirects."""
    return httpx.Client(base_url=own.url("CONSOLE"), headers=BROWSER, timeout=60, trust_env=False)


def sign_in(client: httpx.Client, phrase: str) -> httpx.Response:
    """Send the sign-in form as the user ada."""
    page = client.get("/sign-in")
    match = re.search(r'name="form_token" value="([^"]+)"', page.text)
    assert match is not None, page.text
    fields = {"name": "ada", "password": phrase, "next": "/versions", "form_token": match[1]}
    return client.post("/sign-in", data=fields, headers={"Origin": str(client.base_url).rstrip("/")})


def test_console_shows_nothing_without_a_sign_in(system: Project) -> None:
    with browser(system) as client:
        assert client.get("/livez").json() == {"status": "alive"}
        for path in ("/", "/versions", "/alerts"):
            answer = client.get(path)
            assert answer.status_code == httpx.codes.SEE_OTHER, path
            assert answer.headers["Location"].startswith("/sign-in"), path
        for headers in ({}, {"Authorization": "Bearer guessed"}):
            answer = client.get(ME, headers={"Accept": "application/json", **headers})
            assert answer.status_code == httpx.codes.UNAUTHORIZED, answer.text
        assert client.get("/", headers={"Host": "evil.example"}).status_code == httpx.codes.FORBIDDEN
    checked = system.inside("console", "pmmds", "run", "console", "--check")
    assert checked.code == 0, checked.err


def test_user_that_the_owner_adds_signs_in_to_the_console(system: Project) -> None:
    added = system.accounts("users", "add", "ada", "--role", "approver", typed=f"{PHRASE}\n")
    assert added.code == 0, added.err
    with browser(system) as client:
        assert sign_in(client, "guessed guessed").status_code == httpx.codes.UNAUTHORIZED
        answer = sign_in(client, PHRASE)
        assert (answer.status_code, answer.headers["Location"]) == (httpx.codes.SEE_OTHER, "/versions")
        page = client.get("/versions")
        assert page.status_code == httpx.codes.OK
        assert "/versions/1" in page.text
        me = client.get(ME, headers={"Accept": "application/json"}).json()
        assert (me["name"], me["role"]) == ("ada", "approver")
        # The service's health comes through the proxy.
        assert "healthy" in client.get("/").text


def test_admin_token_opens_the_monitoring_api(system: Project) -> None:
    headers = {"Authorization": f"Bearer {password('admin_token')}"}
    answer = httpx.get(system.url("CONSOLE") + ME, headers=headers, timeout=60, trust_env=False)
    assert answer.status_code == httpx.codes.OK, answer.text
    assert answer.json()["role"] == "approver"


def test_console_login_cannot_add_users(system: Project) -> None:
    said = system.inside("console", "pmmds", "users", "add", "eve", "--role", "approver", "--no-password")
    assert said.code == 1
    assert "denied permission to this user (no INSERT on console_users)" in said.err
    assert [user["name"] for user in system.accounts("users", "list", "--json").document] == ["ada"]


def test_receiver_gets_every_event_once_with_a_valid_signature(system: Project) -> None:
    tested = system.pmmds("webhooks", "test")
    assert tested.code == 0, tested.err + tested.out
    wanted = {"webhook.test", "promotion.decided", "promotion.moved"}
    began = time.monotonic()
    while not wanted <= {request.event["type"] for request in received(system)}:
        assert time.monotonic() < began + 120, system.pmmds("webhooks", "list").out
        time.sleep(1)
    requests = received(system)
    secret = password("webhook_secret")
    for request in requests:
        assert request.headers["webhook-signature"] == signature_of(request, secret)
        age = datetime.now(UTC).timestamp() - int(request.headers["webhook-timestamp"])
        assert 0 <= age < 1800
    assert max(Counter(request.event_id for request in requests).values()) == 1
    (moved,) = [request.event for request in requests if request.event["type"] == "promotion.moved"]
    assert moved["data"]["challenger_version"] == "1"
    report(f"webhooks: {len(requests)} events, {time.monotonic() - began:.0f} s after the test began")
    stop_receiver(system)
