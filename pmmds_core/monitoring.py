"""One look at the window: count what changed, merge, compare, judge, keep the report, raise or settle the alert.

Only order lives here; counting is stores/histograms.py, comparing drift.py, judging drift_policy.py.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pmmds_core.deployment import Deployment
from pmmds_core.drift import compare
from pmmds_core.drift_policy import DriftRule, DriftVerdict, Verdict, judge, report_document
from pmmds_core.drift_report_page import PageHead, render_page
from pmmds_core.reference_profile import ReferenceProfile
from pmmds_core.report_context import page_context
from pmmds_core.stores.histograms import RefreshResult


@dataclass(frozen=True)
class MonitorResult:
    """What one look found. The window is [window_start, window_end), UTC."""

    model_version: str
    window_start: datetime
    window_end: datetime
    document: Mapping[str, Any]
    n_drifted_features: int
    alert_id: int | None
    html_path: Path
    counted_hours: tuple[datetime, ...]

    @property
    def verdict(self) -> str:
        return str(self.document["verdict"])

    @property
    def n_current(self) -> int:
        return int(self.document["n_current"])

    @property
    def words(self) -> str:
        return " ".join(reason for rule in self.document["rules"] for reason in rule["reasons"])

    @property
    def features_by_psi(self) -> list[dict[str, Any]]:
        return sorted(self.document["features"], key=lambda f: -(f["psi"] or 0.0))

    @property
    def digest(self) -> str:
        return hashlib.sha256(json.dumps(self.document, sort_keys=True).encode()).hexdigest()


def refresh_histograms(d: Deployment, start: datetime, end: datetime) -> RefreshResult:
    """Count the hours of [start, end) that changed, each row by the profile of the model that answered it."""
    return d.histograms.refresh(d.profiles.profile, d.model_name, start, end)


def monitor(d: Deployment, start: datetime, end: datetime, *, run_id: str) -> MonitorResult:
    """Judge the rows that the production model answered in [start, end).

    Raises:
        NoModelError: nothing is in production.
    """
    version = d.production_version().version
    refreshed = refresh_histograms(d, start, end)
    profile = d.profiles.bundle(version).profile
    merged = d.histograms.merged(d.model_name, version, start, end)
    features = compare(profile, merged.counts, merged.n_rows)
    s = d.settings
    rule = DriftRule(s.drift_psi_threshold, s.drift_min_drift_features, s.drift_min_samples_required)
    verdict = judge(features, merged.n_rows, rule)
    document = report_document(profile, features, merged.n_rows, verdict)
    html_path = _write_page(d, version, start, end, document, profile)
    alert_id = _keep(d, version, start, end, document, verdict, html_path, run_id)
    return MonitorResult(
        version, start, end, document, len(verdict.drifted_features), alert_id, html_path, tuple(refreshed.hours)
    )


def _write_page(
    d: Deployment,
    version: str,
    start: datetime,
    end: datetime,
    document: Mapping[str, Any],
    profile: ReferenceProfile,
) -> Path:
    """The report as a page, whole or not at all."""
    now = datetime.now(UTC)
    head = PageHead(d.model_name, version, start, end, d.settings.drift_psi_threshold, now)
    path = d.folder("reports") / f"drift-{now:%Y%m%dT%H%M%S%f}.html"
    unfinished = path.with_suffix(".tmp")
    context = page_context(d, profile, version, start, end, document)
    unfinished.write_text(render_page(document, head, context), encoding="utf-8")
    return unfinished.replace(path)


def _keep(
    d: Deployment,
    version: str,
    start: datetime,
    end: datetime,
    document: Mapping[str, Any],
    verdict: DriftVerdict,
    html_path: Path,
    run_id: str,
) -> int | None:
    """Write the report and, when it drifted, its alert in one transaction; the alert's id."""
    with d.database.begin() as connection:
        report_id = d.drift.save(
            document,
            drifted_features=verdict.drifted_features,
            model_name=d.model_name,
            model_version=version,
            window_start=start,
            window_end=end,
            html_path=str(html_path),
            run_id=run_id,
            connection=connection,
        )
        if verdict.verdict is not Verdict.DRIFTED:
            return None
        return d.alerts.raise_or_extend(
            model_name=d.model_name,
            model_version=version,
            report_id=report_id,
            severity=str(verdict.severity),
            message=verdict.words,
            connection=connection,
        ).alert_id
