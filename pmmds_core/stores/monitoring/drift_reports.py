"""Drift reports and their metrics, kept for ever. Add a question about past reports here. Keep out: judging."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from pmmds_core.drift.report import DriftReport
from pmmds_core.policies.alerts import JudgedWindow
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.tables import drift_metrics, drift_reports

_METRICS = ("psi", "kl_divergence", "js_divergence", "js_distance")
_SHARES = ("null_share_reference", "null_share_current", "unseen_share")


@dataclass(frozen=True)
class DriftPoint:
    """What one report said of one feature; `psi` is None where there was nothing to compare."""

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
        """Keep a report and a row for each of its features, and return the report's id.

        Args:
            document: `drift_policy.report_document`.
            drifted_features: the features the verdict counted as drifted.
            model_name: whose profile was compared with.
            model_version: whose profile was compared with.
            window_start: aware instant.
            window_end: aware instant, exclusive.
            html_path: where the page is.
            run_id: the Dagster run, or empty.
            connection: a transaction to take part in; its own when None.
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
        with self._database.begin() as own:
            return _write(own, report, document, drifted_features)

    def latest(self, model_name: str = "") -> DriftReport | None:
        """The newest report, of a model or of any."""
        found = self.recent(1, model_name)
        return found[0] if found else None

    def recent(self, limit: int = 20, model_name: str = "") -> list[DriftReport]:
        """The newest reports first."""
        query = sa.select(drift_reports).order_by(drift_reports.c.report_id.desc()).limit(limit)
        return self._read(query.where(drift_reports.c.model_name == model_name) if model_name else query)

    def get(self, report_id: int) -> DriftReport | None:
        found = self._read(sa.select(drift_reports).where(drift_reports.c.report_id == report_id))
        return found[0] if found else None

    def of_run(self, run_id: str) -> DriftReport | None:
        """The newest report that a run made."""
        query = sa.select(drift_reports).where(drift_reports.c.run_id == run_id)
        found = self._read(query.order_by(drift_reports.c.report_id.desc()).limit(1))
        return found[0] if found else None

    def history(self, feature: str, n: int, model_name: str = "") -> list[DriftPoint]:
        """What the last `n` reports said of a feature (`__score__` for the score), oldest first."""
        r, m = drift_reports, drift_metrics
        columns = (r.c.report_id, r.c.model_version, r.c.window_end, m.c.psi, m.c.band, m.c.is_drifted)
        query = sa.select(*columns).join_from(r, m).where(m.c.feature == feature)
        if model_name:
            query = query.where(r.c.model_name == model_name)
        with self._database.connect() as connection:
            rows = connection.execute(query.order_by(r.c.report_id.desc()).limit(n)).all()
        return [DriftPoint(*row) for row in reversed(rows)]

    def since(self, report_id: int, model_name: str, limit: int = 200) -> list[JudgedWindow]:
        """The windows that were judged after a report, newest first; the documents are not read."""
        c = drift_reports.c
        query = sa.select(c.window_start, c.window_end, c.model_version, c.verdict).where(
            c.report_id > report_id, c.model_name == model_name
        )
        with self._database.connect() as connection:
            rows = connection.execute(query.order_by(c.report_id.desc()).limit(limit)).mappings()
            return [JudgedWindow(**row) for row in rows]

    def check_totals(self) -> dict[str, int]:
        """Reports ever made, by model name; never falls."""
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
