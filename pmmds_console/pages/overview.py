"""The first page: health, the live version, traffic, open alerts, pending approvals and the last decisions.

Not here: the lists in full (alerts.py, decisions.py), the service's health check (service_health.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pmmds_console.pages.decisions import with_outcomes
from pmmds_console.pages.page import Page, PageContent, PageRequest
from pmmds_console.service_health import ServiceHealth
from pmmds_core.deployment import Deployment
from pmmds_core.policies.roles import Role
from pmmds_core.reports import charts
from pmmds_core.runtime.time_windows import DAY, HOUR
from pmmds_core.stores.lifecycle.history import ALERTS, DECISIONS, PERFORMANCE, REPORTS, Selection
from pmmds_core.stores.lifecycle.status import LoopState, read_loop_state
from pmmds_core.stores.monitoring.hourly_counts import hourly_rows

N_LISTED = 5
# Hours in the chart of traffic.
N_HOURS = 48
# The database stops counting the predictions of the last 24 hours here, so that the page stays fast.
MAX_COUNTED = 100_000
# The width in pixels of the plot on a wide page.
WIDE = 860


def _overview(asked: PageRequest) -> PageContent:
    deployment, now = asked.deployment, datetime.now(UTC)
    state = read_loop_state(deployment.database, deployment.model_name)
    content = {
        "state": state,
        "health": _health(asked),
        "n_alerts": sum(state.live_alerts.values()),
        "alerts": _live_alerts(deployment, state),
        "decisions": with_outcomes(deployment.history.page(DECISIONS, Selection(N_LISTED)).rows),
        "report": _newest(deployment, REPORTS),
        "performance": _newest(deployment, PERFORMANCE),
        **_traffic(deployment, now),
    }
    return PageContent("Overview", content)


def _health(asked: PageRequest) -> ServiceHealth:
    """The health of the service. Its problems, which the service shows only with the admin token, need a role."""
    health = asked.health()
    return health if asked.actor.may(Role.OPERATOR) else ServiceHealth(health.word)


def _live_alerts(deployment: Deployment, state: LoopState) -> list[Any]:
    statuses = sorted({status for status, _ in state.live_alerts})
    pages = (deployment.history.page(ALERTS, Selection(N_LISTED, filters={"status": s})) for s in statuses)
    return sorted((row for page in pages for row in page.rows), key=lambda row: -row["alert_id"])[:N_LISTED]


def _newest(deployment: Deployment, listing: Any) -> Any:
    rows = deployment.history.page(listing, Selection(1)).rows
    return rows[0] if rows else None


def _traffic(deployment: Deployment, now: datetime) -> dict[str, Any]:
    """Logged predictions of the last 24 hours, and a chart of the hours that a histogram refresh has counted."""
    end = now.replace(minute=0, second=0, microsecond=0) + HOUR
    rows = hourly_rows(deployment.database, deployment.model_name, end - N_HOURS * HOUR, end)
    hours = [end - (N_HOURS - i) * HOUR for i in range(N_HOURS)]
    n_logged = deployment.prediction_log.count(start=now - DAY, at_most=MAX_COUNTED)
    n_refreshed = sum(n for (hour, _), n in rows.items() if hour >= end - DAY)
    is_more = n_logged == MAX_COUNTED
    n_predictions = max(n_logged, n_refreshed) if is_more else n_logged
    return {"n_predictions": n_predictions, "is_more": is_more, "traffic": traffic_chart(hours, rows)}


def traffic_chart(hours: Sequence[datetime], rows: dict[tuple[datetime, str], int], width: timedelta = HOUR) -> str:
    """Predictions in each of the ranges that begin at `hours`, drawn for a narrow and for a wide page.

    Empty if there are none.
    """
    if not rows:
        return ""
    counts = [sum(n for (hour, _), n in rows.items() if start <= hour < start + width) for start in hours]
    pattern = "%d %b" if width >= DAY else "%d %b %H:%M"
    points = [(f"{start:{pattern}}", float(n)) for start, n in zip(hours, counts, strict=True)]
    text = f"Number of predictions from {hours[0]:%Y-%m-%d %H:%M} to {hours[-1] + width:%Y-%m-%d %H:%M} UTC."
    drawn = [
        charts.line(charts.ChartText(f"traffic-{size}", "Predictions over time", text), points, width=width)
        for size, width in (("narrow", 0), ("wide", WIDE))
    ]
    return '<div class="at-narrow">{}</div><div class="at-wide">{}</div>'.format(*drawn)


PAGES = (Page("/", "overview.html", _overview, navigation="Overview"),)
