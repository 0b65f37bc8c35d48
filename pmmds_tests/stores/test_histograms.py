"""What the database counts is what numpy counts, for the hours that changed and no others."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import msgspec
import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from pmmds_core.binning import SCORE
from pmmds_core.contracts.contract import Contract, Feature
from pmmds_core.errors import DataError
from pmmds_core.reference_profile import ReferenceProfile, count, fit_profile
from pmmds_core.stores.bulk_insert import insert_new
from pmmds_core.stores.database import Database
from pmmds_core.stores.histograms import HistogramStore, RefreshResult
from pmmds_core.stores.prediction_log import PredictionLog, PredictionRecord
from pmmds_core.stores.tables import client_request_ids, prediction_logs
from pmmds_tests.stores.records import NOON, columns_of, make_records

HOUR = timedelta(hours=1)
DAY = (NOON - 12 * HOUR, NOON + 12 * HOUR)


@pytest.fixture
def log(database: Database, contract: Contract) -> PredictionLog:
    return PredictionLog(database, contract)


@pytest.fixture
def store(database: Database, contract: Contract) -> HistogramStore:
    return HistogramStore(database, contract)


def profile_of(contract: Contract, seed: int = 9) -> ReferenceProfile:
    reference = make_records(contract, 400, seed=seed)
    return fit_profile(contract, columns_of(contract, reference), np.array([r.probability for r in reference]))


@pytest.fixture(scope="module")
def profile(contract: Contract) -> ReferenceProfile:
    return profile_of(contract)


def refresh(store: HistogramStore, profile: ReferenceProfile, **options: Any) -> RefreshResult:
    return store.refresh(lambda _version: profile, "churn-classifier", *DAY, **options)


def counted_by_numpy(
    contract: Contract, profile: ReferenceProfile, records: list[PredictionRecord]
) -> dict[str, list[int]]:
    columns = {**columns_of(contract, records), SCORE: np.array([r.probability for r in records])}
    return {f.bins.feature: count(f.bins, columns[f.bins.feature]).tolist() for f in profile.with_score}


def merged(store: HistogramStore, version: str = "1") -> dict[str, list[int]]:
    found = store.merged("churn-classifier", version, *DAY)
    return {name: counts.tolist() for name, counts in found.counts.items()}


def test_counts_are_those_of_numpy(
    log: PredictionLog, store: HistogramStore, profile: ReferenceProfile, contract: Contract
) -> None:
    records = make_records(contract, 1500, start=NOON - HOUR, step=timedelta(seconds=7))
    log.append(records)
    result = refresh(store, profile)
    assert result.hours == [NOON - HOUR, NOON, NOON + HOUR]
    assert result.n_rows == 1500
    assert merged(store) == counted_by_numpy(contract, profile, records)
    assert store.merged("churn-classifier", "1", *DAY).n_rows == 1500


def test_nulls_unseen_values_and_extremes_have_their_bins(
    log: PredictionLog, store: HistogramStore, profile: ReferenceProfile, contract: Contract
) -> None:
    odd: list[dict[str, Any]] = [
        dict.fromkeys(contract.feature_names),
        {"monthly_charges": math.inf, "total_charges": -math.inf, "tenure": -(2**40), "contract": "Weekly"},
        {"monthly_charges": -0.0, "gender": "", "partner": "yes", "contract": "One  year"},
        {"monthly_charges": 1e308, "payment_method": "crédit 💳 'quoted' \\ %s :x"},
    ]
    records = [make_records(contract, 1, prefix=f"odd{i}-", overrides=o)[0] for i, o in enumerate(odd)]
    log.append(records)
    refresh(store, profile)
    assert merged(store) == counted_by_numpy(contract, profile, records)


def test_a_value_on_an_edge_falls_into_the_bin_below_it(
    log: PredictionLog, store: HistogramStore, profile: ReferenceProfile, contract: Contract
) -> None:
    edges = next(f.bins.edges for f in profile.features if f.bins.feature == "monthly_charges")
    nearby = [x for e in edges for x in (np.nextafter(e, -np.inf), e, np.nextafter(e, np.inf))]
    records = [
        make_records(contract, 1, prefix=f"e{i}-", overrides={"monthly_charges": float(x)})[0]
        for i, x in enumerate(nearby)
    ]
    log.append(records)
    refresh(store, profile)
    assert merged(store) == counted_by_numpy(contract, profile, records)


@pytest.mark.postgres
def test_a_nan_that_another_program_stored_counts_as_null(
    database: Database, log: PredictionLog, store: HistogramStore, profile: ReferenceProfile, contract: Contract
) -> None:
    if database.dialect == "sqlite":
        pytest.skip("SQLite has no NaN")
    log.append(make_records(contract, 2, overrides={"monthly_charges": 10.0}))
    with database.begin() as connection:
        connection.exec_driver_sql("UPDATE prediction_logs SET monthly_charges = 'NaN' WHERE request_id = 'r0'")
    refresh(store, profile)
    assert merged(store)["monthly_charges"][-1] == 1
    assert sum(merged(store)["monthly_charges"]) == 2


small = st.lists(
    st.tuples(
        st.one_of(st.none(), st.floats(-1e6, 1e6), st.sampled_from([0.0, 1.0, 50.0])),
        st.one_of(st.none(), st.integers(-5, 120)),
        st.one_of(st.none(), st.sampled_from(["DSL", "Fiber optic", "No", "Satellite", "dsl", ""])),
        st.floats(0, 1),
        st.integers(0, 3 * 3600 * 10**6 - 1),
    ),
    min_size=1,
    max_size=40,
)


@given(rows=small)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_rows_are_counted_as_numpy_counts_them(
    database: Database,
    log: PredictionLog,
    store: HistogramStore,
    profile: ReferenceProfile,
    contract: Contract,
    rows: list[tuple[float | None, int | None, str | None, float, int]],
) -> None:
    records = []
    for i, (charges, tenure, internet, score, microseconds) in enumerate(rows):
        values = {"monthly_charges": charges, "tenure": tenure, "internet_service": internet}
        (record,) = make_records(contract, 1, prefix=f"h{i}-", start=NOON, overrides=values)
        at = NOON + timedelta(microseconds=microseconds)
        records.append(msgspec.structs.replace(record, probability=score, predicted_at=at))
    with database.begin() as connection:
        connection.execute(sa.delete(prediction_logs(contract)))
        connection.execute(sa.delete(client_request_ids))
    log.append(records)
    refresh(store, profile, only_changed=False)
    assert merged(store) == counted_by_numpy(contract, profile, records)


def test_a_second_look_counts_only_what_changed(
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


def forget_recent_writes(database: Database) -> None:
    """Make what is logged look as old as if it had been written an hour ago, and the watermark as fresh as now."""
    with database.begin() as connection:
        earlier = "ingested_at - interval '1 hour'"
        if database.dialect == "sqlite":
            earlier = "strftime('%Y-%m-%d %H:%M:%f', ingested_at, '-1 hour') || '000'"
        connection.exec_driver_sql(f"UPDATE prediction_logs SET ingested_at = {earlier}")


def test_a_changed_hour_outside_the_window_is_remembered(
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


def test_the_present_partial_hour_is_counted(
    log: PredictionLog, store: HistogramStore, profile: ReferenceProfile, contract: Contract
) -> None:
    log.append(make_records(contract, 3, start=NOON + timedelta(minutes=20)))
    now = NOON + timedelta(minutes=21)
    assert store.refresh(lambda _v: profile, "churn-classifier", now - 2 * HOUR, now).hours == [NOON]
    assert store.merged("churn-classifier", "1", now - 2 * HOUR, now).n_rows == 3


def test_each_version_is_counted_by_its_own_profile(
    log: PredictionLog, store: HistogramStore, contract: Contract
) -> None:
    profiles = {"1": profile_of(contract, seed=1), "2": profile_of(contract, seed=2)}
    first = make_records(contract, 50, version="1")
    second = make_records(contract, 60, version="2", prefix="s")
    stray = make_records(contract, 7, version="99", prefix="t")
    log.append([*first, *second, *stray])
    result = store.refresh(profiles.get, "churn-classifier", *DAY)
    assert (result.n_rows, result.n_skipped_rows, result.skipped_versions) == (110, 7, ("99",))
    assert merged(store, "1") == counted_by_numpy(contract, profiles["1"], first)
    assert merged(store, "2") == counted_by_numpy(contract, profiles["2"], second)
    assert store.merged("churn-classifier", "99", *DAY).n_rows == 0


def test_another_model_s_rows_are_not_counted(
    log: PredictionLog, store: HistogramStore, profile: ReferenceProfile, contract: Contract
) -> None:
    records = make_records(contract, 4)
    log.append([msgspec.structs.replace(records[0], model_name="other"), *records[1:]])
    assert refresh(store, profile).n_rows == 3


def test_a_version_whose_profile_was_made_anew_is_counted_again(
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


def test_a_half_done_refresh_leaves_the_old_counts(
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


def test_refreshes_at_once_agree(
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


def test_a_row_that_commits_late_is_still_counted(
    open_again: Callable[[], Database],
    log: PredictionLog,
    store: HistogramStore,
    profile: ReferenceProfile,
    contract: Contract,
    database: Database,
) -> None:
    if database.dialect == "sqlite":
        pytest.skip("SQLite has one writer, so what is read before the commit is not there yet")
    (early, late) = make_records(contract, 2)
    slow = open_again()
    with slow.begin() as connection:
        log.append([early])
        *fixed, features = msgspec.structs.astuple(late)
        columns = (*type(late).__struct_fields__[:-1], *contract.feature_names)
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


def test_a_wide_contract_takes_several_scans_and_stays_right(empty_database: Database, contract: Contract) -> None:
    from pmmds_core.stores.migration import migrate

    wide = msgspec.structs.replace(contract, features=tuple(wide_feature(i) for i in range(170)))
    migrate(empty_database, wide)
    records = make_records(wide, 60)
    PredictionLog(empty_database, wide).append(records)
    profile = profile_of(wide)
    store = HistogramStore(empty_database, wide)
    refresh(store, profile)
    assert merged(store) == counted_by_numpy(wide, profile, records)


def wide_feature(i: int) -> Feature:
    return Feature(
        name=f"f{i}", source=f"F{i}", kind="numeric", type="float", description="x", example="1", minimum=0, maximum=9
    )


def test_digest_and_hourly_rows_follow_the_counts(
    log: PredictionLog, store: HistogramStore, profile: ReferenceProfile, contract: Contract
) -> None:
    nothing = store.digest("churn-classifier", *DAY)
    log.append(make_records(contract, 90, start=NOON, step=timedelta(minutes=1)))
    refresh(store, profile)
    first = store.digest("churn-classifier", *DAY)
    refresh(store, profile, only_changed=False)
    assert store.digest("churn-classifier", *DAY) == first != nothing
    assert store.hourly_rows("churn-classifier", *DAY) == [(NOON, 60), (NOON + HOUR, 30)]


@given(
    batches=st.lists(
        st.lists(st.integers(0, 6 * 3600 - 1), min_size=1, max_size=12),
        min_size=1,
        max_size=5,
    )
)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_refreshes_between_late_rows_end_where_a_recount_does(
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


def plans_of_reads(database: Database, work: Callable[[], object]) -> dict[str, str]:
    """The plan of every read of prediction_logs that `work` does, by its SQL."""
    seen: list[tuple[str, Any]] = []
    event.listen(database.engine, "before_cursor_execute", lambda _c, _cur, sql, args, *_: seen.append((sql, args)))
    work()
    prefix = "EXPLAIN QUERY PLAN " if database.dialect == "sqlite" else "EXPLAIN "
    reads = [(sql, args) for sql, args in seen if sql.startswith("SELECT") and "prediction_logs" in sql]
    with database.connect() as connection:
        return {
            sql: "\n".join(str(row) for row in connection.exec_driver_sql(prefix + sql, args)) for sql, args in reads
        }


def test_a_refresh_reads_by_index_only_what_changed(
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
    is_partitioned = database.dialect == "postgresql"  # where each partition's index has a name of its own
    assert ("ingested_at_idx" if is_partitioned else "ix_prediction_logs_ingested_at") in changed
    for sql, plan in plans.items():
        assert ("prediction_logs_default_" if is_partitioned else "ix_prediction_logs") in plan, sql
        assert "SCAN prediction_logs" not in plan
        assert "Seq Scan on prediction_logs_default" not in plan  # the days without rows cost nothing
