"""The status endpoints report health, model and metrics, and log lines contain no customer data."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import httpx
import pytest

from pmmds_core.contracts.contract import Contract
from pmmds_core.deployment import Deployment
from pmmds_tests.harness.service_process import RunningService, wait_until
from pmmds_tests.harness.service_requests import (
    FEEDBACK,
    JSON,
    PREDICT,
    new_id,
    predicted,
)

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("service")]


def test_health_lists_every_part(client: httpx.Client) -> None:
    # An earlier test may have caused a watcher problem, which stays until the next poll.
    wait_until(lambda: client.get("/healthz").json()["parts"]["registry"]["status"] == "ok")
    response = client.get("/healthz")
    assert response.status_code == 200
    body = response.json()
    assert body["status"] == "healthy"
    assert body["parts"].pop("shadow") == {"status": "off"}
    assert {name: part["status"] for name, part in body["parts"].items()} == dict.fromkeys(
        ("database", "model", "spool", "registry"), "ok"
    )
    assert all(part["problem"] == "" for part in body["parts"].values())


def test_the_service_is_alive_and_ready(client: httpx.Client) -> None:
    assert client.get("/livez").json() == {"status": "alive"}
    assert client.get("/ready").json() == {"status": "ready", "reasons": []}


def test_the_served_model_is_the_registered_one(client: httpx.Client, two_versions: Deployment) -> None:
    model = client.get("/model").json()
    assert (model["name"], model["version"], model["alias"]) == ("churn-classifier", "1", "production")
    assert model["digest"] == two_versions.registry.get_version("churn-classifier", "1").digest
    assert model["metrics"]["roc_auc"] > 0.8
    assert datetime.fromisoformat(model["loaded_at"]) < datetime.now(UTC)
    assert [worker["version"] for worker in model["workers"]] == ["1"]


def test_reload_returns_the_version_all_workers_serve(client: httpx.Client) -> None:
    response = client.post("/model/reload")
    assert response.status_code == 200
    assert response.json()["version"] == "1"


def test_concurrent_reloads_are_all_answered(client: httpx.Client, service: RunningService) -> None:
    def reload(_: int) -> tuple[int, str]:
        response = httpx.post(f"{service.url}/model/reload", timeout=60, trust_env=False)
        return response.status_code, response.json()["version"]

    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(reload, range(6))) == {(200, "1")}
    assert "pmmds_model_registry_up 1.0" in client.get("/metrics").text


def test_prometheus_counts_responses_and_errors(client: httpx.Client, contract: Contract) -> None:
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
    assert client.get("/livez").status_code == 200
    assert value('pmmds_request_latency_seconds_bucket{endpoint="/livez",le="2.5",method="GET"}') > 0


def test_metrics_are_served_as_prometheus_text_and_as_json(client: httpx.Client, contract: Contract) -> None:
    predicted(client, contract)
    client.post(PREDICT, json={"features": {}})
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
    assert client.get("/guess-me").status_code == 404
    assert "guess-me" not in client.get("/metrics").text


def test_no_log_line_contains_customer_data(client: httpx.Client, contract: Contract, service: RunningService) -> None:
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
