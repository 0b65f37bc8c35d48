"""Data quality: freshness, volume, missing and unknown values, labels, and rejected requests.

Not here: drift (drift.py), validation of training data (pmmds_core/training).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pmmds_console.pages.drift import WEEKS
from pmmds_console.pages.overview import traffic_chart
from pmmds_console.pages.page import Page, PageContent, PageRequest
from pmmds_console.service_health import service_url
from pmmds_core.deployment import Deployment
from pmmds_core.drift.few_rows import has_enough_rows
from pmmds_core.drift.report import DriftReport
from pmmds_core.profiling.bins import SCORE
from pmmds_core.runtime.plurals import counted
from pmmds_core.runtime.time_windows import DAY, HOUR
from pmmds_core.stores.lifecycle.freshness import read_freshness
from pmmds_core.stores.lifecycle.history import PERFORMANCE, Selection
from pmmds_core.stores.lifecycle.service_counters import requests_by_status
from pmmds_core.stores.monitoring.hourly_counts import hourly_rows

N_DAYS = 14
# What a status of a prediction request means.
STATUS_WORDS = {
    "200": "answered",
    "400": "not readable",
    "401": "token missing or wrong",
    "403": "not allowed",
    "413": "too large",
    "422": "values outside the contract",
    "429": "too many requests",
    "503": "no model, or the spool is full",
}


def _quality(asked: PageRequest) -> PageContent:
    deployment, now = asked.deployment, datetime.now(UTC)
    report = deployment.drift.latest(deployment.model_name)
    content = {
        "freshness": _freshness(deployment, now),
        "weeks": asked.values["weeks"],
        "volume": _volume(deployment, now, asked.values["weeks"]),
        "report": report,
        "values": _values(report),
        "days": deployment.history.page(PERFORMANCE, Selection(N_DAYS)).rows,
        "requests": _requests(requests_by_status(service_url(deployment.settings))),
    }
    return PageContent("Data quality", content)


def _freshness(deployment: Deployment, now: datetime) -> list[dict[str, Any]]:
    found = read_freshness(deployment.database, deployment.contract)
    rows = {
        "Newest prediction in the database": found.newest_prediction,
        "Newest label": found.newest_label,
        "End of the newest drift report's window": found.newest_report,
        "Predictions counted through": found.counted_through,
    }
    ages = [{"what": what, "at": at, "age": age(now - at) if at else "–"} for what, at in rows.items()]
    waiting = {"what": "Labels that wait for their prediction", "at": None, "age": f"{found.n_waiting_labels:,}"}
    return [*ages, waiting]


def age(since: timedelta) -> str:
    """`35 minutes ago`, `3 hours ago`, `12 days ago`; for a time in the future, `in 35 minutes`."""
    minutes, pattern = int(abs(since.total_seconds()) // 60), "{} ago" if since >= timedelta() else "in {}"
    units = (("day", 1440, 2), ("hour", 60, 2), ("minute", 1, 1))
    for name, size, least in units:
        n = minutes // size
        if n >= least:
            return pattern.format(counted(n, name))
    return "now"


def _volume(deployment: Deployment, now: datetime, n_weeks: int) -> str:
    end = now.replace(hour=0, minute=0, second=0, microsecond=0) + DAY
    start = end - n_weeks * 7 * DAY
    rows = hourly_rows(deployment.database, deployment.model_name, start, end + HOUR)
    return traffic_chart([start + i * DAY for i in range(n_weeks * 7)], rows, DAY)


def _values(report: DriftReport | None) -> list[Mapping[str, Any]]:
    """The features of the report, those whose missing or unknown values changed most first."""
    if report is None or not has_enough_rows(report.document):
        return []
    features = [f for f in report.document["features"] if f["feature"] != SCORE]
    return sorted(features, key=_worst, reverse=True)


def _worst(feature: Mapping[str, Any]) -> float:
    change = abs((feature["null_share_current"] or 0.0) - (feature["null_share_reference"] or 0.0))
    return float(max(change, feature["unseen_share"] or 0.0, feature["out_of_range_share"] or 0.0))


def _requests(by_status: Mapping[str, int] | None) -> list[dict[str, Any]] | None:
    if by_status is None:
        return None
    total = sum(by_status.values())
    return [
        {"status": status, "meaning": STATUS_WORDS.get(status, "–"), "n": n, "share": n / total if total else None}
        for status, n in sorted(by_status.items())
        if n
    ]


PAGES = (Page("/quality", "quality.html", _quality, (WEEKS,), navigation="Data quality"),)
