"""The actions: each with its path, the least role and the workflow that it calls. Add an action here.

Forms and the API are made from this table. Not here: checks and audit events (perform.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pmmds_core.deployment import Deployment
from pmmds_core.errors import UsageError
from pmmds_core.policies.decision import PENDING_APPROVAL
from pmmds_core.policies.roles import Role

_MAX_ID = 2**31 - 1


class UnknownTargetError(UsageError):
    """There is no such alert or decision."""


class MissingTextError(UsageError):
    """The body lacks a text that the action requires."""


@dataclass(frozen=True)
class Given:
    """What a request gives an action. `target_id` is in the path; the texts are in the body; `by` is the actor."""

    deployment: Deployment
    by: str
    target_id: str
    text: str
    to: str


@dataclass(frozen=True)
class Action:
    """One action.

    `path`: of the form and, below the API's base, of the resource. `parameter`: name of the path's parameter; empty if
    there is none. `field`: the text in the body, `note` or `reason`. `fields`: all that the body may have. `target`:
    what it changes, for the audit events. `page`: where a browser goes afterwards. `run`: makes the change and returns
    one sentence about it.
    """

    name: str
    path: str
    role: Role
    summary: str
    field: str
    target: str
    page: str
    run: Callable[[Given], str]
    parameter: str = ""

    @property
    def fields(self) -> tuple[str, ...]:
        return (self.field,) if self.parameter else ("to", self.field)


def _acknowledge(given: Given) -> str:
    alert = given.deployment.alerts.acknowledge(_alert_id(given), by=given.by, note=given.text)
    return f"Alert {alert.alert_id} is acknowledged. It starts no automatic retraining until it is resolved."


def _resolve(given: Given) -> str:
    alert = given.deployment.alerts.resolve(_alert_id(given), by=given.by, note=given.text)
    return f"Alert {alert.alert_id} is resolved. The next report with drift opens a new alert."


def _comment(given: Given) -> str:
    if not given.text:
        raise MissingTextError("A comment requires a text in the field note.")
    alert = given.deployment.alerts.comment(_alert_id(given), by=given.by, note=given.text)
    return f"The comment on alert {alert.alert_id} is stored."


def _approve(given: Given) -> str:
    from pmmds_core.workflows.approval import approve

    decision = approve(given.deployment, _decision_id(given), by=given.by)
    if decision.state == PENDING_APPROVAL:
        return f"Your approval of v{decision.challenger_version} is stored. Another person must approve it too."
    return f"v{decision.challenger_version} is approved and in production."


def _reject(given: Given) -> str:
    from pmmds_core.workflows.approval import reject

    decision = reject(given.deployment, _decision_id(given), by=given.by, reason=given.text)
    return f"v{decision.challenger_version} is rejected. The production version is unchanged."


def _roll_back(given: Given) -> str:
    from pmmds_core.workflows.rollback import roll_back

    decision = roll_back(given.deployment, to=given.to, by=given.by, reason=given.text)
    return f"v{decision.challenger_version} is in production again."


def _alert_id(given: Given) -> int:
    """The number of an alert of this model. Raises UnknownTargetError."""
    text = given.target_id
    if text.isascii() and text.isdecimal() and len(text) < 11 and int(text) <= _MAX_ID:
        try:
            alert = given.deployment.alerts.get(int(text))
        except UsageError:
            alert = None
        if alert is not None and alert.model_name == given.deployment.model_name:
            return alert.alert_id
    raise UnknownTargetError(f"There is no alert {text[:32]!r}.")


def _decision_id(given: Given) -> str:
    """The id of a decision on this model. Raises UnknownTargetError."""
    if "\0" in given.target_id or given.deployment.decisions.get(given.target_id) is None:
        raise UnknownTargetError(f"There is no decision {given.target_id[:32]!r}.")
    return given.target_id


def _of_alert(name: str, summary: str, run: Callable[[Given], str]) -> Action:
    path = f"/alerts/{{alert_id}}/{name}"
    return Action(name, path, Role.OPERATOR, summary, "note", "alert {}", "/alerts/{}", run, "alert_id")


def _of_decision(name: str, summary: str, run: Callable[[Given], str]) -> Action:
    path = f"/decisions/{{decision_id}}/{name}"
    return Action(name, path, Role.APPROVER, summary, "reason", "decision {}", "/decisions/{}", run, "decision_id")


ACTIONS = (
    _of_alert("acknowledge", "Acknowledge an alert: no automatic retraining until it is resolved", _acknowledge),
    _of_alert("resolve", "Resolve an alert: the next report with drift opens a new one", _resolve),
    _of_alert("comment", "Comment on an alert, which changes nothing else", _comment),
    _of_decision("approve", "Approve a pending promotion", _approve),
    _of_decision("reject", "Reject a pending promotion", _reject),
    Action(
        "roll back",
        "/roll-back",
        Role.APPROVER,
        "Put the previous version, or the version `to`, back into production",
        "reason",
        "production version",
        "/versions",
        _roll_back,
    ),
)
