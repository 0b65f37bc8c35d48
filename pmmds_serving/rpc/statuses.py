"""A refusal as a gRPC status: its code, a short message, and the details of prediction.proto's Refusal.

Keep out: why something is refused (prediction/api_errors.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.error_details_pb2 import BadRequest
from google.rpc.status_pb2 import Status
from grpc import StatusCode

from pmmds_serving.generated.pmmds.v1 import prediction_pb2 as messages
from pmmds_serving.prediction.api_errors import ApiError

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

# A client takes 8 KB of metadata; errors travel twice, and in base64 where the other side wants text.
_MAX_LIST_BYTES = 2000


def code_of(refusal: ApiError) -> StatusCode:
    return CODES.get(refusal.status, StatusCode.UNKNOWN)


def metadata_of(refusal: ApiError) -> tuple[str, bytes]:
    """Trailing metadata: google.rpc.Status with a Refusal, and with a BadRequest for an invalid argument."""
    detail = refusal.body["detail"]
    errors, warnings = _shortened(detail["errors"]), _shortened(detail["warnings"])
    details: list[AnyMessage] = [_packed(messages.Refusal(errors=errors, warnings=warnings))]
    code = code_of(refusal)
    if code is StatusCode.INVALID_ARGUMENT:
        details.append(_packed(BadRequest(field_violations=_violations(errors))))
    status = Status(code=code.value[0], message=detail["message"], details=details)
    return DETAILS_KEY, status.SerializeToString()


def _packed(message: messages.Refusal | BadRequest) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(message)
    return packed


def _violations(errors: Iterable[str]) -> list[BadRequest.FieldViolation]:
    return [BadRequest.FieldViolation(description=error) for error in errors]


def _shortened(sentences: Sequence[str]) -> list[str]:
    """As many as metadata carries, and how many more there are."""
    kept: list[str] = []
    size = 0
    for sentence in sentences:
        size += len(sentence.encode())
        if size > _MAX_LIST_BYTES:
            return [*kept, f"… and {len(sentences) - len(kept):,} more"]
        kept.append(sentence)
    return kept
