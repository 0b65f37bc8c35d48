"""PostgreSQL roles with no more rights than their work needs. Group roles: a login is made a member of one.

Add a table's line when a table is added; a test demands it. Keep out: creating logins and their passwords.
"""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

from pmmds_core.stores.database import Database
from pmmds_core.stores.tables import fixed

SERVICE, MONITOR, PROMOTER = "pmmds_service", "pmmds_monitor", "pmmds_promoter"
ROLES = (SERVICE, MONITOR, PROMOTER)
_READ, _ADD, _CHANGE = "SELECT", "SELECT, INSERT", "SELECT, INSERT, UPDATE"

# Everybody who works on the loop reads everything; the promoter is a member of the monitor's role besides.
_SERVICE = {
    "prediction_logs": _ADD,
    "client_request_ids": _ADD,
    "ground_truth": _CHANGE,
    "label_observations": _CHANGE,
    "contract_columns": _READ,
    "alembic_version": _READ,
    "drift_reports": _READ,
    "drift_metrics": _READ,
    "drift_alerts": _READ,
    "retraining_runs": _READ,
    "model_evaluations": _READ,
    "promotion_decisions": _READ,
    "production_pointer": _READ,
    "shadow_predictions": "SELECT, INSERT, DELETE",  # of challengers that have gone
}
_MONITOR = {
    "prediction_logs": _READ,
    "prediction_logs_default": _READ,  # whose rows are looked at for days that are to be made
    "client_request_ids": "SELECT, DELETE",  # of days that it archives
    "prediction_archives": _ADD,
    "ground_truth": _CHANGE,
    "label_observations": _CHANGE,
    "contract_columns": _READ,
    "alembic_version": _READ,
    "reference_datasets": _ADD,
    "feature_histograms": "SELECT, INSERT, DELETE",
    "histogram_watermarks": _CHANGE,
    "stale_hours": "SELECT, INSERT, DELETE",
    "drift_reports": _ADD,
    "drift_metrics": _ADD,
    "drift_alerts": _CHANGE,
    "alert_changes": _ADD,
    "alert_notifications": _CHANGE,
    "daily_performance": _CHANGE,
    "shadow_predictions": _READ,
    "retraining_runs": _READ,
    "model_evaluations": _READ,
    "promotion_decisions": _READ,
    "production_pointer": _READ,
}
_PROMOTER = {
    "retraining_runs": _CHANGE,
    "model_evaluations": _ADD,
    "promotion_decisions": _CHANGE,
    "production_pointer": _CHANGE,
}
GRANTS = {SERVICE: _SERVICE, MONITOR: _MONITOR, PROMOTER: _PROMOTER}
_FUNCTIONS = ("pmmds_make_day(date)", "pmmds_drop_day(date, bigint)")


def role_statements() -> Iterator[str]:
    """Make the roles that are not there, and give each its rights anew. By the tables' owner, who may make roles."""
    for role in ROLES:
        yield (
            f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') "
            f"THEN CREATE ROLE {role} NOLOGIN; END IF; END $$"
        )
    yield f"GRANT {MONITOR} TO {PROMOTER}"
    yield from grant_statements()


def grant_statements() -> Iterator[str]:
    """The rights alone, by the tables' owner: after each migration too, which may have made tables."""
    everybody = ", ".join(ROLES)
    yield "REVOKE CREATE ON SCHEMA public FROM PUBLIC"
    yield f"GRANT USAGE ON SCHEMA public TO {everybody}"
    yield f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {everybody}"
    yield f"REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM {everybody}"
    for role, tables in GRANTS.items():
        for table, rights in tables.items():
            yield f"GRANT {rights} ON {table} TO {role}"
            sequence = _sequence(table)
            if sequence and "INSERT" in rights:
                yield f"GRANT USAGE ON SEQUENCE {sequence} TO {role}"
    for function in _FUNCTIONS:
        yield f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC"
        yield f"GRANT EXECUTE ON FUNCTION {function} TO {MONITOR}"


def have_roles(connection: sa.Connection) -> bool:
    """Whether all of them are there."""
    query = sa.text("SELECT count(*) FROM pg_roles WHERE rolname = ANY(:names)")
    return bool(connection.execute(query, {"names": list(ROLES)}).scalar_one() == len(ROLES))


def apply(database: Database, *, with_roles: bool) -> None:
    """Run the statements in one transaction.

    Args:
        database: PostgreSQL, by a user that owns the tables.
        with_roles: make the roles too, which needs the right to.

    Raises:
        DatabaseUnavailableError: this user may not.
    """
    with database.begin() as connection:
        for statement in role_statements() if with_roles else grant_statements():
            connection.exec_driver_sql(statement.replace("%", "%%"))


def _sequence(table: str) -> str:
    """Of the table's whole-number key, which PostgreSQL counts up; empty where there is none."""
    found = fixed.tables.get(table)
    key = [] if found is None else list(found.primary_key.columns)
    is_counted = len(key) == 1 and isinstance(key[0].type, sa.Integer) and not key[0].foreign_keys
    return f"{table}_{key[0].name}_seq" if is_counted else ""
