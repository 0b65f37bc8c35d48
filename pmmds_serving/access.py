"""Who may change something: bearers of the admin token; without a token, clients on the same machine."""

from __future__ import annotations

import ipaddress
import secrets

from starlette.requests import Request

from pmmds_serving import refusals
from pmmds_serving.worker import Worker


def require_admin(request: Request, worker: Worker) -> None:
    """Raises RefusalError: 401 for a missing or wrong token, 403 for a client elsewhere when there is none."""
    token = worker.deployment.settings.admin_token
    if token:
        given = request.headers.get("authorization", "").removeprefix("Bearer ").encode()
        if not secrets.compare_digest(given, token.encode()):
            raise refusals.forbidden(has_token=True)
    elif not _is_loopback(request):
        raise refusals.forbidden(has_token=False)


def _is_loopback(request: Request) -> bool:
    host = request.client.host if request.client else ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
