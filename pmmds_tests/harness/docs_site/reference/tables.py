"""The page of the database's tables and columns."""

from __future__ import annotations

import sqlalchemy as sa

from pmmds_core.config.settings import Settings
from pmmds_core.deployment import Deployment
from pmmds_core.stores.database import tables
from pmmds_tests.harness.docs_site.reference.markdown import code, page, table

_HEADER = ("column", "type", "key", "may be null")


def tables_page() -> str:
    sections = [f"## {t.name}\n\n{columns(t)}" for t in all_tables()]
    note = (
        "The feature columns of `prediction_logs` are those of the packaged contract `telco_churn`; "
        "with another contract, they are that contract's features."
    )
    return page("Database tables", "`pmmds_core/stores/database/tables.py`", note, *sections)


def all_tables() -> list[sa.Table]:
    """The fixed tables and the prediction log of the packaged contract, by name."""
    log = tables.prediction_logs(Deployment(Settings()).contract)
    return sorted([*tables.fixed.tables.values(), log], key=lambda t: t.name)


def columns(found: sa.Table) -> str:
    return table(_HEADER, ((code(c.name), kind(c), key(c), "yes" if c.nullable else "no") for c in found.columns))


def kind(column: sa.Column[object]) -> str:
    if isinstance(column.type, tables.UtcDateTime):
        return "timestamp (UTC)"
    return str(column.type).lower()


def key(column: sa.Column[object]) -> str:
    if column.primary_key:
        return "primary"
    return ", ".join(f"refers to `{k.target_fullname}`" for k in column.foreign_keys)
