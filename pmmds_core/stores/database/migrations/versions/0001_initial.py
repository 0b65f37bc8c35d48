"""The tables of 0.1.0.

The prediction log has its fixed columns here; `pmmds_core.stores.database.schema` adds a column per contract feature.
"""

from __future__ import annotations

from alembic import op

from pmmds_core.stores.database.migrations.initial import (
    checks,
    day_functions,
    identity,
    lifecycle,
    monitoring,
    predictions,
)

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    connection = op.get_bind()
    is_postgresql = connection.dialect.name == "postgresql"
    _create_predictions(partitioned=is_postgresql)
    _create_monitoring()
    _create_lifecycle()
    _create_identity()
    if is_postgresql:
        checks.create_checks(connection)
        day_functions.create_functions(connection)


def downgrade() -> None:
    raise NotImplementedError("There is no earlier revision; restore a backup.")


def _create_predictions(*, partitioned: bool) -> None:
    predictions.create_log(partitioned=partitioned)
    predictions.create_contract_columns()
    predictions.create_labels()
    predictions.create_shadow_predictions()
    predictions.create_client_request_ids()
    predictions.create_archives()


def _create_monitoring() -> None:
    monitoring.create_histograms()
    monitoring.create_measurements()
    monitoring.create_drift_reports()
    monitoring.create_drift_metrics()
    monitoring.create_alerts()
    monitoring.create_alert_changes()
    monitoring.create_notifications()


def _create_lifecycle() -> None:
    lifecycle.create_datasets()
    lifecycle.create_retrainings()
    lifecycle.create_evaluations()
    lifecycle.create_registered_versions()
    lifecycle.create_training_lock()
    lifecycle.create_decisions()
    lifecycle.create_production_pointer()


def _create_identity() -> None:
    identity.create_users()
    identity.create_api_tokens()
    identity.create_sessions()
    identity.create_audit_events()
    identity.create_decision_approvals()
