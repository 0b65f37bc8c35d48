"""The Python client changes alerts, decisions and the production version of a real console, and reports its errors."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import TypeVar

import msgspec
import pytest

import pmmds
from pmmds.client import Monitoring
from pmmds.errors import ConflictError, InvalidCallError, NotAllowedError, NotFoundError, UnavailableError
from pmmds.transport import Transport
from pmmds_console.actions.table import ACTIONS
from pmmds_core.deployment import Deployment
from pmmds_core.policies.decision import RECORDED, REJECTED
from pmmds_core.policies.roles import Role
from pmmds_tests.console.changes import live, open_alert, pending
from pmmds_tests.console.scripted_server import server_of
from pmmds_tests.harness.console_process import RunningConsole, console_environment, running_console
from pmmds_tests.harness.home_copies import copy_home
from pmmds_tests.harness.trained_homes import two_versions_home

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("console promotions")]
T = TypeVar("T")
ROLES = {"ada": Role.APPROVER, "bob": Role.APPROVER, "eve": Role.OPERATOR, "kim": Role.VIEWER}


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningConsole]:
    """A console with sign-in that requires two approvals."""
    home = copy_home(two_versions_home(tmp_path_factory), tmp_path_factory.mktemp("client-changes"))
    given = {"PMMDS_PROMOTION_APPROVALS": "2", "PMMDS_CONSOLE_SIGN_IN": "users"}
    with running_console(console_environment(str(home), **given)) as running:
        yield running


@pytest.fixture(scope="module")
def deployment(console: RunningConsole) -> Deployment:
    return Deployment(console.settings)


@pytest.fixture(scope="module")
def clients(console: RunningConsole, deployment: Deployment) -> Iterator[dict[str, Monitoring]]:
    """A client with an API token for each user."""
    found = {}
    for name, role in ROLES.items():
        deployment.users.add(name, role, None)
        found[name] = pmmds.connect(console.url, deployment.tokens.create(name, role, timedelta(days=1))[1])
    yield found
    for client in found.values():
        client.close()


def test_the_caller_is_the_owner_of_the_token(clients: dict[str, Monitoring]) -> None:
    assert {name: client.me().role for name, client in clients.items()} == {n: r.word for n, r in ROLES.items()}
    assert clients["eve"].me().name == "eve"


def test_an_alert_is_acknowledged_commented_and_resolved(
    clients: dict[str, Monitoring], deployment: Deployment
) -> None:
    alert_id, eve = open_alert(deployment).alert_id, clients["eve"]
    result = eve.acknowledge_alert(alert_id, note="seen")
    assert (result.action, result.target) == ("acknowledge", f"alert {alert_id}")
    assert result.message.startswith(f"Alert {alert_id} is acknowledged.")
    assert deployment.alerts.get(alert_id).status == "acknowledged"
    eve.comment_on_alert(alert_id, "the campaign of March")
    eve.resolve_alert(alert_id)
    changes = deployment.alerts.changes(alert_id)[1:]
    assert [(c.kind, c.changed_by, c.note or "") for c in changes] == [
        ("acknowledged", "eve", "seen"),
        ("commented", "eve", "the campaign of March"),
        ("resolved", "eve", ""),
    ]
    with pytest.raises(ConflictError, match=f"[Aa]lert {alert_id}") as raised:
        eve.resolve_alert(alert_id)
    assert raised.value.status == 409
    assert len(deployment.alerts.changes(alert_id)) == 4


def test_a_promotion_is_approved_rolled_back_and_rejected(
    clients: dict[str, Monitoring], deployment: Deployment
) -> None:
    before, decision = live(deployment), pending(deployment)
    first = clients["ada"].approve_decision(decision.decision_id)
    assert first.message.endswith("Another person must approve it too.")
    with pytest.raises(ConflictError, match=f"ada has already approved decision {decision.decision_id}"):
        clients["ada"].approve_decision(decision.decision_id)
    clients["bob"].approve_decision(decision.decision_id, reason="agreed")
    assert live(deployment) == decision.challenger_version
    found = clients["kim"].decision(decision.decision_id)
    assert (found.state, [a.approved_by for a in found.approvals]) == (RECORDED, ["ada", "bob"])

    result = clients["ada"].roll_back(to=before, reason="it is slow")
    assert result.message == f"v{before} is in production again."
    assert live(deployment) == before
    with pytest.raises(ConflictError):
        clients["ada"].roll_back(to="99")

    rejected = pending(deployment)
    clients["ada"].reject_decision(rejected.decision_id, reason="before the holidays")
    stored = deployment.decisions.get(rejected.decision_id)
    assert stored is not None
    assert (stored.state, stored.changed_by, stored.state_reason) == (REJECTED, "ada", "before the holidays")
    events = clients["ada"].audit_events(outcome="done", limit=4).to_pandas()
    assert list(zip(events["actor"], events["action"], strict=True)) == [
        ("ada", "reject"),
        ("ada", "roll back"),
        ("bob", "approve"),
        ("ada", "approve"),
    ]


def test_a_refused_change_has_the_consoles_sentence(clients: dict[str, Monitoring], deployment: Deployment) -> None:
    alert_id, before = open_alert(deployment).alert_id, live(deployment)
    with pytest.raises(NotAllowedError, match=r"eve has the role operator; this action requires the role approver\."):
        clients["eve"].roll_back()
    with pytest.raises(NotAllowedError, match="kim has the role viewer"):
        clients["kim"].acknowledge_alert(alert_id)
    with pytest.raises(NotFoundError, match="There is no alert '99'"):
        clients["eve"].resolve_alert(99)
    with pytest.raises(NotFoundError, match="There is no decision 'a b\\?c'"):
        clients["ada"].reject_decision("a b?c")
    with pytest.raises(InvalidCallError, match="2000"):
        clients["eve"].comment_on_alert(alert_id, "x" * 2_001)
    assert deployment.alerts.get(alert_id).status == "open"
    assert live(deployment) == before


class RecordingTransport(Transport):
    """Records the path and the fields of each change instead of sending it."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:1")
        self.sent: dict[str, tuple[str, ...]] = {}

    def post(self, path: str, body: Mapping[str, str], kind: type[T]) -> T:
        self.sent[path] = tuple(body)
        return msgspec.convert({"action": "", "target": "", "message": ""}, kind)


