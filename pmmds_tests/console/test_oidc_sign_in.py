"""Sign-in with OpenID Connect at a real console and a real provider process."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from pmmds_core.deployment import Deployment
from pmmds_core.policies.roles import Role
from pmmds_tests.console.changes import BROWSER
from pmmds_tests.harness.console_process import BASE, RunningConsole, console_environment, running_console
from pmmds_tests.harness.oidc_provider import OidcProvider, running_oidc_provider

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("console oidc")]
PEOPLE: dict[str, dict[str, object]] = {
    "u-1": {"email": "ada@example.com", "email_verified": True, "groups": ["staff", "ml-leads", "ml-team"]},
    "u-2": {"email": "bob@example.com", "groups": "ml-team"},
    "u-3": {"email": "eve@example.com", "groups": ["staff"]},
    "u-4": {"email": "mallory@example.com", "email_verified": False, "groups": ["ml-leads"]},
    "u-5": {"groups": ["ml-leads"]},
    "u-7": {"email": None, "groups": ["ml-leads"]},
    "u-8": {"email": "kim@example.com", "email_verified": "false", "groups": ["ml-leads"]},
    "u-6": {"email": "former@example.com", "groups": ["ml-leads"]},
}


@pytest.fixture(scope="module")
def provider() -> Iterator[OidcProvider]:
    with running_oidc_provider(PEOPLE) as running:
        yield running


@pytest.fixture(scope="module")
def console(provider: OidcProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningConsole]:
    given = {
        "PMMDS_CONSOLE_SIGN_IN": "oidc",
        "PMMDS_CONSOLE_OIDC_DISCOVERY_URL": provider.discovery_url,
        "PMMDS_CONSOLE_OIDC_CLIENT_ID": "pmmds-console",
        "PMMDS_CONSOLE_OIDC_CLIENT_SECRET": "a-secret-of-the-client",
        "PMMDS_CONSOLE_OIDC_ROLE_CLAIM": "groups",
        "PMMDS_CONSOLE_ROLE_MAP": "ml-team=operator, ml-leads=approver",
        "PMMDS_CONSOLE_TRUSTED_PROXIES": "127.0.0.1",
    }
    home = str(tmp_path_factory.mktemp("oidc") / "home")
    with running_console(console_environment(home, **given)) as running:
        yield running


@pytest.fixture(scope="module")
def deployment(console: RunningConsole) -> Deployment:
    return Deployment(console.settings)


def start(console: RunningConsole, browser: httpx.Client, following: str = "/versions") -> str:
    """The provider's URL that the sign-in starts with."""
    answer = browser.get(f"{console.url}/sign-in/start", params={"next": following})
    assert answer.status_code == 302, answer.text
    return str(answer.headers["location"])


def browser() -> httpx.Client:
    """A browser that keeps cookies and does not follow redirects."""
    return httpx.Client(headers=BROWSER, timeout=60, trust_env=False)


def sign_in(console: RunningConsole, provider: OidcProvider, client: httpx.Client, subject: str) -> httpx.Response:
    return client.get(provider.authorize(start(console, client), subject))


def test_the_sign_in_page_leads_to_the_provider(console: RunningConsole) -> None:
    page = httpx.get(f"{console.url}/sign-in?next=%2Fversions", headers=BROWSER, timeout=60, trust_env=False)
    assert 'href="/sign-in/start?next=%2Fversions"' in page.text or 'href="/sign-in/start?next=/versions"' in page.text
    assert "password" not in page.text


def test_the_request_has_state_nonce_and_pkce(console: RunningConsole, provider: OidcProvider) -> None:
    with browser() as client:
        urls = [urlsplit(start(console, client)) for _ in range(2)]
    queries = [parse_qs(url.query) for url in urls]
    assert f"{urls[0].scheme}://{urls[0].netloc}" == provider.url
    for query in queries:
        assert query["response_type"] == ["code"]
        assert query["code_challenge_method"] == ["S256"]
        assert len(base64.urlsafe_b64decode(query["code_challenge"][0] + "=")) == hashlib.sha256().digest_size
        assert query["redirect_uri"] == [f"{console.url}/sign-in/callback"]
    for name in ("state", "nonce", "code_challenge"):
        assert queries[0][name] != queries[1][name]
        assert len(queries[0][name][0]) >= 20


@pytest.mark.parametrize(
    ("subject", "name", "role"), [("u-1", "ada@example.com", "approver"), ("u-2", "bob@example.com", "operator")]
)
def test_the_claims_give_name_and_role(
    console: RunningConsole, provider: OidcProvider, deployment: Deployment, subject: str, name: str, role: str
) -> None:
    with browser() as client:
        answer = sign_in(console, provider, client, subject)
        assert (answer.status_code, answer.headers["location"]) == (303, "/versions")
        found = client.get(f"{console.url}{BASE}/me").json()
        assert (found["name"], found["role"], found["method"]) == (name, role, "oidc")
        assert set(client.cookies) == {"pmmds_session"}, "the state of the sign-in is deleted"
    event = deployment.audit.recent(1)[0]
    assert (event.actor, event.action, event.outcome) == (name, "sign in", "done")


