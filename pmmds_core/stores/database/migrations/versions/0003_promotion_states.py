"""Who acted on a decision, why it ended, and the fencing token it had; `superseded` becomes `aborted`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("promotion_decisions", sa.Column("state_reason", sa.Text()))
    op.add_column("promotion_decisions", sa.Column("changed_by", sa.String(length=128)))
    op.add_column("promotion_decisions", sa.Column("fencing_token", sa.Integer()))
    op.execute(
        "UPDATE promotion_decisions SET state = 'aborted', state_reason = 'champion changed' WHERE state = 'superseded'"
    )


def downgrade() -> None:
    op.execute("UPDATE promotion_decisions SET state = 'superseded' WHERE state IN ('aborted', 'rejected')")
    for column in ("state_reason", "changed_by", "fencing_token"):
        op.drop_column("promotion_decisions", column)
