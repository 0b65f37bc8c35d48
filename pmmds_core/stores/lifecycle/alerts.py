"""Drift alerts: at most one per model is live (open or acknowledged); a new drifted report extends it.

Each status change is stored in alert_changes and notified through the outbox, in one transaction.
Not here: what an alert triggers (the sensor, policies/retraining.py), when it is resolved
(policies/alert_resolution.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from pmmds_core.errors import UsageError
from pmmds_core.policies.alert_resolution import is_worse
from pmmds_core.policies.events import alert_event, alert_page
from pmmds_core.policies.notifications import NotificationText
from pmmds_core.stores.database.dialects import insert
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.tables import alert_changes, drift_alerts
from pmmds_core.stores.lifecycle.publisher import Publisher

OPEN, ACKNOWLEDGED, RESOLVED = "open", "acknowledged", "resolved"
OPENED, ESCALATED, GAVE_UP, COMMENTED = "opened", "escalated", "gave_up", "commented"
# Value of `changed_by` for automatic changes.
MONITORING, RETRAINING = "monitoring", "retraining"
_CLOSED = {"status": RESOLVED, "live_for": None}
# A trigger that was given up is reported as an event of its retraining, and a comment changes nothing.
_WITHOUT_EVENT = frozenset({GAVE_UP, COMMENTED})
NOTIFIED = frozenset({OPENED, ESCALATED, GAVE_UP, RESOLVED})
FEATURE_DRIFT = "feature_drift"


@dataclass(frozen=True)
class Alert:
    """One alert. `severity`: band of the worst feature; `n_reports`: number of drifted reports that it covers."""

    alert_id: int
    model_name: str
    model_version: str
    report_id: int
    status: str
    severity: str
    drift_type: str
    message: str
    n_reports: int
    opened_at: datetime
    last_seen_at: datetime
    changed_by: str | None
    changed_at: datetime | None
    note: str | None


@dataclass(frozen=True)
class AlertChange:
    """A change of an alert. `kind`: opened, escalated, gave_up, acknowledged, resolved, commented."""

    change_id: int
    alert_id: int
    kind: str
    severity: str
    changed_by: str
    note: str | None
    changed_at: datetime


class AlertStore:
    """Raises, lists and changes alerts."""

    def __init__(self, database: Database, publisher: Publisher | None = None) -> None:
        """
        Args:
            database: the deployment's database.
            publisher: reports the changes; None: no change is reported.
        """
        self._database = database
        self._publisher = publisher or Publisher()

    def raise_or_extend(
        self,
        *,
        model_name: str,
        model_version: str,
        report_id: int,
        severity: str,
        message: str,
        drift_type: str = FEATURE_DRIFT,
        connection: sa.Connection | None = None,
    ) -> Alert:
        """Open an alert, or extend the model's live one.

        Extending keeps status, opened_at and the model version of the first report; report, severity and message are
        replaced. Concurrent reports open only one alert, because the column `live_for` is unique.

        Args:
            model_name: the model that drifted.
            model_version: the version whose profile was the reference.
            report_id: the drifted report.
            severity: band of the worst feature.
            message: one sentence for the notification.
            drift_type: kind of drift, such as `feature_drift`.
            connection: a transaction to join, such as the report's; None: a new one.
        """
        now = datetime.now(UTC)
        row = {
            "model_name": model_name,
            "model_version": model_version,
            "report_id": report_id,
            "status": OPEN,
            "severity": severity,
            "drift_type": drift_type,
            "message": message,
            "n_reports": 1,
            "opened_at": now,
            "last_seen_at": now,
            "live_for": model_name,
        }
        if connection is not None:
            return self._raise(connection, row)
        with self._database.begin() as transaction:
            return self._raise(transaction, row)

    def _raise(self, connection: sa.Connection, row: dict[str, Any]) -> Alert:
        """Create or extend the alert. The upsert locks its row, so concurrent changes of one alert are serialized."""
        alert = _upsert(connection, row)
        if alert.n_reports == 1:
            self._record(connection, alert, OPENED, MONITORING, None, alert.opened_at)
            return alert
        c = alert_changes.c
        earlier = connection.execute(sa.select(c.severity).where(c.alert_id == alert.alert_id)).scalars().all()
        if is_worse(alert.severity, earlier):
            self._record(connection, alert, ESCALATED, MONITORING, None, alert.last_seen_at)
        return alert

    def _record(
        self, connection: sa.Connection, alert: Alert, kind: str, by: str, note: str | None, at: datetime
    ) -> None:
        values = {
            "alert_id": alert.alert_id,
            "kind": kind,
            "severity": alert.severity,
            "changed_by": by,
            "note": note,
            "changed_at": at,
        }
        change = sa.insert(alert_changes).values(values).returning(alert_changes.c.change_id)
        change_id: int = connection.execute(change).scalar_one()
        if kind in NOTIFIED:
            title, body = change_message(alert, kind, by, note)
            notice = NotificationText(f"alert_change:{change_id}", title, body)
            self._publisher.notify(connection, notice, at, page=alert_page(alert.alert_id), change_id=change_id)
        if kind not in _WITHOUT_EVENT:
            self._publisher.publish(connection, alert_event(alert, kind, change_id), at, change_id=change_id)

    def changes(self, alert_id: int) -> list[AlertChange]:
        """Return every state change of an alert, oldest first."""
        query = sa.select(alert_changes).where(alert_changes.c.alert_id == alert_id).order_by(alert_changes.c.change_id)
        with self._database.connect() as connection:
            return [AlertChange(**row) for row in connection.execute(query).mappings()]

    def changes_with_note(self, model_name: str, since: datetime, limit: int) -> list[AlertChange]:
        """The newest changes of a model's alerts that have a note, newest first."""
        c = alert_changes.c
        query = sa.select(alert_changes).join(drift_alerts, c.alert_id == drift_alerts.c.alert_id)
        query = query.where(drift_alerts.c.model_name == model_name, c.changed_at >= since, c.note.is_not(None))
        with self._database.connect() as connection:
            rows = connection.execute(query.order_by(c.change_id.desc()).limit(limit)).mappings()
            return [AlertChange(**row) for row in rows]

    def open_alerts(self) -> list[Alert]:
        """Unacknowledged alerts, oldest first; only these trigger a retraining."""
        return self._read(_alerts().where(drift_alerts.c.status == OPEN).order_by(drift_alerts.c.alert_id))

    def live(self, model_name: str) -> Alert | None:
        """The model's open or acknowledged alert."""
        alerts = self._read(_alerts().where(drift_alerts.c.live_for == model_name))
        return alerts[0] if alerts else None

    def recent(self, limit: int = 20, *, with_resolved: bool = True) -> list[Alert]:
        """The newest alerts, newest first."""
        query = _alerts() if with_resolved else _alerts().where(drift_alerts.c.status != RESOLVED)
        return self._read(query.order_by(drift_alerts.c.alert_id.desc()).limit(limit))

    def get(self, alert_id: int) -> Alert:
        """Raises UsageError if there is no such alert."""
        alerts = self._read(_alerts().where(drift_alerts.c.alert_id == alert_id))
        if not alerts:
            raise UsageError(
                f"There is no alert {alert_id}.", next_step="Run `pmmds alerts list --all` to see all alerts."
            )
        return alerts[0]

    def acknowledge(self, alert_id: int, by: str, note: str = "") -> Alert:
        """Acknowledge the alert. Raises UsageError if it is unknown or resolved."""
        return self._change(alert_id, by, note, {"status": ACKNOWLEDGED})

    def resolve(self, alert_id: int, by: str, note: str = "") -> Alert:
        """Close the alert, so that the next drifted report opens a new one. Raises the same errors as `acknowledge`."""
        return self._change(alert_id, by, note, _CLOSED)

    def comment(self, alert_id: int, by: str, note: str) -> Alert:
        """Record a comment, which changes nothing else; a resolved alert can have comments too.

        Raises:
            UsageError: there is no such alert, or the name or the comment is empty.
        """
        if not by.strip() or not note.strip():
            raise UsageError("A comment requires a name and a text.", next_step="Write the comment's text.")
        alert = self.get(alert_id)
        with self._database.begin() as connection:
            self._record(connection, alert, COMMENTED, by, note, datetime.now(UTC))
        return alert

    def resolve_unless_seen(self, alert: Alert, note: str) -> bool:
        """Resolve the alert unless a drifted report or a user has changed it since; return True if resolved."""
        with self._database.begin() as connection:
            as_seen = drift_alerts.c.report_id == alert.report_id
            return self._changed(connection, alert.alert_id, MONITORING, note, _CLOSED, as_seen) is not None

    def note_given_up(self, connection: sa.Connection, alert_id: int, note: str) -> bool:
        """Record that automatic retraining for this alert has stopped, in the transaction that ends the last attempt.

        The alert keeps its status. Returns False if the alert is already resolved.
        """
        return self._changed(connection, alert_id, RETRAINING, note, {}, kind=GAVE_UP) is not None

    def event_totals(self) -> dict[tuple[str, str], int]:
        """Total number of alerts raised so far, by drift type and severity."""
        c = drift_alerts.c
        query = sa.select(c.drift_type, c.severity, sa.func.count().label("n")).group_by(c.drift_type, c.severity)
        with self._database.connect() as connection:
            return {(row.drift_type, row.severity): row.n for row in connection.execute(query)}

    def _change(self, alert_id: int, by: str, note: str, values: Mapping[str, Any]) -> Alert:
        if not by.strip():
            raise UsageError("--by is required.", next_step="Name the person making this change: --by NAME.")
        with self._database.begin() as connection:
            changed = self._changed(connection, alert_id, by, note, values)
        if changed is not None:
            return changed
        alert = self.get(alert_id)
        raise UsageError(
            f"Alert {alert_id} was resolved by {alert.changed_by} at {alert.changed_at:%Y-%m-%d %H:%M} UTC.",
            next_step="Resolved alerts cannot be changed; the next drifted report opens a new one.",
        )

    def _changed(
        self,
        connection: sa.Connection,
        alert_id: int,
        by: str,
        note: str,
        values: Mapping[str, Any],
        *only: sa.ColumnElement[bool],
        kind: str = "",
    ) -> Alert | None:
        """Apply and store a change, and enqueue its notification.

        None if the alert is resolved or `only` does not match.
        """
        c = drift_alerts.c
        now = datetime.now(UTC)
        update = sa.update(drift_alerts).where(c.alert_id == alert_id, c.status != RESOLVED, *only)
        changed = {**values, "changed_by": by, "changed_at": now, "note": note or None}
        columns = (column for column in c if column.name != "live_for")
        row = connection.execute(update.values(changed).returning(*columns)).mappings().one_or_none()
        if row is None:
            return None
        alert = Alert(**row)
        self._record(connection, alert, kind or alert.status, by, note or None, now)
        return alert

    def _read(self, query: sa.Select[Any]) -> list[Alert]:
        with self._database.connect() as connection:
            return [Alert(**row) for row in connection.execute(query).mappings()]


