"""Daily partitions on PostgreSQL: rows are stored by day, ids are unique, and queries read few partitions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from pmmds_core.config.settings import Settings
from pmmds_core.contracts.contract import Contract
from pmmds_core.stores.database.engine import Database, open_database
from pmmds_core.stores.database.partitions import DAYS_AHEAD, days_in_default_partition, days_of, keep_days
from pmmds_core.stores.database.tables import client_request_ids, prediction_logs
from pmmds_core.stores.predictions.label_history import LabelItem
from pmmds_core.stores.predictions.labels import GroundTruthStore
from pmmds_core.stores.predictions.log import PredictionLog, PredictionRecord
from pmmds_core.stores.predictions.request_ids import uuid7_timestamp_prefix
from pmmds_tests.harness.prediction_records import NOON, make_records

pytestmark = pytest.mark.postgres
DAY = timedelta(days=1)


@pytest.fixture
def open_again(postgres_url: str) -> Iterator[Callable[[], Database]]:
    opened: list[Database] = []

    def open_one() -> Database:
        opened.append(open_database(Settings(home="unused", database_url=postgres_url)))
        return opened[-1]

    yield open_one
    for database in opened:
        database.close()


@pytest.fixture
def log(database: Database, contract: Contract) -> PredictionLog:
    return PredictionLog(database, contract)


def own_records(contract: Contract, n_rows: int, start: datetime = NOON) -> list[PredictionRecord]:
    """Return prediction records with ids in the service's format."""
    records = make_records(contract, n_rows, start=start)
    return [
        msgspec.structs.replace(r, request_id=f"{uuid7_timestamp_prefix(r.predicted_at)}8{i:015x}")
        for i, r in enumerate(records)
    ]


def in_partition(database: Database, name: str) -> int:
    with database.connect() as connection:
        return int(connection.exec_driver_sql(f"SELECT count(*) FROM {name}").scalar_one())


def n_remembered(database: Database) -> int:
    with database.connect() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(client_request_ids)).scalar_one()


def test_daily_partitions_are_created_in_advance_and_store_their_rows(database: Database, contract: Contract) -> None:
    with database.connect() as connection:
        days = days_of(connection)
    today = datetime(days[1].year, days[1].month, days[1].day, 12, tzinfo=UTC)
    now = datetime.now(UTC)
    assert today.date() in (now.date(), (now - timedelta(minutes=10)).date()), "the day may have ended meanwhile"
    assert days == [today.date() + timedelta(days=i) for i in range(-1, DAYS_AHEAD + 1)]
    PredictionLog(database, contract).append(own_records(contract, 3, start=today))
    assert in_partition(database, f"prediction_logs_{today:%Y%m%d}") == 3
    assert keep_days(database, today).days == ()


def test_rows_move_from_the_default_partition_into_a_new_daily_partition(
    database: Database, log: PredictionLog, contract: Contract
) -> None:
    records = own_records(contract, 4, start=NOON) + own_records(contract, 2, start=NOON + DAY)
    log.append(records)
    assert in_partition(database, "prediction_logs_default") == 6
    made = keep_days(database)
    assert (made.days, made.n_moved) == ((date(2026, 3, 1), date(2026, 3, 2)), 6)
    assert in_partition(database, "prediction_logs_default") == 0
    assert in_partition(database, "prediction_logs_20260301") == 4
    assert log.find([r.request_id for r in records]) == {r.request_id: r for r in records}
    assert log.append(records) == 0


def test_daily_partitions_can_be_created_while_rows_are_written(
    open_again: Callable[[], Database], database: Database, log: PredictionLog, contract: Contract
) -> None:
    records = [r for i in range(8) for r in own_records(contract, 200, start=NOON + i * DAY)]

    def write(part: int) -> int:
        other = PredictionLog(open_again(), contract)
        return sum(other.append(records[i : i + 50]) for i in range(part * 50, len(records), 150))

    with ThreadPoolExecutor(6) as pool:
        writing = [pool.submit(write, i) for i in range(3)]
        making = [pool.submit(keep_days, open_again()) for _ in range(3)]
        assert sum(w.result() for w in writing) == 1600
        for made in making:
            made.result()
    keep_days(database)
    assert (log.count(), in_partition(database, "prediction_logs_default")) == (1600, 0)
    with database.connect() as connection:
        assert days_in_default_partition(connection) == []


def test_prediction_ids_created_by_the_service_need_no_separate_table(
    database: Database, log: PredictionLog, contract: Contract
) -> None:
    records = own_records(contract, 50)
    assert (log.append(records), log.append(records), n_remembered(database)) == (50, 0, 0)


def test_a_label_matches_its_prediction_for_every_id_format(
    database: Database, log: PredictionLog, contract: Contract
) -> None:
    own, given = own_records(contract, 1)[0], make_records(contract, 1)[0]
    # The timestamp in this UUID is close to that of the row, but not equal.
    near = msgspec.structs.replace(
        own, request_id=f"{uuid7_timestamp_prefix(NOON - timedelta(milliseconds=1))}9{'0' * 15}"
    )
    log.append([own, given, near])
    items = [LabelItem(r.request_id, 1, NOON) for r in (own, given, near)]
    assert GroundTruthStore(database, contract).add(items).accepted == 3


def explain(database: Database, query: sa.Select[Any]) -> str:
    with database.connect() as connection:
        text = query.compile(connection.engine, compile_kwargs={"literal_binds": True})
        return "\n".join(row[0] for row in connection.exec_driver_sql(f"EXPLAIN {text}".replace("%", "%%")))


def test_a_window_query_uses_an_index_and_only_the_partitions_it_needs(
    database: Database, log: PredictionLog, contract: Contract
) -> None:
    for i in range(6):
        log.append(own_records(contract, 800, start=NOON + i * DAY))
    keep_days(database)
    with database.begin() as connection:
        connection.exec_driver_sql("ANALYZE prediction_logs")
    c = prediction_logs(contract).c
    start = NOON + 2 * DAY + timedelta(minutes=3)
    window = sa.select(sa.func.sum(c.tenure)).where(
        c.model_version == "1", c.predicted_at >= start, c.predicted_at < start + timedelta(minutes=1)
    )
    plan = explain(database, window)
    assert "prediction_logs_20260303" in plan
    assert not [name for name in ("20260302", "20260304", "default") if name in plan]
    assert "Seq Scan" not in plan
    late = sa.select(sa.func.count(c.tenure)).where(c.ingested_at >= datetime(2100, 1, 1, tzinfo=UTC))
    plan = explain(database, late)
    assert "prediction_logs_20260303_ingested_at_idx" in plan
    assert "Seq Scan on prediction_logs_202603" not in plan
    own = own_records(contract, 1)[0]
    plan = explain(database, sa.select(c.tenure).where(c.request_id == own.request_id, c.predicted_at == NOON))
    assert "Index Scan using prediction_logs_20260301_" in plan
    assert "20260302" not in plan
