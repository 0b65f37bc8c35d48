"""POST /api/v1/predict/batch answers all rows in order, or none."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from pmmds_core.contracts.contract import Contract
from pmmds_core.deployment import Deployment
from pmmds_core.models.portable_scorer import Scorer
from pmmds_tests.harness.service_process import wait_until
from pmmds_tests.harness.service_requests import (
    BATCH,
    is_logged,
    new_id,
    predicted,
    refusal,
    rows,
)

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("service")]


def test_a_batch_is_answered_in_order_and_logged(
    client: httpx.Client, contract: Contract, stores: Deployment, scorer: Scorer
) -> None:
    sent = rows(contract, 1000, seed=2)
    request_id = new_id()
    response = client.post(BATCH, json={"instances": sent}, headers={"X-Request-ID": request_id})
    assert response.status_code == 200
    answers = response.json()["predictions"]
    assert [a["request_id"] for a in answers] == [f"{request_id}-{i}" for i in range(1000)]
    assert [a["probability"] for a in answers] == [scorer.probability(tuple(row.values())) for row in sent]
    is_logged(stores, *(a["request_id"] for a in answers))
    logged = stores.prediction_log.find(a["request_id"] for a in answers)
    assert all(logged[a["request_id"]].probability == a["probability"] for a in answers)


def test_a_repeated_batch_gets_the_same_predictions(
    client: httpx.Client, contract: Contract, stores: Deployment
) -> None:
    headers = {"X-Request-ID": new_id()}
    sent = rows(contract, 5, seed=3)
    first, again = (client.post(BATCH, json={"instances": sent}, headers=headers) for _ in range(2))
    assert (first.status_code, first.json()) == (200, again.json())
    other = client.post(BATCH, json={"instances": sent[::-1]}, headers=headers)
    assert other.status_code == 200
    ids = [a["request_id"] for a in first.json()["predictions"]]
    assert ids == [a["request_id"] for a in other.json()["predictions"]]
    # The middle row has the same position in both batches.
    wait_until(lambda: [len(stores.prediction_log.named([i]).get(i, ())) for i in ids] == [2, 2, 1, 2, 2])


def test_one_bad_row_rejects_the_batch_and_nothing_is_logged(
    client: httpx.Client, contract: Contract, stores: Deployment
) -> None:
    good = contract.example()
    bad = {**good, "tenure": 101, "extra": 1}
    headers = {"X-Request-ID": new_id()}
    response = client.post(BATCH, json={"instances": [good, bad, good, "row"]}, headers=headers)
    assert response.status_code == 400
    assert response.json() == refusal(
        "instances[1]: Invalid value for tenure: 101. Expected a whole number from 0 to 100 (months)",
        "instances[3]: features: expected an object with 19 features",
        warnings=("instances[1]: Unknown feature ignored: extra",),
    )
    later = predicted(client, contract)
    is_logged(stores, later)
    assert stores.prediction_log.find(f"{headers['X-Request-ID']}-{i}" for i in range(4)) == {}


@pytest.mark.parametrize(("instances", "found"), [([], "0"), ({}, "dict"), ([{}] * 1001, "1,001")])
def test_a_batch_has_1_to_1000_rows(client: httpx.Client, instances: Any, found: str) -> None:
    response = client.post(BATCH, json={"instances": instances})
    assert response.status_code == 400
    assert response.json() == refusal(f"instances: expected an array of 1 to 1,000 rows, found {found}")
