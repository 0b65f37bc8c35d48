"""Limits the number of large bodies in memory, and decodes them in a thread so that single predictions do not wait.

Not here: reading (request_bodies.py), decoding (predictor.py, http/data_endpoints.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeVar

from pmmds_serving.api_errors import ApiError
from pmmds_serving.prediction.request_bodies import Headers, Receive, read_body

LARGE_BYTES = 100_000
# Maximum number of large bodies per worker; batches and labels are counted separately.
MAX_LARGE = 8
# Maximum time in seconds that a body waits for a free slot.
WAIT_SECONDS = 5.0

T = TypeVar("T")

# One thread per process: decoding holds the interpreter lock, so more threads would not be faster.
_decoding = ThreadPoolExecutor(1, thread_name_prefix="large-bodies")


class LargeBodies:
    """Slots for the large bodies of one HTTP endpoint."""

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(MAX_LARGE)

    @asynccontextmanager
    async def read(self, headers: Headers, receive: Receive, limit: int) -> AsyncIterator[bytes]:
        """Yields the complete body; a large one holds a slot until the block ends.

        Raises the same errors as `read_body`.
        """
        async with AsyncExitStack() as slot:
            yield await read_body(headers, receive, limit, LARGE_BYTES, lambda: self._take_slot(slot))

    async def _take_slot(self, slot: AsyncExitStack) -> None:
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await slot.enter_async_context(self._slots)
        except TimeoutError:
            errors = [f"{MAX_LARGE} bodies of more than {LARGE_BYTES:,} bytes are in progress. Try again"]
            raise ApiError(503, "The service has too many large requests", "busy", errors) from None


async def decoded(decode: Callable[[bytes], T], body: bytes) -> T:
    """Return `decode(body)`; runs in a thread if the body is large. Raises the same errors as `decode`."""
    if len(body) <= LARGE_BYTES:
        return decode(body)
    return await asyncio.get_running_loop().run_in_executor(_decoding, decode, body)
