"""Every endpoint of a running service: what it answers, what it refuses, and what is kept of it."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import uuid
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import httpx
import pytest

from pmmds_core.bundle import load_bundle
from pmmds_core.contracts.contract import Contract
from pmmds_core.contracts.request_validation import MESSAGE
from pmmds_core.deployment import Deployment
from pmmds_core.scorer import Scorer
from pmmds_serving.application import ROUTES
from pmmds_tests.serving.running import RunningService, wait_until
from pmmds_tests.stores.records import make_records

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("service")]

PREDICT, BATCH, FEEDBACK = "/api/v1/predict", "/api/v1/predict/batch", "/api/v1/feedback"
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def client(service: RunningService) -> httpx.Client:
    return service.client


@pytest.fixture(scope="module")
def stores(shared_service: RunningService) -> Deployment:
    """The service's database, seen by another process."""
    return shared_service.deployment()


@pytest.fixture
def scorer(service: RunningService, contract: Contract) -> Scorer:
    return load_bundle(service.home / "model_cache" / contract.model_name / "1").scorer


def new_id() -> str:
    return f"test-{uuid.uuid4().hex}"


def rows(contract: Contract, n_rows: int, seed: int = 0) -> list[dict[str, Any]]:
    return [
        dict(zip(contract.feature_names, r.features, strict=True)) for r in make_records(contract, n_rows, seed=seed)
    ]


def refusal(*errors: str, message: str = MESSAGE, warnings: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"detail": {"message": message, "errors": list(errors), "warnings": list(warnings)}}


def is_logged(stores: Deployment, *request_ids: str) -> None:
    wait_until(lambda: stores.prediction_log.find(request_ids).keys() == set(request_ids))


def predicted(client: httpx.Client, contract: Contract, request_id: str = "") -> str:
    """The id of an answered prediction."""
    headers = {"X-Request-ID": request_id} if request_id else {}
    response = client.post(PREDICT, json={"features": contract.example()}, headers=headers)
    assert response.status_code == 200, response.text
    return str(response.json()["request_id"])


def test_a_prediction_is_the_scorers_and_names_its_model(
    client: httpx.Client, contract: Contract, scorer: Scorer
) -> None:
    response = client.post(PREDICT, json={"features": contract.example()})
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
    assert 0 < answer["latency_ms"] < 1000
    assert answer["warnings"] == []


def test_every_prediction_is_logged_with_its_own_values(
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


def test_the_clients_request_id_is_kept_and_recorded_once(
    client: httpx.Client, contract: Contract, stores: Deployment
) -> None:
    request_id = new_id()
    headers = {"X-Request-ID": request_id}
    first, second = (client.post(PREDICT, json={"features": contract.example()}, headers=headers) for _ in range(2))
    assert first.status_code == second.status_code == 200
    assert first.json()["request_id"] == request_id
    assert first.json() == second.json()
    is_logged(stores, request_id)


def test_a_request_id_with_another_payload_is_refused(client: httpx.Client, contract: Contract) -> None:
    headers = {"X-Request-ID": predicted(client, contract, new_id())}
    other = {"features": {**contract.example(), "tenure": 99}}
    response = client.post(PREDICT, json=other, headers=headers)
    assert response.status_code == 409
    error = "This X-Request-ID was used for another payload. Choose a new one"
    assert response.json() == refusal(error, message="The request id is taken")


@pytest.mark.parametrize("request_id", ["x" * 121, "schlüssel"])
def test_a_request_id_that_cannot_be_kept_is_refused(client: httpx.Client, contract: Contract, request_id: str) -> None:
    headers = {b"X-Request-ID": request_id.encode()}
    response = client.post(PREDICT, json={"features": contract.example()}, headers=headers)
    assert response.status_code == 400
    assert response.json() == refusal("X-Request-ID: expected at most 120 printable ASCII characters")


def test_an_unknown_feature_is_a_warning(client: httpx.Client, contract: Contract) -> None:
    response = client.post(PREDICT, json={"features": {**contract.example(), "shoe_size": 43}})
    assert response.status_code == 200
    assert response.json()["warnings"] == ["Unknown feature ignored: shoe_size"]


def test_a_bad_payload_is_told_all_its_mistakes_in_the_contracts_order(
    client: httpx.Client, contract: Contract
) -> None:
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
        (b"", "The body is not JSON: Input data was truncated"),
        (b'{"features": {', "The body is not JSON: Input data was truncated"),
        (b'{"features": {"tenure": NaN}}', "The body is not JSON: JSON is malformed: invalid character (byte 24)"),
        (b"{} {}", "The body is not JSON: JSON is malformed: trailing characters (byte 3)"),
        (b"[" * 50_000, "The body is not JSON: it is nested too deeply"),
        (b"[]", 'The body: expected an object {"features": …}'),
        (b"null", 'The body: expected an object {"features": …}'),
        (b'{"feature": {}}', 'The body: expected an object {"features": …}'),
        (b'{"features": 1}', "features: expected an object with 19 features"),
    ],
)
def test_a_body_that_is_no_payload_is_refused_exactly(client: httpx.Client, body: bytes, error: str) -> None:
    response = client.post(PREDICT, content=body, headers=JSON)
    assert (response.status_code, response.json()) == (400, refusal(error))


