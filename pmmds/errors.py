"""Errors of the client, part of the tree in pmmds_core/errors.py. Add a class if callers have to distinguish it."""

from __future__ import annotations

from pmmds_core.errors import PmmdsError, ServiceError, ServiceUnavailableError, UsageError

__all__ = [
    "InvalidCallError",
    "InvalidWebhookError",
    "NotAllowedError",
    "NotFoundError",
    "PmmdsError",
    "ResponseError",
    "UnavailableError",
]


class InvalidCallError(UsageError):
    """An argument that the console does not accept, or a URL that is none."""


class InvalidWebhookError(UsageError):
    """A request that is not a webhook of PMMDS: signature, time or body are not valid. Answer it with 400."""


class ResponseError(ServiceError):
    """The console's response is an error, or is not one of this API. `status`: the HTTP status."""

    def __init__(self, message: str, *, status: int, next_step: str = "") -> None:
        super().__init__(message, next_step=next_step)
        self.status = status


class NotAllowedError(ResponseError):
    """The token is missing or wrong, or the host name is not allowed."""


class NotFoundError(ResponseError):
    """There is no such report, alert, decision, version, feature or prediction."""


class UnavailableError(ServiceUnavailableError):
    """The console cannot be reached or is unavailable, after all retries."""
