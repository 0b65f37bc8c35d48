"""Errors of the API. Every error body has the format `{"detail": {"message", "errors", "warnings"}}`.

Add a constructor here for each new error. Not here: HTTP (application.py), validation of rows (pmmds_core.contracts).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pmmds_core.contracts.request_validator import MESSAGE

# Clients without the admin token see this instead of a problem's text, which may contain host names or paths.
HIDDEN = "GET /healthz with the admin token shows the problem"


class ApiError(Exception):
    """An error response. `error_type` is a metric label, so it comes from a closed list."""

    def __init__(
        self, status: int, message: str, error_type: str, errors: Sequence[str] = (), warnings: Sequence[str] = ()
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error_type = error_type
        self.body: dict[str, Any] = {"detail": {"message": message, "errors": list(errors), "warnings": list(warnings)}}


def invalid_payload(errors: Sequence[str], warnings: Sequence[str] = ()) -> ApiError:
    return ApiError(400, MESSAGE, "validation", errors, warnings)


def broken_json(problem: str) -> ApiError:
    return ApiError(400, MESSAGE, "broken_json", [f"The body is not JSON: {problem}"])


def wrong_content_type(content_type: str) -> ApiError:
    error = f"Content-Type is {content_type or 'missing'}. Expected application/json"
    return ApiError(415, MESSAGE, "content_type", [error])


def wrong_charset(charset: str) -> ApiError:
    return ApiError(415, MESSAGE, "content_type", [f"The charset is {charset}. JSON is UTF-8; expected utf-8 or none"])


def wrong_content_encoding(coding: str, accepted: str) -> ApiError:
    """Error 415; its response lists the accepted codings in the header Accept-Encoding (RFC 9110, 12.5.3)."""
    error = f"Content-Encoding is {coding[:80]!r}. Expected one of: {accepted}, or none"
    return ApiError(415, MESSAGE, "content_encoding", [error])


def broken_content(problem: str) -> ApiError:
    return ApiError(400, MESSAGE, "content_encoding", [problem])


def too_large(limit: int) -> ApiError:
    return ApiError(413, MESSAGE, "too_large", [f"The body is larger than {limit:,} bytes"])


def client_left() -> ApiError:
    """Error for the metrics only: the client has disconnected, so no response is sent."""
    return ApiError(499, "The client closed the connection", "client_left")


def no_model(problem: str) -> ApiError:
    return ApiError(503, "The service has no model yet", "no_model", [problem])


def not_recorded(problem: str) -> ApiError:
    error = f"A prediction is returned only if it is recorded durably. {problem}"
    return ApiError(503, "The service cannot record predictions", "not_recorded", [error])


def database_down(consequence: str) -> ApiError:
    return ApiError(503, "The database is unavailable", "database", [f"{consequence}. Try again later"])


def unauthorized() -> ApiError:
    return ApiError(
        401,
        "Not allowed",
        "unauthorized",
        ["Send the header Authorization: Bearer PMMDS_ADMIN_TOKEN"],
    )


def forbidden(reason: str) -> ApiError:
    return ApiError(403, "Not allowed", "forbidden", [reason])
