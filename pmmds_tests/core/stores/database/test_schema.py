"""The schema is created and follows the contract, and migrations never lose data."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
import sqlalchemy as sa

from pmmds_core.contracts.contract import Contract, Feature
from pmmds_core.errors import SchemaOutdatedError
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.schema import HEAD, SCRIPTS, check_schema, migrate, schema_status
from pmmds_core.stores.database.tables import fixed, prediction_logs
from pmmds_core.stores.predictions.log import PredictionLog
from pmmds_tests.harness.prediction_records import make_records

EXTRA = Feature(
    name="loyalty_points", source="x", kind="numeric", type="integer", description="Points.", example="3", minimum=0
)


def with_features(contract: Contract, features: tuple[Feature, ...]) -> Contract:
    return msgspec.structs.replace(contract, features=features)


def is_no_day(name: str | None, type_: str, _parents: object) -> bool:
    """Return False if the name is a daily partition of prediction_logs on PostgreSQL."""
    return not (type_ == "table" and str(name).startswith("prediction_logs_"))


def test_a_migrated_database_matches_the_table_definitions(database: Database, contract: Contract) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    wanted = sa.MetaData()
    for table in (*fixed.tables.values(), prediction_logs(contract)):
        table.to_metadata(wanted)
    with database.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "include_name": is_no_day})
        assert compare_metadata(context, wanted) == []


def test_the_head_constant_is_the_newest_revision() -> None:
    from alembic.script import ScriptDirectory

    assert ScriptDirectory(str(SCRIPTS)).get_current_head() == HEAD


def test_migrate_reports_its_changes_and_is_idempotent(empty_database: Database, contract: Contract) -> None:
    first = migrate(empty_database, contract)
    assert first[0] == f"Created the tables (revision {HEAD})."
    assert first[1].startswith("Added 19 columns to prediction_logs: gender, senior_citizen,")
    assert migrate(empty_database, contract) == []


def test_an_empty_database_is_reported_as_outdated(empty_database: Database, contract: Contract) -> None:
    status = schema_status(empty_database, contract)
    assert status.revision is None
    assert not status.is_current
    with pytest.raises(SchemaOutdatedError, match=r"has no tables yet\. Run `pmmds db migrate`"):
        check_schema(empty_database, contract)


def test_adding_a_feature_adds_a_column_and_keeps_the_rows(database: Database, contract: Contract) -> None:
    PredictionLog(database, contract).append(make_records(contract, 3))
    wider = with_features(contract, (*contract.features, EXTRA))
    with pytest.raises(SchemaOutdatedError, match="missing: loyalty_points"):
        check_schema(database, wider)
    assert migrate(database, wider) == ["Added 1 column to prediction_logs: loyalty_points."]
    check_schema(database, wider)
    assert [r.features[-1] for r in PredictionLog(database, wider).recent(9)] == [None] * 3


def test_removing_a_feature_is_rejected_while_there_are_rows(database: Database, contract: Contract) -> None:
    narrower = with_features(contract, contract.features[1:])
    PredictionLog(database, contract).append(make_records(contract, 1))
    with pytest.raises(SchemaOutdatedError, match="gender"):
        migrate(database, narrower)
    check_schema(database, contract)


def test_a_removed_feature_is_dropped_if_there_are_no_rows(database: Database, contract: Contract) -> None:
    narrower = with_features(contract, contract.features[1:])
    assert migrate(database, narrower) == ["Removed 1 column from prediction_logs: gender."]
    assert schema_status(database, narrower).is_current


def retyped(contract: Contract) -> Contract:
    features = tuple(msgspec.structs.replace(f, type="float") if f.name == "tenure" else f for f in contract.features)
    return with_features(contract, features)


def test_a_changed_type_is_rejected_while_there_are_rows(database: Database, contract: Contract) -> None:
    PredictionLog(database, contract).append(make_records(contract, 1))
    with pytest.raises(SchemaOutdatedError, match="tenure is logged as integer but the contract defines float"):
        migrate(database, retyped(contract))


def test_a_changed_type_is_applied_if_there_are_no_rows(database: Database, contract: Contract) -> None:
    migrate(database, retyped(contract))
    assert schema_status(database, retyped(contract)).is_current


def test_an_existing_column_of_another_type_is_rejected(database: Database, contract: Contract) -> None:
    with database.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE prediction_logs ADD COLUMN loyalty_points TEXT")
    with pytest.raises(SchemaOutdatedError, match="loyalty_points of type string"):
        migrate(database, with_features(contract, (*contract.features, EXTRA)))


def test_a_failed_migration_creates_no_tables(empty_database: Database, contract: Contract) -> None:
    twice = with_features(contract, (*contract.features, contract.features[0]))
    with pytest.raises(sa.exc.SQLAlchemyError):
        migrate(empty_database, twice)
    with empty_database.connect() as connection:
        assert sa.inspect(connection).get_table_names() == []


def test_a_database_with_a_newer_schema_is_not_changed(database: Database, contract: Contract) -> None:
    with database.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaOutdatedError, match="revision 9999, which this program does not support"):
        migrate(database, contract)


def test_only_one_of_several_concurrent_migrations_makes_changes(
    open_again: Callable[[], Database], contract: Contract
) -> None:
    databases = [open_again() for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        done = list(pool.map(lambda d: migrate(d, contract), databases))
    assert sum(bool(sentences) for sentences in done) == 1
    check_schema(databases[0], contract)
