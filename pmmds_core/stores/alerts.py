"""Drift alerts: at most one of a model is live (open or acknowledged); a new drifted report extends it.

Add a change of an alert's status here. Keep out: what an alert sets off (the sensor, retraining_policy.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from pmmds_core.errors import UsageError
from pmmds_core.stores.database import Database
from pmmds_core.stores.dialects import insert
from pmmds_core.stores.tables import drift_alerts

OPEN, ACKNOWLEDGED, RESOLVED = "open", "acknowledged", "resolved"
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


class AlertStore:
    """Raises, lists and changes alerts."""

    def __init__(self, database: Database) -> None:
        self._database = database

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
            return _upsert(connection, row)
        with self._database.begin() as own:
            return _upsert(own, row)

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
        return self._change(alert_id, by, note, {"status": RESOLVED, "live_for": None})

    def event_totals(self) -> dict[tuple[str, str], int]:
        """Alerts ever raised, by drift type and severity."""
        c = drift_alerts.c
        query = sa.select(c.drift_type, c.severity, sa.func.count().label("n")).group_by(c.drift_type, c.severity)
        with self._database.connect() as connection:
            return {(row.drift_type, row.severity): row.n for row in connection.execute(query)}

    def _change(self, alert_id: int, by: str, note: str, values: dict[str, Any]) -> Alert:
        if not by.strip():
            raise UsageError("An alert is changed by somebody.", next_step="Give a name with --by NAME.")
        update = sa.update(drift_alerts).where(drift_alerts.c.alert_id == alert_id, drift_alerts.c.status != RESOLVED)
        values = {**values, "changed_by": by, "changed_at": datetime.now(UTC), "note": note or None}
        with self._database.begin() as connection:
            n_changed = connection.execute(update.values(values)).rowcount
        alert = self.get(alert_id)
        if n_changed == 0:
            raise UsageError(
                f"Alert {alert_id} was resolved by {alert.changed_by} at {alert.changed_at:%Y-%m-%d %H:%M} UTC.",
                next_step="A resolved alert stays so; the next drifted report opens a new one.",
            )
        return alert

    def _read(self, query: sa.Select[Any]) -> list[Alert]:
        with self._database.connect() as connection:
            return [Alert(**row) for row in connection.execute(query).mappings()]


def _alerts() -> sa.Select[Any]:
    return sa.select(*(column for column in drift_alerts.c if column.name != "live_for"))


def _upsert(connection: sa.Connection, row: dict[str, Any]) -> Alert:
    statement = insert(connection, drift_alerts).values(row)
    newest = {name: statement.excluded[name] for name in ("report_id", "severity", "message", "last_seen_at")}
    grown = {"n_reports": drift_alerts.c.n_reports + 1, **newest}
    statement = statement.on_conflict_do_update(index_elements=["live_for"], set_=grown)
    columns = (column for column in drift_alerts.c if column.name != "live_for")
    return Alert(**connection.execute(statement.returning(*columns)).mappings().one())
