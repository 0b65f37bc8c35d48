"""What a challenger would have answered to logged requests."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "shadow_predictions",
        sa.Column("model_version", sa.String(length=32), nullable=False),
        sa.Column("request_id", sa.String(length=128), nullable=False),
        sa.Column("model_name", sa.String(length=64), nullable=False),
        sa.Column("predicted_at", sa.DateTime(), nullable=False),
        sa.Column("probability", sa.Float(53), nullable=False),
        sa.Column("prediction", sa.SmallInteger(), nullable=False),
        sa.Column("scored_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("model_version", "request_id"),
    )
    op.create_index("ix_shadow_predictions_predicted_at", "shadow_predictions", ["model_version", "predicted_at"])


def downgrade() -> None:
    op.drop_table("shadow_predictions")
