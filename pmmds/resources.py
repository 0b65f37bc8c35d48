"""Rows and documents of the monitoring API, version 1. The console encodes them, and the client decodes them.

New releases only add fields, and clients ignore unknown fields. Times are timezone-aware and in UTC. Metrics are
name-value pairs, so the format is not limited to binary classification. Not here: reading from the stores
(pmmds_console/api/).
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Generic, Literal, TypeVar

import msgspec

T = TypeVar("T")
Document = dict[str, Any]


class Page(msgspec.Struct, Generic[T], frozen=True):
    """A page of a list. `next` is the URL of the next page, relative to this page's URL, or None on the last page."""

    items: list[T]
    next: str | None


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """A registered model version. The digests identify the model's files and data sets."""

    model_name: str
    model_version: str
    is_production: bool
    registered_at: datetime
    run_id: str
    digest: str
    training_digest: str
    holdout_digest: str


class DriftReport(msgspec.Struct, frozen=True, kw_only=True):
    """A drift report that compares the window [window_start, window_end) with the version's reference."""

    report_id: int
    model_name: str
    model_version: str
    window_start: datetime
    window_end: datetime
    n_reference: int
    n_current: int
    verdict: str
    n_drifted_features: int
    run_id: str
    created_at: datetime


class DriftReportDetail(DriftReport, frozen=True, kw_only=True):
    """A drift report with its `document`, in the format of `pmmds drift compare --json`."""

    document: Document


class Feature(msgspec.Struct, frozen=True, kw_only=True):
    """A feature in the newest report.

    The name `__score__` means the model's score. `psi` is None if there are too few rows.
    """

    feature: str
    kind: str
    psi: float | None
    band: str
    is_drifted: bool
    report_id: int


class FeaturePoint(msgspec.Struct, frozen=True, kw_only=True):
    """A feature's drift measures in one report, which are None if there were too few rows.

    Shares are fractions from 0 to 1.
    """

    report_id: int
    model_version: str
    window_start: datetime
    window_end: datetime
    n_current: int
    psi: float | None
    p_value: float | None
    kl_divergence: float | None
    js_divergence: float | None
    js_distance: float | None
    null_share_reference: float | None
    null_share_current: float | None
    unseen_share: float | None
    band: str
    is_drifted: bool


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """A drift alert.

    `severity` is the band of the worst feature, and `n_reports` counts the drifted reports that the alert covers.
    """

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


class AlertChange(msgspec.Struct, frozen=True, kw_only=True):
    """A change of an alert's state, which is opened, escalated, gave_up, acknowledged, resolved or commented."""

    change_id: int
    kind: str
    severity: str
    changed_by: str
    note: str | None
    changed_at: datetime


class Retraining(msgspec.Struct, frozen=True, kw_only=True):
    """A retraining run.

    `finished_at` is None while the run is active. `alert_id` is the alert that started the run, or None.
    """

    retraining_id: str
    model_name: str
    alert_id: int | None
    trigger_type: str
    cause_text: str
    attempt: int
    run_id: str
    outcome: str
    reason: str
    challenger_version: str | None
    started_at: datetime
    finished_at: datetime | None


class AlertDetail(Alert, frozen=True, kw_only=True):
    """An alert with its state changes, oldest first, and the retraining runs it started."""

    changes: list[AlertChange]
    retrainings: list[Retraining]


class ActionResult(msgspec.Struct, frozen=True, kw_only=True):
    """A record of a change: the action, the changed object, and a sentence about the result."""

    action: str
    target: str
    message: str


class Me(msgspec.Struct, frozen=True, kw_only=True):
    """The caller.

    `method` is how the name was verified. `form_token` is the value for the header X-Form-Token, or empty if none is
    needed.
    """

    name: str
    role: str
    method: str
    form_token: str


class AuditEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A change, a refused request, or a sign-in.

    `actor` is empty if the name is unknown, and `address` is empty for the command line. `method` is how the name was
    verified, and `outcome` is done, refused or failed.
    """

    event_id: int
    at: datetime
    actor: str
    method: str
    address: str
    action: str
    target: str
    outcome: str
    detail: str


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """A promotion decision, a rollback, or an alias move made in MLflow. `kind` is promotion, rollback or manual."""

    decision_id: str
    model_name: str
    kind: str
    challenger_version: str
    champion_version: str | None
    promoted: bool
    primary_metric_improvement: float | None
    promotion_reason: str
    state: str
    state_reason: str | None
    changed_by: str | None
    run_id: str
    decided_at: datetime
    moved_at: datetime | None


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """A person's approval of a promotion."""

    approved_by: str
    approved_at: datetime


class DecisionDetail(Decision, frozen=True, kw_only=True):
    """A decision with its `document`, which has the criteria and the evaluation, and its approvals, oldest first."""

    document: Document
    approvals: list[Approval] = []


class VersionDetail(Version, frozen=True, kw_only=True):
    """A version with the decisions about it, newest first."""

    decisions: list[Decision]


class MetricValue(msgspec.Struct, frozen=True, kw_only=True):
    """A metric on one day, with its 95% interval if available.

    `source` is `realized` (from labels) or `estimated` (without labels). `is_valid` is False if the estimate's
    assumptions fail.
    """

    metric: str
    source: Literal["realized", "estimated"]
    value: float
    low: float | None
    high: float | None
    is_valid: bool


class DailyPerformance(msgspec.Struct, frozen=True, kw_only=True):
    """A version's performance on one UTC day. `verdict` rates the realized metrics.

    `reason` explains missing realized metrics, and `estimate_problems` lists why the estimates are not valid.
    """

    model_version: str
    day: date
    n_rows: int
    n_labelled: int
    verdict: str
    reason: str
    metrics: list[MetricValue]
    estimate_problems: list[str]
    computed_at: datetime


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """The lineage of a logged prediction, as printed by `pmmds explain --json` but without server paths.

    `prediction` has the time, output, latency and `features`, `explanation` has contributions in log odds, and `notes`
    lists the parts that could not be read. The other documents are None if nothing is recorded.
    """

    request_id: str
    client_request_id: str | None
    prediction: Document
    label: Document | None
    label_history: list[Document]
    model: Document
    training_data: Document | None
    validation: Document | None
    decision: Document | None
    retraining: Document | None
    alert: Document | None
    explanation: Document | None
    notes: list[str]


class ParameterProblem(msgspec.Struct, frozen=True):
    """A rejected parameter and the reason for the rejection."""

    parameter: str
    problem: str


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An error response (RFC 9457, application/problem+json). `type` is a stable identifier for programs."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[ParameterProblem] = []