def change_message(alert: Alert, kind: str, by: str, note: str | None) -> tuple[str, str]:
    """Title and text of the notification about a change."""
    model = f"{alert.model_name} v{alert.model_version}"
    title = {
        OPENED: f"Drift detected: {model} ({alert.severity})",
        ESCALATED: f"Drift escalated: {model} ({alert.severity})",
        GAVE_UP: f"Retraining of {model} needs manual action",
        RESOLVED: f"Drift resolved: {model}",
    }[kind]
    if kind == RESOLVED:
        return title, f"Alert {alert.alert_id} was resolved by {by}.{f' {note}' if note else ''}"
    if kind == GAVE_UP:
        return title, f"Alert {alert.alert_id} stays {alert.status}. {note}"
    return title, f"{alert.message} Alert {alert.alert_id}, since {alert.opened_at:%Y-%m-%d %H:%M} UTC."


def _alerts() -> sa.Select[Any]:
    return sa.select(*(column for column in drift_alerts.c if column.name != "live_for"))


def _upsert(connection: sa.Connection, row: dict[str, Any]) -> Alert:
    statement = insert(connection, drift_alerts).values(row)
    newest = {name: statement.excluded[name] for name in ("report_id", "severity", "message", "last_seen_at")}
    extended = {"n_reports": drift_alerts.c.n_reports + 1, **newest}
    statement = statement.on_conflict_do_update(index_elements=["live_for"], set_=extended)
    columns = (column for column in drift_alerts.c if column.name != "live_for")
    return Alert(**connection.execute(statement.returning(*columns)).mappings().one())
