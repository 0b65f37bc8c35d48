"""Labels are matched to predictions, the newest observation is used, and labeled rows round-trip."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import msgspec
import numpy as np
import pytest

from pmmds_core.contracts.contract import Contract
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.predictions.label_history import LabelItem
from pmmds_core.stores.predictions.labels import FeedbackCounts, GroundTruthStore
from pmmds_core.stores.predictions.log import PredictionLog, PredictionRecord
from pmmds_tests.harness.prediction_records import NOON, columns_of, make_records


@pytest.fixture
def truth(database: Database, contract: Contract) -> GroundTruthStore:
    return GroundTruthStore(database, contract)


@pytest.fixture
def records(database: Database, contract: Contract) -> list[PredictionRecord]:
    """Log three predictions: r0, r1 and r2."""
    records = make_records(contract, 3)
    PredictionLog(database, contract).append(records)
    return records


def label(request_id: str, value: int, hours: int = 0) -> LabelItem:
    return LabelItem(request_id, value, NOON + timedelta(hours=hours))


def labels_of(truth: GroundTruthStore) -> dict[str, int]:
    rows = truth.labelled_rows()
    return dict(zip(rows.request_ids, rows.labels.tolist(), strict=True))


@pytest.mark.usefixtures("records")
def test_labels_for_requests_that_are_not_logged_yet_are_stored(truth: GroundTruthStore) -> None:
    assert truth.add([label("r0", 1), label("nobody", 0)]) == FeedbackCounts(1, 0, 1, 0)
    assert labels_of(truth) == {"r0": 1}
    assert truth.n_waiting() == 1
    assert truth.match_waiting() == FeedbackCounts(0, 0, 0, 0)
    assert truth.n_waiting() == 1


@pytest.mark.usefixtures("records")
def test_waiting_labels_are_matched_when_their_prediction_arrives(
    truth: GroundTruthStore, database: Database, contract: Contract
) -> None:
    truth.add([label("late0", 1, hours=1), label("late1", 1)])
    assert truth.add([label("late0", 0, hours=2), label("late0", 1, hours=1)]).unknown == 2
    PredictionLog(database, contract).append(make_records(contract, 1, prefix="late"))
    assert truth.match_waiting() == FeedbackCounts(1, 1, 0, 0)
    assert labels_of(truth) == {"late0": 0}
    assert truth.n_waiting() == 1
    assert truth.match_waiting() == FeedbackCounts(0, 0, 0, 0)
    assert labels_of(truth) == {"late0": 0}


@pytest.mark.usefixtures("records")
def test_a_waiting_label_does_not_replace_a_later_one(
    truth: GroundTruthStore, database: Database, contract: Contract
) -> None:
    truth.add([label("late0", 1, hours=1)])
    PredictionLog(database, contract).append(make_records(contract, 1, prefix="late"))
    assert truth.add([label("late0", 0, hours=3)]) == FeedbackCounts(1, 0, 0, 0)
    assert truth.match_waiting() == FeedbackCounts(0, 0, 0, 1)
    assert labels_of(truth) == {"late0": 0}


@pytest.mark.usefixtures("records")
def test_every_label_observation_is_stored_once_and_in_order(truth: GroundTruthStore) -> None:
    truth.add([label("r0", 1, hours=5)])
    truth.add([label("r0", 0, hours=4)], source="import")
    truth.add([label("r0", 0, hours=6)])
    truth.add([label("r0", 0, hours=6)])
    kept = [(o.label, (o.observed_at - NOON).total_seconds() / 3600, o.source) for o in truth.history("r0")]
    assert kept == [(1, 5, "feedback"), (0, 4, "import"), (0, 6, "feedback")]
    assert truth.label_of("r0") is not None
    assert truth.history("nobody") == []


@pytest.mark.usefixtures("records")
def test_label_delays_are_measured_from_the_prediction(truth: GroundTruthStore) -> None:
    assert truth.delays().rows()[0]["median, hours"] is None
    truth.add([label("r0", 1, hours=2), label("r1", 0, hours=-1)])
    observed, received = truth.delays().rows()
    assert (observed["n_labels"], observed["before the prediction"]) == (2, 1)
    assert observed["maximum, hours"] == pytest.approx(2)
    assert received["before the prediction"] == 0
    assert set(truth.delays().shares().values()) <= {0.0, 1.0}


@pytest.mark.usefixtures("records")
def test_only_a_later_observation_replaces_a_label(truth: GroundTruthStore) -> None:
    truth.add([label("r0", 1, hours=5)])
    assert truth.add([label("r0", 0, hours=4)]) == FeedbackCounts(0, 0, 0, 1)
    assert labels_of(truth) == {"r0": 1}
    assert truth.add([label("r0", 0, hours=6)]) == FeedbackCounts(0, 1, 0, 0)
    assert labels_of(truth) == {"r0": 0}


@pytest.mark.usefixtures("records")
def test_repeating_the_same_feedback_changes_nothing(truth: GroundTruthStore) -> None:
    items = [label("r0", 1), label("r1", 0)]
    assert truth.add(items) == FeedbackCounts(2, 0, 0, 0)
    assert truth.add(items) == FeedbackCounts(0, 2, 0, 0)
    assert labels_of(truth) == {"r0": 1, "r1": 0}


@pytest.mark.usefixtures("records")
def test_two_labels_for_one_request_are_applied_in_order(truth: GroundTruthStore) -> None:
    given = [label("r0", 1, hours=1), label("r0", 0, hours=2), label("r0", 1, hours=0)]
    assert truth.add(given) == FeedbackCounts(1, 1, 0, 1)
    assert labels_of(truth) == {"r0": 0}


def test_empty_feedback_is_accepted(truth: GroundTruthStore) -> None:
    assert truth.add([]) == FeedbackCounts(0, 0, 0, 0)


def test_labeled_rows_are_sorted_by_the_time_of_prediction(
    truth: GroundTruthStore, database: Database, contract: Contract
) -> None:
    records = make_records(contract, 40, overrides={"partner": None})
    PredictionLog(database, contract).append(reversed(records))
    truth.add([label(r.request_id, i % 2) for i, r in enumerate(records)])
    rows = truth.labelled_rows()
    assert rows.request_ids.tolist() == [r.request_id for r in records]
    assert rows.labels.tolist() == [i % 2 for i in range(40)]
    assert rows.probabilities.tolist() == [r.probability for r in records]
    assert rows.predicted_at[0] == np.datetime64(NOON.replace(tzinfo=None))
    for name, values in columns_of(contract, records).items():
        np.testing.assert_array_equal(rows.columns[name], values)


@pytest.mark.usefixtures("records")
def test_a_labeled_frame_has_the_columns_and_types_of_the_contract(truth: GroundTruthStore, contract: Contract) -> None:
    truth.add([label("r0", 1), label("r2", 0)])
    frame = truth.labelled_rows().to_frame(contract)
    assert list(frame.columns) == [*contract.feature_names, "churn"]
    assert str(frame["tenure"].dtype) == "int64"
    assert str(frame["total_charges"].dtype) == "float64"
    assert frame["churn"].tolist() == [1, 0]


def test_the_labeled_frame_is_empty_without_labeled_rows(truth: GroundTruthStore, contract: Contract) -> None:
    rows = truth.labelled_rows()
    assert rows.n_rows == 0
    assert rows.to_frame(contract).shape == (0, 20)


@pytest.mark.usefixtures("records")
def test_the_label_summary_reflects_the_stored_labels(truth: GroundTruthStore) -> None:
    empty = truth.summary()
    assert (empty.n_rows, empty.newest_observed_at) == (0, None)
    truth.add([label("r0", 1, hours=3), label("r1", 0)])
    summary = truth.summary()
    assert (summary.n_rows, summary.n_positive) == (2, 1)
    assert summary.newest_observed_at == NOON + timedelta(hours=3)
    assert summary.digest != empty.digest


@pytest.mark.usefixtures("records")
def test_concurrent_deliveries_accept_each_label_once(open_again: Callable[[], Database], contract: Contract) -> None:
    items = [label("r0", 1), label("r1", 1), label("r2", 0)]

    def deliver(turn: int) -> FeedbackCounts:
        return GroundTruthStore(open_again(), contract).add(items if turn % 2 else list(reversed(items)))

    with ThreadPoolExecutor(6) as pool:
        counts = list(pool.map(deliver, range(6)))
    assert sum(c.accepted for c in counts) == 3
    assert sum(c.updated for c in counts) == 15


def test_a_label_must_be_zero_or_one() -> None:
    raw = {"request_id": "r0", "label": 2, "observed_at": datetime.isoformat(NOON)}
    with pytest.raises(msgspec.ValidationError, match="<= 1"):
        msgspec.convert(raw, LabelItem)
