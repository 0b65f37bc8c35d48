"""The first tables.

prediction_logs has its fixed columns here; `pmmds_core.stores.database.schema` adds one for each feature of the
contract.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_logs()
    _create_histograms()
    _create_drift()
    _create_training()
    _create_promotion()


def downgrade() -> None:
    raise NotImplementedError("The first revision has nothing to go back to; restore a backup.")


def _create_logs() -> None:
    op.create_table(
        "prediction_logs",
        sa.Column("request_id", sa.String(length=128), nullable=False),
        sa.Column("predicted_at", sa.DateTime(), nullable=False),
        sa.Column("ingested_at", sa.DateTime(), nullable=False),
        sa.Column("model_name", sa.String(length=64), nullable=False),
        sa.Column("model_version", sa.String(length=32), nullable=False),
        sa.Column("prediction", sa.SmallInteger(), nullable=False),
        sa.Column("probability", sa.Float(precision=53), nullable=False),
        sa.Column("latency_ms", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("request_id"),
    )
    op.create_index("ix_prediction_logs_ingested_at", "prediction_logs", ["ingested_at"])
    op.create_index("ix_prediction_logs_version", "prediction_logs", ["model_version", "predicted_at"])
    op.create_index("ix_prediction_logs_predicted_at", "prediction_logs", ["predicted_at"])
    op.create_table(
        "contract_columns",
        sa.Column("feature", sa.String(length=64), nullable=False),
        sa.Column("type", sa.String(length=16), nullable=False),
        sa.Column("added_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("feature"),
    )
    op.create_table(
        "ground_truth",
        sa.Column("request_id", sa.String(length=128), nullable=False),
        sa.Column("label", sa.SmallInteger(), nullable=False),
        sa.Column("observed_at", sa.DateTime(), nullable=False),
        sa.Column("received_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("request_id"),
    )
    op.create_index("ix_ground_truth_received_at", "ground_truth", ["received_at"])


def _create_histograms() -> None:
    op.create_table(
        "feature_histograms",
        sa.Column("model_name", sa.String(length=64), nullable=False),
        sa.Column("model_version", sa.String(length=32), nullable=False),
        sa.Column("hour", sa.DateTime(), nullable=False),
        sa.Column("feature", sa.String(length=64), nullable=False),
        sa.Column("profile_digest", sa.String(length=64), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("n_rows", sa.Integer(), nullable=False),
        sa.Column("computed_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("model_name", "model_version", "hour", "feature"),
    )
    op.create_table(
        "histogram_watermarks",
        sa.Column("model_name", sa.String(length=64), nullable=False),
        sa.Column("ingested_through", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("model_name"),
    )
    op.create_table(
        "stale_hours",
        sa.Column("model_name", sa.String(length=64), nullable=False),
        sa.Column("hour", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("model_name", "hour"),
    )


def _create_drift() -> None:
    op.create_table(
        "drift_reports",
        sa.Column("report_id", sa.Integer(), nullable=False),
        sa.Column("model_name", sa.String(length=64), nullable=False),
        sa.Column("model_version", sa.String(length=32), nullable=False),
        sa.Column("window_start", sa.DateTime(), nullable=False),
        sa.Column("window_end", sa.DateTime(), nullable=False),
        sa.Column("n_reference", sa.Integer(), nullable=False),
        sa.Column("n_current", sa.Integer(), nullable=False),
        sa.Column("verdict", sa.String(length=32), nullable=False),
        sa.Column("n_drifted_features", sa.Integer(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("html_path", sa.Text(), nullable=False),
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("report_id"),
    )
    op.create_index("ix_drift_reports_created_at", "drift_reports", ["created_at"])
    op.create_table(
        "drift_metrics",
        sa.Column("report_id", sa.Integer(), nullable=False),
        sa.Column("feature", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("psi", sa.Float()),
        sa.Column("kl_divergence", sa.Float()),
        sa.Column("js_divergence", sa.Float()),
        sa.Column("js_distance", sa.Float()),
        sa.Column("band", sa.String(length=16), nullable=False),
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
    op.create_table(
        "drift_alerts",
        sa.Column("alert_id", sa.Integer(), nullable=False),
        sa.Column("model_name", sa.String(length=64), nullable=False),
        sa.Column("model_version", sa.String(length=32), nullable=False),
        sa.Column("report_id", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("severity", sa.String(length=16), nullable=False),
        sa.Column("drift_type", sa.String(length=32), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("n_reports", sa.Integer(), nullable=False),
        sa.Column("opened_at", sa.DateTime(), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(), nullable=False),
        sa.Column("changed_by", sa.String(length=128)),
        sa.Column("changed_at", sa.DateTime()),
        sa.Column("note", sa.Text()),
        sa.Column("live_for", sa.String(length=64)),
        sa.ForeignKeyConstraint(
            ["report_id"],
            ["drift_reports.report_id"],
        ),
        sa.PrimaryKeyConstraint("alert_id"),
        sa.UniqueConstraint("live_for"),
    )
    op.create_index("ix_drift_alerts_opened_at", "drift_alerts", ["opened_at"])


def _create_training() -> None:
    op.create_table(
        "reference_datasets",
        sa.Column("dataset_id", sa.String(length=12), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("n_rows", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("dataset_id"),
    )
    op.create_index("ix_reference_datasets_created_at", "reference_datasets", ["created_at"])
    op.create_table(
        "retraining_runs",
        sa.Column("retraining_id", sa.String(length=12), nullable=False),
        sa.Column("model_name", sa.String(length=64), nullable=False),
        sa.Column("trigger_type", sa.String(length=16), nullable=False),
        sa.Column("alert_id", sa.Integer()),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("outcome", sa.String(length=32), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("challenger_version", sa.String(length=32)),
        sa.Column("started_at", sa.DateTime(), nullable=False),
        sa.Column("finished_at", sa.DateTime()),
        sa.PrimaryKeyConstraint("retraining_id"),
        sa.UniqueConstraint("alert_id", "attempt"),
        sa.UniqueConstraint("run_id"),
    )
    op.create_index("ix_retraining_runs_started_at", "retraining_runs", ["started_at"])
    op.create_table(
        "model_evaluations",
        sa.Column("evaluation_id", sa.String(length=12), nullable=False),
        sa.Column("model_name", sa.String(length=64), nullable=False),
        sa.Column("challenger_version", sa.String(length=32), nullable=False),
        sa.Column("champion_version", sa.String(length=32)),
        sa.Column("holdout_digest", sa.String(length=64), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("evaluation_id"),
    )
    op.create_index("ix_model_evaluations_created_at", "model_evaluations", ["created_at"])


def _create_promotion() -> None:
    op.create_table(
        "promotion_decisions",
        sa.Column("decision_id", sa.String(length=12), nullable=False),
        sa.Column("model_name", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("challenger_version", sa.String(length=32), nullable=False),
        sa.Column("champion_version", sa.String(length=32)),
        sa.Column("promoted", sa.Boolean(), nullable=False),
        sa.Column("primary_metric_improvement", sa.Float()),
        sa.Column("promotion_reason", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("decided_at", sa.DateTime(), nullable=False),
        sa.Column("moved_at", sa.DateTime()),
        sa.PrimaryKeyConstraint("decision_id"),
    )
    op.create_index("ix_promotion_decisions_decided_at", "promotion_decisions", ["decided_at"])
    op.create_table(
        "production_pointer",
        sa.Column("model_name", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=32), nullable=False),
        sa.Column("decision_id", sa.String(length=12), nullable=False),
        sa.Column("fencing_token", sa.Integer(), nullable=False),
        sa.Column("moved_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("model_name"),
    )
