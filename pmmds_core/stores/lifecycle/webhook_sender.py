"""Sends due events of the outbox to PMMDS_WEBHOOK_URLS, signed as the Standard Webhooks specification defines.

Each target has its own queue, so that a target that does not respond delays no other. Redirects are not followed, and a
response's body is neither read nor logged. Messages contain no part of a URL except its scheme.
Not here: writing events (publisher.py), retries (outbox.py).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from importlib.metadata import version
from typing import TYPE_CHECKING

import msgspec

from pmmds_core.stores.lifecycle.notifier import Delivery
from pmmds_core.stores.lifecycle.outbox import Notification, NotificationOutbox, webhook_target_of

if TYPE_CHECKING:
    import httpx

# The time for one attempt, from the connection to the response's status.
TIMEOUT_SECONDS = 10.0
# After this time, a pass starts no further attempts, and the next pass continues.
PASS_SECONDS = 30.0
_NOT_CONFIGURED = "PMMDS_WEBHOOK_URLS no longer contains this target"
_GONE = "the target answered 410, which means that it wants no more events"


@dataclass(frozen=True)
class Webhooks:
    """The configured targets. Each of the `secrets` adds a signature, and there are two during a rotation."""

    urls: Sequence[str]
    secrets: Sequence[str]
    timeout_seconds: float = TIMEOUT_SECONDS


class _EventId(msgspec.Struct):
    id: str


def deliver_webhooks(outbox: NotificationOutbox, webhooks: Webhooks, now: datetime | None = None) -> Delivery:
    """Send all due events. After a failure, the target's other events wait for the next call.

    Args:
        outbox: the outbox of the deployment.
        webhooks: the configured targets.
        now: the time at which events are due, or None for the current time.

    Raises:
        StoreError: if the database is unreachable.
    """
    due = outbox.due_webhooks(now)
    if not due:
        return Delivery()
    results = asyncio.run(_send_all(_Pass(outbox, webhooks, now), due))
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return _sum(result for result in results if isinstance(result, Delivery))


async def post(url: str, body: str, secrets: Sequence[str], timeout_seconds: float = TIMEOUT_SECONDS) -> str | None:
    """Send an event immediately.

    Return None if the target accepted the event (2xx), and otherwise the reason without the URL.
    """
    import httpx

    headers = _headers(body, secrets, datetime.now(UTC))
    try:
        # Proxy environment variables apply to https only, because a loopback address cannot be reached through a proxy.
        client = httpx.AsyncClient(trust_env=url.startswith("https:"), timeout=timeout_seconds)
        sending = client.stream("POST", url, content=body.encode(), headers=headers)
        async with asyncio.timeout(timeout_seconds), client, sending as response:
            return _rejection(response.status_code)
    except (TimeoutError, httpx.TimeoutException):
        return f"no response within {timeout_seconds:g} s"
    except httpx.HTTPError as error:
        return _failure(error)
    # The URL, a proxy variable or SSL_CERT_FILE is not valid, or the package for a SOCKS proxy is missing.
    except (httpx.InvalidURL, ImportError, OSError, ValueError) as error:
        return f"no request can be sent ({type(error).__name__}); check the URL, the proxy variables and SSL_CERT_FILE"


def name_of(place: int, url: str) -> str:
    """Return a target's display name, which is its position in PMMDS_WEBHOOK_URLS and its scheme.

    The rest of the URL may be secret.
    """
    return f"URL {place} of PMMDS_WEBHOOK_URLS ({url.partition('://')[0]})"


@dataclass(frozen=True)
class _Pass:
    """One call of `deliver_webhooks`."""

    outbox: NotificationOutbox
    webhooks: Webhooks
    now: datetime | None

    async def send_to(self, target: str, notification_ids: Sequence[int]) -> Delivery:
        """Send a target's due events in order, until one fails or the pass has lasted PASS_SECONDS."""
        names = {webhook_target_of(url): (name_of(i, url), url) for i, url in enumerate(self.webhooks.urls, start=1)}
        done, started = Delivery(), time.monotonic()
        for notification_id in notification_ids:
            claimed = await asyncio.to_thread(self.outbox.claim, notification_id, self.now)
            if claimed is None:
                continue
            if target not in names:
                await asyncio.to_thread(self.outbox.give_up, claimed, _NOT_CONFIGURED)
                done = _sum((done, Delivery(n_given_up=1, failures=(_NOT_CONFIGURED,))))
                continue
            result = await self._send(claimed, *names[target])
            done = _sum((done, result))
            if not result.n_sent or time.monotonic() - started > PASS_SECONDS:
                break
        return done

    async def _send(self, claimed: Notification, name: str, url: str) -> Delivery:
        reason = await post(url, claimed.body, self.webhooks.secrets, self.webhooks.timeout_seconds)
        if reason is None:
            await asyncio.to_thread(self.outbox.sent, claimed, self.now)
            return Delivery(n_sent=1)
        failure = f"{name}: {reason}"
        if reason == _GONE:
            await asyncio.to_thread(self.outbox.give_up, claimed, failure)
            return Delivery(n_given_up=1, failures=(failure,))
        is_put_off = await asyncio.to_thread(self.outbox.failed, claimed, failure, self.now)
        return Delivery(n_put_off=int(is_put_off), n_given_up=int(not is_put_off), failures=(failure,))


async def _send_all(sending: _Pass, due: dict[str, list[int]]) -> list[Delivery | BaseException]:
    queues = (sending.send_to(target, notification_ids) for target, notification_ids in due.items())
    return await asyncio.gather(*queues, return_exceptions=True)


def _headers(body: str, secrets: Sequence[str], at: datetime) -> dict[str, str]:
    """Return the headers of one attempt, with the event's id and the attempt's time."""
    from standardwebhooks import Webhook

    event_id = msgspec.json.decode(body, type=_EventId).id
    return {
        "content-type": "application/json",
        "user-agent": f"pmmds/{version('pmmds')}",
        "webhook-id": event_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(Webhook(secret).sign(event_id, at, body) for secret in secrets),
    }


def _rejection(status: int) -> str | None:
    if 200 <= status < 300:
        return None
    if status == HTTPStatus.GONE:
        return _GONE
    is_redirect = 300 <= status < 400
    return f"the target answered {status}{', and redirects are not followed' if is_redirect else ''}"


def _failure(error: httpx.HTTPError) -> str:
    """Return the kind of failure without httpx's own message, which may contain the host."""
    import httpx

    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return "the target's TLS certificate is not trusted"
    if isinstance(error, httpx.ConnectError):
        return "the target cannot be reached"
    return f"the connection failed ({type(error).__name__})"


def _sum(results: Iterable[Delivery]) -> Delivery:
    total = Delivery()
    for result in results:
        total = Delivery(
            total.n_sent + result.n_sent,
            total.n_put_off + result.n_put_off,
            total.n_given_up + result.n_given_up,
            total.failures + result.failures,
        )
    return total
