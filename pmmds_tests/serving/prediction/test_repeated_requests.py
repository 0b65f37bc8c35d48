"""With reused request ids, every prediction has one row, which repeated requests share.

The clients open a connection for every request, so that any worker may get it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from pmmds_core.config.settings import load_settings
from pmmds_core.contracts.contract import Contract
from pmmds_core.deployment import Deployment
from pmmds_core.stores.database.engine import open_database
from pmmds_core.stores.database.schema import migrate
from pmmds_core.stores.predictions.log import PredictionRecord
from pmmds_tests.harness.background_requests import metric
from pmmds_tests.harness.service_process import RunningService, running_service, wait_until
from pmmds_tests.harness.service_requests import BATCH, PREDICT

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("service")]
Prepare = Callable[..., dict[str, str]]
N_IDS = 30


def send(url: str, path: str, payload: dict[str, Any], request_id: str) -> dict[str, Any]:
    headers = {"X-Request-ID": request_id, "Connection": "close"}
    response = httpx.post(url + path, json=payload, headers=headers, timeout=60, trust_env=False)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def rows_of(stores: Deployment, request_id: str) -> list[PredictionRecord]:
    return stores.prediction_log.named([request_id]).get(request_id, [])


def n_repeated(*services: RunningService) -> float:
    return sum(metric(service.client, "pmmds_repeated_requests_total") for service in services)


def other_row(contract: Contract) -> dict[str, Any]:
    return {"features": {**contract.example(), "tenure": 72}}


def each_answer_has_its_row(stores: Deployment, reported: dict[str, tuple[float, float]]) -> bool:
    """Return True if every id has exactly the rows of its two predictions."""
    return all(sorted(r.probability for r in rows_of(stores, i)) == sorted(answers) for i, answers in reported.items())


def test_every_prediction_of_two_workers_has_its_row_with_reused_ids(
    prepared: Prepare, contract: Contract, tmp_path: Path
) -> None:
    one, other = {"features": contract.example()}, other_row(contract)
    with running_service(prepared(tmp_path / "home", PMMDS_SERVING_WORKERS="2")) as service:
        reported = {}
        for i in range(N_IDS):
            first, second = (send(service.url, PREDICT, p, f"order-{i}") for p in (one, other))
            reported[f"order-{i}"] = first["probability"], second["probability"]
        stores = service.deployment()
        wait_until(lambda: stores.prediction_log.count() == 2 * N_IDS)
        assert each_answer_has_its_row(stores, reported)
        for i in range(N_IDS):  # a repeated request adds no row, and the worker or the shipper counts it
            for payload, probability in zip((one, other), reported[f"order-{i}"], strict=True):
                assert send(service.url, PREDICT, payload, f"order-{i}")["probability"] == probability
        wait_until(lambda: n_repeated(service) == 2 * N_IDS)
        assert stores.prediction_log.count() == 2 * N_IDS


def test_a_request_repeated_after_a_restart_has_one_row(prepared: Prepare, contract: Contract, tmp_path: Path) -> None:
    one, other = {"features": contract.example()}, other_row(contract)
    environment = prepared(tmp_path / "home")
    with running_service(environment) as service:
        first = send(service.url, PREDICT, one, "order-1")
    with running_service(environment) as service:
        again, second = (send(service.url, PREDICT, p, "order-1") for p in (one, other))
        stores = service.deployment()
        wait_until(lambda: n_repeated(service) == 1 and len(rows_of(stores, "order-1")) == 2)
        assert again["probability"] == first["probability"]
        assert each_answer_has_its_row(stores, {"order-1": (first["probability"], second["probability"])})


@pytest.mark.postgres
def test_two_replicas_with_one_database_log_a_repeated_request_once(
    prepared: Prepare, contract: Contract, tmp_path: Path, postgres_url: str
) -> None:
    one, other = {"features": contract.example()}, other_row(contract)
    homes = [prepared(tmp_path / name, PMMDS_DATABASE_URL=postgres_url) for name in ("a", "b")]
    migrate(open_database(load_settings(homes[0])), contract)
    with running_service(homes[0]) as a, running_service(homes[1]) as b:
        reported = {}
        for i in range(10):
            answers = [send(s.url, PREDICT, p, f"order-{i}") for p in (one, other) for s in (a, b)]
            reported[f"order-{i}"] = answers[0]["probability"], answers[2]["probability"]
        stores = a.deployment()
        wait_until(lambda: n_repeated(a, b) == 20)
        assert stores.prediction_log.count() == 20
        assert each_answer_has_its_row(stores, reported)


def test_a_batch_row_whose_id_is_already_used_is_logged(
    service: RunningService, contract: Contract, stores: Deployment
) -> None:
    single = send(service.url, PREDICT, {"features": contract.example()}, "cb-0")
    rows = {"instances": [other_row(contract)["features"], contract.example()]}
    batch = send(service.url, BATCH, rows, "cb")["predictions"]
    assert [p["request_id"] for p in batch] == ["cb-0", "cb-1"]
    wait_until(lambda: (len(rows_of(stores, "cb-0")), len(rows_of(stores, "cb-1"))) == (2, 1))
    assert {r.probability for r in rows_of(stores, "cb-0")} == {single["probability"], batch[0]["probability"]}
