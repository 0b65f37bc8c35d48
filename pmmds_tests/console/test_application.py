"""The console's application in the test's own process: sign-in, every page, a change, the API and sign-out.

Not here: the same with a real process (the other modules) and a real browser (browser/).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import httpx
import msgspec
import pytest

from pmmds_console.application import make_application
from pmmds_core.deployment import Deployment
from pmmds_core.policies.roles import Role
from pmmds_tests.console.changes import BROWSER
from pmmds_tests.harness.console_process import BASE

PHRASE = "correct horse battery"
URL = "http://127.0.0.1:8010"
PAGES = (
    "/",
    "/versions",
    "/versions/1",
    "/drift",
    "/drift/tenure",
    "/drift/tenure?by=contract",
    "/reports/1",
    "/what-if",
    "/alerts",
    "/alerts/1",
    "/decisions",
    "/predictions?id=row-1",
    "/quality",
    "/audit",
)
RESOURCES = (
    "/versions",
    "/versions/1",
    "/drift-reports/1",
    "/features",
    "/features/tenure/series",
    "/alerts/1",
    "/decisions",
    "/performance",
    "/audit-events",
    "/predictions/row-1",
    "/openapi.json",
    "/me",
)


def with_client(deployment: Deployment, use: Callable[[httpx.AsyncClient], Awaitable[Any]]) -> Any:
    """The result of `use`, which gets a client of an application of the deployment."""

    async def run() -> Any:
        transport = httpx.ASGITransport(app=make_application(deployment))
        async with httpx.AsyncClient(transport=transport, base_url=URL, headers=BROWSER) as client:
            return await use(client)

    return anyio.run(run)


@pytest.fixture
def with_users(monitored: Deployment) -> Deployment:
    """The monitored deployment with sign-in by password and an approver."""
    settings = msgspec.structs.replace(monitored.settings, console_sign_in="users")
    deployment = Deployment(settings)
    if deployment.users.find("Ada") is None:
        deployment.users.add("Ada", Role.APPROVER, PHRASE)
    return deployment


def token_in(page: httpx.Response) -> str:
    match = re.search(r'name="form_token" value="([^"]+)"', page.text)
    assert match is not None, page.text
    return match[1]


async def sign_in(client: httpx.AsyncClient, phrase: str = PHRASE) -> httpx.Response:
    token = token_in(await client.get("/sign-in"))
    return await client.post(
        "/sign-in", data={"form_token": token, "name": "Ada", "password": phrase, "next": "/alerts/1"}
    )


def test_every_page_and_resource_is_answered_after_sign_in(with_users: Deployment) -> None:
    async def use(client: httpx.AsyncClient) -> dict[str, int]:
        assert (await sign_in(client)).headers["location"] == "/alerts/1"
        paths = (*PAGES, *(BASE + path for path in RESOURCES))
        return {path: (await client.get(path)).status_code for path in paths}

    found = with_client(with_users, use)
    assert {path: status for path, status in found.items() if status != httpx.codes.OK} == {}


def test_a_comment_is_recorded_under_the_signed_in_name(with_users: Deployment) -> None:
    async def use(client: httpx.AsyncClient) -> httpx.Response:
        await sign_in(client)
        token = token_in(await client.get("/alerts/1"))
        sent = await client.post("/alerts/1/comment", data={"form_token": token, "note": "Seen <b>it</b>."})
        assert sent.headers["location"] == "/alerts/1"
        return await client.get("/alerts/1")

    page = with_client(with_users, use)
    assert "Seen &lt;b&gt;it&lt;/b&gt;." in page.text
    change = with_users.alerts.changes(1)[-1]
    assert (change.kind, change.changed_by, change.note) == ("commented", "ada", "Seen <b>it</b>.")


def test_signing_out_ends_the_session(with_users: Deployment) -> None:
    async def use(client: httpx.AsyncClient) -> list[httpx.Response]:
        await sign_in(client)
        token = token_in(await client.get("/"))
        kept = dict(client.cookies)
        left = await client.post("/sign-out", data={"form_token": token})
        client.cookies = httpx.Cookies(kept)
        return [left, await client.get("/alerts/1"), await client.get(f"{BASE}/alerts/1")]

    left, page, resource = with_client(with_users, use)
    assert left.status_code == 303
    assert (page.status_code, page.headers["location"]) == (303, "/sign-in?next=%2Falerts%2F1")
    assert resource.status_code == 401


def test_a_wrong_password_shows_the_form_again(with_users: Deployment) -> None:
    page = with_client(with_users, lambda client: sign_in(client, "wrong horse battery"))
    assert page.status_code == 401
    assert "Sign in" in page.text


@pytest.mark.parametrize(("path", "status"), [("/alerts/77", 404), ("/drift?weeks=x", 422), ("/nothing", 404)])
def test_an_error_is_a_page_with_navigation(monitored: Deployment, path: str, status: int) -> None:
    page = with_client(monitored, lambda client: client.get(path))
    assert page.status_code == status
    assert 'aria-label="Pages"' in page.text
