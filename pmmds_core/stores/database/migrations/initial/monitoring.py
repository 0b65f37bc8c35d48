"""The tables of histograms, drift reports, alerts, notifications and daily performance."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


def create_histograms() -> None:
    op.create_table(
        "feature_histograms",
        sa.Column("model_name", sa.String(64), nullable=False),
        sa.Column("model_version", sa.String(32), nullable=False),
        sa.Column("hour", sa.DateTime(), nullable=False),
        sa.Column("feature", sa.String(64), nullable=False),
        sa.Column("profile_digest", sa.String(64), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("n_rows", sa.Integer(), nullable=False),
        sa.Column("computed_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("model_name", "model_version", "hour", "feature"),
    )
    op.create_table(
        "histogram_watermarks",
        sa.Column("model_name", sa.String(64), nullable=False),
        sa.Column("ingested_through", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("model_name"),
    )
    op.create_table(
        "stale_hours",
        sa.Column("model_name", sa.String(64), nullable=False),
        sa.Column("hour", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("model_name", "hour"),
    )


def create_measurements() -> None:
    op.create_table(
        "daily_performance",
        sa.Column("model_name", sa.String(64), nullable=False),
        sa.Column("model_version", sa.String(32), nullable=False),
        sa.Column("day", sa.DateTime(), nullable=False),
        sa.Column("n_rows", sa.Integer(), nullable=False),
        sa.Column("n_labelled", sa.Integer(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("computed_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("model_name", "model_version", "day"),
    )
    op.create_table(
        "storage_usage",
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("n_bytes", sa.BigInteger(), nullable=False),
        sa.Column("measured_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("kind"),
    )


def create_drift_reports() -> None:
    op.create_table(
        "drift_reports",
        sa.Column("report_id", sa.Integer(), nullable=False),
        sa.Column("model_name", sa.String(64), nullable=False),
        sa.Column("model_version", sa.String(32), nullable=False),
        sa.Column("window_start", sa.DateTime(), nullable=False),
        sa.Column("window_end", sa.DateTime(), nullable=False),
        sa.Column("n_reference", sa.Integer(), nullable=False),
        sa.Column("n_current", sa.Integer(), nullable=False),
        sa.Column("verdict", sa.String(32), nullable=False),
        sa.Column("n_drifted_features", sa.Integer(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("html_path", sa.Text(), nullable=False),
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("report_id"),
    )
    op.create_index("ix_drift_reports_created_at", "drift_reports", ["created_at"])


def create_drift_metrics() -> None:
    op.create_table(
        "drift_metrics",
        sa.Column("report_id", sa.Integer(), nullable=False),
        sa.Column("feature", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("psi", sa.Float()),
        sa.Column("kl_divergence", sa.Float()),
        sa.Column("js_divergence", sa.Float()),
        sa.Column("js_distance", sa.Float()),
        sa.Column("band", sa.String(16), nullable=False),
        sa.Column("is_drifted", sa.Boolean(), nullable=False),
        sa.Column("null_share_reference", sa.Float()),
        sa.Column("null_share_current", sa.Float()),
        sa.Column("unseen_share", sa.Float()),
        sa.ForeignKeyConstraint(
            ["report_id"],
            ["drift_reports.report_id"],
        ),
        sa.PrimaryKeyConstraint("report_id", "feature"),
    )


def create_alerts() -> None:
    op.create_table(
        "drift_alerts",
        sa.Column("alert_id", sa.Integer(), nullable=False),
        sa.Column("model_name", sa.String(64), nullable=False),
        sa.Column("model_version", sa.String(32), nullable=False),
        sa.Column("report_id", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("severity", sa.String(16), nullable=False),
        sa.Column("drift_type", sa.String(32), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("n_reports", sa.Integer(), nullable=False),
        sa.Column("opened_at", sa.DateTime(), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(), nullable=False),
        sa.Column("changed_by", sa.String(128)),
        sa.Column("changed_at", sa.DateTime()),
        sa.Column("note", sa.Text()),
        sa.Column("live_for", sa.String(64)),
        sa.ForeignKeyConstraint(
            ["report_id"],
            ["drift_reports.report_id"],
        ),
        sa.PrimaryKeyConstraint("alert_id"),
        sa.UniqueConstraint("live_for"),
    )
    op.create_index("ix_drift_alerts_opened_at", "drift_alerts", ["opened_at"])


def create_alert_changes() -> None:
    op.create_table(
        "alert_changes",
        sa.Column("change_id", sa.Integer(), nullable=False),
        sa.Column("alert_id", sa.Integer(), sa.ForeignKey("drift_alerts.alert_id"), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("severity", sa.String(16), nullable=False),
        sa.Column("changed_by", sa.String(128), nullable=False),
        sa.Column("note", sa.Text()),
        sa.Column("changed_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("change_id"),
    )
    op.create_index("ix_alert_changes_alert_id", "alert_changes", ["alert_id"])


def create_notifications() -> None:
    op.create_table(
        "alert_notifications",
        sa.Column("notification_id", sa.Integer(), nullable=False),
        sa.Column("change_id", sa.Integer(), sa.ForeignKey("alert_changes.change_id")),
        sa.Column("target", sa.String(16), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("due_at", sa.DateTime(), nullable=False),
        sa.Column("claimed_until", sa.DateTime()),
        sa.Column("last_error", sa.Text()),
        sa.Column("sent_at", sa.DateTime()),
        sa.Column("subject", sa.String(96), nullable=False),
        sa.PrimaryKeyConstraint("notification_id"),
        sa.UniqueConstraint("change_id", "target"),
    )
    op.create_index("ix_alert_notifications_due_at", "alert_notifications", ["due_at"])
    op.create_index("ix_alert_notifications_subject", "alert_notifications", ["subject", "target"], unique=True)
