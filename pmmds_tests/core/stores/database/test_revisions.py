"""Schema revisions, tested with a fictitious later revision: older and newer databases, and failed upgrades."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import sqlalchemy as sa

from pmmds_core.contracts.contract import Contract
from pmmds_core.errors import SchemaNewerError, SchemaOutdatedError
from pmmds_core.stores.database import schema
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.predictions.log import PredictionLog
from pmmds_tests.harness.prediction_records import make_records

LATER = "9000"
REVISION = """
import sqlalchemy as sa
from alembic import op

revision = "{later}"
down_revision = "{head}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("ground_truth", sa.Column("confidence", sa.Float()))
    {last}
"""


def release_later(monkeypatch: pytest.MonkeyPatch, folder: Path, last: str = "") -> None:
    """Make LATER the newest revision of this program; `last` is the last statement of the revision."""
    scripts = folder / "migrations"
    shutil.copytree(schema.SCRIPTS, scripts, ignore=shutil.ignore_patterns("__pycache__"))
    text = REVISION.format(later=LATER, head=schema.HEAD, last=last)
    (scripts / "versions" / f"{LATER}_made_up.py").write_text(text)
    monkeypatch.setattr(schema, "SCRIPTS", scripts)
    monkeypatch.setattr(schema, "HEAD", LATER)


def has_column(database: Database) -> bool:
    with database.connect() as connection:
        return "confidence" in {c["name"] for c in sa.inspect(connection).get_columns("ground_truth")}


def test_a_later_revision_requires_a_migration(
    database: Database, contract: Contract, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, head = PredictionLog(database, contract), schema.HEAD
    log.append(make_records(contract, 3))
    release_later(monkeypatch, tmp_path)
    with pytest.raises(SchemaOutdatedError, match=f"at revision {head}, .* {LATER}.*`pmmds db migrate`"):
        schema.check_schema(database, contract)
    assert schema.migrate(database, contract) == [f"Upgraded from {head} to {LATER}."]
    schema.check_schema(database, contract)
    assert has_column(database)
    assert log.count() == 3
    assert schema.migrate(database, contract) == []


def test_an_older_program_rejects_a_database_with_a_later_revision(
    database: Database, contract: Contract, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as later:
        release_later(later, tmp_path)
        schema.migrate(database, contract)
    for use in (schema.check_schema, schema.migrate):
        with pytest.raises(SchemaNewerError, match=LATER):
            use(database, contract)
    assert has_column(database)


def test_a_failed_upgrade_does_not_change_the_database(
    database: Database, contract: Contract, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = schema.HEAD
    with monkeypatch.context() as later:
        release_later(later, tmp_path, last="raise RuntimeError('disk full')")
        with pytest.raises(RuntimeError, match="disk full"):
            schema.migrate(database, contract)
    assert schema.schema_status(database, contract).revision == head
    assert not has_column(database)
