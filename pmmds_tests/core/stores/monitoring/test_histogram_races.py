"""Failed, concurrent and early refreshes give the same counts as a full recount."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pmmds_core.contracts.contract import Contract
from pmmds_core.profiling.reference_profile import ReferenceProfile
from pmmds_core.stores.database.bulk_insert import insert_new
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.tables import prediction_logs
from pmmds_core.stores.monitoring.histograms import HistogramStore
from pmmds_core.stores.predictions.log import PredictionLog, PredictionRecord
from pmmds_tests.harness.numpy_counts import DAY, HOUR, counted_by_numpy, forget_recent_writes, merged, refresh
from pmmds_tests.harness.prediction_records import NOON, make_records


def test_a_failed_histogram_refresh_keeps_the_old_counts(
    database: Database, log: PredictionLog, store: HistogramStore, profile: ReferenceProfile, contract: Contract
) -> None:
    log.append(make_records(contract, 10))
    refresh(store, profile)
    before = merged(store)
    log.append(make_records(contract, 10, prefix="more"))
    with database.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE histogram_watermarks RENAME TO elsewhere")
    with pytest.raises(Exception, match="histogram_watermarks"):
        refresh(store, profile)
    with database.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO histogram_watermarks")
    assert merged(store) == before
    assert refresh(store, profile).n_rows == 20


def test_concurrent_histogram_refreshes_give_the_same_counts(
    open_again: Callable[[], Database], log: PredictionLog, profile: ReferenceProfile, contract: Contract
) -> None:
    records = make_records(contract, 600, start=NOON - 2 * HOUR, step=timedelta(seconds=30))

    def work(part: int) -> None:
        log.append(records[part * 100 : part * 100 + 100])
        refresh(HistogramStore(open_again(), contract), profile)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    store = HistogramStore(open_again(), contract)
    refresh(store, profile)
    assert merged(store) == counted_by_numpy(contract, profile, records)


def test_a_row_committed_late_is_still_counted(
    open_again: Callable[[], Database],
    log: PredictionLog,
    store: HistogramStore,
    profile: ReferenceProfile,
    contract: Contract,
    database: Database,
) -> None:
    if database.dialect == "sqlite":
        pytest.skip("SQLite allows only one writer, so no refresh can run before the commit")
    (early, late) = make_records(contract, 2)
    slow = open_again()
    with slow.begin() as connection:
        log.append([early])
        *fixed, features, _ = msgspec.structs.astuple(late)
        columns = (*type(late).__struct_fields__[:-2], *contract.feature_names)
        table = prediction_logs(contract)
        insert_new(
            connection,
            table,
            columns,
            [(*fixed, *features)],
            key=("request_id", "predicted_at"),
            written_at="ingested_at",
        )
        refresh(store, profile)
        assert store.merged("churn-classifier", "1", *DAY).n_rows == 1
    refresh(store, profile)
    assert store.merged("churn-classifier", "1", *DAY).n_rows == 2


@given(
    batches=st.lists(
        st.lists(st.integers(0, 6 * 3600 - 1), min_size=1, max_size=12),
        min_size=1,
        max_size=5,
    )
)
@settings(max_examples=15)
def test_refreshes_between_late_rows_give_the_same_counts_as_a_recount(
    database: Database,
    log: PredictionLog,
    store: HistogramStore,
    profile: ReferenceProfile,
    contract: Contract,
    batches: list[list[int]],
) -> None:
    with database.begin() as connection:
        for table in (
            "prediction_logs",
            "client_request_ids",
            "feature_histograms",
            "histogram_watermarks",
            "stale_hours",
        ):
            connection.exec_driver_sql(f"DELETE FROM {table}")
    records: list[PredictionRecord] = []
    for i, seconds in enumerate(batches):
        made = make_records(contract, len(seconds), prefix=f"b{i}-", seed=i)
        late = [
            msgspec.structs.replace(r, predicted_at=NOON - 6 * HOUR + timedelta(seconds=s))
            for r, s in zip(made, seconds, strict=True)
        ]
        log.append(late)
        records += late
        refresh(store, profile)
        forget_recent_writes(database)
    found = merged(store)
    assert found == counted_by_numpy(contract, profile, records)
    digest = store.digest("churn-classifier", *DAY)
    assert refresh(store, profile, only_changed=False).n_rows == len(records)
    assert store.digest("churn-classifier", *DAY) == digest
