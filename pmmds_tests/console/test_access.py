"""The console requires a token off loopback and behind a proxy, and reports errors at startup."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path
from secrets import token_urlsafe

import pytest

from pmmds_tests.harness.command_line import pmmds
from pmmds_tests.harness.console_process import RunningConsole, console_environment, running_console

pytestmark = pytest.mark.process
TOKEN = token_urlsafe(16)
EVERY_ADDRESS = str(IPv4Address(0))


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningConsole]:
    """A console that listens on every address."""
    home = str(tmp_path_factory.mktemp("public") / "home")
    given = {
        "PMMDS_CONSOLE_HOST": EVERY_ADDRESS,
        "PMMDS_ADMIN_TOKEN": TOKEN,
        "PMMDS_WEB_ALLOWED_HOSTS": "pmmds.example",
    }
    with running_console(console_environment(home, **given)) as running:
        yield running


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningConsole]:
    """A console on loopback with a token, as behind a proxy on the same machine."""
    home = str(tmp_path_factory.mktemp("local") / "home")
    given = {"PMMDS_ADMIN_TOKEN": TOKEN, "PMMDS_WEB_ALLOWED_HOSTS": "pmmds.example"}
    with running_console(console_environment(home, **given)) as running:
        yield running


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": "Bearer"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Host": "pmmds.example"},
    ],
)
def test_off_loopback_a_request_without_the_token_is_rejected(public: RunningConsole, headers: dict[str, str]) -> None:
    for path in ("/versions", "/openapi.json", "/nothing"):
        answer = public.get(path, headers)
        assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert TOKEN not in answer.text


def test_off_loopback_the_token_is_accepted(public: RunningConsole) -> None:
    for scheme in ("Bearer", "bearer"):
        answer = public.get("/versions", {"Authorization": f"{scheme} {TOKEN}", "Host": "pmmds.example"})
        assert answer.json() == {"items": [], "next": None}
    assert TOKEN not in public.output


def test_on_loopback_only_requests_forwarded_by_a_proxy_need_the_token(local: RunningConsole) -> None:
    assert local.get("/versions").status_code == 200
    for forwarded in ({"X-Forwarded-For": "192.0.2.1"}, {"Forwarded": "for=192.0.2.1"}, {"Host": "pmmds.example"}):
        assert local.get("/versions", forwarded).status_code == 401
        assert local.get("/versions", {**forwarded, "Authorization": f"Bearer {TOKEN}"}).status_code == 200


def test_console_off_loopback_does_not_start_without_a_token(tmp_path: Path) -> None:
    said = pmmds(tmp_path / "home", "console", given={"PMMDS_CONSOLE_HOST": "192.0.2.1"})
    assert said.code == 2
    assert "there is no admin token. Set PMMDS_CONSOLE_SIGN_IN or PMMDS_ADMIN_TOKEN" in said.sentence


def test_an_occupied_port_is_reported_with_its_setting(local: RunningConsole, tmp_path: Path) -> None:
    given = {"PMMDS_CONSOLE_PORT": str(local.settings.console_port)}
    said = pmmds(tmp_path / "home", "console", given=given)
    assert said.code == 1
    assert "PMMDS_CONSOLE_PORT" in said.sentence
