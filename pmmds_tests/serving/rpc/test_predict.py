"""Predict and PredictBatch over gRPC have the same results, errors and records as HTTP."""

from __future__ import annotations

import math
import time
from typing import Any

import grpc
import httpx
import pytest

from pmmds_core.contracts.contract import Contract
from pmmds_core.contracts.request_validator import MESSAGE
from pmmds_core.deployment import Deployment
from pmmds_serving.generated.pmmds.v1 import prediction_pb2 as messages
from pmmds_serving.generated.pmmds.v1.prediction_pb2_grpc import PredictionServiceStub
from pmmds_tests.harness.grpc_requests import (
    SECONDS,
    Refused,
    batch_request,
    connected,
    error_parts,
    feature,
    predict_request,
    refused,
)
from pmmds_tests.harness.service_process import RunningService, wait_until
from pmmds_tests.harness.service_requests import BATCH, PREDICT, is_logged, new_id, rows

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("service")]

METHOD = "/pmmds.v1.PredictionService/Predict"
INVALID = grpc.StatusCode.INVALID_ARGUMENT


def test_a_prediction_equals_the_http_response(
    stub: PredictionServiceStub, client: httpx.Client, contract: Contract, stores: Deployment
) -> None:
    for row in rows(contract, 20, seed=5):
        over_http = client.post(PREDICT, json={"features": row}).json()
        started = time.perf_counter()
        answer = stub.Predict(predict_request(row), timeout=SECONDS)
        waited_ms = (time.perf_counter() - started) * 1000
        assert answer.probability == over_http["probability"]
        assert (answer.prediction, answer.model_name, answer.model_version, list(answer.warnings)) == (
            over_http["prediction"],
            over_http["model_name"],
            over_http["model_version"],
            over_http["warnings"],
        )
        assert 0 < answer.latency_ms < waited_ms
        is_logged(stores, answer.request_id)
        record = stores.prediction_log.find([answer.request_id])[answer.request_id]
        assert (record.features, record.probability) == (tuple(row.values()), answer.probability)


def test_a_bad_row_has_the_same_errors_as_over_http(
    stub: PredictionServiceStub, client: httpx.Client, contract: Contract
) -> None:
    row: dict[str, Any] = {**contract.example(), "contract": "Annual", "gender": None, "total_charges": -1, "extra": 1}
    del row["tenure"]
    over_http = client.post(PREDICT, json={"features": row})
    found = refused(lambda: stub.Predict(predict_request(row)))
    assert (found.message, found.errors, found.warnings) == error_parts(over_http.json())
    assert (found.code, found.message) == (INVALID, MESSAGE)
    assert found.violations == found.errors
    assert len(found.errors) == 4


@pytest.mark.parametrize("value", [messages.FeatureValue(), feature(None)], ids=["nothing set", "null"])
def test_an_unset_value_is_null(stub: PredictionServiceStub, contract: Contract, value: Any) -> None:
    request = predict_request(contract.example())
    request.features["gender"].CopyFrom(value)
    found = refused(lambda: stub.Predict(request))
    assert found.errors == ("Invalid value for gender: null. Expected one of: Male, Female",)


@pytest.mark.parametrize(
    ("value", "echo"), [("", "''"), (0, "0"), (0.0, "0.0"), (math.nan, "nan"), (math.inf, "inf"), ("12", "'12'")]
)
def test_empty_zero_and_null_values_are_distinguished(
    stub: PredictionServiceStub, contract: Contract, value: Any, echo: str
) -> None:
    found = refused(lambda: stub.Predict(predict_request({**contract.example(), "gender": value})))
    assert found.errors == (f"Invalid value for gender: {echo}. Expected one of: Male, Female",)


def test_integers_may_be_sent_as_int64_or_double(stub: PredictionServiceStub, contract: Contract) -> None:
    row = contract.example()
    answers = {
        stub.Predict(predict_request({**row, "tenure": tenure, "monthly_charges": charges})).probability
        for tenure, charges in ((7, 70.0), (7.0, 70))
    }
    assert len(answers) == 1


def test_an_unknown_feature_causes_a_warning(stub: PredictionServiceStub, contract: Contract) -> None:
    answer = stub.Predict(predict_request({**contract.example(), "shoe_size": 43}))
    assert list(answer.warnings) == ["Unknown feature ignored: shoe_size"]


