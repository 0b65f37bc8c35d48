"""Histogram counts from the database equal those from numpy for any rows."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import msgspec
import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from pmmds_core.contracts.contract import Contract, Feature
from pmmds_core.profiling.reference_profile import ReferenceProfile
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.tables import client_request_ids, prediction_logs
from pmmds_core.stores.monitoring.histograms import HistogramStore
from pmmds_core.stores.predictions.log import PredictionLog
from pmmds_tests.harness.numpy_counts import DAY, HOUR, counted_by_numpy, merged, profile_of, refresh
from pmmds_tests.harness.prediction_records import NOON, make_records


def test_histogram_counts_match_those_of_numpy(
    log: PredictionLog, store: HistogramStore, profile: ReferenceProfile, contract: Contract
) -> None:
    records = make_records(contract, 1500, start=NOON - HOUR, step=timedelta(seconds=7))
    log.append(records)
    result = refresh(store, profile)
    assert result.hours == [NOON - HOUR, NOON, NOON + HOUR]
    assert result.n_rows == 1500
    assert merged(store) == counted_by_numpy(contract, profile, records)
    assert store.merged("churn-classifier", "1", *DAY).n_rows == 1500


def test_nulls_and_unseen_values_and_extremes_have_separate_bins(
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


def test_a_value_on_an_edge_belongs_to_the_bin_below_the_edge(
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
def test_a_stored_nan_counts_as_null(
    database: Database, log: PredictionLog, store: HistogramStore, profile: ReferenceProfile, contract: Contract
) -> None:
    if database.dialect == "sqlite":
        pytest.skip("SQLite cannot store NaN")
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
@settings(max_examples=25)
def test_histogram_counts_of_random_rows_match_those_of_numpy(
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


def test_each_version_is_counted_with_its_own_profile(
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


def test_rows_of_another_model_are_not_counted(
    log: PredictionLog, store: HistogramStore, profile: ReferenceProfile, contract: Contract
) -> None:
    records = make_records(contract, 4)
    log.append([msgspec.structs.replace(records[0], model_name="other"), *records[1:]])
    assert refresh(store, profile).n_rows == 3


def test_contracts_with_many_features_are_counted_in_several_scans(
    empty_database: Database, contract: Contract
) -> None:
    from pmmds_core.stores.database.schema import migrate

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
