"""A histogram refresh counts only changed hours and uses an index to find them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event

from pmmds_core.contracts.contract import Contract
from pmmds_core.errors import DataError
from pmmds_core.profiling.reference_profile import ReferenceProfile
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.monitoring.histograms import HistogramStore, RefreshResult
from pmmds_core.stores.predictions.log import PredictionLog
from pmmds_tests.harness.numpy_counts import (
    DAY,
    HOUR,
    counted_by_numpy,
    forget_recent_writes,
    merged,
    profile_of,
    refresh,
)
from pmmds_tests.harness.prediction_records import NOON, make_records


def test_a_second_refresh_counts_only_changed_hours(
    database: Database, log: PredictionLog, store: HistogramStore, profile: ReferenceProfile, contract: Contract
) -> None:
    log.append(make_records(contract, 300, start=NOON - 5 * HOUR, step=timedelta(minutes=1)))
    assert refresh(store, profile).n_rows == 300
    forget_recent_writes(database)
    assert refresh(store, profile) == RefreshResult([], 0, 0, ())
    late = make_records(contract, 2, start=NOON - 4 * HOUR, prefix="late")
    log.append(late)
    assert refresh(store, profile).hours == [NOON - 4 * HOUR]
    assert store.merged("churn-classifier", "1", *DAY).n_rows == 302


def test_a_changed_hour_outside_the_window_is_recorded(
    database: Database, log: PredictionLog, store: HistogramStore, profile: ReferenceProfile, contract: Contract
) -> None:
    long_ago = NOON - timedelta(days=30)
    log.append(make_records(contract, 5, start=long_ago, prefix="old"))
    assert refresh(store, profile).hours == []
    forget_recent_writes(database)
    assert store.stale_hours("churn-classifier", long_ago, NOON) == [long_ago]
    backfill = store.refresh(lambda _v: profile, "churn-classifier", long_ago, long_ago + HOUR)
    assert backfill.hours == [long_ago]
    assert store.stale_hours("churn-classifier", long_ago, NOON) == []
    assert store.hourly_rows("churn-classifier", long_ago, NOON) == [(long_ago, 5)]


def test_the_current_partial_hour_is_counted(
    log: PredictionLog, store: HistogramStore, profile: ReferenceProfile, contract: Contract
) -> None:
    log.append(make_records(contract, 3, start=NOON + timedelta(minutes=20)))
    now = NOON + timedelta(minutes=21)
    assert store.refresh(lambda _v: profile, "churn-classifier", now - 2 * HOUR, now).hours == [NOON]
    assert store.merged("churn-classifier", "1", now - 2 * HOUR, now).n_rows == 3


def test_rows_are_recounted_if_their_version_has_a_new_profile(
    database: Database, log: PredictionLog, store: HistogramStore, contract: Contract
) -> None:
    old, new = profile_of(contract, seed=1), profile_of(contract, seed=2)
    records = make_records(contract, 90, start=NOON, step=timedelta(minutes=1))
    log.append(records)
    refresh(store, old)
    forget_recent_writes(database)
    store.refresh(lambda _v: new, "churn-classifier", NOON, NOON + HOUR)
    with pytest.raises(DataError, match="different reference profiles"):
        merged(store)
    assert refresh(store, new).hours == [NOON + HOUR]
    assert merged(store) == counted_by_numpy(contract, new, records)


def test_digest_and_hourly_row_numbers_reflect_the_counts(
    log: PredictionLog, store: HistogramStore, profile: ReferenceProfile, contract: Contract
) -> None:
    nothing = store.digest("churn-classifier", *DAY)
    log.append(make_records(contract, 90, start=NOON, step=timedelta(minutes=1)))
    refresh(store, profile)
    first = store.digest("churn-classifier", *DAY)
    refresh(store, profile, only_changed=False)
    assert store.digest("churn-classifier", *DAY) == first != nothing
    assert store.hourly_rows("churn-classifier", *DAY) == [(NOON, 60), (NOON + HOUR, 30)]


def plans_of_reads(database: Database, work: Callable[[], object]) -> dict[str, str]:
    """Return the query plan of each statement in `work` that reads prediction_logs, by SQL text."""
    seen: list[tuple[str, Any]] = []
    event.listen(database.engine, "before_cursor_execute", lambda _c, _cur, sql, args, *_: seen.append((sql, args)))
    work()
    prefix = "EXPLAIN QUERY PLAN " if database.dialect == "sqlite" else "EXPLAIN "
    reads = [(sql, args) for sql, args in seen if sql.startswith("SELECT") and "prediction_logs" in sql]
    with database.connect() as connection:
        return {
            sql: "\n".join(str(row) for row in connection.exec_driver_sql(prefix + sql, args)) for sql, args in reads
        }


def test_a_refresh_reads_only_changed_rows_and_uses_an_index(
    database: Database, log: PredictionLog, store: HistogramStore, profile: ReferenceProfile, contract: Contract
) -> None:
    log.append(make_records(contract, 5000, start=NOON - 100 * HOUR, step=timedelta(minutes=2)))
    refresh(store, profile)
    forget_recent_writes(database)
    log.append(make_records(contract, 5, prefix="new"))
    if database.dialect == "postgresql":
        with database.begin() as connection:
            connection.exec_driver_sql("ANALYZE prediction_logs")
    plans = plans_of_reads(database, lambda: refresh(store, profile))
    assert len(plans) == 3
    (changed,) = (plan for sql, plan in plans.items() if "ingested_at >=" in sql)
    is_partitioned = database.dialect == "postgresql"  # Each partition has its own index.
    assert ("ingested_at_idx" if is_partitioned else "ix_prediction_logs_ingested_at") in changed
    for sql, plan in plans.items():
        assert ("prediction_logs_default_" if is_partitioned else "ix_prediction_logs") in plan, sql
        assert "SCAN prediction_logs" not in plan
        assert "Seq Scan on prediction_logs_default" not in plan  # Days without rows are not scanned.
