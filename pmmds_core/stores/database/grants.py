"""The privileges of each role on each table, and the error for a missing one.

Add a line for each new table, which a test requires. Not here: the GRANT statements (roles.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from pmmds_core.errors import RightMissingError

SERVICE, MONITOR, PROMOTER, CONSOLE = "pmmds_service", "pmmds_monitor", "pmmds_promoter", "pmmds_console"
ROLES = (SERVICE, MONITOR, PROMOTER, CONSOLE)
_READ, _ADD, _CHANGE = "SELECT", "SELECT, INSERT", "SELECT, INSERT, UPDATE"
_REMOVE = f"{_CHANGE}, DELETE"  # DELETE is needed for rows past their retention period.
# UPDATE on these tables is granted per column, because UPDATE on a whole table permits locks that block its readers.
UPDATED_COLUMNS = {
    "ground_truth": ("label", "observed_at", "received_at"),
    "label_observations": ("received_at", "is_waiting", "matched_request_id"),
}
# Columns that a role may read without reading the rest of the table. The service exports the state of the outbox as
# metrics, but reads no message.
READ_COLUMNS = {SERVICE: {"alert_notifications": ("target", "state", "created_at")}}

# The monitor and the promoter read almost everything. The promoter is also a member of the monitor's role, and the
# console's role is a member of the promoter's. Only the owner of the tables changes users and API tokens.
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
    "storage_usage": _READ,
    "shadow_predictions": "SELECT, INSERT, DELETE",  # The service deletes the rows of former challengers.
}
_MONITOR = {
    "prediction_logs": _READ,
    "prediction_logs_default": _READ,  # This table shows which days have no partition yet.
    "client_request_ids": _READ,
    "prediction_archives": _READ,  # Only pmmds_drop_day writes to this table.
    "ground_truth": _CHANGE,
    "label_observations": _REMOVE,
    "contract_columns": _READ,
    "alembic_version": _READ,
    "reference_datasets": "SELECT, INSERT, DELETE",
    "feature_histograms": "SELECT, INSERT, DELETE",
    "histogram_watermarks": _CHANGE,
    "stale_hours": "SELECT, INSERT, DELETE",
    "drift_reports": "SELECT, INSERT, DELETE",
    "drift_metrics": "SELECT, INSERT, DELETE",
    "drift_alerts": _CHANGE,
    "alert_changes": _ADD,
    "alert_notifications": _REMOVE,
    "storage_usage": "SELECT, INSERT, DELETE",
    "daily_performance": _CHANGE,
    "shadow_predictions": _READ,
    "retraining_runs": _READ,
    "model_evaluations": _READ,
    "promotion_decisions": _READ,
    "production_pointer": _READ,
    "decision_approvals": _READ,
    "audit_events": _ADD,
}
_PROMOTER = {
    "retraining_runs": _CHANGE,
    "registered_versions": _ADD,
    "training_lock": _CHANGE,
    "model_evaluations": _ADD,
    "promotion_decisions": _CHANGE,
    "production_pointer": _CHANGE,
    "decision_approvals": _ADD,
}
_CONSOLE = {"console_users": _READ, "api_tokens": _READ, "console_sessions": _REMOVE}
GRANTS = {SERVICE: _SERVICE, MONITOR: _MONITOR, PROMOTER: _PROMOTER, CONSOLE: _CONSOLE}
FUNCTIONS = ("pmmds_make_day", "pmmds_drop_day", "pmmds_drop_empty_day")
_EXECUTE = dict.fromkeys(FUNCTIONS, "EXECUTE")

_STATEMENTS = (("INSERT INTO|COPY", "INSERT"), ("UPDATE", "UPDATE"), ("DELETE FROM", "DELETE"))


def rights_of(role: str) -> Mapping[str, frozenset[str]]:
    """Return a role's privileges, keyed by table or function.

    The promoter's privileges include the monitor's, and the console's privileges include the promoter's.
    """
    promoter = (_PROMOTER, _MONITOR, _EXECUTE)
    roles = {SERVICE: (_SERVICE,), MONITOR: (_MONITOR, _EXECUTE), PROMOTER: promoter, CONSOLE: (_CONSOLE, *promoter)}
    held = roles[role]
    combined: dict[str, frozenset[str]] = {}
    for lines in held:
        for name, rights in lines.items():
            combined[name] = combined.get(name, frozenset()) | frozenset(rights.split(", "))
    return combined


def permission_denied(place: str, statement: str, message: str) -> RightMissingError:
    """Return the error for a statement that PostgreSQL rejected because of a missing privilege.

    Args:
        place: the database's name and address, for the message.
        statement: the SQL of the statement, from which the required privilege is derived.
        message: PostgreSQL's message, which names the table but not the privilege.
    """
    container = re.search(r'permission denied for (database|schema) "?([^"\s]+)"?', message)
    if container is not None:
        return _container_right_missing(place, container[1], container[2], statement)
    match = re.search(r"permission denied for (table|function|sequence) (\w+)", message)
    if match is None:
        return right_missing(place, message.strip().partition("\n")[0], ())
    kind, name = match.groups()
    wanted = _wanted(statement, name) if kind == "table" else {"EXECUTE" if kind == "function" else "USAGE"}
    holders = [role for role in ROLES if wanted <= rights_of(role).get(name, frozenset())]
    # The console's role includes all of the promoter's privileges, but only the console needs it.
    roles = [role for role in holders if role != CONSOLE] or holders
    return right_missing(place, f"no {' and '.join(sorted(wanted))} on {name}", roles)


def _container_right_missing(place: str, kind: str, name: str, statement: str) -> RightMissingError:
    """Return the error for a missing privilege on a database or schema, which only its owner can grant."""
    if kind == "database":
        right, advice = "CONNECT", "Run `GRANT CONNECT ON DATABASE {name} TO login` as the database's owner"
    elif re.match(r"\s*CREATE\b", statement, re.IGNORECASE):
        right = "CREATE"
        advice = "Only the database's owner can create tables: use its login, or run `ALTER DATABASE … OWNER TO login`"
    else:
        right, advice = "USAGE", "Run `pmmds db roles --apply` as the tables' owner"
    return RightMissingError(
        f"The {place} denied permission to this user (no {right} on {kind} {name}).",
        next_step=f"{advice.format(name=name)}.",
    )


def _wanted(statement: str, table: str) -> set[str]:
    """Return the privileges that the statement needs on the table.

    SELECT is included only if the statement needs no other privilege.
    """
    wanted = {right for verb, right in _STATEMENTS if re.search(rf'\b({verb})\s+"?{table}\b', statement, re.IGNORECASE)}
    if re.search(r"\bDO UPDATE\b|\bFOR (NO KEY )?UPDATE\b", statement, re.IGNORECASE):
        wanted.add("UPDATE")
    return wanted or {"SELECT"}


def right_missing(place: str, lacks: str, roles: Sequence[str]) -> RightMissingError:
    """Return the error for a missing privilege, naming the roles that have it, or the owner if there are none."""
    if roles:
        advice = (
            f"Set PMMDS_DATABASE_URL to a login that is a member of {' or '.join(roles)}. If it already is one, "
            "run `pmmds db roles --apply` as the tables' owner."
        )
    else:
        makes_roles = " and may create roles" if "role" in lacks else ""
        advice = f"Set PMMDS_DATABASE_URL to the login that owns the tables{makes_roles}."
    return RightMissingError(f"The {place} denied permission to this user ({lacks}).", next_step=advice)
