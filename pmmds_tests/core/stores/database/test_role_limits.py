"""The roles cannot store invalid values, replace archived rows, or block others with locks."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from sqlalchemy.exc import IntegrityError, ProgrammingError

from pmmds_core.errors import DatabaseUnavailableError
from pmmds_core.stores.database import dialects, engine
from pmmds_core.stores.database.grants import (
    MONITOR,
    PROMOTER,
    SERVICE,
)
from pmmds_core.stores.predictions.label_history import LabelItem
from pmmds_core.workflows.log_archiving import archive_due_days
from pmmds_tests.core.stores.database.role_work import As, refused, serve
from pmmds_tests.harness.prediction_records import NOON, make_records

pytestmark = pytest.mark.postgres


def test_the_service_cannot_replace_an_archived_row(acting_as: As) -> None:
    service, d = acting_as(SERVICE), acting_as(MONITOR)
    serve(service)
    before = d.ground_truth.labelled_rows().probabilities.tolist()
    archive_due_days(d, NOON + timedelta(days=9))
    false = [msgspec.structs.replace(r, probability=0.5) for r in make_records(d.contract, 60, start=NOON)]
    assert service.prediction_log.append(false) == 60
    assert d.ground_truth.labelled_rows().probabilities.tolist() == before
    assert len(d.archive.contradicted()) == 60


@pytest.mark.parametrize("day", ["20260-01-01", "infinity", "2200-01-01", "1800-01-01"])
def test_the_monitor_cannot_create_partitions_for_arbitrary_days(acting_as: As, day: str) -> None:
    with pytest.raises(ProgrammingError, match="the day"), acting_as(MONITOR).database.begin() as connection:
        connection.exec_driver_sql(f"SELECT pmmds_make_day('{day}')")


@pytest.mark.parametrize("role", [SERVICE, MONITOR])
def test_only_the_promoter_can_lock_a_promotion(acting_as: As, role: str) -> None:
    d = acting_as(PROMOTER)
    with d.decisions.transaction():
        pass
    refused(
        acting_as(role), "SELECT 1 FROM production_pointer FOR UPDATE", "LOCK TABLE training_lock IN EXCLUSIVE MODE"
    )
    with acting_as(role).database.begin() as other:
        other.exec_driver_sql("SELECT pg_advisory_xact_lock(x'706D6D7074'::bigint)")
        with d.decisions.transaction() as turn:
            assert turn.pointer() is None


LOCKABLE = ("prediction_logs", "client_request_ids", "ground_truth", "label_observations", "prediction_archives")


@pytest.mark.parametrize("table", LOCKABLE)
@pytest.mark.parametrize(
    "mode", ["ACCESS EXCLUSIVE", "EXCLUSIVE", "SHARE ROW EXCLUSIVE", "SHARE UPDATE EXCLUSIVE", "SHARE"]
)
def test_the_service_cannot_lock_a_table_that_training_reads(acting_as: As, table: str, mode: str) -> None:
    refused(acting_as(SERVICE), f"LOCK TABLE {table} IN {mode} MODE")


def test_service_locks_do_not_block_label_reads_but_imports_time_out(
    acting_as: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(acting_as(SERVICE))
    d = acting_as(MONITOR)
    monkeypatch.setattr(dialects, "WRITERS_WAIT_SECONDS", 1)
    record = make_records(d.contract, 1, start=NOON)[0]
    with acting_as(SERVICE).database.begin() as attacker:
        attacker.exec_driver_sql("SELECT * FROM ground_truth FOR UPDATE")
        attacker.exec_driver_sql("SELECT * FROM label_observations FOR UPDATE")
        attacker.exec_driver_sql("LOCK TABLE prediction_logs, client_request_ids IN ROW EXCLUSIVE MODE")
        assert d.ground_truth.labelled_rows().n_rows == 60
        with pytest.raises(DatabaseUnavailableError, match=r"is locked by another session.*pg_terminate_backend"):
            d.ground_truth.add([LabelItem(record.request_id, 0, NOON)])
    assert d.ground_truth.add([LabelItem(record.request_id, 0, NOON)]).updated == 1


def test_reading_a_table_that_the_service_has_locked_times_out(acting_as: As, monkeypatch: pytest.MonkeyPatch) -> None:
    """The DELETE privilege on shadow_predictions permits any lock on that table, so reads need a timeout."""
    monkeypatch.setattr(engine, "LOCK_WAIT_SECONDS", 1)
    d = acting_as(MONITOR)
    with acting_as(SERVICE).database.begin() as attacker:
        attacker.exec_driver_sql("LOCK TABLE shadow_predictions IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(DatabaseUnavailableError, match="is locked by another session"):
            d.shadow.totals()
    assert d.shadow.totals() == {}


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO ground_truth VALUES ('x', 7, now(), now())",
        "INSERT INTO prediction_logs VALUES ('x', now(), now(), 'm', '1', 1, 'NaN', 1)",
        "INSERT INTO prediction_logs VALUES ('x', now(), now(), 'm', '1', 1, 7, 1)",
        "INSERT INTO prediction_logs VALUES ('x', now(), now(), 'm', '1', 9, 0.5, 1)",
        "INSERT INTO shadow_predictions VALUES ('1', 'x', 'm', now(), 'Infinity', 1, now())",
    ],
)
def test_values_that_would_break_reports_are_rejected(acting_as: As, statement: str) -> None:
    with pytest.raises(IntegrityError, match="_value"), acting_as(SERVICE).database.begin() as connection:
        connection.exec_driver_sql(statement)


@pytest.mark.parametrize("timestamp", ["infinity", "-infinity", "20000-01-01", "9999-01-01", "1969-12-31"])
def test_timestamps_outside_the_allowed_range_are_rejected(acting_as: As, timestamp: str) -> None:
    statements = (
        f"INSERT INTO ground_truth VALUES ('x', 1, '{timestamp}', now())",
        f"INSERT INTO client_request_ids VALUES ('x', 'd', 'y', '{timestamp}')",
        f"INSERT INTO shadow_predictions VALUES ('1', 'x', 'm', '{timestamp}', 0.5, 1, now())",
        f"INSERT INTO prediction_logs VALUES ('x', '{timestamp}', now(), 'm', '1', 1, 0.5, 1)",
    )
    for statement in statements:
        with pytest.raises(IntegrityError, match="_range"), acting_as(SERVICE).database.begin() as connection:
            connection.exec_driver_sql(statement)
