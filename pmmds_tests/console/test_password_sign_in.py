"""Sign-in with a password, sessions and API tokens at a real console process. Right values are read from the stores."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import sqlalchemy as sa

from pmmds_core.deployment import Deployment
from pmmds_core.policies.roles import Role
from pmmds_core.stores.database.identity_tables import api_tokens, console_sessions
from pmmds_core.stores.identity.audit import AuditEvent
from pmmds_tests.console.changes import BROWSER, form_token, open_alert, send_form, send_json
from pmmds_tests.harness.console_process import BASE, RunningConsole, console_environment, running_console

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("console sign-in")]
PHRASE = "correct horse battery"
ADMIN = "the-token-of-an-administrator"


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningConsole]:
    home = str(tmp_path_factory.mktemp("sign-in") / "home")
    given = {"PMMDS_CONSOLE_SIGN_IN": "users", "PMMDS_ADMIN_TOKEN": ADMIN, "PMMDS_CONSOLE_TRUSTED_PROXIES": "127.0.0.1"}
    with running_console(console_environment(home, **given)) as running:
        yield running


@pytest.fixture(scope="module")
def deployment(console: RunningConsole) -> Deployment:
    """The console's deployment, with a user of each role."""
    deployment = Deployment(console.settings)
    for role in Role:
        deployment.users.add(role.word, role, PHRASE)
    open_alert(deployment)
    return deployment


def sign_in(
    console: RunningConsole,
    name: str,
    phrase: str = PHRASE,
    *,
    following: str = "/",
    address: str = "",
    old: str = "",
    secure: bool = False,
) -> httpx.Response:
    """The response to the sign-in form. `address`: as a trusted proxy forwards it; `old`: an earlier session."""
    forwarded = {"X-Forwarded-For": address} if address else {}
    forwarded |= {"X-Forwarded-Proto": "https"} if secure else {}
    page = httpx.get(f"{console.url}/sign-in", headers={**BROWSER, **forwarded}, timeout=60, trust_env=False)
    assert page.status_code == 200
    match = re.search(r'name="form_token" value="([^"]+)"', page.text)
    assert match is not None
    cookies = {**page.cookies, **({"pmmds_session": old} if old else {})}
    fields = {"name": name, "password": phrase, "next": following, "form_token": match[1]}
    return send_form(console, "/sign-in", fields, headers=forwarded, cookies=cookies)


def session_of(console: RunningConsole, name: str, *, address: str = "192.0.2.10") -> dict[str, str]:
    """The cookies of a person who signed in."""
    answer = sign_in(console, name, address=address)
    assert answer.status_code == 303, answer.text
    return {"pmmds_session": answer.cookies["pmmds_session"]}


def me(
    console: RunningConsole, *, headers: dict[str, str] | None = None, cookies: dict[str, str] | None = None
) -> httpx.Response:
    return httpx.get(f"{console.url}{BASE}/me", headers=headers, cookies=cookies, timeout=60, trust_env=False)


def newest_event(deployment: Deployment) -> AuditEvent:
    return deployment.audit.recent(1)[0]


def test_a_browser_is_sent_to_the_sign_in_page_and_back(console: RunningConsole, deployment: Deployment) -> None:
    path = "/alerts/1?tab=history"
    asked = httpx.get(f"{console.url}{path}", headers=BROWSER, timeout=60, trust_env=False)
    assert asked.status_code == 303
    assert asked.headers["location"] == "/sign-in?next=%2Falerts%2F1%3Ftab%3Dhistory"
    page = httpx.get(console.url + asked.headers["location"], headers=BROWSER, timeout=60, trust_env=False)
    assert 'name="next" value="/alerts/1?tab=history"' in page.text
    answer = sign_in(console, "Viewer", following=path)
    assert (answer.status_code, answer.headers["location"]) == (303, path)
    found = me(console, cookies={"pmmds_session": answer.cookies["pmmds_session"]}).json()
    assert (found["name"], found["role"], found["method"]) == ("viewer", "viewer", "password")
    event = newest_event(deployment)
    assert (event.actor, event.action, event.outcome) == ("viewer", "sign in", "done")


