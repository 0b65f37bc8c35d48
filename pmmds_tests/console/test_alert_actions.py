"""Acknowledge, resolve and comment from the console with sign-in off: a real process on each engine."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import unquote

import pytest

from pmmds_console.sign_in.actors import local_user
from pmmds_core.deployment import Deployment
from pmmds_core.stores.identity.audit import DONE, REFUSED
from pmmds_tests.console.changes import form_token, open_alert, send_form, send_json
from pmmds_tests.harness.console_process import RunningConsole, console_environment, running_console

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("console actions")]


@pytest.fixture
def console(deployment: Deployment) -> Iterator[RunningConsole]:
    settings = deployment.settings
    with running_console(console_environment(settings.home, PMMDS_DATABASE_URL=settings.database_url)) as running:
        yield running


def test_an_alert_is_acknowledged_commented_and_resolved_by_forms(
    console: RunningConsole, deployment: Deployment
) -> None:
    alert = open_alert(deployment)
    token, path = form_token(console), f"/alerts/{alert.alert_id}"
    for verb in ("acknowledge", "comment", "resolve"):
        answer = send_form(console, f"{path}/{verb}", {"note": f"{verb} it", "form_token": token})
        assert (answer.status_code, answer.headers["location"]) == (303, path)
        assert f"lert {alert.alert_id} is" in unquote(answer.cookies["pmmds_notice"])
    changes = deployment.alerts.changes(alert.alert_id)[1:]
    assert [(c.kind, c.note) for c in changes] == [
        ("acknowledged", "acknowledge it"),
        ("commented", "comment it"),
        ("resolved", "resolve it"),
    ]
    assert {c.changed_by for c in changes} == {local_user()}
    events = deployment.audit.recent()[::-1]
    assert [(e.action, e.target, e.outcome) for e in events] == [
        (verb, f"alert {alert.alert_id}", DONE) for verb in ("acknowledge", "comment", "resolve")
    ]
    assert {(e.actor, e.method, e.address) for e in events} == {(local_user(), "local", "127.0.0.1")}


def test_the_same_changes_by_the_api(console: RunningConsole, deployment: Deployment) -> None:
    alert = open_alert(deployment)
    answer = send_json(console, f"/alerts/{alert.alert_id}/acknowledge", {"note": "seen"})
    assert answer.status_code == 200
    assert (answer.json()["action"], answer.json()["target"]) == ("acknowledge", f"alert {alert.alert_id}")
    assert deployment.alerts.get(alert.alert_id).status == "acknowledged"
    assert send_json(console, f"/alerts/{alert.alert_id}/resolve", {}).status_code == 200
    again = send_json(console, f"/alerts/{alert.alert_id}/resolve", {})
    assert (again.status_code, again.headers["content-type"]) == (409, "application/problem+json")
    assert deployment.audit.recent(1)[0].outcome == REFUSED


@pytest.mark.parametrize(
    ("headers", "fields", "status"),
    [
        ({}, {"note": "x"}, 403),
        ({}, {"note": "x", "form_token": "0" * 64}, 403),
        ({"Origin": "https://evil.example"}, {"note": "x", "form_token": "right"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, {"note": "x", "form_token": "right"}, 403),
        ({}, {"note": "x" * 2_001, "form_token": "right"}, 400),
    ],
)
def test_a_form_without_token_or_from_another_site_changes_nothing(
    console: RunningConsole, deployment: Deployment, headers: dict[str, str], fields: dict[str, str], status: int
) -> None:
    alert = open_alert(deployment)
    if fields.get("form_token") == "right":
        fields = {**fields, "form_token": form_token(console)}
    answer = send_form(console, f"/alerts/{alert.alert_id}/resolve", fields, headers=headers)
    assert answer.status_code == status
    assert deployment.alerts.get(alert.alert_id).status == "open"
    if status == 403:
        (event,) = deployment.audit.recent()
        assert (event.outcome, event.action, event.target) == (REFUSED, "POST", f"/alerts/{alert.alert_id}/resolve")


def test_an_unknown_target_and_an_invalid_body_are_named(console: RunningConsole, deployment: Deployment) -> None:
    open_alert(deployment)
    for path in ("/alerts/99/resolve", "/alerts/x/resolve", "/alerts/99999999999/resolve", "/decisions/none/approve"):
        assert send_json(console, path, {}).status_code == 404
    bodies: list[object] = [{"notes": "x"}, {"note": 1}, [], {"note": "x\0"}, {"note": "x" * 2_001}]
    for body in bodies:
        assert send_json(console, "/alerts/1/resolve", body).status_code == 400
    answer = send_form(console, "/alerts/99/resolve", {"form_token": form_token(console)})
    assert answer.status_code == 404
    assert "There is no alert &#39;99&#39;." in answer.text
    plain = {"Content-Type": "application/x-www-form-urlencoded"}
    assert send_json(console, "/alerts/1/resolve", {}, plain).status_code == 415


@pytest.mark.parametrize("note", ["", "  \r\n"])
def test_a_comment_without_a_text_is_a_bad_request(console: RunningConsole, deployment: Deployment, note: str) -> None:
    path = f"/alerts/{open_alert(deployment).alert_id}/comment"
    answer = send_json(console, path, {"note": note})
    assert (answer.status_code, answer.json()["detail"]) == (400, "A comment requires a text in the field note.")
    assert send_form(console, path, {"note": note, "form_token": form_token(console)}).status_code == 400
    assert [event.outcome for event in deployment.audit.recent()] == [REFUSED, REFUSED]
