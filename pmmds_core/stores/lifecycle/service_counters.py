"""Reads the service's counters of prediction requests by status.

Not here: the tolerated error rate (policies/rollback.py).
"""

from __future__ import annotations

from http.client import HTTPException

import msgspec

from pmmds_core.config.settings import Settings
from pmmds_core.config.urls import client_url
from pmmds_core.policies.rollback import RequestTotals
from pmmds_core.stores.lifecycle.direct_http import direct_opener

_TIMEOUT_SECONDS = 5
_PREDICT = "/api/v1/predict"  # and /api/v1/predict/batch


class _Sample(msgspec.Struct):
    name: str
    labels: dict[str, str]
    value: float


class _Family(msgspec.Struct):
    samples: list[_Sample]


def service_totals(settings: Settings) -> RequestTotals | None:
    """Read the counters of the service at PMMDS_HTTP_HOST and PMMDS_HTTP_PORT, or return None if reading fails."""
    by_status = requests_by_status(client_url(settings.http_host, settings.http_port))
    if by_status is None:
        return None
    n_errors = sum(n for status, n in by_status.items() if status.startswith("5"))
    return RequestTotals(sum(by_status.values()), n_errors)


def requests_by_status(service_url: str) -> dict[str, int] | None:
    """Return the number of prediction requests since the service started, by HTTP status.

    Return None if the counters cannot be read.
    """
    try:
        with direct_opener().open(f"{service_url}/metrics/json", timeout=_TIMEOUT_SECONDS) as answer:
            families = msgspec.json.decode(answer.read(), type=dict[str, _Family])
    except (OSError, HTTPException, msgspec.DecodeError):
        return None
    samples = families.get("pmmds_requests", _Family([])).samples
    requests = [s for s in samples if s.name.endswith("_total") and s.labels.get("endpoint", "").startswith(_PREDICT)]
    totals: dict[str, int] = {}
    for s in requests:
        status = s.labels.get("status", "")
        totals[status] = totals.get(status, 0) + int(s.value)
    return totals
