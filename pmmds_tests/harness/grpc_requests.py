"""Builds requests for the gRPC tests, and returns their errors as data. Not here: assertions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest
from grpc_status import rpc_status

from pmmds_core.config.settings import Settings
from pmmds_serving.generated.pmmds.v1 import prediction_pb2 as messages
from pmmds_serving.generated.pmmds.v1.prediction_pb2_grpc import PredictionServiceStub
from pmmds_serving.rpc.server import address_of

_FIELDS = {str: "text_value", int: "int64_value", float: "double_value"}

SECONDS = 120.0


def feature(value: Any) -> messages.FeatureValue:
    """Build a PredictRequest. A None value is sent as an explicit null."""
    return messages.FeatureValue(**({"null_value": 0} if value is None else {_FIELDS[type(value)]: value}))


def features(row: Mapping[str, Any]) -> dict[str, messages.FeatureValue]:
    return {name: feature(value) for name, value in row.items()}


def predict_request(row: Mapping[str, Any], request_id: str = "") -> messages.PredictRequest:
    return messages.PredictRequest(features=features(row), request_id=request_id)


def batch_request(*rows: Mapping[str, Any], request_id: str = "") -> messages.PredictBatchRequest:
    instances = [messages.Instance(features=features(row)) for row in rows]
    return messages.PredictBatchRequest(instances=instances, request_id=request_id)


def label(request_id: str, truth: int, **more: Any) -> messages.Label:
    return messages.Label(request_id=request_id, label=truth, **more)


def code_of(error: grpc.RpcError) -> grpc.StatusCode:
    """Return the status code of a failed call."""
    call: Any = error
    code: grpc.StatusCode = call.code()
    return code


@contextmanager
def connected(settings: Settings) -> Iterator[grpc.Channel]:
    """Open a channel that has its own connection."""
    options = (("grpc.use_local_subchannel_pool", 1),)
    with grpc.insecure_channel(address_of(settings), options=options) as channel:
        yield channel


@contextmanager
def stub_of(settings: Settings) -> Iterator[PredictionServiceStub]:
    with connected(settings) as channel:
        yield PredictionServiceStub(channel)


@dataclass(frozen=True)
class Refused:
    """The status, message and details of a failed call."""

    code: grpc.StatusCode
    message: str
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    violations: tuple[str, ...] = ()


def refused(call: Callable[[], Any]) -> Refused:
    """Return the error of a call. Fail the test if the call succeeds."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    error: Any = caught.value
    found, violations = messages.Refusal(), BadRequest()
    status = rpc_status.from_call(error)
    for detail in status.details if status is not None else ():
        assert detail.Unpack(found) or detail.Unpack(violations)
    return Refused(
        error.code(),
        error.details() or "",
        tuple(found.errors),
        tuple(found.warnings),
        tuple(violation.description for violation in violations.field_violations),
    )


def error_parts(detail: Mapping[str, Any]) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """Return the message, errors and warnings of an HTTP error, for comparisons."""
    inner = detail["detail"]
    return inner["message"], tuple(inner["errors"]), tuple(inner["warnings"])
