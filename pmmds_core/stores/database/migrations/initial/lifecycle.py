"""The tables of data sets, retrainings, registered versions and promotions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


def create_datasets() -> None:
    op.create_table(
        "reference_datasets",
        sa.Column("dataset_id", sa.String(12), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("n_rows", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("dataset_id"),
    )
    op.create_index("ix_reference_datasets_created_at", "reference_datasets", ["created_at"])


def create_retrainings() -> None:
    op.create_table(
        "retraining_runs",
        sa.Column("retraining_id", sa.String(12), nullable=False),
        sa.Column("model_name", sa.String(64), nullable=False),
        sa.Column("trigger_type", sa.String(16), nullable=False),
        sa.Column("alert_id", sa.Integer()),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("outcome", sa.String(32), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("challenger_version", sa.String(32)),
        sa.Column("started_at", sa.DateTime(), nullable=False),
        sa.Column("finished_at", sa.DateTime()),
        sa.Column("cause", sa.String(96)),
        sa.Column("cause_text", sa.Text(), nullable=False, server_default=""),
        sa.Column("n_new_labels", sa.Integer()),
        sa.Column("gave_up", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.PrimaryKeyConstraint("retraining_id"),
        sa.UniqueConstraint("alert_id", "attempt"),
        sa.UniqueConstraint("run_id"),
    )
    op.create_index("ix_retraining_runs_started_at", "retraining_runs", ["started_at"])
    op.create_index("ix_retraining_runs_cause", "retraining_runs", ["model_name", "cause", "attempt"], unique=True)


def create_evaluations() -> None:
    op.create_table(
        "model_evaluations",
        sa.Column("evaluation_id", sa.String(12), nullable=False),
        sa.Column("model_name", sa.String(64), nullable=False),
        sa.Column("challenger_version", sa.String(32), nullable=False),
        sa.Column("champion_version", sa.String(32)),
        sa.Column("holdout_digest", sa.String(64), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("evaluation_id"),
    )
    op.create_index("ix_model_evaluations_created_at", "model_evaluations", ["created_at"])


def create_registered_versions() -> None:
    op.create_table(
        "registered_versions",
        sa.Column("model_name", sa.String(64), nullable=False),
        sa.Column("version", sa.String(32), nullable=False),
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("training_digest", sa.String(64), nullable=False),
        sa.Column("holdout_digest", sa.String(64), nullable=False),
        sa.Column("registered_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("model_name", "version"),
    )
    op.create_index("ix_registered_versions_run_id", "registered_versions", ["run_id"])


def create_training_lock() -> None:
    op.create_table(
        "training_lock",
        sa.Column("model_name", sa.String(64), nullable=False),
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("holder", sa.String(255), nullable=False),
        sa.Column("locked_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("model_name"),
    )


def create_decisions() -> None:
    op.create_table(
        "promotion_decisions",
        sa.Column("decision_id", sa.String(12), nullable=False),
        sa.Column("model_name", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("challenger_version", sa.String(32), nullable=False),
        sa.Column("champion_version", sa.String(32)),
        sa.Column("promoted", sa.Boolean(), nullable=False),
        sa.Column("primary_metric_improvement", sa.Float()),
        sa.Column("promotion_reason", sa.Text(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("decided_at", sa.DateTime(), nullable=False),
        sa.Column("moved_at", sa.DateTime()),
        sa.Column("state_reason", sa.Text()),
        sa.Column("changed_by", sa.String(128)),
        sa.Column("fencing_token", sa.Integer()),
        sa.PrimaryKeyConstraint("decision_id"),
    )
    op.create_index("ix_promotion_decisions_decided_at", "promotion_decisions", ["decided_at"])


def create_production_pointer() -> None:
    op.create_table(
        "production_pointer",
        sa.Column("model_name", sa.String(64), nullable=False),
        sa.Column("version", sa.String(32), nullable=False),
        sa.Column("decision_id", sa.String(12), nullable=False),
        sa.Column("fencing_token", sa.Integer(), nullable=False),
        sa.Column("moved_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("model_name"),
    )
