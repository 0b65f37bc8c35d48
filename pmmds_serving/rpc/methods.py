"""The methods of PredictionService, which share code with the HTTP endpoints.

They receive and return bytes, so that the service can check size and format itself. Not here: the server (server.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, TypeVar

import msgspec
from google.protobuf.message import DecodeError, Message
from grpc.aio import ServicerContext

from pmmds_core.contracts.request_validator import MESSAGE
from pmmds_core.stores.predictions.label_history import LabelItem
from pmmds_serving import api_errors
from pmmds_serving.access import Caller, check_admin, only_value
from pmmds_serving.api_errors import ApiError
from pmmds_serving.generated.pmmds.v1 import prediction_pb2 as messages
from pmmds_serving.http import data_endpoints
from pmmds_serving.http.status_endpoints import model_document
from pmmds_serving.prediction.large_bodies import decoded
from pmmds_serving.prediction.limits import (
    BATCH_BYTES,
    FEEDBACK_BYTES,
    MAX_BATCH,
    MAX_FEEDBACK,
    MAX_UNKNOWN,
    PREDICT_BYTES,
    batch_elements,
)
from pmmds_serving.prediction.predictor import CheckedInstance, Predictor, check_request_id, wrong_batch
from pmmds_serving.rpc.convert import (
    batch_message,
    counts_message,
    features_of,
    instances_of,
    items_of,
    model_message,
    prediction_message,
)
from pmmds_serving.rpc.message_bounds import BrokenMessageError, check_nested, n_elements
from pmmds_serving.rpc.relay import client_host
from pmmds_serving.worker import Worker

Context: TypeAlias = ServicerContext[Any, Any]
M = TypeVar("M", bound=Message)


class Call(msgspec.Struct, frozen=True):
    """One call: the encoded message, gRPC's context, and time.perf_counter() at arrival."""

    data: bytes
    context: Context
    started: float


Method: TypeAlias = Callable[[Call, Worker], Awaitable[Message]]


async def predict(call: Call, worker: Worker) -> messages.PredictResponse:
    request = _read(messages.PredictRequest, call.data, PREDICT_BYTES)
    request_id = check_request_id(request.request_id or _metadata(call.context, "x-request-id"))
    _check_deadline(call)
    predictor = worker.predictor
    features = features_of(request.features, predictor.n_features + MAX_UNKNOWN)
    return prediction_message(predictor.predict_features(features, request_id, call.started))


async def predict_batch(call: Call, worker: Worker) -> messages.PredictBatchResponse:
    predictor = worker.predictor
    sent_id, rows = await decoded(lambda data: _read_batch(data, predictor), call.data)
    request_id = check_request_id(sent_id or _metadata(call.context, "x-request-id"))
    _check_deadline(call)
    return batch_message(predictor.predict_rows(rows, request_id, call.started))


def _read_batch(data: bytes, predictor: Predictor) -> tuple[str, list[CheckedInstance]]:
    """Decode a call into its request id and validated rows. Thread-safe. Raises ApiError."""
    kind = messages.PredictBatchRequest
    _check_bytes(data, BATCH_BYTES)
    n_instances = _n_elements(kind, data, MAX_BATCH)
    if n_instances > MAX_BATCH:
        raise wrong_batch(f"more than {MAX_BATCH:,}")
    check_nested(data, batch_elements(predictor.n_features))
    request = _read(kind, data, BATCH_BYTES)
    instances = instances_of(request, predictor.n_features + MAX_UNKNOWN)
    return request.request_id, predictor.read_instances(instances)


async def get_model(call: Call, worker: Worker) -> messages.GetModelResponse:
    _read(messages.GetModelRequest, call.data, PREDICT_BYTES)
    return model_message(model_document(worker))


async def send_feedback(call: Call, worker: Worker) -> messages.SendFeedbackResponse:
    check_admin(worker, caller_of(call.context))
    rules = data_endpoints.LabelRules.of(worker.deployment)
    items = await decoded(lambda data: _read_labels(data, rules), call.data)
    _check_deadline(call)
    return counts_message(await asyncio.to_thread(data_endpoints.store_labels, worker, items))


def _read_labels(data: bytes, rules: data_endpoints.LabelRules) -> list[LabelItem]:
    """Decode and validate the labels of a call. Thread-safe. Raises ApiError."""
    kind = messages.SendFeedbackRequest
    _check_bytes(data, FEEDBACK_BYTES)
    if _n_elements(kind, data, MAX_FEEDBACK) > MAX_FEEDBACK:
        raise data_endpoints.wrong_feedback(f"more than {MAX_FEEDBACK:,}")
    return data_endpoints.label_items(items_of(_read(kind, data, FEEDBACK_BYTES)), rules)


METHODS: dict[str, Method] = {
    "Predict": predict,
    "PredictBatch": predict_batch,
    "GetModel": get_model,
    "SendFeedback": send_feedback,
}


def caller_of(context: Context) -> Caller:
    """Return the client of a call. Its host is unknown, because grpc.aio hides :authority.

    Browsers cannot send gRPC themselves, and proxies that translate their requests forward Origin.
    """
    authorization = [str(value) for name, value in context.invocation_metadata() or () if name == "authorization"]
    origin, fetch_site = _metadata(context, "origin"), _metadata(context, "sec-fetch-site")
    return Caller(only_value(authorization), client_host(context.peer()), None, origin, fetch_site)


def _read(kind: type[M], data: bytes, limit: int) -> M:
    """Decode a message. Raises ApiError if it is larger than `limit` or invalid."""
    _check_bytes(data, limit)
    try:
        return kind.FromString(data)
    except DecodeError:  # omit the error's text, which may contain request data
        raise _broken(kind) from None


def _n_elements(kind: type[Message], data: bytes, most: int) -> int:
    """Count the elements in field 1 before decoding, up to `most` + 1. Raises ApiError."""
    try:
        return n_elements(data, 1, most)
    except BrokenMessageError:
        raise _broken(kind) from None


def _check_bytes(data: bytes, limit: int) -> None:
    if len(data) > limit:
        raise api_errors.too_large(limit)


def _broken(kind: type[Message]) -> ApiError:
    return ApiError(400, MESSAGE, "broken_message", [f"The message is not a {kind.DESCRIPTOR.full_name}"])


def _metadata(context: Context, key: str) -> str:
    """Return the first value of a metadata key; empty if there is none."""
    for name, value in context.invocation_metadata() or ():
        if name == key:
            return str(value)
    return ""


def _check_deadline(call: Call) -> None:
    """Raises ApiError if the client's deadline has passed."""
    left = _seconds_left(call.context)
    if left is not None and left <= 0:
        raise ApiError(504, "The deadline has passed. The call had no effect", "deadline")


def _seconds_left(context: Context) -> float | None:
    """Return the remaining seconds; None if there is no deadline, although the library's annotation excludes None."""
    return context.time_remaining()
