"""A deadline for the model watcher, which exits the process if a block takes too long.

MLflow has a timeout for each read but none for a whole download. A blocked thread cannot be stopped, but a process can,
and a worker starts the next watcher. Not here: the work with the deadline (watcher.py).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def exit_after(seconds: float, on_timeout: Callable[[], None]) -> Iterator[None]:
    """Call `on_timeout` and exit the process without cleanup if the block takes longer than `seconds`."""

    def give_up() -> None:
        try:
            on_timeout()
        finally:
            os._exit(1)

    timer = threading.Timer(seconds, give_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
