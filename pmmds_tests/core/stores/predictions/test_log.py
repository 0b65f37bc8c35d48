"""Each prediction is logged once with its values, and counting predictions is cheap."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest
import sqlalchemy as sa

from pmmds_core.contracts.contract import Contract
from pmmds_core.errors import SchemaOutdatedError
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.predictions.log import Appended, PredictionLog
from pmmds_tests.harness.prediction_records import NOON, make_records


@pytest.fixture
def log(database: Database, contract: Contract) -> PredictionLog:
    return PredictionLog(database, contract)


def test_a_prediction_record_round_trips(log: PredictionLog, contract: Contract) -> None:
    records = make_records(contract, 5)
    assert log.append(records) == 5
    assert log.find([r.request_id for r in records] + ["nobody"]) == {r.request_id: r for r in records}


def test_a_repeated_delivery_is_logged_once(log: PredictionLog, contract: Contract) -> None:
    records = make_records(contract, 2500)
    assert log.append(records[:2000]) == 2000
    assert log.append(records) == 500
    assert log.append(records) == 0
    assert log.count() == 2500


def test_a_record_with_an_id_in_use_is_returned_and_not_logged(log: PredictionLog, contract: Contract) -> None:
    first, second, third = make_records(contract, 3)
    at = {"request_id": first.request_id, "predicted_at": first.predicted_at}
    second, third = (msgspec.structs.replace(r, **at) for r in (second, third))
    assert log.add([first, second]) == Appended(1, 0, taken=(second,))
    assert log.add([third, first]) == Appended(0, 1, taken=(third,))
    assert log.find([first.request_id]) == {first.request_id: first}


def test_the_database_stops_counting_at_a_limit(log: PredictionLog, contract: Contract) -> None:
    records = make_records(contract, 30, step=timedelta(hours=1))
    log.append(records)
    since = NOON + timedelta(hours=10)
    expected = sum(record.predicted_at >= since for record in records)
    assert [log.count(start=since, at_most=n) for n in (7, 20, 21)] == [7, expected, expected]
    assert log.count(start=since) == expected == 20


def test_an_empty_delivery_is_accepted(log: PredictionLog) -> None:
    assert log.append([]) == 0


def test_a_delivery_is_atomic(log: PredictionLog, contract: Contract) -> None:
    good, bad = make_records(contract, 2)
    with pytest.raises(sa.exc.SQLAlchemyError):
        log.append([good, msgspec.structs.replace(bad, model_name=None)])
    assert log.count() == 0


def test_nan_and_none_are_both_stored_as_missing_values(log: PredictionLog, contract: Contract) -> None:
    (nan,) = make_records(contract, 1, prefix="nan", overrides={"monthly_charges": math.nan})
    (none,) = make_records(contract, 1, prefix="none", overrides={"monthly_charges": None, "gender": None})
    log.append([nan, none])
    position = contract.feature_names.index("monthly_charges")
    assert [r.features[position] for r in log.find(["nan0", "none0"]).values()] == [None, None]


def test_timestamps_are_stored_as_utc(log: PredictionLog, contract: Contract) -> None:
    (record,) = make_records(contract, 1)
    abroad = record.predicted_at.astimezone(timezone(timedelta(hours=9)))
    log.append([msgspec.structs.replace(record, predicted_at=abroad)])
    found = log.recent(1)[0].predicted_at
    assert found == record.predicted_at
    assert found.tzinfo is UTC


def test_predictions_are_counted_by_version_and_half_open_window(log: PredictionLog, contract: Contract) -> None:
    log.append(make_records(contract, 10, version="1"))
    log.append(make_records(contract, 4, version="2", prefix="s"))
    assert log.count() == 14
    assert log.count("2") == 4
    assert log.count(start=NOON, end=NOON + timedelta(seconds=3)) == 6
    assert log.count("1", start=NOON + timedelta(seconds=9)) == 1


def test_the_newest_prediction_records_are_returned_first(log: PredictionLog, contract: Contract) -> None:
    log.append(make_records(contract, 10))
    assert [r.request_id for r in log.recent(3)] == ["r9", "r8", "r7"]


def test_an_empty_log_has_a_summary(log: PredictionLog) -> None:
    summary = log.summary()
    assert (summary.n_rows, summary.newest_predicted_at, summary.versions) == (0, None, {})


def test_the_log_summary_reflects_the_logged_rows(log: PredictionLog, contract: Contract) -> None:
    empty = log.summary().digest
    before = datetime.now(UTC) - timedelta(seconds=5)
    log.append(make_records(contract, 3, version="1"))
    log.append(make_records(contract, 2, version="2", prefix="s"))
    summary = log.summary()
    assert summary.versions == {"1": 3, "2": 2}
    assert summary.n_rows == 5
    assert summary.newest_predicted_at == NOON + timedelta(seconds=2)
    assert summary.newest_ingested_at is not None
    assert before < summary.newest_ingested_at < datetime.now(UTC) + timedelta(seconds=5)
    assert summary.digest != empty
    assert log.summary().digest == summary.digest


def test_the_log_summary_uses_only_an_index(database: Database, log: PredictionLog, contract: Contract) -> None:
    if database.dialect != "sqlite":
        pytest.skip("PostgreSQL chooses the plan by table size; a benchmark measures it")
    with database.connect() as connection:
        query = "EXPLAIN QUERY PLAN SELECT model_version, count(*) FROM prediction_logs GROUP BY model_version"
        plan = " ".join(str(row) for row in connection.exec_driver_sql(query))
    assert "USING COVERING INDEX ix_prediction_logs_version" in plan


def test_no_rows_are_lost_with_many_concurrent_writers(
    open_again: Callable[[], Database], log: PredictionLog, contract: Contract
) -> None:
    records = make_records(contract, 800)

    def deliver(part: int) -> int:
        other = PredictionLog(open_again(), contract)
        return sum(other.append(records[i : i + 20]) for i in range(part * 100, part * 100 + 200, 20))

    with ThreadPoolExecutor(7) as pool:
        written = sum(pool.map(deliver, range(7)))  # Each part overlaps the next by half.
    assert written == 800
    assert log.count() == 800


def test_the_error_for_a_missing_column_suggests_the_migrate_command(database: Database, contract: Contract) -> None:
    with database.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE prediction_logs DROP COLUMN tenure")
    with pytest.raises(SchemaOutdatedError, match=r"tenure.*Run `pmmds db migrate`"):
        PredictionLog(database, contract).append(make_records(contract, 1))


def test_text_values_that_need_escaping_round_trip(log: PredictionLog, contract: Contract) -> None:
    texts = ["a\tb", "a\nb", "a\rb", "\\N", "\\", "\\.", "a\\tb", "", "é\u2028", "'\"", "%s", "NULL"]
    records = [
        msgspec.structs.replace(r, request_id=f"x{i}", features=(texts[i % len(texts)], *r.features[1:]))
        for i, r in enumerate(make_records(contract, 60, overrides={"tenure": None}))
    ]
    assert log.append(records) == 60
    assert log.find([r.request_id for r in records]) == {r.request_id: r for r in records}


def test_redelivery_completes_a_partly_logged_delivery(log: PredictionLog, contract: Contract) -> None:
    records = make_records(contract, 100)
    assert log.append(records[40:70]) == 30
    assert log.append(records) == 70
    assert log.find([r.request_id for r in records]) == {r.request_id: r for r in records}
