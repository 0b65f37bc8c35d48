"""Sends requests to the console with one connection pool and a limited number of retries, and raises errors.

Not here: the resources (client.py), the changes (changes.py).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

import httpx
import msgspec

from pmmds.errors import (
    ConflictError,
    InvalidCallError,
    NotAllowedError,
    NotFoundError,
    ResponseError,
    UnavailableError,
)
from pmmds.resources import Page, Problem
from pmmds_core.config.values import without_password

T = TypeVar("T")
BASE = "/api/v1/monitoring"
# The delay between attempts is 0.2 s, doubled each time, or the console's Retry-After, but never more than this.
MAX_WAIT_SECONDS = 10.0
_FIRST_WAIT_SECONDS = 0.2
_INVALID = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY})
_NOT_ALLOWED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_STEP = "Pass an API token of a user with the required role, or the admin token: pmmds.connect(url, token=...)."


class Transport:
    """A connection that sends requests below one base URL, each with the token."""

    def __init__(self, url: str, token: str = "", *, timeout: float = 30.0, retries: int = 3) -> None:
        # An environment variable that is not set is None.
        url, token = str(url), token or ""
        _check_address(url, token)
        if retries < 0 or not timeout > 0:
            raise InvalidCallError("retries must not be negative, and timeout must be positive (seconds).")
        self._url = url.rstrip("/")
        self._retries = retries
        headers = {
            "Accept": "application/json",
            **({"Authorization": f"Bearer {token.strip()}"} if token.strip() else {}),
        }
        self._client = httpx.Client(headers=headers, timeout=timeout)

    @property
    def url(self) -> str:
        """The address of the console without its password, for messages."""
        return without_password(self._url)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def get(self, path: str, kind: type[T], query: Mapping[str, Any] | None = None) -> T:
        """Get a path below the API's base and decode the response.

        Raises:
            InvalidCallError: the status is 400 or 422.
            NotAllowedError: the status is 401 or 403.
            NotFoundError: the status is 404.
            ConflictError: the status is 409.
            UnavailableError: the status is 503 or there is no connection, even after all retries.
            ResponseError: any other error.
        """
        return self._decoded(self._sent(f"{self._url}{BASE}{path}", query), kind)

    def post(self, path: str, body: Mapping[str, str], kind: type[T]) -> T:
        """Send a JSON body to a path below the API's base and decode the response. Raises the same errors as `get`.

        The request is never retried, because the console may have made the change although the response is missing.
        """
        try:
            response = self._client.post(f"{self._url}{BASE}{path}", json=dict(body))
        except httpx.ConnectError as error:
            raise _no_connection(self.url, error) from None
        except httpx.RequestError as error:
            step = "The change may have been made; read the alert or the decision before you repeat it."
            raise _no_connection(self.url, error, step) from None
        return self._decoded(response, kind)

    def pages(self, path: str, kind: type[T], query: Mapping[str, Any]) -> Iterator[list[T]]:
        """Yield the rows of each page of a list, one request per page. Raises the same errors as `get`."""
        url, parameters = f"{self._url}{BASE}{path}", {k: v for k, v in query.items() if v is not None}
        generic: Any = Page  # mypy does not accept a variable as a type argument.
        page: Page[T] = self._decoded(self._sent(url, parameters), generic[kind])
        yield page.items
        while page.next is not None:
            page = self._decoded(self._sent(self._next(url, page.next), None), generic[kind])
            yield page.items

    def _next(self, url: str, reference: str) -> str:
        """Return the URL of the next page.

        A URL on another server or path is rejected, because the request would reveal the token.
        """
        if not reference.startswith("?"):
            raise ResponseError(
                f"The console returned {reference!r} as the next page, which is not a page of this list.", status=200
            )
        return urljoin(url, reference)

    def _decoded(self, response: httpx.Response, kind: type[T]) -> T:
        if response.status_code != HTTPStatus.OK:
            raise _error_of(response)
        try:
            return msgspec.json.decode(response.content, type=kind)
        except msgspec.DecodeError as error:
            raise ResponseError(
                f"{self.url} did not send a valid response: {error}.",
                status=response.status_code,
                next_step="Check that the URL belongs to `pmmds console`, and that client and console have the same "
                "version.",
            ) from None

    def _sent(self, url: str, query: Mapping[str, Any] | None) -> httpx.Response:
        """Send a GET request, retry it at most `retries` times, and return the response."""
        for attempt in range(self._retries + 1):
            is_last = attempt == self._retries
            try:
                response = self._client.get(url, params=query)
            except httpx.RequestError as error:
                if is_last:
                    raise _no_connection(self.url, error) from None
                time.sleep(_wait(attempt, ""))
                continue
            if response.status_code != HTTPStatus.SERVICE_UNAVAILABLE or is_last:
                return response
            time.sleep(_wait(attempt, response.headers.get("retry-after", "")))
        raise AssertionError  # The last attempt returns or raises.


def _check_address(url: str, token: str) -> None:
    """Raise InvalidCallError if no request can be sent to the address, or not with the token."""
    try:
        parts = urlsplit(url)
        httpx.URL(url).raw_host.decode("ascii").encode("idna")
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except (ValueError, httpx.InvalidURL):
        is_address = False
    if not is_address or parts.query or parts.fragment:
        raise InvalidCallError(
            f"{without_password(url)!r} is not the address of a console.",
            next_step="Use a URL such as http://127.0.0.1:8010.",
        )
    if token.strip() and "@" in parts.netloc:
        raise InvalidCallError(
            "A user name in the URL and a token cannot be sent together.",
            next_step="Remove the user name from the URL.",
        )
    if not (token.strip().isascii() and token.strip().isprintable()):
        raise InvalidCallError(
            "The token contains characters that no API token has.",
            next_step="Pass the token that `pmmds tokens create` printed.",
        )


def _wait(attempt: int, retry_after: str) -> float:
    """Return the delay before the next attempt in seconds."""
    asked = float(retry_after) if retry_after.isdecimal() else _FIRST_WAIT_SECONDS * 2**attempt
    return min(asked, MAX_WAIT_SECONDS)


def _no_connection(url: str, error: httpx.RequestError, next_step: str = "") -> UnavailableError:
    reason = str(error) or type(error).__name__
    step = next_step or "Start the console with `pmmds console`."
    return UnavailableError(f"No response from {url}: {reason}.", next_step=step)


def _error_of(response: httpx.Response) -> Exception:
    status = response.status_code
    message = _message(response)
    if status in _INVALID:
        return InvalidCallError(message)
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        return UnavailableError(message, next_step="Try again later; the console's log has the reason.")
    if status == HTTPStatus.NOT_FOUND:
        return NotFoundError(message, status=status)
    if status == HTTPStatus.CONFLICT:
        return ConflictError(message, status=status)
    if status in _NOT_ALLOWED:
        return NotAllowedError(message, status=status, next_step=_STEP)
    return ResponseError(message, status=status)


def _message(response: httpx.Response) -> str:
    try:
        problem = msgspec.json.decode(response.content, type=Problem)
    except msgspec.DecodeError:
        return f"{response.url.host} returned status {response.status_code} without an error document."
    errors = "; ".join(f"{e.parameter}: {e.problem}" for e in problem.errors)
    return f"{problem.detail} {errors}.".replace("..", ".") if errors else problem.detail
