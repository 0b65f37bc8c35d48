"""Receives gRPC messages with limits on their number and time.

gRPC itself would wait for a complete message until the connection ends, so every method uses this module instead.
Not here: the content of a message (methods.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pmmds_core.contracts.request_validator import MESSAGE
from pmmds_serving.api_errors import ApiError


class Receiving:
    """Receives the messages of one method.

    At most `most` calls are in progress, from waiting for the message until the response is complete. `seconds`:
    maximum total time to wait for a free slot and for the message.
    """

    def __init__(self, most: int, seconds: float) -> None:
        self._slots = asyncio.Semaphore(most)
        self._seconds = seconds

    @asynccontextmanager
    async def message(self, sent: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Yields the call's message. Raises ApiError if it arrives too slowly or is missing."""
        deadline = asyncio.timeout(self._seconds)
        try:
            async with deadline:
                await self._slots.acquire()
                try:
                    data = await anext(sent)
                except BaseException:
                    self._slots.release()
                    raise
        except TimeoutError:
            errors = [f"The message was not complete after {self._seconds:g} seconds"]
            raise ApiError(408, "The request arrived too slowly", "slow_client", errors) from None
        except StopAsyncIteration:
            raise ApiError(400, MESSAGE, "broken_message", ["The call has no message"]) from None
        try:
            yield data
        finally:
            self._slots.release()