@pytest.mark.parametrize("by_metadata", [False, True], ids=["field", "metadata"])
def test_a_repeated_request_gets_the_same_response_and_one_row(
    stub: PredictionServiceStub, client: httpx.Client, contract: Contract, stores: Deployment, by_metadata: bool
) -> None:
    request_id, row = new_id(), contract.example()
    metadata = (("x-request-id", request_id),) if by_metadata else ()
    request = predict_request(row, "" if by_metadata else request_id)
    first, second = (stub.Predict(request, metadata=metadata) for _ in range(2))
    assert first == second
    assert first.request_id == request_id
    over_http = client.post(PREDICT, json={"features": row}, headers={"X-Request-ID": request_id}).json()
    assert (over_http["request_id"], over_http["latency_ms"]) == (request_id, first.latency_ms)
    is_logged(stores, request_id)
    other = stub.Predict(predict_request({**row, "tenure": 72}, request_id))
    assert other.request_id == request_id
    wait_until(lambda: len(stores.prediction_log.named([request_id]).get(request_id, ())) == 2)


@pytest.mark.parametrize("request_id", ["x" * 121, "schlüssel", "a\nb"])
def test_an_invalid_request_id_is_rejected(stub: PredictionServiceStub, contract: Contract, request_id: str) -> None:
    found = refused(lambda: stub.Predict(predict_request(contract.example(), request_id)))
    assert (found.code, found.errors) == (INVALID, ("X-Request-ID: expected at most 120 printable ASCII characters",))


def test_a_batch_is_answered_in_order(
    stub: PredictionServiceStub, client: httpx.Client, contract: Contract, stores: Deployment
) -> None:
    sent, request_id = rows(contract, 50, seed=6), new_id()
    over_http = client.post(BATCH, json={"instances": sent}).json()["predictions"]
    answers = stub.PredictBatch(batch_request(*sent, request_id=request_id)).predictions
    assert [a.probability for a in answers] == [a["probability"] for a in over_http]
    ids = [f"{request_id}-{i}" for i in range(50)]
    assert [a.request_id for a in answers] == ids
    is_logged(stores, *ids)


def test_a_bad_row_rejects_the_batch_by_index_and_nothing_is_logged(
    service: RunningService, stub: PredictionServiceStub, client: httpx.Client, contract: Contract
) -> None:
    row, request_id = contract.example(), new_id()
    instances: list[dict[str, Any]] = [row, {**row, "gender": "?", "more": 1}, row]
    found = refused(lambda: stub.PredictBatch(batch_request(*instances, request_id=request_id)))
    over_http = client.post(BATCH, json={"instances": instances})
    assert (found.message, found.errors, found.warnings) == error_parts(over_http.json())
    assert found.errors == ("instances[1]: Invalid value for gender: '?'. Expected one of: Male, Female",)
    # Once this id is in the database, so is everything spooled before it.
    is_logged(service.deployment(), stub.Predict(predict_request(row, new_id())).request_id)
    assert service.deployment().prediction_log.find([f"{request_id}-{i}" for i in range(3)]) == {}


@pytest.mark.parametrize(("n_rows", "found_rows"), [(0, "0"), (1001, "more than 1,000")])
def test_a_batch_has_1_to_1000_rows(stub: PredictionServiceStub, n_rows: int, found_rows: str) -> None:
    request = messages.PredictBatchRequest(instances=[messages.Instance()] * n_rows)
    found = refused(lambda: stub.PredictBatch(request))
    assert found.errors == (f"instances: expected an array of 1 to 1,000 rows, found {found_rows}",)


def test_many_errors_are_truncated_to_fit_metadata(stub: PredictionServiceStub) -> None:
    found = refused(lambda: stub.PredictBatch(messages.PredictBatchRequest(instances=[messages.Instance()] * 1000)))
    assert found.code is INVALID
    assert found.errors[0] == "instances[0]: Missing required feature: gender"
    assert found.errors[-1] == f"… and {19_000 - len(found.errors) + 1:,} more"
    assert sum(len(error) for error in found.errors) < 2100


@pytest.mark.parametrize(
    ("method", "limit"), [("Predict", 100_000), ("PredictBatch", 4_000_000), ("SendFeedback", 4_000_000)]
)
def test_a_message_over_the_limit_is_rejected(service: RunningService, method: str, limit: int) -> None:
    with connected(service.settings) as channel:
        call: Any = channel.unary_unary(f"/pmmds.v1.PredictionService/{method}")
        found = refused(lambda: call(b" " * (limit + 1), timeout=SECONDS))
        assert found == Refused(
            grpc.StatusCode.RESOURCE_EXHAUSTED, MESSAGE, (f"The body is larger than {limit:,} bytes",)
        )
        assert refused(lambda: call(b" " * 9_000_000, timeout=SECONDS)).code is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("message", [b"\xff", b"secret", b"\x12\x02\xff\xfe"])
def test_an_invalid_message_is_rejected_and_not_logged(service: RunningService, message: bytes) -> None:
    with connected(service.settings) as channel:
        call: Any = channel.unary_unary(METHOD)
        found = refused(lambda: call(message))
    error = "The message is not a pmmds.v1.PredictRequest"
    assert found == Refused(INVALID, MESSAGE, (error,), violations=(error,))
    assert "secret" not in service.output
    assert "Traceback" not in service.output
