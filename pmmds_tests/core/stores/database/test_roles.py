"""Each database role can do its own work and nothing else."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import ProgrammingError

from pmmds_cli.processes import doctor
from pmmds_core.config.settings import Settings
from pmmds_core.contracts.contract import Contract
from pmmds_core.errors import DataError, PmmdsError, RightMissingError
from pmmds_core.profiling.reference_profile import fit_profile
from pmmds_core.stores.database.engine import open_database
from pmmds_core.stores.database.grants import (
    FUNCTIONS,
    GRANTS,
    MONITOR,
    PROMOTER,
    READ_COLUMNS,
    SERVICE,
    UPDATED_COLUMNS,
)
from pmmds_core.stores.database.partitions import keep_days
from pmmds_core.stores.database.schema import migrate
from pmmds_core.stores.database.tables import fixed
from pmmds_core.stores.lifecycle.status import read_loop_state
from pmmds_core.workflows.alert_updates import resolve_alert
from pmmds_core.workflows.log_archiving import archive_due_days
from pmmds_core.workflows.promotion import put_into_production
from pmmds_tests.core.stores.database.role_work import CHANGES_TABLES, As, refused, serve
from pmmds_tests.core.workflows.test_promotion import decide
from pmmds_tests.harness.fakes import FileRegistry
from pmmds_tests.harness.postgres import Cluster
from pmmds_tests.harness.prediction_records import NOON, columns_of, make_records

pytestmark = pytest.mark.postgres


MOVES = (
    "UPDATE production_pointer SET version = '9'",
    "INSERT INTO production_pointer VALUES ('m', '9', 'x', 1, now())",
    "UPDATE promotion_decisions SET state = 'recorded'",
    "INSERT INTO model_evaluations DEFAULT VALUES",
)


UPSERT = f"{MOVES[1]} ON CONFLICT (model_name) DO UPDATE SET version = '9'"


def test_grants_are_defined_for_every_table() -> None:
    named = {table for tables in GRANTS.values() for table in tables}
    assert {*fixed.tables, "prediction_logs", "prediction_logs_default", "alembic_version"} == named


def test_the_service_can_only_log_rows_and_labels(acting_as: As) -> None:
    d = acting_as(SERVICE)
    serve(d)
    assert d.prediction_log.summary().n_rows == 60
    assert d.decisions.recent() == []
    assert read_loop_state(d.database, d.model_name).outbox.keys() == {"notification", "webhook"}
    refused(
        d, *CHANGES_TABLES, *MOVES, "SELECT pmmds_make_day('2030-01-01')", "SELECT pmmds_drop_empty_day('2020-01-01')"
    )
    refused(d, "INSERT INTO drift_reports DEFAULT VALUES", "SELECT * FROM alert_notifications")


@pytest.mark.parametrize(
    ("statement", "lacks", "whose"),
    [
        (
            "SELECT count(*) FROM stale_hours",
            "no SELECT on stale_hours",
            "a member of pmmds_monitor or pmmds_promoter.",
        ),
        (
            "UPDATE promotion_decisions SET state = 'x'",
            "no UPDATE on promotion_decisions",
            "a member of pmmds_promoter.",
        ),
        (
            "SELECT 1 FROM production_pointer FOR UPDATE",
            "no UPDATE on production_pointer",
            "a member of pmmds_promoter.",
        ),
        ("DELETE FROM stale_hours", "no DELETE on stale_hours", "a member of pmmds_monitor or pmmds_promoter."),
        (
            UPSERT,
            "no INSERT and UPDATE on production_pointer",
            "a member of pmmds_promoter.",
        ),
        ("SELECT pmmds_make_day('2030-01-01')", "no EXECUTE on pmmds_make_day", "pmmds_monitor or pmmds_promoter."),
        ("DELETE FROM ground_truth", "no DELETE on ground_truth", "the login that owns the tables."),
        ("DROP TABLE ground_truth", "must be owner of table ground_truth", "the login that owns the tables."),
    ],
)
def test_the_error_names_the_missing_privilege_and_the_roles_that_have_it(
    acting_as: As, statement: str, lacks: str, whose: str
) -> None:
    with pytest.raises(RightMissingError) as reported, acting_as(SERVICE).database.begin() as connection:
        connection.exec_driver_sql(statement)
    assert f"denied permission to this user ({lacks})." in reported.value.message
    assert whose in reported.value.next_step


def test_errors_for_missing_connect_and_create_privileges_name_the_owner(
    acting_as: As, postgres_cluster: Cluster, contract: Contract
) -> None:
    stranger = acting_as(SERVICE).settings.database_url
    with postgres_cluster.fresh_database() as url:
        name = url.rpartition("/")[2]
        database = open_database(Settings(database_url=f"{stranger.rpartition('/')[0]}/{name}"))
        with pytest.raises(
            RightMissingError, match=r"\(no CREATE on schema public\)\. .*ALTER DATABASE … OWNER TO login"
        ):
            migrate(database, contract)
        owner = open_database(Settings(database_url=url))
        with owner.begin() as connection:
            connection.exec_driver_sql(f"REVOKE CONNECT ON DATABASE {name} FROM PUBLIC")
        database.close()
        with pytest.raises(
            RightMissingError, match=rf"no CONNECT on database {name}\)\. .*GRANT CONNECT ON DATABASE {name}"
        ):
            database.ping()
        owner.close()
        database.close()


def test_privileges_are_checked_before_operations_with_several_steps(acting_as: As) -> None:
    for role in GRANTS:
        acting_as(role).require_rights(role)
    acting_as(PROMOTER).require_rights(MONITOR)
    with pytest.raises(
        RightMissingError, match=r"\(no INSERT on retraining_runs and 12 more privileges\)\. .* pmmds_promoter\."
    ):
        acting_as(MONITOR).require_rights(PROMOTER)


def test_the_monitor_cannot_change_the_production_pointer(acting_as: As) -> None:
    serve(acting_as(SERVICE))
    d = acting_as(MONITOR)
    records = make_records(d.contract, 100, seed=3)
    profile = fit_profile(d.contract, columns_of(d.contract, records), np.array([r.probability for r in records]))
    assert d.histograms.refresh(lambda _: profile, d.model_name, NOON, NOON + timedelta(hours=1)).n_rows == 60
    assert resolve_alert(d) is None
    assert d.ground_truth.match_waiting().accepted == 0
    (part,) = archive_due_days(d, NOON + timedelta(days=9)).parts
    assert part.n_rows == 60
    assert d.prediction_log.count() == 0
    assert d.ground_truth.labelled_rows().n_rows == 60
    refused(d, *CHANGES_TABLES, *MOVES, "INSERT INTO prediction_logs DEFAULT VALUES")


def test_the_promoter_can_move_the_production_pointer_but_not_alter_tables(acting_as: As, tmp_path: Path) -> None:
    serve(acting_as(SERVICE))
    d, registry = acting_as(PROMOTER), FileRegistry(tmp_path / "alias")
    moved = put_into_production(decide(d.decisions, "1", None), d.decisions, registry)
    assert moved.moved
    assert registry.moves == ["1"]
    assert d.ground_truth.labelled_rows().n_rows == 60
    refused(d, *CHANGES_TABLES)
    seen = acting_as(MONITOR).decisions.pointer()
    assert seen is not None
    assert seen.version == "1"


def test_the_monitor_cannot_drop_a_partition_without_recording_it(acting_as: As) -> None:
    serve(acting_as(SERVICE))
    d = acting_as(MONITOR)
    keep_days(d.database)
    digest = "a" * 64
    refused(d, "INSERT INTO prediction_archives VALUES ('2026-03-01', 1, 'x', 60, 0, 1, 'x', now())")
    for file, n_rows, n_repeated, said in (
        ("../2026-03-01.aaaaaaaaaaaa.0000.parquet", 60, 0, "is not a part of the day"),
        ("2026-03-01.aaaaaaaaaaaa.0000.parquet", 0, 60, "earlier parts of the day 2026-03-01 have only 0 rows"),
        ("2026-03-01.aaaaaaaaaaaa.0000.parquet", -1, 61, "is not a part of the day"),
    ):
        with pytest.raises(ProgrammingError, match=said), d.database.begin() as connection:
            connection.execute(
                sa.select(sa.func.pmmds_drop_day(NOON.date(), file, n_rows, n_repeated, 1, digest))
            ).scalar_one()
    with d.database.begin() as connection:
        assert not connection.execute(sa.select(sa.func.pmmds_drop_empty_day(NOON.date()))).scalar_one()
        part = ("2026-03-01.aaaaaaaaaaaa.0000.parquet", 59, 0, 1, digest)
        assert not connection.execute(sa.select(sa.func.pmmds_drop_day(NOON.date(), *part))).scalar_one()
    assert d.prediction_log.count() == 60


def test_dropping_duplicate_rows_is_recorded_with_a_separate_file(acting_as: As) -> None:
    """The database cannot compare rows with a file, so it records the values that the login reported."""
    serve(acting_as(SERVICE))
    d = acting_as(MONITOR)
    (part,) = archive_due_days(d, NOON + timedelta(days=9)).parts
    serve_again = make_records(d.contract, 10, start=NOON)
    assert acting_as(SERVICE).prediction_log.append(serve_again) == 10
    keep_days(d.database)

    def drop(file: str, digest: str) -> bool:
        with d.database.begin() as connection:
            drop_day = sa.func.pmmds_drop_day(NOON.date(), file, 0, 10, 1, digest)
            return bool(connection.execute(sa.select(drop_day)).scalar_one())

    with pytest.raises(ProgrammingError, match="is already recorded"):
        drop(part.file, part.digest)
    assert drop("2026-03-01.aaaaaaaaaaaa.0000.parquet", "a" * 64)
    with d.archive.snapshot() as connection:
        assert [(p.n_rows, p.n_repeated) for p in d.archive.parts(connection)] == [(60, 0), (0, 10)]
    with pytest.raises(DataError, match="cannot be found"):
        d.ground_truth.labelled_rows()
    with pytest.raises(PmmdsError, match=r"^1 of 2 archived parts .*2026-03-01.aaaaaaaaaaaa.0000.parquet"):
        doctor.archive(d)


def test_roles_have_no_privileges_other_than_the_listed_ones(acting_as: As) -> None:
    with acting_as(SERVICE).database.connect() as connection:
        found = connection.exec_driver_sql(
            "SELECT grantee::regrole::text, relname::text, privilege_type FROM pg_class, "
            "LATERAL aclexplode(relacl) WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v')"
        ).all()
        unsafe = connection.exec_driver_sql(
            "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef "
            "AND NOT coalesce(array_to_string(proconfig, ',') LIKE '%%search_path=%%', false)"
        ).all()
        callers = connection.exec_driver_sql(
            "SELECT proname::text, grantee::regrole::text FROM pg_proc, LATERAL aclexplode(proacl) "
            "WHERE pronamespace = 'public'::regnamespace"
        ).all()
        columns = connection.exec_driver_sql(
            "SELECT DISTINCT grantee::regrole::text, relname::text, attname::text, privilege_type FROM pg_attribute "
            "JOIN pg_class ON pg_class.oid = attrelid, LATERAL aclexplode(attacl) "
            "WHERE relnamespace = 'public'::regnamespace"
        ).all()
    wanted = {(r, t, p) for r, tables in GRANTS.items() for t, rights in tables.items() for p in rights.split(", ")}
    by_column = {(r, t) for r, t, p in wanted if p == "UPDATE" and t in UPDATED_COLUMNS}
    wanted -= {(r, t, "UPDATE") for r, t in by_column}
    assert {(role, table, right) for role, table, right in found if role != "postgres"} == wanted
    updated = {(r, t, c, "UPDATE") for r, t in by_column for c in UPDATED_COLUMNS[t]}
    read = {(r, t, c, "SELECT") for r, tables in READ_COLUMNS.items() for t, names in tables.items() for c in names}
    assert {tuple(row) for row in columns} == updated | read
    assert unsafe == []
    assert {(name, role) for name, role in callers if role != "postgres"} == {(name, MONITOR) for name in FUNCTIONS}
