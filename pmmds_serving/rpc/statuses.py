"""Converts an ApiError to a gRPC status: code, short message, and details as prediction.proto's Refusal.

Not here: the errors (api_errors.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.error_details_pb2 import BadRequest
from google.rpc.status_pb2 import Status
from grpc import StatusCode

from pmmds_serving.api_errors import ApiError
from pmmds_serving.generated.pmmds.v1 import prediction_pb2 as messages

DETAILS_KEY = "grpc-status-details-bin"

CODES = {
    400: StatusCode.INVALID_ARGUMENT,
    401: StatusCode.UNAUTHENTICATED,
    403: StatusCode.PERMISSION_DENIED,
    408: StatusCode.DEADLINE_EXCEEDED,
    413: StatusCode.RESOURCE_EXHAUSTED,
    500: StatusCode.INTERNAL,
    503: StatusCode.UNAVAILABLE,
    504: StatusCode.DEADLINE_EXCEEDED,
}

# Clients accept 8 KB of metadata; each error is sent twice, possibly in base64.
_MAX_LIST_BYTES = 2000


def code_of(error: ApiError) -> StatusCode:
    return CODES.get(error.status, StatusCode.UNKNOWN)


def metadata_of(error: ApiError) -> tuple[str, bytes]:
    """Trailing metadata: google.rpc.Status with a Refusal and, for INVALID_ARGUMENT, a BadRequest."""
    detail = error.body["detail"]
    errors, warnings = _shortened(detail["errors"]), _shortened(detail["warnings"])
    details: list[AnyMessage] = [_packed(messages.Refusal(errors=errors, warnings=warnings))]
    code = code_of(error)
    if code is StatusCode.INVALID_ARGUMENT:
        details.append(_packed(BadRequest(field_violations=_violations(errors))))
    status = Status(code=code.value[0], message=detail["message"], details=details)
    return DETAILS_KEY, status.SerializeToString()


def _packed(message: messages.Refusal | BadRequest) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(message)
    return packed


def _violations(errors: Iterable[str]) -> list[BadRequest.FieldViolation]:
    return [BadRequest.FieldViolation(description=text) for text in errors]


def _shortened(sentences: Sequence[str]) -> list[str]:
    """Return the sentences that fit into metadata, followed by one that gives the number of omitted sentences."""
    fitting: list[str] = []
    size = 0
    for sentence in sentences:
        size += len(sentence.encode())
        if size > _MAX_LIST_BYTES:
            return [*fitting, f"… and {len(sentences) - len(fitting):,} more"]
        fitting.append(sentence)
    return fitting
