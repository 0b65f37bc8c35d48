"""A bound on how long the model watcher waits: what has not come in time is given up, with the process.

MLflow bounds each wait for bytes, not a download that trickles, and a thread that waits for them cannot be ended; a
process can, and a worker starts the next one. Keep out: what is waited for (watcher.py).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def ended_after(seconds: float, tell: Callable[[], None]) -> Iterator[None]:
    """End this process, without a farewell to its threads, when the block takes longer; `tell` says so before."""

    def give_up() -> None:
        try:
            tell()
        finally:
            os._exit(1)

    timer = threading.Timer(seconds, give_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
