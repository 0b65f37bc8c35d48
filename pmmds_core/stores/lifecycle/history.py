"""A model's paginated history: versions, reports, feature drift, alerts, decisions, performance and audit events.

Read-only. Listings never read the documents of reports and decisions. Add new listings here. Not here: writing the rows
(the other stores), the API (pmmds_console).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pmmds_core.stores.database.dialects import feature_number
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.identity_tables import audit_events
from pmmds_core.stores.database.keyset import Keys, Row, Slice, newest_first, plain, slice_of
from pmmds_core.stores.database.tables import (
    daily_performance,
    drift_alerts,
    drift_metrics,
    drift_reports,
    promotion_decisions,
    registered_versions,
    retraining_runs,
)


@dataclass(frozen=True)
class Listing:
    """A paginated listing of a table.

    `keys` are unique sort keys, in descending order. `time` is the column that `since` and `until` refer to. `filters`
    maps filter names to columns. `without` names the columns that the listing does not read.
    """

    table: sa.Table
    keys: tuple[sa.Column[Any], ...]
    time: sa.Column[Any]
    filters: Mapping[str, sa.Column[Any]]
    without: frozenset[str] = frozenset()

    @property
    def columns(self) -> list[sa.Column[Any]]:
        return [c for c in self.table.c if c.name not in self.without]


@dataclass(frozen=True)
class Selection:
    """The rows to list.

    `since` (inclusive) and `until` (exclusive) are time-zone-aware. `after` holds the keys of the row before the page.
    """

    limit: int
    after: Keys | None = None
    since: datetime | None = None
    until: datetime | None = None
    filters: Mapping[str, str] = field(default_factory=dict)


_v, _r, _a, _d, _p, _e = (
    t.c
    for t in (registered_versions, drift_reports, drift_alerts, promotion_decisions, daily_performance, audit_events)
)
VERSIONS = Listing(registered_versions, (_v.registered_at, _v.version), _v.registered_at, {})
# Use the window's end as the time, because SQLite would have to read past the document to reach a later column.
REPORTS = Listing(
    drift_reports,
    (_r.report_id,),
    _r.window_end,
    {"model_version": _r.model_version, "verdict": _r.verdict},
    frozenset({"document", "html_path"}),
)
ALERTS = Listing(
    drift_alerts,
    (_a.alert_id,),
    _a.opened_at,
    {"model_version": _a.model_version, "status": _a.status, "severity": _a.severity},
    frozenset({"live_for"}),
)
DECISIONS = Listing(
    promotion_decisions,
    (_d.decided_at, _d.decision_id),
    _d.decided_at,
    {"model_version": _d.challenger_version, "kind": _d.kind, "state": _d.state},
    frozenset({"document"}),
)
PERFORMANCE = Listing(daily_performance, (_p.day, _p.model_version), _p.day, {"model_version": _p.model_version})
# The events of the whole deployment, because sign-ins and refused requests belong to no model.
AUDIT = Listing(audit_events, (_e.event_id,), _e.at, {"actor": _e.actor, "action": _e.action, "outcome": _e.outcome})


class History:
    """A reader of a model's history."""

    def __init__(self, database: Database, model_name: str) -> None:
        self._database = database
        self._name = model_name

    def page(self, listing: Listing, selection: Selection) -> Slice:
        """Return one page of a listing, newest first."""
        query = self._selected(sa.select(*listing.columns), listing, selection)
        query = newest_first(query, listing.keys, selection.after, selection.limit)
        with self._database.connect() as connection:
            rows = connection.execute(query).mappings().all()
        return slice_of(rows, listing.keys, selection.limit)

    def series(self, feature: str, selection: Selection) -> Slice:
        """Return a feature's drift measures, or the score's for `__score__`, in one page of reports, newest first.

        The p-value is read from the documents of this page's reports, inside the database.
        """
        r, m = drift_reports, drift_metrics
        columns = (r.c.report_id, r.c.model_version, r.c.window_start, r.c.window_end, r.c.n_current)
        measures = [c for c in m.c if c.name not in ("report_id", "feature", "kind")]
        query = sa.select(*columns, *measures).join_from(r, m).where(m.c.feature == feature)
        query = newest_first(self._selected(query, REPORTS, selection), REPORTS.keys, selection.after, selection.limit)
        page = query.cte("page")
        p_value = feature_number(r.c.document, feature, "p_value").label("p_value")
        with_p = sa.select(page, p_value).join_from(page, r, page.c.report_id == r.c.report_id)
        with self._database.connect() as connection:
            rows = connection.execute(with_p.order_by(page.c.report_id.desc())).mappings().all()
        return slice_of(rows, REPORTS.keys, selection.limit)

    def features(self) -> list[Row]:
        """Return the name, kind, band and drift flag of each feature in the newest report, in alphabetical order."""
        newest = sa.select(sa.func.max(_r.report_id)).where(_r.model_name == self._name).scalar_subquery()
        c = drift_metrics.c
        query = sa.select(c.feature, c.kind, c.psi, c.band, c.is_drifted, c.report_id).where(c.report_id == newest)
        with self._database.connect() as connection:
            return [plain(row) for row in connection.execute(query.order_by(c.feature)).mappings()]

    def retrainings(self, alert_id: int) -> list[Row]:
        """Return the retraining runs that an alert started, in the order of their attempts."""
        query = sa.select(retraining_runs).where(retraining_runs.c.alert_id == alert_id)
        with self._database.connect() as connection:
            return [plain(row) for row in connection.execute(query.order_by(retraining_runs.c.attempt)).mappings()]

    def _selected(self, query: sa.Select[Any], listing: Listing, selection: Selection) -> sa.Select[Any]:
        if "model_name" in listing.table.c:
            query = query.where(listing.table.c.model_name == self._name)
        query = query.where(*(listing.filters[name] == value for name, value in selection.filters.items()))
        if selection.since is not None:
            query = query.where(listing.time >= selection.since)
        return query if selection.until is None else query.where(listing.time < selection.until)
