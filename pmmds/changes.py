"""The methods of the client that change alerts, decisions and the production version.

Not here: reading (client.py), requests (transport.py), what a change does (pmmds_console/actions).
"""

from __future__ import annotations

from urllib.parse import quote

from pmmds.resources import ActionResult
from pmmds.transport import Transport


class Changes:
    """The changes to alerts, decisions and the production version.

    The console records each change under the name to which the token belongs. A change is sent once and never retried.
    Every method returns the console's sentence about the result.

    Raises:
        NotAllowedError: the token is missing or wrong, or its role is too low.
        NotFoundError: the alert or decision does not exist.
        ConflictError: the state of the alert, the decision or the production version does not allow the change.
        InvalidCallError: a text is too long.
        UnavailableError: the console is unreachable or unavailable, or it did not respond within the timeout. In the
            last case, the change may have been made.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def acknowledge_alert(self, alert_id: int, note: str = "") -> ActionResult:
        """Acknowledge an alert: it starts no automatic retraining until it is resolved. Requires the role operator."""
        return self._change(f"/alerts/{int(alert_id)}/acknowledge", note=note)

    def resolve_alert(self, alert_id: int, note: str = "") -> ActionResult:
        """Resolve an alert: the next report with drift opens a new alert. Requires the role operator."""
        return self._change(f"/alerts/{int(alert_id)}/resolve", note=note)

    def comment_on_alert(self, alert_id: int, note: str) -> ActionResult:
        """Add a comment to an alert's history. Requires the role operator."""
        return self._change(f"/alerts/{int(alert_id)}/comment", note=note)

    def approve_decision(self, decision_id: str, reason: str = "") -> ActionResult:
        """Approve a pending promotion. Requires the role approver.

        The version is in production afterwards, unless the deployment requires the approval of a second person.
        """
        return self._change(f"/decisions/{quote(decision_id, safe='')}/approve", reason=reason)

    def reject_decision(self, decision_id: str, reason: str = "") -> ActionResult:
        """Reject a pending promotion. Requires the role approver."""
        return self._change(f"/decisions/{quote(decision_id, safe='')}/reject", reason=reason)

    def roll_back(self, to: str = "", reason: str = "") -> ActionResult:
        """Put an earlier model version back into production. Requires the role approver.

        Args:
            to: the version. If empty, the previous production version.
            reason: the reason, which is recorded with the decision.
        """
        return self._change("/roll-back", to=to, reason=reason)

    def _change(self, path: str, **body: str) -> ActionResult:
        return self._transport.post(path, body, ActionResult)
