"""Stores drift reports and their metrics.

Add queries about past reports here. Not here: verdicts (drift), retention (lifecycle/expired_rows.py).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from pmmds_core.drift.report import DriftReport
from pmmds_core.policies.alert_resolution import JudgedWindow
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.tables import drift_metrics, drift_reports

_METRICS = ("psi", "kl_divergence", "js_divergence", "js_distance")
_SHARES = ("null_share_reference", "null_share_current", "unseen_share")


@dataclass(frozen=True)
class DriftPoint:
    """One report's result for one feature; `psi` is None if there was nothing to compare."""

    report_id: int
    model_version: str
    window_end: datetime
    psi: float | None
    band: str
    is_drifted: bool


class DriftStore:
    """Writes and reads drift_reports and drift_metrics."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(
        self,
        document: Mapping[str, Any],
        *,
        drifted_features: Collection[str],
        model_name: str,
        model_version: str,
        window_start: datetime,
        window_end: datetime,
        html_path: str,
        run_id: str,
        connection: sa.Connection | None = None,
    ) -> int:
        """Store a report and a row per feature, and return the report's id.

        Args:
            document: the report as JSON.
            drifted_features: the features that the verdict counted as drifted.
            model_name: name of the model.
            model_version: the version whose profile was the reference.
            window_start: start of the window (aware).
            window_end: end of the window (aware, exclusive).
            html_path: path of the HTML report.
            run_id: id of the Dagster run; empty if there is none.
            connection: a transaction to join; None: a new one.
        """
        report = {
            "model_name": model_name,
            "model_version": model_version,
            "window_start": window_start,
            "window_end": window_end,
            "n_drifted_features": len(drifted_features),
            "document": dict(document),
            "html_path": html_path,
            "run_id": run_id,
            "created_at": datetime.now(UTC),
            **{name: document[name] for name in ("n_reference", "n_current", "verdict")},
        }
        if connection is not None:
            return _write(connection, report, document, drifted_features)
        with self._database.begin() as transaction:
            return _write(transaction, report, document, drifted_features)

    def latest(self, model_name: str = "") -> DriftReport | None:
        """The newest report of a model, or of any model."""
        reports = self.recent(1, model_name)
        return reports[0] if reports else None

    def recent(self, limit: int = 20, model_name: str = "") -> list[DriftReport]:
        """The newest reports, newest first."""
        query = sa.select(drift_reports).order_by(drift_reports.c.report_id.desc()).limit(limit)
        return self._read(query.where(drift_reports.c.model_name == model_name) if model_name else query)

    def get(self, report_id: int) -> DriftReport | None:
        """The report with this id; None if there is none."""
        reports = self._read(sa.select(drift_reports).where(drift_reports.c.report_id == report_id))
        return reports[0] if reports else None

    def of_run(self, run_id: str) -> DriftReport | None:
        """The newest report of a Dagster run."""
        query = sa.select(drift_reports).where(drift_reports.c.run_id == run_id)
        reports = self._read(query.order_by(drift_reports.c.report_id.desc()).limit(1))
        return reports[0] if reports else None

    def history(self, feature: str, n: int, model_name: str = "") -> list[DriftPoint]:
        """A feature's results in the last `n` reports (`__score__` for the score), oldest first."""
        r, m = drift_reports, drift_metrics
        columns = (r.c.report_id, r.c.model_version, r.c.window_end, m.c.psi, m.c.band, m.c.is_drifted)
        query = sa.select(*columns).join_from(r, m).where(m.c.feature == feature)
        if model_name:
            query = query.where(r.c.model_name == model_name)
        with self._database.connect() as connection:
            rows = connection.execute(query.order_by(r.c.report_id.desc()).limit(n)).all()
        return [DriftPoint(*row) for row in reversed(rows)]

    def since(self, report_id: int, model_name: str, limit: int = 200) -> list[JudgedWindow]:
        """The windows of later reports, newest first, without reading their documents."""
        c = drift_reports.c
        query = sa.select(c.window_start, c.window_end, c.model_version, c.verdict).where(
            c.report_id > report_id, c.model_name == model_name
        )
        with self._database.connect() as connection:
            rows = connection.execute(query.order_by(c.report_id.desc()).limit(limit)).mappings()
            return [JudgedWindow(**row) for row in rows]

    def check_totals(self) -> dict[str, int]:
        """Number of stored reports by model name."""
        query = sa.select(drift_reports.c.model_name, sa.func.count().label("n")).group_by(drift_reports.c.model_name)
        with self._database.connect() as connection:
            return {row.model_name: row.n for row in connection.execute(query)}

    def _read(self, query: sa.Select[Any]) -> list[DriftReport]:
        with self._database.connect() as connection:
            return [DriftReport(**row) for row in connection.execute(query).mappings()]


def _write(
    connection: sa.Connection, report: Mapping[str, Any], document: Mapping[str, Any], drifted: Collection[str]
) -> int:
    insert = sa.insert(drift_reports).values(report).returning(drift_reports.c.report_id)
    report_id: int = connection.execute(insert).scalar_one()
    copied = ("feature", "kind", "band", *_METRICS, *_SHARES)
    rows = [
        {"report_id": report_id, "is_drifted": f["feature"] in drifted, **{name: f[name] for name in copied}}
        for f in document["features"]
    ]
    connection.execute(sa.insert(drift_metrics), rows)
    return report_id
