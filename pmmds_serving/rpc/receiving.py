"""Messages as they arrive over gRPC: so many at once, so many seconds each.

gRPC hands a message over when it is there whole and waits for that as long as its connection lasts, so every method of
the server takes its message here. Keep out: what is in it (methods.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pmmds_core.contracts.request_validator import MESSAGE
from pmmds_serving.prediction.api_errors import ApiError


class Receiving:
    """The turns of one method's messages.

    `most` are held at once, from a message's first byte until its answer is made; `seconds` is the time that a call
    waits for its turn and for its message together.
    """

    def __init__(self, most: int, seconds: float) -> None:
        self._turns = asyncio.Semaphore(most)
        self._seconds = seconds

    @asynccontextmanager
    async def message(self, sent: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The call's message. Raises ApiError: it came too slowly, or there is none."""
        deadline = asyncio.timeout(self._seconds)
        try:
            async with deadline:
                await self._turns.acquire()
                try:
                    data = await anext(sent)
                except BaseException:
                    self._turns.release()
                    raise
        except TimeoutError:
            errors = [f"The message was not there whole after {self._seconds:g} seconds"]
            raise ApiError(408, "The request came too slowly", "slow_client", errors) from None
        except StopAsyncIteration:
            raise ApiError(400, MESSAGE, "broken_message", ["The call has no message"]) from None
        try:
            yield data
        finally:
            self._turns.release()
