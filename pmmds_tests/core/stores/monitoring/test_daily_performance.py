"""Detecting changed days, reading their rows and storing their results, on both database engines."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pytest

from pmmds_core.contracts.contract import Contract
from pmmds_core.runtime.time_windows import DAY
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.monitoring.daily_performance import DailyPerformanceStore
from pmmds_core.stores.predictions.label_history import LabelItem
from pmmds_core.stores.predictions.labels import GroundTruthStore
from pmmds_core.stores.predictions.log import PredictionLog
from pmmds_tests.harness.prediction_records import NOON, make_records

TODAY = NOON.replace(hour=0)


@pytest.fixture
def store(database: Database, contract: Contract) -> DailyPerformanceStore:
    """Log 48 hourly rows from two days and ten rows of another version."""
    log = PredictionLog(database, contract)
    log.append(make_records(contract, 48, start=TODAY - DAY, step=timedelta(hours=1)))
    log.append(make_records(contract, 10, start=NOON, prefix="other", version="2"))
    return DailyPerformanceStore(database, contract)


def label(database: Database, contract: Contract, ids: list[str], at: datetime = NOON) -> None:
    GroundTruthStore(database, contract).add(LabelItem(i, k % 2, at) for k, i in enumerate(ids))


def test_rows_and_labels_are_counted_per_utc_day_and_version(
    store: DailyPerformanceStore, database: Database, contract: Contract
) -> None:
    label(database, contract, ["r0", "r1", "r30"])
    found = [(s.model_version, s.day, s.n_rows, s.n_labelled) for s in store.states(TODAY - DAY, TODAY + DAY)]
    assert found == [("1", TODAY - DAY, 24, 2), ("1", TODAY, 24, 1), ("2", TODAY, 10, 0)]


def test_the_digest_of_a_day_changes_only_with_its_rows_and_labels(
    store: DailyPerformanceStore, database: Database, contract: Contract
) -> None:
    before = {(s.day, s.model_version): s.digest for s in store.states(TODAY - DAY, TODAY + DAY)}
    label(database, contract, ["r30"])
    after = {(s.day, s.model_version): s.digest for s in store.states(TODAY - DAY, TODAY + DAY)}
    assert {key for key in before if before[key] != after[key]} == {(TODAY, "1")}
    label(database, contract, ["r30"], NOON + timedelta(hours=1))
    corrected = {(s.day, s.model_version): s.digest for s in store.states(TODAY - DAY, TODAY + DAY)}
    assert corrected[TODAY, "1"] != after[TODAY, "1"], "a replaced label changes the digest"


def test_rows_without_a_label_are_marked(store: DailyPerformanceStore, database: Database, contract: Contract) -> None:
    label(database, contract, ["r24", "r25"])
    rows = store.rows("1", TODAY)
    assert rows.probabilities.shape == rows.predictions.shape == rows.labels.shape == (24,)
    assert sorted(rows.labels.tolist()) == [-1] * 22 + [0, 1]
    assert np.array_equal(rows.predictions, rows.probabilities > 0.5)
    assert store.rows("9", TODAY).labels.size == 0


def test_a_new_result_of_a_day_replaces_the_earlier_result(store: DailyPerformanceStore) -> None:
    states = store.states(TODAY - DAY, TODAY + DAY)
    for state in states:
        store.save(state, {"digest": "first"})
    store.save(states[1], {"digest": "second"})
    kept = store.results(TODAY)
    assert [(k.model_version, k.day, k.document["digest"]) for k in kept] == [
        ("1", TODAY, "second"),
        ("2", TODAY, "first"),
    ]
    assert len(store.results(TODAY - DAY)) == 3
