"""Why a retraining was asked for, whether its cause was given up, and notifications about more than alerts.

Retrainings that were there before are counted under their alert; notifications keep the change they tell of.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("retraining_runs", sa.Column("cause", sa.String(length=96)))
    op.add_column("retraining_runs", sa.Column("cause_text", sa.Text(), nullable=False, server_default=""))
    op.add_column("retraining_runs", sa.Column("n_new_labels", sa.Integer()))
    op.add_column("retraining_runs", sa.Column("gave_up", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.execute("UPDATE retraining_runs SET cause = 'alert:' || alert_id WHERE alert_id IS NOT NULL")
    op.create_index("ix_retraining_runs_cause", "retraining_runs", ["model_name", "cause", "attempt"], unique=True)
    op.add_column("alert_notifications", sa.Column("subject", sa.String(length=96)))
    op.execute("UPDATE alert_notifications SET subject = 'alert_change:' || change_id")
    with op.batch_alter_table("alert_notifications") as batch:
        batch.alter_column("subject", existing_type=sa.String(length=96), nullable=False)
        batch.alter_column("change_id", existing_type=sa.Integer(), nullable=True)
    op.create_index("ix_alert_notifications_subject", "alert_notifications", ["subject", "target"], unique=True)


def downgrade() -> None:
    op.drop_index("ix_alert_notifications_subject", "alert_notifications")
    op.execute("DELETE FROM alert_notifications WHERE change_id IS NULL")
    with op.batch_alter_table("alert_notifications") as batch:
        batch.alter_column("change_id", existing_type=sa.Integer(), nullable=False)
        batch.drop_column("subject")
    op.drop_index("ix_retraining_runs_cause", "retraining_runs")
    for column in ("gave_up", "n_new_labels", "cause_text", "cause"):
        op.drop_column("retraining_runs", column)
