"""Tables of logged predictions, their labels, shadow predictions and archives."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


def create_labels() -> None:
    op.create_table(
        "ground_truth",
        sa.Column("request_id", sa.String(128), nullable=False),
        sa.Column("label", sa.SmallInteger(), nullable=False),
        sa.Column("observed_at", sa.DateTime(), nullable=False),
        sa.Column("received_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("request_id"),
    )
    op.create_index("ix_ground_truth_received_at", "ground_truth", ["received_at"])
    op.create_table(
        "label_observations",
        sa.Column("observation_id", sa.Integer(), nullable=False),
        sa.Column("request_id", sa.String(128), nullable=False),
        sa.Column("label", sa.SmallInteger(), nullable=False),
        sa.Column("observed_at", sa.DateTime(), nullable=False),
        sa.Column("received_at", sa.DateTime(), nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("is_waiting", sa.Boolean(), nullable=False),
        sa.Column("matched_request_id", sa.String(128)),
        sa.PrimaryKeyConstraint("observation_id"),
        sa.UniqueConstraint("request_id", "observed_at", "label"),
    )
    op.create_index("ix_label_observations_is_waiting", "label_observations", ["is_waiting"])
    op.create_index("ix_label_observations_matched_request_id", "label_observations", ["matched_request_id"])


def create_shadow_predictions() -> None:
    op.create_table(
        "shadow_predictions",
        sa.Column("model_version", sa.String(32), nullable=False),
        sa.Column("request_id", sa.String(128), nullable=False),
        sa.Column("model_name", sa.String(64), nullable=False),
        sa.Column("predicted_at", sa.DateTime(), nullable=False),
        sa.Column("probability", sa.Float(53), nullable=False),
        sa.Column("prediction", sa.SmallInteger(), nullable=False),
        sa.Column("scored_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("model_version", "request_id"),
    )
    op.create_index("ix_shadow_predictions_predicted_at", "shadow_predictions", ["model_version", "predicted_at"])


def create_client_request_ids() -> None:
    op.create_table(
        "client_request_ids",
        sa.Column("client_request_id", sa.String(128), nullable=False),
        sa.Column("row_digest", sa.String(32), nullable=False),
        sa.Column("request_id", sa.String(128), nullable=False),
        sa.Column("predicted_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("client_request_id", "row_digest"),
    )
    op.create_index("ix_client_request_ids_predicted_at", "client_request_ids", ["predicted_at"])


def create_archives() -> None:
    op.create_table(
        "prediction_archives",
        sa.Column("day", sa.DateTime(), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("n_rows", sa.Integer(), nullable=False),
        sa.Column("n_repeated", sa.Integer(), nullable=False),
        sa.Column("n_bytes", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("archived_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("day", "part"),
    )


def create_log(*, partitioned: bool) -> None:
    """The prediction log without the contract's columns: one table on SQLite, one partition per day on PostgreSQL."""
    # On PostgreSQL, COPY omits this column, so that the server's clock sets it.
    clock = sa.text("timezone('UTC', statement_timestamp())") if partitioned else None
    op.create_table(
        "prediction_logs",
        sa.Column("request_id", sa.String(128), nullable=False),
        sa.Column("predicted_at", sa.DateTime(), nullable=False),
        sa.Column("ingested_at", sa.DateTime(), nullable=False, server_default=clock),
        sa.Column("model_name", sa.String(64), nullable=False),
        sa.Column("model_version", sa.String(32), nullable=False),
        sa.Column("prediction", sa.SmallInteger(), nullable=False),
        sa.Column("probability", sa.Float(53), nullable=False),
        sa.Column("latency_ms", sa.Float(53), nullable=False),
        sa.Column("client_request_id", sa.String(128)),
        # In PostgreSQL, the key of a partitioned table must contain the partition column.
        sa.PrimaryKeyConstraint("request_id", *(["predicted_at"] if partitioned else [])),
        postgresql_partition_by="RANGE (predicted_at)",
    )
    if partitioned:
        op.execute("CREATE TABLE prediction_logs_default PARTITION OF prediction_logs DEFAULT")
    op.create_index("ix_prediction_logs_ingested_at", "prediction_logs", ["ingested_at"])
    op.create_index("ix_prediction_logs_version", "prediction_logs", ["model_version", "predicted_at"])
    op.create_index("ix_prediction_logs_predicted_at", "prediction_logs", ["predicted_at"])


def create_contract_columns() -> None:
    """The features that have a column in the prediction log; `pmmds db migrate` adds a row per feature."""
    op.create_table(
        "contract_columns",
        sa.Column("feature", sa.String(64), nullable=False),
        sa.Column("type", sa.String(16), nullable=False),
        sa.Column("added_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("feature"),
    )
