"""Two people approve a promotion and one rolls it back, by a real console process with real model versions."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from pmmds_console.sign_in.actors import local_user
from pmmds_core.deployment import Deployment
from pmmds_core.policies.decision import RECORDED, REJECTED
from pmmds_core.policies.roles import Role
from pmmds_tests.console.changes import form_token, live, pending, send_form, send_json
from pmmds_tests.harness.console_process import RunningConsole, console_environment, running_console
from pmmds_tests.harness.home_copies import copy_home
from pmmds_tests.harness.trained_homes import two_versions_home

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("console promotions")]


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningConsole]:
    """A console with sign-in off that requires two approvals."""
    home = copy_home(two_versions_home(tmp_path_factory), tmp_path_factory.mktemp("promotions"))
    with running_console(console_environment(str(home), PMMDS_PROMOTION_APPROVALS="2")) as running:
        yield running


@pytest.fixture(scope="module")
def deployment(console: RunningConsole) -> Deployment:
    return Deployment(console.settings)


@pytest.fixture(scope="module")
def bearer(deployment: Deployment) -> dict[str, dict[str, str]]:
    """The header with an API token, by user."""
    roles = {"ada": Role.APPROVER, "bob": Role.APPROVER, "eve": Role.OPERATOR}
    headers = {}
    for name, role in roles.items():
        deployment.users.add(name, role, None)
        headers[name] = {"Authorization": f"Bearer {deployment.tokens.create(name, role, timedelta(days=1))[1]}"}
    return headers


def test_two_people_approve_and_one_rolls_back(
    console: RunningConsole, deployment: Deployment, bearer: dict[str, dict[str, str]]
) -> None:
    before, decision = live(deployment), pending(deployment)
    path = f"/decisions/{decision.decision_id}/approve"
    answers = [send_json(console, path, {}, bearer[name]) for name in ("ada", "ada", "eve", "bob", "bob")]
    assert [a.status_code for a in answers] == [200, 409, 403, 200, 409]
    assert answers[0].json()["message"].endswith("Another person must approve it too.")
    assert answers[1].json()["detail"] == f"ada has already approved decision {decision.decision_id}."
    assert live(deployment) == decision.challenger_version
    found = console.get(f"/decisions/{decision.decision_id}").json()
    assert (found["state"], found["changed_by"]) == (RECORDED, "bob")
    assert [a["approved_by"] for a in found["approvals"]] == ["ada", "bob"]

    answer = send_json(console, "/roll-back", {"to": before, "reason": "it is slow"}, bearer["ada"])
    assert answer.status_code == 200, answer.text
    assert live(deployment) == before
    events = [(e.actor, e.action, e.outcome) for e in reversed(deployment.audit.recent())]
    assert events == [
        ("ada", "approve", "done"),
        ("ada", "approve", "refused"),
        ("eve", "approve", "refused"),
        ("bob", "approve", "done"),
        ("bob", "approve", "refused"),
        ("ada", "roll back", "done"),
    ]
    assert deployment.audit.recent(1)[0].target == f"production version, to v{before}"


def test_a_form_rejects_a_pending_decision(console: RunningConsole, deployment: Deployment) -> None:
    before, decision = live(deployment), pending(deployment)
    fields = {"form_token": form_token(console), "reason": "before the holidays"}
    answer = send_form(console, f"/decisions/{decision.decision_id}/reject", fields)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/decisions/{decision.decision_id}")
    found = deployment.decisions.get(decision.decision_id)
    assert found is not None
    assert (found.state, found.changed_by, found.state_reason) == (REJECTED, local_user(), "before the holidays")
    assert live(deployment) == before


@pytest.mark.parametrize(("to", "status"), [("99", 409), ("x" * 33, 400), ("../1", 409)])
def test_a_rollback_to_an_unknown_version_changes_nothing(
    console: RunningConsole, deployment: Deployment, to: str, status: int
) -> None:
    before = live(deployment)
    answer = send_form(console, "/roll-back", {"form_token": form_token(console), "to": to})
    assert answer.status_code == status
    assert live(deployment) == before
