"""People who sign in and change something in a browser. Right values are read from the stores and the registry."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pmmds_core.deployment import Deployment
from pmmds_core.policies.decision import REJECTED
from pmmds_core.stores.artifacts.model_registry import PRODUCTION
from pmmds_core.stores.identity.audit import DONE, REFUSED
from pmmds_core.workflows.rollback import roll_back
from pmmds_tests.console.browser.conftest import PHRASE
from pmmds_tests.console.browser.page_list import pending_promotion
from pmmds_tests.harness.browser import Browser
from pmmds_tests.harness.console_process import RunningConsole

pytestmark = pytest.mark.process


def sign_in(browser: Browser, console: RunningConsole, name: str, phrase: str = PHRASE, *, path: str = "/") -> None:
    """Ask for a page without a session, and fill in the form to which the console sends the browser."""
    browser.open(console.url + path)
    assert browser.path.startswith("/sign-in?next=")
    browser.fill("User name", name)
    browser.fill("Password", phrase)
    browser.press("Sign in")


def live(deployment: Deployment) -> tuple[str, str]:
    """The production version that the decisions record, and the version under the registry's alias."""
    pointer = deployment.decisions.pointer()
    found = deployment.registry.version_of(deployment.model_name, PRODUCTION)
    assert pointer is not None
    assert found is not None
    return pointer.version, found.version


@pytest.fixture
def first_live(watched: Deployment) -> Iterator[Deployment]:
    """Version 1 is in production before the test and after it."""
    _restore(watched)
    yield watched
    _restore(watched)


def _restore(deployment: Deployment) -> None:
    if live(deployment)[0] != "1":
        roll_back(deployment, to="1", by="the test")


def test_a_wrong_password_is_refused_and_the_right_one_opens_the_page(
    browser: Browser, console: RunningConsole
) -> None:
    sign_in(browser, console, "viewer", "not the phrase", path="/alerts?status=open")
    assert "name or the password is wrong" in browser.element("[role=alert]").text
    browser.fill("User name", "viewer")
    browser.fill("Password", PHRASE)
    browser.press("Sign in")
    assert browser.path == "/alerts?status=open"
    assert "viewer (viewer)" in browser.element(".who").text


def test_an_alert_is_acknowledged_with_a_comment_and_resolved(
    browser: Browser, console: RunningConsole, watched: Deployment
) -> None:
    sign_in(browser, console, "operator")
    browser.follow("Alert 1")
    browser.fill("Comment", "Price change of November.")
    browser.press("Acknowledge")
    assert browser.element("[role=status]").text.startswith("Alert 1 is acknowledged.")
    history = browser.element("[aria-labelledby=history]").text
    assert "acknowledged operator Price change of November." in history
    assert watched.alerts.get(1).status == "acknowledged"
    browser.press("Resolve")
    assert watched.alerts.get(1).status == "resolved"
    assert browser.element(".verdict").text.startswith("Resolved:")
    assert browser.elements("form.action") == []
    newest = watched.alerts.changes(1)[-1]
    assert (newest.kind, newest.changed_by) == ("resolved", "operator")


def test_an_approval_moves_the_alias_and_a_rejection_does_not(
    browser: Browser, console: RunningConsole, first_live: Deployment
) -> None:
    approved = pending_promotion(first_live, "2", "1")
    sign_in(browser, console, "approver", path="/decisions?state=pending_approval")
    browser.follow(approved.decision_id)
    browser.press("Approve and promote v2")
    assert browser.element("[role=status]").text == "v2 is approved and in production."
    assert live(first_live) == ("2", "2")
    assert browser.elements("form.action") == []
    rejected = pending_promotion(first_live, "1", "2")
    browser.open(f"{console.url}/decisions/{rejected.decision_id}")
    browser.fill("Reason for a rejection", "Not before the holidays.")
    browser.press("Reject")
    found = first_live.decisions.get(rejected.decision_id)
    assert found is not None
    assert (found.state, found.changed_by) == (REJECTED, "approver")
    assert live(first_live) == ("2", "2")


def test_a_rollback_restores_the_previous_version_with_name_and_reason(
    browser: Browser, console: RunningConsole, first_live: Deployment
) -> None:
    decision = pending_promotion(first_live, "2", "1")
    sign_in(browser, console, "approver", path=f"/decisions/{decision.decision_id}")
    browser.press("Approve and promote v2")
    browser.follow("Decisions")
    browser.element("summary").click()
    browser.fill("Reason", "Complaints about the scores.")
    browser.press("Roll back")
    assert browser.element("[role=status]").text == "v1 is in production again."
    assert browser.path == "/versions"
    assert live(first_live) == ("1", "1")
    newest = first_live.decisions.recent(1)[0]
    assert (newest.kind, newest.changed_by) == ("rollback", "approver")
    assert "Complaints about the scores." in newest.promotion_reason
    event = first_live.audit.recent(1)[0]
    assert (event.actor, event.action, event.outcome) == ("approver", "roll back", DONE)


def test_a_prediction_is_found_by_its_id(browser: Browser, console: RunningConsole, watched: Deployment) -> None:
    sign_in(browser, console, "viewer")
    browser.follow("Predictions")
    browser.fill("Id of the prediction", "row-7")
    browser.press("Look up")
    with watched.database.connect() as connection:
        query = "SELECT prediction, probability FROM prediction_logs WHERE request_id = 'row-7'"
        label, probability = connection.exec_driver_sql(query).one()
    assert f"Prediction {label}, probability {probability:.4f}" in browser.element(".verdict").text
    assert browser.element("[aria-label='Chart of contributions'] svg").is_displayed()


def test_after_signing_out_every_page_asks_to_sign_in(browser: Browser, console: RunningConsole) -> None:
    sign_in(browser, console, "viewer", path="/quality")
    session = browser.driver.get_cookie("pmmds_session")
    browser.press("Sign out")
    assert browser.path == "/sign-in"
    assert session is not None
    browser.driver.add_cookie(session)  # an old cookie opens nothing
    browser.open(f"{console.url}/quality")
    assert browser.path == "/sign-in?next=%2Fquality"


def test_a_viewer_sees_no_buttons_and_a_forged_form_is_refused(
    browser: Browser, console: RunningConsole, first_live: Deployment
) -> None:
    decision = pending_promotion(first_live, "2", "1")
    sign_in(browser, console, "viewer", path=f"/decisions/{decision.decision_id}")
    assert "requires the role approver" in browser.text
    for path in ("/decisions", f"/decisions/{decision.decision_id}", "/alerts/1"):
        browser.open(console.url + path)
        assert browser.elements("main form[method=post]") == [], path
    forge = "const form = document.querySelector('.who form'); form.action = arguments[0]; form.submit()"
    browser.leave(lambda: browser.run(forge, f"/decisions/{decision.decision_id}/approve"))
    assert browser.run("return performance.getEntriesByType('navigation')[0].responseStatus") == 403
    assert live(first_live) == ("1", "1")
    event = first_live.audit.recent(1)[0]
    expected = ("viewer", "approve", f"decision {decision.decision_id}", REFUSED)
    assert (event.actor, event.action, event.target, event.outcome) == expected
