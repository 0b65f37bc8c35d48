"""Concurrent sign-ins do not delay the pages of people who are signed in."""

from __future__ import annotations

import asyncio
from pathlib import Path
from threading import Event, Lock
from typing import Any

import httpx
import pytest

from pmmds_console.application import make_application
from pmmds_console.sign_in import passwords
from pmmds_console.sign_in.cookies import FORM_FIELD, SESSION, SIGN_IN_FORM
from pmmds_core.config.settings import Settings
from pmmds_core.deployment import Deployment
from pmmds_core.policies.roles import Role
from pmmds_core.stores.identity.sessions import PASSWORD
from pmmds_tests.harness.console_process import BASE

N_SIGN_INS = 24


class BlockedChecks:
    """Replaces the check of passwords with one that waits until the test ends. Counts the checks that run."""

    def __init__(self) -> None:
        self.may_end, self.has_started, self._lock, self.n_started = Event(), Event(), Lock(), 0

    def __call__(self, password: str, stored: str | None) -> bool:
        with self._lock:
            self.n_started += 1
        self.has_started.set()
        assert self.may_end.wait(60)
        return False


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    settings = Settings(home=str(tmp_path / "home"), console_sign_in="users", console_trusted_proxies="127.0.0.1")
    return Deployment(settings).prepare()


def client_of(deployment: Deployment) -> httpx.AsyncClient:
    application: Any = make_application(deployment)
    transport = httpx.ASGITransport(app=application)
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", timeout=60)


async def sign_in(client: httpx.AsyncClient, number: int) -> int:
    """The status of a sign-in by a client behind the proxy that has its own address."""
    name, address = f"user{number}", f"192.0.2.{number}"
    fields = {"name": name, "password": "a wrong password", "next": "/", FORM_FIELD: "token"}
    answer = await client.post(
        "/sign-in", data=fields, headers={"Cookie": f"{SIGN_IN_FORM}=token", "X-Forwarded-For": address}
    )
    return answer.status_code


def test_sign_ins_do_not_delay_a_signed_in_person(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    deployment.users.add("ada", Role.VIEWER, None)
    secret = deployment.sessions.open("ada", Role.VIEWER, PASSWORD)
    checks = BlockedChecks()
    monkeypatch.setattr(passwords, "is_right", checks)

    async def run() -> list[int]:
        async with client_of(deployment) as client:
            waiting = [asyncio.create_task(sign_in(client, n)) for n in range(N_SIGN_INS)]
            try:
                # Sign-ins that find the queue full end at once; the others wait for the blocked check.
                done, _ = await asyncio.wait(waiting, timeout=30, return_when=asyncio.FIRST_COMPLETED)
                assert done
                assert await asyncio.to_thread(checks.has_started.wait, 30)
                answer = await client.get(f"{BASE}/me", headers={"Cookie": f"{SESSION}={secret}"})
                assert (answer.status_code, answer.json()["name"]) == (200, "ada")
                assert checks.n_started == 1, "the sign-ins still wait"
            finally:
                checks.may_end.set()
            return await asyncio.gather(*waiting)

    statuses = asyncio.run(run())
    assert (statuses.count(401), statuses.count(503)) == (17, N_SIGN_INS - 17), "one check, 16 wait"
