"""The thread that syncs the spool to disk and releases segments to the shipper.

Not here: syncing and releasing itself (spool.py).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from pmmds_core.runtime.json_logs import get_logger
from pmmds_serving.process.error_guard import ErrorGuard
from pmmds_serving.spool.spool import Spool

# Minimum pause between fsyncs on slow disks.
MIN_PAUSE_SECONDS = 0.001
# Maximum delay until a row is released to the shipper, unless the shipper is behind.
HAND_OVER_SECONDS = 0.1

log = get_logger("pmmds.serving.spool_sync")


class SpoolSyncer:
    """Syncs every `every_seconds` and calls `after_each` in every iteration to publish the spool's state.

    A prediction is on disk after at most `every_seconds` plus the duration of two syncs: the one in progress when it
    was recorded, and its own.
    """

    def __init__(self, spool: Spool, every_seconds: float, after_each: Callable[[], None] = lambda: None) -> None:
        self._spool = spool
        self._every = every_seconds
        self._after_each = after_each
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="spool-sync", daemon=True)
        self._is_started = False
        self._logged_failure = ""

    def start(self) -> None:
        self._is_started = True
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread and call `after_each` once more."""
        self._stop.set()
        if self._is_started:
            self._thread.join()
        self._after_each()

    @property
    def problem(self) -> str:
        """The reason why predictions may not be synced to disk; empty if there is no problem."""
        if self._is_started and not self._stop.is_set() and not self._thread.is_alive():
            return "The spool sync thread has stopped. Restart the service."
        return self._spool.problem

    def _run(self) -> None:
        pause, sync_due = min(self._every, HAND_OVER_SECONDS), time.monotonic() + self._every
        while not self._stop.wait(pause):
            began = time.monotonic()
            with ErrorGuard() as syncing:
                if began >= sync_due:
                    sync_due = began + self._every
                    self._spool.sync()
                self._spool.hand_over()
            self._log(syncing)
            with ErrorGuard():
                self._after_each()
            spent = time.monotonic() - began
            pause = max(MIN_PAUSE_SECONDS, min(sync_due - began, HAND_OVER_SECONDS) - spent)

    def _log(self, syncing: ErrorGuard) -> None:
        """Log each new failure once instead of ten times a second."""
        failure = f"{type(syncing.error).__name__} {syncing.place}" if syncing.error else ""
        if failure != self._logged_failure:
            with ErrorGuard():  # a logging failure must not stop the thread
                if failure:
                    syncing.log_error("spool_sync_failed")
                else:
                    log.info("spool_sync_resumed")
        self._logged_failure = failure