@pytest.mark.parametrize("body", [b'"\xff"', b'{"features": {"tenure": ' + b"1" * 5000 + b"}}", b"\x00", b"1e999"])
def test_bytes_that_are_hardly_json_are_refused_in_the_same_shape(client: httpx.Client, body: bytes) -> None:
    response = client.post(PREDICT, content=body, headers=JSON)
    assert response.status_code == 400
    (error,) = response.json()["detail"]["errors"]
    assert error.startswith("The body is not JSON: ")


@pytest.mark.parametrize(
    ("content_type", "found"),
    [("text/plain", "text/plain"), ("", "missing"), ("application/jsonx", "application/jsonx")],
)
def test_another_content_type_is_refused(client: httpx.Client, content_type: str, found: str) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    response = client.post(PREDICT, content=b"{}", headers=headers)
    assert response.status_code == 415
    assert response.json() == refusal(f"Content-Type is {found}. Expected application/json")


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON", "application/x+json"])
def test_json_by_other_names_is_taken(client: httpx.Client, contract: Contract, content_type: str) -> None:
    body = json.dumps({"features": contract.example()})
    assert client.post(PREDICT, content=body, headers={"Content-Type": content_type}).status_code == 200


@pytest.mark.parametrize(("path", "limit"), [(PREDICT, 100_000), (BATCH, 4_000_000), (FEEDBACK, 4_000_000)])
@pytest.mark.parametrize("is_declared", [True, False], ids=["declared", "streamed"])
def test_a_body_over_the_limit_is_refused(client: httpx.Client, path: str, limit: int, is_declared: bool) -> None:
    body = b" " * (limit + 1)
    response = client.post(path, content=body if is_declared else iter([body[:limit], body[limit:]]), headers=JSON)
    assert response.status_code == 413
    assert response.json() == refusal(f"The body is larger than {limit:,} bytes")


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


def test_a_repeated_batch_gets_its_answers_again_and_another_payload_is_refused(
    client: httpx.Client, contract: Contract, stores: Deployment
) -> None:
    headers = {"X-Request-ID": new_id()}
    sent = rows(contract, 5, seed=3)
    first, again = (client.post(BATCH, json={"instances": sent}, headers=headers) for _ in range(2))
    assert (first.status_code, first.json()) == (200, again.json())
    other = client.post(BATCH, json={"instances": sent[::-1]}, headers=headers)
    assert other.status_code == 409
    is_logged(stores, *(a["request_id"] for a in first.json()["predictions"]))


