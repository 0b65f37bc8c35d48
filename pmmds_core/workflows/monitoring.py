"""Runs the monitoring of the production model.

The steps are to count changed hours, compare the window with the profile, apply the rules, and store the report and the
alert. This module defines only the order of the steps. Not here: counting (stores/monitoring/histograms.py), comparing
(drift/comparison.py), the verdict (drift/policy.py), resolving alerts (alert_resolution.py).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pmmds_core.deployment import Deployment
from pmmds_core.drift.comparison import Band, compare
from pmmds_core.drift.few_rows import has_enough_rows, without_findings
from pmmds_core.drift.policy import DriftRule, DriftVerdict, judge, report_document
from pmmds_core.drift.segments import check_segment_features
from pmmds_core.profiling.reference_profile import ReferenceProfile
from pmmds_core.reports.drift_page import PageHead, render_page
from pmmds_core.statistics.verdict import Verdict
from pmmds_core.stores.monitoring.histograms import RefreshResult
from pmmds_core.workflows.drift_page_context import page_context
from pmmds_core.workflows.report_files import write_report
from pmmds_core.workflows.rule_inputs import MonitoredWindow, apply_joint, apply_segments, apply_sequential


@dataclass(frozen=True)
class MonitorResult:
    """The result of one monitoring run. The window is [window_start, window_end) in UTC."""

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
    def has_enough_rows(self) -> bool:
        """False if the document has too few rows to have measures for features (drift/few_rows.py)."""
        return has_enough_rows(self.document)

    @property
    def n_current(self) -> int:
        return int(self.document["n_current"])

    @property
    def reasons(self) -> str:
        """The reasons given by all rules that raise alerts."""
        alerting = [rule for rule in self.document["rules"] if rule["rule"] in self.document["alert_rules"]]
        return " ".join(reason for rule in alerting for reason in rule["reasons"])

    @property
    def verdicts_by_rule(self) -> list[dict[str, str]]:
        """All rules, including the rules that do not raise alerts."""
        alerting = self.document["alert_rules"]
        return [
            {
                "rule": r["rule"],
                "verdict": r["verdict"],
                "raises alerts": "yes" if r["rule"] in alerting else "no",
                "why": r["reasons"][0],
            }
            for r in self.document["rules"]
        ]

    @property
    def features_by_psi(self) -> list[dict[str, Any]]:
        return sorted(self.document["features"], key=lambda f: -(f["psi"] or 0.0))

    @property
    def digest(self) -> str:
        return hashlib.sha256(json.dumps(self.document, sort_keys=True).encode()).hexdigest()


def refresh_histograms(deployment: Deployment, start: datetime, end: datetime) -> RefreshResult:
    """Count the changed hours in [start, end), using for each row the profile of the version that served it."""
    return deployment.histograms.refresh(deployment.profiles.profile, deployment.model_name, start, end)


def monitor(
    deployment: Deployment, start: datetime, end: datetime, *, run_id: str, segments: Sequence[str] | None = None
) -> MonitorResult:
    """Check the production model's predictions in [start, end) for drift.

    Args:
        deployment: the deployment.
        start: a timezone-aware datetime on the hour.
        end: a timezone-aware datetime on the hour, which is exclusive.
        run_id: the id of the Dagster run, or empty.
        segments: the categorical features to segment the report by, or None for PMMDS_DRIFT_SEGMENT_FEATURES.

    Raises:
        NoModelError: no model is in production.
        UsageError: `segments` contains a name that is not a categorical feature.
    """
    segment_features = deployment.settings.segment_features if segments is None else segments
    check_segment_features(deployment.contract, segment_features)
    version = deployment.production_version().version
    refreshed = refresh_histograms(deployment, start, end)
    bundle = deployment.profiles.bundle(version)
    profile, rule = bundle.profile, DriftRule.of(deployment.settings)
    merged = deployment.histograms.merged(deployment.model_name, version, start, end)
    window = MonitoredWindow(bundle, version, start, end, merged.counts, merged.n_rows)
    features = compare(profile, merged.counts, merged.n_rows)
    pairs = apply_joint(deployment, window, rule)
    further = (pairs.verdict, apply_sequential(deployment, window))
    verdict = judge(features, profile.n_rows, merged.n_rows, rule, further)
    segments_drift = apply_segments(deployment, window, rule, segment_features)
    document = without_findings(
        report_document(profile, features, merged.n_rows, verdict, segments=segments_drift, pairs=pairs.pairs)
    )
    if not has_enough_rows(document):
        verdict = replace(verdict, drifted_features=(), severity=Band.MODERATE)
    html_path = _write_page(deployment, version, start, end, document, profile)
    alert_id = _store(deployment, version, start, end, document, verdict, html_path, run_id)
    return MonitorResult(
        version, start, end, document, len(verdict.drifted_features), alert_id, html_path, tuple(refreshed.hours)
    )


def _write_page(
    deployment: Deployment,
    version: str,
    start: datetime,
    end: datetime,
    document: Mapping[str, Any],
    profile: ReferenceProfile,
) -> Path:
    """Write the report page atomically."""
    now = datetime.now(UTC)
    head = PageHead(deployment.model_name, version, start, end, deployment.settings.drift_psi_threshold, now)
    context = page_context(deployment, profile, version, start, end, document)
    return write_report(deployment, "drift", render_page(document, head, context), now)


def _store(
    deployment: Deployment,
    version: str,
    start: datetime,
    end: datetime,
    document: Mapping[str, Any],
    verdict: DriftVerdict,
    html_path: Path,
    run_id: str,
) -> int | None:
    """Store the report and, if the data drifted, raise its alert in the same transaction.

    Returns the id of the alert, or None if no alert was raised.
    """
    with deployment.database.begin() as connection:
        report_id = deployment.drift.save(
            document,
            drifted_features=verdict.drifted_features,
            model_name=deployment.model_name,
            model_version=version,
            window_start=start,
            window_end=end,
            html_path=str(html_path),
            run_id=run_id,
            connection=connection,
        )
        if verdict.verdict is not Verdict.DRIFTED:
            return None
        return deployment.alerts.raise_or_extend(
            model_name=deployment.model_name,
            model_version=version,
            report_id=report_id,
            severity=str(verdict.severity),
            message=verdict.reason_text,
            connection=connection,
        ).alert_id
