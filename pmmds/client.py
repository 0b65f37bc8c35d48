"""The client of the console's monitoring API.

Add a method for each new resource. Not here: changes (changes.py), requests and retries (transport.py), rows
(resources.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import msgspec

from pmmds.changes import Changes
from pmmds.errors import InvalidCallError
from pmmds.resources import (
    Alert,
    AlertDetail,
    AuditEvent,
    DailyPerformance,
    Decision,
    DecisionDetail,
    DriftReport,
    DriftReportDetail,
    Feature,
    FeaturePoint,
    Me,
    MetricValue,
    Prediction,
    Version,
    VersionDetail,
)
from pmmds.rows import Rows, instant_text

T = TypeVar("T", bound=msgspec.Struct)
Time = datetime | date | str | None
# The number of rows per page, which is the maximum that the console accepts.
PAGE_ROWS = 500
_DAY_COLUMNS = ("day", "model_version", "n_rows", "n_labelled", *MetricValue.__struct_fields__)


class Monitoring(Changes):
    """A client for one deployment's monitoring API, which also has the methods of `Changes`.

    Lists are sorted newest first, and a `limit` of None returns all rows.
    """

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, __: BaseException | None, ___: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Monitoring of {self._transport.url}>"

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def versions(self, *, limit: int | None = 1000, since: Time = None, until: Time = None) -> Rows[Version]:
        """Return the model versions that were registered between `since` and `until`."""
        return self._list("Model versions", "/versions", Version, limit, _times(since, until))

    def version(self, model_version: str) -> VersionDetail:
        """Return a version with the decisions about it. Raises NotFoundError if the version does not exist."""
        return self._transport.get(f"/versions/{quote(model_version, safe='')}", VersionDetail)

    def reports(
        self,
        *,
        limit: int | None = 1000,
        since: Time = None,
        until: Time = None,
        model_version: str | None = None,
        verdict: str | None = None,
    ) -> Rows[DriftReport]:
        """Return the drift reports whose window ends between `since` and `until`."""
        selected = {"model_version": model_version, "verdict": verdict}
        return self._list("Drift reports", "/drift-reports", DriftReport, limit, {**_times(since, until), **selected})

    def report(self, report_id: int) -> DriftReportDetail:
        """Return a drift report with its document. Raises NotFoundError if the report does not exist."""
        return self._transport.get(f"/drift-reports/{int(report_id)}", DriftReportDetail)

    def features(self) -> Rows[Feature]:
        """Return the features of the newest drift report."""
        return self._list("Features", "/features", Feature, None, {})

    def series(
        self,
        feature: str,
        *,
        limit: int | None = 1000,
        since: Time = None,
        until: Time = None,
        model_version: str | None = None,
    ) -> Rows[FeaturePoint]:
        """Return a feature's PSI, p-value and band in each report. The name `__score__` selects the model's score."""
        path = f"/features/{quote(feature, safe='')}/series"
        query = {**_times(since, until), "model_version": model_version}
        return self._list(f"Drift of {feature}", path, FeaturePoint, limit, query)

    def alerts(
        self,
        *,
        limit: int | None = 1000,
        since: Time = None,
        until: Time = None,
        status: str | None = None,
        severity: str | None = None,
    ) -> Rows[Alert]:
        """Return the drift alerts that were opened between `since` and `until`."""
        selected = {"status": status, "severity": severity}
        return self._list("Alerts", "/alerts", Alert, limit, {**_times(since, until), **selected})

    def alert(self, alert_id: int) -> AlertDetail:
        """Return an alert with its state changes and retraining runs.

        Raises NotFoundError if the alert does not exist.
        """
        return self._transport.get(f"/alerts/{int(alert_id)}", AlertDetail)

    def decisions(
        self,
        *,
        limit: int | None = 1000,
        since: Time = None,
        until: Time = None,
        kind: str | None = None,
        state: str | None = None,
    ) -> Rows[Decision]:
        """Return the promotions, held challengers and rollbacks that were decided between `since` and `until`."""
        selected = {"kind": kind, "state": state}
        return self._list("Decisions", "/decisions", Decision, limit, {**_times(since, until), **selected})

    def decision(self, decision_id: str) -> DecisionDetail:
        """Return a decision with its criteria and evaluation. Raises NotFoundError if the decision does not exist."""
        return self._transport.get(f"/decisions/{quote(decision_id, safe='')}", DecisionDetail)

    def performance(
        self,
        *,
        limit: int | None = 1000,
        since: Time = None,
        until: Time = None,
        model_version: str | None = None,
    ) -> Rows[DailyPerformance]:
        """Return the realized and estimated performance per day.

        The data frame has one row per day, version and metric.
        """
        query = {**_times(since, until), "model_version": model_version}
        return self._list("Daily performance", "/performance", DailyPerformance, limit, query, _metrics, _DAY_COLUMNS)

    def prediction(self, request_id: str) -> Prediction:
        """Return the lineage and explanation of the logged prediction with this prediction id or client request id."""
        return self._transport.get(f"/predictions/{quote(request_id, safe='')}", Prediction)

    def audit_events(
        self,
        *,
        limit: int | None = 1000,
        since: Time = None,
        until: Time = None,
        actor: str | None = None,
        action: str | None = None,
        outcome: str | None = None,
    ) -> Rows[AuditEvent]:
        """Return the changes, refused requests and sign-ins between `since` and `until`. Requires the role approver."""
        query = {**_times(since, until), "actor": actor, "action": action, "outcome": outcome}
        return self._list("Audit events", "/audit-events", AuditEvent, limit, query)

    def me(self) -> Me:
        """Return the caller's name and role, which the console finds out from the token."""
        return self._transport.get("/me", Me)

    def _list(
        self,
        title: str,
        path: str,
        kind: type[T],
        limit: int | None,
        query: Mapping[str, str | None],
        flat: Callable[[T], list[dict[str, Any]]] | None = None,
        columns: Sequence[str] = (),
    ) -> Rows[T]:
        if limit is not None and limit < 1:
            raise InvalidCallError(f"limit={limit} is not valid.", next_step="Use a positive number, or None for all.")
        # The list of features is never split into pages.
        page = {"limit": PAGE_ROWS if limit is None else min(limit, PAGE_ROWS)} if query else {}
        rows: list[T] = []
        for items in self._transport.pages(path, kind, {**query, **page}):
            rows += items
            if limit is not None and len(rows) >= limit:
                break
        return Rows(title, kind, rows[:limit], flat, columns)


def _times(since: Time, until: Time) -> dict[str, str | None]:
    return {"since": instant_text("since", since), "until": instant_text("until", until)}


def _metrics(day: DailyPerformance) -> list[dict[str, Any]]:
    head = {name: getattr(day, name) for name in ("day", "model_version", "n_rows", "n_labelled")}
    return [{**head, **msgspec.structs.asdict(metric)} for metric in day.metrics]
