"""Error responses: application/problem+json (RFC 9457). Add a constructor for a new error.

Not here: when they are raised (api/), the error tree (pmmds_core/errors.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus

import msgspec
from starlette.exceptions import HTTPException
from starlette.responses import Response

from pmmds.resources import ParameterProblem, Problem
from pmmds_core.runtime.web_guard import Problem as Rejection
from pmmds_core.runtime.web_guard import Send

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 2
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="PMMDS"'}
# Sent with every response; nothing here is ever rendered, framed or stored by shared caches.
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "private, no-cache",
}


class ProblemError(Exception):
    """An error response."""

    def __init__(
        self,
        status: HTTPStatus,
        name: str,
        detail: str,
        *,
        errors: Sequence[ParameterProblem] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """
        Args:
            status: of the response.
            name: end of the problem's type, stable.
            detail: one sentence.
            errors: the rejected parameters.
            headers: additional ones.
        """
        super().__init__(detail)
        kind = f"urn:pmmds:problem:{name}"
        self.problem = Problem(type=kind, title=status.phrase, status=int(status), detail=detail, errors=list(errors))
        self.headers = dict(headers or {})


def response_of(error: ProblemError) -> Response:
    """The response of a problem."""
    headers = {**HEADERS, **error.headers}
    return Response(msgspec.json.encode(error.problem), error.problem.status, headers, MEDIA_TYPE)


def not_found(detail: str) -> ProblemError:
    return ProblemError(HTTPStatus.NOT_FOUND, "not-found", detail)


def invalid_parameters(errors: Sequence[ParameterProblem]) -> ProblemError:
    detail = "A parameter is not valid."
    return ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-parameter", detail, errors=errors)


def invalid_request(detail: str) -> ProblemError:
    """What is asked for is not possible, though every parameter is valid by itself."""
    return ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-request", detail)


def ambiguous(detail: str) -> ProblemError:
    return ProblemError(HTTPStatus.CONFLICT, "ambiguous-id", detail)


def unauthorized(detail: str) -> ProblemError:
    return ProblemError(HTTPStatus.UNAUTHORIZED, "unauthorized", detail, headers=CHALLENGE)


def forbidden(detail: str) -> ProblemError:
    return ProblemError(HTTPStatus.FORBIDDEN, "forbidden", detail)


def bad_request(detail: str) -> ProblemError:
    return ProblemError(HTTPStatus.BAD_REQUEST, "bad-request", detail)


def conflict(detail: str) -> ProblemError:
    return ProblemError(HTTPStatus.CONFLICT, "conflict", detail)


def too_many_attempts(detail: str, seconds: int) -> ProblemError:
    headers = {"Retry-After": str(seconds)}
    return ProblemError(HTTPStatus.TOO_MANY_REQUESTS, "too-many-attempts", detail, headers=headers)


def unavailable(detail: str) -> ProblemError:
    headers = {"Retry-After": str(RETRY_SECONDS)}
    return ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", detail, headers=headers)


def internal() -> ProblemError:
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    return ProblemError(status, "internal", "Internal error; the console's log has its place.")


def of_http(error: Exception) -> ProblemError:
    """The problem of an HTTPException that Starlette's router raises: an unknown path or method."""
    if isinstance(error, HTTPException) and error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allow = (error.headers or {}).get("Allow", "GET, HEAD")
        status, detail = HTTPStatus.METHOD_NOT_ALLOWED, f"This path accepts {allow}."
        return ProblemError(status, "method-not-allowed", detail, headers={"Allow": allow})
    return not_found("There is no such path; /api/v1/monitoring/openapi.json lists all of them.")


async def answer_rejection(rejection: Rejection, send: Send) -> None:
    """Send a request's rejection by the web guard."""
    response = response_of(ProblemError(rejection.status, "request-not-allowed", rejection.sentence))
    await send({"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers})
    await send({"type": "http.response.body", "body": response.body})
