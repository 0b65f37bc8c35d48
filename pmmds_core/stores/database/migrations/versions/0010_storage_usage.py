"""How many bytes each kind of stored data takes, for metrics."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "storage_usage",
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("n_bytes", sa.BigInteger(), nullable=False),
        sa.Column("measured_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("kind"),
    )
    if op.get_bind().dialect.name == "postgresql":  # as 0008 bounds every timestamp there
        in_range = "measured_at >= '1970-01-01' AND measured_at < '9999-01-01'"
        op.create_check_constraint("storage_usage_measured_at_range", "storage_usage", in_range)


def downgrade() -> None:
    op.drop_table("storage_usage")
