"""POST /api/v1/predict returns predictions or exact errors, and logs every prediction."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime

import httpx
import pytest

from pmmds_core.contracts.contract import Contract
from pmmds_core.deployment import Deployment
from pmmds_core.models.portable_scorer import Scorer
from pmmds_core.stores.predictions.log import PredictionRecord
from pmmds_tests.harness.service_process import RunningService, wait_until
from pmmds_tests.harness.service_requests import (
    BATCH,
    FEEDBACK,
    JSON,
    PREDICT,
    is_logged,
    new_id,
    predicted,
    refusal,
    rows,
)

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("service")]


@pytest.fixture
def service(each_service: RunningService) -> RunningService:
    """Every test runs with the fast path on and off."""
    return each_service


@pytest.fixture
def stores(service: RunningService) -> Deployment:
    return service.deployment()


def test_a_prediction_equals_the_scorer_and_names_its_model(
    client: httpx.Client, contract: Contract, scorer: Scorer
) -> None:
    started = time.perf_counter()
    response = client.post(PREDICT, json={"features": contract.example()})
    waited_ms = (time.perf_counter() - started) * 1000
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    answer = response.json()
    assert list(answer) == [
        "request_id",
        "prediction",
        "probability",
        "model_name",
        "model_version",
        "latency_ms",
        "warnings",
    ]
    assert answer["probability"] == scorer.probability(tuple(contract.example().values()))
    assert answer["prediction"] == int(answer["probability"] >= 0.5)
    assert (answer["model_name"], answer["model_version"]) == ("churn-classifier", "1")
    assert re.fullmatch("[0-9a-f]{32}", answer["request_id"])
    assert 0 < answer["latency_ms"] < waited_ms
    assert answer["warnings"] == []


def test_every_prediction_is_logged_with_its_values(
    client: httpx.Client, contract: Contract, stores: Deployment, scorer: Scorer
) -> None:
    before = datetime.now(UTC)
    sent = rows(contract, 30, seed=1)
    answers = [client.post(PREDICT, json={"features": row}).json() for row in sent]
    is_logged(stores, *(a["request_id"] for a in answers))
    logged = stores.prediction_log.find(a["request_id"] for a in answers)
    for row, answer in zip(sent, answers, strict=True):
        record = logged[answer["request_id"]]
        assert record.features == tuple(row.values())
        assert record.probability == answer["probability"] == scorer.probability(record.features)
        assert (record.prediction, record.model_version) == (answer["prediction"], "1")
        assert before < record.predicted_at < datetime.now(UTC)


def test_the_client_request_id_is_returned_and_recorded_once(
    client: httpx.Client, contract: Contract, stores: Deployment
) -> None:
    request_id = new_id()
    headers = {"X-Request-ID": request_id}
    first, second = (client.post(PREDICT, json={"features": contract.example()}, headers=headers) for _ in range(2))
    assert first.status_code == second.status_code == 200
    assert first.json()["request_id"] == request_id
    assert first.json() == second.json()
    is_logged(stores, request_id)


def test_reused_request_id_with_another_payload_gets_its_own_row(
    client: httpx.Client, contract: Contract, stores: Deployment
) -> None:
    request_id = predicted(client, contract, new_id())
    other = {"features": {**contract.example(), "tenure": 72}}
    answer = client.post(PREDICT, json=other, headers={"X-Request-ID": request_id}).json()
    assert answer["request_id"] == request_id

    def logged() -> list[PredictionRecord]:
        return stores.prediction_log.named([request_id]).get(request_id, [])

    wait_until(lambda: len(logged()) == 2)
    tenure = contract.feature_names.index("tenure")
    assert {r.features[tenure]: r.probability for r in logged()}[72] == answer["probability"]
    assert len({r.request_id for r in logged()} | {request_id}) == 3


@pytest.mark.parametrize("request_id", ["x" * 121, "schlüssel"])
def test_an_invalid_request_id_is_rejected(client: httpx.Client, contract: Contract, request_id: str) -> None:
    headers = {b"X-Request-ID": request_id.encode()}
    response = client.post(PREDICT, json={"features": contract.example()}, headers=headers)
    assert response.status_code == 400
    assert response.json() == refusal("X-Request-ID: expected at most 120 printable ASCII characters")


def test_an_unknown_feature_causes_a_warning(client: httpx.Client, contract: Contract) -> None:
    response = client.post(PREDICT, json={"features": {**contract.example(), "shoe_size": 43}})
    assert response.status_code == 200
    assert response.json()["warnings"] == ["Unknown feature ignored: shoe_size"]


def test_a_bad_payload_gets_all_errors_in_contract_order(client: httpx.Client, contract: Contract) -> None:
    features = {**contract.example(), "contract": "Annual", "gender": None, "total_charges": -1, "extra": 1}
    del features["tenure"]
    response = client.post(PREDICT, json={"features": features})
    assert response.status_code == 400
    assert response.json() == refusal(
        "Invalid value for gender: null. Expected one of: Male, Female",
        "Missing required feature: tenure",
        "Invalid value for contract: 'Annual'. Expected one of: Month-to-month, One year, Two year",
        "Invalid value for total_charges: -1. Expected a number from 0 to 10000 (dollars)",
        warnings=("Unknown feature ignored: extra",),
    )


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", "The body is not JSON: it is empty"),
        (b'{"features": {', "The body is not JSON: Input data was truncated"),
        (b'{"features": {"tenure": NaN}}', "The body is not JSON: JSON is malformed: invalid character (byte 24)"),
        (b"{} {}", "The body is not JSON: JSON is malformed: trailing characters (byte 4)"),
        (b"[" * 1100, "The body is not JSON: it is nested too deeply"),
        (b"[]", 'body: expected an object {"features": …}'),
        (b"null", 'body: expected an object {"features": …}'),
        (b'{"feature": {}}', 'body: expected an object {"features": …}'),
        (b'{"features": 1}', "features: expected an object with 19 features"),
    ],
)
def test_an_invalid_body_gets_an_exact_error(client: httpx.Client, body: bytes, error: str) -> None:
    response = client.post(PREDICT, content=body, headers=JSON)
    assert (response.status_code, response.json()) == (400, refusal(error))


@pytest.mark.parametrize("body", [b'"\xff"', b'{"features": {"tenure": ' + b"1" * 5000 + b"}}", b"\x00", b"1e999"])
def test_almost_valid_json_gets_a_standard_error(client: httpx.Client, body: bytes) -> None:
    response = client.post(PREDICT, content=body, headers=JSON)
    assert response.status_code == 400
    (error,) = response.json()["detail"]["errors"]
    assert error.startswith("The body is not JSON: ")


@pytest.mark.parametrize(
    ("content_type", "found"),
    [("text/plain", "text/plain"), ("", "missing"), ("application/jsonx", "application/jsonx")],
)
def test_other_content_types_are_rejected(client: httpx.Client, content_type: str, found: str) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    response = client.post(PREDICT, content=b"{}", headers=headers)
    assert response.status_code == 415
    assert response.json() == refusal(f"Content-Type is {found}. Expected application/json")


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON", "application/x+json"])
def test_json_content_types_are_accepted(client: httpx.Client, contract: Contract, content_type: str) -> None:
    body = json.dumps({"features": contract.example()})
    assert client.post(PREDICT, content=body, headers={"Content-Type": content_type}).status_code == 200


@pytest.mark.parametrize(("path", "limit"), [(PREDICT, 100_000), (BATCH, 4_000_000), (FEEDBACK, 4_000_000)])
@pytest.mark.parametrize("is_declared", [True, False], ids=["declared", "streamed"])
def test_a_body_over_the_limit_is_rejected(client: httpx.Client, path: str, limit: int, is_declared: bool) -> None:
    body = b" " * (limit + 1)
    response = client.post(path, content=body if is_declared else iter([body[:limit], body[limit:]]), headers=JSON)
    assert response.status_code == 413
    assert response.json() == refusal(f"The body is larger than {limit:,} bytes")
