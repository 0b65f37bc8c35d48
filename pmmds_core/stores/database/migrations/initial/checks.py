"""CHECK constraints on PostgreSQL: values that no PMMDS process writes and that readers cannot process.

A login with only the service's privileges must not be able to break reports. SQLite has none: its file belongs to one
user, and adding a constraint would copy the whole log.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

EARLIEST, LATEST = "1970-01-01", "9999-01-01"
_VALUES = (
    ("prediction_logs", "probability", "probability BETWEEN 0 AND 1"),
    ("prediction_logs", "prediction", "prediction IN (0, 1)"),
    ("shadow_predictions", "probability", "probability BETWEEN 0 AND 1"),
    ("shadow_predictions", "prediction", "prediction IN (0, 1)"),
    ("ground_truth", "label", "label IN (0, 1)"),
    ("label_observations", "label", "label IN (0, 1)"),
)


def create_checks(connection: sa.Connection) -> None:
    """Constrain every timestamp column and every column with few allowed values."""
    inspector = sa.inspect(connection)
    for table in inspector.get_table_names():
        for column in inspector.get_columns(table):
            if isinstance(column["type"], sa.DateTime) and table != "prediction_logs_default":
                bound_timestamp(table, column["name"])
    for table, name, condition in _VALUES:
        op.create_check_constraint(f"{table}_{name}_value", table, condition)
    op.create_check_constraint(
        "prediction_archives_file_name", "prediction_archives", "file ~ '^[0-9A-Za-z][0-9A-Za-z._-]*$'"
    )


def bound_timestamp(table: str, column: str) -> None:
    """Constrain a timestamp column. A later migration calls this for each timestamp column that it adds."""
    op.create_check_constraint(f"{table}_{column}_range", table, f"{column} >= '{EARLIEST}' AND {column} < '{LATEST}'")
