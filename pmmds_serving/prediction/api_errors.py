"""Answers that say no: every refusal has one shape, `{"detail": {"message", "errors", "warnings"}}`.

Add a constructor for a new reason. Keep out: HTTP mechanics (application.py) and checks of rows (the contract's).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pmmds_core.contracts.request_validator import MESSAGE

# In place of a reason that names hosts or paths, for clients that did not show the admin token.
HIDDEN = "GET /healthz with the admin token shows the reason"


class ApiError(Exception):
    """A request that is not answered as asked. `error_type` is a metric's label, so it comes from a closed list."""

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


def wrong_content_type(found: str) -> ApiError:
    error = f"Content-Type is {found or 'missing'}. Expected application/json"
    return ApiError(415, MESSAGE, "content_type", [error])


def too_large(limit: int) -> ApiError:
    return ApiError(413, MESSAGE, "too_large", [f"The body is larger than {limit:,} bytes"])


def client_left() -> ApiError:
    """Nobody reads this answer; it is counted."""
    return ApiError(499, "The client closed the connection", "client_left")


def no_model(problem: str) -> ApiError:
    return ApiError(503, "The service has no model yet", "no_model", [problem])


def not_recorded(problem: str) -> ApiError:
    error = f"The prediction could not be recorded durably, so it is not given. {problem}"
    return ApiError(503, "The service cannot record predictions now", "not_recorded", [error])


def database_down(what: str) -> ApiError:
    return ApiError(503, "The database cannot be reached", "database", [f"{what}. Try again later"])


def unauthorized() -> ApiError:
    return ApiError(401, "Not allowed", "unauthorized", ["Send Authorization: Bearer with PMMDS_ADMIN_TOKEN"])


def forbidden(why: str) -> ApiError:
    return ApiError(403, "Not allowed", "forbidden", [why])