def test_one_bad_row_fails_the_batch_by_its_index_and_nothing_is_logged(
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


def labels(*items: tuple[str, int], **more: str) -> dict[str, Any]:
    return {"items": [{"request_id": request_id, "label": label, **more} for request_id, label in items]}


def counts(accepted: int = 0, updated: int = 0, unknown: int = 0, outdated: int = 0) -> dict[str, int]:
    return {"accepted": accepted, "updated": updated, "unknown": unknown, "outdated": outdated}


def known_labels(stores: Deployment, *request_ids: str) -> dict[str, int]:
    labelled = stores.ground_truth.labelled()
    known = dict(zip(labelled.request_ids, labelled.labels, strict=True))
    return {request_id: int(known[request_id]) for request_id in request_ids if request_id in known}


def test_truth_that_comes_right_after_the_answer_is_kept(
    client: httpx.Client, contract: Contract, stores: Deployment
) -> None:
    one, two = predicted(client, contract), predicted(client, contract)
    response = client.post(FEEDBACK, json=labels((one, 1), (two, 0), ("nobody", 1)))
    assert (response.status_code, response.json()) == (200, counts(accepted=2, unknown=1))
    assert known_labels(stores, one, two, "nobody") == {one: 1, two: 0}


def test_the_same_truth_again_changes_nothing_and_the_newest_counts(
    client: httpx.Client, contract: Contract, stores: Deployment
) -> None:
    request_id = predicted(client, contract)
    noon = datetime(2026, 1, 31, 12, tzinfo=UTC)

    def tell(label: int, hours: int) -> Any:
        at = (noon + timedelta(hours=hours)).isoformat()
        return client.post(FEEDBACK, json=labels((request_id, label), observed_at=at)).json()

    assert tell(1, 0) == counts(accepted=1)
    assert tell(1, 0) == counts(updated=1)
    assert tell(0, 2) == counts(updated=1)
    assert tell(1, 1) == counts(outdated=1)
    assert known_labels(stores, request_id) == {request_id: 0}


def test_bad_labels_are_refused_by_index_and_none_is_kept(
    client: httpx.Client, contract: Contract, stores: Deployment
) -> None:
    request_id = predicted(client, contract)
    instant = "Expected an instant with time zone, such as 2026-01-31T12:00:00Z"
    items: list[Any] = [{"request_id": request_id, "label": 1}, {"label": 1}, {"request_id": request_id, "label": 2}, 7]
    items += [{"request_id": request_id, "label": 1, "observed_at": at} for at in ("2026-01-31T12:00:00", "", 0)]
    items += [{"request_id": request_id, "label": 1, "observed_at": "0001-01-01T00:00:00+14:00"}]
    response = client.post(FEEDBACK, json={"items": items})
    assert response.status_code == 400
    assert response.json() == refusal(
        "items[1]: Missing required field: request_id",
        "items[2]: Invalid value for label: '2'. Expected one of: 0, 1",
        "items[3]: expected an object with request_id and label",
        f"items[4]: Invalid value for observed_at: '2026-01-31T12:00:00'. {instant}",
        f"items[5]: Invalid value for observed_at: ''. {instant}",
        f"items[6]: Invalid value for observed_at: '0'. {instant}",
        f"items[7]: Invalid value for observed_at: '0001-01-01T00:00:00+14:00'. {instant}",
    )
    assert known_labels(stores, request_id) == {}


@pytest.mark.parametrize(("items", "found"), [([], "0"), ("x", "str"), ([{}] * 10_001, "10,001")])
def test_feedback_has_1_to_10000_labels(client: httpx.Client, items: Any, found: str) -> None:
    response = client.post(FEEDBACK, json={"items": items})
    assert response.status_code == 400
    assert response.json() == refusal(f"items: expected an array of 1 to 10,000 labels, found {found}")


def test_health_tells_every_part(client: httpx.Client) -> None:
    response = client.get("/healthz")
    assert response.status_code == 200
    body = response.json()
    assert body["status"] == "healthy"
    assert {name: part["status"] for name, part in body["parts"].items()} == dict.fromkeys(
        ("database", "model", "spool", "registry"), "ok"
    )
    assert all(part["problem"] == "" for part in body["parts"].values())


def test_it_is_alive_and_ready(client: httpx.Client) -> None:
    assert client.get("/livez").json() == {"status": "alive"}
    assert client.get("/ready").json() == {"status": "ready", "reasons": []}


def test_the_model_is_the_registrys(client: httpx.Client, two_versions: Deployment) -> None:
    model = client.get("/model").json()
    assert (model["name"], model["version"], model["alias"]) == ("churn-classifier", "1", "production")
    assert model["digest"] == two_versions.registry.get_version("churn-classifier", "1").digest
    assert model["metrics"]["roc_auc"] > 0.8
    assert datetime.fromisoformat(model["loaded_at"]) < datetime.now(UTC)
    assert [worker["version"] for worker in model["workers"]] == ["1"]


def test_reload_answers_with_what_all_workers_serve(client: httpx.Client) -> None:
    response = client.post("/model/reload")
    assert response.status_code == 200
    assert response.json()["version"] == "1"


def test_prometheus_counts_what_was_answered_and_refused(client: httpx.Client, contract: Contract) -> None:
    def value(sample: str) -> float:
        lines = client.get("/metrics").text.splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(sample + " "))

    answered = 'pmmds_requests_total{endpoint="/api/v1/predict",method="POST",status="200"}'
    refused = 'pmmds_validation_failures_total{endpoint="/api/v1/predict",failure_type="validation"}'
    before = value(answered), value(refused)
    predicted(client, contract)
    client.post(PREDICT, json={"features": {}})
    assert (value(answered), value(refused)) == (before[0] + 1, before[1] + 1)
    assert value("pmmds_uptime_seconds") > 0
    assert value('pmmds_request_latency_seconds_bucket{endpoint="/livez",le="2.5",method="GET"}') > 0


