"""Each client request id and content has one row, and labels match by client id or prediction id, on both engines."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import msgspec
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from pmmds_core.contracts.contract import Contract
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.tables import ground_truth
from pmmds_core.stores.predictions.label_history import LabelItem
from pmmds_core.stores.predictions.labels import FeedbackCounts, GroundTruthStore
from pmmds_core.stores.predictions.log import Appended, PredictionLog, PredictionRecord
from pmmds_core.stores.predictions.request_ids import uuid7_timestamp_prefix
from pmmds_core.stores.predictions.request_keys import row_digest
from pmmds_tests.harness.prediction_records import NOON, make_records

DAY = timedelta(days=1)


@pytest.fixture
def log(database: Database, contract: Contract) -> PredictionLog:
    return PredictionLog(database, contract)


@pytest.fixture
def truth(database: Database, contract: Contract) -> GroundTruthStore:
    return GroundTruthStore(database, contract)


def answered(contract: Contract, client_id: str | None, row: int, n: int, version: str = "1") -> PredictionRecord:
    """Return the `n`-th record of a service, with the features of the given row and a client id."""
    (record,) = make_records(contract, 1, seed=row, version=version)
    at = NOON + n * timedelta(hours=9)
    own = f"{uuid7_timestamp_prefix(at)}8{n:015x}"
    return msgspec.structs.replace(record, request_id=own, predicted_at=at, client_request_id=client_id)


def test_a_client_id_has_one_row_for_each_distinct_content(log: PredictionLog, contract: Contract) -> None:
    first, again, other = (answered(contract, "order-1", row, n) for n, row in enumerate((1, 1, 2)))
    assert log.add([first]) == Appended(1)
    assert log.add([again, other]) == Appended(1, n_same=1)
    assert log.named(["order-1", first.request_id, again.request_id]) == {
        "order-1": [first, other],
        first.request_id: [first],
    }
    assert log.find(["order-1"]) == {}


def test_a_duplicate_within_a_delivery_keeps_the_first_row(log: PredictionLog, contract: Contract) -> None:
    records = [answered(contract, "order-1", 1, n) for n in range(3)]
    assert log.add(records) == Appended(1, n_same=2)
    assert log.find(["order-1"]) == {"order-1": records[0]}


def test_a_duplicate_served_by_another_version_is_counted(log: PredictionLog, contract: Contract) -> None:
    first = answered(contract, "order-1", 1, 0)
    later = msgspec.structs.replace(answered(contract, "order-1", 1, 1, version="2"), probability=0.25)
    assert log.add([first]) == Appended(1)
    assert log.add([later]) == Appended(0, n_other=1, other=(later.request_id, "2", first.request_id, "1"))
    assert log.find(["order-1"]) == {"order-1": first}


def test_a_redelivery_is_not_a_duplicate_request(log: PredictionLog, contract: Contract) -> None:
    records = [answered(contract, f"order-{n}", n, n) for n in range(40)]
    assert log.add(records) == Appended(40)
    assert log.add(records) == Appended(0, n_redelivered=40)


def test_requests_without_a_client_id_are_never_duplicates(log: PredictionLog, contract: Contract) -> None:
    assert log.add([answered(contract, None, 1, n) for n in range(3)]) == Appended(3)


def test_a_client_id_equal_to_an_existing_prediction_id_changes_nothing(
    log: PredictionLog, truth: GroundTruthStore, contract: Contract
) -> None:
    victim = answered(contract, None, 1, 0)
    squatter = answered(contract, victim.request_id, 2, 1)
    assert log.add([squatter, victim]) == Appended(2)
    assert log.find([victim.request_id]) == {victim.request_id: victim}
    assert truth.add([LabelItem(victim.request_id, 1, NOON)]) == FeedbackCounts(1, 0, 0, 0)
    assert truth.label_of(squatter.request_id) is None


def test_concurrent_deliveries_log_each_request_once(
    open_again: Callable[[], Database], log: PredictionLog, contract: Contract
) -> None:
    def deliver(part: int) -> int:
        records = [answered(contract, f"order-{n}", n, 4 * n + part) for n in range(60)]
        return PredictionLog(open_again(), contract).append(records)

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(deliver, range(4))) == 60
    assert log.count() == 60


Step = tuple[int, int, bool]  # The client id, the row, and whether it is delivered twice.


@settings(max_examples=25)
@given(deliveries=st.lists(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.booleans()), max_size=6)))
def test_the_log_has_one_row_for_each_client_id_and_content(
    database: Database, contract: Contract, deliveries: list[list[Step]]
) -> None:
    log = PredictionLog(database, contract)
    with database.begin() as connection:
        connection.exec_driver_sql("DELETE FROM prediction_logs")
        connection.exec_driver_sql("DELETE FROM client_request_ids")
    expected: dict[tuple[int, int], PredictionRecord] = {}
    n = n_repeated = 0
    for delivery in deliveries:
        records = []
        for client, row, _ in delivery:
            records.append(answered(contract, f"c{client}", row, n))
            n_repeated += (client, row) in expected
            expected.setdefault((client, row), records[-1])
            n += 1
        found = log.add(records)
        assert (found.n_other, found.taken) == (0, ())
        if any(twice for *_, twice in delivery):
            assert log.append(records) == 0
    assert log.count() == len(expected)
    named = log.named([f"c{client}" for client in range(4)])
    assert {r.request_id for rows in named.values() for r in rows} == {r.request_id for r in expected.values()}


def test_a_label_for_an_ambiguous_client_id_is_not_assigned(
    log: PredictionLog, truth: GroundTruthStore, contract: Contract
) -> None:
    one, other = answered(contract, "order-1", 1, 0), answered(contract, "order-1", 2, 1)
    log.add([one, other])
    assert truth.add([LabelItem("order-1", 1, NOON)]) == FeedbackCounts(0, 0, 0, 0, ambiguous=1)
    assert (truth.match_waiting(), truth.n_waiting()) == (FeedbackCounts(0, 0, 0, 0), 1)
    assert truth.add([LabelItem(other.request_id, 1, NOON)]) == FeedbackCounts(1, 0, 0, 0)
    assert truth.labelled_rows().request_ids.tolist() == [other.request_id]


def test_a_waiting_label_is_matched_by_client_id(
    log: PredictionLog, truth: GroundTruthStore, contract: Contract
) -> None:
    record = answered(contract, "order-1", 1, 0)
    assert truth.add([LabelItem("order-1", 1, NOON), LabelItem(record.request_id, 0, NOON - DAY)]).unknown == 2
    log.add([record])
    assert truth.match_waiting() == FeedbackCounts(1, 1, 0, 0)
    label = truth.label_of(record.request_id)
    assert label is not None
    assert (label["label"], truth.n_waiting()) == (1, 0)
    assert {o.request_id for o in truth.history(record.request_id)} == {"order-1", record.request_id}


def test_a_matched_label_stays_with_its_row_if_its_id_becomes_ambiguous(
    database: Database, log: PredictionLog, truth: GroundTruthStore, contract: Contract
) -> None:
    one, other = answered(contract, "order-1", 1, 0), answered(contract, "order-1", 2, 1)
    log.add([one])
    truth.add([LabelItem("order-1", 1, NOON)])
    log.add([other])
    assert truth.add([LabelItem("order-1", 1, NOON)]).ambiguous == 1
    assert len(truth.history(one.request_id)) == 1
    with database.connect() as connection:
        assert connection.execute(sa.select(ground_truth.c.request_id)).scalars().all() == [one.request_id]


def test_row_digests_are_equal_only_for_equal_rows() -> None:
    names = ("a", "b", "c")
    assert row_digest(names, (1, "x", None)) == row_digest(names, (1.0, "x", float("nan")))
    assert row_digest(names, (0.0, "x", None)) == row_digest(names, (-0.0, "x", None))
    assert row_digest((*names, "d"), (1, "x", None, None)) == row_digest(names, (1, "x", None))
    digests = {row_digest(names, row) for row in ((1, "x", None), (None, "x", 1), (1, "1", None), ("1", "x", None))}
    assert len(digests) == 4
