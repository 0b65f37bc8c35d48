"""The health of the prediction service, read with GET /healthz. A response is kept for a few seconds.

Not here: the service's health check (pmmds_serving/http).
"""

from __future__ import annotations

import threading
import time
import urllib.error
from dataclasses import dataclass
from http.client import HTTPException

import msgspec

from pmmds_core.config.settings import Settings
from pmmds_core.config.urls import client_url
from pmmds_core.stores.lifecycle.direct_http import direct_opener

TIMEOUT_SECONDS = 1.0
KEPT_SECONDS = 5.0
_MAX_BYTES = 100_000


def service_url(settings: Settings) -> str:
    """The address of the service, without a slash at the end."""
    return settings.console_service_url.rstrip("/") or client_url(settings.http_host, settings.http_port)


# Statuses of parts of a service that do not make it unhealthy.
_NOT_WRONG = ("ok", "off", "waiting")


class ServiceHealth(msgspec.Struct, frozen=True):
    """`word`: healthy, unhealthy or unreachable. `problems`: one sentence for each part that is not healthy."""

    word: str
    problems: tuple[str, ...] = ()


class _Part(msgspec.Struct):
    status: str
    problem: str | None = None


class _Document(msgspec.Struct):
    status: str
    parts: dict[str, _Part]


@dataclass
class _Kept:
    until: float
    health: ServiceHealth


class HealthReader:
    """Reads the health at most every KEPT_SECONDS, however many pages are open.

    The request has no token, because another program could be listening at the service's address.
    """

    def __init__(self, settings: Settings) -> None:
        self._url = f"{service_url(settings)}/healthz"
        self._lock = threading.Lock()
        self._kept = _Kept(0.0, ServiceHealth("unreachable"))

    def read(self) -> ServiceHealth:
        """The current health; waits at most TIMEOUT_SECONDS."""
        with self._lock:
            if time.monotonic() >= self._kept.until:
                self._kept = _Kept(time.monotonic() + KEPT_SECONDS, self._ask())
            return self._kept.health

    def _ask(self) -> ServiceHealth:
        try:
            with direct_opener().open(self._url, timeout=TIMEOUT_SECONDS) as response:
                return _health(response.read(_MAX_BYTES))
        except urllib.error.HTTPError as error:
            return _health(error.read(_MAX_BYTES))
        except (OSError, HTTPException):
            return ServiceHealth("unreachable", (f"No response from {self._url}.",))


def _health(body: bytes) -> ServiceHealth:
    try:
        document = msgspec.json.decode(body, type=_Document)
    except msgspec.DecodeError:
        return ServiceHealth("unhealthy", ("The response of the service's health check is not understood.",))
    is_healthy = document.status == "healthy"
    # A healthy service also has parts that are not "ok", such as a shadow that is off.
    wrong = {n: p for n, p in document.parts.items() if p.problem or (not is_healthy and p.status not in _NOT_WRONG)}
    problems = tuple(f"{name}: {part.problem or part.status}" for name, part in wrong.items())
    return ServiceHealth("healthy" if is_healthy else "unhealthy", problems)
