"""Shadow rows are scored once, in order of ingestion, and deleted with their version, on both engines."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pmmds_core.contracts.contract import Contract
from pmmds_core.policies.decision import PENDING_APPROVAL
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.lifecycle.decisions import DecisionStore
from pmmds_core.stores.predictions.label_history import LabelItem
from pmmds_core.stores.predictions.labels import GroundTruthStore
from pmmds_core.stores.predictions.log import PredictionLog, PredictionRecord
from pmmds_core.stores.predictions.shadow import LoggedRow, LogPosition, ShadowScore, ShadowStore

BEFORE_ALL = LogPosition(datetime(2020, 1, 1, tzinfo=UTC))
AT = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def store(database: Database, contract: Contract) -> ShadowStore:
    return ShadowStore(database, contract)


@pytest.fixture
def log(database: Database, contract: Contract) -> PredictionLog:
    return PredictionLog(database, contract)


def record(contract: Contract, number: int, version: str = "1", probability: float = 0.4) -> PredictionRecord:
    features = tuple(contract.example()[name] for name in contract.feature_names)
    at = AT + timedelta(seconds=number)
    return PredictionRecord(
        f"r-{number:03}", at, contract.model_name, version, int(probability >= 0.5), probability, 0.3, features
    )


def score(rows: list[LoggedRow], probability: float = 0.6) -> list[ShadowScore]:
    return [ShadowScore(r.request_id, r.predicted_at, probability, int(probability >= 0.5)) for r in rows]


def test_rows_without_a_shadow_score_are_read_in_pages(
    store: ShadowStore, log: PredictionLog, contract: Contract
) -> None:
    log.append(record(contract, n) for n in range(7))
    place, pages = BEFORE_ALL, []
    while page := store.waiting("2", place, 3):
        pages.append([r.request_id for r in page])
        place = LogPosition(page[-1].ingested_at, page[-1].request_id)
    assert pages == [["r-000", "r-001", "r-002"], ["r-003", "r-004", "r-005"], ["r-006"]]
    first = store.waiting("2", BEFORE_ALL, 1)[0]
    assert first.features == record(contract, 0).features
    store.add("2", score(store.waiting("2", BEFORE_ALL, 3)))
    assert [r.request_id for r in store.waiting("2", BEFORE_ALL, 9)] == ["r-003", "r-004", "r-005", "r-006"]
    assert len(store.waiting("3", BEFORE_ALL, 9)) == 7


def test_rows_served_by_the_challenger_are_not_scored(
    store: ShadowStore, log: PredictionLog, contract: Contract
) -> None:
    log.append([record(contract, 0, "1"), record(contract, 1, "2")])
    assert [r.request_id for r in store.waiting("2", BEFORE_ALL, 9)] == ["r-000"]


def test_rows_logged_before_shadow_scoring_started_are_not_scored(
    store: ShadowStore, log: PredictionLog, contract: Contract
) -> None:
    log.append([record(contract, 0)])
    since = store.now() + timedelta(seconds=1)
    assert store.waiting("2", LogPosition(since), 9) == []


def test_a_row_scored_twice_keeps_its_first_score(store: ShadowStore, log: PredictionLog, contract: Contract) -> None:
    log.append(record(contract, n) for n in range(5))
    waiting = store.waiting("2", BEFORE_ALL, 9)
    store.add("2", score(waiting, 0.6))
    store.add("2", score(waiting, 0.1))
    assert store.totals() == {"2": 5}
    found = store.agreement("2")
    assert found is not None
    assert (found.n_rows, found.changed_share) == (5, 1.0)
    assert found.mean_difference == pytest.approx(0.2)


def test_shadow_agreement_uses_the_newest_rows_and_their_labels(
    store: ShadowStore, log: PredictionLog, database: Database, contract: Contract
) -> None:
    log.append(record(contract, n) for n in range(6))
    store.add("2", score(store.waiting("2", BEFORE_ALL, 9)))
    GroundTruthStore(database, contract).add(
        [LabelItem("r-004", 1, AT), LabelItem("r-005", 0, AT), LabelItem("r-001", 1, AT)]
    )
    found = store.agreement("2", limit=3)
    assert found is not None
    assert (found.n_rows, found.window_start) == (3, AT + timedelta(seconds=3))
    assert found.labelled is not None
    assert (found.labelled.n_labelled, found.labelled.challenger_right, found.labelled.answer_right) == (2, 1, 1)
    assert store.agreement("9") is None
    assert store.newest_version() == "2"


def test_rows_of_former_challengers_are_deleted_unless_approval_is_pending(
    store: ShadowStore, log: PredictionLog, database: Database, contract: Contract
) -> None:
    log.append(record(contract, n) for n in range(4))
    for version in ("2", "3", "4"):
        store.add(version, score(store.waiting(version, BEFORE_ALL, 9)))
    DecisionStore(database, contract.model_name).save(
        kind="promotion",
        challenger="3",
        champion="1",
        promoted=True,
        reason="better",
        improvement=0.01,
        details={},
        run_id="",
        state=PENDING_APPROVAL,
    )
    assert store.delete_all_but("4") == 4
    assert store.totals() == {"3": 4, "4": 4}
    assert store.delete_all_but("4") == 0