@pytest.mark.parametrize(
    ("subject", "sentence"),
    [
        ("u-3", "eve@example.com has no role in this console."),
        ("u-4", "has not verified the email address."),
        ("u-5", "contains no valid name."),
        ("u-7", "contains no valid name."),
        ("u-8", "has not verified the email address."),
        ("u-6", "The user former@example.com is disabled."),
    ],
)
def test_a_person_without_role_or_name_is_refused(
    console: RunningConsole, provider: OidcProvider, deployment: Deployment, subject: str, sentence: str
) -> None:
    if deployment.users.find("former@example.com") is None:
        deployment.users.add("former@example.com", Role.APPROVER, None)
        deployment.users.disable("former@example.com")
    with browser() as client:
        answer = sign_in(console, provider, client, subject)
        assert answer.status_code == 403
        assert sentence in answer.text
        assert client.get(f"{console.url}{BASE}/me").status_code == 401
    event = deployment.audit.recent(1)[0]
    assert (event.action, event.outcome) == ("sign in", "refused")
    assert sentence in event.detail


def test_a_state_of_another_browser_is_refused(
    console: RunningConsole, provider: OidcProvider, deployment: Deployment
) -> None:
    with browser() as attacker, browser() as victim, browser() as new:
        start(console, victim)
        callback = provider.authorize(start(console, attacker), "u-1")
        for client in (victim, new):
            answer = client.get(callback)
            assert answer.status_code == 401
            assert "not valid for this browser. Sign in again." in answer.text
            assert "pmmds_session" not in client.cookies
    event = deployment.audit.recent(1)[0]
    assert (event.action, event.outcome, event.actor) == ("sign in", "refused", "")


def test_a_callback_is_used_once_and_not_changed(console: RunningConsole, provider: OidcProvider) -> None:
    with browser() as client:
        callback = provider.authorize(start(console, client), "u-1")
        state = parse_qs(urlsplit(callback).query)["state"][0]
        for changed in (
            callback.replace(state, "x" * len(state)),
            f"{console.url}/sign-in/callback",
            f"{console.url}/sign-in/callback?error=access_denied",
            f"{console.url}/sign-in/callback?state={state}&code=wrong",
        ):
            assert client.get(changed).status_code == 401
        assert client.get(callback).status_code == 401, "the state was used by the wrong code"
        callback = provider.authorize(start(console, client), "u-1")
        assert client.get(callback).status_code == 303
        assert client.get(callback).status_code == 401


def test_over_https_the_state_and_the_session_have_the_host_prefix(
    console: RunningConsole, provider: OidcProvider
) -> None:
    https = {**BROWSER, "X-Forwarded-Proto": "https"}
    asked = httpx.get(f"{console.url}/sign-in/start", headers=https, timeout=60, trust_env=False)
    state, _, attributes = asked.headers["set-cookie"].partition("; ")
    assert state.startswith("__Host-pmmds_sign_in=")
    assert {part.strip().lower() for part in attributes.split(";")} >= {"path=/", "secure", "httponly", "samesite=lax"}
    # The redirect URI is https, but the test's console serves plain HTTP behind no real proxy.
    callback = provider.authorize(asked.headers["location"], "u-1").replace("https://", "http://")
    unprefixed = {**https, "Cookie": state.removeprefix("__Host-")}
    assert httpx.get(callback, headers=unprefixed, timeout=60, trust_env=False).status_code == 401
    answer = httpx.get(callback, headers={**https, "Cookie": state}, timeout=60, trust_env=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert "__Host-pmmds_session" in answer.cookies


def test_a_provider_that_is_down_is_named(tmp_path_factory: pytest.TempPathFactory) -> None:
    given = {
        "PMMDS_CONSOLE_SIGN_IN": "oidc",
        "PMMDS_CONSOLE_OIDC_DISCOVERY_URL": "http://127.0.0.1:9/.well-known/openid-configuration",
        "PMMDS_CONSOLE_OIDC_CLIENT_ID": "pmmds-console",
        "PMMDS_CONSOLE_OIDC_CLIENT_SECRET": "a-secret-of-the-client",
        "PMMDS_CONSOLE_DEFAULT_ROLE": "viewer",
    }
    home = str(tmp_path_factory.mktemp("down") / "home")
    with running_console(console_environment(home, **given)) as console:
        answer = httpx.get(f"{console.url}/sign-in/start", headers=BROWSER, timeout=60, trust_env=False)
        assert answer.status_code == 503
        assert "The identity provider does not answer as expected." in answer.text
        assert "Traceback" not in console.output
        assert "a-secret-of-the-client" not in console.output