@pytest.mark.parametrize(
    "following",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "javascript:x",
        "",
        "/sign-in",
        "/a\r\nSet-Cookie: b=c",
        "//[",
    ],
)
def test_nobody_is_sent_to_another_site(console: RunningConsole, deployment: Deployment, following: str) -> None:
    assert deployment.users.find("viewer") is not None
    assert sign_in(console, "viewer", following=following).headers["location"] == "/"


def test_the_session_cookie_is_hidden_from_scripts(console: RunningConsole, deployment: Deployment) -> None:
    assert deployment.users.find("viewer") is not None
    for secure, prefix in ((False, ""), (True, "__Host-")):
        answer = sign_in(console, "viewer", address="192.0.2.10", secure=secure)
        cookies = {text.partition("=")[0]: text for text in answer.headers.get_list("set-cookie")}
        assert set(cookies) == {f"{prefix}pmmds_session", f"{prefix}pmmds_sign_in_form"}
        for cookie in cookies.values():
            attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
            assert {"httponly", "samesite=lax", "path=/"} <= attributes
            assert ("secure" in attributes) == secure
            assert not any(attribute.startswith("domain") for attribute in attributes)


def test_over_https_a_session_cookie_without_the_prefix_is_ignored(
    console: RunningConsole, deployment: Deployment
) -> None:
    """Another host of the same domain can set a cookie without the prefix."""
    secret = sign_in(console, "viewer", address="192.0.2.10", secure=True).cookies["__Host-pmmds_session"]
    assert deployment.sessions.find(secret) is not None
    https = {"X-Forwarded-Proto": "https"}
    for name, headers, status in (
        ("__Host-pmmds_session", https, 200),
        ("pmmds_session", https, 401),
        ("__Host-pmmds_session", {}, 401),
        ("pmmds_session", {}, 200),
    ):
        assert me(console, headers=headers, cookies={name: secret}).status_code == status


def test_malformed_cookies_of_other_programs_do_not_end_the_session(
    console: RunningConsole, deployment: Deployment
) -> None:
    assert deployment.users.find("viewer") is not None
    secret = session_of(console, "viewer")["pmmds_session"]
    for cookies in (f'other={{"a": [1, "b"]}}; pmmds_session={secret}', f"=; ;x; pmmds_session={secret}; é=1"):
        headers = httpx.Headers([(b"cookie", cookies.encode())])
        assert httpx.get(f"{console.url}{BASE}/me", headers=headers, timeout=60, trust_env=False).status_code == 200


def test_the_session_id_is_new_after_each_sign_in(console: RunningConsole, deployment: Deployment) -> None:
    first = session_of(console, "viewer")
    second = sign_in(console, "operator", old=first["pmmds_session"], address="192.0.2.10")
    assert me(console, cookies=first).status_code == 401
    assert me(console, cookies=dict(second.cookies)).json()["name"] == "operator"
    chosen = "an-id-that-an-attacker-chose"
    assert sign_in(console, "viewer", old=chosen).cookies["pmmds_session"] != chosen
    assert newest_event(deployment).outcome == "done"


def test_signing_out_ends_the_session(console: RunningConsole, deployment: Deployment) -> None:
    cookies = session_of(console, "viewer")
    assert send_form(console, "/sign-out", {"form_token": ""}, cookies=cookies).status_code == 403
    token = form_token(console, cookies)
    answer = send_form(console, "/sign-out", {"form_token": token}, cookies=cookies)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    assert me(console, cookies=cookies).status_code == 401
    event = deployment.audit.recent(2)[1]
    assert (event.actor, event.action, event.outcome) == ("viewer", "sign out", "done")


def test_a_forged_session_is_refused_and_recorded(console: RunningConsole, deployment: Deployment) -> None:
    forged = {"pmmds_session": "x" * 43}
    answer = me(console, cookies=forged)
    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
    event = newest_event(deployment)
    assert (event.actor, event.outcome, event.target) == ("", "refused", f"{BASE}/me")
    assert event.detail == "The session is not valid or has ended. Sign in again."
    page = httpx.get(f"{console.url}/", headers=BROWSER, cookies=forged, timeout=60, trust_env=False)
    assert page.status_code == 303