def test_metrics_are_served_as_prometheus_text_and_as_json(client: httpx.Client) -> None:
    assert client.get("/metrics").headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    document = client.get("/metrics/json").json()
    expected = {"requests", "predictions", "errors", "validation_failures", "model_reloads", "request_latency_seconds"}
    expected |= {
        "drift_events",
        "drift_checks",
        "retraining_runs",
        "promotions",
        "prediction_latency_seconds",
        "uptime_seconds",
    }
    assert {f"pmmds_{name}" for name in expected} <= document.keys()
    assert document["pmmds_requests"]["type"] == "counter"


def test_metrics_have_no_label_from_an_unknown_path(client: httpx.Client) -> None:
    assert client.get("/guess-me-4711").status_code == 404
    assert "4711" not in client.get("/metrics").text


def test_the_openapi_document_has_every_endpoint_and_the_contracts_features(
    client: httpx.Client, contract: Contract
) -> None:
    document = client.get("/openapi.json").json()
    assert document["openapi"] == "3.1.0"
    told = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert told == {(method, path) for method, path, _ in ROUTES}
    features = document["components"]["schemas"]["Features"]
    assert list(features["properties"]) == list(contract.feature_names)
    example = document["paths"][PREDICT]["post"]["requestBody"]["content"]["application/json"]["example"]
    assert client.post(PREDICT, json=example).status_code == 200


def test_the_documentation_needs_nothing_from_elsewhere(client: httpx.Client) -> None:
    page = client.get("/docs").text
    links = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert "http" not in page
    for link in [link for link in links if not link.startswith("data:")]:
        assert client.get(f"/{link}").status_code == 200, link


def test_the_front_page_shows_the_model_and_a_command_that_works(client: httpx.Client, service: RunningService) -> None:
    page = client.get("/").text
    assert "churn-classifier" in page
    found = re.search(r"<pre>(curl .*?)</pre>", page, re.DOTALL)
    assert found is not None
    command = shlex.split(unescape(found[1]))
    assert command[2] == f"{service.url}{PREDICT}"
    done = subprocess.run([*command, "--noproxy", "*"], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["model_version"] == "1"


@pytest.mark.parametrize("path", ["/nothing", "/api/v1", "/docs/secret.txt", "/docs/../pyproject.toml", "/schema.json"])
def test_an_unknown_path_is_404_in_the_usual_shape(client: httpx.Client, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 404
    assert response.json() == refusal("GET /docs shows every endpoint", message="Not Found")


@pytest.mark.parametrize(
    ("method", "path"), [("GET", PREDICT), ("DELETE", FEEDBACK), ("POST", "/healthz"), ("PUT", "/")]
)
def test_a_wrong_method_is_405_in_the_usual_shape(client: httpx.Client, method: str, path: str) -> None:
    response = client.request(method, path)
    assert response.status_code == 405
    assert response.json() == refusal("GET /docs shows every endpoint", message="Method Not Allowed")
    assert response.headers["allow"]


def test_no_customers_value_is_in_any_log_line(
    client: httpx.Client, contract: Contract, service: RunningService
) -> None:
    marks = {"monthly_charges": 123.4567, "total_charges": 4711.0815, "tenure": 77}
    request_id = predicted(client, contract, new_id())
    client.post(PREDICT, json={"features": {**contract.example(), **marks}})
    client.post(PREDICT, json={"features": {**contract.example(), "contract": "Zanzibar-4711"}})
    client.post(PREDICT, content=b'{"features": {"contract": "Zanzibar-4711"', headers=JSON)
    client.post(FEEDBACK, json={"items": [{"request_id": request_id, "label": "Zanzibar-4711"}]})
    last = predicted(client, contract, new_id())
    wait_until(lambda: last in service.output)
    assert request_id in service.output
    for secret in ("123.4567", "4711.0815", "Zanzibar", "Month-to-month", "Fiber optic"):
        assert secret not in service.output
