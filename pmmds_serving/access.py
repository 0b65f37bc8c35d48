"""Who may change something: bearers of the admin token; without a token, clients on the same machine."""

from __future__ import annotations

import ipaddress
import secrets

from starlette.requests import Request

from pmmds_serving import refusals
from pmmds_serving.worker import Worker


def require_admin(request: Request, worker: Worker) -> None:
    """Raises RefusalError: 401 for a missing or wrong token, 403 for a client elsewhere when there is none."""
    check_admin(worker, request.headers.get("authorization", ""), request.client.host if request.client else "")


def check_admin(worker: Worker, authorization: str, host: str) -> None:
    """The same for any transport: its authorization header, and the client's IP address. Raises RefusalError."""
    token = worker.deployment.settings.admin_token
    if token:
        given = authorization.removeprefix("Bearer ").encode()
        if not secrets.compare_digest(given, token.encode()):
            raise refusals.forbidden(has_token=True)
    elif not _is_loopback(host):
        raise refusals.forbidden(has_token=False)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
