"""What became of every alert, whom it was told to, and daily performance.

Alerts that were there before get the changes that their row still tells of.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_changes()
    _create_notifications()
    _create_performance()
    _recover_changes()


def downgrade() -> None:
    for table in ("daily_performance", "alert_notifications", "alert_changes"):
        op.drop_table(table)


def _create_changes() -> None:
    op.create_table(
        "alert_changes",
        sa.Column("change_id", sa.Integer(), nullable=False),
        sa.Column("alert_id", sa.Integer(), sa.ForeignKey("drift_alerts.alert_id"), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("severity", sa.String(length=16), nullable=False),
        sa.Column("changed_by", sa.String(length=128), nullable=False),
        sa.Column("note", sa.Text()),
        sa.Column("changed_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("change_id"),
    )
    op.create_index("ix_alert_changes_alert_id", "alert_changes", ["alert_id"])


def _create_notifications() -> None:
    op.create_table(
        "alert_notifications",
        sa.Column("notification_id", sa.Integer(), nullable=False),
        sa.Column("change_id", sa.Integer(), sa.ForeignKey("alert_changes.change_id"), nullable=False),
        sa.Column("target", sa.String(length=16), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(), nullable=False),
        sa.Column("claimed_until", sa.DateTime()),
        sa.Column("last_error", sa.Text()),
        sa.Column("sent_at", sa.DateTime()),
        sa.PrimaryKeyConstraint("notification_id"),
        sa.UniqueConstraint("change_id", "target"),
    )
    op.create_index("ix_alert_notifications_due_at", "alert_notifications", ["due_at"])


def _create_performance() -> None:
    op.create_table(
        "daily_performance",
        sa.Column("model_name", sa.String(length=64), nullable=False),
        sa.Column("model_version", sa.String(length=32), nullable=False),
        sa.Column("day", sa.DateTime(), nullable=False),
        sa.Column("n_rows", sa.Integer(), nullable=False),
        sa.Column("n_labelled", sa.Integer(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("computed_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("model_name", "model_version", "day"),
    )


def _recover_changes() -> None:
    columns = "(alert_id, kind, severity, changed_by, note, changed_at)"
    op.execute(
        f"INSERT INTO alert_changes {columns} "
        "SELECT alert_id, 'opened', severity, 'monitoring', NULL, opened_at FROM drift_alerts ORDER BY alert_id"
    )
    op.execute(
        f"INSERT INTO alert_changes {columns} "
        "SELECT alert_id, status, severity, changed_by, note, changed_at FROM drift_alerts "
        "WHERE changed_by IS NOT NULL AND changed_at IS NOT NULL AND status <> 'open' ORDER BY alert_id"
    )
