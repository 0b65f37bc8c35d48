"""Requests to a running service, and the expected format of errors.

Payloads and expectations that several tests share belong here. Not here: starting it (service_process.py).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from typing import Any

import httpx

from pmmds_core.contracts.contract import Contract
from pmmds_core.contracts.request_validator import MESSAGE
from pmmds_core.deployment import Deployment
from pmmds_tests.harness.prediction_records import make_records
from pmmds_tests.harness.service_process import wait_until

PREDICT, BATCH, FEEDBACK = "/api/v1/predict", "/api/v1/predict/batch", "/api/v1/feedback"
JSON = {"Content-Type": "application/json"}
TOKEN = {"Authorization": "Bearer open sesame"}


def example(contract: Contract) -> dict[str, Any]:
    """Return a valid payload."""
    return {"features": contract.example()}


def new_id() -> str:
    return f"test-{uuid.uuid4().hex}"


def rows(contract: Contract, n_rows: int, seed: int = 0) -> list[dict[str, Any]]:
    return [
        dict(zip(contract.feature_names, r.features, strict=True)) for r in make_records(contract, n_rows, seed=seed)
    ]


def refusal(*errors: str, message: str = MESSAGE, warnings: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"detail": {"message": message, "errors": list(errors), "warnings": list(warnings)}}


def predicted(client: httpx.Client, contract: Contract, request_id: str = "") -> str:
    """Send a prediction request, and return its id."""
    headers = {"X-Request-ID": request_id} if request_id else {}
    response = client.post(PREDICT, json=example(contract), headers=headers)
    assert response.status_code == 200, response.text
    return str(response.json()["request_id"])


def all_logged(stores: Deployment, request_ids: Iterable[str]) -> Callable[[], bool]:
    """Return a condition that is true once all predictions are in the database."""
    ids = set(request_ids)
    return lambda: stores.prediction_log.find(ids).keys() == ids


def is_logged(stores: Deployment, *request_ids: str) -> None:
    wait_until(all_logged(stores, request_ids))
