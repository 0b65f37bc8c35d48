"""The log's key is always the service's own id; a client's id is a column, unique together with the row's content.

Rows that are there keep their key. Where it is no id of the service it becomes the client's id, too; the digest of such
a row is not known, so that a repetition of its request is logged as a new row.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# An id that the service made: a UUID of version 7 in 32 digits, with the index of a batch's row.
_SERVICE_ID = {
    "postgresql": r"request_id ~ '^[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}(-\d+)?$'",
    "sqlite": (
        f"substr(request_id, 1, 32) GLOB '{'[0-9a-f]' * 12}7{'[0-9a-f]' * 3}[89ab]{'[0-9a-f]' * 15}' "
        "AND substr(request_id, 33) NOT GLOB '[^-]*' AND substr(request_id, 34) NOT GLOB '*[^0-9]*'"
    ),
}

# What no program of ours writes and none can read: who has the service's login alone must not break reports.
_VALUES = (
    ("prediction_logs", "probability", "probability BETWEEN 0 AND 1"),
    ("prediction_logs", "prediction", "prediction IN (0, 1)"),
    ("shadow_predictions", "probability", "probability BETWEEN 0 AND 1"),
    ("shadow_predictions", "prediction", "prediction IN (0, 1)"),
    ("ground_truth", "label", "label IN (0, 1)"),
    ("label_observations", "label", "label IN (0, 1)"),
)


def upgrade() -> None:
    op.drop_table("client_request_ids")
    op.create_table(
        "client_request_ids",
        sa.Column("client_request_id", sa.String(length=128), nullable=False),
        sa.Column("row_digest", sa.String(length=32), nullable=False),
        sa.Column("request_id", sa.String(length=128), nullable=False),
        sa.Column("predicted_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("client_request_id", "row_digest"),
    )
    op.create_index("ix_client_request_ids_predicted_at", "client_request_ids", ["predicted_at"])
    if op.get_bind().dialect.name == "postgresql":  # as 0008 bounds every timestamp there
        in_range = "predicted_at >= '1970-01-01' AND predicted_at < '9999-01-01'"
        op.create_check_constraint("client_request_ids_predicted_at_range", "client_request_ids", in_range)
    op.add_column("prediction_logs", sa.Column("client_request_id", sa.String(length=128)))
    other = f"NOT ({_SERVICE_ID[op.get_bind().dialect.name]})"
    op.execute(f"UPDATE prediction_logs SET client_request_id = request_id WHERE {other}")
    op.execute(
        "INSERT INTO client_request_ids (client_request_id, row_digest, request_id, predicted_at) "
        "SELECT client_request_id, '', request_id, min(predicted_at) FROM prediction_logs "
        "WHERE client_request_id IS NOT NULL GROUP BY request_id, client_request_id"
    )
    op.add_column("label_observations", sa.Column("matched_request_id", sa.String(length=128)))
    op.create_index("ix_label_observations_matched_request_id", "label_observations", ["matched_request_id"])
    op.execute("UPDATE label_observations SET matched_request_id = request_id WHERE NOT is_waiting")
    if op.get_bind().dialect.name == "postgresql":
        for table, column, condition in _VALUES:
            op.create_check_constraint(f"{table}_{column}_value", table, condition)


def downgrade() -> None:
    raise NotImplementedError("Several rows of one client's id have no place in the older tables; restore a backup.")
