"""The work of the service's role, and the check that statements are rejected, for tests of the database roles."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pmmds_core.deployment import Deployment
from pmmds_core.errors import DatabaseUnavailableError
from pmmds_core.stores.predictions.label_history import LabelItem
from pmmds_tests.harness.prediction_records import NOON, make_records

As = Callable[[str], Deployment]


def serve(deployment: Deployment) -> None:
    """Do the service's work: log rows, and add labels for known and unknown requests."""
    records = make_records(deployment.contract, 60, start=NOON)
    assert deployment.prediction_log.append(records) == 60
    labels = [LabelItem(r.request_id, r.prediction, NOON) for r in records]
    assert deployment.ground_truth.add([*labels, LabelItem("later", 1, NOON)]).accepted == 60


def refused(deployment: Deployment, *statements: str) -> None:
    """Check that each statement is rejected because of a missing privilege."""
    for statement in statements:
        with (
            pytest.raises(DatabaseUnavailableError, match="denied permission to this user"),
            deployment.database.begin() as c,
        ):
            c.exec_driver_sql(statement)


CHANGES_TABLES = (
    "CREATE TABLE more (id int)",
    "ALTER TABLE prediction_logs ADD COLUMN more int",
    "DROP TABLE prediction_logs_default",
    "TRUNCATE prediction_logs",
    "DELETE FROM prediction_logs",
    "UPDATE prediction_logs SET probability = 1",
    "UPDATE alembic_version SET version_num = '9999'",
    "DELETE FROM ground_truth",
)