def test_every_action_of_the_console_has_a_method() -> None:
    transport = RecordingTransport()
    with Monitoring(transport) as monitoring:
        for change in (monitoring.acknowledge_alert, monitoring.resolve_alert):
            change(3)
        monitoring.comment_on_alert(3, "x")
        for decide in (monitoring.approve_decision, monitoring.reject_decision):
            decide("d1")
        monitoring.roll_back()
    expected = {action.path.format(alert_id=3, decision_id="d1"): action.fields for action in ACTIONS}
    assert transport.sent == expected


def test_a_change_is_sent_once() -> None:
    problem = b'{"type": "urn:pmmds:problem:unavailable", "title": "x", "status": 503, "detail": "A reason."}'
    with server_of((503, problem, {})) as (url, asked), pmmds.connect(url, retries=3) as monitoring:
        with pytest.raises(UnavailableError, match="A reason"):
            monitoring.acknowledge_alert(3)
        assert asked == ["/api/v1/monitoring/alerts/3/acknowledge"]


def test_a_change_without_a_response_may_have_been_made() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with (
            pmmds.connect(url, timeout=0.2) as monitoring,
            pytest.raises(UnavailableError, match="The change may have been made"),
        ):
            monitoring.roll_back()
    with pmmds.connect(url) as monitoring, pytest.raises(UnavailableError, match="pmmds console"):
        monitoring.roll_back()