@pytest.mark.parametrize("column", ["expires_at", "last_used_at"])
def test_a_session_that_ended_is_refused(console: RunningConsole, deployment: Deployment, column: str) -> None:
    cookies = session_of(console, "viewer")
    long_ago = datetime.now(UTC) - timedelta(hours=2)
    with deployment.database.begin() as connection:
        connection.execute(sa.update(console_sessions).values({column: long_ago}))
    assert me(console, cookies=cookies).status_code == 401


def test_a_viewer_who_resolves_an_alert_is_refused(console: RunningConsole, deployment: Deployment) -> None:
    cookies = session_of(console, "viewer")
    token = form_token(console, cookies)
    answer = send_form(console, "/alerts/1/resolve", {"form_token": token}, cookies=cookies)
    assert answer.status_code == 403
    assert "viewer has the role viewer; this action requires the role operator." in answer.text
    event = newest_event(deployment)
    assert (event.actor, event.action, event.target, event.outcome) == ("viewer", "resolve", "alert 1", "refused")
    assert deployment.alerts.get(1).status == "open"
    json = send_json(console, "/decisions/x/approve", {}, {"Cookie": f"pmmds_session={cookies['pmmds_session']}"})
    assert json.status_code == 403
    assert "X-Form-Token" not in json.text
    assert newest_event(deployment).outcome == "refused"


def test_an_operator_comments_with_the_sessions_token_only(console: RunningConsole, deployment: Deployment) -> None:
    cookies, other = session_of(console, "operator"), session_of(console, "approver")
    foreign = form_token(console, other)
    header = {"Cookie": f"pmmds_session={cookies['pmmds_session']}"}
    for given in ({}, {"X-Form-Token": foreign}):
        assert send_json(console, "/alerts/1/comment", {"note": "x"}, {**header, **given}).status_code == 403
    own = {"X-Form-Token": form_token(console, cookies)}
    assert send_json(console, "/alerts/1/comment", {"note": "asked"}, {**header, **own}).status_code == 200
    change = deployment.alerts.changes(1)[-1]
    assert (change.kind, change.changed_by, change.note) == ("commented", "operator", "asked")


def test_a_sign_in_form_without_its_cookie_is_refused(console: RunningConsole, deployment: Deployment) -> None:
    fields = {"name": "viewer", "password": PHRASE, "form_token": "x"}
    for cookies in ({}, {"pmmds_sign_in_form": "y"}):
        answer = send_form(console, "/sign-in", fields, cookies=cookies)
        assert answer.status_code == 403
        assert "pmmds_session" not in answer.cookies
    assert newest_event(deployment).detail == "The sign-in form has expired. Send it again."


def test_unknown_users_wrong_passwords_and_disabled_users_get_one_answer(
    console: RunningConsole, deployment: Deployment
) -> None:
    deployment.users.add("former", Role.VIEWER, PHRASE)
    deployment.users.disable("former")
    deployment.users.add("program", Role.VIEWER, None)
    cases = [("nobody", PHRASE), ("viewer", "wrong password"), ("former", PHRASE), ("program", ""), ("", "\0")]
    answers = [sign_in(console, name, phrase, address="192.0.2.20") for name, phrase in cases]
    assert {a.status_code for a in answers} == {401}
    hidden = r'(name="form_token" value=)"[^"]+"'
    assert len({re.sub(hidden, r"\1", a.text) for a in answers}) == 1
    assert "The user name or the password is wrong, or the user is disabled." in answers[0].text


