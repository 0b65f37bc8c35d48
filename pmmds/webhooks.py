"""Verifies a webhook request and decodes its event.

Add the type of a new event's data to `_DATA`. Not here: sending (pmmds_core/stores/lifecycle/webhook_sender.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from pmmds.errors import InvalidCallError, InvalidWebhookError
from pmmds.resources import Alert, Decision, Document, Retraining
from pmmds_core.config.webhooks import is_secret

# The type of an event's data, indexed by the first word of the event's type.
_DATA: Mapping[str, Any] = {
    "alert": Alert,
    "retraining": Retraining,
    "promotion": Decision,
    "rollback": Decision,
    "manual": Decision,
}


class WebhookEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook event. `id` is the same in every attempt to send the event. `timestamp` is when the event happened.

    `data` is the resource after the change, or a plain document if this version does not know the event's type. `url`
    is the page in the console, if PMMDS_CONSOLE_URL is set.
    """

    id: str
    type: str
    version: int
    timestamp: datetime
    url: str | None
    data: Alert | Retraining | Decision | Document


class _Envelope(msgspec.Struct):
    id: str
    type: str
    version: int
    timestamp: datetime
    data: Document
    url: str | None = None


def verify(body: bytes | str, headers: Mapping[str, str], secret: str | Sequence[str]) -> WebhookEvent:
    """See `pmmds.verify_webhook`."""
    lowered = {name.lower(): value for name, value in headers.items()}
    reasons = [_problem(body, lowered, one) for one in ([secret] if isinstance(secret, str) else secret)]
    if not reasons:
        raise InvalidCallError("verify_webhook needs a secret.", next_step="Pass the value of PMMDS_WEBHOOK_SECRET.")
    if all(reasons):
        raise InvalidWebhookError(f"The request is not a valid webhook: {reasons[0]}.")
    event = _event(body)
    if event.id != lowered["webhook-id"]:
        raise InvalidWebhookError("The request is not a valid webhook: its id differs from that of its body.")
    return event


def _problem(body: bytes | str, headers: dict[str, str], secret: str) -> str:
    """Return why the request does not match a secret, or an empty string if it does."""
    from standardwebhooks import Webhook, WebhookVerificationError

    if not is_secret(secret):
        raise InvalidCallError(
            "A webhook secret is whsec_ followed by 24 to 64 bytes in base64.",
            next_step="Pass the value of PMMDS_WEBHOOK_SECRET.",
        )
    try:
        Webhook(secret).verify(body, headers, json_parse=False)
    except WebhookVerificationError as error:
        return str(error)[:1].lower() + str(error)[1:]
    except ValueError:  # The signature is malformed, or the body is not UTF-8.
        return "a header or the body is malformed"
    return ""


def _event(body: bytes | str) -> WebhookEvent:
    try:
        envelope = msgspec.json.decode(body, type=_Envelope)
        kind = _DATA.get(envelope.type.partition(".")[0], Document)
        data = msgspec.convert(envelope.data, kind)
    except msgspec.MsgspecError as error:
        raise InvalidWebhookError(f"The body is not an event of PMMDS: {error}.") from None
    return WebhookEvent(
        id=envelope.id,
        type=envelope.type,
        version=envelope.version,
        timestamp=envelope.timestamp,
        url=envelope.url,
        data=data,
    )
