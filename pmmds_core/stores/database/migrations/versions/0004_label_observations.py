"""Every observation of a label, so that corrections keep their history and labels may come before their prediction.

Labels that were there before are each the only observation that is known of them.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "label_observations",
        sa.Column("observation_id", sa.Integer(), nullable=False),
        sa.Column("request_id", sa.String(length=128), nullable=False),
        sa.Column("label", sa.SmallInteger(), nullable=False),
        sa.Column("observed_at", sa.DateTime(), nullable=False),
        sa.Column("received_at", sa.DateTime(), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("is_waiting", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("observation_id"),
        sa.UniqueConstraint("request_id", "observed_at", "label"),
    )
    op.create_index("ix_label_observations_is_waiting", "label_observations", ["is_waiting"])
    is_false = "false" if op.get_bind().dialect.name == "postgresql" else "0"
    op.execute(
        "INSERT INTO label_observations (request_id, label, observed_at, received_at, source, is_waiting) "
        f"SELECT request_id, label, observed_at, received_at, 'feedback', {is_false} FROM ground_truth "
        "ORDER BY received_at, request_id"
    )


def downgrade() -> None:
    op.drop_table("label_observations")
