"""Defines every table with SQLAlchemy Core.

The prediction log's feature columns follow the contract, and all other columns are fixed.

Add a column both here and in a new migration. A test compares the two.
Not here: queries (each store has its own) and server-side defaults.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from pmmds_core.contracts.contract import Contract, Feature


class UtcDateTime(sa.TypeDecorator[datetime]):
    """A column type for UTC timestamps, which are time-zone-aware in Python and naive in the database."""

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        return None if value is None else self.to_naive(value)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)

    @staticmethod
    def to_naive(timestamp: datetime) -> datetime:
        """Convert to the stored form. Raise ValueError if `timestamp` has no time zone."""
        if timestamp.tzinfo is UTC:  # Fast path, because the service writes thousands of rows per second.
            return timestamp.replace(tzinfo=None)
        if timestamp.tzinfo is None:
            raise ValueError(f"{timestamp!r} has no time zone")
        return timestamp.astimezone(UTC).replace(tzinfo=None)


fixed = sa.MetaData()

ground_truth = sa.Table(
    "ground_truth",
    fixed,
    sa.Column("request_id", sa.String(128), primary_key=True),
    sa.Column("label", sa.SmallInteger, nullable=False),
    sa.Column("observed_at", UtcDateTime, nullable=False),
    sa.Column("received_at", UtcDateTime, nullable=False, index=True),
)

# Every observation of a label. ground_truth contains the valid observation for each prediction.
label_observations = sa.Table(
    "label_observations",
    fixed,
    sa.Column("observation_id", sa.Integer, primary_key=True),
    # The id as sent, which is a prediction id or a client's request id.
    sa.Column("request_id", sa.String(128), nullable=False),
    sa.Column("label", sa.SmallInteger, nullable=False),
    sa.Column("observed_at", UtcDateTime, nullable=False),
    sa.Column("received_at", UtcDateTime, nullable=False),
    sa.Column("source", sa.String(16), nullable=False),  # feedback, import
    # True until the id has been matched to exactly one prediction.
    sa.Column("is_waiting", sa.Boolean, nullable=False, index=True),
    # The prediction id of the row that the label belongs to.
    sa.Column("matched_request_id", sa.String(128), index=True),
    sa.UniqueConstraint("request_id", "observed_at", "label"),
)

# Data sets that were read, split or used for training. The rows are in a Parquet file named after its digest.
reference_datasets = sa.Table(
    "reference_datasets",
    fixed,
    sa.Column("dataset_id", sa.String(12), primary_key=True),
    sa.Column("kind", sa.String(32), nullable=False),  # A value of datasets.DatasetKind.
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("n_rows", sa.Integer, nullable=False),
    sa.Column("run_id", sa.String(64), nullable=False),
    sa.Column("details", sa.JSON, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False, index=True),
)

# Row counts per model version, hour, feature and bin. The counts of several hours can be added.
feature_histograms = sa.Table(
    "feature_histograms",
    fixed,
    sa.Column("model_name", sa.String(64), primary_key=True),
    sa.Column("model_version", sa.String(32), primary_key=True),
    sa.Column("hour", UtcDateTime, primary_key=True),
    sa.Column("feature", sa.String(64), primary_key=True),  # `__score__` stands for the model's score.
    sa.Column("profile_digest", sa.String(64), nullable=False),
    sa.Column("counts", sa.JSON, nullable=False),  # A list of integers in the order of the profile's bins.
    sa.Column("n_rows", sa.Integer, nullable=False),
    sa.Column("computed_at", UtcDateTime, nullable=False),
)

# The ingestion time up to which the prediction log has been counted in the histograms.
histogram_watermarks = sa.Table(
    "histogram_watermarks",
    fixed,
    sa.Column("model_name", sa.String(64), primary_key=True),
    sa.Column("ingested_through", UtcDateTime, nullable=False),
)

# Hours whose rows changed after they were counted. A later refresh counts them again.
stale_hours = sa.Table(
    "stale_hours",
    fixed,
    sa.Column("model_name", sa.String(64), primary_key=True),
    sa.Column("hour", UtcDateTime, primary_key=True),
)

drift_reports = sa.Table(
    "drift_reports",
    fixed,
    sa.Column("report_id", sa.Integer, primary_key=True),
    sa.Column("model_name", sa.String(64), nullable=False),
    sa.Column("model_version", sa.String(32), nullable=False),
    sa.Column("window_start", UtcDateTime, nullable=False),
    sa.Column("window_end", UtcDateTime, nullable=False),
    sa.Column("n_reference", sa.Integer, nullable=False),
    sa.Column("n_current", sa.Integer, nullable=False),
    sa.Column("verdict", sa.String(32), nullable=False),
    sa.Column("n_drifted_features", sa.Integer, nullable=False),
    sa.Column("document", sa.JSON, nullable=False),  # The document that `drift compare --json` prints.
    sa.Column("html_path", sa.Text, nullable=False),
    sa.Column("run_id", sa.String(64), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False, index=True),
)

drift_metrics = sa.Table(
    "drift_metrics",
    fixed,
    sa.Column("report_id", sa.Integer, sa.ForeignKey("drift_reports.report_id"), primary_key=True),
    sa.Column("feature", sa.String(64), primary_key=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("psi", sa.Float),
    sa.Column("kl_divergence", sa.Float),
    sa.Column("js_divergence", sa.Float),
    sa.Column("js_distance", sa.Float),
    sa.Column("band", sa.String(16), nullable=False),
    sa.Column("is_drifted", sa.Boolean, nullable=False),
    sa.Column("null_share_reference", sa.Float),
    sa.Column("null_share_current", sa.Float),
    sa.Column("unseen_share", sa.Float),
)

drift_alerts = sa.Table(
    "drift_alerts",
    fixed,
    sa.Column("alert_id", sa.Integer, primary_key=True),
    sa.Column("model_name", sa.String(64), nullable=False),
    sa.Column("model_version", sa.String(32), nullable=False),
    sa.Column("report_id", sa.Integer, sa.ForeignKey("drift_reports.report_id"), nullable=False),
    sa.Column("status", sa.String(16), nullable=False),  # open, acknowledged, resolved
    sa.Column("severity", sa.String(16), nullable=False),  # The severity of the feature that drifted most.
    sa.Column("drift_type", sa.String(32), nullable=False),  # feature_drift
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("n_reports", sa.Integer, nullable=False),  # The number of drifted reports that this alert covers.
    sa.Column("opened_at", UtcDateTime, nullable=False, index=True),
    sa.Column("last_seen_at", UtcDateTime, nullable=False),
    sa.Column("changed_by", sa.String(128)),
    sa.Column("changed_at", UtcDateTime),
    sa.Column("note", sa.Text),
    # The model's name until the alert is resolved, and then NULL. The unique index allows one unresolved alert per
    # model.
    sa.Column("live_for", sa.String(64), unique=True),
)

# Every state change of an alert, in order. Rows are only appended.
alert_changes = sa.Table(
    "alert_changes",
    fixed,
    sa.Column("change_id", sa.Integer, primary_key=True),
    sa.Column("alert_id", sa.Integer, sa.ForeignKey("drift_alerts.alert_id"), nullable=False, index=True),
    sa.Column("kind", sa.String(16), nullable=False),  # see lifecycle.alerts.AlertChange
    sa.Column("severity", sa.String(16), nullable=False),  # The alert's severity at the time of the change.
    sa.Column("changed_by", sa.String(128), nullable=False),
    sa.Column("note", sa.Text),
    sa.Column("changed_at", UtcDateTime, nullable=False),
)

# The outbox. A notification is written in the transaction of the change that it reports, and sent afterwards.
alert_notifications = sa.Table(
    "alert_notifications",
    fixed,
    sa.Column("notification_id", sa.Integer, primary_key=True),
    # NULL unless the notification is about an alert.
    sa.Column("change_id", sa.Integer, sa.ForeignKey("alert_changes.change_id")),
    # The reported change, such as `alert_change:7` or `decision:a1b2…:…`.
    sa.Column("subject", sa.String(96), nullable=False),
    sa.Column("target", sa.String(16), nullable=False),  # A digest of the URL, because the URL may contain secrets.
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),  # pending, sent, given_up
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("due_at", UtcDateTime, nullable=False, index=True),
    sa.Column("claimed_until", UtcDateTime),  # No other process sends the notification before this time.
    sa.Column("last_error", sa.Text),
    sa.Column("sent_at", UtcDateTime),
    sa.UniqueConstraint("change_id", "target"),
    sa.Index("ix_alert_notifications_subject", "subject", "target", unique=True),
)

# The quality of a model version's predictions per UTC day, measured on the labeled rows.
daily_performance = sa.Table(
    "daily_performance",
    fixed,
    sa.Column("model_name", sa.String(64), primary_key=True),
    sa.Column("model_version", sa.String(32), primary_key=True),
    sa.Column("day", UtcDateTime, primary_key=True),  # The start of the day in UTC.
    sa.Column("n_rows", sa.Integer, nullable=False),
    sa.Column("n_labelled", sa.Integer, nullable=False),
    sa.Column("document", sa.JSON, nullable=False),  # The document that `pmmds performance --json` prints.
    sa.Column("computed_at", UtcDateTime, nullable=False),
)

retraining_runs = sa.Table(
    "retraining_runs",
    fixed,
    sa.Column("retraining_id", sa.String(12), primary_key=True),
    sa.Column("model_name", sa.String(64), nullable=False),
    sa.Column("trigger_type", sa.String(16), nullable=False),  # One of alert, performance, labels, schedule and manual.
    sa.Column("cause", sa.String(96)),  # The trigger's key (see policies/retraining.py), or NULL for a manual run.
    sa.Column("cause_text", sa.Text, nullable=False),  # A sentence that describes the trigger.
    sa.Column("alert_id", sa.Integer),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("run_id", sa.String(64), nullable=False, unique=True),
    sa.Column("outcome", sa.String(32), nullable=False),  # see policies/retraining.py
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("challenger_version", sa.String(32)),
    # The number of labels that the champion had not seen when the run was blocked.
    sa.Column("n_new_labels", sa.Integer),
    # True if the trigger gets no more attempts and needs manual action.
    sa.Column("gave_up", sa.Boolean, nullable=False),
    sa.Column("started_at", UtcDateTime, nullable=False, index=True),
    sa.Column("finished_at", UtcDateTime),
    sa.UniqueConstraint("alert_id", "attempt"),
    sa.Index("ix_retraining_runs_cause", "model_name", "cause", "attempt", unique=True),
)

model_evaluations = sa.Table(
    "model_evaluations",
    fixed,
    sa.Column("evaluation_id", sa.String(12), primary_key=True),
    sa.Column("model_name", sa.String(64), nullable=False),
    sa.Column("challenger_version", sa.String(32), nullable=False),
    sa.Column("champion_version", sa.String(32)),
    sa.Column("holdout_digest", sa.String(64), nullable=False),
    sa.Column("document", sa.JSON, nullable=False),
    sa.Column("run_id", sa.String(64), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False, index=True),
)

promotion_decisions = sa.Table(
    "promotion_decisions",
    fixed,
    sa.Column("decision_id", sa.String(12), primary_key=True),
    sa.Column("model_name", sa.String(64), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),  # promotion, rollback, manual
    sa.Column("challenger_version", sa.String(32), nullable=False),
    sa.Column("champion_version", sa.String(32)),
    sa.Column("promoted", sa.Boolean, nullable=False),
    sa.Column("primary_metric_improvement", sa.Float),
    sa.Column("promotion_reason", sa.Text, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),  # see pmmds_core.policies.decision
    sa.Column("document", sa.JSON, nullable=False),
    sa.Column("run_id", sa.String(64), nullable=False),
    sa.Column("decided_at", UtcDateTime, nullable=False, index=True),
    sa.Column("moved_at", UtcDateTime),
    sa.Column("state_reason", sa.Text),  # The reason for aborting or rejecting the decision.
    sa.Column("changed_by", sa.String(128)),  # The name of the person who approved, rejected or requested the decision.
    sa.Column("fencing_token", sa.Integer),  # The pointer's token after this decision moved the pointer.
)

# Maps each training run to the model version that it registered, so that the run evaluates its own version.
registered_versions = sa.Table(
    "registered_versions",
    fixed,
    sa.Column("model_name", sa.String(64), primary_key=True),
    sa.Column("version", sa.String(32), primary_key=True),
    sa.Column("run_id", sa.String(64), nullable=False, index=True),
    sa.Column("digest", sa.String(64), nullable=False),  # bundle.model_digest
    sa.Column("training_digest", sa.String(64), nullable=False),  # The digest of a row in reference_datasets.
    sa.Column("holdout_digest", sa.String(64), nullable=False),
    sa.Column("registered_at", UtcDateTime, nullable=False),
)

# The run that holds the training lock (lifecycle/training_lock.py), for the messages of waiting runs.
training_lock = sa.Table(
    "training_lock",
    fixed,
    sa.Column("model_name", sa.String(64), primary_key=True),
    sa.Column("run_id", sa.String(64), nullable=False),
    sa.Column("holder", sa.String(255), nullable=False),  # The process and the host.
    sa.Column("locked_at", UtcDateTime, nullable=False),
)

# A challenger's predictions for logged requests, with one row per request and version.
shadow_predictions = sa.Table(
    "shadow_predictions",
    fixed,
    sa.Column("model_version", sa.String(32), primary_key=True),
    sa.Column("request_id", sa.String(128), primary_key=True),
    sa.Column("model_name", sa.String(64), nullable=False),
    sa.Column("predicted_at", UtcDateTime, nullable=False),  # The time of the champion's prediction.
    sa.Column("probability", sa.Float(53), nullable=False),
    sa.Column("prediction", sa.SmallInteger, nullable=False),
    sa.Column("scored_at", UtcDateTime, nullable=False),
    sa.Index("ix_shadow_predictions_predicted_at", "model_version", "predicted_at"),
)

# The recorded production version, which changes only under the promotion lock. `fencing_token` grows with every move.
# An empty version means that no model is in production.
production_pointer = sa.Table(
    "production_pointer",
    fixed,
    sa.Column("model_name", sa.String(64), primary_key=True),
    sa.Column("version", sa.String(32), nullable=False),
    sa.Column("decision_id", sa.String(12), nullable=False),
    sa.Column("fencing_token", sa.Integer, nullable=False),
    sa.Column("moved_at", UtcDateTime, nullable=False),
)

# The features that have a column in prediction_logs. `pmmds db migrate` compares them with the contract.
contract_columns = sa.Table(
    "contract_columns",
    fixed,
    sa.Column("feature", sa.String(64), primary_key=True),
    sa.Column("type", sa.String(16), nullable=False),
    sa.Column("added_at", UtcDateTime, nullable=False),
)


# Maps a client's request id and row digest to the logged row, so that a repeated request is logged only once.
client_request_ids = sa.Table(
    "client_request_ids",
    fixed,
    sa.Column("client_request_id", sa.String(128), primary_key=True),
    sa.Column("row_digest", sa.String(32), primary_key=True),  # result of request_keys.row_digest
    sa.Column("request_id", sa.String(128), nullable=False),  # The prediction id.
    sa.Column("predicted_at", UtcDateTime, nullable=False, index=True),
)

# The Parquet files of archived rows. Each is recorded in the transaction that deletes the rows from prediction_logs.
prediction_archives = sa.Table(
    "prediction_archives",
    fixed,
    sa.Column("day", UtcDateTime, primary_key=True),
    sa.Column("part", sa.Integer, primary_key=True),
    sa.Column("file", sa.Text, nullable=False),  # under PMMDS_ARCHIVE_PATH
    sa.Column("n_rows", sa.Integer, nullable=False),
    sa.Column("n_repeated", sa.Integer, nullable=False),  # The number of rows that an earlier part contains as well.
    sa.Column("n_bytes", sa.BigInteger, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),  # The SHA-256 digest of the file's values, in order.
    sa.Column("archived_at", UtcDateTime, nullable=False),
)

# The number of bytes used by each kind of stored data, measured every night.
storage_usage = sa.Table(
    "storage_usage",
    fixed,
    sa.Column("kind", sa.String(32), primary_key=True),
    sa.Column("n_bytes", sa.BigInteger, nullable=False),
    sa.Column("measured_at", UtcDateTime, nullable=False),
)


def prediction_logs(contract: Contract) -> sa.Table:
    """Return a contract's prediction log: the fixed columns, then one typed, nullable column per feature.

    On PostgreSQL, the log is partitioned by predicted_at, which is part of the key there.
    """
    return sa.Table(
        "prediction_logs",
        sa.MetaData(),
        sa.Column("request_id", sa.String(128), primary_key=True),
        sa.Column("predicted_at", UtcDateTime, nullable=False),
        sa.Column("ingested_at", UtcDateTime, nullable=False),
        sa.Column("model_name", sa.String(64), nullable=False),
        sa.Column("model_version", sa.String(32), nullable=False),
        sa.Column("prediction", sa.SmallInteger, nullable=False),
        sa.Column("probability", sa.Float(53), nullable=False),
        sa.Column("latency_ms", sa.Float(53), nullable=False),
        sa.Column("client_request_id", sa.String(128)),  # The client's own request id, if the client sent one.
        *(feature_column(f) for f in contract.features),
        sa.Index("ix_prediction_logs_predicted_at", "predicted_at"),
        sa.Index("ix_prediction_logs_ingested_at", "ingested_at"),
        sa.Index("ix_prediction_logs_version", "model_version", "predicted_at"),
    )


def feature_column(feature: Feature) -> sa.Column[Any]:
    """Return a feature's column, which is nullable because rows logged before the feature was added have no value."""
    kinds: dict[str, Any] = {"integer": sa.BigInteger(), "float": sa.Float(53), "string": sa.Text()}
    return sa.Column(feature.name, kinds[feature.type], nullable=True)
