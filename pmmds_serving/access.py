"""Access to guarded endpoints: requires the admin token or, if none is set, a client on the same machine.

Without a token, the Host header must also name this machine and the request must not come from a web page of another
origin, because a browser on the same machine also connects through loopback. Not here: checks of header values
(pmmds_core/runtime/web_requests.py).
"""

from __future__ import annotations

from typing import NamedTuple

from starlette.requests import Request

from pmmds_core.runtime.web_requests import (
    has_bearer_token,
    is_foreign,
    is_loopback_address,
    is_loopback_host,
)
from pmmds_serving import api_errors
from pmmds_serving.worker import Worker


class Caller(NamedTuple):
    """A client and its request headers; a missing header is an empty string."""

    authorization: str
    address: str
    # The Host header; None for gRPC calls, which have no Host header and cannot come from browsers.
    host: str | None
    origin: str
    fetch_site: str


def require_admin(request: Request, worker: Worker) -> None:
    """Raises ApiError: 401 for a missing or wrong token; if no token is set, 403 for a client on another machine."""
    check_admin(worker, caller_of(request))


def is_admin(request: Request, worker: Worker) -> bool:
    """True if `require_admin` would not raise."""
    return _problem(worker, caller_of(request)) is None


def caller_of(request: Request) -> Caller:
    headers = request.headers
    return Caller(
        only_value(headers.getlist("authorization")),
        request.client.host if request.client else "",
        only_value(headers.getlist("host")),
        headers.get("origin", ""),
        headers.get("sec-fetch-site", ""),
    )


def check_admin(worker: Worker, caller: Caller) -> None:
    """Check access as `require_admin` does, for any transport. Raises ApiError."""
    problem = _problem(worker, caller)
    if problem is not None:
        raise problem


def _problem(worker: Worker, caller: Caller) -> api_errors.ApiError | None:
    token = worker.deployment.settings.admin_token
    if token:
        return None if has_bearer_token(caller.authorization, token) else api_errors.unauthorized()
    if not is_loopback_address(caller.address):
        return api_errors.forbidden("Without PMMDS_ADMIN_TOKEN, this endpoint accepts only clients on the same machine")
    if caller.host is not None and not is_loopback_host(caller.host):
        return api_errors.forbidden(
            "Without PMMDS_ADMIN_TOKEN, the Host header must name this machine, for example localhost"
        )
    if is_foreign(caller.origin, caller.fetch_site, caller.host or ""):
        return api_errors.forbidden("Without PMMDS_ADMIN_TOKEN, this endpoint rejects web pages from another origin")
    return None


def only_value(values: list[str]) -> str:
    """Return the header's value if there is exactly one; otherwise empty, which matches no host and no token."""
    return values[0] if len(values) == 1 else ""
