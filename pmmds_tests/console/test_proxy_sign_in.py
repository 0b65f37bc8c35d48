"""Sign-in by a trusted proxy's header, and settings of access that the console refuses to start with."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from pmmds_console.access import check_access
from pmmds_console.addresses import trusted_networks
from pmmds_console.sign_in.clients import client_of
from pmmds_core.config.settings import Settings, load_settings
from pmmds_core.deployment import Deployment
from pmmds_core.errors import SettingError
from pmmds_core.policies.roles import Role
from pmmds_tests.console.changes import BROWSER, open_alert, send_form
from pmmds_tests.harness.console_process import BASE, RunningConsole, console_environment, running_console

PROXY = {"PMMDS_CONSOLE_SIGN_IN": "proxy", "PMMDS_CONSOLE_PROXY_ROLE_HEADER": "X-Forwarded-Groups"}
OIDC = {
    "PMMDS_CONSOLE_SIGN_IN": "oidc",
    "PMMDS_CONSOLE_OIDC_DISCOVERY_URL": "https://id.example/.well-known/openid-configuration",
    "PMMDS_CONSOLE_OIDC_CLIENT_ID": "pmmds",
    "PMMDS_CONSOLE_OIDC_CLIENT_SECRET": "a-secret-of-the-client",
    "PMMDS_CONSOLE_OIDC_ROLE_CLAIM": "groups",
}


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningConsole]:
    """A console that trusts a proxy on loopback."""
    given = {
        **PROXY,
        "PMMDS_CONSOLE_TRUSTED_PROXIES": "127.0.0.1, 10.0.0.0/8",
        "PMMDS_CONSOLE_ROLE_MAP": "leads=approver",
        "PMMDS_CONSOLE_DEFAULT_ROLE": "viewer",
    }
    home = str(tmp_path_factory.mktemp("proxy") / "home")
    with running_console(console_environment(home, **given)) as running:
        yield running


def me(console: RunningConsole, headers: dict[str, str] | list[tuple[str, str]]) -> httpx.Response:
    return httpx.get(f"{console.url}{BASE}/me", headers=headers, timeout=60, trust_env=False)


@pytest.mark.process
@pytest.mark.xdist_group("console proxy")
def test_the_proxy_gives_name_and_role(console: RunningConsole) -> None:
    found = me(console, {"X-Forwarded-User": "Ada", "X-Forwarded-Groups": "staff,leads"}).json()
    assert (found["name"], found["role"], found["method"]) == ("Ada", "approver", "proxy")
    assert me(console, {"X-Forwarded-User": "Bob"}).json()["role"] == "viewer"
    basic = {"X-Forwarded-User": "Bob", "Authorization": "Basic Ym9iOng="}
    assert me(console, basic).json()["name"] == "Bob", "the proxy's own credentials are not the console's"
    assert me(console, {**basic, "Authorization": "Bearer x"}).status_code == 401
    twice = [("X-Forwarded-User", "Bob"), ("X-Forwarded-User", "Ada")]
    for headers in ({}, {"X-Forwarded-User": ""}, {"X-Forwarded-User": "admin"}, twice):
        assert me(console, headers).status_code == 401


@pytest.mark.process
@pytest.mark.xdist_group("console proxy")
def test_a_person_of_the_proxy_needs_the_own_form_token(console: RunningConsole) -> None:
    deployment = Deployment(console.settings)
    alert = open_alert(deployment)
    ada = {"X-Forwarded-User": "Ada", "X-Forwarded-Groups": "leads", "X-Forwarded-For": "192.0.2.7"}
    tokens = {name: me(console, {**ada, "X-Forwarded-User": name}).json()["form_token"] for name in ("Ada", "Bob")}
    assert len(set(tokens.values())) == 2
    path = f"/alerts/{alert.alert_id}/resolve"
    assert send_form(console, path, {"form_token": tokens["Bob"]}, headers=ada).status_code == 403
    assert send_form(console, path, {"form_token": tokens["Ada"]}, headers=ada).status_code == 303
    event = deployment.audit.recent(1)[0]
    assert (event.actor, event.method, event.address, event.outcome) == ("Ada", "proxy", "192.0.2.7", "done")
    deployment.users.add("ada", Role.APPROVER, None)
    deployment.users.disable("ada")
    assert me(console, ada).status_code == 403


@pytest.mark.process
@pytest.mark.xdist_group("console untrusted proxy")
def test_the_header_of_an_untrusted_address_is_refused(tmp_path_factory: pytest.TempPathFactory) -> None:
    given = {**PROXY, "PMMDS_CONSOLE_TRUSTED_PROXIES": "10.0.0.5"}
    home = str(tmp_path_factory.mktemp("untrusted") / "home")
    with running_console(console_environment(home, **given)) as console:
        forged = {"X-Forwarded-User": "Ada", "X-Forwarded-Groups": "approver", "X-Forwarded-For": "10.0.0.5"}
        answer = me(console, forged)
        assert answer.status_code == 403
        assert "not come from an address in PMMDS_CONSOLE_TRUSTED_PROXIES" in answer.json()["detail"]
        page = httpx.get(f"{console.url}/", headers={**BROWSER, **forged}, timeout=60, trust_env=False)
        assert (page.status_code, page.headers["content-type"]) == (403, "text/html; charset=utf-8")
        event = Deployment(console.settings).audit.recent(1)[0]
        assert (event.actor, event.address, event.outcome) == ("", "127.0.0.1", "refused")


@pytest.mark.parametrize(
    ("peer", "forwarded", "address", "is_https"),
    [
        ("192.0.2.1", {"X-Forwarded-For": "198.51.100.1", "X-Forwarded-Proto": "https"}, "192.0.2.1", False),
        ("10.0.0.5", {"X-Forwarded-For": "198.51.100.1", "X-Forwarded-Proto": "https"}, "198.51.100.1", True),
        ("10.0.0.5", {"X-Forwarded-For": "203.0.113.9, 198.51.100.1, 10.0.0.7"}, "198.51.100.1", False),
        ("10.0.0.5", {"X-Forwarded-For": "no address"}, "10.0.0.5", False),
        ("10.0.0.5", {"X-Forwarded-For": "6.6.6.6, unknown"}, "10.0.0.5", False),
        ("10.0.0.5", {"X-Forwarded-For": "6.6.6.6, 203.0.113.9:51234"}, "203.0.113.9", False),
        ("10.0.0.5", {"X-Forwarded-For": "6.6.6.6, [2001:db8::2]:51234, 10.0.0.7:80"}, "2001:db8::2", False),
        ("10.0.0.5", {"X-Forwarded-For": "2001:db8::1"}, "2001:db8::1", False),
        ("10.0.0.5", {"X-Forwarded-Proto": "https, http"}, "10.0.0.5", False),
        ("10.0.0.5", {}, "10.0.0.5", False),
    ],
)
def test_only_trusted_proxies_change_the_clients_address(
    peer: str, forwarded: dict[str, str], address: str, is_https: bool
) -> None:
    headers = [(name.lower().encode(), value.encode()) for name, value in forwarded.items()]
    scope = {"type": "http", "client": (peer, 1), "scheme": "http", "headers": headers}
    client = client_of(scope, trusted_networks("10.0.0.0/8"))
    assert (client.address, client.is_https) == (address, is_https)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"PMMDS_CONSOLE_HOST": "192.0.2.1"}, "sign-in is off, and there is no admin token"),
        (PROXY, "PMMDS_CONSOLE_TRUSTED_PROXIES"),
        ({**PROXY, "PMMDS_CONSOLE_TRUSTED_PROXIES": "10.0.0.5/8"}, "PMMDS_CONSOLE_TRUSTED_PROXIES is not valid"),
        (
            {"PMMDS_CONSOLE_SIGN_IN": "proxy", "PMMDS_CONSOLE_TRUSTED_PROXIES": "10.0.0.5"},
            "PMMDS_CONSOLE_DEFAULT_ROLE",
        ),
        ({**OIDC, "PMMDS_CONSOLE_OIDC_ROLE_CLAIM": ""}, "PMMDS_CONSOLE_DEFAULT_ROLE"),
        ({**OIDC, "PMMDS_CONSOLE_OIDC_CLIENT_SECRET": ""}, "PMMDS_CONSOLE_OIDC_CLIENT_SECRET"),
        ({**OIDC, "PMMDS_CONSOLE_OIDC_DISCOVERY_URL": "http://id.example/x"}, "does not use HTTPS"),
        ({**OIDC, "PMMDS_CONSOLE_ROLE_MAP": "leads=king"}, "'leads=king'"),
    ],
)
def test_incomplete_settings_of_access_are_named(given: dict[str, str], named: str) -> None:
    with pytest.raises(SettingError) as raised:
        check_access(load_settings({"PMMDS_HOME": "/nonexistent", **given}))
    assert named in str(raised.value)


def test_complete_settings_of_access_are_accepted() -> None:
    check_access(Settings())
    check_access(Settings(console_sign_in="users", console_host="192.0.2.1"))
    check_access(load_settings({"PMMDS_CONSOLE_HOST": "192.0.2.1", "PMMDS_ADMIN_TOKEN": "a-token"}))
    check_access(load_settings({"PMMDS_HOME": "/nonexistent", **OIDC}))
    check_access(load_settings({"PMMDS_HOME": "/nonexistent", **PROXY, "PMMDS_CONSOLE_TRUSTED_PROXIES": "10.0.0.5"}))
