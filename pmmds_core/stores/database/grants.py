"""Which role may do what with which table, and how it is told that somebody may not.

Add a table's line when a table is added; a test demands it. Keep out: the SQL that grants (roles.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from pmmds_core.errors import RightMissingError

SERVICE, MONITOR, PROMOTER = "pmmds_service", "pmmds_monitor", "pmmds_promoter"
ROLES = (SERVICE, MONITOR, PROMOTER)
_READ, _ADD, _CHANGE = "SELECT", "SELECT, INSERT", "SELECT, INSERT, UPDATE"
_REMOVE = f"{_CHANGE}, DELETE"  # what is older than its retention period goes
# UPDATE on these tables is granted on columns: with UPDATE on a whole table a login could lock out its readers.
UPDATED_COLUMNS = {
    "ground_truth": ("label", "observed_at", "received_at"),
    "label_observations": ("received_at", "is_waiting", "matched_request_id"),
}

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
    "storage_usage": _READ,
    "shadow_predictions": "SELECT, INSERT, DELETE",  # of challengers that have gone
}
_MONITOR = {
    "prediction_logs": _READ,
    "prediction_logs_default": _READ,  # whose rows are looked at for days that are to be made
    "client_request_ids": _READ,
    "prediction_archives": _READ,  # written by pmmds_drop_day alone
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
}
_PROMOTER = {
    "retraining_runs": _CHANGE,
    "registered_versions": _ADD,
    "training_lock": _CHANGE,
    "model_evaluations": _ADD,
    "promotion_decisions": _CHANGE,
    "production_pointer": _CHANGE,
}
GRANTS = {SERVICE: _SERVICE, MONITOR: _MONITOR, PROMOTER: _PROMOTER}
FUNCTIONS = ("pmmds_make_day", "pmmds_drop_day", "pmmds_drop_empty_day")
_EXECUTE = dict.fromkeys(FUNCTIONS, "EXECUTE")

_STATEMENTS = (("INSERT INTO|COPY", "INSERT"), ("UPDATE", "UPDATE"), ("DELETE FROM", "DELETE"))


def rights_of(role: str) -> Mapping[str, frozenset[str]]:
    """Table or function → rights; the promoter's with the monitor's."""
    held = {SERVICE: (_SERVICE,), MONITOR: (_MONITOR, _EXECUTE), PROMOTER: (_PROMOTER, _MONITOR, _EXECUTE)}[role]
    found: dict[str, frozenset[str]] = {}
    for lines in held:
        for name, rights in lines.items():
            found[name] = found.get(name, frozenset()) | frozenset(rights.split(", "))
    return found


def refused(place: str, statement: str, said: str) -> RightMissingError:
    """The error for a statement that PostgreSQL refused.

    Args:
        place: the database, for the message.
        statement: its SQL; what it wanted of the table is read from it.
        said: PostgreSQL's message, which names the table and not the right.
    """
    whole = re.search(r'permission denied for (database|schema) "?([^"\s]+)"?', said)
    if whole is not None:
        return _whole_missing(place, whole[1], whole[2], statement)
    found = re.search(r"permission denied for (table|function|sequence) (\w+)", said)
    if found is None:
        return right_missing(place, said.strip().partition("\n")[0], ())
    kind, name = found.groups()
    wanted = _wanted(statement, name) if kind == "table" else {"EXECUTE" if kind == "function" else "USAGE"}
    roles = [role for role in ROLES if wanted <= rights_of(role).get(name, frozenset())]
    return right_missing(place, f"no {' and '.join(sorted(wanted))} on {name}", roles)


def _whole_missing(place: str, kind: str, name: str, statement: str) -> RightMissingError:
    """For a right on a whole database or schema, which no role of PMMDS's holds and its owner gives."""
    if kind == "database":
        right, advice = "CONNECT", "Its owner runs `GRANT CONNECT ON DATABASE {name} TO login`"
    elif re.match(r"\s*CREATE\b", statement, re.IGNORECASE):
        right = "CREATE"
        advice = "Tables are made by the database's owner: run `ALTER DATABASE … OWNER TO login`, or use its login"
    else:
        right, advice = "USAGE", "The tables' owner runs `pmmds db roles --apply`"
    return RightMissingError(
        f"The {place} does not let this user do that (no {right} on {kind} {name}).",
        next_step=f"{advice.format(name=name)}.",
    )


def _wanted(statement: str, table: str) -> set[str]:
    """The rights on the table that the statement needs beside SELECT; SELECT when it is only read."""
    wanted = {right for verb, right in _STATEMENTS if re.search(rf'\b({verb})\s+"?{table}\b', statement, re.IGNORECASE)}
    if re.search(r"\bDO UPDATE\b|\bFOR (NO KEY )?UPDATE\b", statement, re.IGNORECASE):
        wanted.add("UPDATE")
    return wanted or {"SELECT"}


def right_missing(place: str, lacks: str, roles: Sequence[str]) -> RightMissingError:
    """One sentence: what is missing, and whose login has it; without `roles` nobody has it but the owner."""
    if roles:
        advice = (
            f"Set PMMDS_DATABASE_URL to a login that is a member of {' or '.join(roles)}; if this one is, "
            "the tables' owner runs `pmmds db roles --apply`."
        )
    else:
        makes_roles = " and may make roles" if "role" in lacks else ""
        advice = f"Set PMMDS_DATABASE_URL to the login that owns the tables{makes_roles}: it alone may."
    return RightMissingError(f"The {place} does not let this user do that ({lacks}).", next_step=advice)
