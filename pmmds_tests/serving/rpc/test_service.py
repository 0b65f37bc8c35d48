"""gRPC provides model, feedback with access control, deadlines, metrics and reflection."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from functools import partial
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.timestamp_pb2 import Timestamp
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from pmmds_core.config.settings import Settings
from pmmds_core.contracts.contract import Contract
from pmmds_core.deployment import Deployment
from pmmds_serving.access import Caller, check_admin
from pmmds_serving.api_errors import ApiError
from pmmds_serving.generated.pmmds.v1 import prediction_pb2 as messages
from pmmds_serving.generated.pmmds.v1.prediction_pb2_grpc import PredictionServiceStub
from pmmds_serving.rpc.methods import Call, predict
from pmmds_serving.rpc.relay import client_host
from pmmds_serving.rpc.server import address_of
from pmmds_serving.rpc.statuses import CODES
from pmmds_tests.harness.grpc_requests import Refused, connected, error_parts, label, predict_request, refused, stub_of
from pmmds_tests.harness.service_process import RunningService
from pmmds_tests.harness.service_requests import FEEDBACK, TOKEN, is_logged, new_id, predicted
from pmmds_tests.serving.http.test_feedback_endpoint import known_labels

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("service")]

SERVICE = "pmmds.v1.PredictionService"


def feedback(*labels: messages.Label) -> messages.SendFeedbackRequest:
    return messages.SendFeedbackRequest(items=labels)


def at(timestamp: datetime) -> Timestamp:
    found = Timestamp()
    found.FromDatetime(timestamp)
    return found


def counts(accepted: int = 0, updated: int = 0, unknown: int = 0, outdated: int = 0) -> messages.SendFeedbackResponse:
    return messages.SendFeedbackResponse(accepted=accepted, updated=updated, unknown=unknown, outdated=outdated)


def test_get_model_equals_the_http_endpoint(stub: PredictionServiceStub, client: httpx.Client) -> None:
    over_http, found = client.get("/model").json(), stub.GetModel(messages.GetModelRequest())
    for name in ("name", "version", "alias", "digest", "scorer"):
        assert getattr(found, name) == over_http[name]
    assert dict(found.metrics) == over_http["metrics"]
    assert [{"pid": w.pid, "version": w.version} for w in found.workers] == over_http["workers"]
    assert found.loaded_at.ToDatetime(UTC) == datetime.fromisoformat(over_http["loaded_at"])


def test_feedback_right_after_the_prediction_is_stored_and_newest_wins(
    stub: PredictionServiceStub, contract: Contract, stores: Deployment
) -> None:
    one = stub.Predict(predict_request(contract.example())).request_id
    noon = datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert stub.SendFeedback(feedback(label(one, 1, observed_at=at(noon)), label("nobody", 0))) == counts(1, 0, 1)
    assert stub.SendFeedback(feedback(label(one, 1, observed_at=at(noon)))) == counts(updated=1)
    assert stub.SendFeedback(feedback(label(one, 0))) == counts(updated=1)
    assert stub.SendFeedback(feedback(label(one, 1, observed_at=at(noon)))) == counts(outdated=1)
    assert known_labels(stores, one, "nobody") == {one: 0}


def test_bad_labels_are_rejected_as_over_http_and_none_is_stored(
    stub: PredictionServiceStub, client: httpx.Client, contract: Contract, stores: Deployment
) -> None:
    one = predicted(client, contract)
    items: list[Any] = [{"request_id": one, "label": 1}, {"label": 1}, {"request_id": one, "label": 2}]
    items += [{"request_id": one}, {"request_id": "a\0b", "label": 1}]
    over_http = client.post(FEEDBACK, json={"items": items}).json()
    late, early = (label(one, 1, observed_at=Timestamp(seconds=seconds)) for seconds in (10**15, 0))
    found = refused(lambda: stub.SendFeedback(feedback(*(messages.Label(**item) for item in items), late, early)))
    message, errors, _ = error_parts(over_http)
    assert (found.code, found.message, found.errors[:-2]) == (grpc.StatusCode.INVALID_ARGUMENT, message, errors)
    assert found.errors[-2].startswith("items[5]: Invalid value for observed_at: '1000000000000000.0'. Expected an ")
    assert found.errors[-1].startswith("items[6]: Invalid value for observed_at: '1970-01-01T00:00:00Z'. Expected a t")
    assert known_labels(stores, one) == {}
    assert refused(lambda: stub.SendFeedback(feedback())).errors == (
        "items: expected an array of 1 to 10,000 labels, found 0",
    )


def test_feedback_requires_the_admin_token_if_one_is_set(guarded: RunningService, contract: Contract) -> None:
    with stub_of(guarded.settings) as stub:
        one = stub.Predict(predict_request(contract.example())).request_id
        token = TOKEN["Authorization"]
        bare = token.removeprefix("Bearer ")
        for given in (("Bearer wrong",), ("",), (bare,), (f"Basic {bare}",), (token, "Bearer x")):
            metadata = tuple(("authorization", value) for value in given)
            found = refused(partial(stub.SendFeedback, feedback(label(one, 1)), metadata=metadata))
            error = "Send the header Authorization: Bearer PMMDS_ADMIN_TOKEN"
            assert found == Refused(grpc.StatusCode.UNAUTHENTICATED, "Not allowed", (error,))
        assert refused(lambda: stub.SendFeedback(feedback())).code is grpc.StatusCode.UNAUTHENTICATED
        lower = (("authorization", f"bearer {bare}"),)
        assert stub.SendFeedback(feedback(label(one, 1)), metadata=lower) == counts(accepted=1)


@pytest.mark.parametrize(
    ("peer", "host", "is_taken"),
    [
        ("unix:/folder/7-127.0.0.1", "127.0.0.1", True),
        ("unix:/folder/7-%3A%3A1", "::1", True),
        ("unix:/folder/7-::ffff:127.0.0.1", "127.0.0.1", True),
        ("unix:/folder/7-192.0.2.1", "192.0.2.1", False),
        ("unix:/folder/7-2001:db8::1", "2001:db8::1", False),
        ("unix:/run/socket", "", False),
        ("ipv4:127.0.0.1:4711", "", False),
        ("", "", False),
    ],
)
def test_without_a_token_only_clients_on_the_same_machine_are_accepted(
    two_versions: Deployment, peer: str, host: str, is_taken: bool
) -> None:
    class Worker:
        deployment = two_versions

    assert client_host(peer) == host
    worker: Any = Worker()
    if is_taken:
        check_admin(worker, Caller("", client_host(peer), None, "", ""))
    else:
        with pytest.raises(ApiError, match="Not allowed") as caught:
            check_admin(worker, Caller("", client_host(peer), None, "", ""))
        assert CODES[caught.value.status] is grpc.StatusCode.PERMISSION_DENIED


def test_a_call_has_no_effect_after_its_deadline(contract: Contract) -> None:
    class Late:
        def time_remaining(self) -> float:
            return 0.0

        def invocation_metadata(self) -> None:
            return None

    nobody: Any = None  # not reached
    late: Any = Late()
    call = Call(predict_request(contract.example()).SerializeToString(), late, 0.0)
    with pytest.raises(ApiError, match=r"The deadline has passed\. The call had no effect") as caught:
        asyncio.run(predict(call, nobody))
    assert CODES[caught.value.status] is grpc.StatusCode.DEADLINE_EXCEEDED


def test_a_retry_after_a_client_timeout_is_recorded_once(
    service: RunningService, contract: Contract, stores: Deployment
) -> None:
    request = predict_request(contract.example(), new_id())
    workers = [p for p in service.tree() if p.pid == service.client.get("/model").json()["workers"][0]["pid"]]
    with stub_of(service.settings) as stub:
        stub.GetModel(messages.GetModelRequest())  # connect first
        for process in workers:
            process.suspend()
        try:
            found = refused(lambda: stub.Predict(request, timeout=0.2))
        finally:
            for process in workers:
                process.resume()
        assert found.code is grpc.StatusCode.DEADLINE_EXCEEDED
        assert stub.Predict(request).request_id == request.request_id
    is_logged(stores, request.request_id)


def counted(client: httpx.Client, name: str, **labels: str) -> float:
    samples = client.get("/metrics/json").json()[name]["samples"]
    return float(sum(s["value"] for s in samples if s["name"].endswith("_total") and s["labels"] == labels))


def test_calls_are_counted_by_method_and_code(
    stub: PredictionServiceStub, client: httpx.Client, contract: Contract
) -> None:
    endpoint = f"/{SERVICE}/Predict"

    def now() -> list[float]:
        codes = ("OK", "INVALID_ARGUMENT")
        found = [counted(client, "pmmds_requests", method="GRPC", endpoint=endpoint, status=code) for code in codes]
        found.append(counted(client, "pmmds_errors", endpoint=endpoint, error_type="validation"))
        found.append(counted(client, "pmmds_validation_failures", endpoint=endpoint, failure_type="validation"))
        return found

    before = now()
    for _ in range(3):
        stub.Predict(predict_request(contract.example()))
    refused(lambda: stub.Predict(predict_request({})))
    assert [after - was for after, was in zip(now(), before, strict=True)] == [3, 1, 1, 1]


def test_reflection_lists_services_and_messages(service: RunningService) -> None:
    with connected(service.settings) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        assert set(database.get_services()) == {
            SERVICE,
            "grpc.health.v1.Health",
            "grpc.reflection.v1alpha.ServerReflection",
        }
        pool: Any = DescriptorPool(database)
        found = pool.FindServiceByName(SERVICE)
        assert [m.name for m in found.methods] == ["Predict", "PredictBatch", "GetModel", "SendFeedback"]


def test_an_unknown_method_is_unimplemented(service: RunningService) -> None:
    with connected(service.settings) as channel:
        call: Any = channel.unary_unary(f"/{SERVICE}/Guess")
        found = refused(lambda: call(b""))
    assert found.code is grpc.StatusCode.UNIMPLEMENTED


def test_the_address_works_for_ipv4_and_ipv6() -> None:
    assert address_of(Settings(grpc_port=7)) == "127.0.0.1:7"
    assert address_of(Settings(http_host="::1", grpc_port=7)) == "[::1]:7"
