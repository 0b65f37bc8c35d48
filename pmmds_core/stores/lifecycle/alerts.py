"""Drift alerts: at most one of a model is live (open or acknowledged); a new drifted report extends it.

Add a change of an alert's status here: it is kept in alert_changes and told through the outbox, all in one transaction.
Keep out: what an alert sets off (the sensor, policies/retraining.py), when it is over
(policies/alerts.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from pmmds_core.errors import UsageError
from pmmds_core.policies.alerts import is_worse
from pmmds_core.policies.notifications import NotificationText
from pmmds_core.stores.database.dialects import insert
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.tables import alert_changes, drift_alerts
from pmmds_core.stores.lifecycle.outbox import enqueue

OPEN, ACKNOWLEDGED, RESOLVED = "open", "acknowledged", "resolved"
OPENED, ESCALATED, GAVE_UP = "opened", "escalated", "gave_up"
# Who changes an alert when nobody does.
MONITORING, RETRAINING = "monitoring", "retraining"
_CLOSED = {"status": RESOLVED, "live_for": None}
TOLD = frozenset({OPENED, ESCALATED, GAVE_UP, RESOLVED})
FEATURE_DRIFT = "feature_drift"


@dataclass(frozen=True)
class Alert:
    """One alert. `severity`: band of the worst feature; `n_reports`: drifted reports it stands for."""

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
    """One thing that became of an alert. `kind`: opened, escalated, gave_up, acknowledged, resolved."""

    change_id: int
    alert_id: int
    kind: str
    severity: str
    changed_by: str
    note: str | None
    changed_at: datetime


class AlertStore:
    """Raises, lists and changes alerts."""

    def __init__(self, database: Database, targets: Sequence[str] = ()) -> None:
        """
        Args:
            database: where alerts are.
            targets: who is told of changes, by `notification_outbox.target_of`.
        """
        self._database = database
        self._targets = tuple(targets)

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
        """Open an alert; where the model has a live one, that one stands for this report too.

        Extending keeps status, opened_at and the model version that was alerted first; report, severity and message
        become the newest. Two reports at once make one alert: the unique column `live_for` decides.

        Args:
            model_name: whose drift.
            model_version: whose profile was compared with.
            report_id: the drifted report.
            severity: band of the worst feature.
            message: one sentence for a person.
            drift_type: what drifted.
            connection: a transaction to take part in, such as the report's; its own when None.
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
        with self._database.begin() as own:
            return self._raise(own, row)

    def _raise(self, connection: sa.Connection, row: dict[str, Any]) -> Alert:
        """The row of the alert is locked from the upsert on, so changes of one alert come one after another."""
        alert = _upsert(connection, row)
        if alert.n_reports == 1:
            self._record(connection, alert, OPENED, MONITORING, None, alert.opened_at)
            return alert
        c = alert_changes.c
        known = connection.execute(sa.select(c.severity).where(c.alert_id == alert.alert_id)).scalars().all()
        if is_worse(alert.severity, known):
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
        if kind in TOLD:
            title, body = told(alert, kind, by, note)
            notice = NotificationText(f"alert_change:{change_id}", title, body)
            enqueue(connection, notice, self._targets, at, change_id=change_id)

    def changes(self, alert_id: int) -> list[AlertChange]:
        """Everything that became of an alert, oldest first."""
        query = sa.select(alert_changes).where(alert_changes.c.alert_id == alert_id).order_by(alert_changes.c.change_id)
        with self._database.connect() as connection:
            return [AlertChange(**row) for row in connection.execute(query).mappings()]

    def open_alerts(self) -> list[Alert]:
        """Alerts that nobody has taken over yet, oldest first; only these ask for a retraining."""
        return self._read(_alerts().where(drift_alerts.c.status == OPEN).order_by(drift_alerts.c.alert_id))

    def live(self, model_name: str) -> Alert | None:
        """The model's open or acknowledged alert."""
        found = self._read(_alerts().where(drift_alerts.c.live_for == model_name))
        return found[0] if found else None

    def recent(self, limit: int = 20) -> list[Alert]:
        """The newest alerts first, whatever their status."""
        return self._read(_alerts().order_by(drift_alerts.c.alert_id.desc()).limit(limit))

    def get(self, alert_id: int) -> Alert:
        """Raises UsageError when there is no such alert."""
        found = self._read(_alerts().where(drift_alerts.c.alert_id == alert_id))
        if not found:
            raise UsageError(f"There is no alert {alert_id}.", next_step="`pmmds alerts list --all` shows them.")
        return found[0]

    def acknowledge(self, alert_id: int, by: str, note: str = "") -> Alert:
        """A person takes the alert over. Raises UsageError when it is unknown or resolved."""
        return self._change(alert_id, by, note, {"status": ACKNOWLEDGED})

    def resolve(self, alert_id: int, by: str, note: str = "") -> Alert:
        """Close the alert, so that the next drifted report opens a new one. Raises UsageError as `acknowledge`."""
        return self._change(alert_id, by, note, _CLOSED)

    def resolve_unless_seen(self, alert: Alert, note: str) -> bool:
        """Close an alert that is over, unless a drifted report or a person was there first. True when it was closed."""
        with self._database.begin() as connection:
            as_seen = drift_alerts.c.report_id == alert.report_id
            return self._changed(connection, alert.alert_id, MONITORING, note, _CLOSED, as_seen) is not None

    def note_given_up(self, connection: sa.Connection, alert_id: int, note: str) -> bool:
        """In the transaction of the last attempt's end: nothing retrains for this alert by itself any more.

        The alert keeps its status. False when it is resolved.
        """
        return self._changed(connection, alert_id, RETRAINING, note, {}, kind=GAVE_UP) is not None

    def event_totals(self) -> dict[tuple[str, str], int]:
        """Alerts ever raised, by drift type and severity."""
        c = drift_alerts.c
        query = sa.select(c.drift_type, c.severity, sa.func.count().label("n")).group_by(c.drift_type, c.severity)
        with self._database.connect() as connection:
            return {(row.drift_type, row.severity): row.n for row in connection.execute(query)}

    def _change(self, alert_id: int, by: str, note: str, values: Mapping[str, Any]) -> Alert:
        if not by.strip():
            raise UsageError("An alert is changed by somebody.", next_step="Give a name with --by NAME.")
        with self._database.begin() as connection:
            changed = self._changed(connection, alert_id, by, note, values)
        if changed is not None:
            return changed
        alert = self.get(alert_id)
        raise UsageError(
            f"Alert {alert_id} was resolved by {alert.changed_by} at {alert.changed_at:%Y-%m-%d %H:%M} UTC.",
            next_step="A resolved alert stays so; the next drifted report opens a new one.",
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
        """The alert with the change, which is kept and told; None where it is not live, or `only` does not hold."""
        c = drift_alerts.c
        now = datetime.now(UTC)
        update = sa.update(drift_alerts).where(c.alert_id == alert_id, c.status != RESOLVED, *only)
        kept = {**values, "changed_by": by, "changed_at": now, "note": note or None}
        columns = (column for column in c if column.name != "live_for")
        row = connection.execute(update.values(kept).returning(*columns)).mappings().one_or_none()
        if row is None:
            return None
        alert = Alert(**row)
        self._record(connection, alert, kind or alert.status, by, note or None, now)
        return alert

    def _read(self, query: sa.Select[Any]) -> list[Alert]:
        with self._database.connect() as connection:
            return [Alert(**row) for row in connection.execute(query).mappings()]


def told(alert: Alert, kind: str, by: str, note: str | None) -> tuple[str, str]:
    """Title and text of the message about a change."""
    model = f"{alert.model_name} v{alert.model_version}"
    title = {
        OPENED: f"Drift of {model}: {alert.severity}",
        ESCALATED: f"Drift of {model} is worse: {alert.severity}",
        GAVE_UP: f"Retraining of {model} needs manual action",
        RESOLVED: f"Drift of {model} is over",
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
    grown = {"n_reports": drift_alerts.c.n_reports + 1, **newest}
    statement = statement.on_conflict_do_update(index_elements=["live_for"], set_=grown)
    columns = (column for column in drift_alerts.c if column.name != "live_for")
    return Alert(**connection.execute(statement.returning(*columns)).mappings().one())