def test_the_sixth_wrong_password_has_to_wait(console: RunningConsole, deployment: Deployment) -> None:
    deployment.users.add("target", Role.VIEWER, PHRASE)
    for number in range(5):
        assert sign_in(console, "target", "wrong password", address=f"192.0.2.{30 + number}").status_code == 401
    answer = sign_in(console, "TARGET", PHRASE, address="192.0.2.40")
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= 900
    assert "Too many sign-ins failed. Try again in 15 minutes." in answer.text
    event = newest_event(deployment)
    assert (event.action, event.address, event.outcome) == ("sign in", "192.0.2.40", "refused")
    assert event.detail == "Too many sign-ins failed. Try again in 15 minutes."
    assert sign_in(console, "viewer", address="192.0.2.40").status_code == 303


def test_an_unknown_name_is_recorded_as_a_digest(console: RunningConsole, deployment: Deployment) -> None:
    """People sometimes type their password into the field of the name."""
    for number in range(5):
        assert sign_in(console, "my password", "x", address=f"192.0.2.{60 + number}").status_code == 401
    targets = {event.target for event in deployment.audit.recent(5)}
    assert len(targets) == 1
    assert "my password" not in targets.pop()
    assert sign_in(console, "my password", "x", address="192.0.2.70").status_code == 429


def test_a_session_ends_with_its_sign_in_method(console: RunningConsole, deployment: Deployment) -> None:
    session = deployment.sessions.open("viewer", Role.APPROVER, "oidc", instead_of="")
    answer = httpx.get(f"{console.url}{BASE}/me", cookies={"pmmds_session": session}, timeout=60, trust_env=False)
    assert answer.status_code == 401


def test_an_api_token_needs_no_form_token_and_ends(console: RunningConsole, deployment: Deployment) -> None:
    token, secret = deployment.tokens.create("operator", Role.OPERATOR, timedelta(days=1))
    bearer = {"Authorization": f"Bearer {secret}"}
    assert me(console, headers=bearer).json() == {
        "name": "operator",
        "role": "operator",
        "method": "token",
        "form_token": "",
    }
    assert send_json(console, "/alerts/1/comment", {"note": "by a program"}, bearer).status_code == 200
    assert deployment.alerts.changes(1)[-1].changed_by == "operator"
    deployment.tokens.revoke(token.token_id)
    answer = me(console, headers=bearer)
    assert (answer.status_code, answer.json()["detail"]) == (401, "The API token has been revoked.")
    assert newest_event(deployment).detail == "The API token has been revoked."
    _, secret = deployment.tokens.create("operator", Role.OPERATOR, timedelta(days=1))
    with deployment.database.begin() as connection:
        connection.execute(sa.update(api_tokens).values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
    answer = me(console, headers={"Authorization": f"Bearer {secret}"})
    assert (answer.status_code, answer.json()["detail"]) == (401, "The API token has expired.")
    assert newest_event(deployment).detail == "The API token has expired."


def test_the_admin_token_acts_as_admin(console: RunningConsole, deployment: Deployment) -> None:
    bearer = {"Authorization": f"Bearer {ADMIN}"}
    found = me(console, headers=bearer).json()
    assert (found["name"], found["role"], found["method"]) == ("admin", "approver", "admin token")
    assert send_json(console, "/alerts/1/acknowledge", {}, bearer).status_code == 200
    assert deployment.alerts.get(1).changed_by == "admin"


@pytest.mark.parametrize("given", ["Bearer pmmds_x", "Bearer x", "Basic eDp4", "", "Bearer"])
def test_a_wrong_bearer_token_is_not_ignored(console: RunningConsole, deployment: Deployment, given: str) -> None:
    answer = me(console, headers={"Authorization": given}, cookies=session_of(console, "viewer"))
    assert answer.status_code == 401
    assert newest_event(deployment).outcome == "refused"


def test_pages_have_no_script_and_cannot_be_framed(console: RunningConsole) -> None:
    page = httpx.get(f"{console.url}/sign-in", headers=BROWSER, timeout=60, trust_env=False)
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "script" not in page.text
    assert page.headers["cache-control"] == "no-store"
    escaped = httpx.get(
        f"{console.url}/sign-in", params={"next": '/"><b>'}, headers=BROWSER, timeout=60, trust_env=False
    )
    assert "<b>" not in escaped.text
