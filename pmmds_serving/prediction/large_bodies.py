"""Large bodies: few are held at once, and one thread decodes them, so that a prediction beside them does not wait.

Keep out: reading (request_bodies.py) and what is decoded (predictor.py, http/data_endpoints.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeVar

from pmmds_serving.prediction.api_errors import ApiError
from pmmds_serving.prediction.request_bodies import Headers, Receive, read_body

LARGE_BYTES = 100_000
# Of one worker, for batches and for labels each.
MAX_LARGE = 8
# How long a body waits for its turn.
TURN_SECONDS = 5.0

T = TypeVar("T")

# Of this process: decoding holds the interpreter's lock, so a second thread would make nothing faster.
_decoding = ThreadPoolExecutor(1, thread_name_prefix="large-bodies")


class LargeBodies:
    """The turns of one endpoint's large bodies, over HTTP."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(MAX_LARGE)

    @asynccontextmanager
    async def read(self, headers: Headers, receive: Receive, limit: int) -> AsyncIterator[bytes]:
        """A request's body, whole; its turn, when it is large, lasts as long as the block. Raises as `read_body`."""
        async with AsyncExitStack() as held:
            yield await read_body(headers, receive, limit, LARGE_BYTES, lambda: self._take_turn(held))

    async def _take_turn(self, held: AsyncExitStack) -> None:
        try:
            async with asyncio.timeout(TURN_SECONDS):
                await held.enter_async_context(self._turns)
        except TimeoutError:
            errors = [f"{MAX_LARGE} bodies of more than {LARGE_BYTES:,} bytes are being read. Try again"]
            raise ApiError(503, "The service has too many large requests", "busy", errors) from None


async def decoded(decode: Callable[[bytes], T], body: bytes) -> T:
    """What `decode` makes of a body: here when it is small, in a thread when it is large. Raises what that raises."""
    if len(body) <= LARGE_BYTES:
        return decode(body)
    return await asyncio.get_running_loop().run_in_executor(_decoding, decode, body)
