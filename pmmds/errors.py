"""Errors raised by the client, part of the tree in pmmds_core/errors.py.

Add a class if callers need to catch it separately.
"""

from __future__ import annotations

from pmmds_core.errors import PmmdsError, ServiceError, ServiceUnavailableError, UsageError

__all__ = [
    "ConflictError",
    "InvalidCallError",
    "InvalidWebhookError",
    "NotAllowedError",
    "NotFoundError",
    "PmmdsError",
    "ResponseError",
    "UnavailableError",
]


class InvalidCallError(UsageError):
    """An argument that the console does not accept, or an invalid URL."""


class InvalidWebhookError(UsageError):
    """A request that is not a valid PMMDS webhook, because its signature, time or body is invalid.

    Answer it with status 400.
    """


class ResponseError(ServiceError):
    """The console returned an error, or the response does not come from this API. `status` is the HTTP status."""

    def __init__(self, message: str, *, status: int, next_step: str = "") -> None:
        super().__init__(message, next_step=next_step)
        self.status = status


class NotAllowedError(ResponseError):
    """The token is missing or wrong, its role is too low, or the host name is not allowed."""


class ConflictError(ResponseError):
    """The state of the alert, the decision or the production version does not allow the change.

    Also raised if a client request id belongs to several predictions.
    """


class NotFoundError(ResponseError):
    """The report, alert, decision, version, feature or prediction does not exist."""


class UnavailableError(ServiceUnavailableError):
    """The console is unreachable or unavailable after all retries."""
